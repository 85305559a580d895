"""Whatever customers and merchants do with what they are given, the fee payer loses its stated cost and no more."""

import random

import pytest
from solders.keypair import Keypair
from solders.litesvm import LiteSVM
from solders.pubkey import Pubkey
from solders.transaction import Transaction

from chain.fees import transaction_fee
from chain.payment_transaction import SIGNATURES
from tests.conftest import Scale
from tests.integration.chain.ledger import SOL, USDC, Ledger, customer_signs, error_of

AMOUNT = 12_340_000


def tamper(wire: bytes, customer: Keypair, chance: random.Random) -> bytes:
    """Sign it as the customer after changing a byte of the message."""
    signed = bytearray(customer_signs(wire, customer))
    signed[chance.randrange(1 + 64 * SIGNATURES, len(signed))] ^= 1 << chance.randrange(8)
    return bytes(signed)


class Sequence:
    """A few transactions of one or two orders, and what people do with them in some order."""

    def __init__(self, ledger: Ledger, seed: int) -> None:
        self.ledger = ledger
        self.chance = random.Random(seed)
        self.groups = [f"group-{seed}-{number}" for number in range(self.chance.randint(1, 2))]
        self.stated = 0

    async def run(self) -> None:
        ledger, chance = self.ledger, self.chance
        ledger.svm.expire_blockhash()
        offers = []
        for _ in range(chance.randint(2, 5)):
            customer = ledger.customer(chance.choice((0, AMOUNT - 1, AMOUNT, 100 * USDC)))
            limit, price = chance.choice((10_000, 20_000)), chance.choice((0, 1, 50, 99_999, 100_000))
            plan = ledger.plan(
                customer.pubkey(), chance.choice(self.groups), compute_unit_limit=limit, compute_unit_price=price
            )
            signed = await ledger.issue(plan)
            offers.append((signed.wire, customer, transaction_fee(SIGNATURES, limit, price)))
        for _ in range(chance.randint(2, 8)):
            self.act(*chance.choice(offers))

    def act(self, wire: bytes, customer: Keypair, fee: int) -> None:
        match self.chance.choice(("send", "send", "send", "replay", "tamper", "leave", "freeze")):
            case "send":
                self.send(customer_signs(wire, customer), fee)
            case "replay":
                for _ in range(2):
                    self.send(customer_signs(wire, customer), fee)
            case "tamper":
                self.refused(tamper(wire, customer, self.chance))
            case "leave":
                self.ledger.fund(customer.pubkey(), 0)
            case "freeze":
                # The merchant freezes or thaws his account between transactions.
                self.ledger.fund(self.ledger.merchant.pubkey(), 0, state=self.chance.choice((1, 2)))

    def send(self, wire: bytes, fee: int) -> None:
        before = self.ledger.lamports(self.ledger.fee_payer.pubkey())
        landed = self.ledger.send(wire)
        if self.ledger.lamports(self.ledger.fee_payer.pubkey()) == before:
            # No block takes it: a second time the same.
            assert str(error_of(landed)).endswith("AlreadyProcessed"), landed
            return
        self.stated += fee

    def refused(self, wire: bytes) -> None:
        before = self.ledger.lamports(self.ledger.fee_payer.pubkey())
        try:
            transaction = Transaction.from_bytes(wire)
        except ValueError:
            return
        self.ledger.svm.send_transaction(transaction)
        assert self.ledger.lamports(self.ledger.fee_payer.pubkey()) == before

    @property
    def locked(self) -> int:
        return sum(self.ledger.lamports(self.ledger.single_use(group).address) for group in self.groups)


@pytest.mark.rule("F01")
@pytest.mark.timeout(1800)
async def test_in_random_sequences_the_fee_payer_loses_at_most_its_stated_cost(scale: Scale) -> None:
    ledger = Ledger()
    fee_payer = ledger.fee_payer.pubkey()
    for seed in range(scale.pick(300, 10_000)):
        ledger.svm.airdrop(fee_payer, SOL // 100)
        sequence = Sequence(ledger, seed)
        before = ledger.lamports(fee_payer)
        await sequence.run()
        lost = before - ledger.lamports(fee_payer)
        # To the lamport: the fees that were stated, and the rent that stands in accounts of our own.
        assert lost == sequence.stated + sequence.locked, f"seed {seed}"
        assert not _other_accounts(ledger.svm, fee_payer, sequence)


def _other_accounts(svm: LiteSVM, fee_payer: Pubkey, sequence: Sequence) -> list[Pubkey]:
    """Single-use accounts that hold anything but bare rent."""
    rent = svm.minimum_balance_for_rent_exemption(0)
    addresses = [sequence.ledger.single_use(group).address for group in sequence.groups]
    return [address for address in addresses if svm.get_balance(address) not in (None, 0, rent)]
