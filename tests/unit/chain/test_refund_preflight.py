"""What is looked at before a refund is issued: the payee is the customer, and may have closed its account."""

import pytest
from msgspec.structs import replace

from chain import errors
from chain.accounts import Account
from chain.addresses import check_wallet
from chain.preflight import CUSTOMER as PAYEE
from chain.preflight import check_accounts, check_sol, display_amount
from chain.programs import SYSTEM_PROGRAM
from tests.unit.chain.samples import CUSTOMER, MERCHANT, SINGLE_USE, a_key
from tests.unit.chain.test_preflight import TRANSFER, destination, source

REFUND = replace(TRANSFER, payee=PAYEE)
RENT, EMPTY_RENT = 2_039_280, 890_880


def wallet(lamports: int) -> Account:
    return Account(CUSTOMER.pubkey(), lamports, SYSTEM_PROGRAM, b"")


def test_a_refund_that_can_land_opens_nothing_when_the_account_is_there():
    assert check_accounts(REFUND, [source(), destination(), None]) is False


def test_a_closed_account_is_to_be_opened():
    assert check_accounts(REFUND, [source(), None, None]) is True


def test_the_shops_account_is_never_opened():
    with pytest.raises(errors.DestinationMissing):
        check_accounts(TRANSFER, [source(), None, None])


@pytest.mark.parametrize(
    ("error", "accounts"),
    [
        pytest.param(
            errors.RefundAlreadyBeingPaid,
            [None, None, Account(SINGLE_USE.address, 1, SYSTEM_PROGRAM, b"")],
            marks=pytest.mark.rule("B34"),
        ),
        pytest.param(
            errors.PayeeAccountUnusable,
            [source(), destination(program=SYSTEM_PROGRAM), None],
            marks=pytest.mark.rule("B36"),
        ),
        (errors.PayeeAccountUnusable, [source(), destination(mint=a_key("another mint")), None]),
        (errors.PayeeAccountUnusable, [source(), destination(owner=a_key("somebody else")), None]),
        pytest.param(errors.PayeeAccountFrozen, [source(), destination(state=2), None], marks=pytest.mark.rule("B37")),
        # The customer's account comes first: nobody is sent to buy USDC for what can not be paid.
        (errors.PayeeAccountFrozen, [None, destination(state=2), None]),
        (errors.NoTokenAccount, [None, None, None]),
    ],
)
def test_a_refund_that_can_not_land_is_refused_with_the_reason(error, accounts):
    with pytest.raises(error) as raised:
        check_accounts(REFUND, accounts)
    assert type(raised.value) is error


@pytest.mark.rule("B35")
def test_the_customers_own_wallet_does_not_pay_itself():
    with pytest.raises(errors.PayeeWallet):
        check_wallet(MERCHANT, own=set(), payee=MERCHANT, same=errors.PayeeWallet)


@pytest.mark.rule("B38")
@pytest.mark.parametrize(
    ("lamports", "is_enough"),
    [
        (0, False),
        (RENT - 1, False),
        # All of it may go, but what stays must be the rent of an account or nothing.
        (RENT, True),
        (RENT + 1, False),
        (RENT + EMPTY_RENT - 1, False),
        (RENT + EMPTY_RENT, True),
    ],
)
def test_the_wallet_must_have_the_sol_to_open_an_account(lamports, is_enough):
    if is_enough:
        check_sol(wallet(lamports), RENT, EMPTY_RENT)
        return
    with pytest.raises(errors.TooLittleSol) as raised:
        check_sol(wallet(lamports) if lamports else None, RENT, EMPTY_RENT)
    assert "takes 0.00293016 SOL" in raised.value.message
    assert f"has {display_amount(lamports, 9)}." in raised.value.message
