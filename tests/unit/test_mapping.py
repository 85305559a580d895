"""docs/mapping.md says of the customer's page what the page's own code shows, in every state that can be."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import product

from app.payments.view import Stage, _Known, _stage
from app.records import Payment, PaymentException, PaymentStatus
from scripts.draw_mapping import STAGES

NOW = datetime(2026, 11, 25, tzinfo=UTC)
LATER, EARLIER = NOW + timedelta(hours=1), NOW - timedelta(hours=1)


def make_payment(**values: object) -> Payment:
    empty: dict[str, object] = dict.fromkeys(Payment.__struct_fields__)
    return Payment(**{**empty, "id": "payment", **values})  # type: ignore[arg-type]


def test_every_status_shows_the_stages_that_the_mapping_lists_and_no_other() -> None:
    shown: dict[PaymentStatus, set[Stage]] = defaultdict(set)
    for status, exception, winner, is_open_shop, is_live, is_landed in product(
        PaymentStatus, PaymentException, (None, "payment", "other"), *((False, True),) * 3
    ):
        for expires_at, usdc, scanned_at, signature in product(
            (LATER, EARLIER), (None, 1), (None, NOW), (None, "signature")
        ):
            payment = make_payment(
                status=status,
                exception=exception,
                expires_at=expires_at,
                usdc=usdc,
                scanned_at=scanned_at,
                paid_signature=signature,
            )
            # What records can not be at once is not asked about: an expired payment has passed its end.
            if status is PaymentStatus.expired and expires_at == LATER:
                continue
            known = _Known(payment, winner, "shop", is_open_shop, None, None, None, is_live, is_landed, None, None)
            shown[status].add(_stage(known, NOW))
    assert {status: set(stages) for status, stages in STAGES.items()} == shown
