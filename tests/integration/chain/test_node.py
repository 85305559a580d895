import threading
import traceback
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from solders.hash import Hash

from chain import errors
from chain.node import Blockhash, EpochInfo, Node, SignatureStatus, StatusesView
from chain.programs import TOKEN_PROGRAM
from chain.rpc import read_retry_after
from chain.verification import verify_settled
from tests.integration.chain.rpc_server import error, in_context, result
from tests.unit.chain.samples import CUSTOMER, DESTINATION, MERCHANT, SOURCE, answer_for, expected_for, good_transaction

SIGNATURE = "5" * 80
HASH = Hash.hash(b"recent")


def status(err=None, confirmation="finalized"):
    return {"slot": 5, "confirmations": None, "err": err, "status": {}, "confirmationStatus": confirmation, "new": 1}


async def test_a_blockhash_comes_with_its_last_height_and_the_nodes_slot(node, rpc, outcomes):
    rpc.answers["getLatestBlockhash"] = in_context(90, {"blockhash": str(HASH), "lastValidBlockHeight": 240, "new": 1})
    assert await node.latest_blockhash("confirmed") == Blockhash(HASH, 240, 90)
    assert rpc.calls == [("getLatestBlockhash", [{"commitment": "confirmed"}])]
    assert outcomes == [("getLatestBlockhash", "ok")]


async def test_accounts_come_in_the_order_of_the_question_with_none_for_the_missing(node, rpc):
    info = {"lamports": 7, "owner": str(TOKEN_PROGRAM), "data": [b64encode(b"ab").decode(), "base64"]}
    rpc.answers["getMultipleAccounts"] = in_context(9, [None, info | {"rentEpoch": 2**64 - 1, "executable": False}])
    view = await node.accounts([SOURCE, DESTINATION], "confirmed")
    assert view.slot == 9
    assert view.accounts[0] is None
    found = view.accounts[1]
    assert (found.address, found.lamports, found.owner, found.data) == (DESTINATION, 7, TOKEN_PROGRAM, b"ab")


async def test_statuses_keep_their_place_and_history_is_searched_when_asked(node, rpc):
    rpc.answers["getSignatureStatuses"] = in_context(9, [None, status()])
    found = StatusesView(9, [None, SignatureStatus(5, "finalized", None)])
    assert await node.signature_statuses([SIGNATURE, SIGNATURE], search_history=True) == found
    assert rpc.calls[0][1][1] == {"searchTransactionHistory": True}


@pytest.mark.rule("N07")
async def test_errors_of_a_new_shape_are_errors_and_spoil_no_other_status(node, rpc):
    news = [{"InstructionError": [0, {"NewError": 1}]}, "NewError", {"New": {"deep": [1]}}, 0, "", {}, [], False]
    rpc.answers["getSignatureStatuses"] = in_context(9, [status(), *(status(err) for err in news)])
    good, *bad = (await node.signature_statuses([SIGNATURE] * (len(news) + 1))).statuses
    assert good.error is None
    assert all(found.error is not None for found in bad)


async def test_a_settled_transaction_is_read_and_verified(node, rpc):
    transaction = good_transaction()
    rpc.answers["getTransaction"] = result(answer_for(transaction))
    settled = await node.transaction(SIGNATURE, "confirmed")
    verify_settled(settled, expected_for(transaction))
    options = {"commitment": "confirmed", "encoding": "base64", "maxSupportedTransactionVersion": 0}
    assert rpc.calls == [("getTransaction", [SIGNATURE, options])]


async def test_a_transaction_that_the_node_does_not_know_is_none(node, rpc):
    rpc.answers["getTransaction"] = result(None)
    assert await node.transaction(SIGNATURE, "finalized") is None


async def test_the_smaller_questions(node, rpc):
    rpc.answers |= {
        "getEpochInfo": result({"absoluteSlot": 8, "blockHeight": 6, "epoch": 0, "slotIndex": 8, "slotsInEpoch": 32}),
        "getMinimumBalanceForRentExemption": result(890_880),
        "getFirstAvailableBlock": result(3),
        "getRecentPrioritizationFees": result(
            [{"slot": 1, "prioritizationFee": 9}, {"slot": 2, "prioritizationFee": 0}]
        ),
        "getBalance": in_context(1, 77),
        "getGenesisHash": result(str(HASH)),
        "getHealth": result("ok"),
    }
    assert await node.epoch_info("finalized") == EpochInfo(slot=8, block_height=6)
    assert await node.minimum_rent(0) == 890_880
    assert await node.first_available_block() == 3
    assert await node.recent_priority_fees([MERCHANT]) == [9, 0]
    assert await node.balance(MERCHANT) == 77
    assert await node.genesis_hash() == str(HASH)
    await node.health()


