"""Draws the sums of docs/performance.md: what 1,000 payments cost on AWS, from counted calls and published prices.

tests/integration/aws/test_whole_payment.py counts what COUNTED and FIRST_VIEW say.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

D = Decimal

# Calls of the functions that each payment makes, by the door's path or the function's name.
COUNTED: Mapping[str, int] = {"/shopify/payment": 1, "/transactions/payment": 2, "/static/icon.svg": 1, "jobs": 1}
# Of our page: itself, and what it asks for.
FIRST_VIEW = 8
# The page polls every 2 s and tries for a stream every 10 s (handlers/static/live.js).
POLL_SECONDS, STREAM_SECONDS = 2, 10

# Dollars, us-east-1; docs/performance.md names the sources.
PER_HTTP_CALL = D(1) / 1_000_000
PER_INVOCATION = D("0.20") / 1_000_000
PER_GB_SECOND = D("0.0000166667")
PER_SQS_REQUEST = D("0.40") / 1_000_000
PER_SIGNATURE = D("0.15") / 10_000
PER_LOG_GB = D("0.50")
PER_GB_OUT = D("0.09")

MEMORY_GB = D("0.5")
# Assumed: how long a customer looks at the page, and how long the functions take, at half a gigabyte.
ON_PAGE_SECONDS = 40
HTTP_SECONDS, JOB_SECONDS = D("0.1"), D("0.5")
# What an invocation writes, our lines and Lambda's own; what a customer gets.
LOG_BYTES, OUT_BYTES = 800, 45_000
# A send, a receive and a delete for each batch of rings.
SQS_REQUESTS = 3
# A transaction of the payment, and a ninth of one that takes rent back.
SIGNATURES = 1 + D(1) / 9
WATCHED_SECONDS, MINUTES_OF_A_DAY = 55, 1_440

THOUSAND = 1_000


@dataclass(frozen=True)
class Line:
    """One line of the bill: what is counted, the sum as text, and what it comes to in dollars."""

    what: str
    working: str
    dollars: Decimal


def reckon() -> list[Line]:
    """The lines for 1,000 payments that differ with their number."""
    polls, streams = ON_PAGE_SECONDS // POLL_SECONDS, ON_PAGE_SECONDS // STREAM_SECONDS
    sessions = COUNTED["/shopify/payment"]
    wallet = COUNTED["/transactions/payment"] + COUNTED["/static/icon.svg"]
    http = sessions + FIRST_VIEW + polls + streams + wallet
    jobs = COUNTED["jobs"]
    invocations = http + jobs
    gb_seconds = (http * HTTP_SECONDS + jobs * JOB_SECONDS) * MEMORY_GB
    calls = f"session {sessions}, page {FIRST_VIEW}, polls {polls}, streams {streams}, wallet {wallet}"
    return [
        Line(
            f"HTTP API, {http} calls ({calls})", f"{http} x 1,000 x $1.00 / 1,000,000", http * THOUSAND * PER_HTTP_CALL
        ),
        Line(
            f"Lambda, {invocations} invocations",
            f"{invocations} x 1,000 x $0.20 / 1,000,000",
            invocations * THOUSAND * PER_INVOCATION,
        ),
        Line(
            f"Lambda, {gb_seconds} GB-seconds",
            f"({http} x {HTTP_SECONDS} s + {jobs} x {JOB_SECONDS} s) x {MEMORY_GB} GB x 1,000 x $0.0000166667",
            gb_seconds * THOUSAND * PER_GB_SECOND,
        ),
        Line(
            f"SQS, {SQS_REQUESTS} requests",
            f"{SQS_REQUESTS} x 1,000 x $0.40 / 1,000,000",
            SQS_REQUESTS * THOUSAND * PER_SQS_REQUEST,
        ),
        Line("KMS, 1 1/9 signatures", "1.11 x 1,000 x $0.15 / 10,000", SIGNATURES * THOUSAND * PER_SIGNATURE),
        Line(
            f"log lines, {LOG_BYTES} bytes each",
            f"{invocations} x {LOG_BYTES} x 1,000 bytes x $0.50 / GB",
            invocations * LOG_BYTES * THOUSAND * PER_LOG_GB / 10**9,
        ),
        Line(
            f"out to the customer, {OUT_BYTES // THOUSAND} kB",
            f"{OUT_BYTES // THOUSAND} kB x 1,000 x $0.09 / GB",
            OUT_BYTES * THOUSAND * PER_GB_OUT / 10**9,
        ),
    ]


def watch_a_day() -> Decimal:
    """What the watch function costs on a day on which something is open all the time."""
    return MINUTES_OF_A_DAY * (WATCHED_SECONDS * MEMORY_GB * PER_GB_SECOND + PER_INVOCATION)


def draw_cost() -> str:
    lines = reckon()
    rows = [f"| {line.what} | {line.working} | {line.dollars:.4f} |" for line in lines]
    whole = sum((line.dollars for line in lines), D(0))
    day = watch_a_day()
    watching = f"1,440 x ({WATCHED_SECONDS} s x {MEMORY_GB} GB x $0.0000166667 + $0.0000002)"
    return "\n".join(
        [
            "| for 1,000 payments | sum | dollars |",
            "|---|---|---|",
            *rows,
            f"| **together** | | **{whole:.2f}** |",
            f"| watching, a day with something open all the time | {watching} | {day:.2f} |",
            f"| **with watching, at 1,000 payments a day** | | **{whole + day:.2f}** |",
            f"| **with watching, at 100,000 a day** | {whole:.2f} + {day:.2f} / 100 | **{whole + day / 100:.2f}** |",
        ]
    )
