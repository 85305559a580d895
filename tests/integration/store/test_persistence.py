"""The store's books outlive its process."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.sandbox.store.books import Books
from tests.integration.store.harness import REJECT, RESOLVE

ROOT = Path(__file__).parents[3]
WRITER = """
import sys
from pathlib import Path
from app.sandbox.store.books import Books

books = Books(Path(sys.argv[1]))
number = 0
while True:
    number += 1
    with books.transaction():
        books.raise_alarm("s", f"one {number}", "now")
        books.raise_alarm("s", f"two {number}", "now")
    print(number, flush=True)
"""


async def test_a_new_store_on_the_same_data_continues_where_the_old_one_stopped(
    make_world: Callable[..., Any],
) -> None:
    async with make_world() as world:
        open_one, resolved, rejected = await world.open(), await world.open(), await world.open()
        first = await world.ask(RESOLVE, {"id": resolved["gid"]})
        reason = {"code": "PROCESSING_ERROR"}
        await world.ask(REJECT, {"id": rejected["gid"], "reason": reason})
        before = [await world.show(checkout) for checkout in (open_one, resolved, rejected)]
    # The thank-you page's origin is kept from the time of the answer; a second store may stand on another port.
    async with make_world() as world:
        assert [await world.show(checkout) for checkout in (open_one, resolved, rejected)] == before
        again = await world.ask(RESOLVE, {"id": resolved["gid"]})
        assert again["data"] == first["data"]
        conflict = await world.ask(RESOLVE, {"id": rejected["gid"]})
        assert conflict["data"]["paymentSessionResolve"]["userErrors"]
        resent = await world.http.post(f"/sandbox/checkouts/{open_one['id']}/resend")
        assert resent.json() == open_one
        next_one = await world.open()
        await world.ask(RESOLVE, {"id": next_one["gid"]})
        assert (await world.show(next_one))["order"]["number"] == 1002


def test_a_kill_leaves_whole_transactions_only(tmp_path: Path) -> None:
    path = tmp_path / "books.sqlite3"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert writer.stdout
    seen = 0
    while seen < 200:
        seen = int(writer.stdout.readline())
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    rest = writer.stdout.read().split("\n")
    writer.stdout.close()
    seen = max([seen, *(int(line) for line in rest[:-1])])
    books = Books(path)
    alarms = books.alarms("s")
    books.close()
    assert len(alarms) % 2 == 0
    assert len(alarms) // 2 >= seen