@pytest.mark.rule("N01")
@pytest.mark.parametrize(
    "answer",
    [
        (503, {}, b"busy"),
        (500, {}, b""),
        error(-32005, "Node is behind"),
        error(-32005, "Node is behind", data={"numSlotsBehind": 42}),
        error(-32005, "Node is unhealthy", data={}),
        error(-32016, "Minimum context slot has not been reached"),
        error(-32603, "Internal error"),
    ],
)
async def test_a_node_that_can_not_answer_is_unavailable(node, rpc, outcomes, answer):
    rpc.answers["getEpochInfo"] = answer
    with pytest.raises(errors.NodeUnavailable):
        await node.epoch_info("finalized")
    assert outcomes == [("getEpochInfo", "node_unavailable")]


@pytest.mark.rule("N01")
async def test_a_node_that_is_not_there_is_unavailable():
    node = Node("http://127.0.0.1:9", 2)
    with pytest.raises(errors.NodeUnavailable):
        await node.health()
    await node.close()


@pytest.mark.rule("N01")
async def test_a_node_that_does_not_answer_in_time_is_unavailable_and_asked_no_longer(rpc):
    released = threading.Event()

    def wait(_params):
        released.wait(10)
        return result("ok")

    rpc.answers["getHealth"] = wait
    node = Node(rpc.url, 0.2)
    began = datetime.now(UTC)
    with pytest.raises(errors.NodeUnavailable):
        await node.health()
    assert datetime.now(UTC) - began < timedelta(seconds=2)
    released.set()
    await node.close()


@pytest.mark.rule("N02")
@pytest.mark.parametrize(
    ("answer", "retry_after"),
    [
        ((429, {"Retry-After": "7"}, b"slow down"), 7.0),
        ((429, {}, b""), None),
        ((429, {"Retry-After": "soon"}, b""), None),
        (error(429, "Too many requests"), None),
        (error(-32429, "rate limited"), None),
    ],
)
async def test_a_rate_limit_hands_on_the_pause_and_is_not_tried_again(node, rpc, answer, retry_after):
    rpc.answers["getEpochInfo"] = answer
    with pytest.raises(errors.NodeRateLimited) as limited:
        await node.epoch_info("finalized")
    assert limited.value.retry_after == retry_after
    assert len(rpc.calls) == 1


@pytest.mark.rule("N02")
def test_a_pause_until_a_date_is_read_as_seconds():
    moment = datetime.now(UTC) + timedelta(seconds=90)
    assert 85 < read_retry_after(format_datetime(moment, usegmt=True)) <= 90
    assert read_retry_after(format_datetime(moment - timedelta(days=1))) == 0.0
    assert read_retry_after("Fri, 20 Nov 2026 25:61:00 GMT") is None


@pytest.mark.rule("N03")
@pytest.mark.parametrize("answer", [(403, {}, b"no"), (401, {}, b"key"), (404, {}, b""), error(-32602), error(-32601)])
async def test_a_node_that_refuses_is_told_apart_from_one_that_is_down(node, rpc, answer):
    rpc.answers["getEpochInfo"] = answer
    with pytest.raises(errors.NodeRefused):
        await node.epoch_info("finalized")


GOOD_TRANSACTION = answer_for(good_transaction())


def changed(**meta):
    return result(GOOD_TRANSACTION | {"meta": GOOD_TRANSACTION["meta"] | meta})


def without_error():
    meta = {name: value for name, value in GOOD_TRANSACTION["meta"].items() if name != "err"}
    return result(GOOD_TRANSACTION | {"meta": meta})


BALANCES = GOOD_TRANSACTION["meta"]["postTokenBalances"]


