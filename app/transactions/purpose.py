"""What a transaction is for: a payment or a refund. Whatever is issued, watched and verified alike sees only this."""

from abc import ABC, abstractmethod
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from msgspec import Struct

from app.database import Connection
from app.lifecycle import Lifecycle
from app.records import IssuedTransaction, JobKind, PaymentGroup, RecordKind
from app.system import System


class Terms(Struct, frozen=True):
    """What every transaction for one record says, whoever signs it.

    `usdc` in base units, None while there is no price; `destination` is the token account of `payee_wallet`.
    """

    record: RecordKind
    id: str
    usdc: int | None
    payee_wallet: str
    destination: str
    mint: str
    memo: str
    reference: str


class Purpose(ABC):
    """A record that transactions are issued for, with its group: both locked, or as they were read."""

    lifecycle: ClassVar[Lifecycle[Any, Any]]
    paid: ClassVar[StrEnum]
    # Seen on the chain, then gone; and landed although nobody asked for it any more.
    vanished: ClassVar[StrEnum]
    unasked: ClassVar[StrEnum]
    # Tells Shopify that it is paid.
    resolve: ClassVar[JobKind]

    def __init__(self, record: Any, group: PaymentGroup) -> None:
        self.record = record
        self.group = group

    @property
    @abstractmethod
    def terms(self) -> Terms: ...

    def exception_when_paid(self) -> StrEnum:
        """What is unusual about it once it is paid."""
        exception: StrEnum = self.record.exception
        return exception

    @abstractmethod
    async def follow(self, system: System, connection: Connection) -> None:
        """What else follows, in the same transaction, from its being paid."""

    async def note_gone(self, _connection: Connection, _issued: IssuedTransaction, *, at: datetime) -> None:  # noqa: B027
        """A transaction of it is gone for good, whether or not it counted as paid."""

    @abstractmethod
    async def reject_when_dead(self, system: System, connection: Connection) -> None:
        """Tell Shopify of a reject that waits for this: nothing that was handed out may land any more."""


def names_of(issued: IssuedTransaction) -> dict[str, str]:
    """The record that a transaction is for, as log lines and metrics name it."""
    kind, record_id = record_of(issued)
    return {f"{kind}_id": record_id}


def record_of(issued: IssuedTransaction) -> tuple[RecordKind, str]:
    """The record that a transaction is for."""
    if issued.refund_id is not None:
        return RecordKind.refund, issued.refund_id
    assert issued.payment_id is not None
    return RecordKind.payment, issued.payment_id
