"""Shopify's door takes whatever comes as a refund, capture or void: 201 with nothing in it, or a reason why not."""

import json
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from app.coherence import check_records
from tests.fuzz.inputs import bodies, fuzzed, json_values, judge, scalars
from tests.house import VERSION, House, make_settings, open_house
from tests.multitude import fill_shop, make_payable

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

SHOP = "many.myshopify.com"
PAID = 50
KINDS = ("refund", "capture", "void")
FIELDS = ("id", "gid", "payment_id", "amount", "currency", "test", "merchant_locale", "proposed_at", "new_field")
# Of amounts, those that may be taken are the interesting ones.
amounts = st.decimals(-1, 60, allow_nan=False, places=6).map(str) | st.integers(-1, 60) | scalars


@pytest_asyncio.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(make_settings(database_url, tmp_path)) as opened:
        async with opened.system.database.acquire() as connection:
            await fill_shop(connection, SHOP, PAID, until=datetime.now(UTC))
            await make_payable(connection)
        yield opened
        # What was taken is within what was paid, whatever was asked for.
        found = [violation async for violation in check_records(opened.system)]
        assert [one for one in found if one.invariant == "I5"] == []


async def post(house: House, kind: str, body: bytes) -> httpx.Response:
    headers = {"Shopify-Shop-Domain": SHOP, "Shopify-Api-Version": VERSION, "Content-Type": "application/json"}
    return await house.shopify.post(f"/shopify/{kind}", content=body, headers=headers)


def look(answer: httpx.Response) -> None:
    if answer.status_code == 201:
        assert answer.content == b""
    else:
        judge(answer)


@fuzzed
@given(kind=st.sampled_from(KINDS), body=bodies)
async def test_any_body_is_answered(house: House, kind: str, body: bytes) -> None:
    look(await post(house, kind, body))


@fuzzed
@given(
    kind=st.sampled_from(KINDS),
    payment=st.integers(0, PAID - 1),
    amount=amounts,
    changed=st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=2),
)
async def test_any_fields_are_taken_or_refused(
    house: House, kind: str, payment: int, amount: Any, changed: dict[str, Any]
) -> None:
    name = secrets.token_urlsafe(18)
    body = {
        "id": name,
        "gid": f"gid://shopify/{kind.capitalize()}Session/{name}",
        "payment_id": f"payment-{payment:08}",
        "amount": amount,
        "currency": "USD" if payment % 3 else "EUR",
        "test": False,
        "proposed_at": "2026-11-20T12:00:00Z",
    }
    look(await post(house, kind, json.dumps(body | changed).encode()))
