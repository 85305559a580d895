"""Pauses that end early."""

import asyncio


async def pause(seconds: float, *until: asyncio.Event) -> None:
    """Wait for so long, but no longer than until one of the events is set."""
    waits = [asyncio.create_task(event.wait()) for event in until]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
