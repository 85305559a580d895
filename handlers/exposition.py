"""What a scrape of the door gets: the metrics of this process, and of the others that serve the same sockets."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import generate_latest

from app.gauges import Gauges
from app.logs import get_logger
from app.system import System

# A process that is ending, or has too much to do, is left out of this scrape.
SIBLING_SECONDS = 2.0


class Exposition:
    """The metrics of this process; what lives in the database is brought up to date first."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._gauges = Gauges()

    async def own(self) -> str:
        """Of this process alone."""
        await self._gauges.refresh(self._system)
        return generate_latest().decode()

    async def text(self) -> str:
        """What a scrape gets."""
        return await self.own()


class SharedExposition(Exposition):
    """Several processes answer at one port, so each answers for all: every sample says whose it is (`process`)."""

    def __init__(self, system: System, folder: Path, number: int) -> None:
        """`folder` is shared with the other processes and nobody else; `number` is this one's place among them."""
        super().__init__(system)
        self._folder = folder
        self._number = number

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        """Answer the others while the context is open."""
        path = self._folder / str(self._number)
        # While a process takes another's place, the newer one answers.
        coming = path.with_suffix(".new")
        coming.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._answer, coming)
        coming.rename(path)
        inode = path.stat().st_ino
        try:
            yield
        finally:
            server.close()
            if path.exists() and path.stat().st_ino == inode:
                path.unlink()

    async def text(self) -> str:
        numbers = sorted(int(path.name) for path in self._folder.iterdir() if path.name.isdigit())
        texts = await asyncio.gather(*(self._ask(number) for number in numbers))
        return merge({number: text for number, text in zip(numbers, texts, strict=True) if text})

    async def _ask(self, number: int) -> str:
        if number == self._number:
            return await self.own()
        try:
            async with asyncio.timeout(SIBLING_SECONDS):
                reader, writer = await asyncio.open_unix_connection(self._folder / str(number))
                try:
                    return (await reader.read()).decode()
                finally:
                    writer.close()
        except (OSError, TimeoutError) as error:
            get_logger().warning("process_not_scraped", process=number, error=type(error).__name__)
            return ""

    async def _answer(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write((await self.own()).encode())
            await writer.drain()
        except ConnectionError:
            pass  # It did not wait for us.
        finally:
            writer.close()


def merge(texts: Mapping[int, str]) -> str:
    """Expositions of several processes as one, family by family, with the label `process` on every sample."""
    families: dict[str, tuple[list[str], list[str]]] = {}
    for number, text in texts.items():
        heads, samples = families.setdefault("", ([], []))
        for line in text.splitlines():
            if line.startswith("# HELP "):
                heads, samples = families.setdefault(line.split(" ", 3)[2], ([], []))
                heads[:] = [line]
            elif line.startswith("#"):
                heads[1:] = [line]
            elif line:
                samples.append(_label(line, number))
    return "".join(f"{line}\n" for heads, samples in families.values() for line in (*heads, *samples))


def _label(sample: str, number: int) -> str:
    name = sample[: min(index for index in (sample.find("{"), sample.find(" ")) if index >= 0)]
    rest = sample[len(name) :]
    if rest.startswith("{"):
        return f'{name}{{process="{number}",{rest[1:]}'
    return f'{name}{{process="{number}"}}{rest}'
