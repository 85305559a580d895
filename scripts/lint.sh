#!/bin/sh
# Every check that runs no code of ours: format, ruff, types, secrets. CI and `make lint` both run this.
# All of them run, so that one look shows everything there is to mend.
set -eu
cd "$(dirname "$0")/.."
code=0
.venv/bin/ruff format --check . || code=1
.venv/bin/ruff check . || code=1
.venv/bin/mypy --strict app chain handlers prisma/generator.py scripts || code=1
.venv/bin/python scripts/scan_secrets.py || code=1
.venv/bin/python -m scripts.lint_migrations || code=1
exit $code
