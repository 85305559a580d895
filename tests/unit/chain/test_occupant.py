"""Who filled an address: decided by the first transaction there that did not fail, and by its signers alone."""

from dataclasses import replace

import pytest
from solders.keypair import Keypair

from chain.errors import TransactionVersionUnsupported
from chain.occupant import Occupant, find_occupant
from chain.programs import MAX_HISTORY_PER_CALL
from tests.unit.chain.samples import FEE_PAYER, SINGLE_USE, Chain, settled_plan

BASE = FEE_PAYER.pubkey()
OURS = settled_plan()
FOREIGN = replace(OURS, keys=(Keypair().pubkey(), *OURS.keys[1:]))
# Our base is named, and has not signed.
NAMED = replace(OURS, keys=(*FOREIGN.keys, BASE))
ERROR = '{"InstructionError":[2,{"Custom":0}]}'


async def occupant(history, **transactions):
    return await find_occupant(Chain(SINGLE_USE.address, history, transactions), SINGLE_USE.address, BASE)


@pytest.mark.rule("B33")
@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([("ours", None)], Occupant.OURS),
        ([("ours", None), ("foreign", None)], Occupant.OURS),
        ([("foreign", ERROR), ("ours", None), ("foreign", None)], Occupant.OURS),
        ([("foreign", None)], Occupant.STRANGER),
        ([("foreign", None), ("ours", ERROR)], Occupant.STRANGER),
        ([("ours", ERROR), ("foreign", None)], Occupant.STRANGER),
        ([("named", None)], Occupant.STRANGER),
        ([("newer", None)], Occupant.STRANGER),
        ([("gone", None)], Occupant.UNKNOWN),
        ([("ours", ERROR)], Occupant.UNKNOWN),
        ([], Occupant.UNKNOWN),
    ],
)
async def test_the_first_that_did_not_fail_has_filled_it(history, expected):
    newer = TransactionVersionUnsupported(method="getTransaction")
    found = await occupant(history, ours=OURS, foreign=FOREIGN, named=NAMED, newer=newer, gone=None)
    assert found is expected


@pytest.mark.rule("B33")
@pytest.mark.parametrize(
    ("count", "expected"),
    [(MAX_HISTORY_PER_CALL - 1, Occupant.STRANGER), (MAX_HISTORY_PER_CALL, Occupant.UNKNOWN)],
)
async def test_a_history_that_may_have_more_pages_tells_nothing(count, expected):
    assert await occupant([("foreign", None)] * count, foreign=FOREIGN) is expected
