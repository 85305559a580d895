"""Telling systemd how we are (sd_notify(3)); without it nothing is said, and nothing is missed."""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress

VARIABLE = "NOTIFY_SOCKET"
READY, RELOADING, STOPPING = "READY=1", "RELOADING=1", "STOPPING=1"


def notify(state: str, environment: Mapping[str, str] = os.environ) -> None:
    """Tell the service manager, if there is one that listens."""
    address = environment.get(VARIABLE, "")
    if not address:
        return
    # An address that begins with @ is none of the file system's.
    place = f"\0{address[1:]}" if address.startswith("@") else address
    # A manager that is gone or deaf must not end a process that works.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
        line.sendto(state.encode(), place)
