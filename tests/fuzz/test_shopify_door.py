"""Shopify's door takes whatever comes: a session, or a refusal with a reason."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.inputs import any_text, bodies, fuzzed, json_values, judge, scalars
from tests.house import House, session_body

# Large inputs are the point.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

FIELDS = (*session_body(), "cancel_url", "authorization_expires_at", "new_field")
changes = st.dictionaries(st.sampled_from(FIELDS), json_values, min_size=1, max_size=3)
nested = st.fixed_dictionaries(
    {},
    optional={
        "payment_method": st.fixed_dictionaries({"data": st.fixed_dictionaries({"cancel_url": scalars})}),
        "customer": st.fixed_dictionaries({"locale": scalars, "email": scalars}),
        "amount": scalars,
        "currency": scalars | st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=3, max_size=3),
        "group": scalars,
        "id": scalars,
        "proposed_at": scalars | st.datetimes().map(str),
    },
)
# What HTTP itself lets through; the rest never reaches an application.
header_texts = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=80)


async def _look(house: House, answer: Any) -> None:
    """What was taken can be shown."""
    judge(answer)
    if answer.status_code != 200:
        return
    page = answer.json()["redirect_url"]
    for address in (page, f"{page}/status"):
        shown = await house.public.get(address, headers={"Accept": "text/html"})
        judge(shown)
        assert shown.status_code == 200
        assert "javascript:" not in shown.text


@fuzzed
@given(body=bodies)
async def test_any_body_is_answered(house: House, body: bytes) -> None:
    await _look(house, await house.post_session(body))


@fuzzed
@given(changed=changes | nested)
async def test_a_session_with_any_fields_is_taken_or_refused_and_its_page_shown(
    house: House, changed: dict[str, Any]
) -> None:
    await _look(house, await house.post_session(session_body(**changed)))


@fuzzed
@given(
    names=st.lists(
        st.sampled_from(("Shopify-Shop-Domain", "Shopify-Request-Id", "Shopify-Api-Version", "Content-Type"))
    ),
    values=st.lists(header_texts | any_text.filter(str.isascii).filter(str.isprintable), min_size=4, max_size=4),
)
async def test_any_header_is_answered(house: House, names: list[str], values: list[str]) -> None:
    headers = {name: value[:4_000].strip().encode("latin-1") for name, value in zip(names, values, strict=False)}
    answer = await house.post_session(session_body(), **headers)  # type: ignore[arg-type]
    await _look(house, answer)
