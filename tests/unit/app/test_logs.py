"""No secret and no personal datum reaches a log line (I9)."""

import contextvars
import json
import logging

import pytest

from app.logs import (
    HIDDEN,
    bind_contextvars,
    bound_contextvars,
    clear_contextvars,
    configure_logs,
    get_logger,
    scrub,
)
from tests.log_lines import catch_lines

CANARY = "canary-"

SECRETS = {
    "access_token": f"{CANARY}1",
    "X-Shopify-Access-Token": f"{CANARY}2",
    "authorization": f"{CANARY}3",
    "database_url": f"{CANARY}4",
    "email": f"{CANARY}5",
    "billing_address": {"line1": f"{CANARY}6"},
    "nested": [{"fee_payer_key": f"{CANARY}7", "harmless": 1}],
    "Cookie": f"{CANARY}8",
    "api_key": f"{CANARY}9",
}


@pytest.fixture
def clean_logging() -> object:
    root = logging.getLogger()
    handlers, level, ours = root.handlers, root.level, get_logger().level
    yield
    root.handlers, root.level, get_logger().level = handlers, level, ours


def test_everything_that_is_named_like_a_secret_or_a_person_is_hidden() -> None:
    scrubbed = scrub(SECRETS)
    assert CANARY not in json.dumps(scrubbed)
    assert scrubbed["nested"][0] == {"fee_payer_key": HIDDEN, "harmless": 1}


def test_a_log_line_is_json_with_its_action_and_context_and_no_secret(
    clean_logging: object, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs("info")
    with bound_contextvars(payment_id="p1", shopify_request_id="r1", signature="s1"):
        get_logger().info("payment_moved", to_status="paid", **SECRETS)
        logging.getLogger("library").warning("plain text")
    ours, theirs = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert ours["action"] == "payment_moved"
    assert (ours["payment_id"], ours["shopify_request_id"], ours["signature"]) == ("p1", "r1", "s1")
    assert theirs["action"] == "plain text"
    assert CANARY not in json.dumps([ours, theirs])


def test_a_line_below_the_level_is_not_written(clean_logging: object) -> None:
    configure_logs("warning")
    with catch_lines() as lines:
        get_logger().info("quiet")
        get_logger().warning("loud")
    assert [line["action"] for line in lines] == ["loud"]


def refuse_row() -> None:
    raise RuntimeError(f"Failing row contains ({CANARY})")


def test_an_exception_is_told_with_its_frames_and_no_words_of_others() -> None:
    with catch_lines() as lines:
        try:
            refuse_row()
        except RuntimeError as error:
            get_logger().exception("job_failed", error)
    [line] = lines
    assert (line["level"], line["action"]) == ("error", "job_failed")
    assert line["exception"].splitlines()[-2].endswith(" in refuse_row")
    assert CANARY not in str(line)


def test_a_library_that_logs_an_exception_shows_no_words_of_it_either(clean_logging: object) -> None:
    configure_logs("info")
    with catch_lines() as lines:
        try:
            refuse_row()
        except RuntimeError as error:
            # As asyncio does for a task whose exception nobody fetched.
            logging.getLogger("asyncio").exception("never retrieved: %r, which says %s", error, error)
    [line] = lines
    assert line["action"] == "never retrieved: RuntimeError, which says RuntimeError"
    assert "refuse_row" in line["exception"]
    assert CANARY not in str(line)


def test_what_is_bound_is_on_the_lines_of_its_own_task_until_it_is_cleared() -> None:
    with catch_lines() as lines:
        bind_contextvars(job_id=1)
        with bound_contextvars(payment_id="p"):
            get_logger().info("within")
            contextvars.copy_context().run(lambda: bind_contextvars(wallet="w"))
        get_logger().info("after")
        clear_contextvars()
        get_logger().info("cleared")
    fields = [{name: line[name] for name in ("job_id", "payment_id", "wallet") if name in line} for line in lines]
    assert fields == [{"job_id": 1, "payment_id": "p"}, {"job_id": 1}, {}]
