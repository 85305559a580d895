"""What one Lambda container keeps from one invocation to the next: an event loop, and the system, made at first use."""

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from app.aws import SECRETS, AwsClient
from app.errors import SettleError
from app.jobs.doorbell import Doorbell
from app.logs import configure_logs
from app.reporting import configure_reporting
from app.restores import notice_restore
from app.settings import Settings, load, variable
from app.system import System
from app.tracing import tracing

T = TypeVar("T")

# After a longer rest the database's connections may be gone without a word: they are made anew.
REST_SECONDS = 60


class SecretInvalid(SettleError):
    """The secret {secret_id} must be a JSON object of variables and their texts."""

    reason = "secret_invalid"
    status = 500


class Container:
    """Runs coroutines one after the other, as Lambda calls. `environment`: in place of the process's own."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = environment
        self._loop: asyncio.AbstractEventLoop | None = None
        self._system: System | None = None
        self._bell: Doorbell | None = None
        self._used_at = 0.0

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            # mangum runs an application on the thread's loop.
            asyncio.set_event_loop(self._loop)
        return self._loop

    def run(self, work: Callable[[System, Doorbell], Awaitable[T]]) -> T:
        """Do it with the system, then ring for the jobs that came of it."""
        system, bell = self.ready()

        async def whole() -> T:
            try:
                return await work(system, bell)
            finally:
                await bell.ring()

        try:
            return self.loop.run_until_complete(whole())
        finally:
            tracing.flush()

    def finish(self, bell: Doorbell) -> None:
        """Before an answer, since after it nothing runs any more: ring for the jobs that came of it, send the spans."""
        self.loop.run_until_complete(bell.ring())
        tracing.flush()

    def ready(self) -> tuple[System, Doorbell]:
        """The system as an invocation needs it: no figure of the chain is older than the invocation."""
        return self.loop.run_until_complete(self._ready())

    async def _ready(self) -> tuple[System, Doorbell]:
        if self._system is None or self._bell is None:
            settings = read_settings(os.environ if self._environment is None else self._environment)
            configure_logs(settings.log_level)
            configure_reporting(settings.sentry_dsn, settings.environment)
            tracing.configure(settings, "aws")
            system = await System.open(settings)
            try:
                # Before anything is issued, as every process does when it begins.
                await notice_restore(system)
            except BaseException:
                await system.close()
                raise
            self._system, self._bell = system, Doorbell.open(system)
        elif time.time() - self._used_at > REST_SECONDS:
            await self._system.database.renew()
        # The wall clock: a frozen machine's own clocks may have stood still.
        self._used_at = time.time()
        for parts in self._system.clusters.values():
            parts.snapshots.forget()
        return self._system, self._bell

    def close(self) -> None:
        """For tests: Lambda ends a container without asking."""
        if self._system is not None:
            self.loop.run_until_complete(self._system.close())
        self.loop.close()


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings, with those from the secret in Secrets Manager that the environment names.

    What the environment says itself comes first. Raises SettingsInvalid, SecretInvalid, AwsUnavailable.
    """
    secret_id = environment.get(variable("aws_secret_id"))
    if not secret_id:
        return load(environment)
    text = AwsClient(SECRETS).call("GetSecretValue", {"SecretId": secret_id})["SecretString"]
    try:
        secret = json.loads(text)
    except ValueError:
        secret = None
    if not isinstance(secret, dict) or not all(isinstance(value, str) for value in secret.values()):
        raise SecretInvalid(secret_id=secret_id)
    return load({**secret, **environment})


CONTAINER = Container()

Event = dict[str, Any]
