"""States that must not be are refused by the database itself, whoever writes."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from app.records import IssuedTransaction, Payment

from .conftest import ADDRESS, AT, Rows

QUOTE = {"usdc": 10_000_000, "rate": Decimal(1), "rate_source": "par", "rate_at": AT}


@pytest.mark.parametrize(
    ("table", "columns", "constraint"),
    [
        ("merchant", {"wallet": "short"}, "merchants_wallet_length"),
        ("group", {"version": 0}, "payment_groups_version_positive"),
        ("group", {"seed": "s" * 33}, "payment_groups_seed_length"),
        ("group", {"address": "0" * 45}, "payment_groups_address_length"),
        ("payment", {"id": "guessable"}, "payments_id_shape"),
        ("payment", {"id": "payment 00000000000001"}, "payments_id_shape"),
        ("payment", {"amount": 0}, "payments_amount_positive"),
        ("payment", {"amount": -1}, "payments_amount_positive"),
        ("payment", {"currency": "usd"}, "payments_currency_shape"),
        ("payment", {"currency": "EURO"}, "payments_currency_shape"),
        ("payment", QUOTE | {"usdc": 0}, "payments_usdc_positive"),
        ("payment", QUOTE | {"rate": Decimal(0)}, "payments_rate_positive"),
        ("payment", {"usdc": 1}, "payments_quote_whole"),
        ("payment", {"quote_expires_at": AT}, "payments_quote_expiry_needs_quote"),
        ("payment", {"destination": ""}, "payments_destination_length"),
        ("payment", {"status": "paid"}, "payments_paid_has_signature"),
        ("payment", {"status": "completed"}, "payments_paid_has_signature"),
        ("payment", {"paid_wallet": ADDRESS}, "payments_paid_by"),
        ("payment", {"paid_at": AT}, "payments_paid_by"),
        ("payment", {"status": "stuck"}, "payments_stuck_has_reason"),
        ("issued", {"usdc": 0}, "issued_transactions_usdc_positive"),
        ("issued", {"signature": "1" * 63}, "issued_transactions_signature_length"),
        ("issued", {"wallet": ADDRESS}, "issued_transactions_wallet_is_not_fee_payer"),
        ("issued", {"poll_at": None}, "issued_transactions_watched_until_final"),
        ("issued", {"fate": "dead", "final": True}, "issued_transactions_watched_until_final"),
        ("issued", {"final": True, "poll_at": None}, "issued_transactions_live_is_not_final"),
        ("issued", {"fate": "landed"}, "issued_transactions_landed_has_slot"),
        ("issued", {"fate": "failed", "slot": 5}, "issued_transactions_failed_has_error"),
        ("issued", {"payment_id": None, "group_id": 1}, "issued_transactions_for_one_record"),
        ("issued", {"opens_account": True}, "issued_transactions_opens_account_for_refunds"),
        ("refund", {"id": "guessable"}, "refunds_id_shape"),
        ("refund", {"amount": 0}, "refunds_amount_positive"),
        ("refund", {"usdc": 0}, "refunds_usdc_positive"),
        ("refund", {"usdc": None}, "refunds_open_has_usdc"),
        ("refund", {"status": "denying"}, "refunds_rejected_has_message"),
        ("refund", {"status": "rejecting", "usdc": None}, "refunds_rejected_has_message"),
        ("refund", {"status": "paid"}, "refunds_paid_has_signature"),
        ("refund", {"paid_wallet": ADDRESS}, "refunds_paid_by"),
        ("refund", {"status": "stuck"}, "refunds_stuck_has_reason"),
        ("inbox_event", {"shop": None}, "inbox_events_about_one"),
        ("inbox_event", {"cluster": "live"}, "inbox_events_about_one"),
        ("inbox_event", {"event_id": ""}, "inbox_events_event_id_length"),
        ("job", {"attempts": -1}, "jobs_attempts_natural"),
        ("job", {"status": "running"}, "jobs_running_is_leased"),
        ("job", {"status": "running", "lease_holder": "a"}, "jobs_running_is_leased"),
        ("job", {"status": "done", "lease_holder": "a", "lease_until": AT}, "jobs_running_is_leased"),
    ],
)
async def test_a_row_that_makes_no_sense_is_refused(
    rows: Rows, table: str, columns: dict[str, Any], constraint: str
) -> None:
    with pytest.raises(asyncpg.CheckViolationError) as refusal:
        await getattr(rows, table)(**columns)
    assert refusal.value.constraint_name == constraint


async def test_rows_that_make_sense_are_taken_and_read_back(rows: Rows) -> None:
    payment_id = await rows.payment(**QUOTE, quote_expires_at=AT, amount=Decimal("12.340"))
    signature = await rows.issued(payment_id=payment_id)
    await rows.connection.execute(
        """UPDATE payments SET status = 'paid', paid_signature = $2, paid_wallet = $3, paid_at = created_at
        WHERE id = $1""",
        payment_id,
        signature,
        ADDRESS,
    )
    row = await rows.connection.fetchrow("SELECT * FROM payments WHERE id = $1", payment_id)
    assert row is not None
    payment = Payment.from_row(row)
    assert (payment.amount, payment.usdc, payment.rate) == (Decimal("12.34"), 10_000_000, Decimal(1))
    assert (payment.status, payment.paid_signature, payment.expires_at) == ("paid", signature, AT)
    row = await rows.connection.fetchrow("SELECT * FROM issued_transactions WHERE signature = $1", signature)
    assert row is not None
    assert IssuedTransaction.from_row(row).message == b"message"


async def test_only_one_payment_of_a_group_can_be_paid(rows: Rows) -> None:
    group = await rows.group()
    first, second = await rows.payment(group_id=group), await rows.payment(group_id=group)
    pay = "UPDATE payments SET status = $2, paid_signature = $3, paid_wallet = $4, paid_at = created_at WHERE id = $1"
    await rows.connection.execute(pay, first, "completed", await rows.issued(payment_id=first), ADDRESS)
    with pytest.raises(asyncpg.UniqueViolationError, match="payments_group_id_paid_key"):
        await rows.connection.execute(pay, second, "paid", await rows.issued(payment_id=second), ADDRESS)
    await rows.connection.execute("UPDATE payments SET status = 'superseded' WHERE id = $1", second)


async def test_a_payment_can_not_be_paid_by_a_transaction_we_did_not_issue(rows: Rows) -> None:
    payment = await rows.payment()
    with pytest.raises(asyncpg.ForeignKeyViolationError, match="payments_paid_signature_fkey"):
        await rows.connection.execute(
            """UPDATE payments SET status = 'paid', paid_signature = $2, paid_wallet = $3, paid_at = created_at
            WHERE id = $1""",
            payment,
            "5" * 88,
            ADDRESS,
        )


async def test_a_record_has_one_open_job_of_a_kind(rows: Rows) -> None:
    lease = {"status": "running", "lease_holder": "worker", "lease_until": AT + timedelta(minutes=1)}
    job = await rows.job(record_id="payment-1", **lease)
    with pytest.raises(asyncpg.UniqueViolationError, match="jobs_open_key"):
        await rows.job(record_id="payment-1")
    await rows.job(record_id="payment-1", kind="payment_reject")
    await rows.job(record_id="payment-2")
    await rows.connection.execute(
        "UPDATE jobs SET status = 'done', lease_holder = NULL, lease_until = NULL WHERE id = $1", job
    )
    await rows.job(record_id="payment-1")


async def test_events_are_only_ever_added(rows: Rows) -> None:
    event = await rows.event()
    for statement in ("UPDATE events SET kind = 'other' WHERE id = $1", "DELETE FROM events WHERE id = $1"):
        with pytest.raises(asyncpg.RestrictViolationError, match="events are only ever added"):
            await rows.connection.execute(statement, event)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("amount", 11),
        ("currency", "EUR"),
        ("cluster", "test"),
        ("shopify_id", "other"),
        ("destination", "1" * 43),
        ("memo", "m"),
    ],
)
async def test_the_terms_of_a_payment_never_change(rows: Rows, column: str, value: object) -> None:
    payment = await rows.payment()
    with pytest.raises(asyncpg.RestrictViolationError, match="the terms of a payment never change"):
        await rows.connection.execute(f"UPDATE payments SET {column} = $2 WHERE id = $1", payment, value)


async def test_an_insert_or_get_of_a_payment_is_no_change(rows: Rows) -> None:
    payment = await rows.payment()
    found = await rows.connection.fetchval(
        """
        INSERT INTO payments SELECT * FROM payments WHERE id = $1
        ON CONFLICT (id) DO UPDATE SET shopify_id = EXCLUDED.shopify_id RETURNING id
        """,
        payment,
    )
    assert found == payment


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE issued_transactions SET usdc = usdc + 1 WHERE signature = $1",
        "UPDATE issued_transactions SET single_use = repeat('1', 43) WHERE signature = $1",
        "DELETE FROM issued_transactions WHERE signature = $1",
    ],
)
async def test_an_issued_transaction_stays_as_it_was_signed(rows: Rows, statement: str) -> None:
    signature = await rows.issued()
    with pytest.raises(asyncpg.RestrictViolationError):
        await rows.connection.execute(statement, signature)


async def test_a_group_stays_what_it_was_opened_for(rows: Rows) -> None:
    group = await rows.group()
    with pytest.raises(asyncpg.RestrictViolationError):
        await rows.connection.execute("UPDATE payment_groups SET cluster = 'test' WHERE id = $1", group)
    await rows.connection.execute("UPDATE payment_groups SET version = 2, seed = 't' WHERE id = $1", group)


async def test_a_mutation_is_fixed_at_its_first_attempt(rows: Rows) -> None:
    mutation = await rows.mutation()
    with pytest.raises(asyncpg.RestrictViolationError, match="sent again exactly as it was"):
        await rows.connection.execute("UPDATE shopify_mutations SET variables = '{}' WHERE id = $1", mutation)
    await rows.connection.execute("UPDATE shopify_mutations SET acknowledged_at = $2 WHERE id = $1", mutation, AT)
