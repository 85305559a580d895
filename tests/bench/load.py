"""A load generator, as a process of its own: Shopify's requests over keep-alive connections.

Run with the sandbox's tls folder as argument for payment sessions with mutual TLS, with that folder and a file of paid
payments (Shopify's ids, a line each) for their refund sessions, or with `--webhooks` for webhooks over plain HTTP;
reads lines {"port","connections","seconds"} and answers each with
{"rate","p50_ms","p99_ms","failed","cpu"}: requests a second, and the share of one processor that it took itself.
"""

import asyncio
import json
import ssl
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self, cast

import uvloop

from tests.house import SHOP, VERSION, client_context, session_body
from tests.integration.install.test_webhooks import signature

WEBHOOK_PATH = "/webhooks/shopify/customers/redact"
# Stands for a session's 24 characters; a group has 44.
_ID = "i" * 24
# Stands for one payment after the other.
_PAYMENT = "payment" * 3


class Requests:
    """Requests ready to send, each with an id of its own."""

    def __init__(self, text: str, start: int, payments: Sequence[str] = ()) -> None:
        self._parts = [part.encode() for part in text.split(_ID)]
        self._next = start
        self._payments = [payment.encode() for payment in payments]

    @classmethod
    def sessions(cls, start: int) -> Self:
        """Payment sessions, each with a group of its own, about as large as Shopify's."""
        address = {"given_name": "Alex", "family_name": "Doe", "line1": "123 Street", "line2": "Suite B"}
        address |= {"city": "Montreal", "postal_code": "H2Z 0B3", "province": "Quebec", "country_code": "CA"}
        body = session_body(
            id=_ID,
            gid=f"gid://shopify/PaymentSession/{_ID}",
            group="g" * 20 + _ID,
            customer={"email": "buyer@example.com", "phone_number": "5555555555", "locale": "fr"}
            | {"billing_address": address, "shipping_address": address},
        )
        content = json.dumps(body)
        head = (
            "POST /shopify/payment HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Shopify-Shop-Domain: {SHOP}\r\nShopify-Request-Id: 5c5b1a6c-c2f4-4b3f-9f5d-1a6c5c5b1a6c\r\n"
            f"Shopify-Api-Version: {VERSION}\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        return cls(head + content, start)

    @classmethod
    def refunds(cls, start: int, payments: Sequence[str]) -> Self:
        """Refund sessions of a cent, of one payment after the other, whose ids are of one length."""
        content = json.dumps(
            {
                "id": _ID,
                "gid": f"gid://shopify/RefundSession/{_ID}",
                "payment_id": _PAYMENT,
                "amount": "0.01",
                "currency": "USD",
                "test": False,
                "merchant_locale": "en",
                "proposed_at": "2026-11-20T12:00:00Z",
            }
        )
        length = len(content) - len(_PAYMENT) + len(payments[0])
        head = (
            "POST /shopify/refund HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Shopify-Shop-Domain: {SHOP}\r\nShopify-Request-Id: 5c5b1a6c-c2f4-4b3f-9f5d-1a6c5c5b1a6c\r\n"
            f"Shopify-Api-Version: {VERSION}\r\nContent-Length: {length}\r\n\r\n"
        )
        return cls(head + content, start, payments)

    @classmethod
    def webhooks(cls, start: int) -> Self:
        """Webhooks about a customer, signed as the tests' Shopify does."""
        content = json.dumps(
            {
                "shop_id": 954889,
                "shop_domain": SHOP,
                "customer": {"id": 191167, "email": "buyer@example.com", "phone": "555-625-1199"},
                "orders_to_redact": [299938, 280263, 220458],
            }
        )
        head = (
            f"POST {WEBHOOK_PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"X-Shopify-Topic: customers/redact\r\nX-Shopify-Hmac-Sha256: {signature(content.encode())}\r\n"
            f"X-Shopify-Shop-Domain: {SHOP}\r\nX-Shopify-API-Version: {VERSION}\r\n"
            f"X-Shopify-Webhook-Id: {_ID}\r\nX-Shopify-Triggered-At: 2026-11-20T10:00:00.123Z\r\n"
            f"X-Shopify-Event-Id: 98880550-7158-44d4-b7cd-2c97c8a091b5\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        return cls(head + content, start)

    def next(self) -> bytes:
        self._next += 1
        request = (b"%024d" % self._next).join(self._parts)
        if self._payments:
            request = request.replace(_PAYMENT.encode(), self._payments[self._next % len(self._payments)])
        return request


class Connection(asyncio.Protocol):
    """Sends the next request as soon as the answer to the last one is complete, until its time is over."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._began = 0.0
        self._until = 0.0
        self.took: list[float] = []
        self.failed = 0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def run(self, until: float) -> None:
        self._until = until
        self._send()

    def _send(self) -> None:
        assert self._transport is not None
        self._began = time.perf_counter()
        self._transport.write(self._requests.next())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        now = time.perf_counter()
        self._buffer = b""
        self.took.append(now - self._began)
        if head[9:12] not in (b"200", b"201"):
            self.failed += 1
        if now >= self._until:
            self.close()
        else:
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.failed += 1
            self.done.set_result(None)

    def close(self) -> None:
        if not self.done.done():
            self.done.set_result(None)
        if self._transport is not None:
            self._transport.close()


async def run_load(requests: Requests, context: ssl.SSLContext | None, order: dict[str, Any]) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    connections = []
    name = "127.0.0.1" if context else None
    for _ in range(order["connections"]):
        _, protocol = await loop.create_connection(
            lambda: Connection(requests), "127.0.0.1", order["port"], ssl=context, server_hostname=name
        )
        connections.append(protocol)
    began, cpu = time.perf_counter(), time.process_time()
    for connection in connections:
        connection.run(began + order["seconds"])
    await asyncio.gather(*(connection.done for connection in connections))
    lasted, used = time.perf_counter() - began, time.process_time() - cpu
    took = sorted(second for connection in connections for second in connection.took)
    return {
        "rate": len(took) / lasted,
        "requests": len(took),
        "p50_ms": took[len(took) // 2] * 1000,
        "p99_ms": took[len(took) * 99 // 100] * 1000,
        "failed": sum(connection.failed for connection in connections),
        "cpu": used / lasted,
    }


def main() -> None:
    context, start = None, time.time_ns() // 1000
    if sys.argv[1] == "--webhooks":
        requests = Requests.webhooks(start)
    else:
        tls = Path(sys.argv[1])
        context = client_context(tls, tls / "shopify-client.crt", tls / "shopify-client.key")
        requests = (
            Requests.refunds(start, Path(sys.argv[2]).read_text().split()) if sys.argv[2:] else Requests.sessions(start)
        )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for line in sys.stdin:
            print(json.dumps(runner.run(run_load(requests, context, json.loads(line)))), flush=True)


if __name__ == "__main__":
    main()
