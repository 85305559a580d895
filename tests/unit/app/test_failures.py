"""What is told of an exception: where it came from and our words, never those of others."""

from app.errors import RequestInvalid
from app.failures import describe_error, trace_error

CANARY = "".join(("can", "ary"))


class RowRefusedError(Exception):
    """As asyncpg's: codes as attributes, and words that quote the row."""

    sqlstate = "23514"
    table_name = "payments"
    constraint_name = "payments_amount"


def raise_row_refused() -> None:
    raise RowRefusedError(f"Failing row contains ({CANARY})")


def test_an_error_of_ours_is_told_with_its_message() -> None:
    assert describe_error(RequestInvalid(problem="no body")) == (
        "app.errors.RequestInvalid: The request can not be read: no body."
    )


def test_of_others_only_the_class_and_the_codes_are_told() -> None:
    told = describe_error(RowRefusedError(CANARY))
    assert told == f"{__name__}.RowRefusedError (23514, payments, payments_amount)"
    assert describe_error(ConnectionRefusedError(111, CANARY)) == "ConnectionRefusedError (ECONNREFUSED)"
    assert describe_error(ValueError(CANARY)) == "ValueError"


def test_a_trace_has_the_frames_of_what_happened_and_of_what_led_to_it() -> None:
    try:
        try:
            raise_row_refused()
        except RowRefusedError as error:
            raise RequestInvalid(problem="it was refused") from error
    except RequestInvalid as error:
        trace = trace_error(error)
    lines = trace.splitlines()
    assert lines[1].startswith("tests/unit/app/test_failures.py:")
    assert lines[1].endswith(" in raise_row_refused")
    assert lines[2].startswith(f"{__name__}.RowRefusedError")
    assert lines[-1].startswith("app.errors.RequestInvalid")
    assert CANARY not in trace


def test_a_trace_goes_into_groups_and_stays_out_of_what_was_suppressed() -> None:
    try:
        try:
            raise KeyError(CANARY)
        except KeyError:
            raise ExceptionGroup(CANARY, [ValueError(CANARY), RequestInvalid(problem="one")]) from None
    except ExceptionGroup as group:
        trace = trace_error(group)
    assert "  ValueError" in trace
    assert "KeyError" not in trace
    assert CANARY not in trace
