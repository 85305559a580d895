from dataclasses import replace

import pytest
from solders.transaction_metadata import FailedTransactionMetadata, TransactionMetadata

from chain.addresses import token_account
from chain.errors import NoTokenAccount, OrderAlreadyBeingPaid, TokenAccountFrozen, TooLittleUsdc
from chain.preflight import Transfer, addresses_of, check_accounts
from chain.verification import verify_settled
from tests.integration.chain.ledger import SOL, USDC, Ledger, customer_signs, error_of


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def check(ledger: Ledger, wallet, group: str) -> None:
    transfer = Transfer(
        wallet=wallet,
        source=token_account(wallet, ledger.mint),
        payee_wallet=ledger.merchant.pubkey(),
        destination=ledger.destination,
        single_use=ledger.single_use(group).address,
        mint=ledger.mint,
        decimals=6,
        amount=12_340_000,
    )
    check_accounts(transfer, [ledger.look(address) for address in addresses_of(transfer)])


@pytest.mark.rule("B05")
async def test_a_customer_without_sol_pays_and_the_merchant_gets_exactly_the_amount(ledger):
    customer = ledger.customer()
    plan = ledger.plan(customer.pubkey(), "order")
    issued = await ledger.issue(plan)
    settled = ledger.send_and_read(customer_signs(issued.wire, customer))
    verify_settled(settled, ledger.expected(plan, issued.signature))
    assert ledger.lamports(customer.pubkey()) == 0
    assert ledger.usdc(ledger.merchant.pubkey()) == 12_340_000
    assert ledger.usdc(customer.pubkey()) == 100 * USDC - 12_340_000


async def test_the_fee_payer_spends_two_signatures_and_locks_the_rent(ledger):
    customer = ledger.customer()
    plan = ledger.plan(customer.pubkey(), "order")
    ledger.send(customer_signs((await ledger.issue(plan)).wire, customer))
    assert ledger.lamports(ledger.fee_payer.pubkey()) == 10 * SOL - 10_000 - plan.rent_lamports
    assert ledger.lamports(plan.single_use.address) == plan.rent_lamports


@pytest.mark.rule("B08")
async def test_a_payment_stays_below_800_bytes_and_10_000_compute_units(ledger):
    customer = ledger.customer()
    plan = ledger.plan(customer.pubkey(), "order", compute_unit_price=100_000)
    issued = await ledger.issue(plan)
    landed = ledger.send(customer_signs(issued.wire, customer))
    assert isinstance(landed, TransactionMetadata)
    assert landed.compute_units_consumed() <= 10_000
    assert len(issued.wire) <= 800


@pytest.mark.rule("B07")
async def test_the_id_known_before_is_the_id_that_lands(ledger):
    customer = ledger.customer()
    issued = await ledger.issue(ledger.plan(customer.pubkey(), "order"))
    landed = ledger.send(customer_signs(issued.wire, customer))
    assert isinstance(landed, TransactionMetadata)
    assert str(landed.signature()) == issued.signature


@pytest.mark.rule("B07")
async def test_a_wallet_that_changes_one_bit_of_the_message_lands_nothing(ledger):
    customer = ledger.customer()
    issued = await ledger.issue(ledger.plan(customer.pubkey(), "order"))
    changed = bytearray(issued.wire)
    changed[-10] ^= 1
    landed = ledger.send(customer_signs(bytes(changed), customer))
    assert isinstance(landed, FailedTransactionMetadata)
    assert error_of(landed) == "TransactionErrorFieldless.SignatureFailure"
    assert ledger.usdc(ledger.merchant.pubkey()) == 0


@pytest.mark.rule("B06")
async def test_a_second_transaction_of_the_order_fails_with_custom_0(ledger):
    first, second = ledger.customer(), ledger.customer()
    one = await ledger.issue(ledger.plan(first.pubkey(), "order"))
    other = await ledger.issue(ledger.plan(second.pubkey(), "order"))
    ledger.send(customer_signs(one.wire, first))
    landed = ledger.send(customer_signs(other.wire, second))
    assert error_of(landed) == {"InstructionError": [2, {"Custom": 0}]}
    assert ledger.usdc(second.pubkey()) == 100 * USDC


