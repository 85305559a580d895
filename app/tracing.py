"""OpenTelemetry traces, behind a setting: one trace for each payment and each refund, over all processes.

A record's trace is named by its id: both identifiers of its first span are digests of it. So every process knows the
trace of what it works on without having been told, whether minutes or a restart lie in between; nothing is stored.
Spans carry ids, reason codes and statuses: no secret, no customer's datum, and no words of other people's errors.
"""

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from app.errors import SettleError
from app.failures import describe_error
from app.settings import Settings
from app.settings.variables import variable

Attribute = str | int | bool | None


class TracingUnavailable(SettleError):
    """{setting} is set, and the packages for it are not installed: pip install 'settle[traces]'."""

    reason = "tracing_unavailable"
    status = 500


class Tracing:
    """The traces of one process; until `configure` nothing is done and nothing of OpenTelemetry's is loaded."""

    def __init__(self) -> None:
        self._api: Any = None
        self._provider: Any = None
        self._tracer: Any = None

    def configure(self, settings: Settings, service: str) -> None:
        """Send spans to `otlp_url`, if there is one. Raises TracingUnavailable."""
        if not settings.otlp_url or self._provider is not None:
            return
        try:
            from opentelemetry import trace
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError:
            raise TracingUnavailable(setting=variable("otlp_url")) from None
        self._api = trace
        resource = Resource({"service.name": f"settle-{service}", "deployment.environment.name": settings.environment})
        self._provider = TracerProvider(resource=resource, id_generator=cast(Any, _Ids()))
        exporter = OTLPSpanExporter(endpoint=settings.otlp_url, timeout=settings.otlp_timeout_seconds)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("settle")

    def flush(self) -> None:
        """Send what was not sent yet, where nothing runs between two calls; `otlp_timeout_seconds` at most."""
        if self._provider is not None:
            self._provider.force_flush()

    def close(self) -> None:
        """Send what was not sent yet."""
        if self._provider is not None:
            self._provider.shutdown()
        self._api = self._provider = self._tracer = None

    @contextmanager
    def span(self, name: str, record_id: str | None = None, **attributes: Attribute) -> Iterator[None]:
        """Within it, a span: of the record's trace, or without one of the trace at hand, if there is one."""
        if self._tracer is None or (record_id is None and not self._api.get_current_span().get_span_context().is_valid):
            yield
            return
        context = None if record_id is None else self._parent(record_id)
        with self._tracer.start_as_current_span(
            name, context, attributes=_known(attributes), record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except BaseException as error:
                span.set_status(self._api.StatusCode.ERROR, describe_error(error))
                raise

    def begin(self, name: str, record_id: str, began: int, **attributes: Attribute) -> None:
        """The first span of a record's trace, over by now. `began`: when, in nanoseconds since 1970."""
        if self._tracer is None:
            return
        with _first_of(record_id):
            span = self._tracer.start_span(name, self._api.Context(), start_time=began, attributes=_known(attributes))
        span.end()

    def note(self, **attributes: Attribute) -> None:
        """Add to the span at hand."""
        if self._tracer is not None:
            self._api.get_current_span().set_attributes(_known(attributes))

    def _parent(self, record_id: str) -> Any:
        trace_id, span_id = ids_of(record_id)
        sampled = self._api.TraceFlags(self._api.TraceFlags.SAMPLED)
        remote = self._api.SpanContext(trace_id, span_id, is_remote=True, trace_flags=sampled)
        return self._api.set_span_in_context(self._api.NonRecordingSpan(remote))


def _known(attributes: dict[str, Attribute]) -> dict[str, str | int | bool]:
    return {f"settle.{name}": value for name, value in attributes.items() if value is not None}


def ids_of(record_id: str) -> tuple[int, int]:
    """A record's trace, and the first span of it; never 0."""
    digest = hashlib.blake2b(record_id.encode(), digest_size=24, person=b"settle trace").digest()
    return int.from_bytes(digest[:16], "big") or 1, int.from_bytes(digest[16:], "big") or 1


class _Ids:
    """What OpenTelemetry's SDK asks for identifiers: random ones, but for a record's first span."""

    first: tuple[int, int] | None = None

    def generate_trace_id(self) -> int:
        return _Ids.first[0] if _Ids.first else random.getrandbits(128) or 1

    def generate_span_id(self) -> int:
        return _Ids.first[1] if _Ids.first else random.getrandbits(64) or 1

    def is_trace_id_random(self) -> bool:
        return False


@contextmanager
def _first_of(record_id: str) -> Iterator[None]:
    _Ids.first = ids_of(record_id)
    try:
        yield
    finally:
        _Ids.first = None


tracing = Tracing()
