"""The views of many open pages: those that are asked for at the same time are read by one statement.

A change wakes each page of its payment, and a busy minute, a proxy's restart or a lost notification wakes them all.
"""

import asyncio

from app.payments.refusals import PaymentNotFound
from app.payments.view import PaymentView, view_payments
from app.system import System

# Views that one statement reads at most.
BATCH_MAX = 100


class ViewBoard:
    """Reads views, as many at once as are waited for."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._waiting: dict[str, asyncio.Future[PaymentView]] = {}
        self._working: asyncio.Task[None] | None = None

    async def read(self, payment_id: str) -> PaymentView:
        """The view as it is after this call began. Raises PaymentNotFound and what the database raises."""
        answer = self._waiting.get(payment_id)
        if answer is None:
            answer = self._waiting[payment_id] = asyncio.get_running_loop().create_future()
        if self._working is None:
            self._working = asyncio.create_task(self._work())
        # Whoever leaves must not take the answer away from the others.
        return await asyncio.shield(answer)

    async def _work(self) -> None:
        try:
            while self._waiting:
                # Taken out before it is read: who asks from now on wants what is true from now on.
                batch = {name: self._waiting.pop(name) for name in list(self._waiting)[:BATCH_MAX]}
                await self._answer(batch)
        finally:
            self._working = None

    async def _answer(self, batch: dict[str, asyncio.Future[PaymentView]]) -> None:
        try:
            views = await view_payments(self._system, list(batch))
        except Exception as error:
            for answer in batch.values():
                answer.set_exception(error)
                # Nobody may be left who would look at it.
                answer.exception()
            return
        for payment_id, answer in batch.items():
            if payment_id in views:
                answer.set_result(views[payment_id])
            else:
                answer.set_exception(PaymentNotFound())
                answer.exception()
