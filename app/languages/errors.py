"""Why somebody is refused, as a sentence in the reader's language with what to do next."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import Any

from app.errors import WordedError
from app.languages.figures import write_number
from app.languages.reader import Reader
from app.languages.sentences import sentence, translate
from chain.errors import Refused

# For what a person can do nothing about, and need not know.
TROUBLE = sentence("Something is not working at the moment. Please try again in a minute.")

# What sentences have in braces and is a number of coins, as chain/preflight.py writes it.
_COINS = frozenset({"needed", "there"})


def word_error(error: Exception, reader: Reader) -> str:
    """The sentence of an error; of one that nobody but us should read, that something is not working."""
    if isinstance(error, WordedError | Refused):
        return _word(type(error), error.details, reader)
    return translate(reader.language, TROUBLE)


def word_reason(reason: str, details: Mapping[str, Any], reader: Reader) -> str:
    """The same for an error that was stored as its reason code and details.

    A reason that an older or a newer version of us wrote may be unknown to this one.
    """
    kind = worded_errors().get(reason)
    return translate(reader.language, TROUBLE) if kind is None else _word(kind, details, reader)


def _word(kind: type[Exception], details: Mapping[str, Any], reader: Reader) -> str:
    told = {name: write_number(Decimal(value), reader) if name in _COINS else value for name, value in details.items()}
    return translate(reader.language, kind.__doc__ or "", **told)


@cache
def worded_errors() -> Mapping[str, type[Exception]]:
    """Reason code -> error, of every error that has a sentence in every language."""
    found = [*_below(WordedError), *_below(Refused)]
    return {str(kind.reason): kind for kind in found if "reason" in vars(kind)}


def _below(parent: type[Any]) -> Iterator[type[Any]]:
    for kind in parent.__subclasses__():
        yield kind
        yield from _below(kind)