@pytest.mark.rule("N04")
@pytest.mark.parametrize(
    "answer",
    [
        (200, {}, b""),
        (200, {}, b'{"jsonrpc": "2.0", "id": "1", "resu'),
        (200, {}, b"<html>"),
        (200, {}, b"\xff\xfe"),
        (200, {}, b"[]"),
        (200, {}, b'{"jsonrpc": "2.0", "id": "1"}'),
        (200, {}, b'{"error": "oops"}'),
        result(7),
        result(GOOD_TRANSACTION | {"transaction": ["!!!", "base64"]}),
        result(GOOD_TRANSACTION | {"transaction": ["AAAA", "base64"]}),
        result(GOOD_TRANSACTION | {"transaction": [GOOD_TRANSACTION["transaction"][0], "base58"]}),
        result(GOOD_TRANSACTION | {"meta": None}),
        without_error(),
        changed(postTokenBalances=None),
        changed(postTokenBalances=BALANCES * 2),
        changed(postTokenBalances=[BALANCES[0] | {"accountIndex": 99}]),
        changed(postTokenBalances=[BALANCES[0] | {"accountIndex": -1}]),
        changed(postTokenBalances=[BALANCES[0] | {"uiTokenAmount": {"amount": "-5"}}]),
        changed(postTokenBalances=[BALANCES[0] | {"uiTokenAmount": {"amount": "1.5"}}]),
        changed(postTokenBalances=[BALANCES[0] | {"owner": None}]),
        changed(postTokenBalances=[BALANCES[0] | {"mint": "no key"}]),
        changed(loadedAddresses={"writable": ["no key"], "readonly": []}),
    ],
)
async def test_a_transaction_that_makes_no_sense_is_not_used(node, rpc, outcomes, answer):
    rpc.answers["getTransaction"] = answer
    with pytest.raises(errors.NodeAnswerInvalid):
        await node.transaction(SIGNATURE, "finalized")
    assert outcomes == [("getTransaction", "node_answer_invalid")]


@pytest.mark.rule("N04")
@pytest.mark.parametrize(
    "value",
    [
        [],
        [status()] * 2,
        [status(confirmation="rooted")],
        [status(confirmation=None)],
        [{"slot": 5, "confirmationStatus": "finalized"}],
        [status() | {"slot": -1}],
    ],
)
async def test_a_status_that_makes_no_sense_is_not_used(node, rpc, value):
    rpc.answers["getSignatureStatuses"] = in_context(9, value)
    with pytest.raises(errors.NodeAnswerInvalid):
        await node.signature_statuses([SIGNATURE])


@pytest.mark.rule("N04")
@pytest.mark.parametrize(
    "info",
    [
        {"lamports": 1, "owner": "no key", "data": ["", "base64"]},
        {"lamports": 1, "owner": str(TOKEN_PROGRAM), "data": ["", "base58"]},
        {"lamports": 1, "owner": str(TOKEN_PROGRAM), "data": ["*", "base64"]},
        {"lamports": 1, "owner": str(TOKEN_PROGRAM), "data": {"parsed": {}}},
        {"lamports": -1, "owner": str(TOKEN_PROGRAM), "data": ["", "base64"]},
    ],
)
async def test_an_account_that_makes_no_sense_is_not_used(node, rpc, info):
    rpc.answers["getMultipleAccounts"] = in_context(9, [info])
    with pytest.raises(errors.NodeAnswerInvalid):
        await node.accounts([SOURCE], "confirmed")


@pytest.mark.rule("N04")
async def test_an_unreadable_blockhash_and_a_strange_health_are_not_used(node, rpc):
    rpc.answers["getLatestBlockhash"] = in_context(9, {"blockhash": "short", "lastValidBlockHeight": 1})
    rpc.answers["getHealth"] = result("behind")
    with pytest.raises(errors.NodeAnswerInvalid):
        await node.latest_blockhash("confirmed")
    with pytest.raises(errors.NodeAnswerInvalid):
        await node.health()


@pytest.mark.rule("N05")
@pytest.mark.parametrize("more", [{}, {"data": None}, {"data": {"x": 1}}])
async def test_a_transaction_of_a_foreign_version_has_an_error_of_its_own(node, rpc, more):
    rpc.answers["getTransaction"] = error(-32015, "Transaction version (1) is not supported", **more)
    with pytest.raises(errors.TransactionVersionUnsupported):
        await node.transaction(SIGNATURE, "finalized")


@pytest.mark.rule("N06")
@pytest.mark.parametrize(
    "answer", [(503, {}, b""), (429, {}, b""), (403, {}, b""), (200, {}, b"{"), error(-32602), result(1)]
)
async def test_no_error_shows_the_nodes_address(node, rpc, answer):
    rpc.answers["getHealth"] = answer
    with pytest.raises(errors.NodeError) as raised:
        await node.health()
    causes = [raised.value, raised.value.__cause__, raised.value.__context__]
    assert "VERYSECRET" not in "".join(traceback.format_exception(raised.value)) + repr(causes) + repr(node)
    assert causes[1:] == [None, None]


async def test_more_than_a_call_can_carry_is_refused_here(node):
    with pytest.raises(ValueError, match="256"):
        await node.signature_statuses([SIGNATURE] * 257)
    with pytest.raises(ValueError, match="100"):
        await node.accounts([CUSTOMER.pubkey()] * 101, "confirmed")
