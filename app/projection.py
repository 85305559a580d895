"""The ledger's events, replayed: what the history of a payment or refund comes to, beside what its row says.

A status moves only with its event, in one transaction. So the rows could be made anew from the events, and wherever the
two differ, somebody changed one of them by hand, or a bug did.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app import events
from app.lifecycle import Lifecycle
from app.payments.lifecycle import PAYMENTS
from app.records import Fate, PaymentException, PaymentStatus, RecordKind, Row
from app.refunds.lifecycle import REFUNDS
from app.system import System

LIFECYCLES: Mapping[RecordKind, Lifecycle[Any, Any]] = {each.kind: each for each in (PAYMENTS, REFUNDS)}
# Records read at a time.
PAGE = 200

# A record, its history and its transactions in one statement, so that all are of one moment.
_PAGES = {
    kind: f"""
    SELECT r.id, r.status::text, r.exception::text, r.paid_signature,
        (SELECT jsonb_agg(jsonb_build_object('kind', e.kind, 'from', e.from_status, 'to', e.to_status,
            'detail', e.detail) ORDER BY e.id)
            FROM events e WHERE e.record = '{kind}' AND e.record_id = r.id) AS history,
        (SELECT jsonb_object_agg(i.signature, jsonb_build_array(i.fate, i.final))
            FROM issued_transactions i WHERE i.{kind}_id = r.id) AS issued
    FROM {lifecycle.record.TABLE} r WHERE r.id > $1 AND ($2::text IS NULL OR r.id = $2) ORDER BY r.id LIMIT $3
    """  # noqa: S608  # names of ours
    for kind, lifecycle in LIFECYCLES.items()
}


@dataclass(frozen=True)
class Difference:
    """What the history of a record says, and the record does not; or a history that can not be."""

    record: RecordKind
    record_id: str
    problem: str


@dataclass
class Projection:
    """What a history comes to. `problems`: its steps that the lifecycle does not have."""

    status: str | None = None
    exception: str = "none"
    paid_signature: str | None = None
    fates: dict[str, list[Any]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def judge_step(lifecycle: Lifecycle[Any, Any], before: str | None, source: str | None, target: str) -> str | None:
    """What is wrong with a step of a history whose record was in `before`; None: it is in the lifecycle's table."""
    if source != before:
        return f"moved from {source}, but was {before}"
    if source is None:
        return None if target in lifecycle.births else f"born {target}"
    return (
        None if target in lifecycle.moves.get(source, ()) else f"moved from {source} to {target}, which is not allowed"
    )


def project(lifecycle: Lifecycle[Any, Any], history: Iterable[Mapping[str, Any]]) -> Projection:
    """Replay a history, oldest event first: each with `kind`, `from`, `to` and `detail`."""
    found = Projection()
    for event in history:
        detail, to = event["detail"], event["to"]
        if to is not None:
            if problem := judge_step(lifecycle, found.status, event["from"], to):
                found.problems.append(problem)
            found.status = to
            if to == PaymentStatus.paid and detail.get("signature"):
                found.paid_signature = detail["signature"]
                if event["from"] == PaymentStatus.expired:
                    found.exception = PaymentException.late
        match event["kind"]:
            case events.MARKED:
                found.exception = detail["exception"]
            case events.ISSUED | events.ADOPTED:
                found.fates[detail["signature"]] = [Fate.live, False]
            case events.FATE:
                found.fates[detail["signature"]] = [detail["fate"], detail["final"]]
    return found


async def compare_all(
    system: System, kinds: Sequence[RecordKind] = tuple(LIFECYCLES), record_id: str | None = None
) -> AsyncIterator[Difference]:
    """Replay the history of every record of these kinds, or of one, and tell of each difference. Changes nothing."""
    for kind in kinds:
        after = ""
        while True:
            async with system.database.acquire() as connection:
                rows = await connection.fetch(_PAGES[kind], after, record_id, PAGE)
            for row in rows:
                after = row["id"]
                for problem in _differences(LIFECYCLES[kind], row):
                    yield Difference(kind, after, problem)
            if len(rows) < PAGE:
                break


def _differences(lifecycle: Lifecycle[Any, Any], row: Row) -> list[str]:
    told = project(lifecycle, row["history"] or ())
    found = [
        f"its {name} is {row[name]}, but its history comes to {getattr(told, name)}"
        for name in ("status", "exception", "paid_signature")
        if getattr(told, name) != row[name]
    ]
    issued: dict[str, list[Any]] = row["issued"] or {}
    fates = (
        (signature, issued.get(signature), told.fates.get(signature))
        for signature in sorted(issued.keys() | told.fates.keys())
    )
    unlike = [
        f"its transaction {signature} is {_say(fate)}, but its history comes to {_say(replayed)}"
        for signature, fate, replayed in fates
        if fate != replayed
    ]
    return [*told.problems, *found, *unlike]


def _say(fate: list[Any] | None) -> str:
    return "not there" if fate is None else f"{fate[0]}{' for good' if fate[1] else ''}"
