"""Every sentence that a customer may read is there in every language, and says the same figures and names."""

import re
from string import Formatter

import pytest
from babel.messages.pofile import read_po

from app.languages.errors import worded_errors
from app.languages.reader import Language
from app.languages.sentences import catalogue_path, read_catalogue, translate
from app.refunds import refusals as refund_refusals
from scripts.update_catalogues import TRANSLATED, collect

ENGLISH = sorted(collect())
# What reads the same in another language.
LOAN_WORDS = {"Scan", "Shop", "Wallet", "USDC"}


def braces(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_sentences_are_found_where_they_are_said() -> None:
    for told in (
        "Open in wallet",  # in a template
        "Approve in your wallet",  # in code
        "This wallet holds no USDC. Add {needed} USDC to it, or pay from another wallet.",  # an error of the chain side
        "This order is already paid. You do not need to pay again.",  # an error of ours, for customers
        "This refund is already paid. There is nothing more to do.",  # another, for merchants
        "This is the customer's own wallet. Pay the refund from another one.",  # one of the chain side, for merchants
    ):
        assert told in ENGLISH


@pytest.mark.parametrize(("reason", "error"), sorted(worded_errors().items()))
def test_a_refusal_says_what_is_wrong_and_then_what_to_do(reason: str, error: type[Exception]) -> None:
    """Nobody is left with a bare no: there is a second sentence, or a second half."""
    assert len(re.findall(r"[.;](?= |$)", " ".join((error.__doc__ or "").split()))) >= 2, reason


def test_what_a_wallet_is_told_of_a_refund_has_every_language() -> None:
    """What else stands in that module is told to Shopify, or to the portal, whose pages are English."""
    elsewhere = {
        "payment_unknown", "refund_test_differs", "refund_currency_differs", "payment_not_paid", "refund_conflict",
        "denial_invalid",
    }  # fmt: skip
    kinds = [
        kind for kind in vars(refund_refusals).values() if getattr(kind, "__module__", "") == refund_refusals.__name__
    ]
    assert {kind.reason for kind in kinds} - set(worded_errors()) == elsewhere


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_catalogue_has_every_sentence_and_no_other(language: Language) -> None:
    assert sorted(read_catalogue(language)) == ENGLISH, "run: make catalogues"


@pytest.mark.parametrize("language", TRANSLATED)
def test_nothing_in_a_catalogue_is_fuzzy_empty_or_left_over(language: Language) -> None:
    with catalogue_path(language).open("rb") as file:
        catalogue = read_po(file)
    assert [one.id for one in catalogue if one.id and (one.fuzzy or not one.string)] == []
    assert list(catalogue.obsolete) == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_has_the_same_words_in_braces(language: Language) -> None:
    told = read_catalogue(language)
    assert {english: braces(english) for english in told} == {english: braces(other) for english, other in told.items()}


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_sentence_is_translated_and_ends_as_one(language: Language) -> None:
    for english, other in read_catalogue(language).items():
        if english not in LOAN_WORDS:
            assert other != english
        assert english.endswith((".", "?")) == other.endswith((".", "?", "。", "？")), other
        assert other == other.strip()
        assert "  " not in other


def test_german_is_formal() -> None:
    for other in read_catalogue(Language.de).values():
        assert not re.search(r"\b(du|dich|dir|dein\w*|euch|euer\w*)\b", other, re.IGNORECASE), other


@pytest.mark.parametrize("language", list(Language))
def test_what_is_in_braces_is_filled_in_and_a_docstrings_lines_are_one_sentence(language: Language) -> None:
    told = translate(
        language, "This wallet holds no USDC. Add {needed} USDC to it,\n    or pay from another wallet.", needed="7"
    )
    assert "7 USDC" in told
    assert "\n" not in told
    assert "{" not in told


def test_an_unknown_sentence_stays_english() -> None:
    assert translate(Language.ja, "Never said before.") == "Never said before."
