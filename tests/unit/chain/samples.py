"""A good payment, and what a node says of it: the tests change one thing at a time."""

from base64 import b64encode
from dataclasses import replace
from typing import Any

import msgspec
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message, MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from chain import wire
from chain.addresses import token_account
from chain.node import HistoryLine
from chain.payment_transaction import TransferPlan, build_message
from chain.programs import TOKEN_PROGRAM
from chain.settled import SettledTransaction, read_settled
from chain.single_use import SingleUse, derive_seed
from chain.verification import Expected

FEE_PAYER = Keypair.from_seed(b"fee payer".ljust(32))
CUSTOMER = Keypair.from_seed(b"customer".ljust(32))
MERCHANT = Keypair.from_seed(b"merchant".ljust(32)).pubkey()
MINT = Keypair.from_seed(b"mint".ljust(32)).pubkey()
REFERENCE = Keypair.from_seed(b"reference".ljust(32)).pubkey()
SOURCE = token_account(CUSTOMER.pubkey(), MINT)
DESTINATION = token_account(MERCHANT, MINT)
SINGLE_USE = SingleUse.derive(
    FEE_PAYER.pubkey(), derive_seed(b"a secret of enough bytes", "payment", "a.myshopify.com", "group", 1)
)
AMOUNT = 12_340_000
BEFORE = 5_000_000

PLAN = TransferPlan(
    fee_payer=FEE_PAYER.pubkey(),
    single_use=SINGLE_USE,
    rent_lamports=890_880,
    wallet=CUSTOMER.pubkey(),
    source=SOURCE,
    destination=DESTINATION,
    mint=MINT,
    decimals=6,
    amount=AMOUNT,
    memo="Zx3vJ0hQm2rT8kLw5nYb1A",
    reference=REFERENCE,
    blockhash=Hash.hash(b"recent"),
    compute_unit_limit=10_000,
    compute_unit_price=100,
)


def instructions_of(message: Message) -> list[Instruction]:
    """The instructions of a legacy message, with their accounts' flags."""
    header = message.header
    keys = message.account_keys
    signers = header.num_required_signatures
    writable_signers = signers - header.num_readonly_signed_accounts
    writable_others = len(keys) - header.num_readonly_unsigned_accounts

    def meta(index: int) -> AccountMeta:
        writable = index < writable_signers if index < signers else index < writable_others
        return AccountMeta(keys[index], is_signer=index < signers, is_writable=writable)

    return [
        Instruction(keys[step.program_id_index], bytes(step.data), [meta(index) for index in step.accounts])
        for step in message.instructions
    ]


def sign(message: Message | MessageV0, *signers: Keypair) -> VersionedTransaction:
    """All required signatures, in the message's order."""
    by_key = {signer.pubkey(): signer for signer in signers}
    required = message.account_keys[: message.header.num_required_signatures]
    raw = to_bytes_versioned(message)
    return VersionedTransaction.populate(message, [by_key[key].sign_message(raw) for key in required])


def balance(index: int, amount: int, **changes: Any) -> dict[str, Any]:
    return {
        "accountIndex": index,
        "mint": str(MINT),
        "owner": str(MERCHANT),
        "programId": str(TOKEN_PROGRAM),
        "uiTokenAmount": {"amount": str(amount), "decimals": 6, "uiAmount": None, "uiAmountString": "x"},
    } | changes


def answer_for(transaction: VersionedTransaction, received: int = AMOUNT) -> dict[str, Any]:
    """What getTransaction says when the transaction landed and the merchant's account grew by `received`."""
    keys = transaction.message.account_keys
    index = keys.index(DESTINATION) if DESTINATION in keys else 0
    return {
        "slot": 7,
        "blockTime": 1_790_000_000,
        "version": "legacy",
        "transaction": [b64encode(bytes(transaction)).decode(), "base64"],
        "meta": {
            "err": None,
            "fee": 10_000,
            "status": {"Ok": None},
            "loadedAddresses": {"writable": [], "readonly": []},
            "preTokenBalances": [balance(index, BEFORE)],
            "postTokenBalances": [balance(index, BEFORE + received)],
        },
    }


def read(answer: dict[str, Any]) -> SettledTransaction:
    return read_settled(msgspec.convert(answer, wire.Transaction))


def good_transaction() -> VersionedTransaction:
    return sign(build_message(PLAN), FEE_PAYER, CUSTOMER)


def expected_for(transaction: VersionedTransaction, plan: TransferPlan = PLAN) -> Expected:
    return Expected.of(plan, str(transaction.signatures[0]), MERCHANT)


def settled_plan(**changes: Any) -> SettledTransaction:
    """A plan other than the issued one, signed by everybody and landed."""
    return read(answer_for(sign(build_message(replace(PLAN, **changes)), FEE_PAYER, CUSTOMER)))


def a_key(name: str) -> Pubkey:
    return Keypair.from_seed(name.encode().ljust(32)).pubkey()


class Chain:
    """A node: the history of one address, oldest first, as signature and error; and the transactions."""

    def __init__(self, address, history, transactions):
        self.address = address
        self.lines = [HistoryLine(signature, slot, error) for slot, (signature, error) in enumerate(history)]
        self.transactions = transactions

    async def history(self, address, *, commitment):
        assert (address, commitment) == (self.address, "confirmed")
        return self.lines[::-1]

    async def transaction(self, signature, commitment):
        assert commitment == "confirmed"
        found = self.transactions[signature]
        if isinstance(found, Exception):
            raise found
        return found
