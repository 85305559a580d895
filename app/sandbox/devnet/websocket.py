"""The websocket of a node: connections, their subscriptions, and who is told what."""

import asyncio
import itertools
from contextlib import suppress
from typing import Any

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from app.sandbox.devnet.cluster import Landing
from app.sandbox.devnet.errors import PARSE_ERROR, RpcError, invalid_params
from app.sandbox.devnet.methods import Call
from app.sandbox.devnet.node import Node
from app.sandbox.devnet.params import Params
from app.sandbox.devnet.rpc import answer, failure
from app.sandbox.devnet.subscriptions import UNSUBSCRIBE, Subscription, has_reached, slots_told, subscribe

# A client that does not read loses its connection rather than the server its memory.
_MAX_QUEUED = 10_000
_GOING_AWAY = 1001


class Connection:
    """One client: its subscriptions by number, and what is still to be sent to it; None ends it."""

    def __init__(self) -> None:
        self.subscriptions: dict[int, Subscription] = {}
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue()

    def send(self, message: dict[str, Any]) -> None:
        if self.queue.qsize() >= _MAX_QUEUED:
            self.close()
        else:
            self.queue.put_nowait(msgspec.json.encode(message))

    def notify(self, number: int, notification: str, result: Any) -> None:
        params = {"result": result, "subscription": number}
        self.send({"jsonrpc": "2.0", "method": notification, "params": params})

    def close(self) -> None:
        self.subscriptions.clear()
        self.queue.put_nowait(None)


class WebSocketDoor:
    """The websocket endpoint of one node; a Watcher of its cluster."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._connections: set[Connection] = set()
        self._numbers = itertools.count(1)

    def close(self) -> None:
        """End all connections."""
        for connection in self._connections:
            connection.close()

    async def handle(self, socket: WebSocket) -> None:
        await socket.accept()
        connection = Connection()
        self._connections.add(connection)
        sender = asyncio.create_task(self._send(socket, connection))
        try:
            while True:
                self._receive(connection, await socket.receive_text())
        except WebSocketDisconnect:
            pass
        finally:
            self._connections.discard(connection)
            connection.close()
            await sender

    @staticmethod
    async def _send(socket: WebSocket, connection: Connection) -> None:
        # A client may be gone at any moment, with or without a farewell.
        with suppress(WebSocketDisconnect, RuntimeError):
            while (message := await connection.queue.get()) is not None:
                await socket.send_text(message.decode())
            await socket.close(_GOING_AWAY)

    def _receive(self, connection: Connection, text: str) -> None:
        try:
            body = msgspec.json.decode(text)
        except msgspec.DecodeError:
            connection.send(failure(None, RpcError(PARSE_ERROR, "Parse error")))
            return
        for request in body if isinstance(body, list) else [body]:
            self._serve(connection, request)

    def _serve(self, connection: Connection, request: Any) -> None:
        method = request.get("method") if isinstance(request, dict) else None
        if not isinstance(method, str) or not method.endswith(("Subscribe", "Unsubscribe")):
            if reply := answer(self._node, request):
                connection.send(reply)
            return
        request_id = request.get("id")
        try:
            params = Params(request.get("params"))
            if method in UNSUBSCRIBE:
                if connection.subscriptions.pop(params.integer(0), None) is None:
                    raise invalid_params("Invalid subscription id.")
                connection.send({"jsonrpc": "2.0", "result": True, "id": request_id})
                return
            subscription = subscribe(method, self._node.cluster, params)
        except RpcError as error:
            connection.send(failure(request_id, error))
            return
        if subscription is None:
            connection.send(answer(self._node, request) or {})
            return
        number = next(self._numbers)
        connection.subscriptions[number] = subscription
        connection.send({"jsonrpc": "2.0", "result": number, "id": request_id})
        self._catch_up(connection, number, subscription)

    def _catch_up(self, connection: Connection, number: int, subscription: Subscription) -> None:
        """Of a signature that landed before anybody subscribed, the client hears at once."""
        cluster = self._node.cluster
        status = cluster.ledger.status(subscription.signature) if subscription.signature else None
        if status is None or self._node.is_on("silent"):
            return
        if has_reached(cluster.view.level(status.slot), subscription.commitment):
            self._tell(connection, number, subscription, {"err": status.err})

    def landed(self, landing: Landing) -> None:
        for connection, number, subscription in self._listening():
            value = subscription.told(landing)
            if value is not None:
                self._tell(connection, number, subscription, value)

    def advanced(self, parent: int, slot: int, old_root: int, root: int) -> None:
        for connection, number, subscription in self._listening():
            if subscription.notification == "slotNotification":
                for passed in slots_told(parent, slot):
                    result = {"parent": passed - 1, "root": root, "slot": passed}
                    connection.notify(number, subscription.notification, result)
            elif subscription.notification == "rootNotification":
                for passed in slots_told(old_root, root):
                    connection.notify(number, subscription.notification, passed)

    def _listening(self) -> list[tuple[Connection, int, Subscription]]:
        if self._node.is_on("silent"):
            return []
        return [
            (connection, number, subscription)
            for connection in self._connections
            for number, subscription in connection.subscriptions.items()
        ]

    def _tell(self, connection: Connection, number: int, subscription: Subscription, value: Any) -> None:
        slot = self._node.cluster.view.slot(subscription.commitment)
        connection.notify(number, subscription.notification, Call.at(slot, value))
        if subscription.signature is not None and value != "receivedSignature":
            connection.subscriptions.pop(number, None)
