"""What a node says of the good payment, changed where no execution could change it: a node that lies or errs."""

from base64 import b64decode, b64encode
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import pytest
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from chain.payment_transaction import build_message
from chain.reasons import Reason
from chain.settled import SettledTransaction
from tests.integration.chain.mutants import Payment, Told
from tests.integration.chain.rpc_server import error
from tests.unit.chain.samples import sign

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN_2022 = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb"
SOMEBODY = str(Keypair.from_seed(b"somebody".ljust(32)).pubkey())

FIRST = ("meta", "postTokenBalances", 0)

Answer = dict[str, Any]
Change = Callable[[Answer, Told], Any]


@dataclass(frozen=True)
class Lie:
    """A change of a node's answer, made in place or returned, and the reason with which it is refused."""

    name: str
    reason: Reason
    change: Change


def balance(answer: Answer, told: Told, moment: str) -> Answer:
    """The merchant's balance `pre` or `post`."""
    plan = told.payment.plan
    raw = VersionedTransaction.from_bytes(b64decode(answer["transaction"][0]))
    index = list(raw.message.account_keys).index(plan.destination)
    [found] = [held for held in answer["meta"][f"{moment}TokenBalances"] if held["accountIndex"] == index]
    return found


def shown(name: str, reason: Reason, field: str, value: Any, *moments: str) -> Lie:
    """The merchant's balance with another field."""

    def change(answer: Answer, told: Told) -> None:
        for moment in moments:
            balance(answer, told, moment)[field] = value

    return Lie(name, reason, change)


def grown(by: int, moment: str = "post") -> Lie:
    """The merchant's balance, so many base units higher."""

    def change(answer: Answer, told: Told) -> None:
        held = balance(answer, told, moment)["uiTokenAmount"]
        held["amount"] = str(int(held["amount"]) + by)

    return Lie(f"{moment} balance {by:+d}", Reason.WRONG_RECEIVED_AMOUNT, change)


def left_out(moment: str, reason: Reason) -> Lie:
    def change(answer: Answer, told: Told) -> None:
        answer["meta"][f"{moment}TokenBalances"].remove(balance(answer, told, moment))

    return Lie(f"{moment} balance left out", reason, change)


def all_before(answer: Answer, told: Told) -> None:
    """Nothing came: what is there was there before."""
    answer["meta"]["preTokenBalances"] = answer["meta"]["postTokenBalances"]


def of_another_account(answer: Answer, told: Told) -> None:
    """The growth is that of an account which a lookup table would have loaded."""
    raw = VersionedTransaction.from_bytes(b64decode(answer["transaction"][0]))
    count = len(raw.message.account_keys)
    answer["meta"]["loadedAddresses"] = {"writable": [SOMEBODY], "readonly": []}
    balance(answer, told, "pre")["accountIndex"] = count
    balance(answer, told, "post")["accountIndex"] = count


def with_message(**changes: Any) -> Change:
    """Another message under the issued id."""

    def change(answer: Answer, told: Told) -> None:
        payment = told.payment
        other = sign(build_message(replace(payment.plan, **changes)), payment.fee_payer, payment.customer)
        other.signatures = payment.issued.signatures
        answer["transaction"][0] = b64encode(bytes(other)).decode()

    return change


def with_signatures(choose: Callable[[list[Signature]], list[Signature]]) -> Change:
    """The issued message under other signatures."""

    def change(answer: Answer, told: Told) -> None:
        raw = VersionedTransaction.from_bytes(b64decode(answer["transaction"][0]))
        raw.signatures = choose(raw.signatures)
        answer["transaction"][0] = b64encode(bytes(raw)).decode()

    return change


def cut(answer: Answer, told: Told) -> None:
    answer["transaction"][0] = b64encode(b64decode(answer["transaction"][0])[:-1]).decode()


def lengthened(answer: Answer, told: Told) -> None:
    answer["transaction"][0] = b64encode(b64decode(answer["transaction"][0]) + b"\0").decode()


def doubled_balance(answer: Answer, told: Told) -> None:
    answer["meta"]["postTokenBalances"].append(balance(answer, told, "post"))


