"""Running the Node scripts of this folder with the packages that `make setup` put into .node."""

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
# Bare names of modules are resolved from the working folder, since the script comes over standard input.
PACKAGES = Path(os.environ.get("SETTLE_NODE_FOLDER", ROOT / ".node"))


async def run_node(script: str, *arguments: str, seconds: float = 60) -> dict[str, Any]:
    """What a script printed. A missing Node, missing packages or a failing script fail the test."""
    node = shutil.which("node")
    if node is None or not (PACKAGES / "node_modules" / "@solana").is_dir():
        pytest.fail(f"Node.js 20 and the packages in {PACKAGES} are needed: run `make setup`.", pytrace=False)
    process = await asyncio.create_subprocess_exec(
        node,
        "--input-type=module",
        "-",
        *arguments,
        cwd=PACKAGES,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate((HERE / script).read_bytes()), seconds)
    except TimeoutError:
        process.kill()
        await process.wait()
        pytest.fail(f"{script} did not end within {seconds} s")
    assert process.returncode == 0, f"{script}: {err.decode()[-4000:]}"
    answer: dict[str, Any] = json.loads(out.decode().splitlines()[-1])
    return answer


def secret_of(key: bytes) -> str:
    """A secret key as the scripts read it."""
    return json.dumps(list(key))
