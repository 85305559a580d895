"""Solana Pay's transaction request: a wallet asks who wants to be paid, then for the transaction to sign."""

import base64

import msgspec
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route, Router

from app import metrics
from app.errors import RequestInvalid, SettleError
from app.payments.issuing import offer_transaction
from app.payments.view import view_payment
from chain.errors import Refused
from handlers.network_address import read_network_address
from handlers.requests import Json, read_body, refuse_unknown, system_of


class TransactionRequest(msgspec.Struct):
    """What the wallet posts: its account, base58."""

    account: str


_decoder = msgspec.json.Decoder(TransactionRequest)
_NO_STORE = {"Cache-Control": "no-store"}


async def describe_payment(request: Request) -> Response:
    """GET: the label and icon that the wallet shows."""
    system = system_of(request)
    view = await view_payment(system, request.path_params["payment_id"])
    return Json({"label": view.shop, "icon": f"{system.settings.public_url}/static/icon.svg"}, headers=_NO_STORE)


async def give_transaction(request: Request) -> Response:
    """POST: a transaction for the wallet's account, or the sentence that says why not."""
    body = await read_body(request)
    try:
        account = _decoder.decode(body).account
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RequestInvalid(problem='the body must be JSON such as {"account": "<address>"}') from None
    try:
        system = system_of(request)
        offer = await offer_transaction(
            system, request.path_params["payment_id"], account, read_network_address(request, system.settings)
        )
    except (SettleError, Refused) as error:
        metrics.transaction_requests_total.labels(outcome=str(error.reason)).inc()
        raise
    return Json(
        {"transaction": base64.b64encode(offer.transaction).decode(), "message": offer.message}, headers=_NO_STORE
    )


# Wallets run in browsers of any origin, so everybody may ask; there are no credentials that could be abused.
TRANSACTIONS = Mount(
    "/transactions",
    app=Router(
        [
            Route("/payment/{payment_id:payment}", describe_payment, methods=["GET"]),
            Route("/payment/{payment_id:payment}", give_transaction, methods=["POST"]),
            Route("/payment/{anything:path}", refuse_unknown, methods=["GET", "POST"]),
        ],
        redirect_slashes=False,
    ),
    middleware=[
        Middleware(
            CORSMiddleware,
            allow_origins=["*"],
            allow_methods=["GET", "POST", "OPTIONS"],
            allow_headers=["Accept", "Accept-Encoding", "Cache-Control", "Content-Type"],
            max_age=86_400,
        )
    ],
)
