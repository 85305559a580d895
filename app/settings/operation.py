"""Settings of the operator."""

from dataclasses import dataclass
from typing import Annotated, Literal

from app.settings.about import about


@dataclass(frozen=True, kw_only=True)
class Operation:
    """Where and how Settle runs: AWS, and what is seen of it."""

    aws_queue_url: Annotated[str, about("SQS queue that is rung when a job is due.")] = ""
    aws_secret_id: Annotated[str, about("Secret in AWS Secrets Manager: JSON of more SETTLE_ variables.")] = ""
    drain_seconds: Annotated[
        int, about("How long a process that is told to stop finishes what it has begun.", ge=1, le=600)
    ] = 15
    linger_ms: Annotated[
        int,
        about(
            "How long a door that closes, while its sockets stay open, goes on reading connections it has accepted.",
            ge=0,
            le=60_000,
        ),
    ] = 1_000
    log_level: Annotated[Literal["debug", "info", "warning", "error"], about("Least severe log line.")] = "info"
    worker_metrics_port: Annotated[
        int, about("Port on which a worker answers /metrics, on SETTLE_HOST; 0: none.", ge=0, le=65535)
    ] = 0
    otlp_url: Annotated[
        str,
        about("Where OpenTelemetry traces go (OTLP over HTTP): http://collector:4318/v1/traces; empty: off."),
    ] = ""
    otlp_timeout_seconds: Annotated[int, about("Longest one sending of traces may take.", ge=1, le=60)] = 5
    sentry_dsn: Annotated[str, about("Sentry project; empty: off.", secret=True)] = ""
