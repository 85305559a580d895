"""What a node shows of a transaction is read whole, or not at all."""

import binascii

import pytest

from chain.settled import read_error
from tests.unit.chain.samples import answer_for, good_transaction, read

GOOD = good_transaction()


def test_an_error_is_written_alike_in_whatever_order_a_node_tells_it():
    assert read_error({"b": [1, "two"], "a": None}) == '{"a":null,"b":[1,"two"]}'


@pytest.mark.parametrize("loaded", [None, {"writable": [], "readonly": []}])
def test_without_lookup_tables_the_keys_are_those_of_the_message(loaded):
    answer = answer_for(GOOD)
    answer["meta"]["loadedAddresses"] = loaded
    assert list(read(answer).keys) == list(GOOD.message.account_keys)


def test_what_is_no_base64_throughout_is_refused():
    answer = answer_for(GOOD)
    text, encoding = answer["transaction"]
    answer["transaction"] = [f"{text[:8]}\n{text[8:]}", encoding]
    with pytest.raises(binascii.Error):
        read(answer)
