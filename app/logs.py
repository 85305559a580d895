"""Structured logs: one JSON line per event, an action and its fields, never a secret and never a customer's datum.

Every line is written by `Logger`, the libraries' included. Several are written with each request, so nothing of
the standard library's logging stands between an action and its line.
"""

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import msgspec

from app.failures import hide_words, trace_error

# A field or header whose name contains one of these never shows its value.
SECRET_WORDS = (
    "token",
    "secret",
    "key",
    "authorization",
    "cookie",
    "password",
    "dsn",
    "database_url",
    "hmac",
    "signature_header",
)
# What Shopify tells us of the customer.
PERSONAL_WORDS = ("email", "phone", "address", "given_name", "family_name", "customer")
# Names that contain such a word and are harmless.
HARMLESS = frozenset({"idempotency_key", "group_key"})
HIDDEN = "[hidden]"

_LISTS = (list, tuple)
_NESTED = (dict, *_LISTS)
_encode = msgspec.json.Encoder(enc_hook=str).encode

# What belongs to the request or the job at hand: on each of its lines. Never changed, only replaced.
_context: ContextVar[Mapping[str, Any]] = ContextVar("log_context", default=MappingProxyType({}))


@lru_cache(maxsize=4_096)
def _is_hidden(name: str) -> bool:
    lowered = name.lower().replace("-", "_")
    return lowered not in HARMLESS and any(word in lowered for word in SECRET_WORDS + PERSONAL_WORDS)


def scrub(value: Any, name: str = "") -> Any:
    """A copy in which everything whose name tells of a secret or a person is hidden, at any depth."""
    if _is_hidden(name):
        return HIDDEN
    if isinstance(value, dict):
        return {key: scrub(item, str(key)) for key, item in value.items()}
    if isinstance(value, _LISTS):
        return [scrub(item) for item in value]
    return value


def bind_contextvars(**fields: Any) -> None:
    """Add fields to every line from here to the end of the task, or until they are cleared."""
    _context.set({**_context.get(), **fields})


def clear_contextvars() -> None:
    """Forget the fields of whatever this task did before."""
    _context.set(MappingProxyType({}))


@contextmanager
def bound_contextvars(**fields: Any) -> Iterator[None]:
    """Within it, every line has these fields, too."""
    reset = _context.set({**_context.get(), **fields})
    try:
        yield
    finally:
        _context.reset(reset)


def write_line(line: bytes) -> None:
    """To standard output, whatever that is at the moment."""
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


class Logger:
    """Writes the lines of `level` (as logging has it) and above. `output` gets each line whole."""

    def __init__(self) -> None:
        self.level = logging.INFO
        self.output = write_line

    def debug(self, action: str, **fields: Any) -> None:
        self.log(logging.DEBUG, "debug", action, fields)

    def info(self, action: str, **fields: Any) -> None:
        self.log(logging.INFO, "info", action, fields)

    def warning(self, action: str, **fields: Any) -> None:
        self.log(logging.WARNING, "warning", action, fields)

    def error(self, action: str, **fields: Any) -> None:
        self.log(logging.ERROR, "error", action, fields)

    def exception(self, action: str, error: BaseException, **fields: Any) -> None:
        """An error, with where the exception came from: its frames, and only words that are ours."""
        self.log(logging.ERROR, "error", action, fields | {"exception": trace_error(error)})

    def log(self, level: int, name: str, action: str, fields: dict[str, Any]) -> None:
        if level < self.level:
            return
        line = {"action": action, "level": name, "timestamp": datetime.now(UTC), **_context.get(), **fields}
        for field, value in line.items():
            if _is_hidden(field) or isinstance(value, _NESTED):
                line[field] = scrub(value, field)
        self.output(_encode(line) + b"\n")


_logger = Logger()


def get_logger() -> Logger:
    """The one logger; what belongs to a request or a job comes from the context."""
    return _logger


class _Handler(logging.Handler):
    """The lines of libraries, which know only the standard library's logging."""

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, Any] = {"logger": record.name}
        try:
            action = record.getMessage()
            if record.exc_info and (error := record.exc_info[1]) is not None:
                fields["exception"] = trace_error(error)
                action = hide_words(action, error)
            _logger.log(record.levelno, record.levelname.lower(), action, fields)
        except Exception:
            # A library's line whose arguments do not fit is the library's trouble, not its caller's.
            self.handleError(record)


def configure_logs(level: str) -> None:
    """Set from which level on lines are written, and take in the libraries' lines."""
    _logger.level = logging.getLevelNamesMapping()[level.upper()]
    root = logging.getLogger()
    root.handlers = [_Handler()]
    root.setLevel(_logger.level)
    for chatty in ("httpx", "httpx2", "httpcore", "httpcore2", "uvicorn.access", "websockets", "hpack"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
