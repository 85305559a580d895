"""Tokens that end: renewed before their end by one at a time, stored before they are used, lost answers survived."""

import asyncio
from datetime import timedelta

import httpx
import pytest

from app.records import Merchant
from app.shopify.tokens import ShopTokens, TokenMissing, TokenUnavailable
from app.system import System
from app.upkeep import Upkeep
from tests.box import Box
from tests.house import SHOP

DAY = 86_400


async def merchant(box: Box) -> Merchant:
    [row] = await box.house.rows("SELECT * FROM merchants WHERE shop = $1", SHOP)
    return Merchant.from_row(row)


async def works(box: Box, token: str) -> bool:
    """Whether Shopify takes this token."""
    variables = {"externalHandle": "x", "ready": True}
    answer = await box.house.system.shopify.send(SHOP, token, "2026-10", "paymentsAppConfigure", variables)
    return answer.status == 200


async def given(box: Box) -> int:
    """How many tokens Shopify has given."""
    answer = await box.outside.get("/sandbox/admin/access")
    return int(answer.json()["tokens_given"])


@pytest.fixture
async def signed_in(box: Box, browser: httpx.AsyncClient) -> Box:
    """The shop has a token that ends within the hour."""
    assert (await browser.get(f"{box.world.url}/sandbox/admin/app")).status_code == 200
    return box


async def test_a_token_is_used_until_shortly_before_its_end_and_then_renewed(signed_in: Box) -> None:
    box, tokens = signed_in, signed_in.house.system.tokens
    first = await tokens.current(await merchant(box))
    await box.advance(3_400)
    assert await tokens.current(await merchant(box)) == first
    await box.advance(100)
    second = await tokens.current(await merchant(box))
    assert second != first
    assert await works(box, second)
    assert not await works(box, first)


async def test_many_who_need_a_new_token_at_once_cause_one_renewal(signed_in: Box) -> None:
    """Two processes of eight tasks each: the database's lock keeps the processes apart."""
    box = signed_in
    other = await System.open(box.house.settings)
    try:
        before = await given(box)
        await box.advance(3_600)
        known = await merchant(box)
        desks: list[ShopTokens] = [box.house.system.tokens, other.tokens]
        got = await asyncio.gather(*(desk.current(known) for desk in desks for _ in range(8)))
        assert len(set(got)) == 1
        assert await works(box, got[0])
        assert await given(box) == before + 1
    finally:
        await other.close()


@pytest.mark.parametrize("fault", ["lost_answer", "broken_json"])
async def test_a_renewal_whose_answer_is_lost_is_asked_for_again(signed_in: Box, fault: str) -> None:
    box, tokens = signed_in, signed_in.house.system.tokens
    await box.advance(3_600)
    await box.fault("oauth", fault, times=2)
    for _ in range(2):
        with pytest.raises(TokenUnavailable):
            await tokens.current(await merchant(box))
    token = await tokens.current(await merchant(box))
    assert await works(box, token)
    assert (await merchant(box)).token_lost_at is None


async def test_a_renewal_that_is_not_committed_is_no_loss(signed_in: Box) -> None:
    box, tokens = signed_in, signed_in.house.system.tokens
    await box.advance(3_600)
    known = await merchant(box)

    async def die_before_the_commit() -> None:
        async with tokens.turn(SHOP) as connection:
            assert await tokens._renew(connection, known, in_use=True) is not None
            raise ProcessLookupError

    with pytest.raises(ProcessLookupError):
        await die_before_the_commit()
    assert await merchant(box) == known
    assert await works(box, await tokens.current(known))


async def test_while_the_old_token_still_holds_trouble_with_the_new_one_does_not_matter(signed_in: Box) -> None:
    box, tokens = signed_in, signed_in.house.system.tokens
    await box.fault("oauth", "status")
    first = await tokens.current(await merchant(box))
    await box.advance(3_500)
    assert await tokens.current(await merchant(box)) == first
    await box.advance(100)
    with pytest.raises(TokenUnavailable):
        await tokens.current(await merchant(box))


