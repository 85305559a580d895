"""The wallet's half of a Solana Pay transaction request: GET who asks, POST who pays."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from app.sandbox.wallet.errors import WalletRefusal

_ICON_TYPES = frozenset({"image/svg+xml", "image/png", "image/webp"})


@dataclass(frozen=True)
class Offer:
    """The transaction as the application gave it (base64), and what it says to it."""

    transaction: str
    message: str | None


async def fetch_offer(http: httpx.AsyncClient, url: str, account: str) -> Offer:
    """Ask the application for its label and icon, then for a transaction for this account. Raises WalletRefusal."""
    shown = await _ask(http, "GET", url)
    label, icon = shown.get("label"), shown.get("icon")
    if not isinstance(label, str) or not label:
        raise WalletRefusal("The application does not say its name.")
    if not isinstance(icon, str) or urlsplit(icon).scheme not in ("http", "https") or not urlsplit(icon).hostname:
        raise WalletRefusal("The application's icon is not an address.")
    await _check_icon(http, icon)
    offered = await _ask(http, "POST", url, {"account": account})
    transaction, message = offered.get("transaction"), offered.get("message")
    if not isinstance(transaction, str) or not transaction:
        raise WalletRefusal("The application answered without a transaction.")
    if message is not None and not isinstance(message, str):
        raise WalletRefusal("The application's message is not a text.")
    return Offer(transaction, message)


async def _ask(http: httpx.AsyncClient, method: str, url: str, body: dict[str, str] | None = None) -> dict[str, Any]:
    try:
        answer = await http.request(method, url, json=body, headers={"Accept": "application/json"})
    except httpx.HTTPError as error:
        raise WalletRefusal(f"The application cannot be reached ({type(error).__name__}).") from error
    try:
        content = answer.json()
    except ValueError:
        content = None
    if answer.status_code >= 400:
        message = content.get("message") if isinstance(content, dict) else None
        raise WalletRefusal(message if isinstance(message, str) else f"The application answered {answer.status_code}.")
    if answer.status_code != 200 or not isinstance(content, dict):
        raise WalletRefusal("The application's answer makes no sense.")
    return content


async def _check_icon(http: httpx.AsyncClient, url: str) -> None:
    try:
        answer = await http.get(url)
    except httpx.HTTPError as error:
        raise WalletRefusal("The application's icon cannot be fetched.") from error
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if answer.status_code != 200 or kind not in _ICON_TYPES:
        raise WalletRefusal("The application's icon is not an SVG, PNG or WebP picture.")
