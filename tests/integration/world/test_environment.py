"""sandbox.env, as a shell and as a simple reader of KEY=VALUE lines understand it."""

import json
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest

from app.sandbox.environment import encode_json, write_environment
from app.sandbox.keys import keep_keypair, keep_secrets

SEED = {"shop": "sandbox.myshopify.com", "display_name": 'Anne\'s "Store" $HOME {a,b} ~', "token": "shpat_0"}
VALUES = {
    "SETTLE_DATABASE_URL": "postgresql://postgres@/settle?host=/tmp/a%20b/run",
    "SETTLE_SHOPIFY_URL": "http://127.0.0.1:8000/shops/{shop}",
    "SETTLE_RPC_URLS": "http://127.0.0.1:8000/sandbox/rpc,http://127.0.0.1:8000/b",
    "SETTLE_EMPTY": "",
    "SETTLE_SEED_MERCHANT": encode_json(SEED),
}


def read_by_shell(path: Path, shell: str) -> dict[str, str]:
    script = f"set -a; . '{path}'; exec env"
    output = subprocess.run([shell, "-c", script], env={}, capture_output=True, text=True, check=True).stdout
    pairs = (line.partition("=") for line in output.splitlines())
    return {key: value for key, _, value in pairs if key.startswith("SETTLE_")}


def read_simply(path: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in path.read_text().splitlines())


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
def test_a_shell_and_a_simple_reader_see_the_same_values(tmp_path: Path, shell: str) -> None:
    path = tmp_path / "sandbox.env"
    write_environment(path, VALUES)
    assert read_simply(path) == read_by_shell(path, shell) == VALUES
    assert json.loads(unquote(read_simply(path)["SETTLE_SEED_MERCHANT"])) == SEED


@pytest.mark.parametrize("value", ["/tmp/my folder/clock", "/tmp/it's", "/tmp/$HOME/`id`", "/tmp/a;b&c"])
def test_a_hostile_path_survives_a_shell(tmp_path: Path, value: str) -> None:
    path = tmp_path / "sandbox.env"
    write_environment(path, {"SETTLE_CLOCK_FILE": value})
    assert read_by_shell(path, "/bin/sh") == {"SETTLE_CLOCK_FILE": value}


def test_keys_secrets_and_environment_are_for_their_owner_only(tmp_path: Path) -> None:
    write_environment(tmp_path / "sandbox.env", VALUES)
    keep_keypair(tmp_path / "key.json")
    keep_secrets(tmp_path / "secrets.json")
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "sandbox.env": 0o600,
        "key.json": 0o600,
        "secrets.json": 0o600,
    }


def test_keys_and_secrets_are_made_once(tmp_path: Path) -> None:
    assert keep_keypair(tmp_path / "key.json") == keep_keypair(tmp_path / "key.json")
    assert keep_secrets(tmp_path / "secrets.json") == keep_secrets(tmp_path / "secrets.json")
    assert len(json.loads((tmp_path / "key.json").read_text())) == 64
