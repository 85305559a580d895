"""The doorbell: whatever becomes of the rings, every job is done, and once."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
import pytest_asyncio

from app.arrivals import Arrival, receive
from app.aws import SQS, AwsClient
from app.coherence import check_records
from app.jobs import queue
from app.jobs.doorbell import AHEAD_MAX, Doorbell
from app.jobs.retries import list_dead, retry
from app.jobs.worker import Worker
from app.records import InboxSource, JobKind, RecordKind
from app.settings import Settings
from app.system import System
from handlers.aws.jobs import answer_rings
from handlers.aws.schedules import do_due_jobs
from tests.conftest import Scale
from tests.integration.aws.conftest import Lambda, make_lambda


@pytest_asyncio.fixture
async def system(settings: Settings) -> AsyncIterator[System]:
    opened = await System.open(settings)
    try:
        yield opened
    finally:
        await opened.close()


@pytest_asyncio.fixture
async def function(settings: Settings) -> AsyncIterator[Lambda]:
    made = make_lambda(settings)
    try:
        yield made
    finally:
        await made.close()


class LossyPostman:
    """SQS, which loses some messages on the way and delivers some twice."""

    def __init__(self, client: AwsClient, source: random.Random, *, lost: float, doubled: float) -> None:
        self._client = client
        self._source = source
        self._lost = lost
        self._doubled = doubled
        self.fates: Counter[str] = Counter()

    def call(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        kept = []
        for entry in body["Entries"]:
            chance = self._source.random()
            copies = 0 if chance < self._lost else 2 if chance < self._lost + self._doubled else 1
            self.fates[("lost", "sent", "doubled")[copies]] += 1
            kept += [{**entry, "Id": f"{entry['Id']}-{copy}"} for copy in range(copies)]
        self._source.shuffle(kept)
        for start in range(0, len(kept), 10):
            self._client.call(operation, {**body, "Entries": kept[start : start + 10]})
        return {"Successful": []}


async def store_events(system: System, count: int) -> None:
    """Events with their jobs, as Shopify's webhooks make them; nobody listens to these."""
    arrivals = [Arrival(f"event-{number}", "orders/create", b"{}", shop="a.myshopify.com") for number in range(count)]
    async with system.database.transaction() as connection:
        await receive(connection, InboxSource.shopify, arrivals, at=system.clock.now())


async def rows(system: System, query: str, *arguments: Any) -> list[Any]:
    async with system.database.acquire() as connection:
        return await connection.fetch(query, *arguments)


async def deliver(function: Lambda, queue_url: str) -> int:
    """Be Lambda's poller: call the function with batches until the queue is empty; returns how many messages."""
    client, count = boto3.client("sqs"), 0
    while True:
        answer = await asyncio.to_thread(client.receive_message, QueueUrl=queue_url, MaxNumberOfMessages=10)
        messages = answer.get("Messages", [])
        if not messages:
            return count
        count += len(messages)
        event = {"Records": [{"messageId": each["MessageId"], "body": each["Body"]} for each in messages]}
        failed = await function.invoke(answer_rings, function.container, event)
        assert failed == {"batchItemFailures": []}
        handles = [{"Id": str(number), "ReceiptHandle": each["ReceiptHandle"]} for number, each in enumerate(messages)]
        await asyncio.to_thread(client.delete_message_batch, QueueUrl=queue_url, Entries=handles)


async def test_with_rings_lost_doubled_and_shuffled_every_job_is_done_once(
    system: System, function: Lambda, scale: Scale
) -> None:
    count = scale.pick(ci=100, soak=10_000)
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    await store_events(system, count)
    client = boto3.client("sqs")
    postman = LossyPostman(AwsClient(SQS), random.Random(seed), lost=0.3, doubled=0.3)
    rung, queue_urls = 0, list[str]()
    while rung < count:
        # A queue for each round: for each message moto looks at all that lie in its queue.
        queue_urls.append(client.create_queue(QueueName=f"round-{len(queue_urls)}")["QueueUrl"])
        rung += await Doorbell(system, postman, queue_urls[-1]).ring()
    assert rung == count
    delivered = sum([await deliver(function, queue_url) for queue_url in queue_urls])
    assert delivered == postman.fates["sent"] + 2 * postman.fates["doubled"]
    [left] = await rows(system, "SELECT count(*) FROM jobs WHERE status <> 'done'")
    assert left["count"] == postman.fates["lost"]
    # What nobody rang for is found by the schedule.
    assert await function.run(lambda s, bell: do_due_jobs(s, bell, 120)) == postman.fates["lost"]
    assert [tuple(row) for row in await rows(system, "SELECT status, attempts, count(*) FROM jobs GROUP BY 1, 2")] == [
        ("done", 1, count)
    ]
    assert await rows(system, "SELECT FROM inbox_events WHERE processed_at IS NULL") == []
    assert [violation async for violation in check_records(system)] == []


async def test_a_process_that_dies_between_commit_and_ring_loses_only_time(system: System, function: Lambda) -> None:
    await store_events(system, 3)
    assert await function.run(lambda s, bell: do_due_jobs(s, bell, 60)) == 3


