"""Who reads: the language of the sentences and the locale of the figures, from Shopify's word and the browser's."""

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache

from babel import Locale, localedata

# A header that names more than this wants to keep us busy.
_HEADER_LENGTH_MAX = 200
_TAG = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")
_WEIGHT = re.compile(r"\s*q=([01](?:\.[0-9]{0,3})?)\s*")
_REGION = re.compile(r"[A-Z]{2}|[0-9]{3}")
# Chinese is written in two scripts; where only the region is named, these write the traditional one.
_TRADITIONAL = frozenset({"hant", "tw", "hk", "mo"})


class Language(StrEnum):
    """The languages there are catalogues for, as BCP 47 tags. The sentences in the code are English."""

    en = "en"
    de = "de"
    fr = "fr"
    es = "es"
    pt = "pt"
    it = "it"
    ja = "ja"
    zh = "zh-Hans"


_CODES = frozenset(str(language) for language in Language)


@dataclass(frozen=True)
class Reader:
    """`language` of the sentences; `locale` (babel's identifier) of figures: it keeps the region, as in `de_CH`."""

    language: Language
    locale: str


ENGLISH = Reader(Language.en, "en")


def choose_reader(
    customer_locale: str | None, accept_language: str | None = None, last_resort: str | None = None
) -> Reader:
    """By the language that Shopify names, then by the browser's header, then the one of last resort, then English.

    Someone who reads only traditional Chinese is not given simplified: the next wish counts.
    """
    return _choose(customer_locale, (accept_language or "")[:_HEADER_LENGTH_MAX], last_resort)


@lru_cache(maxsize=1_024)
def _choose(customer_locale: str | None, accept_language: str, last_resort: str | None) -> Reader:
    for tag in [customer_locale or "", *_wishes(accept_language), last_resort or ""]:
        reader = _read_tag(tag)
        if reader is not None:
            return reader
    return ENGLISH


def _wishes(header: str) -> list[str]:
    """The tags of an Accept-Language header (RFC 9110, section 12.5.4), the best first; nonsense is passed over."""
    weighed = []
    for wish in header.split(","):
        tag, _, weight = wish.partition(";")
        found = _WEIGHT.fullmatch(weight) if weight else None
        if found or not weight:
            weighed.append((Decimal(found[1]) if found else Decimal(1), tag.strip()))
    return [tag for quality, tag in sorted(weighed, key=lambda one: one[0], reverse=True) if quality]


def _read_tag(tag: str) -> Reader | None:
    """The reader that a language tag stands for; None when there is no catalogue for it."""
    if not _TAG.fullmatch(tag):
        return None
    name, *rest = tag.replace("_", "-").lower().split("-")
    if name == "zh":
        if not _TRADITIONAL.isdisjoint(rest) and "hans" not in rest:
            return None
        language, base = Language.zh, "zh_Hans"
    elif name in _CODES:
        language = Language(name)
        base = name
    else:
        return None
    regional = next((f"{base}_{part.upper()}" for part in rest if _REGION.fullmatch(part.upper())), base)
    return Reader(language, regional if localedata.exists(regional) else base)


def babel_locale(reader: Reader) -> Locale:
    """What babel knows of the reader's figures and dates."""
    return Locale.parse(reader.locale)
