#!/bin/sh
# Removes what setup, tests and `make run` made. As root the sandbox's database may lie outside .sandbox: that too.
set -eu
cd "$(dirname "$0")/.."
if [ -d .sandbox ] && [ -x .venv/bin/python ]; then
    .venv/bin/python -c 'from pathlib import Path; from app.embedded_postgres import discard; discard(Path(".sandbox"))'
fi
rm -rf .sandbox .venv .node build dist ./*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
find . -name __pycache__ -type d -prune -exec rm -rf {} +
