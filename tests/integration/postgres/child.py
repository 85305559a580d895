"""A program that runs a cluster until it is killed: `child.py DIRECTORY`. Prints the server's pid and the DSN.

Standard library only, so that any Python of the machine can run it.
"""

import os
import signal
import sys
from pathlib import Path

from app.embedded_postgres import EmbeddedPostgres, PostgresError

if __name__ == "__main__":
    # Whatever the test that started us blocked or ignored.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    server = EmbeddedPostgres(Path(sys.argv[1]))
    try:
        dsn = server.start()
    except PostgresError as problem:
        sys.exit(f"refused: {problem}")
    print(server.pid, os.geteuid(), dsn, flush=True)
    signal.pause()
