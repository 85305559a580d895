"""Brings app/languages/catalogues up to date with the sentences in code and templates: `make catalogues`.

New sentences come without a translation, those that are gone are taken out; nothing is guessed. A test fails until
every sentence is translated.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from babel.messages import Catalog
from babel.messages.pofile import read_po, write_po
from jinja2 import Environment, nodes

from app.languages.errors import worded_errors
from app.languages.reader import Language
from app.languages.sentences import catalogue_path
from scripts.modules import load_all

ROOT = Path(__file__).resolve().parents[1]
TEMPLATES = ROOT / "handlers" / "templates"
# Babel's own has dates in it, which would make every run a change.
HEADER = 'msgid ""\nmsgstr "Language: {language}\\nContent-Type: text/plain; charset=utf-8\\n"\n\n'
TRANSLATED = [language for language in Language if language is not Language.en]


def collect() -> dict[str, list[str]]:
    """Every sentence that a customer, or a merchant in a wallet, may read: in English, with the places that say it."""
    found: dict[str, list[str]] = {}
    for text, place in [*_of_templates(), *_of_code(), *_of_errors()]:
        found.setdefault(" ".join(text.split()), []).append(place)
    return found


def _of_templates() -> Iterator[tuple[str, str]]:
    for path in sorted(TEMPLATES.glob("*.html")):
        tree = Environment(autoescape=True).parse(path.read_text())
        for call in tree.find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name == "_" and isinstance(call.args[0], nodes.Const):
                yield call.args[0].value, path.relative_to(ROOT).as_posix()


def _of_code() -> Iterator[tuple[str, str]]:
    for folder in ("app", "handlers"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "sentence":
                    yield ast.literal_eval(node.args[0]), path.relative_to(ROOT).as_posix()


def _of_errors() -> Iterator[tuple[str, str]]:
    load_all()
    for error in worded_errors().values():
        yield error.__doc__ or "", error.__module__.replace(".", "/") + ".py"


def update(language: Language) -> Catalog:
    """The catalogue of a language as it should be: the sentences of today, with the translations there are."""
    path = catalogue_path(language)
    known = {}
    if path.exists():
        with path.open("rb") as file:
            known = {one.id: one for one in read_po(file) if one.id}
    fresh = Catalog(locale=language.replace("-", "_"), fuzzy=False)
    for text, places in sorted(collect().items()):
        old = known.get(text)
        # Without lines, which would change with every edit; babel's types know nothing of that.
        where: Any = [(place, None) for place in sorted(set(places))]
        fresh.add(text, old.string if old else "", locations=where)
        if old and old.fuzzy:
            fresh[text].flags.add("fuzzy")
    return fresh


def main() -> None:
    for language in TRANSLATED:
        catalogue = update(language)
        with catalogue_path(language).open("wb") as file:
            file.write(HEADER.format(language=language.replace("-", "_")).encode())
            write_po(file, catalogue, width=120, omit_header=True)
        missing = sum(not one.string for one in catalogue if one.id)
        print(f"{language}: {missing} of {len(catalogue)} sentences are missing")


if __name__ == "__main__":
    main()
