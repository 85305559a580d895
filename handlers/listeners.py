"""The sockets that the doors listen on: opened here, or kept by whoever started us and handed over."""

import errno
import os
import socket
from collections.abc import Iterable, Mapping, MutableMapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Self

from app.errors import SettleError
from app.settings import Settings

BACKLOG = 2048
# systemd hands its sockets over from this descriptor on (sd_listen_fds(3)).
FIRST_HANDED_OVER = 3
VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


class DoorTaken(SettleError):
    """The port {port} can not be listened on: {problem}."""

    reason = "door_taken"
    status = 500


class ListenersInvalid(SettleError):
    """The sockets that were handed over can not be used: {problem}."""

    reason = "listeners_invalid"
    status = 500


@dataclass(frozen=True)
class Listeners:
    """The sockets of each door. `kept`: they stay open when we end, so that nobody is refused meanwhile."""

    public: tuple[socket.socket, ...]
    shopify: tuple[socket.socket, ...]
    kept: bool

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Bind both ports; nobody is let in before somebody listens. Raises DoorTaken."""
        with ExitStack() as stack:
            public, shopify = (
                tuple(stack.enter_context(bound) for bound in bind(settings.host, port))
                for port in (settings.public_port, settings.shopify_port)
            )
            stack.pop_all()
        return cls(public, shopify, kept=False)

    @classmethod
    def inherit(cls, public: Iterable[int], shopify: Iterable[int]) -> Self:
        """Take over sockets by their descriptors. Raises ListenersInvalid."""
        return cls(tuple(map(_inherit, public)), tuple(map(_inherit, shopify)), kept=True)

    @classmethod
    def obtain(cls, settings: Settings, environment: MutableMapping[str, str] = os.environ) -> Self:
        """What systemd hands over, else what the settings say. Raises DoorTaken or ListenersInvalid."""
        handed_over = _handed_over(environment)
        # They are ours: a process that we start must not take them for its own.
        for name in VARIABLES:
            environment.pop(name, None)
        if handed_over is None:
            return cls.open(settings)
        for name in ("public", "shopify"):
            if not handed_over.get(name):
                raise ListenersInvalid(problem=f"none is named {name} (FileDescriptorName={name})")
        return cls.inherit(handed_over["public"], handed_over["shopify"])

    def listen(self) -> None:
        """Let connections queue from now on, whenever they will be accepted."""
        for listener in (*self.public, *self.shopify):
            listener.listen(BACKLOG)

    def close(self) -> None:
        for listener in (*self.public, *self.shopify):
            listener.close()


def _handed_over(environment: Mapping[str, str]) -> dict[str, list[int]] | None:
    """Descriptors by name, when systemd has handed any over to this very process."""
    if environment.get("LISTEN_PID") != str(os.getpid()):
        return None
    count = int(environment.get("LISTEN_FDS", "0"))
    names = environment.get("LISTEN_FDNAMES", "").split(":")
    if count != len(names):
        raise ListenersInvalid(problem=f"{count} sockets have the names {':'.join(names)}")
    found: dict[str, list[int]] = {}
    for number, name in enumerate(names, FIRST_HANDED_OVER):
        found.setdefault(name, []).append(number)
    if strange := sorted(found.keys() - {"public", "shopify"}):
        raise ListenersInvalid(problem=f"no door has the name {strange[0]}")
    return found


def _inherit(descriptor: int) -> socket.socket:
    try:
        found = socket.socket(fileno=descriptor)
    except OSError as error:
        raise ListenersInvalid(problem=f"descriptor {descriptor}: {error.strerror}") from None
    if found.type != socket.SOCK_STREAM or not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        found.close()
        raise ListenersInvalid(problem=f"descriptor {descriptor} does not listen for connections")
    found.set_inheritable(False)
    return found


def bind(host: str, port: int) -> Iterable[socket.socket]:
    """A socket for every address of the host, bound to the port. Raises DoorTaken."""
    try:
        addresses = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in dict.fromkeys(addresses):
            bound = socket.socket(family, kind, protocol)
            try:
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                bound.bind(address)
            except BaseException:
                bound.close()
                raise
            yield bound
    except OSError as error:
        raise DoorTaken(port=port, problem=_explain(host, error)) from None


def _explain(host: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another process is there"
    return f"{host or 'this machine'}: {error.strerror}"
