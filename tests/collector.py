"""Where processes under test send their traces (OTLP over HTTP, protobuf) and their bugs (Sentry's envelopes)."""

import gzip
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from app.tracing import ids_of
from tests.sandbox_process import wait

TRACES = "/v1/traces"


@dataclass(frozen=True)
class Span:
    """As it was sent; ids in hex, `parent` empty where there is none."""

    name: str
    trace: str
    id: str
    parent: str
    service: str
    text: str


def trace_of(record_id: str) -> str:
    return f"{ids_of(record_id)[0]:032x}"


class Collector:
    """A server of its own thread; what it got, whole."""

    def __init__(self) -> None:
        self._spans: list[Span] = []
        self._events: list[str] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                if self.path == TRACES:
                    collector._spans += _read(body)
                else:
                    collector._events.append(body.decode())
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: Any) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    @property
    def _place(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def traces_url(self) -> str:
        return f"http://{self._place}{TRACES}"

    @property
    def sentry_dsn(self) -> str:
        return f"http://key@{self._place}/1"

    def spans(self, trace: str) -> Sequence[Span]:
        return [span for span in self._spans if span.trace == trace]

    def wait_for(self, name: str, trace: str) -> None:
        """Until a span of this name is there."""
        wait(lambda: any(span.name == name for span in self.spans(trace)), f"the span {name} is there")

    def read_traces(self) -> str:
        return "\n".join(span.text for span in self._spans)

    def read_events(self) -> str:
        return "\n".join(self._events)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _read(body: bytes) -> list[Span]:
    request = ExportTraceServiceRequest.FromString(body)
    return [
        Span(span.name, span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(), service, str(span))
        for resource in request.resource_spans
        for service in [
            next(one.value.string_value for one in resource.resource.attributes if one.key == "service.name")
        ]
        for scope in resource.scope_spans
        for span in scope.spans
    ]
