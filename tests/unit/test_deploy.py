"""What units, Dockerfile, compose.yaml and dashboard name exists: commands, options, settings, files, metrics."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from app.settings.every import names, variable
from handlers.cli import cli
from scripts.draw_docs import read_metrics

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "deploy" / "systemd").iterdir())
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "dashboards" / "settle.json").read_text())
PROMETHEUS = ROOT / "deploy" / "prometheus" / "prometheus.yml"
# What the operator puts there (docs/one-machine.md).
SECRETS = "deploy/secrets"


def check_command(words: list[str]) -> None:
    """It is a command of ours, with options that it has."""
    group: Any = typer.main.get_command(cli)
    command = group.commands[words[0]]
    command.make_context(words[0], list(words[1:]), resilient_parsing=True)
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


@pytest.mark.parametrize(
    "text", [*(unit.read_text() for unit in SERVICES), DOCKERFILE, (ROOT / "compose.yaml").read_text()]
)
def test_every_setting_that_is_named_exists(text: str) -> None:
    assert set(re.findall(r"\bSETTLE_[A-Z_]+\b", text)) <= {variable(name) for name in names()}


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_a_unit_runs_a_command_of_ours_and_can_write_nowhere(unit: Path) -> None:
    text = unit.read_text()
    [started] = re.findall(r"^ExecStart=\S+/python -P -m handlers\.cli (.*)$", text, re.MULTILINE)
    check_command(started.split())
    for guard in (
        "ProtectSystem=strict",
        "NoNewPrivileges=true",
        "CapabilityBoundingSet=\n",
        "LoadCredential=fee-payer:",
    ):
        assert guard in text


def test_systemd_understands_the_units(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    assert program, "no systemd-analyze: install Debian's package systemd"
    for unit in UNITS:
        text = unit.read_text().replace("/opt/settle/current", str(ROOT))
        (tmp_path / unit.name).write_text(text)
    files = [str(tmp_path / unit.name.replace("@.", "@1.")) for unit in UNITS]
    (tmp_path / "settle-worker@1.service").write_text((tmp_path / "settle-worker@.service").read_text())
    environment = os.environ | {"SYSTEMD_UNIT_PATH": f"{tmp_path}:"}
    done = subprocess.run(
        [program, "verify", "--man=no", "--recursive-errors=no", *files],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    # Of other services on this machine it says things as well.
    ours = [line for line in done.stderr.splitlines() if "settle-" in line]
    assert ours == []


def test_the_sockets_have_the_names_that_the_doors_look_for() -> None:
    named = {re.findall(r"FileDescriptorName=(\w+)", unit.read_text())[0] for unit in UNITS if unit.suffix == ".socket"}
    assert named == {"public", "shopify"}


def test_the_image_copies_what_exists_and_what_may_get_in() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    assert set(copied) == allowed
    assert all((ROOT / source).exists() for source in copied)
    check_command(json.loads(re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)[0]))


def test_the_image_runs_without_rights_and_looks_after_itself() -> None:
    assert re.search(r"^USER 10001:10001$", DOCKERFILE, re.MULTILINE)
    assert "HEALTHCHECK" in DOCKERFILE
    # Of a registry only the plain names of official images are named.
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) == ["python:3.11-slim-bookworm"] * 2


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_everything_that_a_service_names_is_declared(name: str) -> None:
    service = COMPOSE["services"][name]
    for kind in ("networks", "secrets"):
        assert set(service.get(kind, ())) <= set(COMPOSE[kind])
    assert set(service.get("depends_on", ())) <= set(COMPOSE["services"])
    for volume in service.get("volumes", ()):
        source = volume.split(":")[0]
        if source.startswith("./"):
            assert source[2:].startswith(SECRETS) or (ROOT / source).exists(), source
        else:
            assert source in COMPOSE["volumes"]
    if service.get("image", "").startswith("settle:"):
        check_command(service["command"])
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]


def test_secrets_are_files_that_git_and_the_image_do_not_see() -> None:
    assert all(secret["file"].startswith(SECRETS) for secret in COMPOSE["secrets"].values())
    assert f"{SECRETS}/" in (ROOT / ".gitignore").read_text().splitlines()


def test_nginx_reaches_the_doors_from_the_one_address_that_is_believed() -> None:
    services = COMPOSE["services"]
    address = services["nginx"]["networks"]["front"]["ipv4_address"]
    believed = services["serve"]["environment"]
    assert believed["SETTLE_SHOPIFY_PROXIES"] == believed["SETTLE_TRUSTED_PROXIES"] == address
    [change] = re.findall(r"sed 's#(.*?)#(.*?)#'", services["nginx"]["entrypoint"][-1])
    configuration = (ROOT / "docs" / "nginx" / "settle.conf").read_text()
    assert configuration.count(change[0]) == 2
    assert change[1] == f"http://{services['serve']['networks']['front']['aliases'][0]}:"


def test_prometheus_understands_its_configuration() -> None:
    promtool = shutil.which(os.environ.get("SETTLE_PROMTOOL", "promtool"))
    assert promtool, "no promtool: install Debian's package prometheus, or name one in SETTLE_PROMTOOL"
    done = subprocess.run([promtool, "check", "config", str(PROMETHEUS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    jobs = {
        name
        for job in yaml.safe_load(PROMETHEUS.read_text())["scrape_configs"]
        for name in job["dns_sd_configs"][0]["names"]
    }
    assert jobs <= set(COMPOSE["services"])


def test_every_metric_of_the_dashboard_exists() -> None:
    known = {name for name, *_ in read_metrics()}
    shown = {
        name
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", ())
        for name in re.findall(r"\b(?:settle|webhook|events)_\w+", target["expr"])
    }
    assert len(shown) > 20
    assert {re.sub(r"_(bucket|count|sum)$", "", name) for name in shown} <= known


def test_the_panels_of_the_dashboard_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (column, row)
            for column in range(place["x"], place["x"] + place["w"])
            for row in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(column for column, _ in cells) < 24
        taken |= cells
