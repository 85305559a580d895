"""Whether the nodes agree on what landed: the rules N10 and N11 of chain/RULES.md."""

import asyncio
from dataclasses import dataclass
from enum import StrEnum

from chain.commitment import Commitment
from chain.errors import NodeError, NodeUnavailable
from chain.pool import Member, Pool
from chain.settled import SettledTransaction


class Accord(StrEnum):
    """What the nodes say of one transaction, taken together."""

    # Two nodes show the same transaction; or there is but one node, and it shows it.
    AGREED = "agreed"
    # One shows it at finalized; the others have been unwell for long.
    ALONE = "alone"
    # Not enough nodes show it yet.
    WAITING = "waiting"
    # Two nodes show different things.
    DISAGREED = "disagreed"


@dataclass(frozen=True, slots=True)
class Landing:
    """`transaction` is there when it counts as landed: AGREED or ALONE."""

    accord: Accord
    transaction: SettledTransaction | None = None


async def read_landed(pool: Pool, signature: str, commitment: Commitment, alone_after_seconds: float) -> Landing:
    """The transaction, if it landed at this commitment as the nodes see it.

    `alone_after_seconds`: so long the others must have been unwell before one node is enough. Raises NodeError when no
    node answers.
    """
    if len(pool.members) == 1:
        only = await pool.transaction(signature, commitment)
        return Landing(Accord.WAITING if only is None else Accord.AGREED, only)
    answers = await asyncio.gather(*(_show(member, signature, commitment) for member in pool.members))
    shown = [
        (member, answer)
        for member, answer in zip(pool.members, answers, strict=True)
        if isinstance(answer, SettledTransaction)
    ]
    if not shown:
        failures = [answer for answer in answers if isinstance(answer, NodeError)]
        if len(failures) == len(answers):
            raise failures[0]
        return Landing(Accord.WAITING)
    teller, transaction = shown[0]
    if any(other != transaction for _, other in shown):
        return Landing(Accord.DISAGREED)
    if len(shown) > 1:
        return Landing(Accord.AGREED, transaction)
    if any(member.unwell_seconds < alone_after_seconds for member in pool.members if member is not teller):
        return Landing(Accord.WAITING)
    final = await teller.transaction(signature, "finalized")
    return Landing(Accord.WAITING if final is None else Accord.ALONE, final)


async def _show(member: Member, signature: str, commitment: Commitment) -> SettledTransaction | NodeError | None:
    if member.is_resting:
        # It failed a moment ago: others are not made to wait for it.
        return NodeUnavailable(method="getTransaction", problem="it failed a moment ago")
    try:
        return await member.transaction(signature, commitment)
    except NodeError as error:
        return error
