"""What every lifecycle has in common: a table of allowed moves, and the one function that makes them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

from prometheus_client import Counter

from app import events, metrics
from app.database import Connection
from app.logs import get_logger
from app.records import Record, RecordKind

Status = TypeVar("Status", bound=StrEnum)
Row = TypeVar("Row", bound=Record)


def needs_person(name: str) -> str:
    """The condition, in SQL, that a payment or a refund waits for a person; `name` is what the query calls it."""
    return f"({name}.status = 'stuck' OR {name}.exception <> 'none') AND {name}.attended_at IS NULL"


@dataclass(frozen=True)
class Lifecycle(Generic[Status, Row]):
    """The lifecycle of one kind of record.

    `moves`: from each status, those it may move to; `births`: those that a record may be born in. `settable`: the
    columns that a move may set along with the status. `moved` counts moves by status; `tell` runs in the transaction of
    every change. Log lines are named after the kind: `payment_moved`, `refund_stuck`.
    """

    kind: RecordKind
    record: type[Row]
    moves: Mapping[Status, frozenset[Status]]
    births: frozenset[Status]
    stuck: Status
    settable: frozenset[str]
    moved: Counter
    tell: Callable[[Connection, str], Awaitable[None]]

    def sources(self, to: Status) -> frozenset[Status]:
        """The statuses from which a record may move to this one."""
        return frozenset(status for status, targets in self.moves.items() if to in targets)

    @property
    def final(self) -> frozenset[Status]:
        """The statuses that are never left."""
        return frozenset(status for status, targets in self.moves.items() if not targets)

    async def move(
        self,
        connection: Connection,
        record_id: str,
        to: Status,
        *,
        at: datetime,
        only_from: frozenset[Status] | None = None,
        detail: dict[str, Any] | None = None,
        **changes: Any,
    ) -> Row | None:
        """Move a record by one guarded UPDATE, with its event, in the caller's transaction.

        Returns the record after the move, or None when it is not (any more) in a status that may move there: somebody
        else was faster, so re-read and decide anew.
        """
        allowed = self.sources(to) if only_from is None else only_from & self.sources(to)
        assert changes.keys() <= self.settable, changes
        assignments = "".join(f", {column} = ${number}" for number, column in enumerate(changes, start=5))
        table = self.record.TABLE
        row = await connection.fetchrow(
            f"""
            UPDATE {table} SET status = $2, updated_at = $3{assignments}
            FROM (SELECT id AS old_id, status AS old_status FROM {table} WHERE id = $1 FOR UPDATE) AS old
            WHERE id = old_id AND old_status = ANY($4) RETURNING {table}.*, old_status
            """,  # noqa: S608  # table and columns are ours, see settable
            record_id,
            to,
            at,
            list(allowed),
            *changes.values(),
        )
        if row is None:
            return None
        told = detail or {}
        await events.write_event(
            connection, self.kind, record_id, events.MOVED, at=at, from_status=row["old_status"], to_status=to, **told
        )
        await self.tell(connection, record_id)
        self.moved.labels(to=to).inc()
        names = {f"{self.kind}_id": record_id, "from_status": row["old_status"], "to_status": to}
        get_logger().info(f"{self.kind}_moved", **names, **told)
        return self.record.from_row(row)

    async def mark(
        self, connection: Connection, record_id: str, exception: StrEnum, *, at: datetime, **detail: Any
    ) -> None:
        """Set a record's exception, with its event. It stands beside the status and moves nothing."""
        await connection.execute(
            f"UPDATE {self.record.TABLE} SET exception = $2, attended_at = NULL, updated_at = $3 WHERE id = $1",  # noqa: S608
            record_id,
            exception,
            at,
        )
        await events.write_event(connection, self.kind, record_id, events.MARKED, at=at, exception=exception, **detail)
        await self.tell(connection, record_id)

    async def stick(
        self,
        connection: Connection,
        record_id: str,
        reason: str,
        *,
        at: datetime,
        only_from: frozenset[Status] | None = None,
        **detail: Any,
    ) -> Row | None:
        """Move a record to `stuck` and raise the alarm: a person must look."""
        told = {"reason": reason, **detail}
        changes = {"stuck_reason": reason, "attended_at": None}
        moved = await self.move(connection, record_id, self.stuck, at=at, only_from=only_from, detail=told, **changes)
        if moved is not None:
            metrics.alarms_total.labels(reason=reason).inc()
            get_logger().error(f"{self.kind}_stuck", **{f"{self.kind}_id": record_id}, reason=reason, **detail)
        return moved

    async def attend(self, connection: Connection, record_id: str, *, at: datetime, **detail: Any) -> bool:
        """Note, with its event, that a person has dealt with a record's trouble. It moves nothing.

        False: it has none, or somebody was faster. New trouble begins unattended.
        """
        noted = await connection.fetchval(
            f"""
            UPDATE {self.record.TABLE} SET attended_at = $2, updated_at = $2
            WHERE id = $1 AND {needs_person(self.record.TABLE)} RETURNING id
            """,  # noqa: S608
            record_id,
            at,
        )
        if noted is None:
            return False
        await events.write_event(connection, self.kind, record_id, events.ATTENDED, at=at, **detail)
        get_logger().info(f"{self.kind}_attended", **{f"{self.kind}_id": record_id}, **detail)
        return True
