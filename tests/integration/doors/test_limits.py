"""Every limit of the doors is a setting, and holds."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Callable
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


async def test_a_head_that_is_too_large_or_does_not_end_closes_the_connection(
    database_url: str, tmp_path: Path
) -> None:
    settings = make_settings(database_url, tmp_path, head_limit_bytes=4_096, head_timeout_seconds=1)
    async with open_house(settings) as house:
        for endless in (header_lines, one_header):
            assert await _send_for_ever(house, b"GET /health HTTP/1.1\r\nHost: x\r\n", endless) < MUCH
        reader, writer = await asyncio.open_connection("127.0.0.1", settings.public_port)
        writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n")
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()


@pytest.mark.parametrize("path", ["/webhooks/persona", "/health"])
async def test_what_comes_after_a_body_or_beside_it_is_not_kept(database_url: str, tmp_path: Path, path: str) -> None:
    settings = make_settings(database_url, tmp_path, head_limit_bytes=4_096, head_timeout_seconds=1)
    chunked = f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    async with open_house(settings) as house:
        for begin, endless in (
            (chunked + b"0\r\n", header_lines),
            (chunked + b"0\r\n", one_header),
            (chunked + b"1;", one_header),
        ):
            assert await _send_for_ever(house, begin, endless) < MUCH


async def test_the_rest_of_a_body_is_not_listened_to_for_ever_after_the_answer(
    database_url: str, tmp_path: Path
) -> None:
    async with open_house(make_settings(database_url, tmp_path, head_timeout_seconds=1)) as house:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.settings.public_port)
        writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")

        async def drip() -> None:
            with contextlib.suppress(ConnectionError):
                while True:
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(0.1)

        dripping = asyncio.create_task(drip())
        with contextlib.suppress(ConnectionError):
            assert b"200" in (await asyncio.wait_for(reader.read(), 10)).split(b"\r\n")[0]
        dripping.cancel()
        writer.close()


async def test_a_trailer_is_no_header(house: House) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", house.settings.public_port)
    page = (await _page_of(house)).removeprefix(house.settings.public_url)
    writer.write(
        f"POST {page}/renew HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
        "Accept: application/json\r\nShopify-Request-Id: spoofed\r\n\r\n"
        "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    )
    answers = await asyncio.wait_for(reader.read(), 10)
    # Both are answered: a trailer harms nobody.
    assert answers.count(b"HTTP/1.1 ") == 2
    writer.close()


# Far more than the limit, and what one read of a socket and its buffers take.
MUCH = 20_000_000


def header_lines() -> bytes:
    return b"x-name: value\r\n" * 1_000


def one_header() -> bytes:
    return b"x" * 10_000


async def _send_for_ever(house: House, begin: bytes, endless: Callable[[], bytes]) -> int:
    """How many bytes could be sent until the door closed the connection; at most MUCH."""
    _, writer = await asyncio.open_connection("127.0.0.1", house.settings.public_port)
    writer.write(begin + (b"x-first: " if endless is one_header else b""))
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent < MUCH:
            writer.write(endless())
            await writer.drain()
            sent += len(endless())
    writer.close()
    return sent


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
