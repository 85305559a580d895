"""Serving an application of the world on a socket, with connections that faults can close."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import uvicorn
from starlette.types import ASGIApp

from app.sandbox.transport import HttpProtocol, WebSocketProtocol


@contextlib.asynccontextmanager
async def serving(app: ASGIApp, listener: socket.socket) -> AsyncIterator[asyncio.Task[None]]:
    """Serve on a bound socket while the block runs. The task ends early only when the server fails."""
    config = uvicorn.Config(
        app,
        http=HttpProtocol,
        ws=WebSocketProtocol,
        loop="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
        # As long as nginx keeps them: a client that uses a connection again should rarely find it closed.
        timeout_keep_alive=75,
    )
    config.load()
    # What is accepted inherits it. asyncio would set it only on sockets that were made with the protocol's number, and
    # without it every answer of two parts waits 40 ms for the other side's acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # Its own `serve` would take the process's signals, which are the command's: that stops the parts in order.
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup([listener])
    task = asyncio.create_task(server.main_loop())
    try:
        yield task
    finally:
        server.should_exit = True
        await task
        await server.shutdown([listener])
