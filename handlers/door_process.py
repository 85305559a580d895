"""One of the processes that serve the same sockets; `settle serve --workers` starts it, never a person."""

import asyncio
import os
import socket
import sys
from pathlib import Path

import msgspec

from app.logs import get_logger
from app.settings import load
from app.system import System
from handlers.exposition import SharedExposition
from handlers.listeners import Listeners
from handlers.running import run_command, run_until_stopped
from handlers.serving import serve

OPEN = b"open"


class Inheritance(msgspec.Struct, frozen=True):
    """What the parent gives it: descriptors of both doors' sockets and of the line to the parent, and its place."""

    public: list[int]
    shopify: list[int]
    line: int
    number: int
    folder: str

    @property
    def descriptors(self) -> list[int]:
        return [*self.public, *self.shopify, self.line]


def main() -> None:
    """Serve until SIGTERM, or until the parent is gone."""
    inheritance = msgspec.json.decode(sys.argv[1], type=Inheritance)
    settings = load()

    async def part(system: System, stop: asyncio.Event) -> None:
        listeners = Listeners.inherit(inheritance.public, inheritance.shopify)
        exposition = SharedExposition(system, Path(inheritance.folder), inheritance.number)
        line = socket.socket(fileno=inheritance.line)
        line.setblocking(False)
        # Who keeps the sockets is gone, so nobody else will tell us to stop.
        orphaned = asyncio.create_task(_await_end(line, stop))
        try:
            async with exposition.shared():
                await serve(system, stop, listeners, exposition, lambda: line.send(OPEN))
        finally:
            orphaned.cancel()
            line.close()

    run_until_stopped(settings, "serve", part)


async def _await_end(line: socket.socket, stop: asyncio.Event) -> None:
    while await asyncio.get_running_loop().sock_recv(line, 16):
        pass
    get_logger().error("parent_gone", process=os.getpid())
    stop.set()


if __name__ == "__main__":
    run_command(main)
