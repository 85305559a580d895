#!/bin/sh
# Finds an nginx for the tests of the proxy, or as root installs Debian's. Without one it says so, and those tests fail.
set -eu
say() { printf 'setup: %s\n' "$*" >&2; }

# Debian keeps it where only root's PATH leads.
PATH="$PATH:/usr/sbin:/usr/local/sbin"
command -v "${SETTLE_NGINX:-nginx}" >/dev/null && exit 0
if [ -z "${SETTLE_NGINX:-}" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing Debian's package nginx-light"
    # Nothing is started by it: a machine that runs tests is no web server.
    { apt-get update && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends nginx-light; } \
        </dev/null >/dev/null 2>&1 && exit 0
fi
say "no nginx found and none could be installed: the proxy's tests will fail (install Debian's package nginx-light, or name one in SETTLE_NGINX)"
