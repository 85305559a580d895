import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey
from solders.signature import Signature
from spl.token.instructions import get_associated_token_address

from chain.addresses import check_wallet, is_address, is_signature, parse_wallet, token_account
from chain.errors import InvalidAddress, MerchantWallet, OffCurveAddress, OwnAddress
from tests.unit.chain.samples import CUSTOMER, DESTINATION, FEE_PAYER, MERCHANT, MINT, SINGLE_USE


def test_a_wallet_is_read_from_base58():
    assert parse_wallet(str(CUSTOMER.pubkey())) == CUSTOMER.pubkey()


@pytest.mark.rule("B10")
@given(st.text(max_size=60))
def test_any_other_text_is_refused_as_no_address(text):
    with pytest.raises((InvalidAddress, OffCurveAddress)):
        parse_wallet(text)


@pytest.mark.rule("B10")
@pytest.mark.parametrize("text", ["", "0" * 44, "1" * 31, "1" * 45, str(CUSTOMER.pubkey()) + " ", "é"])
def test_what_is_not_32_bytes_of_base58_is_refused(text):
    with pytest.raises(InvalidAddress):
        parse_wallet(text)


def test_an_address_and_a_signature_are_told_by_their_lengths():
    address, signature = str(DESTINATION), str(Signature.new_unique())
    texts = (address, signature, "", "0" * 44, address[:-2], signature[:-2], "é")
    assert [is_address(text) for text in texts] == [True, *[False] * 6]
    assert [is_signature(text) for text in texts] == [False, True, *[False] * 5]


@pytest.mark.rule("B11")
def test_an_address_of_a_program_is_refused():
    with pytest.raises(OffCurveAddress):
        parse_wallet(str(DESTINATION))


@pytest.mark.rule("B12")
@pytest.mark.parametrize("own", [FEE_PAYER.pubkey(), SINGLE_USE.address])
def test_our_own_addresses_are_refused_as_customers(own):
    with pytest.raises(OwnAddress):
        check_wallet(own, own={FEE_PAYER.pubkey(), SINGLE_USE.address}, payee=MERCHANT)


@pytest.mark.rule("B13")
def test_the_merchant_can_not_pay_himself():
    with pytest.raises(MerchantWallet):
        check_wallet(MERCHANT, own=set(), payee=MERCHANT)


def test_an_ordinary_customer_may_pay():
    check_wallet(CUSTOMER.pubkey(), own={FEE_PAYER.pubkey()}, payee=MERCHANT)


@given(st.binary(min_size=32, max_size=32))
def test_the_token_account_is_the_one_that_solana_py_derives(raw):
    wallet = Pubkey(raw)
    assert token_account(wallet, MINT) == get_associated_token_address(wallet, MINT)
