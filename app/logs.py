"""Structured logs: one JSON line per event, an action and its fields, never a secret and never a customer's datum."""

import logging
import sys
from functools import lru_cache
from typing import Any

import msgspec
import structlog
from structlog.contextvars import bind_contextvars, bound_contextvars, clear_contextvars

__all__ = ["bind_contextvars", "bound_contextvars", "clear_contextvars", "configure_logs", "get_logger", "scrub"]

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
    if isinstance(value, list | tuple):
        return [scrub(item) for item in value]
    return value


def _hide(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {name: scrub(value, name) for name, value in event.items()}


def _render(_logger: Any, _method: str, event: structlog.typing.EventDict) -> bytes:
    return msgspec.json.encode(event, enc_hook=str)


class _Output:
    """Where our lines go: standard output, whatever that is at the moment."""

    def msg(self, line: bytes) -> None:
        sys.stdout.buffer.write(line + b"\n")
        sys.stdout.buffer.flush()

    debug = info = warning = error = critical = exception = msg


def configure_logs(level: str) -> None:
    """Send our own and the libraries' lines to standard output as JSON.

    Ours take the short way, without the standard library's logging: several are written with every request.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _hide,
        structlog.processors.EventRenamer("action"),
        # Only the frames, not their variables: those may hold secrets.
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, _render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: _Output(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _render_text],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for chatty in ("httpx", "httpx2", "httpcore", "httpcore2", "uvicorn.access", "websockets", "hpack"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _render_text(logger: Any, method: str, event: structlog.typing.EventDict) -> str:
    return _render(logger, method, event).decode()


_logger: structlog.stdlib.BoundLogger = structlog.get_logger()


def get_logger() -> structlog.stdlib.BoundLogger:
    """The one logger; what belongs to a request or a job comes from the context."""
    return _logger
