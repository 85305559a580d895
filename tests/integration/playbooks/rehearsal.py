"""A playbook, rehearsed: what it claims can be seen is looked for, and what it says is to be typed is typed."""

import html
import re
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from app import metrics
from app.sandbox.world import World
from app.settings import Settings
from tests.bench.ground import environment_of
from tests.box import Box, open_box_in, open_world, settings_in
from tests.integration.playbooks.keys import run_keygen, send_sol
from tests.integration.playbooks.pages import Look, read_playbook
from tests.integration.playbooks.terminal import CommandFailed, CommandLine, Program, Terminal
from tests.log_lines import catch_lines
from tests.waiting import wait_until

ALERTS = Path(__file__).parents[3] / "deploy" / "prometheus" / "alerts.yml"
SEEN_SECONDS = 30
PREFIX = "SETTLE_"

_METRIC = re.compile(r"`([^`]+)` (is|above|below|rises)(?: ([\d.]+))?")
_LINE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)


class Rehearsal:
    """One playbook in a world of its own. `changes` are the settings that differ, as text by name."""

    def __init__(
        self, name: str, world: World, outside: httpx.AsyncClient, database_url: str, terminal: Terminal, file: Path
    ) -> None:
        self.playbook = read_playbook(name)
        self.world = world
        self.outside = outside
        self.file = file
        self.changes: dict[str, str] = {}
        self.database_url = database_url
        # What the shell of the operator knows beside the settings.
        self.variables: dict[str, str] = {}
        # What else the machine runs, by name: what `systemctl` does with it.
        self.services: dict[str, Callable[[str], Awaitable[str]]] = {}
        # The currency of the orders whose code wallets scan.
        self.currency = "USD"
        self.lines: list[dict[str, Any]] = []
        self._terminal = terminal
        self._house = AsyncExitStack()
        self._box: Box | None = None
        self._before = ""
        self._looked_from = 0

    @property
    def box(self) -> Box:
        assert self._box is not None, "Settle is not running"
        return self._box

    @property
    def settings(self) -> Settings:
        return settings_in(self.world, self.database_url, **self.changes | self._read_file())

    async def start(self) -> None:
        self._box = await self._house.enter_async_context(
            open_box_in(self.world, self.outside, self.database_url, **self.changes | self._read_file())
        )

    async def stop(self) -> None:
        self._box = None
        await self._house.aclose()

    async def restart(self) -> None:
        """What `systemctl restart` does: stop, then start with the settings as they are now."""
        await self.stop()
        await self.start()

    def _read_file(self) -> dict[str, str]:
        """The file of settings, as systemd would read it; it comes before what the test set."""
        if not self.file.exists():
            return {}
        lines = [shlex.split(line)[0].partition("=") for line in self.file.read_text().splitlines() if line]
        return {variable.removeprefix(PREFIX).lower(): value for variable, _, value in lines}

    async def begin(self) -> None:
        """From here on something is new: logs before it do not count, and what rises, rises from here."""
        self._looked_from = len(self.lines)
        self._before = await self._read("/metrics") if self._box is not None else ""

    async def shows(self) -> None:
        """See what the playbook says that the trouble shows."""
        await self._look_for("How it shows")

    async def type(self, case: str = "") -> str:
        """Type what the playbook says; what was printed."""
        await self.begin()
        return await self._type(self.playbook.cases[case])

    async def is_over(self) -> None:
        """See what the playbook says that its end shows."""
        await self._look_for("How to see it is over")

    async def _type(self, script: str) -> str:
        return await self._terminal.type(script, environment_of(self.settings) | self.variables)

    async def sees(self, place: str, says: str) -> None:
        """See one thing more than the playbook tells."""
        await self._wait_for(Look(place, says), {})

    async def _look_for(self, heading: str) -> None:
        # What a command printed a moment ago is not asked for again.
        printed: dict[str, str] = {}
        for look in self.playbook.looks(heading):
            await self._wait_for(look, printed)

    async def _wait_for(self, look: Look, printed: dict[str, str]) -> None:
        found = ""
        if look.says.strip("`") in printed.get(look.place, ""):
            return

        async def is_seen() -> bool:
            nonlocal found
            found = await self._look_at(look.place)
            return self._holds(look.says, found) if look.place == "metric" else look.says.strip("`") in found

        try:
            await wait_until(is_seen, SEEN_SECONDS, f"{self.playbook.name}: {look.place} says {look.says}")
        except AssertionError as error:
            error.add_note(f"It says: {found[-3000:]}")
            raise
        if look.place.startswith("`settle "):
            printed[look.place] = found

    async def _look_at(self, place: str) -> str:
        """What is to be seen there now."""
        if place.startswith("`settle "):
            try:
                return await self._type(place.strip("`"))
            except CommandFailed as failed:
                return str(failed)
        match place:
            case "log":
                return " ".join(line["action"] for line in self.lines[self._looked_from :])
            case "metric":
                return await self._read("/metrics")
            case "`/ready`":
                return await self._read("/ready")
            case "portal, Attention":
                async with self.box.house.portal() as portal:
                    return html.unescape((await portal.get("/portal/attention")).text)
            case "alert":
                # That it fires is proved where the alerts are.
                return ALERTS.read_text()
            case "a wallet":
                return await self._scan()
            case _:
                raise AssertionError(f"nobody knows how to look at {place}")

    async def _read(self, path: str) -> str:
        return (await self.box.house.public.get(path)).text

    async def _scan(self) -> str:
        """What a wallet with money is told that scans the code of a new order."""
        checkout, wallet = await self.box.checkout(currency=self.currency), await self.box.wallet()
        path = f"/transactions/payment/{checkout['payment']}"
        answer = await self.box.house.public.post(path, json={"account": wallet})
        reason: str = "a transaction" if answer.status_code == 200 else answer.json()["reason"]
        return reason

    def _holds(self, says: str, shown: str) -> bool:
        match = _METRIC.fullmatch(says)
        assert match is not None, says
        series, relation, figure = match.groups()
        value, before = _sum(shown, series), _sum(self._before, series) or 0
        if value is None:
            return False
        bound = float(figure or 0)
        return {"is": value == bound, "above": value > bound, "below": value < bound, "rises": value > before}[relation]


