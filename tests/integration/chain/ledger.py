"""The real programs in this process, with just enough around them to pay and to be read back as by a node."""

from base64 import b64encode
from typing import Any

import msgspec
from solders.account import Account
from solders.keypair import Keypair
from solders.litesvm import LiteSVM
from solders.pubkey import Pubkey
from solders.transaction import Transaction, VersionedTransaction
from solders.transaction_metadata import FailedTransactionMetadata, TransactionMetadata
from solders.transaction_status import TransactionErrorInstructionError

from chain import accounts as chain_accounts
from chain import wire
from chain.accounts import read_token_account
from chain.addresses import token_account
from chain.fee_payer import KeyFileFeePayer
from chain.payment_transaction import SignedTransaction, TransferPlan, issue_transaction
from chain.programs import TOKEN_PROGRAM
from chain.settled import SettledTransaction, read_settled
from chain.single_use import SingleUse, derive_seed
from chain.verification import Expected

SOL = 1_000_000_000
USDC = 1_000_000
SECRET = b"the derivation secret of the test"

Landed = TransactionMetadata | FailedTransactionMetadata


class Ledger:
    """A chain with one mint, one fee payer with 10 SOL and one merchant with a token account."""

    def __init__(self) -> None:
        self.svm = LiteSVM().with_transaction_history(100_000)
        self.fee_payer = Keypair()
        self.merchant = Keypair()
        self.mint = Keypair().pubkey()
        self.svm.airdrop(self.fee_payer.pubkey(), 10 * SOL)
        self.make_mint(self.mint)
        self.destination = self.fund(self.merchant.pubkey(), 0)

    def make_mint(self, address: Pubkey, decimals: int = 6) -> None:
        data = bytes(4 + 32) + (10**15).to_bytes(8, "little") + bytes([decimals, 1]) + bytes(4 + 32)
        self.svm.set_account(address, Account(1_461_600, data, TOKEN_PROGRAM))

    def fund(self, wallet: Pubkey, amount: int, *, mint: Pubkey | None = None, state: int = 1) -> Pubkey:
        """Give a wallet a token account with this balance; its address."""
        mint = mint or self.mint
        address = token_account(wallet, mint)
        data = bytes(mint) + bytes(wallet) + amount.to_bytes(8, "little") + bytes(36) + bytes([state]) + bytes(56)
        self.svm.set_account(address, Account(2_039_280, data, TOKEN_PROGRAM))
        return address

    def customer(self, amount: int = 100 * USDC) -> Keypair:
        """A wallet with USDC and no SOL."""
        wallet = Keypair()
        self.fund(wallet.pubkey(), amount)
        return wallet

    def usdc(self, wallet: Pubkey) -> int:
        account = self.svm.get_account(token_account(wallet, self.mint))
        token = read_token_account(bytes(account.data)) if account else None
        return token.amount if token else 0

    def lamports(self, address: Pubkey) -> int:
        return self.svm.get_balance(address) or 0

    def single_use(self, group: str, version: int = 1) -> SingleUse:
        seed = derive_seed(SECRET, "payment", "sandbox.myshopify.com", group, version)
        return SingleUse.derive(self.fee_payer.pubkey(), seed)

    def plan(self, wallet: Pubkey, group: str, **changes: Any) -> TransferPlan:
        figures: dict[str, Any] = {
            "fee_payer": self.fee_payer.pubkey(),
            "single_use": self.single_use(group),
            "rent_lamports": self.svm.minimum_balance_for_rent_exemption(0),
            "wallet": wallet,
            "source": token_account(wallet, self.mint),
            "destination": self.destination,
            "mint": self.mint,
            "decimals": 6,
            "amount": 12_340_000,
            "memo": "Zx3vJ0hQm2rT8kLw5nYb1A",
            "reference": Keypair().pubkey(),
            "blockhash": self.svm.latest_blockhash(),
            "compute_unit_limit": 10_000,
            "compute_unit_price": 0,
        }
        return TransferPlan(**figures | changes)

    async def issue(self, plan: TransferPlan) -> SignedTransaction:
        return await issue_transaction(plan, KeyFileFeePayer(self.fee_payer))

    def send(self, wire_bytes: bytes) -> Landed:
        return self.svm.send_transaction(VersionedTransaction.from_bytes(wire_bytes))

    def send_and_read(self, wire_bytes: bytes, loaded: wire.LoadedAddresses | None = None) -> SettledTransaction:
        """Send, and read back what a node would answer, parsed as Settle parses it."""
        transaction = VersionedTransaction.from_bytes(wire_bytes)
        loaded = loaded or wire.LoadedAddresses([], [])
        keys = [*transaction.message.account_keys, *map(Pubkey.from_string, [*loaded.writable, *loaded.readonly])]
        before = self._token_balances(keys)
        landed = self.svm.send_transaction(transaction)
        answer = {
            "slot": 1,
            "transaction": [b64encode(wire_bytes).decode(), "base64"],
            "meta": {
                "err": error_of(landed),
                "preTokenBalances": before,
                "postTokenBalances": self._token_balances(keys),
                "loadedAddresses": msgspec.to_builtins(loaded),
            },
        }
        return read_settled(msgspec.convert(answer, wire.Transaction))

    def look(self, address: Pubkey) -> chain_accounts.Account | None:
        """The account as a node's answer gives it."""
        found = self.svm.get_account(address)
        return found and chain_accounts.Account(address, found.lamports, found.owner, bytes(found.data))

    def expected(self, plan: TransferPlan, signature: str) -> Expected:
        return Expected.of(plan, signature, self.merchant.pubkey())

    def _token_balances(self, keys: list[Pubkey]) -> list[dict[str, Any]]:
        balances = []
        for index, key in enumerate(keys):
            account = self.svm.get_account(key)
            token = read_token_account(bytes(account.data)) if account and account.owner == TOKEN_PROGRAM else None
            if token and account:
                balances.append(
                    {
                        "accountIndex": index,
                        "mint": str(token.mint),
                        "owner": str(token.owner),
                        "programId": str(account.owner),
                        "uiTokenAmount": {"amount": str(token.amount)},
                    }
                )
        return balances


def customer_signs(wire_bytes: bytes, customer: Keypair) -> bytes:
    """What a wallet does: its signature into the empty place, nothing else."""
    transaction = Transaction.from_bytes(wire_bytes)
    message = transaction.message
    signatures = transaction.signatures
    signatures[1] = customer.sign_message(bytes(message))
    return bytes(Transaction.populate(message, signatures))


def error_of(landed: Landed) -> Any:
    """The error as JSON has it, None for success."""
    if not isinstance(landed, FailedTransactionMetadata):
        return None
    error = landed.err()
    if isinstance(error, TransactionErrorInstructionError):
        code = getattr(error.err, "code", None)
        return {"InstructionError": [error.index, str(error.err) if code is None else {"Custom": code}]}
    return str(error)
