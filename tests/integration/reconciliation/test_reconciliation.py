"""What a bug or a person at the database undid is found: what is safe is repaired once, the rest is listed."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from solders.keypair import Keypair

from app.reconciliation.debts import DUTIES, Debt, missing_of
from app.reconciliation.discrepancies import DiscrepancyNotFound, close_discrepancy, list_discrepancies
from app.reconciliation.reconciler import Round, reconcile
from app.records import Discrepancy, DiscrepancyKind
from tests.box import Box, open_box, open_browser
from tests.waiting import wait_until


@pytest_asyncio.fixture
async def box(database_url: str, tmp_path: Path) -> AsyncIterator[Box]:
    async with open_box(database_url, tmp_path) as opened:
        await until_first_round(opened)
        yield opened


async def until_first_round(box: Box) -> None:
    """A worker begins with a round: it shall not find what a test is about to do."""

    async def is_over() -> bool:
        return len(await box.house.rows("SELECT FROM reconciliations")) == len(box.house.system.clusters)

    await wait_until(is_over, what="the worker's first round is over")


async def change(box: Box, query: str, *values: Any) -> None:
    async with box.house.system.database.acquire() as connection:
        assert await connection.execute(query, *values) not in {"DELETE 0", "UPDATE 0"}


async def look(box: Box) -> Round:
    """Two at once, as two workers make them; what they came to together."""
    both = await asyncio.gather(*(reconcile(box.house.system) for _ in range(2)))
    return Round([repair for one in both for repair in one.repairs], sum(one.discrepancies for one in both))


async def opened(box: Box) -> list[Discrepancy]:
    async with box.house.system.database.acquire() as connection:
        return await list_discrepancies(connection)


async def lose_job(box: Box, kind: str) -> None:
    """Wait until the worker has tried it in vain, and delete it."""

    async def is_waiting() -> bool:
        rows = await box.house.rows("SELECT status, attempts FROM jobs WHERE kind = $1", kind)
        return [(row["status"], row["attempts"] > 0) for row in rows] == [("waiting", True)]

    await wait_until(is_waiting, what=f"a try of {kind} was in vain")
    await change(box, "DELETE FROM jobs WHERE kind = $1", kind)


async def check_repaired(box: Box, debt: Debt, record: str, record_id: str) -> None:
    """It was found once, by whichever came first, is in the record's history, and nothing is found any more."""
    made = await look(box)
    assert [(one.debt, one.record, one.record_id) for one in made.repairs] == [(debt, record, record_id)]
    events = await box.house.rows("SELECT detail FROM events WHERE kind = 'reconciled' AND record_id = $1", record_id)
    assert [event["detail"]["found"] for event in events] == [debt]
    assert (await look(box)).repairs == []


async def test_nothing_is_found_where_nothing_is_wrong(box: Box) -> None:
    checkout = await box.paid()
    await box.refund(checkout)
    assert await look(box) == Round()
    assert await opened(box) == []


async def test_a_paid_payment_whose_job_is_lost_still_reaches_shopify(box: Box) -> None:
    await box.fault("shopify", "status")
    checkout = await box.checkout()
    assert (await box.pay(await box.wallet(), checkout["link"])).status_code == 200
    await lose_job(box, "payment_resolve")
    assert [violation.invariant for violation in await box.violations()] == ["I6"]
    await box.mend()
    await check_repaired(box, Debt.job_lost, "payment", checkout["payment"])
    await box.until_status(checkout, "completed")
    assert (await box.at_shopify(checkout))["state"] == "resolved"
    assert await box.violations() == []


async def test_a_rejecting_payment_whose_job_is_lost_is_still_rejected(box: Box) -> None:
    await box.fault("shopify", "status")
    checkout, wallet = await box.checkout(), await box.wallet()
    await box.outside.post("/sandbox/trm/flagged", json={"address": wallet})
    assert (await box.pay(wallet, checkout["link"])).status_code != 200
    await lose_job(box, "payment_reject")
    await box.mend()
    await check_repaired(box, Debt.job_lost, "payment", checkout["payment"])
    await box.until_status(checkout, "rejected")
    assert await box.violations() == []


