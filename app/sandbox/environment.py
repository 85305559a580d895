"""DIR/sandbox.env: the environment with which Settle's own processes join the world."""

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from app.sandbox.keys import write_private

# What a shell leaves as it is on the right of an assignment.
_PLAIN = re.compile(r"""[^\s'"\\$`;&|<>()*\[\]!~#]*""")


def write_environment(path: Path, values: Mapping[str, str]) -> None:
    """KEY=VALUE lines, mode 0600, for `set -a; . FILE` as for a reader that splits each line at its first `=`.

    Values stand bare. Only one with characters that a shell would touch is put in single quotes: of ours, a path with
    a space and the like in it.
    """
    lines = [f"{key}={value if _PLAIN.fullmatch(value) else shlex.quote(value)}\n" for key, value in values.items()]
    write_private(path, "".join(lines))


def encode_json(value: object) -> str:
    """JSON, percent-encoded: without quotes, braces or spaces, every reader of such files gets it unchanged."""
    text = quote(json.dumps(value, separators=(",", ":")), safe=":,")
    # The one sign that addresses keep and shells do not.
    return text.replace("~", "%7E")
