"""What is typed and makes no sense is refused before anything is looked at."""

import pytest
from typer.testing import CliRunner

from app.database import ID_MAX
from handlers.cli import cli


@pytest.mark.parametrize(
    "words",
    [["retry"], ["jobs", "--after"], ["replay", "inbox", "--id"], ["privacy", "export"], ["reconcile", "--close"]],
    ids=" ".join,
)
def test_an_id_that_no_table_holds_is_refused(words: list[str]) -> None:
    answer = CliRunner().invoke(cli, [*words, str(ID_MAX + 1)])
    assert (answer.exit_code, "Traceback" in answer.output) == (2, False)
    assert answer.exception is None or isinstance(answer.exception, SystemExit)
