"""The sentences in each language, from gettext catalogues. A sentence is known by its English text.

The catalogues are read as they are written (`catalogues/*.po`): there is nothing to compile. What belongs into them is
what templates say with `_`, what code says with `sentence`, and what the errors say that customers read.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from babel.messages.pofile import read_po

from app.languages.reader import Language

CATALOGUES = Path(__file__).parent / "catalogues"


def catalogue_path(language: Language) -> Path:
    return CATALOGUES / f"{language}.po"


@lru_cache(maxsize=len(Language))
def read_catalogue(language: Language) -> Mapping[str, str]:
    """English sentence -> sentence in this language. What is not translated yet is left out. English: empty."""
    if language is Language.en:
        return {}
    with catalogue_path(language).open("rb") as file:
        catalogue = read_po(file, locale=language.replace("-", "_"))
    return {str(one.id): str(one.string) for one in catalogue if one.id and one.string and not one.fuzzy}


def sentence(text: str) -> str:
    """Marks a text that is translated later; scripts/update_catalogues.py finds it by this."""
    return text


def translate(language: Language, text: str, /, **values: Any) -> str:
    """An English sentence of ours in this language, with the values in its braces filled in."""
    # A docstring's sentence may go over several lines.
    plain = " ".join(text.split())
    told = read_catalogue(language).get(plain, plain)
    return told.format(**values) if values else told
