"""API Gateway, SQS' poller and EventBridge, as far as a payment needs them: what comes in calls the functions."""

import asyncio
import base64
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import boto3
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from app.sandbox.serving import serving
from app.settings import Settings
from handlers.aws.doors import LambdaDoor
from handlers.aws.jobs import answer_rings
from tests.integration.aws.conftest import Lambda

# What API Gateway's authentication holds of a client that the trust store let in; the socket has really asked for it.
CERTIFICATE = {"clientCert": {"clientCertPem": "-----BEGIN CERTIFICATE-----\n...", "subjectDN": "CN=Shopify"}}


def http_event(
    method: str,
    path: str,
    *,
    query: str = "",
    body: bytes = b"",
    authentication: Any = None,
    headers: dict[str, str] | None = None,
) -> dict[str, Any]:
    """An event of an HTTP API, payload format 2.0."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": "pay.example", "content-type": "application/json", **(headers or {})},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api",
            "authentication": authentication,
            "domainName": "pay.example",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "Shopify",
            },
            "requestId": "id",
            "routeKey": "$default",
            "stage": "$default",
            "timeEpoch": 1_795_000_000_000,
        },
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }


class Account:
    """The functions of one account, each with one container.

    `invocations` counts them: those of doors by their path, without what differs from payment to payment.
    """

    def __init__(self, queue_url: str, functions: dict[str, Lambda]) -> None:
        self.invocations: Counter[str] = Counter()
        self._queue_url = queue_url
        self._functions = functions

    async def invoke(self, name: str, call: Callable[..., Any], *arguments: Any) -> Any:
        return await self._functions[name].invoke(call, *arguments)

    async def run(self, name: str, work: Callable[..., Any], seconds: float) -> Any:
        """A schedule's call."""
        self.invocations[work.__name__] += 1
        return await self._functions[name].run(lambda system, bell: work(system, bell, seconds))

    def door(self, name: str, door: LambdaDoor, authentication: Any = None) -> ASGIApp:
        """An HTTP API before a function, as something that a server can serve."""

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            body, more = b"", True
            while more:
                message = await receive()
                body, more = body + message.get("body", b""), message.get("more_body", False)
            event = http_event(
                scope["method"],
                scope["path"],
                query=scope["query_string"].decode(),
                body=body,
                authentication=authentication,
                headers={key.decode(): value.decode() for key, value in scope["headers"]},
            )
            self.invocations["/".join(scope["path"].split("/")[:3])] += 1
            answered = await self.invoke(name, door, event, None)
            headers = [(key.encode(), value.encode()) for key, value in answered["headers"].items()]
            text = answered.get("body") or ""
            content = base64.b64decode(text) if answered.get("isBase64Encoded") else text.encode()
            await send({"type": "http.response.start", "status": answered["statusCode"], "headers": headers})
            await send({"type": "http.response.body", "body": content})

        return answer

    async def poll(self, stop: asyncio.Event) -> None:
        """Be Lambda's poller of the queue until `stop`."""
        client = boto3.client("sqs")
        while not stop.is_set():
            answer = await asyncio.to_thread(
                client.receive_message, QueueUrl=self._queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=1
            )
            if not (messages := answer.get("Messages", [])):
                continue
            event = {"Records": [{"messageId": each["MessageId"], "body": each["Body"]} for each in messages]}
            self.invocations["jobs"] += 1
            failed = await self.invoke("jobs", answer_rings, self._functions["jobs"].container, event)
            kept = {failure["itemIdentifier"] for failure in failed["batchItemFailures"]}
            for message in messages:
                if message["MessageId"] not in kept:
                    await asyncio.to_thread(
                        client.delete_message, QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"]
                    )


@asynccontextmanager
async def serving_doors(settings: Settings, public: ASGIApp, shopify: ASGIApp) -> AsyncIterator[None]:
    """Both domains: the public one, and Shopify's with mutual TLS."""
    config = uvicorn.Config(
        shopify,
        host=settings.host,
        port=settings.shopify_port,
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=1,
        ssl_certfile=settings.shopify_certificate,
        ssl_keyfile=settings.shopify_key,
        ssl_ca_certs=f"{settings.shopify_trust}/shopify-root.pem",
        ssl_cert_reqs=ssl.CERT_REQUIRED,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    listener = socket.create_server((settings.host, settings.public_port))
    await server.startup()
    running = asyncio.create_task(server.main_loop())
    try:
        async with serving(public, listener):
            yield
    finally:
        server.should_exit = True
        await running
        with suppress(OSError):
            await server.shutdown()
        listener.close()
