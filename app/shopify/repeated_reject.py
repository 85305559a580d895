"""A reject whose answer was lost, sent again: some of Shopify's texts say that it then contradicts.

The schema says that further rejects succeed; the error codes of refunds, captures and voids call rejecting again an
invalid state (facts/shopify.md section 3.5). We send the same words again, so under both readings it is done.
"""

from app.database import Connection
from app.jobs.outcomes import Done, Outcome
from app.records import Job, ShopifyMutation
from app.shopify import ledger
from app.shopify.answers import Acknowledged, Conflict
from app.shopify.mutation import Mutation
from app.system import System


class RepeatedReject(Mutation):
    """Takes an invalid state for done when an earlier try may have been, and nothing else was ever sent."""

    async def contradict(
        self, system: System, connection: Connection, job: Job, mutation: ShopifyMutation, conflict: Conflict
    ) -> Outcome:
        is_invalid_state = (conflict.code or "").endswith("_SESSION_INVALID_STATE")
        if (
            not is_invalid_state
            or await ledger.other_mutation_exists(connection, mutation)
            or not await ledger.may_have_been_done(connection, mutation)
        ):
            return await super().contradict(system, connection, job, mutation, conflict)

        async def record(connection: Connection) -> None:
            now = system.clock.now()
            await ledger.acknowledge(connection, mutation, at=now)
            await self.conclude(system, connection, job, Acknowledged(), at=now)

        return Done(record)
