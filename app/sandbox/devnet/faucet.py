"""The faucet: where the cluster's SOL and USDC come from, by ordinary transactions that stand in the history."""

import secrets

from solders.account import Account
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction
from spl.memo.constants import MEMO_PROGRAM_ID
from spl.token.instructions import (
    create_idempotent_associated_token_account,
    get_associated_token_address,
    mint_to_checked,
)
from spl.token.models import MintToCheckedParams

from app.sandbox.devnet.cluster import Cluster
from app.sandbox.devnet.errors import RpcError, describe
from app.sandbox.devnet.ledger import Entry
from app.sandbox.devnet.tokens import TOKEN_PROGRAM, USDC_DECIMALS, new_mint, read_token_account
from app.sandbox.devnet.wire import SYSTEM_PROGRAM

_LAMPORTS = 500_000_000 * 10**9
_MINT_BYTES = 82


class Faucet:
    """The key that may mint USDC and holds the SOL, kept with the ledger."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        ledger = cluster.ledger
        if ledger.fact("mint") is None:
            key, mint = Keypair(), Keypair().pubkey()
            with ledger.commit():
                ledger.remember(faucet=bytes(key).hex(), mint=mint)
                cluster.put_account(key.pubkey(), Account(_LAMPORTS, b"", SYSTEM_PROGRAM))
                cluster.put_account(mint, new_mint(key.pubkey(), cluster.bank.rent(_MINT_BYTES)))
        self._key = Keypair.from_bytes(bytes.fromhex(ledger.fact("faucet") or ""))
        self.mint = Pubkey.from_string(ledger.fact("mint") or "")
        self._address = self._key.pubkey()

    def airdrop(self, to: Pubkey, lamports: int) -> Entry:
        """Give SOL. Raises RpcError when the account would be left without its rent."""
        return self._send([transfer(TransferParams(from_pubkey=self._address, to_pubkey=to, lamports=lamports))])

    def fund_usdc(self, owner: Pubkey, base_units: int) -> Entry:
        """Give USDC; the associated token account is made when it is missing. Raises RpcError."""
        account = get_associated_token_address(owner, self.mint)
        mint = MintToCheckedParams(
            program_id=TOKEN_PROGRAM,
            mint=self.mint,
            dest=account,
            mint_authority=self._address,
            amount=base_units,
            decimals=USDC_DECIMALS,
        )
        return self._send(
            [create_idempotent_associated_token_account(self._address, owner, self.mint), mint_to_checked(mint)]
        )

    def balances(self, owner: Pubkey) -> tuple[int, int]:
        """USDC base units in the associated token account, and lamports."""
        read = self._cluster.bank.read
        token, account = read_token_account(read(get_associated_token_address(owner, self.mint))), read(owner)
        return token.amount if token else 0, account.lamports if account else 0

    def _send(self, instructions: list[Instruction]) -> Entry:
        # Two equal gifts in one slot must be two transactions.
        memo = Instruction(MEMO_PROGRAM_ID, secrets.token_hex(8).encode(), [])
        blockhash = self._cluster.blockhashes.hash_at(self._cluster.slot)
        message = Message.new_with_blockhash([memo, *instructions], self._address, blockhash)
        entry = self._cluster.submit(VersionedTransaction(message, [self._key]), ours=True)
        if entry.err is not None:
            raise RpcError(-32603, f"The faucet's transaction failed: {describe(entry.err)}")
        return entry
