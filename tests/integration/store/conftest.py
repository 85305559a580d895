"""The store on a real port, and an app's door with mutual TLS on another."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from app.sandbox.clock import VirtualClock
from app.sandbox.faults import Faults
from app.sandbox.store import SCOPES, App, Store
from app.sandbox.tls import make_tls
from tests.integration.store.harness import TOKEN, Door, World, listen, origin, serving


@pytest.fixture(scope="session")
def tls_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tls")
    make_tls(directory)
    return directory


@pytest.fixture(scope="session")
def trusted_bundle(tls_dir: Path) -> Path:
    bundle = tls_dir / "trust-bundle.pem"
    bundle.write_bytes(b"".join(path.read_bytes() for path in sorted((tls_dir / "trust").iterdir())))
    return bundle


@pytest.fixture
async def door(tls_dir: Path, trusted_bundle: Path) -> AsyncIterator[Door]:
    listener = listen()
    door = Door(origin(listener, "https"))
    app = Starlette(
        routes=[
            Route("/shopify/payment", door.payment, methods=["POST"]),
            Route("/shopify/{kind}", door.follow_up, methods=["POST"]),
        ]
    )
    tls = {
        "ssl_certfile": tls_dir / "server.crt",
        "ssl_keyfile": tls_dir / "server.key",
        "ssl_ca_certs": str(trusted_bundle),
        "ssl_cert_reqs": 2,
    }
    async with serving(app, listener, **tls):
        yield door


@pytest.fixture
def clock(tmp_path: Path) -> VirtualClock:
    return VirtualClock(tmp_path / "clock")


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def make_world(tmp_path: Path, clock: VirtualClock, faults: Faults, door: Door, tls_dir: Path) -> Callable[..., Any]:
    @asynccontextmanager
    async def make(**more: Any) -> AsyncIterator[World]:
        listener = listen()
        settings = {
            "public_url": origin(listener),
            "shopify_door_url": door.url,
            "tls_dir": tls_dir,
            "token": TOKEN,
            "app": App("client-id", "client-secret", "https://settle.example", SCOPES),
            "api_version": "2026-10",
            "session_timeout": 2.0,
            "session_waits": (0.01, 0.01),
        }
        store = Store(tmp_path / "data", clock, faults, **(settings | more))
        await store.start()
        app = Starlette(routes=[*store.routes, *store.api_routes])
        try:
            async with (
                serving(app, listener),
                httpx.AsyncClient(base_url=origin(listener), trust_env=False) as http,
            ):
                yield World(http, door)
        finally:
            await store.stop()

    return make


@pytest.fixture
async def world(make_world: Callable[..., Any]) -> AsyncIterator[World]:
    async with make_world() as world:
        yield world
