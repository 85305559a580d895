#!/bin/sh
# Compiles our own code, of this checkout or of the folder given, before osls packages it: a function can write nothing beside its
# modules, so each cold start would compile them all again. By the sources' hashes: unpacking changes time stamps, and
# code that was changed since is compiled anew.
set -eu
cd "$(dirname "$0")/.."
python="$PWD/.venv/bin/python"
cd "${1:-.}"
env -u PYTHONPYCACHEPREFIX "$python" -m compileall -q -f --invalidation-mode checked-hash app chain handlers
