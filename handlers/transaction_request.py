"""Solana Pay's transaction request: a wallet asks who wants to be paid, then for the transaction to sign."""

import base64
from collections.abc import Awaitable, Callable

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app import metrics
from app.errors import CustomerError, RequestInvalid, SettleError
from app.logs import bind_contextvars
from app.onboarding import scanned_wallets
from app.payments.attempts import note_refusal, note_scan
from app.payments.issuing import offer_transaction
from app.payments.view import PAYABLE, view_payment
from app.payments.wording import find_reader, logo_path
from app.refunds import wording as refund_wording
from app.refunds.issuing import describe_refund, offer_refund
from app.refunds.refusals import RefundNotFound
from app.transactions.issuing import Offer
from app.transactions.relay import send_signed
from chain.errors import Refused
from handlers.network_address import read_network_address
from handlers.pages import browsers_reader
from handlers.requests import Json, read_body, refuse_unknown, system_of
from handlers.signed_transaction import read_signed


class TransactionRequest(msgspec.Struct):
    """What the wallet posts: its account, base58."""

    account: str


_decoder = msgspec.json.Decoder(TransactionRequest)
_NO_STORE = {"Cache-Control": "no-store"}
# On every answer, and on what a browser asks before it asks (CORS).
OPEN = ((b"access-control-allow-origin", b"*"),)
_ALLOWED = {
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": "Accept, Accept-Encoding, Cache-Control, Content-Type",
    "Access-Control-Max-Age": "86400",
}

Answer = Callable[[Request], Awaitable[Response]]


async def describe_payment(request: Request) -> Response:
    """GET: the label and icon that the wallet shows."""
    system, payment_id = system_of(request), request.path_params["payment_id"]
    request.state.reader = browsers_reader(request)
    view = await view_payment(system, payment_id)
    if view.stage in PAYABLE and request.method == "GET":
        await note_scan(system, payment_id)
    icon = f"{system.settings.public_url}{logo_path(view) or '/static/icon.svg'}"
    return Json({"label": view.shop, "icon": icon}, headers=_NO_STORE)


async def give_transaction(request: Request) -> Response:
    """POST: a transaction for the wallet's account, or the sentence that says why not, in the customer's language."""
    account = await _read_account(request)
    system, payment_id = system_of(request), request.path_params["payment_id"]
    address, language = read_network_address(request, system.settings), _language(request)
    try:
        offer = await offer_transaction(system, payment_id, account, address, language)
    except Exception as error:
        await _tell_customer(request, payment_id, error)
        raise
    return _hand_out(offer)


async def describe_refund_request(request: Request) -> Response:
    """GET: the same for a refund."""
    system = system_of(request)
    request.state.reader = browsers_reader(request)
    label = await describe_refund(system, request.path_params["refund_id"], _language(request))
    return Json({"label": label, "icon": f"{system.settings.public_url}/static/icon.svg"}, headers=_NO_STORE)


async def give_refund_transaction(request: Request) -> Response:
    """POST: a transaction with which the account, the merchant's, pays a refund, or the sentence that says why not."""
    account = await _read_account(request)
    system, refund_id = system_of(request), request.path_params["refund_id"]
    address, language = read_network_address(request, system.settings), _language(request)
    try:
        offer = await offer_refund(system, refund_id, account, address, language)
    except Exception as error:
        request.state.reader = browsers_reader(request)
        if isinstance(error, SettleError | Refused):
            metrics.transaction_requests_total.labels(outcome=str(error.reason)).inc()
            request.state.reader = await refund_wording.find_reader(system, refund_id, language)
        raise
    return _hand_out(offer)


async def take_signed_refund(request: Request) -> Response:
    """POST: a merchant's wallet in the browser only signed, and leaves the sending to us."""
    system, refund_id = system_of(request), request.path_params["refund_id"]
    bind_contextvars(refund_id=refund_id)
    body = await read_body(request)
    request.state.reader = await refund_wording.find_reader(system, refund_id, _language(request))
    return Json({"signature": await send_signed(system, refund_id, read_signed(body))}, headers=_NO_STORE)


