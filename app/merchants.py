"""The merchants: looked up by shop, remembered by the process that asks often."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from solders.pubkey import Pubkey

from app import events
from app.clusters import ClusterParts
from app.database import Connection, Database
from app.errors import SettleError
from app.keyring import KeyRing
from app.logs import get_logger
from app.records import Cluster, Merchant, MerchantStatus, RecordKind
from chain.addresses import token_account

# Merchants one process remembers; the least lately used is forgotten first.
REMEMBERED_MAX = 10_000


class ShopUnknown(SettleError):
    """The shop {shop} has not installed this app."""

    reason = "shop_unknown"
    status = 404


class MerchantInactive(SettleError):
    """The shop {shop} can not take payments with this app at the moment."""

    reason = "merchant_inactive"
    status = 403


@dataclass(frozen=True)
class Payee:
    """A merchant with its payout wallet and, on each cluster, that one's USDC account, base58.

    `customer_key` is the key of its digests of customers (app/privacy/digests.py), hex.
    """

    merchant: Merchant
    wallet: str
    token_accounts: Mapping[Cluster, str]
    customer_key: str | None = field(repr=False)


class MerchantDirectory:
    """Remembers merchants by shop. What it remembers may be old, so a statement that relies on it checks it again."""

    def __init__(self, database: Database, clusters: Mapping[Cluster, ClusterParts], keyring: KeyRing) -> None:
        self._database = database
        self._keyring = keyring
        self._clusters = clusters
        self._remembered: OrderedDict[str, Payee] = OrderedDict()

    async def active(self, shop: str) -> Payee:
        """The active merchant of a shop. Raises ShopUnknown or MerchantInactive."""
        payee = self._remembered.get(shop)
        if payee is None:
            payee = await self._read(shop)
            self._remembered[shop] = payee
            if len(self._remembered) > REMEMBERED_MAX:
                self._remembered.popitem(last=False)
        else:
            self._remembered.move_to_end(shop)
        return payee

    def remembered(self, shop: str) -> Payee | None:
        """What is remembered of a shop, without asking."""
        return self._remembered.get(shop)

    def forget(self, shop: str) -> None:
        """What was remembered of the shop proved old."""
        self._remembered.pop(shop, None)

    async def _read(self, shop: str) -> Payee:
        async with self._database.acquire() as connection:
            row = await connection.fetchrow("SELECT * FROM merchants WHERE shop = $1", shop)
        if row is None:
            raise ShopUnknown(shop=shop)
        merchant = Merchant.from_row(row)
        if merchant.status is not MerchantStatus.active or merchant.wallet is None:
            raise MerchantInactive(shop=shop)
        wallet = Pubkey.from_string(merchant.wallet)
        accounts = {name: str(token_account(wallet, parts.mint)) for name, parts in self._clusters.items()}
        sealed = merchant.customer_key_sealed
        return Payee(merchant, merchant.wallet, accounts, None if sealed is None else self._keyring.open(sealed))


async def move_merchant(
    connection: Connection, merchant_id: int, to: MerchantStatus, *, at: datetime, because: str
) -> bool:
    """Change a merchant's status by one guarded UPDATE, with its event. False: it has that status already.

    Processes that remember the merchant find out when they rely on it: see MerchantDirectory.
    """
    moved = await connection.fetchval(
        "UPDATE merchants SET status = $2, updated_at = $3 WHERE id = $1 AND status <> $2 RETURNING id",
        merchant_id,
        to,
        at,
    )
    if moved is None:
        return False
    # There are two statuses, so where it came from is known.
    [source] = set(MerchantStatus) - {to}
    await events.write_event(
        connection,
        RecordKind.merchant,
        str(merchant_id),
        events.MOVED,
        at=at,
        from_status=source,
        to_status=to,
        because=because,
    )
    get_logger().info("merchant_moved", merchant_id=merchant_id, to_status=to, because=because)
    return True
