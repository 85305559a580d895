"""The view in words: in the customer's language, with figures as the customer's locale writes them."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

from msgspec import Struct

from app.errors import CustomerError
from app.languages.figures import Money, write_money, write_number, write_rate, write_usdc
from app.languages.reader import Language, Reader, choose_reader
from app.languages.sentences import sentence, translate
from app.money import format_amount, format_usdc
from app.payments.attempts import Refusal
from app.payments.view import SENTENCES, PaymentView, Stage
from app.records import PaymentStatus
from app.system import System
from chain.errors import Refused

# For what a customer can do nothing about, and need not know.
TROUBLE = sentence("Something is not working at the moment. Please try again in a minute.")

_LANGUAGES = "SELECT p.locale, m.language FROM payments p JOIN merchants m ON m.id = p.merchant_id WHERE p.id = $1"

# What sentences have in braces and is USDC, as chain/preflight.py writes it.
_USDC = frozenset({"needed", "there"})


class RefusalShown(Struct, frozen=True):
    """When and why a wallet was refused: the reason code, and the sentence."""

    at: datetime
    reason: str
    message: str


class Shown(Struct, frozen=True):
    """What the status calls answer. `amount` and `usdc` are plain (`1,234.50 EUR`), `..._text` as the locale has it."""

    stage: Stage
    heading: str
    message: str
    ended: bool
    shop: str
    amount: str
    amount_text: str
    # Without the currency's code; None until there is a price.
    usdc: str | None
    usdc_text: str | None
    # `1 EUR ≈ 1.0800 USDC`; None for US dollars, and without a price.
    rate_text: str | None
    price_expires_at: datetime | None
    redirect_url: str | None
    back_url: str
    test: bool
    status: PaymentStatus
    refusal: RefusalShown | None
    language: Language
    # The path of the shop's logo, and where the shop helps (a web or mail address); None: not set.
    logo: str | None
    support_url: str | None


def word_view(view: PaymentView, reader: Reader) -> Shown:
    """A view as this reader understands it."""
    heading, message = SENTENCES[view.stage]
    return Shown(
        stage=view.stage,
        heading=translate(reader.language, heading),
        message=translate(reader.language, message),
        ended=view.ended,
        shop=view.shop,
        amount=format_amount(view.amount, view.currency),
        amount_text=str(amount_of(view, reader)),
        usdc=None if view.usdc is None else format_usdc(view.usdc),
        usdc_text=None if view.usdc is None else write_usdc(view.usdc, reader),
        rate_text=None if view.rate is None else f"1 {view.currency} ≈ {write_rate(view.rate, reader)} USDC",
        price_expires_at=view.price_expires_at,
        redirect_url=view.redirect_url,
        back_url=view.back_url,
        test=view.test,
        status=view.status,
        refusal=None if view.refusal is None else _word_refusal(view.refusal, reader),
        language=reader.language,
        logo=logo_path(view),
        support_url=view.support_url,
    )


def logo_path(view: PaymentView) -> str | None:
    """Where the public door has the shop's logo."""
    return None if view.logo is None else f"/logos/{view.logo}"


def reader_of(view: PaymentView, accept_language: str | None) -> Reader:
    """Who reads: the customer whom Shopify told us of, whose browser sends this header."""
    return choose_reader(view.customer_locale, accept_language, view.shop_language)


async def find_reader(system: System, payment_id: str, accept_language: str | None) -> Reader:
    """The same, where there is no view; who reads of a payment that does not exist counts by the header alone."""
    async with system.database.acquire() as connection:
        row = await connection.fetchrow(_LANGUAGES, payment_id)
    return choose_reader(row["locale"] if row else None, accept_language, row["language"] if row else None)


def amount_of(view: PaymentView, reader: Reader) -> Money:
    """What the order costs in the shop's currency."""
    return write_money(view.amount, view.currency, reader)


def word_error(error: Exception, reader: Reader) -> str:
    """Why a customer is refused, as a sentence with what to do next."""
    if isinstance(error, CustomerError | Refused):
        return _word(type(error), error.details, reader)
    return translate(reader.language, TROUBLE)


def _word_refusal(refusal: Refusal, reader: Reader) -> RefusalShown:
    # A reason that an older or a newer version of us wrote may be unknown to this one.
    kind = customer_errors().get(refusal.reason)
    sentence = translate(reader.language, TROUBLE) if kind is None else _word(kind, refusal.details, reader)
    return RefusalShown(refusal.at, refusal.reason, sentence)


def _word(kind: type[Exception], details: Mapping[str, Any], reader: Reader) -> str:
    told = {name: write_number(Decimal(value), reader) if name in _USDC else value for name, value in details.items()}
    return translate(reader.language, kind.__doc__ or "", **told)


@cache
def customer_errors() -> Mapping[str, type[Exception]]:
    """Reason code -> error, of every error whose sentence a customer may read."""
    found: dict[str, type[Exception]] = {}
    parents: list[type[CustomerError | Refused]] = [CustomerError, Refused]
    for parent in parents:
        for kind in parent.__subclasses__():
            # What merchants read of refunds stands one class deeper.
            if "reason" in vars(kind):
                found[str(kind.reason)] = kind
    return found
