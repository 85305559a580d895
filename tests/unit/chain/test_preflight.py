from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from chain import errors
from chain.accounts import Account, read_mint_decimals, read_token_account
from chain.preflight import Transfer, addresses_of, check_accounts, display_amount
from chain.programs import SYSTEM_PROGRAM, TOKEN_PROGRAM
from tests.unit.chain.samples import AMOUNT, CUSTOMER, DESTINATION, MERCHANT, MINT, SINGLE_USE, SOURCE, a_key

TRANSFER = Transfer(
    wallet=CUSTOMER.pubkey(),
    source=SOURCE,
    payee_wallet=MERCHANT,
    destination=DESTINATION,
    single_use=SINGLE_USE.address,
    mint=MINT,
    decimals=6,
    amount=AMOUNT,
)


def token(address: Pubkey, owner: Pubkey, *, mint=MINT, amount=AMOUNT, state=1, program=TOKEN_PROGRAM, size=165):
    data = bytearray(size)
    data[:72] = bytes(mint) + bytes(owner) + amount.to_bytes(8, "little")
    data[108] = state
    return Account(address, 2_039_280, program, bytes(data))


def source(**changes):
    return token(SOURCE, changes.pop("owner", CUSTOMER.pubkey()), **changes)


def destination(**changes):
    return token(DESTINATION, changes.pop("owner", MERCHANT), **{"amount": 0} | changes)


def refused(error: type[errors.Refused], *accounts):
    with pytest.raises(error) as raised:
        check_accounts(TRANSFER, accounts)
    assert type(raised.value) is error
    return raised.value


def test_a_transfer_that_can_land_is_let_through():
    check_accounts(TRANSFER, [source(), destination(), None])


def test_the_accounts_are_asked_for_in_the_order_in_which_they_are_checked():
    assert addresses_of(TRANSFER) == [SOURCE, DESTINATION, SINGLE_USE.address]


@pytest.mark.rule("B14")
def test_an_order_whose_single_use_account_exists_is_refused_before_anything_else():
    refused(errors.OrderAlreadyBeingPaid, None, None, Account(SINGLE_USE.address, 1, SYSTEM_PROGRAM, b""))


SHOPS = [
    pytest.param(errors.DestinationMissing, None, marks=pytest.mark.rule("B15")),
    pytest.param(errors.DestinationWrongProgram, destination(program=a_key("2022")), marks=pytest.mark.rule("B16")),
    pytest.param(errors.DestinationWrongProgram, destination(size=170), marks=pytest.mark.rule("B16")),
    pytest.param(errors.DestinationWrongProgram, destination(state=0), marks=pytest.mark.rule("B16")),
    pytest.param(errors.DestinationWrongOwner, destination(owner=a_key("thief")), marks=pytest.mark.rule("B17")),
    pytest.param(errors.DestinationWrongMint, destination(mint=a_key("fake")), marks=pytest.mark.rule("B18")),
    pytest.param(errors.DestinationFrozen, destination(state=2), marks=pytest.mark.rule("B19")),
]


@pytest.mark.parametrize(("error", "account"), SHOPS)
def test_a_shop_that_can_not_receive_is_told_before_the_customers_own_trouble(error, account):
    refused(error, None, account, None)


CUSTOMERS = [
    pytest.param(errors.NoTokenAccount, None, marks=pytest.mark.rule("B20")),
    pytest.param(errors.TokenAccountWrongProgram, source(program=a_key("2022")), marks=pytest.mark.rule("B21")),
    pytest.param(errors.TokenAccountWrongProgram, source(size=82 + 83 + 1), marks=pytest.mark.rule("B21")),
    pytest.param(errors.TokenAccountWrongProgram, source(state=0), marks=pytest.mark.rule("B21")),
    pytest.param(errors.TokenAccountWrongOwner, source(owner=a_key("buyer")), marks=pytest.mark.rule("B22")),
    pytest.param(errors.TokenAccountWrongMint, source(mint=a_key("fake")), marks=pytest.mark.rule("B23")),
    pytest.param(errors.TokenAccountFrozen, source(state=2), marks=pytest.mark.rule("B24")),
    pytest.param(errors.TooLittleUsdc, source(amount=AMOUNT - 1), marks=pytest.mark.rule("B25")),
]


@pytest.mark.parametrize(("error", "account"), CUSTOMERS)
def test_a_customer_who_can_not_pay_is_told_why(error, account):
    refused(error, account, destination(), None)


@pytest.mark.rule("B25")
def test_too_little_usdc_says_what_is_needed_and_what_is_there():
    message = refused(errors.TooLittleUsdc, source(amount=1_500_000), destination(), None).message
    assert "12.34 USDC" not in message.split("needs")[0]
    assert "has 1.50 USDC" in message
    assert "needs 12.34" in message


@pytest.mark.rule("B20")
def test_no_token_account_says_what_is_needed():
    assert "12.34 USDC" in refused(errors.NoTokenAccount, None, destination(), None).message


@given(st.integers(0, 2**64 - 1), st.integers(0, 12))
def test_an_amount_is_shown_exactly(base_units, decimals):
    shown = display_amount(base_units, decimals)
    assert Decimal(shown) == Decimal(base_units).scaleb(-decimals)
    assert len(shown.split(".")[1]) >= 2
    assert "E" not in shown


@pytest.mark.parametrize(
    ("units", "shown"), [(0, "0.00"), (1, "0.000001"), (10_000_000, "10.00"), (123_450, "0.12345")]
)
def test_an_amount_is_shown_without_needless_zeros(units, shown):
    assert display_amount(units, 6) == shown


@given(st.binary(max_size=400))
def test_no_data_of_an_account_breaks_the_reader(data):
    assert read_token_account(data) is None or len(data) == 165


def test_every_refusal_is_a_sentence_a_wallet_can_show():
    for kind in errors.Refused.__subclasses__():
        sentence = kind(needed="123456.78", there="0.000001").message
        assert sentence.endswith(".")
        assert len(sentence) <= 120
        assert "{" not in sentence


def test_the_decimals_of_a_mint_are_read_and_of_nothing_else():
    mint = bytes(36) + (10**15).to_bytes(8, "little") + bytes([6, 1]) + bytes(36)
    assert read_mint_decimals(mint) == 6
    for data in (b"", mint[:-1], mint + b"\0", mint[:45] + b"\0" + mint[46:], source().data):
        assert read_mint_decimals(data) is None
