"""The comparison: one payment transaction, built with solders alone, as a script would that needs only this."""

import hmac
import struct
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256

from solders.compute_budget import set_compute_unit_limit, set_compute_unit_price
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.system_program import CreateAccountWithSeedParams, create_account_with_seed
from solders.token.associated import get_associated_token_address
from solders.transaction import Transaction

SYSTEM = Pubkey.from_string("11111111111111111111111111111111")
TOKEN = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
MEMO = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")
DECIMALS = 6


@dataclass(frozen=True)
class Order:
    """What is to be paid, the same for every builder."""

    fee_payer: Keypair
    secret: bytes
    shop: str
    group: str
    destination: Pubkey
    mint: Pubkey
    amount: int
    memo: str
    reference: Pubkey
    blockhash: Hash
    rent: int = 890_880
    unit_limit: int = 20_000
    unit_price: int = 1_000


def make_order() -> Order:
    """An order of made-up addresses."""
    return Order(
        fee_payer=Keypair(),
        secret=bytes(range(32)),
        shop="sandbox.myshopify.com",
        group="Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4+/=",
        destination=Keypair().pubkey(),
        mint=Keypair().pubkey(),
        amount=12_340_000,
        memo="0123456789abcdefghijkl",
        reference=Keypair().pubkey(),
        blockhash=Hash.new_unique(),
    )


def build_bare(order: Order, wallet: Pubkey) -> bytes:
    """Derive the single-use and the token account, build, sign, serialize; the customer's signature stays empty."""
    base = order.fee_payer.pubkey()
    parts = [b"payment", order.shop.encode(), order.group.encode(), b"1"]
    text = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    seed = urlsafe_b64encode(hmac.digest(order.secret, text, sha256)[:16]).rstrip(b"=").decode()
    single_use = Pubkey.create_with_seed(base, seed, SYSTEM)
    source = get_associated_token_address(wallet, order.mint)
    create = CreateAccountWithSeedParams(
        from_pubkey=base, to_pubkey=single_use, base=base, seed=seed, lamports=order.rent, space=0, owner=SYSTEM
    )
    transfer = Instruction(
        TOKEN,
        struct.pack("<BQB", 12, order.amount, DECIMALS),
        [
            AccountMeta(source, False, True),
            AccountMeta(order.mint, False, False),
            AccountMeta(order.destination, False, True),
            AccountMeta(wallet, True, False),
            AccountMeta(order.reference, False, False),
        ],
    )
    instructions = [
        set_compute_unit_limit(order.unit_limit),
        set_compute_unit_price(order.unit_price),
        create_account_with_seed(create),
        Instruction(MEMO, order.memo.encode(), []),
        transfer,
    ]
    message = Message.new_with_blockhash(instructions, base, order.blockhash)
    signature = order.fee_payer.sign_message(bytes(message))
    return bytes(Transaction.populate(message, [signature, Signature.default()]))
