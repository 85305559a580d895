"""Every limit of the doors is a setting, and holds."""

import asyncio
import socket
import ssl
import time
from pathlib import Path

import pytest

from handlers.listeners import DoorTaken
from tests.house import House, client_context, make_settings, open_house, session_body
from tests.waiting import wait_until


async def _page_of(house: House) -> str:
    return (await house.post_session(session_body())).json()["redirect_url"]  # type: ignore[no-any-return]


async def test_more_streams_than_the_limit_are_told_to_poll(database_url: str, tmp_path: Path) -> None:
    async with open_house(make_settings(database_url, tmp_path, page_streams_max=1)) as house:
        page = await _page_of(house)
        async with house.public.stream("GET", f"{page}/events") as stream:
            lines = stream.aiter_lines()
            assert (await anext(lines)).startswith("event: status")
            refused = await house.public.get(f"{page}/events")
            assert refused.status_code == 503

        async def is_free() -> bool:
            async with house.public.stream("GET", f"{page}/events") as stream:
                return stream.status_code == 200

        await wait_until(is_free, what="the place is free again")


async def test_a_stream_ends_after_its_time(database_url: str, tmp_path: Path) -> None:
    async with open_house(make_settings(database_url, tmp_path, page_stream_seconds=1)) as house:
        page = await _page_of(house)
        began = time.monotonic()
        async with house.public.stream("GET", f"{page}/events") as stream:
            await asyncio.wait_for(stream.aread(), 30)
        assert time.monotonic() - began >= 1


async def test_a_body_that_does_not_arrive_is_not_waited_for(database_url: str, tmp_path: Path) -> None:
    async with open_house(make_settings(database_url, tmp_path, request_timeout_seconds=1)) as house:
        reader, writer = await _knock(house)
        writer.write(
            b"POST /shopify/payment HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
            b"Shopify-Shop-Domain: sandbox.myshopify.com\r\nShopify-Api-Version: 2026-10\r\n\r\n{"
        )
        status = await asyncio.wait_for(reader.readline(), 10)
        assert b"408" in status
        writer.close()


async def test_a_body_of_unknown_length_is_read_no_further_than_the_limit(database_url: str, tmp_path: Path) -> None:
    async with open_house(make_settings(database_url, tmp_path, body_limit_bytes=1024)) as house:

        async def endless() -> object:
            for _ in range(10):
                yield b"x" * 1024

        answer = await house.shopify.post(
            "/shopify/payment",
            content=endless(),  # type: ignore[arg-type]
            headers={"Shopify-Shop-Domain": "sandbox.myshopify.com", "Shopify-Api-Version": "2026-10"},
        )
        assert answer.status_code == 413


async def _knock(house: House) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    tls = Path(house.settings.shopify_trust).parent
    context: ssl.SSLContext = client_context(tls, tls / "shopify-client.crt", tls / "shopify-client.key")
    return await asyncio.open_connection("127.0.0.1", house.settings.shopify_port, ssl=context)


@pytest.mark.parametrize("port", ["public_port", "shopify_port"])
async def test_a_taken_port_is_said_in_words(database_url: str, tmp_path: Path, port: str) -> None:
    settings = make_settings(database_url, tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", getattr(settings, port)))
        with pytest.raises(DoorTaken, match=f"port {getattr(settings, port)}"):
            async with open_house(settings):
                pass
