#!/bin/sh
# Writes app/records.py from prisma/schema.prisma, through Prisma's own parser and prisma/generator.py.
set -eu
cd "$(dirname "$0")/.."
[ -x .node/node_modules/.bin/prisma ] || { echo "records: Prisma is not in .node: install Node.js 20 with npm, then make setup" >&2; exit 1; }
# Prisma would fetch its engines; the parser it needs is in the package.
PATH="$PWD/.venv/bin:$PATH" PRISMA_QUERY_ENGINE_LIBRARY=/bin/false PRISMA_SCHEMA_ENGINE_BINARY=/bin/false \
    PRISMA_HIDE_UPDATE_MESSAGE=1 CHECKPOINT_DISABLE=1 \
    .node/node_modules/.bin/prisma generate --schema prisma/schema.prisma
.venv/bin/ruff format -q app/records.py
