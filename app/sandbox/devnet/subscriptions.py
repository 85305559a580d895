"""What a client of the websocket can subscribe to, and what it is then told."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.sandbox.devnet.cluster import Cluster, Landing
from app.sandbox.devnet.commitment import LEVELS, Commitment
from app.sandbox.devnet.encoding import encode_account
from app.sandbox.devnet.errors import invalid_params
from app.sandbox.devnet.params import Params, to_pubkey

# Beyond this many slots at once (the clock was moved) only the last ones are told one by one.
_MAX_SLOTS_TOLD = 32
_CLOSED_ACCOUNT = {
    "lamports": 0,
    "data": ["", "base64"],
    "owner": "1" * 32,
    "executable": False,
    "rentEpoch": 0,
    "space": 0,
}


@dataclass(frozen=True)
class Subscription:
    """`shows` turns a landing into the value to tell, or None. One to a signature ends with its first notification."""

    notification: str
    commitment: Commitment = "finalized"
    shows: Callable[[Landing], Any] | None = None
    signature: str | None = None
    wants_received: bool = False

    def told(self, landing: Landing) -> Any:
        """The value to tell of a transaction that has just reached a commitment; None for nothing."""
        if self.wants_received and landing.level == "processed" and landing.entry.signature == self.signature:
            return "receivedSignature"
        return self.shows(landing) if self.shows and landing.level == self.commitment else None


def slots_told(parent: int, slot: int) -> range:
    """The slots from after parent up to slot that are worth a notification each."""
    return range(max(parent, slot - _MAX_SLOTS_TOLD) + 1, slot + 1)


def _account(cluster: Cluster, params: Params) -> Subscription:
    address, config = params.pubkey(0), params.config(1)

    def show(landing: Landing) -> Any:
        if str(address) not in landing.written:
            return None
        account = cluster.bank.read(address)
        return _CLOSED_ACCOUNT if account is None else encode_account(account, config, cluster.bank.read)

    return Subscription("accountNotification", config.commitment(), show)


def _signature(_: Cluster, params: Params) -> Subscription:
    signature, config = params.signature(0), params.config(1)

    def show(landing: Landing) -> Any:
        return {"err": landing.entry.err} if landing.entry.signature == signature else None

    received = config.flag("enableReceivedNotification") and config.commitment() != "processed"
    return Subscription("signatureNotification", config.commitment(), show, signature, received)


def _logs(_: Cluster, params: Params) -> Subscription:
    mentioned = _mentioned(params)

    def show(landing: Landing) -> Any:
        entry = landing.entry
        if mentioned is not None and mentioned not in landing.addresses:
            return None
        return {"signature": entry.signature, "err": entry.err, "logs": entry.meta["logMessages"]}

    return Subscription("logsNotification", params.config(1).commitment(), show)


def _mentioned(params: Params) -> str | None:
    """The one address whose transactions are wanted; None for all of them."""
    if params.is_text(0):
        if params.text(0) not in ("all", "allWithVotes"):
            raise invalid_params(
                f"Invalid params: unknown variant `{params.text(0)}`, expected `all` or `allWithVotes`."
            )
        return None
    mentions = params.options(0).get("mentions")
    if not isinstance(mentions, list) or len(mentions) != 1:
        raise invalid_params("Invalid Request: Only 1 address supported")
    return str(to_pubkey(mentions[0]))


_KINDS: dict[str, Callable[[Cluster, Params], Subscription]] = {
    "accountSubscribe": _account,
    "signatureSubscribe": _signature,
    "logsSubscribe": _logs,
    "slotSubscribe": lambda _, __: Subscription("slotNotification"),
    "rootSubscribe": lambda _, __: Subscription("rootNotification"),
}
UNSUBSCRIBE = frozenset(name.replace("Subscribe", "Unsubscribe") for name in _KINDS)


def has_reached(level: Commitment | None, wanted: Commitment) -> bool:
    """Whether a commitment is at least another one."""
    return level is not None and LEVELS.index(level) >= LEVELS.index(wanted)


def subscribe(method: str, cluster: Cluster, params: Params) -> Subscription | None:
    """The subscription that a call asks for; None when it is another call. Raises RpcError."""
    kind = _KINDS.get(method)
    return kind(cluster, params) if kind else None