async def refuse_unknown_refund(request: Request) -> Response:
    """What can not be a refund's id is no refund."""
    request.state.reader = browsers_reader(request)
    raise RefundNotFound


async def describe_scan(request: Request) -> Response:
    """GET: the same for a code that a merchant's wallet scans to show whose it is."""
    system, nonce = system_of(request), request.path_params["nonce"]
    request.state.reader = await scanned_wallets.find_reader(system, nonce, _language(request))
    label = await scanned_wallets.describe_scan(system, nonce, _language(request))
    return Json({"label": label, "icon": f"{system.settings.public_url}/static/icon.svg"}, headers=_NO_STORE)


async def give_scan_transaction(request: Request) -> Response:
    """POST: the transaction by which the account shows that it is the merchant's."""
    account = await _read_account(request)
    system, nonce = system_of(request), request.path_params["nonce"]
    request.state.reader = await scanned_wallets.find_reader(system, nonce, _language(request))
    return _hand_out(await scanned_wallets.offer_scan(system, nonce, account, _language(request)))


async def refuse_unknown_scan(request: Request) -> Response:
    """What can not be a code's id is no code."""
    request.state.reader = browsers_reader(request)
    raise scanned_wallets.ScanOver


async def _read_account(request: Request) -> str:
    """Raises RequestInvalid."""
    try:
        return _decoder.decode(await read_body(request)).account
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RequestInvalid(problem='the body must be JSON such as {"account": "<address>"}') from None


def _language(request: Request) -> str | None:
    """Which languages the wallet asks for."""
    return request.headers.get("accept-language")


def _hand_out(offer: Offer) -> Response:
    return Json(
        {"transaction": base64.b64encode(offer.transaction).decode(), "message": offer.message}, headers=_NO_STORE
    )


async def _tell_customer(request: Request, payment_id: str, error: Exception) -> None:
    """Note a refusal for the customer's page, and find out in which language the answer is to be."""
    system = system_of(request)
    # Whatever has gone wrong, it is a customer who reads of it.
    request.state.reader = browsers_reader(request)
    if isinstance(error, SettleError | Refused):
        metrics.transaction_requests_total.labels(outcome=str(error.reason)).inc()
    if isinstance(error, CustomerError | Refused):
        await note_refusal(system, payment_id, error)
        request.state.reader = await find_reader(system, payment_id, _language(request))


class WalletCall:
    """What wallets call, in one layer: `describe` answers GET, `give` answers POST.

    Wallets run in browsers of any origin, so everybody may ask; there are no credentials that could be abused.
    """

    def __init__(self, describe: Answer, give: Answer) -> None:
        self._answers = {"GET": describe, "HEAD": describe, "POST": give, "OPTIONS": _allow}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["headers"] = OPEN
        answer = self._answers.get(scope["method"])
        if answer is None:
            raise HTTPException(405)
        response = await answer(Request(scope, receive))
        await response(scope, receive, send)


async def _allow(_request: Request) -> Response:
    return Response(headers=_ALLOWED)


TRANSACTIONS = [
    Route("/transactions/payment/{payment_id:payment}", WalletCall(describe_payment, give_transaction)),
    Route("/transactions/payment/{anything:path}", WalletCall(refuse_unknown, refuse_unknown)),
    Route("/transactions/refund/{refund_id:payment}", WalletCall(describe_refund_request, give_refund_transaction)),
    Route("/transactions/refund/{refund_id:payment}/signed", take_signed_refund, methods=["POST"]),
    Route("/transactions/refund/{anything:path}", WalletCall(refuse_unknown_refund, refuse_unknown_refund)),
    Route("/transactions/wallet/{nonce:payment}", WalletCall(describe_scan, give_scan_transaction)),
    Route("/transactions/wallet/{anything:path}", WalletCall(refuse_unknown_scan, refuse_unknown_scan)),
]
