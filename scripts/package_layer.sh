#!/bin/sh
# Makes build/layer.zip: the packages that the Lambda functions need, as one layer. Fails when it is larger than AWS allows.
# boto3 is Lambda's own; what only servers and the command line need stays out. `package_layer.sh traces`: with OpenTelemetry.
set -eu
cd "$(dirname "$0")/.."
LIMIT_KB=$((250 * 1024 - 5 * 1024)) # unpacked, less our own code

rm -rf build/layer build/layer.zip
mkdir -p build/layer
.venv/bin/python -m scripts.layer "$@" > build/layer.txt
.venv/bin/python -m pip install -q --disable-pip-version-check --no-compile --target build/layer/python -r build/layer.txt -c constraints.txt \
    --platform manylinux2014_x86_64 --platform manylinux_2_28_x86_64 --python-version 3.11 --only-binary=:all:
rm -rf build/layer/python/bin
# A function can write nothing beside its modules: uncompiled, each cold start would compile them all again. By no time
# stamp, since unpacking changes those.
.venv/bin/python -m compileall -qq --invalidation-mode unchecked-hash build/layer/python || true
size=$(du -sk build/layer | cut -f1)
printf 'layer: %d KB unpacked, of %d KB\n' "$size" "$LIMIT_KB" >&2
[ "$size" -le "$LIMIT_KB" ]
(cd build/layer && ../../.venv/bin/python -m zipfile -c ../layer.zip python)
