"""Shopify's door has no session without a client certificate of a trusted authority."""

import ssl
from pathlib import Path

import httpx
import pytest

from app.sandbox.tls import mint_expired_client, mint_foreign_client, mint_server_only_client
from tests.house import House, client_context


async def _knock(house: House, context: ssl.SSLContext) -> int:
    url = f"https://127.0.0.1:{house.settings.shopify_port}/shopify/payment"
    async with httpx.AsyncClient(verify=context) as client:
        return (await client.post(url, json={})).status_code


def _tls(house: House) -> Path:
    return Path(house.settings.shopify_trust).parent


async def test_shopifys_own_certificate_is_let_in(house: House) -> None:
    tls = _tls(house)
    assert await _knock(house, client_context(tls, tls / "shopify-client.crt", tls / "shopify-client.key")) == 400


async def test_nobody_gets_a_session_without_a_certificate(house: House) -> None:
    with pytest.raises(httpx.TransportError):
        await _knock(house, client_context(_tls(house)))


@pytest.mark.parametrize("mint", ["foreign", "expired", "server_only"])
async def test_nobody_gets_a_session_with_a_certificate_that_is_not_shopifys(
    house: House, tmp_path: Path, mint: str
) -> None:
    tls, out = _tls(house), tmp_path / "minted"
    out.mkdir()
    match mint:
        case "foreign":
            certificate, key = mint_foreign_client(out)
        case "expired":
            certificate, key = mint_expired_client(tls, out)
        case _:
            certificate, key = mint_server_only_client(tls, out)
    with pytest.raises(httpx.TransportError):
        await _knock(house, client_context(tls, certificate, key))


async def test_the_public_door_does_not_serve_shopifys_calls(house: House) -> None:
    assert (await house.public.post("/shopify/payment", json={})).status_code == 404
