"""Opening a checkout: what a customer buys becomes the payment session that Shopify sends to the app."""

import base64
import json
import re
import secrets
from dataclasses import dataclass, field
from typing import Any

from app.sandbox.clock import VirtualClock
from app.sandbox.faults import Faults
from app.sandbox.store.books import Books, Session, write_time
from app.sandbox.store.delivery import Answer, Parcel, Sender, judge_payment
from app.sandbox.store.switches import TARGET

MERCHANT_LOCALE = "en"
_AMOUNT = re.compile(r"\d{1,18}(\.\d{1,18})?")
_CURRENCY = re.compile(r"[A-Z]{3}")
_LOCALE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


class BadCheckout(ValueError):
    """The checkout asked for makes no sense; the text says why."""


@dataclass(frozen=True)
class Options:
    """Departures from the plain session, for tests: `body` is laid over it, `omit` names fields left out,
    `headers` are laid over the three headers, `api_version` stands in for the extension's."""

    body: dict[str, Any] = field(default_factory=dict)
    omit: tuple[str, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    api_version: str | None = None

    def bend(self, body: str, headers: dict[str, str]) -> tuple[str, dict[str, str]]:
        """A session as it was sent, byte for byte, or with these laid over it."""
        if self == Options():
            return body, headers
        fields = {name: value for name, value in (json.loads(body) | self.body).items() if name not in self.omit}
        version = {"Shopify-Api-Version": self.api_version} if self.api_version else {}
        return json.dumps(fields, ensure_ascii=False), headers | self.headers | version


@dataclass(frozen=True)
class Wish:
    """What the customer wants to pay. `group` None starts a new order; the amount is sent exactly as written here."""

    amount: str
    currency: str
    test: bool = False
    group: str | None = None
    locale: str = "en-US"
    options: Options = field(default_factory=Options)


def read_wish(message: Any) -> Wish:
    """A wish from JSON `{"amount","currency","test","group","locale","options"}`. Raises BadCheckout."""
    if not isinstance(message, dict):
        raise BadCheckout("the body must be a JSON object")
    unknown = set(message) - {"amount", "currency", "test", "group", "locale", "options"}
    if unknown:
        raise BadCheckout(f"unknown field: {', '.join(sorted(unknown))}")
    amount, currency = read_amount(message.get("amount")), message.get("currency", "USD")
    test, group, locale = message.get("test", False), message.get("group"), message.get("locale", "en-US")
    if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        raise BadCheckout('currency must be three capital letters, such as "USD"')
    if not isinstance(test, bool):
        raise BadCheckout("test must be true or false")
    if group is not None and not (isinstance(group, str) and 0 < len(group) <= 200):
        raise BadCheckout("group must be null or a string of at most 200 characters")
    if not isinstance(locale, str) or not _LOCALE.fullmatch(locale):
        raise BadCheckout('locale must be a BCP 47 tag such as "en-US"')
    return Wish(amount, currency, test, group, locale, read_options(message.get("options")))


def read_amount(amount: Any) -> str:
    """An amount as it will be sent. Raises BadCheckout."""
    if not isinstance(amount, str) or not _AMOUNT.fullmatch(amount):
        raise BadCheckout('amount must be a string such as "12.34", with a point and digits only')
    if not amount.strip("0."):
        raise BadCheckout("amount must be more than zero: Shopify sends no session for nothing")
    return amount


def read_options(message: Any) -> Options:
    """Options from JSON `{"body","omit","headers","api_version"}` or null. Raises BadCheckout."""
    if message is None:
        return Options()
    if not isinstance(message, dict) or set(message) - {"body", "omit", "headers", "api_version"}:
        raise BadCheckout("options must be an object with body, omit, headers or api_version")
    body, omit, headers = message.get("body", {}), message.get("omit", []), message.get("headers", {})
    version = message.get("api_version")
    if not isinstance(body, dict):
        raise BadCheckout("options.body must be an object: its fields replace those of the session")
    if not isinstance(omit, list) or not all(isinstance(name, str) for name in omit):
        raise BadCheckout("options.omit must be a list of field names")
    if not isinstance(headers, dict) or not all(isinstance(v, str) and v.isascii() for v in headers.values()):
        raise BadCheckout("options.headers must be an object of plain ASCII strings")
    if version is not None and not isinstance(version, str):
        raise BadCheckout('options.api_version must be a string such as "2026-10"')
    return Options(body, tuple(omit), headers, version)


class Checkouts:
    """Makes payment sessions, writes them into the books, then sends them."""

    def __init__(
        self,
        books: Books,
        sender: Sender,
        clock: VirtualClock,
        faults: Faults,
        *,
        public_url: str,
        shop: str,
        api_version: str,
    ) -> None:
        self._books = books
        self._sender = sender
        self._clock = clock
        self._faults = faults
        self._public_url = public_url
        self._shop = shop
        self._api_version = api_version

    async def open(self, wish: Wish) -> tuple[Session, Answer]:
        """A new session in state open, and what the app answered to it."""
        session = self._make(wish)
        return session, await self._send(session, session.body, session.headers)

    async def resend(self, session: Session, options: Options) -> Answer:
        """Send the session once more under its id: byte for byte, or with the options laid over it."""
        body, headers = options.bend(session.body, session.headers)
        return await self._send(session, body, headers)

    async def _send(self, session: Session, body: str, headers: dict[str, str]) -> Answer:
        def accept(answer: Answer, at: str) -> None:
            assert answer.redirect_url is not None
            self._accept(session, answer.redirect_url, at)

        return await self._sender.send(
            Parcel(session.id, "/shopify/payment", body, headers, judge=judge_payment, accept=accept)
        )

    def _accept(self, session: Session, redirect_url: str, at: str) -> None:
        known = self._books.session(session.id)
        if known and known.redirect_url and known.redirect_url != redirect_url:
            text = f"the app answered the same session first with {known.redirect_url}, then with {redirect_url}"
            self._books.raise_alarm(session.id, text, at)
        self._books.set_answered(session.id, redirect_url)

    def _make(self, wish: Wish) -> Session:
        options = wish.options
        group = wish.group or _random_base64()
        siblings = self._books.sessions_of_group(group)
        opened_at = self._clock.now()
        new_id = secrets.token_urlsafe(18)
        body = self._body(new_id, group, siblings[0].session_id if siblings else _random_base64(), wish)
        body["proposed_at"] = opened_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        text = self._write(body, options)
        headers = {
            "Shopify-Shop-Domain": self._shop,
            "Shopify-Api-Version": options.api_version or self._api_version,
            **options.headers,
        }
        session = Session(
            id=new_id,
            gid=body["gid"],
            group=group,
            session_id=body["session_id"],
            amount=wish.amount,
            currency=wish.currency,
            test=wish.test,
            opened_at=write_time(opened_at),
            headers=headers,
            body=text,
            answered=False,
            redirect_url=None,
            state="open",
            reason=None,
            merchant_message=None,
            source=None,
            pending_expires_at=None,
            authorization_expires_at=None,
            next_url=None,
        )
        self._books.add_session(session)
        return session

    def _body(self, new_id: str, group: str, session_id: str, wish: Wish) -> dict[str, Any]:
        return {
            "id": new_id,
            "gid": f"gid://shopify/PaymentSession/{new_id}",
            "group": group,
            "session_id": session_id,
            "amount": wish.amount,
            "currency": wish.currency,
            "test": wish.test,
            "merchant_locale": MERCHANT_LOCALE,
            "payment_method": {
                "type": "offsite",
                "data": {"cancel_url": f"{self._public_url}/checkouts/{new_id}/cancelled"},
            },
            "customer": _customer(wish.locale),
            "kind": "sale",
        }

    def _write(self, body: dict[str, Any], options: Options) -> str:
        """The JSON text, with what the fault switches and the options change."""
        numeric = self._faults.take(TARGET, "numeric_amount")
        if padded := self._faults.take(TARGET, "amount_decimals"):
            whole, _, decimals = body["amount"].partition(".")
            body["amount"] = f"{whole}.{decimals:0<{int(padded.value or 1)}}"
        if top_level := self._faults.take(TARGET, "top_level_cancel_url"):
            body["cancel_url"] = body["payment_method"]["data"]["cancel_url"]
            if top_level.value == "only":
                del body["payment_method"]["data"]["cancel_url"]
        if self._faults.take(TARGET, "customer_null"):
            body["customer"] = None
        elif self._faults.take(TARGET, "no_shipping"):
            del body["customer"]["shipping_address"]
        if self._faults.take(TARGET, "unknown_field"):
            body |= {"new_in_some_version": {"nested": [1, None, "text"]}}
            body["payment_method"]["data"]["also_new"] = True
        body = {key: value for key, value in (body | options.body).items() if key not in options.omit}
        text = json.dumps(body, ensure_ascii=False)
        if numeric:
            # Digit for digit: a float would change some amounts.
            text = text.replace(f'"amount": "{body["amount"]}"', f'"amount": {body["amount"]}', 1)
        return text


def _customer(locale: str) -> dict[str, Any]:
    address = {
        "given_name": "Alice",
        "family_name": "Smith",
        "line1": "123 Street",
        "line2": "Suite B",
        "city": "Ottawa",
        "postal_code": "K2P 1L4",
        "province": "Ontario",
        "province_code": "ON",
        "country_code": "CA",
        "phone_number": "+16135550127",
        "company": "",
    }
    return {
        "email": "alice@customers.example",
        "phone_number": "+16135550127",
        "locale": locale,
        "billing_address": address,
        "shipping_address": dict(address),
    }


def _random_base64() -> str:
    """44 characters of standard base64, which may hold + and / and end in =."""
    return base64.b64encode(secrets.token_bytes(32)).decode()
