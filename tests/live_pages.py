"""Many open checkout pages: what a browser keeps open of each, without the browser."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

# Streams that are opened at once, so that the server's backlog is not what is measured.
_AT_ONCE = 50


@dataclass
class LivePage:
    """The event stream of one page; `heard` has when each event named `status` arrived (time.monotonic)."""

    payment_id: str
    heard: list[float] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            if line == b"event: status\n":
                self.heard.append(time.monotonic())
                self._news.set()

    async def hears(self, count: int) -> float:
        """When the `count`-th status arrived; waits for it."""
        while len(self.heard) < count:
            self._news.clear()
            await self._news.wait()
        return self.heard[count - 1]


@asynccontextmanager
async def open_pages(port: int, payment_ids: Sequence[str], seconds: float = 60) -> AsyncIterator[list[LivePage]]:
    """A stream for each payment, each of which has told its first status."""
    pages = [LivePage(payment_id) for payment_id in payment_ids]
    gate = asyncio.Semaphore(_AT_ONCE)
    writers: list[asyncio.StreamWriter] = []
    readers: list[asyncio.Task[None]] = []

    async def open_one(page: LivePage) -> None:
        async with gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writers.append(writer)
            writer.write(f"GET /pay/{page.payment_id}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            readers.append(asyncio.create_task(page.read(reader)))
            await asyncio.wait_for(page.hears(1), seconds)

    try:
        await asyncio.gather(*(open_one(page) for page in pages))
        yield pages
    finally:
        for task in readers:
            task.cancel()
        for writer in writers:
            writer.close()


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of them lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
