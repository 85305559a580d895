#!/bin/sh
# Makes .node: the npm packages that the interoperability tests run against the devnet, Prisma for `make records`, and axe
# for the browser tests; osls for serverless.yml.
# Without npm everything else still works: only what needs it fails.
set -eu
cd "$(dirname "$0")/.."

PRISMA=5.17.0 # the last version that hands the schema to a generator as the Python package expects it
AXE=4.14.1 # looks for what keeps people from using a page: the browser tests run it in each
OSLS=4.3.1 # reads serverless.yml
JSQR=1.4.0 # reads QR codes, as a phone does
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
    --save-exact "prisma@$PRISMA" "axe-core@$AXE" "jsqr@$JSQR" "osls@$OSLS" </dev/null >/dev/null
echo "$key" > "$stamp"
