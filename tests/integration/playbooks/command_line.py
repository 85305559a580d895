"""`settle`, quickly: one process that has imported the command line, and forks for each command.

A line of JSON in: `arguments`, `environment`, `folder`. A line of JSON out: `status`, `output`.
"""

import importlib
import json
import os
import sys
import tempfile
from typing import Any


def main() -> None:
    import handlers.cli

    # What most commands load when they begin.
    importlib.import_module("chain.rpc")

    for line in sys.stdin:
        asked = json.loads(line)
        with tempfile.TemporaryFile() as output:
            if (child := os.fork()) == 0:
                _be(handlers.cli.main, asked, output.fileno())
            _, ended = os.waitpid(child, 0)
            output.seek(0)
            answer = {"status": os.waitstatus_to_exitcode(ended), "output": output.read().decode()}
        print(json.dumps(answer), flush=True)


def _be(command: Any, asked: dict[str, Any], output: int) -> None:
    """Be the command, as a shell would have started it."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    sys.argv = ["settle", *asked["arguments"]]
    status = 70
    try:
        command()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
