"""Dead jobs: listed, begun anew by a person, and gone from the list once they are."""

from typing import Any

import pytest

from app.jobs import ladder, queue
from app.jobs.kinds import HANDLERS
from app.jobs.retries import JobNotDead, JobNotFound, RetryRefused, count_unfinished, list_dead, retry, retry_all
from app.jobs.worker import Worker
from app.projection import compare_all
from app.records import JobKind, RecordKind
from tests.scene import Scene


async def give_up(scene: Scene) -> None:
    """Let every open job fail until its ladder is spent."""
    for _ in range(ladder.TRIES_MAX):
        await scene.box.house.rows("UPDATE jobs SET due_at = $1 WHERE status = 'waiting'", scene.system.clock.now())
        await Worker(scene.system).drain()
    assert not await scene.box.house.rows("SELECT FROM jobs WHERE status IN ('waiting', 'running')")


async def pay_in_vain(scene: Scene) -> dict[str, Any]:
    """A paid payment of which Shopify can not be told."""
    checkout = await scene.pay()
    await scene.look()
    await scene.box.fault("shopify", "status", value=503)
    await give_up(scene)
    await scene.box.mend()
    assert (await scene.box.status(checkout))["status"] == "stuck"
    return checkout


async def test_a_dead_resolve_is_begun_anew_with_its_stuck_payment(scene: Scene) -> None:
    checkout = await pay_in_vain(scene)
    [dead] = await list_dead(scene.system)
    assert (dead.kind, dead.record_id) == (JobKind.payment_resolve, checkout["payment"])
    await retry(scene.system, dead.id)
    assert await list_dead(scene.system) == []
    with pytest.raises(JobNotDead):
        await retry(scene.system, dead.id)
    await Worker(scene.system).drain()
    assert (await scene.box.status(checkout))["status"] == "completed"
    assert await scene.value("SELECT detail ->> 'by' FROM events WHERE from_status = 'stuck'") == "retry"
    assert [difference async for difference in compare_all(scene.system)] == []


async def test_what_a_person_must_decide_is_not_begun_anew(scene: Scene) -> None:
    await pay_in_vain(scene)
    await scene.box.house.rows("UPDATE payments SET exception = 'vanished'")
    [dead] = await list_dead(scene.system)
    with pytest.raises(RetryRefused):
        await retry(scene.system, dead.id)
    assert await retry_all(scene.system) == ([], [dead.id])
    assert await list_dead(scene.system) == [dead]


@pytest.mark.parametrize(
    ("kind", "record"),
    [
        (JobKind.inbox_event, RecordKind.inbox),
        (JobKind.capture_reject, RecordKind.declined),
        (JobKind.privacy_request, RecordKind.privacy_request),
        (JobKind.app_ready, RecordKind.configuration),
        (JobKind.payment_pending, RecordKind.payment),
    ],
)
async def test_a_dead_job_of_every_other_kind_is_begun_anew_with_an_event(
    scene: Scene, kind: JobKind, record: RecordKind
) -> None:
    async with scene.system.database.transaction() as connection:
        await queue.enqueue(connection, kind, record, "7", at=scene.system.clock.now())
    await scene.box.house.rows("UPDATE jobs SET status = 'dead', attempts = 17, last_error = 'http_503'")
    [dead] = await list_dead(scene.system, kind)
    assert await retry_all(scene.system, kind) == ([dead.id], [])
    [job] = await scene.box.house.rows("SELECT id, status::text, attempts FROM jobs")
    assert tuple(job) == (dead.id, "waiting", 0)
    [event] = await scene.box.house.rows("SELECT record::text, record_id, detail FROM events WHERE kind = 'retried'")
    assert tuple(event) == (record, "7", {"job": dead.id, "job_kind": kind, "by": "retry"})
    assert [row["count"] for row in await count_unfinished(scene.system)] == [1]
    await scene.box.house.rows("DELETE FROM jobs")


async def test_every_kind_of_job_has_a_handler_and_none_is_forgotten_here() -> None:
    assert set(HANDLERS) == set(JobKind)


async def test_while_another_job_of_the_record_is_open_the_dead_one_stays(scene: Scene) -> None:
    now = scene.system.clock.now()
    for _ in range(2):
        async with scene.system.database.transaction() as connection:
            await queue.enqueue(connection, JobKind.inbox_event, RecordKind.inbox, "7", at=now)
        await scene.box.house.rows("UPDATE jobs SET status = 'dead' WHERE id = (SELECT min(id) FROM jobs)")
    [dead] = await list_dead(scene.system)
    await retry(scene.system, dead.id)
    rows = await scene.box.house.rows("SELECT status::text FROM jobs ORDER BY id")
    assert [row["status"] for row in rows] == ["dead", "waiting"]
    await scene.box.house.rows("DELETE FROM jobs")


async def test_a_job_that_is_not_there_is_an_error_in_words(scene: Scene) -> None:
    with pytest.raises(JobNotFound, match="There is no job 4711"):
        await retry(scene.system, 4711)