def _sum(metrics: str, series: str) -> float | None:
    """The sum of the series that have at least these labels; None when there is none."""
    name, _, labels = series.rstrip("}").partition("{")
    wanted = set(filter(None, labels.split(",")))
    values = [
        float(value)
        for found, given, value in _LINE.findall(metrics)
        if found == name and wanted <= set((given or "").split(","))
    ]
    return sum(values) if values else None


@asynccontextmanager
async def rehearse(
    name: str,
    database_url: str,
    folder: Path,
    command_line: CommandLine,
    **changes: Any,
) -> AsyncIterator[Rehearsal]:
    """Open the world and Settle in it; at the end, Settle's books must be in order."""
    play: Rehearsal
    # What other tests of this process saw of nodes of theirs.
    metrics.node_well.clear()

    async def change_settings(_arguments: list[str], text: str) -> str:
        with play.file.open("a") as file:
            for line in text.splitlines():
                variable, _, value = line.partition("=")
                file.write(f"{variable}={shlex.quote(value)}\n")
        return ""

    async def systemctl(arguments: list[str], _text: str) -> str:
        verb, unit = arguments
        if unit in play.services:
            return await play.services[unit](verb)
        assert (verb, unit) == ("restart", "settle-*")
        await play.restart()
        return ""

    file = folder / "settle.env"
    given: dict[str, Program] = {
        "change-settings": change_settings,
        "systemctl": systemctl,
        "solana-keygen": run_keygen,
    }
    async with open_world(folder / "world", slot_ms=100) as (world, outside):
        given["solana"] = partial(send_sol, world)
        play = Rehearsal(name, world, outside, database_url, Terminal(folder, command_line, given), file)
        play.changes = {setting: str(value) for setting, value in changes.items()}
        with catch_lines() as lines:
            play.lines = lines
            await play.start()
            try:
                await play.begin()
                yield play
                assert await play.box.violations() == []
            finally:
                await play.stop()
