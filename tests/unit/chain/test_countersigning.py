from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.signature import Signature

from chain.countersigning import check_countersigned, signature_of
from chain.errors import NotCountersigned
from chain.fee_payer import KeyFileFeePayer
from chain.payment_transaction import issue_transaction
from tests.unit.chain.samples import CUSTOMER, FEE_PAYER, PLAN


async def issue() -> bytes:
    return (await issue_transaction(PLAN, KeyFileFeePayer(FEE_PAYER))).wire


def sign(wire: bytes, key=CUSTOMER) -> bytes:
    return wire[:65] + bytes(key.sign_message(wire[129:])) + wire[129:]


@pytest.mark.rule("B32")
async def test_what_was_issued_with_the_customers_signature_is_taken():
    issued = await issue()
    signed = sign(issued)
    check_countersigned(signed, issued, CUSTOMER.pubkey())
    assert signature_of(signed) == signature_of(issued) == str(Signature.from_bytes(issued[1:65]))


@pytest.mark.parametrize("wire", [b"\x02" + bytes(128), b"\x01" + bytes(200), b"\x03" + bytes(200), b""])
def test_what_has_no_message_or_not_two_signatures_has_no_id(wire):
    with pytest.raises(NotCountersigned):
        signature_of(wire)


SPOILS: dict[str, Callable[[bytes], bytes]] = {
    "not signed": lambda wire: wire,
    "signed by somebody else": lambda wire: sign(wire, FEE_PAYER),
    "another fee payer's signature": lambda wire: sign(wire[:1] + bytes(64) + wire[65:]),
    "another amount": lambda wire: sign(wire[:-3] + bytes([wire[-3] ^ 1]) + wire[-2:]),
    "something added": lambda wire: sign(wire + b"\0"),
}


@pytest.mark.rule("B32")
@pytest.mark.parametrize("spoil", SPOILS.values(), ids=list(SPOILS))
async def test_anything_else_is_refused(spoil):
    issued = await issue()
    with pytest.raises(NotCountersigned):
        check_countersigned(spoil(issued), issued, CUSTOMER.pubkey())


@given(st.binary(max_size=400))
def test_no_bytes_do_more_than_being_refused(wire):
    try:
        assert signature_of(wire)
    except NotCountersigned:
        assert len(wire) <= 129 or wire[0] != 2