@pytest.mark.rule("B06")
async def test_of_two_racing_wallets_and_two_sessions_exactly_one_lands_in_every_order(ledger):
    for round_number in range(20):
        group = f"order {round_number}"
        customers = [ledger.customer(), ledger.customer()]
        wires = []
        for customer in customers:
            for amount in (1 * USDC, 2 * USDC):
                plan = ledger.plan(customer.pubkey(), group, amount=amount)
                wires.append(customer_signs((await ledger.issue(plan)).wire, customer))
        turn = round_number % len(wires)
        landed = [ledger.send(wire) for wire in wires[turn:] + wires[:turn]]
        assert sum(isinstance(result, TransactionMetadata) for result in landed) == 1


async def test_the_next_version_of_a_prefunded_account_can_be_paid(ledger):
    customer = ledger.customer()
    ledger.svm.airdrop(ledger.single_use("order").address, SOL)
    blocked = await ledger.issue(ledger.plan(customer.pubkey(), "order"))
    assert error_of(ledger.send(customer_signs(blocked.wire, customer))) == {"InstructionError": [2, {"Custom": 0}]}
    plan = ledger.plan(customer.pubkey(), "order", single_use=ledger.single_use("order", version=2))
    issued = await ledger.issue(plan)
    verify_settled(ledger.send_and_read(customer_signs(issued.wire, customer)), ledger.expected(plan, issued.signature))


async def test_a_failed_payment_leaves_no_single_use_account_and_can_be_repeated(ledger):
    customer = ledger.customer(1 * USDC)
    short = await ledger.issue(ledger.plan(customer.pubkey(), "order"))
    assert error_of(ledger.send(customer_signs(short.wire, customer))) == {"InstructionError": [4, {"Custom": 1}]}
    assert ledger.look(ledger.single_use("order").address) is None
    ledger.fund(customer.pubkey(), 100 * USDC)
    again = await ledger.issue(ledger.plan(customer.pubkey(), "order"))
    assert isinstance(ledger.send(customer_signs(again.wire, customer)), TransactionMetadata)


@pytest.mark.rule("V02")
async def test_a_payment_that_failed_on_the_chain_is_not_verified(ledger):
    customer = ledger.customer(1 * USDC)
    plan = ledger.plan(customer.pubkey(), "order")
    issued = await ledger.issue(plan)
    settled = ledger.send_and_read(customer_signs(issued.wire, customer))
    assert settled.error == '{"InstructionError":[4,{"Custom":1}]}'


@pytest.mark.rule("B14")
async def test_the_look_before_issuing_sees_what_the_chain_would_refuse(ledger):
    customer = ledger.customer()
    check(ledger, customer.pubkey(), "order")
    with pytest.raises(TooLittleUsdc):
        check(ledger, ledger.customer(1).pubkey(), "order")
    frozen = ledger.customer()
    ledger.fund(frozen.pubkey(), 100 * USDC, state=2)
    with pytest.raises(TokenAccountFrozen):
        check(ledger, frozen.pubkey(), "order")
    with pytest.raises(NoTokenAccount):
        check(ledger, ledger.mint, "order")
    issued = await ledger.issue(ledger.plan(customer.pubkey(), "order"))
    ledger.send(customer_signs(issued.wire, customer))
    with pytest.raises(OrderAlreadyBeingPaid):
        check(ledger, customer.pubkey(), "order")


async def test_every_bit_of_the_amount_is_what_was_planned(ledger):
    for amount in (1, 255, 256, 65_535, 2**32, 2**40 + 1):
        customer = ledger.customer(amount)
        plan = replace(ledger.plan(customer.pubkey(), f"order of {amount}"), amount=amount)
        issued = await ledger.issue(plan)
        settled = ledger.send_and_read(customer_signs(issued.wire, customer))
        verify_settled(settled, ledger.expected(plan, issued.signature))
        assert ledger.usdc(customer.pubkey()) == 0