def without(*path: Any) -> Change:
    """A field left out."""

    def change(answer: Any, told: Told) -> None:
        for name in path[:-1]:
            answer = answer[name]
        del answer[path[-1]]

    return change


def figure(text: Any) -> Change:
    """The merchant's balance as something that is no number of base units."""

    def change(answer: Answer, told: Told) -> None:
        balance(answer, told, "post")["uiTokenAmount"]["amount"] = text

    return change


def put(*path: Any) -> Change:
    """Another value in a place: the last of the path."""

    def change(answer: Any, told: Told) -> None:
        for name in path[:-2]:
            answer = answer[name]
        answer[path[-2]] = path[-1]

    return change


def of_a_new_version(answer: Answer, told: Told) -> Any:
    return error(-32015, "Transaction version (1) is not supported by the requesting client")


both = ("pre", "post")
LIES = [
    grown(-12_340_000),
    grown(-1),
    grown(1),
    grown(12_340_000),
    grown(1, "pre"),
    grown(-1, "pre"),
    left_out("pre", Reason.WRONG_RECEIVED_AMOUNT),
    left_out("post", Reason.BALANCE_MISSING),
    Lie("all was there before", Reason.WRONG_RECEIVED_AMOUNT, all_before),
    Lie("growth of another account", Reason.BALANCE_MISSING, of_another_account),
    shown("other mint", Reason.BALANCE_WRONG_MINT, "mint", SOMEBODY, *both),
    shown("other mint before", Reason.BALANCE_WRONG_MINT, "mint", SOMEBODY, "pre"),
    shown("other mint after", Reason.BALANCE_WRONG_MINT, "mint", SOMEBODY, "post"),
    shown("other owner", Reason.BALANCE_WRONG_OWNER, "owner", SOMEBODY, *both),
    shown("other owner before", Reason.BALANCE_WRONG_OWNER, "owner", SOMEBODY, "pre"),
    shown("owner changed in it", Reason.BALANCE_WRONG_OWNER, "owner", SOMEBODY, "post"),
    shown("kept by Token-2022", Reason.BALANCE_WRONG_PROGRAM, "programId", TOKEN_2022, *both),
    shown("kept by Token-2022 before", Reason.BALANCE_WRONG_PROGRAM, "programId", TOKEN_2022, "pre"),
    shown("kept by Token-2022 after", Reason.BALANCE_WRONG_PROGRAM, "programId", TOKEN_2022, "post"),
    Lie("another amount signed", Reason.NOT_SIGNED_BY_FEE_PAYER, with_message(amount=1)),
    Lie("another memo signed", Reason.NOT_SIGNED_BY_FEE_PAYER, with_message(memo="other")),
    Lie("another price signed", Reason.NOT_SIGNED_BY_FEE_PAYER, with_message(compute_unit_price=1)),
    Lie("another id", Reason.WRONG_SIGNATURE, with_signatures(lambda issued: [Signature.new_unique(), issued[1]])),
    Lie("signatures swapped", Reason.WRONG_SIGNATURE, with_signatures(lambda issued: [issued[1], issued[0]])),
    Lie("an empty id", Reason.WRONG_SIGNATURE, with_signatures(lambda issued: [Signature.default(), issued[1]])),
    Lie("cut short", Reason.NODE_ANSWER_INVALID, cut),
    Lie("with a tail", Reason.NOT_SIGNED_BY_FEE_PAYER, lengthened),
    Lie("balance told twice", Reason.NODE_ANSWER_INVALID, doubled_balance),
    Lie("no word of an error", Reason.NODE_ANSWER_INVALID, without("meta", "err")),
    Lie("no meta", Reason.NODE_ANSWER_INVALID, put("meta", None)),
    Lie("no balances", Reason.NODE_ANSWER_INVALID, put("meta", "postTokenBalances", None)),
    Lie("no owner in balances", Reason.NODE_ANSWER_INVALID, without(*FIRST, "owner")),
    Lie("figure with a sign", Reason.NODE_ANSWER_INVALID, figure("-1")),
    Lie("figure with a point", Reason.NODE_ANSWER_INVALID, figure("12.34")),
    Lie("figure as a number", Reason.NODE_ANSWER_INVALID, figure(12_340_000)),
    Lie("figure in other digits", Reason.NODE_ANSWER_INVALID, figure("१२")),
    Lie("account that is not there", Reason.NODE_ANSWER_INVALID, put(*FIRST, "accountIndex", 99)),
    Lie("account counted from the end", Reason.NODE_ANSWER_INVALID, put(*FIRST, "accountIndex", -1)),
    Lie("other encoding", Reason.NODE_ANSWER_INVALID, put("transaction", 1, "base58")),
    Lie("address that is none", Reason.NODE_ANSWER_INVALID, put(*FIRST, "mint", "0OIl")),
    Lie("version that nobody knows", Reason.TRANSACTION_VERSION_UNSUPPORTED, of_a_new_version),
]