async def test_a_refund_whose_job_is_lost_still_reaches_shopify(box: Box) -> None:
    checkout = await box.paid()
    refund = await box.refund(checkout)
    await box.fault("shopify", "status")
    assert (await box.pay(await box.wallet(), refund["link"])).status_code == 200
    await lose_job(box, "refund_resolve")
    await box.mend()
    await check_repaired(box, Debt.job_lost, "refund", refund["row"]["id"])
    await box.until_refund(refund, "completed")
    assert await box.violations() == []


async def test_a_transaction_that_nobody_watches_is_watched_again(box: Box) -> None:
    checkout, wallet = await box.checkout(), await box.wallet()
    transaction = await box.fetch(wallet, checkout["link"])
    await change(box, "UPDATE issued_transactions SET poll_at = poll_at + interval '1 day'")
    assert (await box.send(wallet, transaction)).status_code == 200
    await check_repaired(box, Debt.watch_lost, "payment", checkout["payment"])
    await box.until_status(checkout, "completed")
    assert await box.violations() == []


async def test_an_event_that_came_in_and_has_no_job_is_processed(box: Box) -> None:
    insert = """INSERT INTO inbox_events (source, event_id, topic, cluster, payload, received_at)
        VALUES ('helius', $1, 'raw', 'live', '{}', now()) RETURNING id"""
    [row] = await box.house.rows(insert, str(Keypair().sign_message(b"")))
    await check_repaired(box, Debt.job_lost, "inbox", str(row["id"]))

    async def is_processed() -> bool:
        return not await box.house.rows("SELECT FROM inbox_events WHERE processed_at IS NULL")

    await wait_until(is_processed, what="the event is processed")


async def test_a_dead_job_is_a_persons_and_no_loss(box: Box) -> None:
    await box.fault("shopify", "status")
    checkout = await box.checkout()
    assert (await box.pay(await box.wallet(), checkout["link"])).status_code == 200
    await box.until_status(checkout, "paid")
    await change(box, "UPDATE jobs SET status = 'dead', lease_holder = NULL, lease_until = NULL WHERE status <> 'done'")
    assert (await look(box)).repairs == []


async def test_a_node_that_is_away_delays_the_comparison_and_no_repair(box: Box) -> None:
    await box.fault("shopify", "status")
    checkout = await box.checkout()
    assert (await box.pay(await box.wallet(), checkout["link"])).status_code == 200
    await lose_job(box, "payment_resolve")
    # A finished one, so that there is something to ask the node for.
    await change(box, "UPDATE issued_transactions SET final = true, fate = 'landed', poll_at = NULL")
    await box.fault("rpc", "drop")
    made = await reconcile(box.house.system)
    assert made.unread == ["live"]
    assert [repair.debt for repair in made.repairs] == [Debt.job_lost]


