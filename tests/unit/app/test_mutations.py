"""The GraphQL documents: valid in every version we speak, with the variables that our code sends along."""

from pathlib import Path
from typing import Any

import pytest
from graphql import parse

import app.shopify
from app.records import Payment, RejectReason
from app.sandbox.store.graphql import Invalid, prepare
from app.sandbox.store.schemas import load_schema
from app.shopify.client import document
from app.shopify.payment_mutations import REJECT, RESOLVE
from app.shopify.versions import SUPPORTED

DOCUMENTS = sorted(path.stem for path in (Path(app.shopify.__file__).parent / "mutations").glob("*.graphql"))
GID = "gid://shopify/{}Session/abc"


def name_of(file: str) -> str:
    first, *rest = file.split("_")
    return first + "".join(part.capitalize() for part in rest)


def payment(version: str, reason: RejectReason | None = RejectReason.screened_out) -> Payment:
    """What a mutation reads of a payment; the rest is empty."""
    read = {"gid": GID.format("Payment"), "api_version": version, "reject_reason": reason}
    return Payment(**dict.fromkeys(Payment.COLUMNS) | read)


def variables(mutation: str, version: str) -> dict[str, Any]:
    """What is sent with each mutation, as the code makes it where it is made for a payment."""
    kind = mutation.partition("Session")[0]
    refused = {"code": "PROCESSING_ERROR", "merchantMessage": "No."}
    given: dict[str, dict[str, Any]] = {
        "paymentSessionResolve": RESOLVE.variables(payment(version)),
        "paymentSessionReject": REJECT.variables(payment(version)),
        "paymentSessionPending": {
            "id": GID.format("Payment"),
            "pendingExpiresAt": "2026-11-21T00:00:00Z",
            "reason": "NETWORK_ACTION_REQUIRED",
        },
        "paymentsAppConfigure": {"externalHandle": "shop", "ready": True},
        "refundSessionResolve": {"id": GID.format("Refund")},
    }
    return given.get(mutation) or {"id": GID.format(kind.capitalize()), "reason": refused}


def test_there_is_one_document_for_each_mutation_that_is_sent() -> None:
    sent = [
        "captureSessionReject",
        "paymentSessionPending",
        "paymentSessionReject",
        "paymentSessionResolve",
        "paymentsAppConfigure",
        "refundSessionReject",
        "refundSessionResolve",
        "voidSessionReject",
    ]
    assert sorted(map(name_of, DOCUMENTS)) == sorted(sent)
    for mutation in sent:
        [definition] = parse(document(mutation)).definitions
        [field] = definition.selection_set.selections  # type: ignore[attr-defined]  # a mutation has a selection
        assert field.name.value == mutation


@pytest.mark.parametrize("version", SUPPORTED)
@pytest.mark.parametrize("file", DOCUMENTS)
def test_a_document_and_its_variables_fit_the_schema_of_every_version(file: str, version: str) -> None:
    mutation = name_of(file)
    prepare(load_schema(version), document(mutation), variables(mutation, version))


@pytest.mark.parametrize(("version", "code"), [("2026-01", "RISKY"), *((v, "FRAUD_SUSPECTED") for v in SUPPORTED[1:])])
def test_a_screened_out_wallet_is_rejected_with_the_reason_of_the_version(version: str, code: str) -> None:
    assert REJECT.variables(payment(version))["reason"]["code"] == code


@pytest.mark.parametrize("version", SUPPORTED)
@pytest.mark.parametrize("reason", list(RejectReason))
def test_every_reason_to_reject_has_a_code_in_every_version(version: str, reason: RejectReason) -> None:
    prepare(load_schema(version), document("paymentSessionReject"), REJECT.variables(payment(version, reason)))


def test_a_later_versions_reason_does_not_fit_the_first() -> None:
    """So that the test above would notice."""
    with pytest.raises(Invalid):
        prepare(load_schema("2026-01"), document("paymentSessionReject"), variables("paymentSessionReject", "2026-04"))
