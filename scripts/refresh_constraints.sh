#!/bin/sh
# Writes constraints.txt anew: a fresh environment with the newest packages that pyproject.toml allows, frozen.
set -eu
cd "$(dirname "$0")/.."
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
"${PYTHON:-python3}" -m venv "$fresh/venv"
"$fresh/venv/bin/python" -m pip install -qq --disable-pip-version-check -U pip 'setuptools>=75'
"$fresh/venv/bin/python" -m pip install -qq --disable-pip-version-check --no-build-isolation -e '.[sandbox,dev]'
# Names and versions only: no address of an index, no path of this machine.
"$fresh/venv/bin/python" -m pip freeze --all --exclude-editable | grep -E '^[A-Za-z0-9._-]+==[^ ]+$' | LC_ALL=C sort -f > constraints.txt
