"""The history, replayed, comes to what the row says: any change behind its back is told of."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from app.jobs.worker import Worker
from app.projection import compare_all
from app.records import RecordKind
from tests.scene import Scene, open_scene


@pytest_asyncio.fixture
async def scene(database_url: str, tmp_path: Path) -> AsyncIterator[Scene]:
    """Payments and a refund in many statuses."""
    async with open_scene(database_url, tmp_path) as opened:
        await fill(opened)
        yield opened


async def fill(scene: Scene) -> None:
    paid = await scene.pay()
    await scene.settle()
    await Worker(scene.system).drain()
    await scene.box.refund(paid)
    unpaid = await scene.box.checkout()
    await scene.fetch(unpaid)
    await scene.die()
    await scene.box.checkout()


async def problems(scene: Scene, **more: Any) -> list[str]:
    return [difference.problem async for difference in compare_all(scene.system, **more)]


async def test_every_history_comes_to_its_record(scene: Scene) -> None:
    assert await problems(scene) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE payments SET status = 'expired' WHERE status = 'pending'", "its status is expired, but its history"),
        ("UPDATE payments SET exception = 'late' WHERE status = 'completed'", "its exception is late, but its history"),
        (
            "UPDATE refunds SET status = 'denying', merchant_message = 'No.'",
            "its status is denying, but its history comes to pending",
        ),
        (
            "UPDATE issued_transactions SET fate = 'failed', error = 'x', slot = 1 WHERE fate = 'dead'",
            "is failed for good, but its history comes to dead for good",
        ),
        (
            """INSERT INTO events (record, record_id, kind, from_status, to_status, detail, at)
            SELECT 'payment', id, 'moved', status, 'pending', '{}', now() FROM payments WHERE status = 'completed'""",
            "moved from completed to pending, which is not allowed",
        ),
    ],
)
async def test_a_change_by_hand_is_told_of(scene: Scene, change: str, said: str) -> None:
    await scene.box.house.rows(change)
    found = await problems(scene)
    assert any(said in problem for problem in found), found


async def test_one_record_can_be_asked_for(scene: Scene) -> None:
    await scene.box.house.rows("UPDATE payments SET exception = 'late'")
    [row] = await scene.box.house.rows("SELECT id FROM payments WHERE status = 'completed'")
    assert len(await problems(scene, kinds=[RecordKind.payment])) == 3
    assert len(await problems(scene, kinds=[RecordKind.payment], record_id=row["id"])) == 1
    assert await problems(scene, kinds=[RecordKind.refund]) == []
