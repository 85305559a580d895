"""What the fee payer may be made to spend: limits and budgets, checked last before a transaction is stored.

Limits count what is live or failed: what lands brings money, and what is dead cost nothing, so both give the quota
back. Budgets count fees of the day (UTC) of all but the dead, as `fee_tallies` has them.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from app import metrics
from app.database import Connection
from app.errors import SettleError
from app.logs import get_logger
from app.records import Cluster, PaymentGroup, Row
from app.settings import Settings
from app.system import System
from app.transactions import refusals
from app.transactions.purpose import Terms

WINDOW = timedelta(hours=24)

# Advisory locks of two numbers: ours, and the cluster's.
_TURNS = 7_433
_TURN = "SELECT pg_advisory_xact_lock($1, $2)"
_CLUSTER_NUMBERS = {Cluster.live: 1, Cluster.test: 2}

_COUNTED = "fate IN ('live', 'failed') AND created_at > $2"
_USED = f"""
SELECT
    (SELECT count(*) FROM issued_transactions WHERE (payment_id = $1 OR refund_id = $1) AND fate = 'live') AS live,
    (SELECT count(*) FROM issued_transactions WHERE (payment_id = $1 OR refund_id = $1) AND {_COUNTED}) AS payment,
    (SELECT count(*) FROM issued_transactions WHERE wallet = $3 AND {_COUNTED}) AS wallet,
    (SELECT count(*) FROM issued_transactions WHERE network_address = $4 AND {_COUNTED}) AS network,
    (SELECT count(*) FROM issued_transactions i JOIN payment_groups g ON g.id = i.group_id
        WHERE g.merchant_id = $5 AND g.cluster = $6 AND i.fate IN ('live', 'failed') AND i.created_at > $2) AS shop,
    (SELECT coalesce(sum(lamports), 0)::bigint FROM fee_tallies
        WHERE cluster = $6 AND day = $7 AND merchant_id = $5) AS shop_lamports,
    (SELECT coalesce(sum(lamports), 0)::bigint FROM fee_tallies WHERE cluster = $6 AND day = $7) AS lamports,
    (SELECT coalesce(sum(fee_lamports + rent_lamports), 0)::bigint FROM issued_transactions
        WHERE fee_payer = $8 AND fate = 'live') AS reserved
"""  # noqa: S608  # a constant of ours

_SPENT = """
SELECT coalesce(sum(lamports), 0)::bigint AS lamports, count(*) FILTER (WHERE lamports + $3 > $4) AS shops
FROM fee_tallies WHERE cluster = $1 AND day = $2
"""


class Cost(msgspec.Struct, frozen=True):
    """Lamports: the fee is gone for good, the rent is locked if it lands."""

    fee: int
    rent: int


class Ask(msgspec.Struct, frozen=True):
    """Who asks for a transaction of what, what it would cost, and what its fee payer has (lamports, as just seen).

    `network`: the digest of the network address, or None when that is not known. `opens_account`: it opens the payee's
    token account first, at the wallet's own cost.
    """

    terms: Terms
    group: PaymentGroup
    wallet: str
    network: str | None
    fee_payer: str
    cost: Cost
    balance: int
    opens_account: bool = False


async def check_quotas(system: System, connection: Connection, ask: Ask, now: datetime) -> None:
    """Raise the refusal that says which limit this transaction would break.

    Within the caller's transaction, which holds the locks of group and record and stores the transaction next: from
    here to its end all others of the cluster wait, so that no two can take the same last place.
    """
    cluster = ask.group.cluster
    await connection.execute(_TURN, _TURNS, _CLUSTER_NUMBERS[cluster])
    used = await connection.fetchrow(
        _USED,
        ask.terms.id,
        now - WINDOW,
        ask.wallet,
        ask.network,
        ask.group.merchant_id,
        cluster,
        day_of(now),
        ask.fee_payer,
    )
    assert used is not None
    for name, full, refusal in _judge(system.settings, ask, used):
        if full:
            metrics.quota_refusals_total.labels(limit=name).inc()
            get_logger().warning("quota_spent", limit=name, cluster=cluster)
            raise refusal


def _judge(settings: Settings, ask: Ask, used: Row) -> Iterator[tuple[str, bool, type[SettleError]]]:
    """Each limit by name, whether it is full, and how that is said. What concerns the fewest comes first."""
    fee = ask.cost.fee
    left = ask.balance - used["reserved"] - fee - ask.cost.rent
    yield "payment_live", used["live"] >= settings.issued_live_max, refusals.TooManyRequests
    yield "payment", used["payment"] >= settings.issued_payment_max, refusals.TooManyRequests
    yield "wallet", used["wallet"] >= settings.issued_wallet_max, refusals.WalletQuotaSpent
    yield "network", used["network"] >= settings.issued_network_max, refusals.NetworkQuotaSpent
    yield "shop", used["shop"] >= settings.issued_shop_max, refusals.IssuingPaused
    yield "shop_budget", used["shop_lamports"] + fee > settings.spend_shop_lamports_max, refusals.IssuingPaused
    yield "budget", used["lamports"] + fee > settings.spend_lamports_max, refusals.IssuingPaused
    yield "balance", left < settings.fee_payer_minimum_lamports, refusals.IssuingPaused


def day_of(moment: datetime) -> datetime:
    """The beginning of its day, UTC."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


async def find_problems(system: System) -> list[str]:
    """What stops issuing now, or soon: a low fee payer, a spent budget.

    A fee payer whose balance is not known yet is no problem. Brings the gauge of the spending up to date, too.
    """
    settings = system.settings
    problems = []
    async with system.database.acquire() as connection:
        for name, parts in system.clusters.items():
            cost = parts.purse.last_fee or 0
            spent = await connection.fetchrow(
                _SPENT, name, day_of(system.clock.now()), cost, settings.spend_shop_lamports_max
            )
            assert spent is not None
            metrics.fee_payer_spent_lamports.labels(cluster=name).set(spent["lamports"])
            balance = parts.purse.lamports
            if balance is not None and balance < settings.fee_payer_low_lamports:
                problems.append(f"the fee payer of the {name} cluster has {balance} lamports left: fill it up")
            if spent["lamports"] + cost > settings.spend_lamports_max:
                problems.append(f"the day's budget of the {name} cluster is spent: no transactions are issued")
            if spent["shops"]:
                problems.append(f"the day's budget of {spent['shops']} shops on the {name} cluster is spent")
    return problems
