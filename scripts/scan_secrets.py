"""Looks for what must never be committed: keys, tokens, addresses of package registries, paths of somebody's machine.

`scan_secrets.py [FILE...]`: the files named, else every file that git knows or would add. Prints each finding and exits
with 1 when there is one. A line that holds a harmless look-alike says so: `scan: fine, <why>`.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

RULES = {
    "a private key": re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----"),
    "a Solana key file": re.compile(r"\[\s*(?:\d{1,3}\s*,\s*){63}\d{1,3}\s*,?\s*\]"),
    "a Solana secret key": re.compile(
        r"(?i:secret|private)[\w -]{0,20}[\"']?\s*[:=]\s*[\"']?[1-9A-HJ-NP-Za-km-z]{86,88}\b"
    ),
    "a Shopify token": re.compile(r"\bshp(?:at|ua|ca|pa|ss)_[0-9a-fA-F]{32}\b"),
    "an AWS key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "an AWS secret": re.compile(r"(?i:aws_secret_access_key)[\"']?\s*[:=]\s*[\"']?[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])"),
    "an API key in an address": re.compile(r"[?&]api[-_]?key=[0-9a-f]{8}-[0-9a-f-]{27}\b"),
    "a Sentry DSN": re.compile(r"https://[0-9a-f]{32}@[\w.-]+/\d+"),
    "a registry's address": re.compile(
        r"\b(?:pypi\.org|pythonhosted\.org|registry\.npmjs\.\w+|registry\.yarnpkg\.\w+|(?:deb|security)\.debian\.org"
        r"|proxy\.golang\.org|index\.crates\.io)\b|--(?:extra-)?index-url|\"resolved\":\s*\"http"
    ),
    "a path of somebody's machine": re.compile(r"(?<![\w/.~$}-])/(?:root|home|Users)/[\w.-]+|(?<![\w/.~$}-])/work/\w+"),
}
HARMLESS = re.compile(r"scan: fine, \w+")


@dataclass(frozen=True)
class Finding:
    """One finding: the line it begins in, counted from 1, and what it is. The secret itself is not repeated."""

    line: int
    what: str


def find_secrets(text: str) -> Iterator[Finding]:
    """Everything in the text that must not be committed."""
    lines = text.splitlines()
    for what, rule in RULES.items():
        for match in rule.finditer(text):
            line = text.count("\n", 0, match.start())
            if not HARMLESS.search(lines[line]):
                yield Finding(line + 1, what)


def known_files() -> list[Path]:
    """Every file that git tracks, or would with `git add`."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in names.split("\0") if name and Path(name).is_file()]


def main() -> int:
    """Scan the files named on the command line, else all; the exit code."""
    files = [Path(name) for name in sys.argv[1:]] or known_files()
    found = 0
    for file in files:
        content = file.read_bytes()
        if b"\0" in content:
            continue
        for finding in find_secrets(content.decode(errors="replace")):
            print(f"{file}:{finding.line}: looks like {finding.what}")
            found += 1
    print(f"{len(files)} files scanned, {found} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