class TestContradictions:
    """Books, chain and Shopify differ: listed once, alarmed, shown to the merchant, closed when they agree again."""

    async def finished(self, box: Box) -> str:
        """The id of a payment whose transaction is final."""
        checkout = await box.paid()

        async def is_final() -> bool:
            return bool(await box.house.rows("SELECT FROM issued_transactions WHERE final AND fate = 'landed'"))

        await wait_until(is_final, what="the transaction is final")
        return str(checkout["payment"])

    async def check_listed(self, box: Box, kind: DiscrepancyKind, payment: str) -> None:
        assert (await look(box)).discrepancies == 1
        assert (await look(box)).discrepancies == 0
        [found] = await opened(box)
        assert (found.kind, found.record, found.record_id) == (kind, "payment", payment)
        async with open_browser() as browser:
            await browser.get(f"{box.world.url}/sandbox/admin/app")
            page = (await browser.get(f"{box.house.settings.public_url}/portal/attention")).text
            assert f"Its number is {found.id}" in page
            assert "1 thing needs" in page

    @pytest.mark.parametrize(
        ("faults", "kind"),
        [
            (["false_error"], DiscrepancyKind.landing_failed),
            (["null_status", "null_transaction"], DiscrepancyKind.landing_gone),
            ([], DiscrepancyKind.death_denied),
        ],
    )
    async def test_what_the_chain_contradicts_is_listed_until_it_agrees(
        self, box: Box, faults: list[str], kind: DiscrepancyKind
    ) -> None:
        payment = await self.finished(box)
        for fault in faults:
            await box.fault("rpc", fault)
        if not faults:
            await change(box, "UPDATE issued_transactions SET fate = 'dead'")
        await self.check_listed(box, kind, payment)
        await box.mend()
        await change(box, "UPDATE issued_transactions SET fate = 'landed'")
        assert (await look(box)).discrepancies == 0
        assert await opened(box) == []

    async def test_one_store_of_a_node_that_forgot_it_is_no_contradiction(self, box: Box) -> None:
        await self.finished(box)
        await box.fault("rpc", "null_status")
        assert await look(box) == Round()

    async def test_what_shopify_contradicts_is_listed_until_it_acknowledges(self, box: Box) -> None:
        await box.fault("shopify", "status")
        checkout = await box.checkout()
        assert (await box.pay(await box.wallet(), checkout["link"])).status_code == 200
        await box.until_status(checkout, "paid")

        async def is_asked() -> bool:
            return bool(await box.house.rows("SELECT FROM shopify_mutations"))

        await wait_until(is_asked, what="Shopify was asked")
        await change(box, "UPDATE shopify_mutations SET disputed_at = created_at")
        await self.check_listed(box, DiscrepancyKind.shopify_contradicts, checkout["payment"])
        await box.mend()
        await box.advance(10)
        await box.until_status(checkout, "completed")
        assert (await look(box)).discrepancies == 0
        assert await opened(box) == []

    async def test_a_person_closes_one_with_what_it_was(self, box: Box) -> None:
        payment = await self.finished(box)
        await change(box, "UPDATE issued_transactions SET fate = 'dead'")
        await look(box)
        [found] = await opened(box)
        await close_discrepancy(box.house.system, found.id, "a hand at the database")
        assert await opened(box) == []
        [event] = await box.house.rows("SELECT detail FROM events WHERE kind = 'attended' AND record_id = $1", payment)
        assert event["detail"] == {"by": "operator", "note": "a hand at the database"}
        with pytest.raises(DiscrepancyNotFound):
            await close_discrepancy(box.house.system, found.id, "again")


async def test_the_finished_transactions_are_gone_through_page_by_page_and_from_the_top_again(
    database_url: str, tmp_path: Path
) -> None:
    async with open_box(database_url, tmp_path, reconcile_rows=1) as box:
        await until_first_round(box)
        for _ in range(3):
            await box.paid()

        async def are_final() -> bool:
            return len(await box.house.rows("SELECT FROM issued_transactions WHERE final")) == 3

        await wait_until(are_final, what="all are final")
        ids = [row["id"] for row in await box.house.rows("SELECT id FROM issued_transactions ORDER BY id DESC")]
        seen = []
        for _ in range(5):
            await reconcile(box.house.system)
            [row] = await box.house.rows("SELECT before_id FROM reconciliations WHERE cluster = 'live'")
            seen.append(row["before_id"])
        assert seen == [*ids, None, ids[0]]


async def test_what_is_older_than_the_nodes_remember_is_not_compared(database_url: str, tmp_path: Path) -> None:
    async with open_box(database_url, tmp_path, reconcile_days=1) as box:
        await until_first_round(box)
        await TestContradictions().finished(box)
        await change(box, "UPDATE issued_transactions SET fate = 'dead', created_at = created_at - interval '2 days'")
        assert await look(box) == Round()


async def test_a_round_goes_through_no_table_of_jobs_or_events(box: Box) -> None:
    """However many were done: what is looked for has indexes of its own."""
    async with box.house.system.database.acquire() as connection:
        await connection.execute("SET enable_seqscan = off")
        for duty in DUTIES:
            plan = await connection.fetch(f"EXPLAIN {missing_of(duty)}", duty.record, duty.kind, None, 200)
            text = "\n".join(row[0] for row in plan)
            assert "Seq Scan on jobs" not in text, text
            assert "Seq Scan on inbox_events" not in text, text
            assert "Seq Scan on payments" not in text, text
        await connection.execute("RESET enable_seqscan")
