"""What the books lost is taken back into them when the chain proves what it paid, and in no other case."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from app.errors import SettleError
from app.jobs.worker import Worker
from app.money import format_usdc
from app.payments.issuing import read_case
from app.payments.quotes import ensure_quote
from app.records import PaymentGroup, RecordKind, Refund
from app.refunds.terms import terms_of as terms_of_refund
from app.restores import find_problems
from app.system import System
from app.transactions.pinning import OrderOpen
from app.transactions.purpose import Terms
from app.transactions.transfers import plan_of, transfer_of
from app.watching import adoption
from app.watching.adoption import Adopted, adopt
from app.watching.sweep import Sweeper
from chain import errors
from chain.addresses import token_account
from chain.errors import ChainError
from chain.payment_transaction import build_message, issue_transaction
from chain.single_use import SingleUse, derive_seed
from tests.box import Box
from tests.house import SHOP
from tests.integration.payments.test_main_job import RESOLVE, applied
from tests.integration.pinning.test_rotation import new_key
from tests.integration.watching.conftest import TWO_NODES
from tests.scene import Scene, open_scene
from tests.waiting import wait_until

RENT, FEE = 890_880, 10_000


@pytest_asyncio.fixture
async def scene(database_url: str, tmp_path: Path) -> AsyncIterator[Scene]:
    async with open_scene(database_url, tmp_path) as opened:
        yield opened
        assert await opened.box.violations() == []


async def sweep(scene: Scene) -> None:
    await Sweeper(scene.system, scene.parts).sweep()


async def lose(scene: Scene, terms: Terms, group: PaymentGroup, **changes: Any) -> str:
    """Sign what Settle would issue now for a new wallet, and keep it in no book; it lands and the sweep finds it.

    `changes` are some of the plan that Settle would not make.
    """
    # The first sweep only notes where the history begins that is of interest.
    await sweep(scene)
    wallet = await scene.box.wallet("1000")
    snapshot = await scene.parts.snapshots.refresh()
    transfer = transfer_of(terms, group, Pubkey.from_string(wallet))
    plan = plan_of(transfer, terms, group, snapshot, scene.system.settings.compute_unit_limit)
    signed = await issue_transaction(replace(plan, **changes), scene.parts.fee_payer)
    answer = await scene.send_raw(wallet, base64.b64encode(signed.wire).decode())
    assert "result" in answer, answer
    scene.devnet.advance_slots(40)
    await sweep(scene)
    assert await listed(scene, signed.signature) == "open"
    return signed.signature


async def tell_shopify(scene: Scene) -> None:
    await Worker(scene.system).drain()


async def listed(scene: Scene, signature: str) -> str:
    [row] = await scene.box.house.rows("SELECT status FROM unknown_signatures WHERE signature = $1", signature)
    status: str = row["status"]
    return status


async def case(scene: Scene, checkout: dict[str, Any]) -> tuple[Terms, PaymentGroup]:
    async with scene.system.database.acquire() as connection:
        found = await read_case(connection, checkout["payment"])
    return found.terms, found.group


async def status(box: Box, checkout: dict[str, Any]) -> tuple[str, str | None]:
    [row] = await box.house.rows("SELECT status, stuck_reason FROM payments WHERE id = $1", checkout["payment"])
    return row["status"], row["stuck_reason"]


async def refuse(system: System, signature: str, error: type[Exception], said: Decimal | None = None) -> None:
    """Adoption is refused for this reason, and nothing is changed by it."""
    watched = "issued_transactions, payments, refunds, payment_groups, former_pins, unknown_signatures, events, jobs"
    query = "SELECT " + ", ".join(
        f"(SELECT json_agg(t ORDER BY t.id) FROM {table} t)::text" for table in watched.split(", ")
    )

    async def read() -> tuple[Any, ...]:
        async with system.database.acquire() as connection:
            return tuple(await connection.fetchrow(query) or ())

    before = await read()
    with pytest.raises(error) as refused:
        await adopt(system, signature, said)
    assert isinstance(refused.value, SettleError | ChainError)
    assert refused.value.message
    assert await read() == before


@pytest.mark.rule("V26")
async def test_what_is_adopted_goes_its_way_its_siblings_lead_home_and_its_rent_comes_back(scene: Scene) -> None:
    checkout = await scene.box.checkout()
    sibling = await scene.box.checkout(group=checkout["group"])
    signature = await lose(scene, *await case(scene, checkout))
    for order in (checkout, sibling):
        assert await status(scene.box, order) == ("stuck", "landed_unknown")
    adopted = await adopt(scene.system, signature)
    expected = Adopted(RecordKind.payment, checkout["payment"], "paid", "none", adopted.wallet, 12_340_000)
    assert adopted == expected
    assert await status(scene.box, sibling) == ("superseded", None)
    [issued] = await scene.box.house.rows("SELECT * FROM issued_transactions")
    assert (issued["signature"], issued["wallet"], issued["fate"], issued["final"]) == (
        signature,
        adopted.wallet,
        "landed",
        True,
    )
    assert (issued["fee_lamports"], issued["rent_lamports"]) == (FEE, RENT)
    await refuse(scene.system, signature, adoption.NotListed)
    await tell_shopify(scene)
    assert await status(scene.box, checkout) == ("completed", None)
    known = await scene.box.at_shopify(checkout)
    assert (known["state"], applied(known)) == ("resolved", [RESOLVE])
    assert (await scene.box.at_shopify(sibling))["mutations"] == []
    page = await scene.box.status(sibling)
    assert (page["stage"], page["back_url"]) == ("already_paid", known["next_url"])
    async with scene.system.database.acquire() as connection:
        assert not [problem for problem in await find_problems(connection) if "not in our books" in problem]
    # Whatever else of its order was lost may land until then.
    await scene.reach_height(issued["last_valid_block_height"])
    assert await scene.reclaimer.reclaim() == 0
    await scene.reach_height(issued["last_valid_block_height"] + 1)
    await scene.reclaim_all()
    assert await scene.value("SELECT sum(lamports) FROM reclaimed_accounts") == RENT


async def test_however_many_adopt_at_once_it_is_adopted_once(scene: Scene) -> None:
    signature = await lose(scene, *await case(scene, await scene.box.checkout()))
    results = await asyncio.gather(*(adopt(scene.system, signature) for _ in range(6)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Adopted", *["NotListed"] * 5]
    assert await scene.value("SELECT count(*) FROM jobs WHERE kind = 'payment_resolve'") == 1


async def test_a_refund_whose_account_was_lost_too_is_adopted_under_the_key_of_then(
    scene: Scene, tmp_path: Path
) -> None:
    checkout = await scene.pay()
    await scene.settle()
    await tell_shopify(scene)
    refund = Refund.from_row((await scene.box.refund(checkout, "5.00"))["row"])
    assert refund.group_id is None
    _, group = await case(scene, checkout)
    secret = bytes.fromhex(scene.system.settings.derivation_secret)
    seed = derive_seed(secret, "refund", SHOP, f"refund {refund.shopify_id}", 1)
    address = SingleUse.derive(scene.parts.fee_payer.address, seed).address
    then = msgspec.structs.replace(group, seed=seed, address=str(address))
    signature = await lose(scene, terms_of_refund(refund), then)
    async with scene.restarted(**await new_key(scene, tmp_path)) as later:
        # With another secret nobody can tell that the account is the refund's.
        async with scene.restarted(derivation_secret="00" * 32) as elsewhere:
            await refuse(elsewhere.system, signature, adoption.SingleUseForeign)
        adopted = await adopt(later.system, signature)
        assert (adopted.record, adopted.id, adopted.status) == (RecordKind.refund, refund.id, "paid")
        await tell_shopify(later)
        assert await scene.value("SELECT base FROM payment_groups ORDER BY id DESC LIMIT 1") == str(
            scene.parts.fee_payer.address
        )
        assert await scene.value("SELECT status FROM refunds") == "completed"
        await later.die()
        await later.reclaim_all()
        assert await scene.value("SELECT count(*) FROM payment_groups WHERE reclaimed_at IS NULL") == 0


async def test_the_next_version_of_an_account_is_adopted_once_nothing_of_the_one_before_may_land(scene: Scene) -> None:
    checkout = await scene.box.checkout()
    await scene.fetch(checkout)
    terms, group = await case(scene, checkout)
    await scene.devnet.airdrop(group.address, RENT)
    secret = bytes.fromhex(scene.system.settings.derivation_secret)
    seeds = [derive_seed(secret, "payment", SHOP, group.group_key, version) for version in (2, 3)]
    second, third = [
        msgspec.structs.replace(
            group, seed=seed, address=str(SingleUse.derive(Pubkey.from_string(group.base), seed).address)
        )
        for seed in seeds
    ]
    signature = await lose(scene, terms, second)
    too_far = await lose(scene, terms, third)
    await refuse(scene.system, signature, OrderOpen)
    await scene.die()
    await refuse(scene.system, too_far, adoption.SingleUseForeign)
    assert (await adopt(scene.system, signature)).status == "paid"
    [pin] = await scene.box.house.rows("SELECT version, cause FROM former_pins")
    assert tuple(pin) == (1, "lost")
    await tell_shopify(scene)
    await scene.die()
    await scene.reclaim_all()
    assert await scene.value("SELECT sum(lamports) FROM reclaimed_accounts") == 2 * RENT


@pytest.mark.rule("V26")
async def test_what_differs_in_anything_from_what_would_have_been_issued_is_refused(scene: Scene) -> None:
    base = scene.parts.fee_payer.address
    other = token_account(Pubkey.from_string(await scene.box.wallet()), scene.parts.mint)
    tested, _ = await case(scene, await scene.box.checkout(test=True))
    for changes, error in (
        ({"amount": 12_339_999}, errors.WrongAmount),
        ({"amount": 12_340_001}, errors.WrongAmount),
        ({"destination": other}, errors.WrongDestination),
        ({"reference": Keypair().pubkey()}, errors.WrongReference),
        ({"memo": "nobody's"}, adoption.RecordUnknown),
        # A payment of the other cluster is none of this chain.
        ({"memo": tested.memo}, adoption.RecordUnknown),
        ({"single_use": SingleUse.derive(base, "another")}, adoption.SingleUseForeign),
    ):
        checkout = await scene.box.checkout()
        signature = await lose(scene, *await case(scene, checkout), **changes)
        found = await scene.system.clusters[scene.parts.cluster].node.transaction(signature, "finalized")
        assert found is not None
        # Nor does a person's word help where the price never changes.
        await refuse(scene.system, signature, error, Decimal(changes.get("amount", 0)) / 10**6 or None)
        assert await listed(scene, signature) == "open"


async def test_a_payments_transaction_that_opens_an_account_is_refused(scene: Scene) -> None:
    terms, group = await case(scene, await scene.box.checkout())
    wallet = Pubkey.from_string(terms.payee_wallet)
    funds = await scene.box.wallet("1000", sol="1")
    await sweep(scene)
    snapshot = await scene.parts.snapshots.refresh()
    plan = plan_of(transfer_of(terms, group, Pubkey.from_string(funds)), terms, group, snapshot, 60_000)
    signed = await issue_transaction(replace(plan, opened_for=wallet), scene.parts.fee_payer)
    answer = await scene.send_raw(funds, base64.b64encode(signed.wire).decode())
    assert "result" in answer, answer
    scene.devnet.advance_slots(40)
    await sweep(scene)
    await refuse(scene.system, signed.signature, errors.WrongInstructions)


async def test_what_failed_and_what_is_in_the_books_is_refused(scene: Scene) -> None:
    checkout = await scene.pay()
    await scene.settle()
    failed = await lose(scene, *await case(scene, checkout))
    await refuse(scene.system, failed, errors.LandedWithError)
    paid = await scene.value("SELECT paid_signature FROM payments")
    await refuse(scene.system, paid, adoption.NotListed)
    await refuse(scene.system, "nothing", adoption.NotListed)
    await tell_shopify(scene)


async def test_under_a_key_that_leaked_nothing_is_adopted(scene: Scene, tmp_path: Path) -> None:
    signature = await lose(scene, *await case(scene, await scene.box.checkout()))
    leaked = {"leaked_fee_payers": (str(scene.parts.fee_payer.address),)}
    async with scene.restarted(**await new_key(scene, tmp_path), **leaked) as later:
        await refuse(later.system, signature, adoption.KeyLeaked)


async def test_money_that_nobody_asked_for_any_more_is_adopted_as_such(scene: Scene) -> None:
    checkout = await scene.box.checkout()
    terms, group = await case(scene, checkout)
    wallet = await scene.box.wallet()
    await scene.box.fault("trm", "flag", value=wallet)
    assert (await scene.box.pay(wallet, checkout["link"])).status_code == 422
    await tell_shopify(scene)
    assert (await status(scene.box, checkout))[0] == "rejected"
    signature = await lose(scene, terms, group)
    adopted = await adopt(scene.system, signature)
    assert (adopted.status, adopted.exception) == ("rejected", "duplicate")
    assert await scene.value("SELECT won_signature FROM payment_groups") is None
    # The merchant reads what to send back and where, and the customer whom to ask.
    payer, usdc = (await scene.box.house.rows("SELECT wallet, usdc FROM issued_transactions"))[0]
    async with scene.box.house.portal() as client:
        page = await client.get(f"/portal/payments/{checkout['payment']}", headers={"Accept": "text/html"})
    owed = page.text.partition("To be sent back: ")[2].partition("</p>")[0]
    assert f"{format_usdc(usdc)} USDC" in owed
    assert payer in owed
    assert (
        "Ask the shop to send the USDC back" in (await scene.box.house.public.get(f"/pay/{checkout['payment']}")).text
    )


async def test_two_nodes_must_show_it_however_long_one_is_away(database_url: str, tmp_path: Path) -> None:
    settings = {"rpc_urls": TWO_NODES, "node_alone_seconds": 0}
    async with open_scene(database_url, tmp_path, **settings) as scene:
        signature = await lose(scene, *await case(scene, await scene.box.checkout()))
        for fault, value in (("null_transaction", None), ("status", 503)):
            await scene.box.fault("rpc-b", fault, value=value)
            await refuse(scene.system, signature, adoption.NotAgreed)
            await scene.box.mend()
        second = scene.parts.node.members[1]
        await wait_until(lambda: not second.is_resting, 30, "the second node is asked again")
        assert (await adopt(scene.system, signature)).status == "paid"
        await tell_shopify(scene)
        assert await scene.box.violations() == []


async def test_a_price_that_was_lost_needs_a_persons_word(scene: Scene) -> None:
    checkout = await scene.box.checkout("10.00", "EUR")
    terms, group = await case(scene, checkout)
    assert terms.usdc is not None
    signature = await lose(scene, terms, group, amount=terms.usdc + 1)
    await refuse(scene.system, signature, adoption.PriceLost)
    await refuse(scene.system, signature, adoption.PriceLost, Decimal(terms.usdc) / 10**6)
    adopted = await adopt(scene.system, signature, Decimal(terms.usdc + 1) / 10**6)
    assert (adopted.status, adopted.usdc) == ("paid", terms.usdc + 1)
    [row] = await scene.box.house.rows("SELECT usdc, rate, rate_source FROM payments")
    assert (row["usdc"], row["rate_source"]) == (adopted.usdc, "what was paid")
    assert row["rate"] * 10 * 10**6 == adopted.usdc
    await tell_shopify(scene)
    # A refund of all of it is all that was paid.
    refund = await scene.box.refund(checkout, "10.00")
    assert refund["row"]["usdc"] == adopted.usdc


async def test_a_price_of_the_payments_own_history_needs_nobodys_word(scene: Scene) -> None:
    checkout = await scene.box.checkout("10.00", "EUR")
    prices = []
    for factor in ("1.01", "1.02"):
        await scene.box.fault("prices", "jump", value=factor)
        await scene.box.advance(scene.system.settings.quote_lifetime_seconds)
        terms, group = await case(scene, checkout)
        async with scene.system.database.acquire() as connection:
            payment = (await read_case(connection, checkout["payment"])).payment
        prices.append((await ensure_quote(scene.system, payment)).usdc)
        await scene.box.mend()
    assert prices[0] != prices[1]
    signature = await lose(scene, msgspec.structs.replace(terms, usdc=prices[0]), group)
    assert (await adopt(scene.system, signature)).usdc == prices[0]
    await tell_shopify(scene)


async def test_a_second_payment_of_an_order_whose_rent_is_back_is_not_taken_for_the_first(scene: Scene) -> None:
    checkout = await scene.pay()
    await scene.settle()
    await tell_shopify(scene)
    await scene.die()
    await scene.reclaim_all()
    # Settle issues nothing for it any more (R02): somebody with the key did.
    signature = await lose(scene, *await case(scene, checkout))
    await refuse(scene.system, signature, adoption.RentReturned)


async def test_what_our_key_signed_and_another_paid_for_is_refused(scene: Scene) -> None:
    terms, group = await case(scene, await scene.box.checkout())
    ours = Keypair.from_bytes(bytes(json.loads(Path(scene.system.settings.fee_payer).read_text())))
    other = Keypair()
    await scene.box.wallet("100", address=str(ours.pubkey()))
    await scene.devnet.airdrop(str(other.pubkey()), 10**9)
    scene.devnet.advance_slots(1)
    await sweep(scene)
    snapshot = await scene.parts.snapshots.refresh()
    plan = plan_of(transfer_of(terms, group, ours.pubkey()), terms, group, snapshot, 10_000)
    single_use = SingleUse.derive(other.pubkey(), group.seed)
    message = build_message(replace(plan, fee_payer=other.pubkey(), single_use=single_use))
    signature = await scene.parts.node.send_transaction(bytes(VersionedTransaction(message, [other, ours])))
    scene.devnet.advance_slots(40)
    await sweep(scene)
    assert await listed(scene, signature) == "open"
    await refuse(scene.system, signature, errors.WrongFeePayer)
