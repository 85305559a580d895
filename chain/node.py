"""One RPC node: questions in plain values, answers in plain values, every failure a NodeError.

The answers are not parsed by solders. Its parsers panic on an error object without `data` (a "node is behind" of some
providers), which is a BaseException that would end the worker, and they refuse a whole batch of 256 statuses for one
error of a shape that they do not know yet. So the client is asked for plain JSON, which is read by the shapes in
chain/wire.py.
"""

from abc import ABC, abstractmethod
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar
from urllib.parse import urlsplit

import msgspec
from solders.hash import Hash, ParseHashError
from solders.pubkey import Pubkey

from chain import wire
from chain.accounts import Account, AccountsView
from chain.commitment import Commitment
from chain.errors import (
    NodeAnswerInvalid,
    NodeError,
)
from chain.programs import MAX_ACCOUNTS_PER_CALL, MAX_HISTORY_PER_CALL, MAX_STATUSES_PER_CALL
from chain.settled import SettledTransaction, read_error, read_settled

if TYPE_CHECKING:
    from chain.rpc import RpcClient

T = TypeVar("T")

# The shapes of answers, made once: making one takes longer than checking an answer against it.
_BLOCKHASH = wire.WithContext[wire.LatestBlockhash]
_ACCOUNTS = wire.WithContext[list[wire.AccountInfo | None]]
_HISTORY = list[wire.HistoryLine]
_STATUSES = wire.WithContext[list[wire.Status | None]]


@dataclass(frozen=True, slots=True)
class Blockhash:
    """`slot` is the node's slot when it answered."""

    hash: Hash
    last_valid_block_height: int
    slot: int


@dataclass(frozen=True, slots=True)
class SignatureStatus:
    """Where a transaction landed, how sure it is, and the chain's error as JSON (None: it did what it says)."""

    slot: int
    confirmation: Commitment
    error: str | None


@dataclass(frozen=True, slots=True)
class StatusesView:
    """Statuses in the order of the signatures asked for; None where the node knows none."""

    slot: int
    statuses: list[SignatureStatus | None]


class HistoryLine(NamedTuple):
    """One transaction of an address' history; `error` is the chain's, as JSON (None: it did what it says)."""

    signature: str
    slot: int
    error: str | None


class EpochInfo(NamedTuple):
    slot: int
    block_height: int


class Questions(ABC):
    """What can be asked of a cluster. Every question raises NodeError when there is no answer that can be used."""

    @abstractmethod
    async def ask(self, method: str, params: list[Any] | None, shape: Any, read: Callable[[Any], T]) -> T:
        """Ask it, check the answer's shape, and read it."""

    async def latest_blockhash(self, commitment: Commitment) -> Blockhash:
        return await self.ask("getLatestBlockhash", [{"commitment": commitment}], _BLOCKHASH, _read_blockhash)

    async def accounts(self, addresses: Sequence[Pubkey], commitment: Commitment) -> AccountsView:
        """At most 100 accounts at one slot. Raises ValueError for more."""
        if len(addresses) > MAX_ACCOUNTS_PER_CALL:
            raise ValueError(f"at most {MAX_ACCOUNTS_PER_CALL} accounts per call")
        params = [[str(address) for address in addresses], {"commitment": commitment, "encoding": "base64"}]
        return await self.ask("getMultipleAccounts", params, _ACCOUNTS, partial(_read_accounts, addresses))

    async def signature_statuses(self, signatures: Sequence[str], search_history: bool = False) -> StatusesView:
        """At most 256 statuses. Without history search a node remembers about 300 slots. Raises ValueError for more."""
        if len(signatures) > MAX_STATUSES_PER_CALL:
            raise ValueError(f"at most {MAX_STATUSES_PER_CALL} signatures per call")
        params = [list(signatures), {"searchTransactionHistory": search_history}]
        return await self.ask("getSignatureStatuses", params, _STATUSES, partial(_read_statuses, len(signatures)))

    async def transaction(self, signature: str, commitment: Commitment) -> SettledTransaction | None:
        """The transaction as it landed, or None when the node has none at this commitment.

        Raises TransactionVersionUnsupported for a version newer than 0: it can not be one of ours.
        """
        options = {"commitment": commitment, "encoding": "base64", "maxSupportedTransactionVersion": 0}
        return await self.ask("getTransaction", [signature, options], wire.Transaction | None, _read_transaction)

    async def history(
        self, address: Pubkey, *, commitment: Commitment, before: str | None = None, until: str | None = None
    ) -> list[HistoryLine]:
        """The newest 1,000 transactions that mention an address, newest first: those older than `before`, and newer
        than `until` where the node knows that one."""
        options = {"limit": MAX_HISTORY_PER_CALL, "before": before, "until": until, "commitment": commitment}
        params = [str(address), {name: value for name, value in options.items() if value is not None}]
        return await self.ask("getSignaturesForAddress", params, _HISTORY, _read_history)

    async def epoch_info(self, commitment: Commitment) -> EpochInfo:
        return await self.ask("getEpochInfo", [{"commitment": commitment}], wire.Epoch, _read_epoch)

    async def minimum_rent(self, size: int) -> int:
        """Lamports that an account with `size` bytes of data must hold."""
        return await self.ask("getMinimumBalanceForRentExemption", [size], wire.Natural, int)

    async def first_available_block(self) -> int:
        """The slot of the oldest block that the node still has."""
        return await self.ask("getFirstAvailableBlock", None, wire.Natural, int)

    async def recent_priority_fees(self, addresses: Sequence[Pubkey]) -> list[int]:
        """Micro-lamports per compute unit that were enough to write to these accounts, one figure per recent slot."""
        params = [[str(address) for address in addresses]]
        return await self.ask("getRecentPrioritizationFees", params, list[wire.PriorityFee], _read_fees)

    async def balance(self, address: Pubkey, commitment: Commitment = "confirmed") -> int:
        """Lamports."""
        params = [str(address), {"commitment": commitment}]
        return await self.ask("getBalance", params, wire.WithContext[wire.Natural], _read_balance)

    async def genesis_hash(self) -> str:
        """Says which cluster the node belongs to."""
        return await self.ask("getGenesisHash", None, str, str)

    async def send_transaction(self, transaction: bytes) -> str:
        """Send a fully signed transaction, unless a dry run says that it would fail; its signature."""
        options = {"encoding": "base64", "preflightCommitment": "confirmed"}
        return await self.ask("sendTransaction", [b64encode(transaction).decode(), options], str, str)

    async def health(self) -> None:
        """Raises NodeError when the node is not healthy."""
        await self.ask("getHealth", None, Literal["ok"], str)


