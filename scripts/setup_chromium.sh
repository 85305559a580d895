#!/bin/sh
# Finds a Chromium for the browser tests, or as root installs Debian's. Without one it says so, and those tests fail.
set -eu
say() { printf 'setup: %s\n' "$*" >&2; }

for candidate in ${SETTLE_CHROMIUM:-chromium chromium-browser google-chrome}; do
    command -v "$candidate" >/dev/null && exit 0
done
if [ -z "${SETTLE_CHROMIUM:-}" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing Debian's package chromium"
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium; } \
        </dev/null >/dev/null 2>&1 && exit 0
fi
say "no Chromium found and none could be installed: the browser tests will fail (install Debian's package chromium, or name one in SETTLE_CHROMIUM)"
