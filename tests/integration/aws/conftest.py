"""AWS in a process of its own (moto's server, over its real protocol), and Lambda containers as threads."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import boto3
import httpx
import pytest

from app.settings import Settings
from handlers.aws.container import Container
from tests.bench.ground import environment_of
from tests.house import free_port, make_settings

T = TypeVar("T")

START_SECONDS = 30


@pytest.fixture(scope="session")
def aws_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port, log = free_port(), tmp_path_factory.mktemp("aws") / "moto.log"
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as running:
        ends = time.monotonic() + START_SECONDS
        while True:
            with suppress(httpx.TransportError):
                httpx.get(f"{url}/moto-api/")
                break
            if running.poll() is not None or time.monotonic() > ends:
                raise RuntimeError(log.read_text()[-2000:])
            time.sleep(0.1)
        try:
            yield url
        finally:
            running.terminate()


@pytest.fixture
def aws(aws_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where AWS's own tools find AWS in this test; returns the account's SQS queue of the jobs."""
    for name, value in {
        "AWS_ENDPOINT_URL": aws_url,
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }.items():
        monkeypatch.setenv(name, value)
    httpx.post(f"{aws_url}/moto-api/reset")
    url: str = boto3.client("sqs").create_queue(QueueName="jobs")["QueueUrl"]
    return url


@dataclass
class Lambda:
    """A container on a thread of its own, as Lambda runs one: one invocation at a time."""

    container: Container
    _thread: ThreadPoolExecutor

    async def invoke(self, call: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *arguments)

    async def run(self, work: Callable[..., Awaitable[T]]) -> T:
        return await self.invoke(self.container.run, work)

    async def close(self) -> None:
        await self.invoke(self.container.close)
        self._thread.shutdown()


def make_lambda(settings: Settings) -> Lambda:
    return Lambda(Container(environment_of(settings)), ThreadPoolExecutor(1))


@pytest.fixture
def settings(database_url: str, tmp_path: Path, aws: str) -> Settings:
    clock = tmp_path / "clock"
    clock.write_text("0")
    return make_settings(database_url, tmp_path, aws_queue_url=aws, database_pool_size=2, clock_file=clock)
