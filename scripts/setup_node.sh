#!/bin/sh
# Makes .node: the npm packages that the interoperability tests run against the devnet, and Prisma for `make records`.
# Without npm everything else still works: only what needs it fails.
set -eu
cd "$(dirname "$0")/.."

PRISMA=5.17.0 # the last version that hands the schema to a generator as the Python package expects it
packages=tests/acceptance/interop/package.json
say() { printf 'setup: %s\n' "$*" >&2; }

if ! command -v npm >/dev/null; then
    say "no npm found: the JavaScript interoperability tests will fail and make records cannot run (install Node.js 20 with npm)"
    exit 0
fi
key=$(cat "$packages" scripts/setup_node.sh | cksum)
stamp=.node/settle-setup
[ "$(cat "$stamp" 2>/dev/null)" = "$key" ] && exit 0

say "installing npm packages into .node"
mkdir -p .node
cp "$packages" .node/package.json
npm install --prefix .node --ignore-scripts --no-package-lock --no-audit --no-fund --loglevel=error \
    --save-exact "prisma@$PRISMA" </dev/null >/dev/null
echo "$key" > "$stamp"
