"""Refunds on the real programs: the payee's account is opened when it must be, and never at the fee payer's cost."""

from dataclasses import replace

import pytest
from solders.account import Account
from solders.keypair import Keypair
from solders.transaction_metadata import TransactionMetadata

from chain.addresses import token_account
from chain.errors import TooLittleSol
from chain.payment_transaction import TransferPlan
from chain.preflight import check_sol
from chain.programs import SYSTEM_PROGRAM
from chain.verification import Expected, verify_settled
from tests.integration.chain.ledger import SOL, USDC, Ledger, customer_signs, error_of

AMOUNT = 5 * USDC


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def refund_plan(ledger: Ledger, payer: Keypair, payee: Keypair) -> TransferPlan:
    return ledger.plan(
        payer.pubkey(),
        "refund",
        destination=token_account(payee.pubkey(), ledger.mint),
        amount=AMOUNT,
        compute_unit_limit=40_000,
        compute_unit_price=100_000,
        opened_for=payee.pubkey(),
    )


def payer_with(ledger: Ledger, lamports: int) -> Keypair:
    payer = ledger.customer()
    if lamports:
        ledger.svm.set_account(payer.pubkey(), Account(lamports, b"", SYSTEM_PROGRAM))
    return payer


@pytest.mark.rule("B39")
async def test_a_closed_account_is_opened_at_the_cost_of_the_wallet_that_pays(ledger):
    payer, payee = payer_with(ledger, SOL), Keypair()
    plan = refund_plan(ledger, payer, payee)
    issued = await ledger.issue(plan)
    fee_payer_before = ledger.lamports(ledger.fee_payer.pubkey())
    settled = ledger.send_and_read(customer_signs(issued.wire, payer))
    verify_settled(settled, Expected.of(plan, issued.signature, payee.pubkey()))
    assert ledger.usdc(payee.pubkey()) == AMOUNT
    rent = ledger.svm.minimum_balance_for_rent_exemption(165)
    assert ledger.lamports(payer.pubkey()) == SOL - rent
    # Two signatures, the priority fee of 40,000 units, and the rent of the single-use account, which comes back.
    spent = fee_payer_before - ledger.lamports(ledger.fee_payer.pubkey())
    assert spent == 2 * 5_000 + 40_000 * 100_000 // 1_000_000 + plan.rent_lamports


async def test_an_account_that_somebody_opened_meanwhile_costs_nothing(ledger):
    payer, payee = payer_with(ledger, SOL), Keypair()
    plan = refund_plan(ledger, payer, payee)
    issued = await ledger.issue(plan)
    ledger.fund(payee.pubkey(), 7)
    settled = ledger.send_and_read(customer_signs(issued.wire, payer))
    verify_settled(settled, Expected.of(plan, issued.signature, payee.pubkey()))
    assert ledger.usdc(payee.pubkey()) == AMOUNT + 7
    assert ledger.lamports(payer.pubkey()) == SOL


@pytest.mark.rule("B08")
async def test_opening_stays_below_800_bytes_and_40_000_compute_units(ledger):
    most = 0
    # The address is searched for, so what it takes differs from payee to payee.
    for number in range(100):
        payer = payer_with(ledger, SOL)
        plan = replace(refund_plan(ledger, payer, Keypair()), single_use=ledger.single_use(f"refund {number}"))
        issued = await ledger.issue(plan)
        assert len(issued.wire) <= 800
        landed = ledger.send(customer_signs(issued.wire, payer))
        assert isinstance(landed, TransactionMetadata), error_of(landed)
        most = max(most, landed.compute_units_consumed())
    assert most <= 40_000


@pytest.mark.parametrize(("extra", "lands"), [(-1, False), (0, True), (1, False), (890_879, False), (890_880, True)])
async def test_the_look_at_the_sol_says_what_the_chain_does(ledger, extra, lands):
    rent = ledger.svm.minimum_balance_for_rent_exemption(165)
    payer = payer_with(ledger, rent + extra)
    issued = await ledger.issue(refund_plan(ledger, payer, Keypair()))
    looked = ledger.look(payer.pubkey())
    if lands:
        check_sol(looked, rent, 890_880)
    else:
        with pytest.raises(TooLittleSol):
            check_sol(looked, rent, 890_880)
    landed = ledger.send(customer_signs(issued.wire, payer))
    assert isinstance(landed, TransactionMetadata) is lands, error_of(landed)
