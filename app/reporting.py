"""What nobody foresaw: counted, logged, and sent to Sentry behind a setting, without a secret, a body or a customer."""

from typing import Any

import sentry_sdk

from app import metrics
from app.logs import get_logger, scrub


def report_bug(place: str, error: Exception, **fields: Any) -> None:
    """Tell of an error that was caught where nobody expected it. To be called while it is being handled."""
    metrics.bugs_total.labels(place=place).inc()
    get_logger().exception(place, **fields)
    sentry_sdk.capture_exception(error)


def configure_reporting(dsn: str, environment: str, transport: Any = None) -> None:
    """Turn Sentry on when there is a DSN. `transport` is where tests catch what would be sent."""
    if not dsn:
        return
    sentry_sdk.init(
        dsn=dsn,
        environment=environment,
        include_local_variables=False,
        max_request_body_size="never",
        before_send=_scrub_event,
        before_breadcrumb=_scrub_breadcrumb,
        transport=transport,
    )


def _scrub_event(event: Any, _hint: Any) -> Any:
    event.pop("user", None)
    request = event.get("request", {})
    for part in ("data", "cookies", "query_string", "env"):
        request.pop(part, None)
    return scrub(event)


def _scrub_breadcrumb(crumb: Any, _hint: Any) -> Any:
    return scrub(crumb)
