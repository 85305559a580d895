#!/bin/sh
# Makes .venv with everything the project, its sandbox and its tests need. Does nothing when that is already so.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

command -v "$PYTHON" >/dev/null || fail "no $PYTHON found: install Python 3.11 or newer, or name one with PYTHON=..."
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$PYTHON is $("$PYTHON" --version 2>&1): Settle needs Python 3.11 or newer (name one with PYTHON=...)"

# The interpreter belongs to the key: an update of it breaks the environment. So does the place: scripts in it name it.
key=$({ cat pyproject.toml constraints.txt scripts/setup_python.sh; pwd; "$PYTHON" -c 'import sys; print(sys.version)'; } | cksum)
stamp=.venv/settle-setup
if [ -x .venv/bin/settle ] && [ "$(cat "$stamp" 2>/dev/null)" = "$key" ] && .venv/bin/python -c '' 2>/dev/null; then
    exit 0
fi

make_venv() {
    "$PYTHON" -m venv --clear .venv >/dev/null 2>&1 && return
    # Debian leaves ensurepip out of python3: its python3-venv brings it.
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "this Python cannot make environments with pip; installing Debian's package python3-venv"
        { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-venv; } \
            </dev/null >/dev/null 2>&1 || say "that did not work"
        "$PYTHON" -m venv --clear .venv >/dev/null 2>&1 && return
    fi
    # A pip outside the environment can install into it.
    if "$PYTHON" -m pip --version >/dev/null 2>&1; then
        "$PYTHON" -m venv --clear --without-pip .venv &&
            "$PYTHON" -m pip --python .venv/bin/python install -qq -c constraints.txt pip && return
    fi
    fail "$PYTHON can make no environment with pip: install Debian's package python3-venv (as root: apt-get install python3-venv)"
}

# An environment is kept when it is of this interpreter, has pip, and was made here: scripts in it name its place.
version() { "$1" -c 'import sys; print(sys.version)' 2>/dev/null; }
if [ "$(version .venv/bin/python)" != "$(version "$PYTHON")" ] ||
    ! .venv/bin/python -m pip --version >/dev/null 2>&1 || ! head -n 3 .venv/bin/pip | grep -qF "$(pwd)/.venv/"; then
    say "making .venv"
    make_venv
fi
say "installing Python packages into .venv"
# Not compiled: most modules are never imported, and the others are compiled when they are.
.venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check -c constraints.txt 'setuptools>=75'
.venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check --no-build-isolation -c constraints.txt -e '.[sandbox,dev]'
echo "$key" > "$stamp"