async def test_a_shop_that_refuses_to_renew_raises_one_alarm_and_is_asked_again_by_the_upkeep_only(
    signed_in: Box,
) -> None:
    box, tokens = signed_in, signed_in.house.system.tokens
    await box.advance(3_600)
    await box.fault("oauth", "refuse")
    for _ in range(5):
        with pytest.raises(TokenUnavailable):
            await tokens.current(await merchant(box))
    assert (await merchant(box)).token_lost_at is not None
    lost = await box.house.rows("SELECT FROM events WHERE kind = 'access_lost'")
    assert len(lost) == 1
    assert 'settle_alarms_total{reason="token_lost"}' in (await box.house.public.get("/metrics")).text
    await box.mend()
    with pytest.raises(TokenUnavailable):
        await tokens.current(await merchant(box))
    await Upkeep(box.house.system).look()
    assert (await merchant(box)).token_lost_at is None
    assert await works(box, await tokens.current(await merchant(box)))


async def test_a_quiet_shop_keeps_its_tokens_for_years(signed_in: Box) -> None:
    """Nobody pays there; the refresh token, which ends after 90 days, is renewed in time."""
    box, upkeep = signed_in, Upkeep(signed_in.house.system)
    for _ in range(13):
        await box.advance(29 * DAY)
        before = await merchant(box)
        await upkeep.look()
        after = await merchant(box)
        # Not at every look: a refresh token with enough days left is left alone.
        is_due = before.refresh_expires_at is not None and (
            before.refresh_expires_at - box.house.system.clock.now() <= timedelta(days=60)
        )
        assert (after.refresh_sealed != before.refresh_sealed) == is_due
    assert await works(box, await box.house.system.tokens.current(await merchant(box)))


async def test_without_the_upkeep_a_quiet_shop_would_lose_its_tokens(signed_in: Box) -> None:
    """That the test above can fail."""
    box = signed_in
    await box.advance(91 * DAY)
    with pytest.raises(TokenUnavailable):
        await box.house.system.tokens.current(await merchant(box))


@pytest.mark.parametrize("revoked_at_once", [False, True])
async def test_a_token_that_never_ends_is_exchanged_for_one_that_does(box: Box, revoked_at_once: bool) -> None:
    if revoked_at_once:
        await box.fault("oauth", "revoke_exchanged")
    old = await merchant(box)
    assert (old.token_expires_at, old.refresh_sealed) == (None, None)
    await Upkeep(box.house.system).look()
    now = await merchant(box)
    assert now.token_expires_at is not None
    token = await box.house.system.tokens.current(now)
    assert await works(box, token)
    assert old.token_sealed is not None
    assert not await works(box, box.house.system.keyring.open(old.token_sealed))
    # Once is enough.
    await Upkeep(box.house.system).look()
    assert (await merchant(box)).token_sealed == now.token_sealed


async def test_an_exchange_whose_answer_is_lost_is_made_again(box: Box) -> None:
    await box.fault("oauth", "lost_answer", times=1)
    await Upkeep(box.house.system).look()
    assert await works(box, await box.house.system.tokens.current(await merchant(box)))
    await Upkeep(box.house.system).look()
    assert (await merchant(box)).token_expires_at is not None


async def test_a_token_that_shopify_will_not_exchange_is_used_as_it_is_without_an_alarm(box: Box) -> None:
    await box.fault("oauth", "refuse")
    await Upkeep(box.house.system).look()
    now = await merchant(box)
    assert (now.token_lost_at, now.token_expires_at) == (None, None)
    assert await works(box, await box.house.system.tokens.current(now))
    # Once its use was refused, too, it is lost.
    with pytest.raises(TokenUnavailable):
        await box.house.system.tokens.renew(now)
    assert (await merchant(box)).token_lost_at is not None


async def test_a_shop_without_a_token_has_none(box: Box) -> None:
    await box.house.rows("UPDATE merchants SET token_sealed = NULL")
    with pytest.raises(TokenMissing):
        await box.house.system.tokens.current(await merchant(box))
    with pytest.raises(TokenMissing):
        await box.house.system.tokens.renew(await merchant(box))
