"""Solana Pay links: `solana:` and either the URL of a transaction request or the parts of a transfer."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from ipaddress import ip_address
from urllib.parse import parse_qs, unquote, urlsplit

from solders.pubkey import Pubkey

from app.sandbox.wallet.errors import WalletRefusal

MAX_LENGTH = 2048


@dataclass(frozen=True)
class TransactionRequest:
    """An application is asked for the transaction."""

    url: str


@dataclass(frozen=True)
class TransferRequest:
    """The wallet makes the transfer itself; `amount` in whole tokens, `mint` None for SOL."""

    recipient: Pubkey
    amount: Decimal
    mint: Pubkey | None
    references: tuple[Pubkey, ...]
    memo: str | None


def parse_link(link: str) -> TransactionRequest | TransferRequest:
    """What a link asks for. Raises WalletRefusal."""
    scheme, _, rest = link.partition(":")
    if scheme.lower() != "solana" or not rest or len(link) > MAX_LENGTH:
        raise WalletRefusal("This is not a Solana Pay link.")
    path, _, query = rest.partition("?")
    if ":" in path or "%" in path:
        return TransactionRequest(_checked_url(unquote(path)))
    return _transfer(path, parse_qs(query, keep_blank_values=True))


def _checked_url(text: str) -> str:
    try:
        url = urlsplit(text)
        host, _ = url.hostname, url.port
    except ValueError as error:
        raise WalletRefusal("The link holds no valid address.") from error
    if url.scheme != "https" and not (url.scheme == "http" and host and _is_this_machine(host)):
        raise WalletRefusal("The link does not lead to a secure (https) address.")
    if not host:
        raise WalletRefusal("The link holds no valid address.")
    return text


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _transfer(recipient: str, query: dict[str, list[str]]) -> TransferRequest:
    try:
        mint = query.get("spl-token")
        return TransferRequest(
            recipient=Pubkey.from_string(recipient),
            amount=_amount(query),
            mint=Pubkey.from_string(mint[0]) if mint else None,
            references=tuple(Pubkey.from_string(one) for one in query.get("reference", [])),
            memo=query["memo"][0] if "memo" in query else None,
        )
    except ValueError as error:
        raise WalletRefusal("The link names an address that is none.") from error


def _amount(query: dict[str, list[str]]) -> Decimal:
    text = query.get("amount", [""])[0]
    if not text:
        raise WalletRefusal("The link names no amount, and nobody is here to type one.")
    if not text.replace(".", "", 1).isdigit() or not text[0].isdigit() or text.endswith("."):
        raise WalletRefusal("The link's amount is not a number.")
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise WalletRefusal("The link's amount is not a number.") from error
