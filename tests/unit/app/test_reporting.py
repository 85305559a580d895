"""What Sentry gets of a bug: its class and frames, and no secret, no personal datum and no words of others (I9)."""

import logging
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from app.errors import RequestInvalid
from app.reporting import configure_reporting, report_bug
from tests.log_lines import catch_lines

# Put together at run time: Sentry shows the source around an error, and these lines are source too.
CANARY = "".join(("can", "ary-"))


class Catcher(Transport):
    """Keeps what would be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Envelope] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.sent.append(envelope)

    def read(self) -> str:
        return b"".join(envelope.serialize() for envelope in self.sent).decode()


@pytest.fixture
def catcher() -> Iterator[Catcher]:
    catcher = Catcher()
    configure_reporting("https://key@sentry.invalid/1", "sandbox", transport=catcher)
    yield catcher
    configure_reporting("", "sandbox")
    sentry_sdk.init()


def test_a_bug_is_told_to_the_log_and_to_sentry_without_what_was_around_it(catcher: Catcher) -> None:
    with sentry_sdk.isolation_scope() as scope, catch_lines() as lines:
        scope.set_user({"email": CANARY + "user"})
        scope.set_extra("token", CANARY + "extra")
        scope.set_context("request_data", {"authorization": CANARY + "context"})
        sentry_sdk.add_breadcrumb(message=CANARY + "crumb", data={"url": CANARY})
        try:
            local = CANARY + "local"
            raise RequestInvalid(problem=f"it has {len(local)} characters")
        except RequestInvalid as error:
            report_bug("door", error, payment_id="p")
    assert "it has 12 characters" in catcher.read()
    assert "test_reporting.py" in catcher.read()
    assert [(line["action"], line["payment_id"]) for line in lines] == [("door", "p")]
    assert CANARY not in catcher.read() + str(lines)


async def test_the_address_of_a_call_that_failed_is_not_told(catcher: Catcher) -> None:
    transport = httpx.MockTransport(lambda _request: httpx.Response(401))
    async with httpx.AsyncClient(transport=transport) as client:
        with catch_lines() as lines:
            with pytest.raises(httpx.HTTPStatusError, match=CANARY) as failed:
                (await client.get(f"https://rpc.invalid/?api-key={CANARY}")).raise_for_status()
            report_bug("call", failed.value)
    assert "HTTPStatusError" in catcher.read()
    assert "HTTPStatusError" in str(lines)
    assert CANARY not in catcher.read() + str(lines)


def test_what_led_to_a_bug_is_not_quoted_either(catcher: Catcher) -> None:
    try:
        try:
            raise ExceptionGroup(CANARY, [ValueError(CANARY), KeyError(CANARY)])
        except ExceptionGroup as group:
            raise RuntimeError(CANARY) from group
    except RuntimeError as error:
        with catch_lines():
            report_bug("job", error)
    assert all(name in catcher.read() for name in ("ExceptionGroup", "ValueError", "KeyError", "RuntimeError"))
    assert CANARY not in catcher.read()


def test_an_error_that_a_library_logs_reaches_sentry_without_its_words(catcher: Catcher) -> None:
    try:
        raise ValueError(CANARY)
    except ValueError as error:
        logging.getLogger("asyncio").exception("never retrieved: %r", error, extra={"about": CANARY})
    assert "ValueError" in catcher.read()
    assert CANARY not in catcher.read()


def test_sentry_is_off_without_a_dsn() -> None:
    before = sentry_sdk.get_client()
    configure_reporting("", "sandbox")
    assert sentry_sdk.get_client() is before


def test_a_process_without_a_dsn_does_not_even_load_sentry() -> None:
    program = "import sys; import app.reporting as r; r.configure_reporting('', ''); print('sentry_sdk' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
