"""An operator's terminal: bash, with `settle`, and with what else stands on the machine that Settle runs on.

`settle` is the real command line, and `psql` and `curl` are what they are. The programs that act on the machine and on
the world (systemctl, solana, ...) are the test's: each is a script that asks it.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from app.embedded_postgres.binaries import find_binaries

TYPING_SECONDS = 60

_SCRIPT = f"""#!{sys.executable} -SE
import json, os, socket, sys
asked = {{"program": os.path.basename(sys.argv[0]), "arguments": sys.argv[1:], "folder": os.getcwd(),
    "environment": dict(os.environ), "input": "" if sys.stdin.isatty() else sys.stdin.read()}}
connection = socket.socket(socket.AF_UNIX)
connection.connect(os.environ["TERMINAL"])
connection.sendall(json.dumps(asked).encode() + b"\\n")
answer = json.loads(connection.makefile().readline())
print(answer["output"], end="", file=sys.stderr if answer["status"] else sys.stdout)
sys.exit(answer["status"])
"""


class CommandFailed(AssertionError):
    """What was typed ended with a status that is not 0."""


class Program(Protocol):
    """What a program of the machine does: its arguments and what it reads in, and what it prints."""

    def __call__(self, arguments: list[str], text: str) -> Awaitable[str]: ...


class CommandLine:
    """The process that `settle` is forked from."""

    def __init__(self) -> None:
        program = Path(__file__).with_name("command_line.py")
        self._process = subprocess.Popen(
            [sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            cwd=Path(__file__).parents[3], env=dict(os.environ) | {"PYTHONPATH": "."},
        )  # fmt: skip

    async def run(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(await asyncio.to_thread(self._ask, json.dumps(asked)))
        return answer

    def _ask(self, line: str) -> str:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{line}\n")
        stdin.flush()
        return stdout.readline()

    def close(self) -> None:
        self._process.communicate()


class Terminal:
    """`programs`: those of the machine, by name."""

    def __init__(self, folder: Path, command_line: CommandLine, programs: Mapping[str, Program]) -> None:
        self._folder = folder
        self._command_line = command_line
        self._programs = programs
        self._typing = asyncio.Lock()

    async def type(self, script: str, environment: Mapping[str, str]) -> str:
        """Run a script to its end; what it printed. Raises CommandFailed."""
        bin_folder, place = self._folder / "bin", self._folder / "terminal"
        bin_folder.mkdir(exist_ok=True)
        for name in ("settle", *self._programs):
            (bin_folder / name).write_text(_SCRIPT)
            (bin_folder / name).chmod(0o755)
        path = f"{bin_folder}:{find_binaries().folder}:{os.environ['PATH']}"
        asked: asyncio.Queue[tuple[dict[str, Any], asyncio.Future[dict[str, Any]]]] = asyncio.Queue()
        async with self._typing, await asyncio.start_unix_server(_pass_on(asked), place, limit=2**20):
            shell = await asyncio.create_subprocess_exec(
                *("bash", "-euo", "pipefail", "-c", script),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                cwd=self._folder,
                env=dict(environment) | {"PATH": path, "TERMINAL": str(place)},
            )
            answering = asyncio.create_task(shell.communicate())
            async with asyncio.timeout(TYPING_SECONDS):
                # Answered here and not by the server's own tasks: what is started must be ended by who started it.
                while not answering.done():
                    asking = asyncio.create_task(asked.get())
                    await asyncio.wait({asking, answering}, return_when=asyncio.FIRST_COMPLETED)
                    if asking.done():
                        question, answer = asking.result()
                        answer.set_result(await self._answer(question))
                    else:
                        asking.cancel()
        place.unlink(missing_ok=True)
        output = answering.result()[0].decode()
        if shell.returncode:
            raise CommandFailed(f"{output}\nstatus {shell.returncode} of:\n{script}")
        return output

    async def _answer(self, question: dict[str, Any]) -> dict[str, Any]:
        if question["program"] == "settle":
            return await self._command_line.run(question)
        try:
            output = await self._programs[question["program"]](question["arguments"], question["input"])
        except Exception as error:
            return {"status": 1, "output": f"{error}\n"}
        return {"status": 0, "output": output}


def _pass_on(
    asked: "asyncio.Queue[tuple[dict[str, Any], asyncio.Future[dict[str, Any]]]]",
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        await asked.put((json.loads(await reader.readline()), answer))
        writer.write(json.dumps(await answer).encode() + b"\n")
        writer.close()

    return pass_on
