"""Draws the parts of the documents that the code knows better: diagrams and tables between markers.

`python -m scripts.draw_docs` writes them anew; tests/unit/test_docs.py fails while one differs from the code.
A block stands between `<!-- drawn: NAME -->` and `<!-- end: NAME -->`.
"""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import yaml

from app.errors import SettleError
from app.lifecycle import Lifecycle
from app.payments.lifecycle import PAYMENTS
from app.records import RECORDS, PaymentException, PaymentStatus, RefundException, RefundStatus
from app.refunds.lifecycle import REFUNDS
from app.sandbox import helius, persona_webhook, prices, trm
from app.sandbox.devnet.devnet import CLUSTER_FAULTS
from app.sandbox.devnet.node import NODE_FAULTS
from app.sandbox.faults import TRANSPORT
from app.sandbox.store import oauth, switches
from chain.errors import ChainError, NodeError, Refused, Unverified
from scripts import draw_cost, draw_mapping
from scripts.modules import load_all

E = TypeVar("E", bound=Exception)

ROOT = Path(__file__).resolve().parent.parent

# What handlers/requests.py answers when no error of ours says more.
DOOR_REASONS = {
    "busy": ("503", "Something went wrong on our side. Nothing is lost; please try again. (The database is busy.)"),
    "http_error": ("as sent", "What the web framework says, such as Method Not Allowed."),
    "internal_error": (
        "500",
        "Something went wrong on our side. Nothing is lost; please try again. (A bug; it is reported.)",
    ),
}
# Modules whose errors no door answers with, and where they are met instead.
ELSEWHERE = {
    "app.aws": "worker's log",
    "app.keyring": "worker's log",
    "app.shopify.tokens": "worker's log",
    **dict.fromkeys(
        (
            "app.jobs.retries",
            "app.migrations",
            "app.seeding",
            "app.settings.errors",
            "app.transactions.pinning",
            "app.watching.adoption",
            "handlers.listeners",
            "handlers.door_tls",
        ),
        "command line",
    ),
}


def draw_lifecycle(lifecycle: Lifecycle[Any, Any], enum: type[StrEnum]) -> str:
    """A lifecycle as a state diagram, from the table that the code moves by, and what each status means."""
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f"    [*] --> {status}" for status in enum if status in lifecycle.births]
    for status in enum:
        lines += [f"    {status} --> {target}" for target in enum if target in lifecycle.moves[status]]
    lines += [f"    {status} --> [*]" for status in enum if status in lifecycle.final]
    meanings = read_enum(enum.__name__)
    lines += ["```", "", "| status | meaning |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{status}` | {meanings[status]} |" for status in enum)])


def draw_exceptions(enum: type[StrEnum]) -> str:
    """What can be unusual about a record, beside its status."""
    rows = [f"| `{value}` | {meaning} |" for value, meaning in read_enum(enum.__name__).items()]
    return "\n".join(["| exception | meaning |", "|---|---|", *rows])


def read_enum(name: str) -> dict[str, str]:
    """An enum's values and what the schema says of each."""
    schema = (ROOT / "prisma" / "schema.prisma").read_text()
    found = re.search(rf"^enum {name} \{{(.*?)^\}}", schema, re.MULTILINE | re.DOTALL)
    assert found, name
    return {value: meaning for meaning, value in re.findall(r"/// (.+)\n  (\w+)", found[1])}


def draw_alerts() -> str:
    """Every alert rule, with what to do first and where it goes on."""
    rows = []
    for rule in read_alerts():
        about, page = rule["annotations"], Path(rule["annotations"]["playbook"])
        link = f"[{page.stem}]({page.relative_to('docs')})"
        rows.append(f"| `{rule['alert']}` | {rule['labels']['severity']} | {about['action']} | {link} |")
    return "\n".join(["| alert | severity | what to do first | goes on in |", "|---|---|---|---|", *rows])


def read_alerts() -> list[dict[str, Any]]:
    """The rules of deploy/prometheus/alerts.yml."""
    groups = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def draw_metrics() -> str:
    """Every metric of app/metrics.py."""
    rows = [
        f"| `{name}` | {kind} | {', '.join(f'`{label}`' for label in labels)} | {meaning} |"
        for name, kind, labels, meaning in read_metrics()
    ]
    return "\n".join(["| metric | kind | labels | what it says |", "|---|---|---|---|", *rows])


