"""What Shopify sends us: one struct per message (facts/shopify.md sections 1 and 2). Unknown fields are tolerated."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Raw, Struct

from app.errors import RequestInvalid, SettleError
from app.money import AmountInvalid, parse_amount, parse_currency

SHOP = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9-_]*\.myshopify\.com")
_URL_LENGTH_MAX = 2_048
# A language tag (BCP 47), with some leniency.
_LOCALE = re.compile(r"[A-Za-z0-9_-]{1,35}")

Identifier = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,128}\Z")]
Gid = Annotated[str, Meta(pattern=r"^gid://shopify/PaymentSession/[A-Za-z0-9_-]{1,128}\Z")]
RefundGid = Annotated[str, Meta(pattern=r"^gid://shopify/RefundSession/[A-Za-z0-9_-]{1,128}\Z")]
# How the type of capture and void sessions is written there is not confirmed.
AnySessionGid = Annotated[str, Meta(pattern=r"^gid://shopify/[A-Za-z]{1,40}/[A-Za-z0-9_-]{1,128}\Z")]
# Printable ASCII: base64 in every example, and PostgreSQL's text holds no NUL.
Group = Annotated[str, Meta(pattern=r"^[!-~]{1,256}\Z")]


Message = TypeVar("Message")


class KindUnsupported(SettleError):
    """This app takes sales only; it can not do the kind {kind!r}."""

    reason = "kind_unsupported"
    status = 422


class ShopInvalid(SettleError):
    """The name of the shop is missing, or is not the domain of a shop at Shopify."""

    reason = "shop_invalid"
    status = 400


class MethodData(Struct):
    cancel_url: str | None = None


class Method(Struct):
    data: MethodData | None = None


class Customer(Struct):
    """Of the customer we keep the language, and digests of the other two; whatever those are, they refuse no sale."""

    locale: str | None = None
    email: Any = None
    phone_number: Any = None

    def __repr__(self) -> str:
        return "Customer(...)"


class PaymentSession(Struct):
    """A payment session request, as it arrives."""

    id: Identifier
    gid: Gid
    amount: Raw
    currency: str
    test: bool
    kind: str
    group: Group | None = None
    payment_method: Method | None = None
    cancel_url: str | None = None
    proposed_at: str | None = None
    customer: Customer | None = None


class OpenSession(Struct, frozen=True):
    """A payment session, read and checked."""

    id: str
    gid: str
    group: str | None
    amount: Decimal
    currency: str
    test: bool
    cancel_url: str
    locale: str | None
    proposed_at: datetime | None
    customer: Customer | None


class RefundRequest(Struct):
    """A refund session request, as it arrives (facts section 2)."""

    id: Identifier
    gid: RefundGid
    payment_id: Identifier
    amount: Raw
    currency: str
    test: bool
    proposed_at: str | None = None


class RefundSession(Struct, frozen=True):
    """A refund session, read and checked. `payment_id` is Shopify's id of the payment session."""

    id: str
    gid: str
    payment_id: str
    amount: Decimal
    currency: str
    test: bool
    proposed_at: datetime | None


class DeclinableSession(Struct, frozen=True):
    """What a capture or void session request says that matters to an app which declines it."""

    id: Identifier
    gid: AnySessionGid
    payment_id: Identifier


_decoder = msgspec.json.Decoder(PaymentSession)
_refund_decoder = msgspec.json.Decoder(RefundRequest)
_declinable_decoder = msgspec.json.Decoder(DeclinableSession)


def read_payment_session(body: bytes) -> OpenSession:
    """Read a payment session. Raises RequestInvalid, AmountInvalid, CurrencyInvalid or KindUnsupported."""
    session = _decode(_decoder, body)
    if session.kind != "sale":
        raise KindUnsupported(kind=session.kind[:40])
    nested = session.payment_method.data.cancel_url if session.payment_method and session.payment_method.data else None
    return OpenSession(
        id=session.id,
        gid=session.gid,
        group=session.group,
        amount=_read_amount(session.amount),
        currency=parse_currency(session.currency),
        test=session.test,
        cancel_url=_check_url(nested or session.cancel_url),
        locale=_read_locale(session.customer),
        proposed_at=_read_time(session.proposed_at),
        customer=session.customer,
    )


def read_refund_session(body: bytes) -> RefundSession:
    """Read a refund session. Raises RequestInvalid, AmountInvalid or CurrencyInvalid."""
    request = _decode(_refund_decoder, body)
    return RefundSession(
        id=request.id,
        gid=request.gid,
        payment_id=request.payment_id,
        amount=_read_amount(request.amount),
        currency=parse_currency(request.currency),
        test=request.test,
        proposed_at=_read_time(request.proposed_at),
    )


def read_declinable_session(body: bytes) -> DeclinableSession:
    """Read a capture or void session. Raises RequestInvalid."""
    return _decode(_declinable_decoder, body)


def read_shop(name: str | None) -> str:
    """The shop's permanent domain, as Shopify named it, in lower case. Raises ShopInvalid."""
    if name is None or not SHOP.fullmatch(name):
        raise ShopInvalid
    return name.lower()


def _decode(decoder: msgspec.json.Decoder[Message], body: bytes) -> Message:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestInvalid(problem=_plain(error)) from None


def _read_amount(raw: Raw) -> Decimal:
    # A string in every example, a number in older tables: the text decides, so no float ever comes between.
    text = bytes(raw).decode()
    try:
        return parse_amount(msgspec.json.decode(text, type=str) if text.startswith('"') else text)
    except msgspec.DecodeError:
        raise AmountInvalid(text=text[:40]) from None


def _read_locale(customer: Customer | None) -> str | None:
    # What is no language is no reason to lose a sale.
    locale = customer.locale if customer else None
    return locale if locale and _LOCALE.fullmatch(locale) else None


def _check_url(url: str | None) -> str:
    # The customer's browser is sent there, so it must be a web address and nothing that runs.
    if not url:
        raise RequestInvalid(problem="the field cancel_url is missing")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise RequestInvalid(problem="cancel_url is not a web address") from None
    is_web = parts.scheme in ("https", "http") and parts.netloc and url.isprintable()
    if not is_web or len(url) > _URL_LENGTH_MAX:
        raise RequestInvalid(problem="cancel_url is not a web address")
    return url


def _read_time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise RequestInvalid(problem="proposed_at is not an ISO 8601 time") from None


def _plain(error: Exception) -> str:
    return str(error).removesuffix(".")[:200]
