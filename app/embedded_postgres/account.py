"""The unprivileged account that runs the server: PostgreSQL refuses to run as root."""

import ctypes
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import IO

from app.embedded_postgres.errors import PostgresError

PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000
# Nothing of our own environment reaches the server: PG* variables and locales would change what it does.
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}

libc = ctypes.CDLL(None, use_errno=True)


class Way(Enum):
    """How a child comes to run under the account."""

    # We are not root: the child is ourselves.
    SELF = "self"
    # We are root: the child gives up root for the account.
    SWITCH = "switch"
    # We are root only inside a user namespace that knows no other account: the child maps itself to one.
    MAP = "map"


@dataclass(frozen=True)
class Account:
    """Who runs the server, and owns its data directory and socket."""

    uid: int
    gid: int
    way: Way

    def may_enter(self, directory: Path) -> bool:
        """Whether the account can pass through this directory and everything above it."""
        if self.way is not Way.SWITCH:
            return os.access(directory, os.X_OK)
        return self.spawn(["test", "-x", str(directory)], signal.SIGKILL).wait() == 0

    def make_directory(self, directory: Path) -> None:
        """Make a directory that only the account may enter, or give an existing one that owner and mode."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.way is Way.SWITCH:
            os.chown(directory, self.uid, self.gid)
        directory.chmod(0o700)

    def spawn(
        self,
        command: Sequence[str],
        death_signal: signal.Signals,
        *,
        stdin: int = subprocess.DEVNULL,
        output: int | IO[bytes] = subprocess.DEVNULL,
        keep: Sequence[int] = (),
    ) -> subprocess.Popen[bytes]:
        """Start a child under the account that gets `death_signal` when the calling thread ends, however it ends.

        `keep` are descriptors the child inherits. Raises OSError or subprocess.SubprocessError.
        """
        switch = self.way is Way.SWITCH
        return subprocess.Popen(
            command,
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=ENVIRONMENT,
            umask=0o077,
            pass_fds=keep,
            # Ctrl-C in the terminal is for us alone: we stop the server when our own work is done.
            start_new_session=True,
            user=self.uid if switch else None,
            group=self.gid if switch else None,
            extra_groups=[] if switch else None,
            # Between fork and exec only system calls are made, so other threads cannot matter.
            preexec_fn=self._before_exec(death_signal),  # noqa: PLW1509
        )

    def _before_exec(self, death_signal: signal.Signals) -> Callable[[], None]:
        parent, root_uid, root_gid = os.getpid(), os.geteuid(), os.getegid()

        def prepare() -> None:
            if self.way is Way.MAP:
                if libc.unshare(CLONE_NEWUSER) != 0:
                    raise OSError(ctypes.get_errno(), "unshare")
                Path("/proc/self/setgroups").write_text("deny")
                Path("/proc/self/uid_map").write_text(f"{self.uid} {root_uid} 1")
                Path("/proc/self/gid_map").write_text(f"{self.gid} {root_gid} 1")
            # After every change of identity: each of them clears the signal.
            libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

        return prepare


def choose_account(data: Path) -> Account:
    """The account for this data directory: its owner when it exists, ourselves, or `nobody` when we are root.

    Raises PostgresError where the data belongs to somebody else, or where this system is not Linux.
    """
    if sys.platform != "linux":
        raise PostgresError("The embedded PostgreSQL needs Linux; elsewhere set SETTLE_DATABASE_URL to a server.")
    owner = data.stat() if data.exists() else None
    if os.geteuid() != 0:
        if owner and owner.st_uid != os.geteuid():
            raise PostgresError(
                f"{data} belongs to another user (uid {owner.st_uid}): start as that user or as root, "
                "or choose another data directory."
            )
        return Account(os.geteuid(), os.getegid(), Way.SELF)
    if owner and owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid, Way.SWITCH)
    nobody = pwd.getpwnam("nobody")
    account = Account(nobody.pw_uid, nobody.pw_gid, Way.SWITCH)
    return account if _can_switch(account) else Account(nobody.pw_uid, nobody.pw_gid, Way.MAP)


def _can_switch(account: Account) -> bool:
    try:
        return account.spawn(["true"], signal.SIGKILL).wait() == 0
    except (OSError, subprocess.SubprocessError):
        return False
