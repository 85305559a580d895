"""What the secrets scan finds and lets pass. Put together here, so that the scan passes over this file itself."""

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.scan_secrets import find_secrets

SCRIPT = Path(__file__).parents[2] / "scripts" / "scan_secrets.py"
DASHES = "-" * 5
SECRETS = {
    "a private key": f"{DASHES}BEGIN EC PRIVATE KEY{DASHES}",
    "a Solana key file": "[" + ",\n ".join(["7"] * 64) + "]",
    "a Solana secret key": "secret_key = '" + "5" * 88 + "'",
    "a Shopify token": "token: shp" + "at_" + "0f" * 16,
    "an AWS key": "AK" + "IA" + "Q" * 16,
    "an AWS secret": "aws_secret_" + "access_key = " + "a/" * 20,
    "an API key in an address": "wss://rpc.example/?api-" + "key=01234567-89ab-cdef-0123-456789abcdef",
    "a Sentry DSN": "https://" + "0f" * 16 + "@errors.example/42",
    "a registry's address": "https://pypi." + "org/simple",
    "a path of somebody's machine": "run /" + "home/alice/settle/.venv/bin/settle",
}


@pytest.mark.parametrize("what", SECRETS)
def test_a_secret_is_found_and_its_line_named(what: str) -> None:
    (finding,) = find_secrets(f"first line\n{SECRETS[what]}\nlast line\n")
    assert (finding.what, finding.line) == (what, 2)


@pytest.mark.parametrize(
    "harmless",
    [
        "[1, 2, 3]",
        "signature = '" + "5" * 88 + "'",
        "SETTLE_TOKEN_KEYS=",
        "shpat_" + "test",
        f"{DASHES}BEGIN CERTIFICATE{DASHES}",
        "DIR/root/state and ~/home/alice",
        "https://www.apache.org/licenses/",
    ],
)
def test_look_alikes_pass(harmless: str) -> None:
    assert list(find_secrets(harmless)) == []


def test_a_line_that_gives_a_reason_passes() -> None:
    assert list(find_secrets(SECRETS["an AWS key"] + "  # scan: fine, the example of AWS's own manual")) == []


def test_the_script_names_the_place_but_not_the_secret_and_fails(tmp_path: Path) -> None:
    file = tmp_path / "settings.py"
    file.write_text(SECRETS["a Shopify token"] + "\n")
    run = subprocess.run([sys.executable, SCRIPT, file], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert f"{file}:1: looks like a Shopify token" in run.stdout
    assert "0f0f" not in run.stdout


def test_nothing_in_the_repository_must_not_be_there() -> None:
    run = subprocess.run([sys.executable, SCRIPT], cwd=SCRIPT.parents[1], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
