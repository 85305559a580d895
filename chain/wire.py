"""What a node's answers look like on the wire: only the fields that are read, everything else is passed over."""

from typing import Annotated, Any, Generic, TypeVar

import msgspec

from chain.commitment import Commitment

T = TypeVar("T")

Natural = Annotated[int, msgspec.Meta(ge=0)]


class _Wire(msgspec.Struct, rename="camel"):
    pass


class Context(_Wire):
    slot: Natural


class WithContext(_Wire, Generic[T]):
    context: Context
    value: T


class LatestBlockhash(_Wire):
    blockhash: str
    last_valid_block_height: Natural


class AccountInfo(_Wire):
    lamports: Natural
    owner: str
    data: tuple[str, str]


class Status(_Wire):
    slot: Natural
    confirmation_status: Commitment
    # The chain's errors grow by new shapes with every release; whatever it is, it is an error.
    err: Any = msgspec.UNSET


class HistoryLine(_Wire):
    signature: str
    slot: Natural
    err: Any = msgspec.UNSET


class Epoch(_Wire):
    absolute_slot: Natural
    block_height: Natural


class PriorityFee(_Wire):
    slot: Natural
    prioritization_fee: Natural


class TokenAmount(_Wire):
    amount: str


class TokenBalance(_Wire):
    account_index: Natural
    mint: str
    owner: str
    program_id: str
    ui_token_amount: TokenAmount


class LoadedAddresses(_Wire):
    writable: list[str]
    readonly: list[str]


class TransactionMeta(_Wire):
    pre_token_balances: list[TokenBalance]
    post_token_balances: list[TokenBalance]
    err: Any = msgspec.UNSET
    loaded_addresses: LoadedAddresses | None = None


class Transaction(_Wire):
    slot: Natural
    transaction: tuple[str, str]
    meta: TransactionMeta


class LogsValue(_Wire):
    signature: str


class LogsParams(_Wire):
    result: WithContext[LogsValue]


class LogsMessage(_Wire):
    """Either a notification, which has `params`, or the answer to a subscription."""

    params: LogsParams | None = None
    id: int | None = None
    error: Any = None
