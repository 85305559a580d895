"""From our records to the chain's terms: what is to be transferred, what is issued for it, what must have landed."""

from solders.pubkey import Pubkey

from app.money import USDC_DECIMALS
from app.records import IssuedTransaction, PaymentGroup, RecordKind
from app.transactions.purpose import Terms
from chain.addresses import token_account
from chain.payment_transaction import TransferPlan
from chain.preflight import CUSTOMER, SHOP, Transfer
from chain.single_use import SingleUse
from chain.snapshot import ChainSnapshot
from chain.verification import Expected


def transfer_of(terms: Terms, group: PaymentGroup, wallet: Pubkey) -> Transfer:
    """The transfer by these terms, which must have a price, from a wallet."""
    assert terms.usdc is not None
    mint = Pubkey.from_string(terms.mint)
    return Transfer(
        wallet=wallet,
        source=token_account(wallet, mint),
        payee_wallet=Pubkey.from_string(terms.payee_wallet),
        destination=Pubkey.from_string(terms.destination),
        single_use=Pubkey.from_string(group.address),
        mint=mint,
        decimals=USDC_DECIMALS,
        amount=terms.usdc,
        payee=CUSTOMER if terms.record is RecordKind.refund else SHOP,
    )


def plan_of(
    transfer: Transfer,
    terms: Terms,
    group: PaymentGroup,
    snapshot: ChainSnapshot,
    compute_unit_limit: int,
    *,
    opens_account: bool = False,
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
        memo=terms.memo,
        reference=Pubkey.from_string(terms.reference),
        blockhash=snapshot.blockhash.hash,
        compute_unit_limit=compute_unit_limit,
        compute_unit_price=snapshot.compute_unit_price,
        opened_for=transfer.payee_wallet if opens_account else None,
    )


def expected_of(terms: Terms, issued: IssuedTransaction) -> Expected:
    """What the chain must show for an issued transaction: the figures it was issued with, not those of today."""
    fee_payer, wallet = Pubkey.from_string(issued.fee_payer), Pubkey.from_string(issued.wallet)
    mint = Pubkey.from_string(terms.mint)
    return Expected(
        signature=issued.signature,
        fee_payer=fee_payer,
        single_use=SingleUse(fee_payer, issued.seed, Pubkey.from_string(issued.single_use)),
        wallet=wallet,
        source=token_account(wallet, mint),
        destination=Pubkey.from_string(terms.destination),
        destination_owner=Pubkey.from_string(terms.payee_wallet),
        mint=mint,
        decimals=USDC_DECIMALS,
        amount=issued.usdc,
        memo=terms.memo,
        reference=Pubkey.from_string(terms.reference),
        opens_destination=issued.opens_account,
    )
