"""There is one design: its tokens stand in one place, no rule is written twice, and none is there for nothing."""

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

HANDLERS = Path(__file__).resolve().parents[2] / "handlers"
DESIGN, PORTAL = "settle.css", "portal.css"
# What a part means to its reader is said by a class, which sets these two.
BY_CLASS = {"--tone", "--ground"}
# Codes and logos stand on white in every scheme.
FIXED_COLOURS = {"#fff", "#000"}
# Declarations that two rules may have in common.
ALIKE_MAX = 2


class Rule(NamedTuple):
    """One selector of a rule; `media` is the query around it, `number` tells a file's rules apart."""

    file: str
    media: str
    selector: str
    number: int
    declared: tuple[tuple[str, str], ...]


def read_rules(file: str) -> list[Rule]:
    text = re.sub(r"/\*.*?\*/", "", (HANDLERS / "static" / file).read_text(), flags=re.DOTALL)
    rules, around = [], []
    for number, (words, brace) in enumerate(re.findall(r"([^{}]*)([{}])", text)):
        if brace == "{":
            around.append(" ".join(words.split()))
            continue
        selectors = around.pop()
        declarations = [one.split(":", 1) for one in words.split(";") if one.strip()]
        if not declarations or any(head.startswith("@keyframes") for head in around):
            continue
        declared = tuple((name.strip(), value.strip()) for name, value in declarations)
        media, each = " ".join(around), re.split(r",(?![^()]*\))", selectors)
        rules += [Rule(file, media, selector.strip(), number, declared) for selector in each]
    return rules


RULES = [*read_rules(DESIGN), *read_rules(PORTAL)]
TOKENS = {name for rule in RULES if rule.selector == ":root" for name, _ in rule.declared if name.startswith("--")}


def test_tokens_are_defined_in_one_place_and_each_is_used() -> None:
    assert {rule.file for rule in RULES if rule.selector == ":root"} == {DESIGN}
    elsewhere = {
        name for rule in RULES for name, _ in rule.declared if name.startswith("--") and rule.selector != ":root"
    }
    assert elsewhere == BY_CLASS
    used = {name for rule in RULES for _, value in rule.declared for name in re.findall(r"var\((--[\w-]+)", value)}
    assert used == TOKENS | BY_CLASS


def test_every_colour_is_a_token() -> None:
    loose = [rule for rule in RULES if rule.selector != ":root" for _, value in rule.declared
             if set(re.findall(r"#[0-9a-f]{3,8}\b|\brgba?\(|\bhsla?\(", value)) - FIXED_COLOURS]  # fmt: skip
    assert loose == []


def test_no_rule_is_written_twice() -> None:
    # Browsers that do not know the second take the first.
    fallbacks = {("body", "min-height")}
    said = Counter((rule.media, rule.selector, name) for rule in RULES for name, _ in rule.declared)
    assert [place for place, times in said.items() if times > 1 and place[1:] not in fallbacks] == []


def test_no_two_rules_say_the_same() -> None:
    alike: dict[tuple[str, tuple[tuple[str, str], ...]], list[Rule]] = {}
    for rule in RULES:
        if len(rule.declared) > ALIKE_MAX:
            alike.setdefault((rule.media, tuple(sorted(rule.declared))), []).append(rule)
    # Selectors of one rule do, of course.
    assert [rules for rules in alike.values() if len({(rule.file, rule.number) for rule in rules}) > 1] == []


def test_every_rule_is_for_something_that_a_page_has() -> None:
    pages = [
        *(HANDLERS / "templates").rglob("*.html"),
        *(HANDLERS / "static").glob("*.js"),
        *(HANDLERS.parent / "app" / "portal").glob("*.py"),
    ]
    said = set(re.findall(r"[\w-]+", " ".join(path.read_text() for path in pages)))
    assert {name for rule in RULES for name in re.findall(r"[.#]([a-z][\w-]*)", rule.selector)} - said == set()


def test_every_class_of_a_template_has_a_rule() -> None:
    ruled = {name for rule in RULES for name in re.findall(r"\.([a-z][\w-]*)", rule.selector)}
    for path in (HANDLERS / "templates").rglob("*.html"):
        plain = re.sub(r"{[{%].*?[%}]}", " ", path.read_text())
        assert {name for names in re.findall(r'class="([^"]*)"', plain) for name in names.split()} <= ruled, path
