"""The wallets' control calls: make and fund one, look into it, let it pay a Solana Pay link."""

import ssl
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from types import NoneType
from typing import Any

import httpx
from solders.hash import Hash
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from app.sandbox.calls import read_object
from app.sandbox.devnet import Devnet
from app.sandbox.wallet.chain import Chain
from app.sandbox.wallet.errors import WalletRefusal
from app.sandbox.wallet.keys import Keys
from app.sandbox.wallet.link import TransferRequest, parse_link
from app.sandbox.wallet.merchant_app import Offer, fetch_offer
from app.sandbox.wallet.signing import check_signatures, is_unsigned, parse_transaction, sign, with_own_fee_payer
from app.sandbox.wallet.transfer import make_transfer

USDC_DECIMALS, SOL_DECIMALS = 6, 9
_TIMEOUT = httpx.Timeout(30)
_NEW = {"usdc": (str, NoneType), "address": (str, NoneType), "cluster": (str, NoneType), "sol": (str, NoneType)}


class Wallets:
    """All customers' wallets, their keys under `data`.

    `merchant`: the demo merchant's wallet is among them, with what customers have paid, so that it can pay refunds.

    They reach the chain over HTTP, by `rpc_urls` (cluster -> address). Left out: by nodes of their own, never at fault,
    that are among `routes`; a real wallet's provider has nothing to do with the troubles of Settle's either.
    """

    def __init__(
        self,
        devnets: dict[str, Devnet],
        data: Path,
        *,
        rpc_urls: dict[str, str] | None = None,
        merchant: Keypair | None = None,
    ) -> None:
        self._devnets = devnets
        self._rpc_urls = rpc_urls
        self._keys = Keys(data / "wallets.sqlite")
        self._merchant = merchant and self._keys.keep(merchant, "live")
        self._tls = ssl.create_default_context()
        address = "/sandbox/wallets/{address}"
        self.routes: list[BaseRoute] = [
            Route("/sandbox/wallets", self._make, methods=["POST"]),
            Route("/sandbox/merchant", self._show_merchant, methods=["GET"]),
            Route(address, self._show, methods=["GET"]),
            Route(f"{address}/pay", _telling(self._pay), methods=["POST"]),
            Route(f"{address}/fetch", _telling(self._fetch), methods=["POST"]),
            Route(f"{address}/send", _telling(self._send), methods=["POST"]),
        ]
        for name, devnet in devnets.items():
            self.routes += devnet.add_node(_node_path(name))

    async def _make(self, request: Request) -> Response:
        """{"usdc", "address", "cluster", "sol"}, each optional -> 201 {"address"}."""
        wanted = await read_object(request, _NEW)
        cluster = wanted["cluster"] or "live"
        devnet = self._devnet(cluster)
        usdc = _base_units("usdc", wanted["usdc"], USDC_DECIMALS)
        lamports = _base_units("sol", wanted["sol"], SOL_DECIMALS)
        address = wanted["address"]
        if address is None:
            address = self._keys.make(cluster)
        else:
            _pubkey(address)
            self._keys.note(address, cluster)
        await devnet.fund_usdc(address, usdc)
        if lamports:
            await devnet.airdrop(address, lamports)
        return JSONResponse({"address": address}, 201)

    async def _show(self, request: Request) -> Response:
        """-> {"usdc", "sol"}, on the cluster the wallet was made for, or on that of the query's `cluster`."""
        address = request.path_params["address"]
        _pubkey(address)
        cluster = request.query_params.get("cluster") or self._keys.cluster(address) or "live"
        usdc, lamports = await self._devnet(cluster).balances(address)
        return JSONResponse({"usdc": _text(usdc, USDC_DECIMALS), "sol": _text(lamports, SOL_DECIMALS)})

    async def _show_merchant(self, _: Request) -> Response:
        """-> {"wallet"}, the demo merchant's."""
        return JSONResponse({"wallet": self._merchant})

    async def _pay(self, request: Request) -> dict[str, Any]:
        """{"link"} -> {"signature"} once confirmed."""
        key, link = self._key(request), (await read_object(request, {"link": (str,)}))["link"]
        wanted = parse_link(link)
        async with self._http() as http:
            if isinstance(wanted, TransferRequest):
                chain = self._chain_of_token(self._chains(http, request), wanted, key)
                tx = await make_transfer(chain, wanted, key.pubkey())
                return {"signature": await chain.send(sign(tx, key))}
            offer = await fetch_offer(http, wanted.url, str(key.pubkey()))
            return await self._sign_and_send(self._chains(http, request), key, offer)

    async def _fetch(self, request: Request) -> dict[str, Any]:
        """{"link"} -> {"transaction", "message"} as the application gave them."""
        key, link = self._key(request), (await read_object(request, {"link": (str,)}))["link"]
        wanted = parse_link(link)
        if isinstance(wanted, TransferRequest):
            raise WalletRefusal("This link asks no application for a transaction.")
        async with self._http() as http:
            offer = await fetch_offer(http, wanted.url, str(key.pubkey()))
        return {"transaction": offer.transaction, "message": offer.message}

    async def _send(self, request: Request) -> dict[str, Any]:
        """{"transaction"} -> {"signature"} once confirmed."""
        key = self._key(request)
        transaction = (await read_object(request, {"transaction": (str,)}))["transaction"]
        async with self._http() as http:
            return await self._sign_and_send(self._chains(http, request), key, Offer(transaction, None))

    async def _sign_and_send(self, chains: dict[str, Chain], key: Keypair, offer: Offer) -> dict[str, Any]:
        tx, account = parse_transaction(offer.transaction), key.pubkey()
        if is_unsigned(tx):
            chain = chains[self._keys.cluster(str(account)) or "live"]
            tx = with_own_fee_payer(tx, account, Hash.from_string(await chain.latest_blockhash()))
        else:
            chain = await _chain_of_blockhash(chains, tx)
        check_signatures(tx, account)
        await chain.simulate(tx)
        return {"signature": await chain.send(sign(tx, key))} | ({"message": offer.message} if offer.message else {})

    def _chain_of_token(self, chains: dict[str, Chain], wanted: TransferRequest, key: Keypair) -> Chain:
        """The cluster whose USDC is asked for; for anything else the wallet's own."""
        for name, devnet in self._devnets.items():
            if wanted.mint is not None and devnet.usdc_mint == str(wanted.mint):
                return chains[name]
        return chains[self._keys.cluster(str(key.pubkey())) or "live"]

    def _chains(self, http: httpx.AsyncClient, request: Request) -> dict[str, Chain]:
        origin = str(request.base_url).rstrip("/")
        urls = self._rpc_urls or {name: origin + _node_path(name) for name in self._devnets}
        return {name: Chain(http, url) for name, url in urls.items()}

    def _http(self) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        return httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=True, verify=self._tls, trust_env=False)

    def _devnet(self, cluster: str) -> Devnet:
        if cluster not in self._devnets:
            raise HTTPException(422, f"there is no cluster {cluster!r}; there are {', '.join(self._devnets)}")
        return self._devnets[cluster]

    def _key(self, request: Request) -> Keypair:
        key = self._keys.key(request.path_params["address"])
        if key is None:
            raise HTTPException(404, "there is no key for this address in the sandbox")
        return key


