"""Shopify's door behind a real nginx, with the configuration of docs/nginx: its word counts, and nobody else's."""

import asyncio
import os
import shutil
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from app.sandbox.tls import mint_expired_client, mint_foreign_client, mint_rotated_client, mint_server_only_client
from tests.house import House, client_context, free_port, make_settings, open_house, session_body
from tests.waiting import wait_until

CONFIGURATION = Path(__file__).parents[3] / "docs" / "nginx" / "settle.conf"
# nginx connects from here; everything else on this machine from 127.0.0.1.
PROXY = "127.0.0.2"


@pytest.fixture(scope="session")
def nginx() -> str:
    """The program."""
    wanted = os.environ.get("SETTLE_NGINX", "nginx")
    found = shutil.which(wanted, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    assert found, "no nginx: install Debian's package nginx-light, or name one in SETTLE_NGINX"
    return found


@dataclass(frozen=True)
class Site:
    """Settle, and nginx in front of it: `shopify` and `public` are nginx's ports."""

    house: House
    tls: Path
    shopify: int
    public: int

    async def knock(self, context: ssl.SSLContext, **headers: str) -> httpx.Response:
        sent = {"Shopify-Shop-Domain": "sandbox.myshopify.com", "Shopify-Api-Version": "2026-10"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        async with httpx.AsyncClient(verify=context) as client:
            url = f"https://127.0.0.1:{self.shopify}/shopify/payment"
            return await client.post(url, json=session_body(), headers=sent)

    def own(self) -> ssl.SSLContext:
        return client_context(self.tls, self.tls / "shopify-client.crt", self.tls / "shopify-client.key")


def _configure(folder: Path, house: House, tls: Path, shopify: int, public: int) -> Path:
    """docs/nginx/settle.conf with this machine's ports and files; else only where it connects from is changed."""
    bundle = folder / "shopify-ca.pem"
    bundle.write_text("".join(file.read_text() for file in sorted((tls / "trust").glob("*.pem"))))
    text = CONFIGURATION.read_text()
    replacements = [
        ("listen 443 ssl;", f"listen 127.0.0.1:{shopify} ssl;"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{public} ssl;"),
        ("/etc/settle/door.crt", str(tls / "server.crt")),
        ("/etc/settle/door.key", str(tls / "server.key")),
        ("/etc/settle/public.crt", str(tls / "server.crt")),
        ("/etc/settle/public.key", str(tls / "server.key")),
        ("ssl_client_certificate /etc/settle/shopify-ca.pem", f"ssl_client_certificate {bundle}"),
        ("http://127.0.0.1:8443;", f"http://127.0.0.1:{house.settings.shopify_port};\n            proxy_bind {PROXY};"),
        ("http://127.0.0.1:8001;", f"http://127.0.0.1:{house.settings.public_port};"),
        ("/run/settle-nginx.pid", str(folder / "nginx.pid")),
        ("/var/log/nginx/settle-error.log", str(folder / "error.log")),
    ]
    for written, here in replacements:
        assert written in text, written
        text = text.replace(written, here, 1)
    path = folder / "nginx.conf"
    path.write_text(text)
    return path


@pytest_asyncio.fixture
async def site(database_url: str, tmp_path: Path, nginx: str) -> AsyncIterator[Site]:
    settings = make_settings(database_url, tmp_path, shopify_proxies=PROXY)
    tls = Path(settings.shopify_trust).parent
    async with open_house(settings) as house:
        folder = tmp_path / "nginx"
        (folder / "logs").mkdir(parents=True)
        shopify, public = free_port(), free_port()
        conf = _configure(folder, house, tls, shopify, public)
        temporary = "".join(
            f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        conf.write_text(conf.read_text().replace("http {", f"http {{ {temporary}", 1))
        process = await asyncio.create_subprocess_exec(
            nginx, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(conf), "-g", "daemon off;",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            found = Site(house, tls, shopify, public)

            async def is_up() -> bool:
                assert process.returncode is None, (folder / "error.log").read_text()
                try:
                    await found.knock(client_context(tls))
                except httpx.ConnectError:
                    return False
                return True

            await wait_until(is_up, 10, "nginx answers")
            yield found
        finally:
            process.terminate()
            await process.wait()


async def test_shopifys_certificate_opens_a_session_through_nginx(site: Site) -> None:
    answer = await site.knock(site.own())
    assert answer.status_code == 200
    assert answer.json()["redirect_url"].startswith(site.house.settings.public_url)


async def test_without_a_certificate_the_door_refuses_whatever_the_client_writes(site: Site) -> None:
    stranger = client_context(site.tls)
    for headers in ({}, {"X_Client_Verify": "SUCCESS"}, {"x_client_verify": "SUCCESS"}):
        answer = await site.knock(stranger, **headers)
        assert (answer.status_code, answer.json()["reason"]) == (403, "client_unverified")
    assert await site.house.rows("SELECT FROM payments") == []


@pytest.mark.parametrize("mint", [mint_expired_client, mint_server_only_client, mint_foreign_client])
async def test_a_certificate_that_is_not_shopifys_gets_nowhere(site: Site, tmp_path: Path, mint: object) -> None:
    out = tmp_path / "minted"
    if mint is mint_foreign_client:
        certificate, key = mint_foreign_client(out)
    elif mint is mint_expired_client:
        certificate, key = mint_expired_client(site.tls, out)
    else:
        certificate, key = mint_server_only_client(site.tls, out)
    answer = await site.knock(client_context(site.tls, certificate, key), X_Client_Verify="SUCCESS")
    # nginx refuses it itself.
    assert answer.status_code == 400
    assert "SSL certificate error" in answer.text
    assert await site.house.rows("SELECT FROM payments") == []


async def test_a_rotated_intermediate_that_the_client_sends_is_let_in(site: Site, tmp_path: Path) -> None:
    certificate, key, _ = mint_rotated_client(site.tls, tmp_path / "rotated")
    assert (await site.knock(client_context(site.tls, certificate, key))).status_code == 200


async def test_the_verdict_is_believed_from_the_proxys_address_only(site: Site) -> None:
    url = f"http://127.0.0.1:{site.house.settings.shopify_port}/shopify/payment"
    headers = {
        "Shopify-Shop-Domain": "sandbox.myshopify.com", "Shopify-Api-Version": "2026-10", "X-Client-Verify": "SUCCESS",
    }  # fmt: skip
    async with httpx.AsyncClient() as anybody:
        for more in ({}, {"X-Forwarded-For": PROXY}, {"Forwarded": f"for={PROXY}"}, {"X-Real-IP": PROXY}):
            answer = await anybody.post(url, json=session_body(), headers=headers | more)
            assert (answer.status_code, answer.json()["reason"]) == (403, "proxy_unknown")
    proxy = httpx.AsyncHTTPTransport(local_address=PROXY)
    async with httpx.AsyncClient(transport=proxy) as from_proxy:
        assert (await from_proxy.post(url, json=session_body(), headers=headers)).status_code == 200
        for word in ("NONE", "FAILED:unable to verify", "success", "SUCCESS, SUCCESS", ""):
            answer = await from_proxy.post(url, json=session_body(), headers=headers | {"X-Client-Verify": word})
            assert (answer.status_code, answer.json()["reason"]) == (403, "client_unverified")
        twice = [*headers.items(), ("X-Client-Verify", "SUCCESS")]
        assert (await from_proxy.post(url, json=session_body(), headers=twice)).status_code == 403


async def test_the_public_door_is_behind_nginx_too_and_keeps_its_metrics_to_itself(site: Site) -> None:
    async with httpx.AsyncClient(
        verify=client_context(site.tls), base_url=f"https://127.0.0.1:{site.public}"
    ) as anybody:
        host = {"Host": "pay.example.com"}
        assert (await anybody.get("/health", headers=host)).json() == {"status": "ok"}
        assert (await anybody.get("/metrics", headers=host)).status_code == 403
        assert (await anybody.post("/shopify/payment", headers=host, json={})).status_code == 404