async def test_rings_that_ended_in_the_dead_letter_queue_are_sent_again_and_do_no_job_twice(
    system: System, function: Lambda, aws: str
) -> None:
    """By receive and send, as moto knows no move task; SQS' own does the same."""
    client = boto3.client("sqs")
    dead = client.create_queue(QueueName="dead-rings")["QueueUrl"]
    arn = client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "2"})
    client.set_queue_attributes(QueueUrl=aws, Attributes={"RedrivePolicy": policy, "VisibilityTimeout": "0"})
    await store_events(system, 10)
    assert await Doorbell(system, AwsClient(SQS), aws).ring() == 10
    # A function that dies answers nothing: SQS gives the messages again, then apart.
    for _ in range(10):
        client.receive_message(QueueUrl=aws, MaxNumberOfMessages=10)
    lost = []
    while messages := client.receive_message(QueueUrl=dead, MaxNumberOfMessages=10).get("Messages", []):
        lost += messages
    assert len(lost) == 10
    assert await deliver(function, aws) == 0
    # The schedule does half of the jobs before somebody sends the rings again.
    for message in lost[:5]:
        assert await Worker(system).attempt(int(message["Body"]))
    for message in lost:
        client.send_message(QueueUrl=aws, MessageBody=message["Body"])
        client.delete_message(QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"])
    assert await deliver(function, aws) == 10
    assert [tuple(row) for row in await rows(system, "SELECT status, attempts, count(*) FROM jobs GROUP BY 1, 2")] == [
        ("done", 1, 10)
    ]


async def test_what_sqs_does_not_take_is_rung_for_later(
    system: System, aws: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store_events(system, 3)
    gone = Doorbell(system, AwsClient(SQS, url="http://127.0.0.1:1"), aws)
    assert await gone.ring() == 0
    assert await Doorbell(system, AwsClient(SQS), aws).ring() == 3
    assert await Doorbell(system, AwsClient(SQS), aws).ring() == 0


async def test_what_is_due_later_than_sqs_can_wait_is_rung_for_when_it_can(
    system: System, aws: str, tmp_path: Path
) -> None:
    bell, now = Doorbell(system, AwsClient(SQS), aws), system.clock.now()
    async with system.database.transaction() as connection:
        for number, wait in enumerate((timedelta(0), AHEAD_MAX, AHEAD_MAX + timedelta(minutes=5))):
            due_at = now + wait
            await queue.enqueue(connection, JobKind.inbox_event, RecordKind.inbox, str(number), at=now, due_at=due_at)
    assert await bell.ring() == 2
    assert await bell.ring() == 0
    (tmp_path / "clock").write_text("600")
    assert await bell.ring() == 1


async def test_a_job_that_is_not_due_yet_is_left_alone_by_an_early_ring(system: System, function: Lambda) -> None:
    now = system.clock.now()
    async with system.database.transaction() as connection:
        await queue.enqueue(
            connection, JobKind.inbox_event, RecordKind.inbox, "1", at=now, due_at=now + timedelta(hours=1)
        )
    [job] = await rows(system, "SELECT id FROM jobs")
    event = {"Records": [{"messageId": "m", "body": str(job["id"])}, {"messageId": "unknown", "body": "987654"}]}
    assert await function.invoke(answer_rings, function.container, event) == {"batchItemFailures": []}
    assert [tuple(row) for row in await rows(system, "SELECT status, attempts FROM jobs")] == [("waiting", 0)]


async def test_a_message_that_is_no_ring_is_given_back_alone(system: System, function: Lambda) -> None:
    await store_events(system, 1)
    [job] = await rows(system, "SELECT id FROM jobs")
    event = {"Records": [{"messageId": "bad", "body": "{}"}, {"messageId": "good", "body": str(job["id"])}]}
    answer = await function.invoke(answer_rings, function.container, event)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "bad"}]}
    assert [row["status"] for row in await rows(system, "SELECT status FROM jobs")] == ["done"]


async def test_a_poison_job_ends_dead_is_listed_and_delays_no_other(
    system: System, function: Lambda, aws: str, tmp_path: Path
) -> None:
    now = system.clock.now()
    async with system.database.transaction() as connection:
        # An event that is not there: each try fails.
        await queue.enqueue(connection, JobKind.inbox_event, RecordKind.inbox, "987654321", at=now)
    await store_events(system, 5)
    await Doorbell(system, AwsClient(SQS), aws).ring()
    # The poison's first rung brings it back at once.
    assert await deliver(function, aws) >= 6
    statuses = Counter(row["status"] for row in await rows(system, "SELECT status FROM jobs"))
    assert statuses == {"done": 5, "waiting": 1}
    for hours in range(5, 200, 5):
        (tmp_path / "clock").write_text(str(hours * 3600))
        await function.run(lambda s, bell: do_due_jobs(s, bell, 60))
        if dead := await list_dead(system):
            break
    assert [(job.record_id, job.last_error) for job in dead] == [("987654321", "AssertionError")]
    # A person has it tried again: it is rung for like any other, and goes up its ladder again.
    await retry(system, dead[0].id)
    assert await Doorbell(system, AwsClient(SQS), aws).ring() == 1
    await deliver(function, aws)
    assert [tuple(row) for row in await rows(system, "SELECT status, attempts FROM jobs WHERE status <> 'done'")] == [
        ("waiting", 1)
    ]
