"""I9: what must not be in a log is found in it, line by line."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.coherence import Violation
from app.log_check import check_log
from app.settings import Settings
from tests.house import make_settings

CLEAN = {"action": "request", "route": "/pay/{payment_id}", "status": 200, "token": "[hidden]", "reason": None}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return make_settings("postgresql://settle:a-password-of-ours@db/settle", tmp_path)


async def look(settings: Settings, tmp_path: Path, *lines: Any) -> list[Violation]:
    log = tmp_path / "settle.log"
    log.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return [violation async for violation in check_log(settings, log)]


async def test_a_log_that_shows_nothing_is_clean(settings: Settings, tmp_path: Path) -> None:
    assert await look(settings, tmp_path, CLEAN, "no JSON at all", "[1, 2]", CLEAN) == []


@pytest.mark.parametrize("name", ["derivation_secret", "token_keys", "database_url"])
async def test_a_secret_of_the_settings_is_found(settings: Settings, tmp_path: Path, name: str) -> None:
    value = getattr(settings, name)
    shown = value[0] if isinstance(value, tuple) else value
    found = await look(settings, tmp_path, CLEAN, {"action": "x", "problem": f"it said {shown}!"})
    assert Violation("I9", "line 2", f"it shows the setting {name}") in found


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ({"problem": "token shpat_0123456789abcdef0123"}, "it shows an access token of Shopify's"),
        ('GET / "Authorization: Bearer abcdefghijklmnopqrst"', "it shows an Authorization header"),
        ({"answer": {"text": "to jane.doe@example.co.uk"}}, "it shows an e-mail address"),
        ({"action": "x", "customer_phone": "+49 170"}, "its field customer_phone is not hidden"),
        ({"action": "x", "headers": {"cookie": "settle=1"}}, "its field headers is not hidden"),
    ],
)
async def test_what_looks_like_a_secret_or_a_customer_is_found(
    settings: Settings, tmp_path: Path, line: Any, problem: str
) -> None:
    assert await look(settings, tmp_path, line) == [Violation("I9", "line 1", problem)]
