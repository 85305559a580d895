"""A node that answers what the test says, over a real socket."""

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, str], bytes]


def result(value: Any) -> Answer:
    return 200, {}, json.dumps({"jsonrpc": "2.0", "id": "1", "result": value}).encode()


def in_context(slot: int, value: Any) -> Answer:
    return result({"context": {"slot": slot, "apiVersion": "9.9"}, "value": value})


def error(code: int, message: str = "no", **more: Any) -> Answer:
    return (
        200,
        {},
        json.dumps({"jsonrpc": "2.0", "id": "1", "error": {"code": code, "message": message} | more}).encode(),
    )


class RpcServer:
    """`answers[method]` is an answer, or a function of the params that gives one. `calls` are (method, params)."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer | Callable[[Any], Answer]] = {}
        self.calls: list[tuple[str, Any]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                question = json.loads(self.rfile.read(int(self.headers["content-length"])))
                params = question.get("params")
                server.calls.append((question["method"], params))
                answer = server.answers[question["method"]]
                status, headers, body = answer(params) if callable(answer) else answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                with suppress(ConnectionError):  # the asker may be gone
                    self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}/?api-key=VERYSECRET"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def methods(self) -> list[str]:
        return [method for method, _ in self.calls]

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
