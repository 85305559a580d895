import pytest

from chain import errors
from chain.death import Candidate, Doubt, Life, dead_signatures
from tests.integration.chain.rpc_server import error, in_context, result

MARGIN = 32


def epoch(slot, height):
    return result({"absoluteSlot": slot, "blockHeight": height, "epoch": 0, "slotIndex": 0, "slotsInEpoch": 32})


def statuses(slot, known=None):
    """The node knows these signatures and no others."""
    known = known or {}
    return lambda params: in_context(slot, [known.get(signature) for signature in params[0]])


def landed(err=None):
    return {"slot": 1_150, "err": err, "confirmationStatus": "finalized"}


def candidate(name, last_valid=1_000, slot=1_100):
    return Candidate(name, last_valid, slot)


@pytest.fixture
def quiet(rpc):
    """A node whose finalized height is past every candidate, that knows no signature and forgot nothing."""
    rpc.answers = {
        "getEpochInfo": epoch(1_400, 1_300),
        "getSignatureStatuses": statuses(1_410),
        "getFirstAvailableBlock": result(0),
    }
    return rpc


@pytest.mark.rule("D05")
async def test_the_questions_are_asked_in_the_order_that_leaves_no_gap(node, quiet):
    report = await dead_signatures(node, [candidate("a")], MARGIN)
    assert quiet.methods == ["getEpochInfo", "getSignatureStatuses", "getFirstAvailableBlock"]
    assert quiet.calls[0][1] == [{"commitment": "finalized"}]
    assert quiet.calls[1][1] == [["a"], {"searchTransactionHistory": True}]
    assert report.dead == ["a"]
    assert report.finalized == (1_400, 1_300)


@pytest.mark.rule("D01")
async def test_nothing_is_searched_while_every_blockhash_may_be_valid(node, quiet):
    report = await dead_signatures(node, [candidate("a", 1_300 - MARGIN), candidate("b", 1_400)], MARGIN)
    assert quiet.methods == ["getEpochInfo"]
    assert {verdict.doubt for verdict in report.verdicts.values()} == {Doubt.STILL_VALID}


@pytest.mark.rule("D01")
async def test_only_expired_signatures_are_searched(node, quiet):
    report = await dead_signatures(node, [candidate("old"), candidate("young", 1_299)], MARGIN)
    assert quiet.calls[1][1][0] == ["old"]
    assert (report.dead, report.verdicts["young"].doubt) == (["old"], Doubt.STILL_VALID)


@pytest.mark.rule("D04")
async def test_a_signature_that_landed_late_is_found_with_its_error(node, quiet):
    known = {"good": landed(), "bad": landed({"InstructionError": [2, {"Custom": 0}]})}
    quiet.answers["getSignatureStatuses"] = statuses(1_410, known)
    report = await dead_signatures(node, [candidate("good"), candidate("gone"), candidate("bad")], MARGIN)
    assert report.dead == ["gone"]
    assert report.verdicts["good"].life is report.verdicts["bad"].life is Life.FOUND
    assert report.verdicts["good"].status.error is None
    assert report.verdicts["bad"].status.error == '{"InstructionError":[2,{"Custom":0}]}'


@pytest.mark.rule("D02")
async def test_an_endpoint_that_answers_from_an_older_node_decides_nothing(node, quiet):
    quiet.answers["getSignatureStatuses"] = statuses(1_399)
    report = await dead_signatures(node, [candidate("a")], MARGIN)
    assert (report.dead, report.verdicts["a"].doubt) == ([], Doubt.OLDER_ANSWER)


@pytest.mark.rule("D03")
async def test_a_node_without_the_history_decides_nothing(node, quiet):
    quiet.answers["getFirstAvailableBlock"] = result(1_150)
    report = await dead_signatures(node, [candidate("a"), candidate("later", slot=1_150)], MARGIN)
    assert (report.dead, report.verdicts["a"].doubt) == (["later"], Doubt.HISTORY_TOO_SHORT)


@pytest.mark.rule("N01")
@pytest.mark.parametrize("method", ["getEpochInfo", "getSignatureStatuses", "getFirstAvailableBlock"])
async def test_a_node_that_fails_at_any_question_decides_nothing(node, quiet, method):
    quiet.answers[method] = error(-32005)
    with pytest.raises(errors.NodeUnavailable):
        await dead_signatures(node, [candidate("a")], MARGIN)


async def test_many_signatures_are_searched_256_at_a_time(node, quiet):
    names = [f"s{number}" for number in range(600)]
    report = await dead_signatures(node, [candidate(name) for name in names], MARGIN)
    searched = [len(params[0]) for method, params in quiet.calls if method == "getSignatureStatuses"]
    assert (searched, report.dead) == ([256, 256, 88], names)


async def test_no_candidates_are_no_trouble(node, quiet):
    assert (await dead_signatures(node, [], MARGIN)).verdicts == {}