def _node_path(cluster: str) -> str:
    return f"/sandbox/wallets/rpc/{cluster}"


async def _chain_of_blockhash(chains: dict[str, Chain], tx: VersionedTransaction) -> Chain:
    for chain in chains.values():
        if await chain.knows(str(tx.message.recent_blockhash)):
            return chain
    raise WalletRefusal("The transaction has expired, or belongs to another network.")


def _telling(handle: Callable[[Request], Awaitable[dict[str, Any]]]) -> Callable[[Request], Awaitable[Response]]:
    """The handler, answering 422 {"message"} with what the wallet would show."""

    async def told(request: Request) -> Response:
        try:
            return JSONResponse(await handle(request))
        except WalletRefusal as refusal:
            return JSONResponse({"message": str(refusal)}, 422)

    return told


def _pubkey(address: str) -> Pubkey:
    try:
        return Pubkey.from_string(address)
    except ValueError:
        raise HTTPException(422, f"{address!r} is no Solana address") from None


def _base_units(name: str, text: str | None, decimals: int) -> int:
    """An amount such as "12.5" in base units; nothing for None. Raises HTTPException."""
    try:
        units = Decimal(text or "0").scaleb(decimals)
    except InvalidOperation:
        raise HTTPException(422, f"{name!r} must be a decimal number") from None
    if not units.is_finite() or not 0 <= units < 2**64 or units != units.to_integral_value():
        raise HTTPException(422, f"{name!r} must not be negative, and have at most {decimals} decimals")
    return int(units)


def _text(units: int, decimals: int) -> str:
    whole, rest = divmod(units, 10**decimals)
    return f"{whole}.{rest:0{decimals}}".rstrip("0").rstrip(".")