@dataclass(frozen=True)
class Impossible:
    """Instructions, all signed, that no chain would execute without an error; and yet a node says that it did."""

    name: str
    reason: Reason
    change: Callable[[Payment], list[Instruction]]


def planned(name: str, reason: Reason, **changes: Any) -> Impossible:
    return Impossible(name, reason, lambda payment: payment.instructions(**changes))


def transferring(name: str, reason: Reason, **changes: Any) -> Impossible:
    return Impossible(name, reason, lambda p: [*p.instructions()[:4], p.transfer(**changes)])


def doubling(index: int) -> Callable[[Payment], list[Instruction]]:
    def change(payment: Payment) -> list[Instruction]:
        parts = payment.instructions()
        return [*parts[: index + 1], *parts[index:]]

    return change


IMPOSSIBLE = [
    planned("said: other decimals", Reason.WRONG_DECIMALS, decimals=9),
    planned("said: no decimals", Reason.WRONG_DECIMALS, decimals=0),
    planned("said: another mint", Reason.WRONG_MINT, mint=Pubkey.from_string(SOMEBODY)),
    planned("said: more than there is", Reason.WRONG_AMOUNT, amount=2**64 - 1),
    planned("said: from somebody", Reason.WRONG_SOURCE, source=Pubkey.from_string(SOMEBODY)),
    planned("said: to somebody", Reason.WRONG_DESTINATION, destination=Pubkey.from_string(SOMEBODY)),
    transferring("said: an unknown instruction", Reason.WRONG_TRANSFER, tag=200),
    transferring("said: a multisig of none", Reason.WRONG_SIGNERS, signs=False),
    Impossible("said: limit doubled", Reason.WRONG_INSTRUCTIONS, doubling(0)),
    Impossible("said: price doubled", Reason.WRONG_INSTRUCTIONS, doubling(1)),
    Impossible("said: single-use account doubled", Reason.WRONG_INSTRUCTIONS, doubling(2)),
]


async def test_the_answer_itself_proves_the_payment(told: Told) -> None:
    assert await told.reason(told.good) is None


@pytest.mark.rule("V18")
@pytest.mark.parametrize("lie", LIES, ids=[lie.name for lie in LIES])
async def test_an_answer_that_does_not_fit_is_refused(told: Told, lie: Lie) -> None:
    answer = deepcopy(told.good)
    changed = lie.change(answer, told)
    assert changed is not None or answer != told.good
    assert await told.reason(changed or answer) is lie.reason


@pytest.mark.rule("V17")
@pytest.mark.parametrize("impossible", IMPOSSIBLE, ids=[impossible.name for impossible in IMPOSSIBLE])
async def test_what_no_chain_executes_is_refused_even_when_a_node_says_so(told: Told, impossible: Impossible) -> None:
    payment = told.payment
    message = Message.new_with_blockhash(impossible.change(payment), payment.plan.fee_payer, payment.plan.blockhash)
    answer = deepcopy(told.good)
    answer["transaction"][0] = b64encode(bytes(sign(message, payment.fee_payer, payment.customer))).decode()
    settled = await told.settled(answer)
    assert isinstance(settled, SettledTransaction)
    assert payment.reason(settled) is impossible.reason
