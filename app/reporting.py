"""What nobody foresaw: counted, logged, and sent to Sentry behind a setting, without a secret, a body or a customer."""

import logging
from collections.abc import Callable
from typing import Any

from app import metrics
from app.failures import describe_error, list_errors
from app.logs import get_logger, scrub

# Parts of an event that Sentry's package makes itself. Whatever else was put in stays here.
_TOLD = ("event_id", "timestamp", "platform", "sdk", "release", "environment", "server_name", "level", "logger")

# Who is told of a bug beside the log: Sentry, when it is on.
_receivers: list[Callable[[Exception], object]] = []


def report_bug(place: str, error: Exception, **fields: Any) -> None:
    """Tell of an error that was caught where nobody expected it."""
    metrics.bugs_total.labels(place=place).inc()
    get_logger().exception(place, error, **fields)
    for tell in _receivers:
        tell(error)


def configure_reporting(dsn: str, environment: str, transport: Any = None) -> None:
    """Turn Sentry on when there is a DSN, or off. `transport` is where tests catch what would be sent."""
    _receivers.clear()
    if not dsn:
        return
    # Here, so that a process without Sentry starts faster (docs/performance.md).
    import sentry_sdk
    from sentry_sdk.integrations.atexit import AtexitIntegration
    from sentry_sdk.integrations.dedupe import DedupeIntegration
    from sentry_sdk.integrations.excepthook import ExcepthookIntegration
    from sentry_sdk.integrations.logging import LoggingIntegration

    sentry_sdk.init(
        dsn=dsn,
        environment=environment,
        include_local_variables=False,
        max_request_body_size="never",
        # What the others collect: addresses that were called, the arguments of the command, headers of requests.
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            AtexitIntegration(),
            DedupeIntegration(),
            ExcepthookIntegration(),
            LoggingIntegration(level=None, event_level=logging.ERROR, sentry_logs_level=None),
        ],
        max_breadcrumbs=0,
        before_send=_scrub_event,
        transport=transport,
    )
    _receivers.append(sentry_sdk.capture_exception)


def _scrub_event(event: Any, hint: Any) -> Any:
    shown = {name: event[name] for name in _TOLD if name in event}
    if "exc_info" in hint:
        told = {type(error).__name__: describe_error(error) for error in list_errors(hint["exc_info"][1])}
        values = event.get("exception", {}).get("values", [])
        shown["exception"] = {"values": [value | {"value": told.get(value["type"], "")} for value in values]}
    return scrub(shown)
