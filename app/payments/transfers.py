"""From our records to the chain's terms: what is to be transferred, what is issued for it, what must have landed."""

from solders.pubkey import Pubkey

from app.money import USDC_DECIMALS
from app.records import IssuedTransaction, Payment, PaymentGroup
from chain.addresses import token_account
from chain.payment_transaction import TransferPlan
from chain.preflight import Transfer
from chain.single_use import SingleUse
from chain.snapshot import ChainSnapshot
from chain.verification import Expected


def transfer_of(payment: Payment, group: PaymentGroup, wallet: Pubkey) -> Transfer:
    """The transfer that pays a payment, which must have a price, from a wallet."""
    assert payment.usdc is not None
    mint = Pubkey.from_string(payment.mint)
    return Transfer(
        wallet=wallet,
        source=token_account(wallet, mint),
        merchant=Pubkey.from_string(payment.merchant_wallet),
        destination=Pubkey.from_string(payment.destination),
        single_use=Pubkey.from_string(group.address),
        mint=mint,
        decimals=USDC_DECIMALS,
        amount=payment.usdc,
    )


def plan_of(
    transfer: Transfer, payment: Payment, group: PaymentGroup, snapshot: ChainSnapshot, compute_unit_limit: int
) -> TransferPlan:
    """The transaction for a transfer, at the chain's figures of the moment."""
    base = Pubkey.from_string(group.base)
    return TransferPlan(
        fee_payer=base,
        single_use=SingleUse(base, group.seed, transfer.single_use),
        rent_lamports=snapshot.rent_lamports,
        wallet=transfer.wallet,
        source=transfer.source,
        destination=transfer.destination,
        mint=transfer.mint,
        decimals=transfer.decimals,
        amount=transfer.amount,
        memo=payment.memo,
        reference=Pubkey.from_string(payment.reference),
        blockhash=snapshot.blockhash.hash,
        compute_unit_limit=compute_unit_limit,
        compute_unit_price=snapshot.compute_unit_price,
    )


def expected_of(payment: Payment, issued: IssuedTransaction) -> Expected:
    """What the chain must show for an issued transaction: the figures it was issued with, not those of today."""
    fee_payer, wallet = Pubkey.from_string(issued.fee_payer), Pubkey.from_string(issued.wallet)
    mint = Pubkey.from_string(payment.mint)
    return Expected(
        signature=issued.signature,
        fee_payer=fee_payer,
        single_use=SingleUse(fee_payer, issued.seed, Pubkey.from_string(issued.single_use)),
        wallet=wallet,
        source=token_account(wallet, mint),
        destination=Pubkey.from_string(payment.destination),
        destination_owner=Pubkey.from_string(payment.merchant_wallet),
        mint=mint,
        decimals=USDC_DECIMALS,
        amount=issued.usdc,
        memo=payment.memo,
        reference=Pubkey.from_string(payment.reference),
    )
