"""Many open pages on one process: each hears of its own payment, soon, and nothing is left when they close."""

import asyncpg
import httpx

from tests.bench.pages import SECONDS_MAX, change_all, change_one_by_one
from tests.conftest import Scale
from tests.house import House, session_body
from tests.live_pages import open_pages, percentile
from tests.waiting import wait_until


async def test_a_change_reaches_its_page_within_a_second_and_no_other_page(
    house: House, database_url: str, scale: Scale
) -> None:
    count, changed = scale.pick(ci=120, soak=2_000), scale.pick(ci=40, soak=400)
    sessions = [await house.post_session(session_body()) for _ in range(count)]
    payments = [httpx.URL(session.json()["redirect_url"]).path.rpartition("/")[2] for session in sessions]
    connection = await asyncpg.connect(database_url)
    async with open_pages(house.settings.public_port, payments) as pages:
        took = await change_one_by_one(connection, pages[:changed])
        assert percentile(took, 0.95) < SECONDS_MAX
        assert [len(page.heard) for page in pages] == [2] * changed + [1] * (count - changed)
        before = len(house.queries)
        await change_all(connection, pages[changed:])
        # Those that wait at the same time are read together.
        assert len(house.queries) - before < (count - changed) / 2
        assert [len(page.heard) for page in pages] == [2] * count
    await connection.close()
    await wait_until(lambda: _streams_are_gone(house), what="the streams are counted out")


async def _streams_are_gone(house: House) -> bool:
    return "settle_page_streams 0.0" in (await house.public.get("/metrics")).text
