"""What a merchant pastes to find a payment, read: which kind of thing it is, without asking the database."""

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from urllib.parse import parse_qs, unquote, urlsplit

from app.errors import SettleError
from app.money import AmountInvalid, parse_amount

# Longer than anything that is one of ours: nobody pastes a whole page into the field.
TEXT_MAX = 500

_PAYMENT_ID = re.compile(r"[A-Za-z0-9_-]{22}")
# Only the beginning is of either case: of a set of "everything but" that would take a function 20 ms to compile.
_GID = re.compile(r"(?i:gid://shopify)/(\w+)/([^/?#]+)")
_BASE58 = r"[1-9A-HJ-NP-Za-km-z]"
_SIGNATURE = re.compile(_BASE58 + r"{64,88}")
_ADDRESS = re.compile(_BASE58 + r"{32,44}")
_OUR_PATH = re.compile(r"/(?:pay|transactions/payment|portal/payments)/([A-Za-z0-9_-]{22})(?:[/?#]|$)")
_ORDER_PATH = re.compile(r"/orders/\d+|/checkouts/")
_ORDER_NAME = re.compile(r"#\s?\w[\w-]{0,30}")
_AMOUNT = re.compile(r"(?:([A-Za-z]{3,4})\s*)?[$€£¥]?\s*([0-9][0-9., ]*)\s*[$€£¥]?\s*([A-Za-z]{3,4})?")


class ClueUnreadable(SettleError):
    """This can not be searched for: {problem}."""

    reason = "clue_unreadable"
    status = 400


class Kind(StrEnum):
    """What the pasted text is."""

    # Our own id of a payment, as in its page's address.
    payment = "payment"
    # An id or group that Shopify gave, or something that looks like nothing else: matched exactly.
    shopify = "shopify"
    # Shopify's global id of a refund session.
    refund = "refund"
    # The id of a transaction on the chain.
    signature = "signature"
    # An address on the chain: a wallet, or an account of ours.
    address = "address"
    # A number, of the shop's currency or of USDC.
    amount = "amount"
    # An order's name or address: Shopify never tells a payments app either.
    order = "order"


@dataclass(frozen=True)
class Clue:
    """What to look for. `currency` only with an amount: an ISO 4217 code, USDC, or None for any."""

    kind: Kind
    text: str
    amount: Decimal | None = None
    currency: str | None = None


def read_clue(text: str) -> Clue:
    """Read what was pasted: an id, a global id, a signature, an address, an amount, or a link that has one of them.

    Raises ClueUnreadable for nothing, and for what is too long to be any of them.
    """
    cleaned = " ".join(_drop_nul(text).split()).strip("\"'`<>“”")
    if not cleaned:
        raise ClueUnreadable(problem="nothing was given")
    if len(cleaned) > TEXT_MAX:
        raise ClueUnreadable(problem=f"it is longer than {TEXT_MAX} characters")
    if match := _GID.search(cleaned):
        kind = Kind.refund if match.group(1).lower() == "refundsession" else Kind.shopify
        return Clue(kind, _drop_nul(unquote(match.group(2))))
    if match := _OUR_PATH.search(unquote(cleaned)):
        return Clue(Kind.payment, match.group(1))
    if "://" in cleaned or cleaned.startswith("solana:"):
        return _read_link(cleaned)
    return _read_word(cleaned)


def _drop_nul(text: str) -> str:
    """PostgreSQL's text holds none, so nothing in it can be found by one."""
    return text.replace("\x00", "")


def _read_link(link: str) -> Clue:
    """A page of an explorer, a Solana Pay link: the last part of it that is something we know."""
    plain = unquote(link)
    if _ORDER_PATH.search(plain):
        return Clue(Kind.order, plain)
    try:
        parts = urlsplit(plain)
    except ValueError:
        raise ClueUnreadable(problem="it looks like a link, and is none") from None
    values = [value for several in parse_qs(parts.query).values() for value in several]
    words = [word for word in re.split(r"[/:#]", parts.path + "/" + parts.fragment) if word]
    for pattern, kind in ((_SIGNATURE, Kind.signature), (_ADDRESS, Kind.address)):
        for word in [*reversed(words), *values]:
            if pattern.fullmatch(word):
                return Clue(kind, word)
    raise ClueUnreadable(problem="this link names no payment, transaction or wallet")


def _read_word(word: str) -> Clue:
    if _SIGNATURE.fullmatch(word):
        return Clue(Kind.signature, word)
    if _ADDRESS.fullmatch(word):
        return Clue(Kind.address, word)
    if _ORDER_NAME.fullmatch(word):
        return Clue(Kind.order, word)
    if (clue := _read_amount(word)) is not None:
        return clue
    return Clue(Kind.payment if _PAYMENT_ID.fullmatch(word) else Kind.shopify, word)


def _read_amount(text: str) -> Clue | None:
    match = _AMOUNT.fullmatch(text)
    if match is None or (match.group(1) and match.group(3)):
        return None
    currency = (match.group(1) or match.group(3) or "").upper() or None
    if currency is not None and len(currency) != 3 and currency != "USDC":
        return None
    number = match.group(2).strip()
    if re.fullmatch(r"\d+,\d{1,2}", number):
        # A comma before one or two digits is the decimal sign of most of Europe; before three it groups thousands.
        number = number.replace(",", ".")
    number = number.replace(",", "").replace(" ", "").rstrip(".")
    try:
        return Clue(Kind.amount, text, parse_amount(number), currency)
    except AmountInvalid:
        return None
