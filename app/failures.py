"""What may be told of an exception, in a log, to Sentry and on a trace: its class and where it came from.

Its words are shown only when we wrote them: PostgreSQL quotes the whole row that it refused, an HTTP client the
address with the key in it.
"""

import errno
import traceback
from collections.abc import Iterator
from pathlib import Path

from app.errors import SettleError
from chain.errors import ChainError

_OURS = (SettleError, ChainError)
# What PostgreSQL says of an error beside its words: a code and names of our own schema.
_FACTS = ("sqlstate", "table_name", "column_name", "constraint_name")
_HOME = Path(__file__).parent.parent


def name_class(kind: type[BaseException]) -> str:
    """Its full name, without the module where that is Python's own."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def describe_error(error: BaseException) -> str:
    """One line: `Class: message` of an error of ours, of others the class and the codes that came with it."""
    if isinstance(error, _OURS):
        return f"{name_class(type(error))}: {error.message}"
    facts = [str(fact) for name in _FACTS if (fact := getattr(error, name, None))]
    if isinstance(error, OSError) and error.errno:
        facts.append(errno.errorcode.get(error.errno, str(error.errno)))
    name = name_class(type(error))
    return f"{name} ({', '.join(facts)})" if facts else name


def trace_error(error: BaseException) -> str:
    """The exception and what led to it, the first cause first: `describe_error` of each, below its frames."""
    return "\n".join(line for each in _chain(error) for line in _lines(each, ""))


def hide_words(text: str, error: BaseException) -> str:
    """A sentence of somebody else's about the exception, without the exception's words in it."""
    for each in list_errors(error):
        if not isinstance(each, _OURS):
            for words in (repr(each), str(each)):
                if words:
                    text = text.replace(words, describe_error(each))
    return text


def _chain(error: BaseException) -> list[BaseException]:
    """An exception with what it was raised from or during, the first of them first."""
    found: list[BaseException] = []
    now: BaseException | None = error
    while now is not None and now not in found:
        found.insert(0, now)
        now = now.__cause__ or (None if now.__suppress_context__ else now.__context__)
    return found


def list_errors(error: BaseException) -> Iterator[BaseException]:
    """The exception, what led to it, and what their groups hold."""
    for each in _chain(error):
        yield each
        if isinstance(each, BaseExceptionGroup):
            for member in each.exceptions:
                yield from list_errors(member)


def _lines(error: BaseException, indent: str) -> Iterator[str]:
    for frame in traceback.extract_tb(error.__traceback__):
        file = Path(frame.filename)
        shown = file.relative_to(_HOME) if file.is_relative_to(_HOME) else file
        yield f"{indent}{shown}:{frame.lineno} in {frame.name}"
    yield indent + describe_error(error)
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            for each in _chain(member):
                yield from _lines(each, indent + "  ")
