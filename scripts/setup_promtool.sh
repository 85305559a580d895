#!/bin/sh
# Finds promtool for the tests of the alert rules, or as root installs Debian's. Without one it says so, and those tests fail.
set -eu
say() { printf 'setup: %s\n' "$*" >&2; }

command -v "${SETTLE_PROMTOOL:-promtool}" >/dev/null && exit 0
if [ -z "${SETTLE_PROMTOOL:-}" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing Debian's package prometheus"
    # Nothing is started by it: a machine that runs tests watches no other.
    { apt-get update && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends prometheus; } \
        </dev/null >/dev/null 2>&1 && exit 0
fi
say "no promtool found and none could be installed: the alert rules' tests will fail (install Debian's package prometheus, or name one in SETTLE_PROMTOOL)"