def read_metrics() -> Iterator[tuple[str, str, list[str], str]]:
    """Name, kind, labels and meaning of each metric, as they are written down."""
    tree = ast.parse((ROOT / "app" / "metrics.py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Counter", "Gauge", "Histogram"):
            name, meaning, *labels = map(ast.literal_eval, node.args)
            for keyword in node.keywords:
                if keyword.arg == "buckets":
                    meaning += f" Buckets: {', '.join(map(str, ast.literal_eval(keyword.value)))}."
            yield name, ast.unparse(node.func).lower(), labels[0] if labels else [], meaning


def draw_reasons() -> str:
    """Every reason code, with where it is met, its HTTP status and its sentence."""
    rows = [f"| `{code}` | {place} | {status} | {sentence} |" for code, (place, status, sentence) in read_reasons()]
    return "\n".join(["| reason | met in | HTTP | sentence |", "|---|---|---|---|", *rows])


def read_reasons() -> list[tuple[str, tuple[str, str, str]]]:
    """Reason codes in order, each with where it is met, its HTTP status and its sentence."""
    load_all()
    found = {code: ("door", status, sentence) for code, (status, sentence) in DOOR_REASONS.items()}
    for error in subclasses(SettleError):
        if not hasattr(error, "reason"):
            continue
        place = ELSEWHERE.get(error.__module__, "door")
        found[error.reason] = (place, str(error.status) if place == "door" else "", sentence_of(error))
    for problem in subclasses(ChainError):
        if hasattr(problem, "reason"):
            found[str(problem.reason)] = (*place_of(problem), sentence_of(problem))
    return sorted(found.items())


def place_of(problem: type[ChainError]) -> tuple[str, str]:
    """Where an error of the chain side is met, and its HTTP status."""
    if issubclass(problem, Refused):
        return "transaction request", "400"
    if issubclass(problem, Unverified):
        return "log, `issued_transactions.error`", ""
    return ("log, metrics" if issubclass(problem, NodeError) else "command line"), ""


def subclasses(parent: type[E]) -> Iterator[type[E]]:
    for child in parent.__subclasses__():
        yield child
        yield from subclasses(child)


def sentence_of(error: type[Exception]) -> str:
    return " ".join((error.__doc__ or "").split()).replace("|", "\\|")


def draw_faults() -> str:
    """Every fault switch by target."""
    targets: Mapping[str, Mapping[str, str]] = {
        "every target": TRANSPORT,
        "`oauth`": oauth.KINDS,
        "`helius`": helius.KINDS,
        "`persona_webhook`": persona_webhook.KINDS,
        "`prices`, `coingecko`, `coinbase`": prices.KINDS,
        "`rpc`, `rpc-b`, `rpc-test`": NODE_FAULTS,
        "`rpc`, `rpc-test`": CLUSTER_FAULTS,
        "`shopify`": switches.KINDS,
        "`trm`": trm.KINDS,
    }
    rows = [
        f"| {target} | `{fault}` | {meaning.replace('|', chr(92) + '|')} |"
        for target, kinds in targets.items()
        for fault, meaning in kinds.items()
    ]
    return "\n".join(["| target | fault | what it does |", "|---|---|---|", *rows])


def draw_personal() -> str:
    """Every column that may tell of a person, and of whom."""
    rows = [
        f"| `{record.TABLE}.{column}` | the {whose} |"
        for record in RECORDS
        for column, whose in record.PERSONAL.items()
    ]
    return "\n".join(["| column | of |", "|---|---|", *rows])


BLOCKS: dict[tuple[str, str], Callable[[], str]] = {
    ("README.md", "lifecycle"): partial(draw_lifecycle, PAYMENTS, PaymentStatus),
    ("README.md", "refund-lifecycle"): partial(draw_lifecycle, REFUNDS, RefundStatus),
    ("docs/operating.md", "exceptions"): partial(draw_exceptions, PaymentException),
    ("docs/operating.md", "refund-exceptions"): partial(draw_exceptions, RefundException),
    ("docs/operating.md", "metrics"): draw_metrics,
    ("docs/operating.md", "alerts"): draw_alerts,
    ("docs/api.md", "reasons"): draw_reasons,
    ("docs/sandbox.md", "faults"): draw_faults,
    ("docs/privacy.md", "personal"): draw_personal,
    ("docs/performance.md", "cost"): draw_cost.draw_cost,
    ("docs/mapping.md", "payments"): draw_mapping.draw_payments,
    ("docs/mapping.md", "payment-exceptions"): draw_mapping.draw_payment_exceptions,
    ("docs/mapping.md", "refunds"): draw_mapping.draw_refunds,
    ("docs/mapping.md", "refund-exceptions"): draw_mapping.draw_refund_exceptions,
    ("docs/mapping.md", "fates"): draw_mapping.draw_fates,
}


def find_block(text: str, name: str) -> re.Match[str]:
    """The block between its markers. Raises ValueError when there is none."""
    found = re.search(rf"(<!-- drawn: {name} -->\n)(.*?)(<!-- end: {name} -->)", text, re.DOTALL)
    if found is None:
        raise ValueError(f"there is no block {name}")
    return found


def main() -> None:
    for (file, name), draw in BLOCKS.items():
        path = ROOT / file
        text = path.read_text()
        block = find_block(text, name)
        path.write_text(f"{text[: block.start(2)]}{draw()}\n{text[block.end(2) :]}")


if __name__ == "__main__":
    main()
