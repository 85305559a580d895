"""What Settle logs, as a test reads it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.logs import get_logger


@contextmanager
def catch_lines() -> Iterator[list[dict[str, Any]]]:
    """Within it, lines go here, decoded, and nowhere else: `action`, `level`, and the fields as they were shown."""
    logger, lines = get_logger(), list[dict[str, Any]]()
    before = logger.output
    logger.output = lambda line: lines.append(json.loads(line))
    try:
        yield lines
    finally:
        logger.output = before