class Node(Questions):
    """`on_call(method, outcome)` is told of every call; the outcome is `ok` or the reason code of the error raised."""

    def __init__(self, url: str, timeout_seconds: float, *, on_call: Callable[[str, str], None] | None = None) -> None:
        self.host = urlsplit(url).hostname or ""
        self._timeout_seconds = timeout_seconds
        self._on_call = on_call
        self._url = url
        self._client: RpcClient | None = None

    def __repr__(self) -> str:
        return f"Node({self.host})"  # the address may carry an API key

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def ask(self, method: str, params: list[Any] | None, shape: Any, read: Callable[[Any], T]) -> T:
        try:
            answer = read(msgspec.convert(await self._request(method, params), shape))
        except NodeError as problem:
            failure = problem
        except (ValueError, IndexError) as problem:  # msgspec's ValidationError is a ValueError
            failure = NodeAnswerInvalid(method=method, problem=str(problem))
        else:
            self._report(method, "ok")
            return answer
        self._report(method, failure.reason)
        raise failure

    async def _request(self, method: str, params: list[Any] | None) -> Any:
        if self._client is None:
            # Loading the RPC client takes longer than a whole session at Shopify's door, which asks no node.
            from chain.rpc import RpcClient

            self._client = RpcClient(self._url, self._timeout_seconds)
        return await self._client.request(method, params)

    def _report(self, method: str, outcome: str) -> None:
        if self._on_call is not None:
            self._on_call(method, outcome)


def _read_blockhash(answer: wire.WithContext[wire.LatestBlockhash]) -> Blockhash:
    try:
        blockhash = Hash.from_string(answer.value.blockhash)
    except ParseHashError as problem:
        raise ValueError(str(problem)) from None
    return Blockhash(blockhash, answer.value.last_valid_block_height, answer.context.slot)


def _read_accounts(
    addresses: Sequence[Pubkey], answer: wire.WithContext[list[wire.AccountInfo | None]]
) -> AccountsView:
    _check_count(len(addresses), len(answer.value))
    found = [_read_account(address, info) for address, info in zip(addresses, answer.value, strict=True)]
    return AccountsView(answer.context.slot, found)


def _read_account(address: Pubkey, info: wire.AccountInfo | None) -> Account | None:
    if info is None:
        return None
    text, encoding = info.data
    if encoding != "base64":
        raise ValueError(f"encoding {encoding}")
    return Account(address, info.lamports, Pubkey.from_string(info.owner), b64decode(text, validate=True))


def _read_statuses(asked: int, answer: wire.WithContext[list[wire.Status | None]]) -> StatusesView:
    _check_count(asked, len(answer.value))
    return StatusesView(answer.context.slot, [_read_status(status) for status in answer.value])


def _read_status(status: wire.Status | None) -> SignatureStatus | None:
    if status is None:
        return None
    return SignatureStatus(status.slot, status.confirmation_status, read_error(status.err))


def _read_transaction(answer: wire.Transaction | None) -> SettledTransaction | None:
    return None if answer is None else read_settled(answer)


def _read_history(answer: list[wire.HistoryLine]) -> list[HistoryLine]:
    return [HistoryLine(line.signature, line.slot, read_error(line.err)) for line in answer]


def _read_epoch(answer: wire.Epoch) -> EpochInfo:
    return EpochInfo(answer.absolute_slot, answer.block_height)


def _read_fees(answer: list[wire.PriorityFee]) -> list[int]:
    return [fee.prioritization_fee for fee in answer]


def _read_balance(answer: wire.WithContext[int]) -> int:
    return answer.value


def _check_count(asked: int, answered: int) -> None:
    if asked != answered:
        raise ValueError(f"{answered} answers to {asked} questions")
