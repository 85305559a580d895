"""PostgreSQL quotes the row that it refuses: the log does not show it."""

import asyncpg
import pytest

from app.database import Trouble, count_trouble
from app.reporting import report_bug
from tests.integration.data.conftest import Rows
from tests.log_lines import catch_lines

CANARY = "canary"


@pytest.mark.parametrize("wrong", [{"updated_at": None}, {"status": "active", "wallet": None}, {}])
async def test_a_refused_row_is_told_by_names_alone(rows: Rows, wrong: dict[str, None]) -> None:
    await rows.merchant(shop=CANARY)
    with catch_lines() as lines:
        # A value that is missing, a check, and a shop that is there already.
        with pytest.raises(asyncpg.IntegrityConstraintViolationError, match=CANARY) as refused:
            await rows.merchant(shop=CANARY, **wrong)
        report_bug("job_failed", refused.value)
        count_trouble(Trouble.connection_lost, "job", refused.value)
    bug, trouble = lines
    assert "merchants" in bug["exception"]
    assert "merchants" in trouble["error"]
    assert CANARY not in str(lines)
