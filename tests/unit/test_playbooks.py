"""Every playbook has its four parts, is listed, and is rehearsed."""

import re
from pathlib import Path

import pytest

from tests.integration.playbooks.pages import FOLDER, HEADINGS, INDEX, list_playbooks, read_playbook

REHEARSALS = Path(__file__).parents[1] / "integration" / "playbooks"
SOURCE = "\n".join(file.read_text() for file in sorted(REHEARSALS.glob("test_*.py")))
# A page that is read at night.
LINES_MAX = 90


@pytest.mark.parametrize("name", list_playbooks())
def test_a_playbook_has_the_four_parts_and_is_short(name: str) -> None:
    playbook = read_playbook(name)
    assert tuple(playbook.sections) == HEADINGS
    assert playbook.looks("How it shows")
    assert playbook.looks("How to see it is over")
    assert playbook.cases
    assert len((FOLDER / f"{name}.md").read_text().splitlines()) <= LINES_MAX


def test_the_index_lists_every_playbook() -> None:
    assert sorted(re.findall(r"\]\(([a-z-]+)\.md\)", (FOLDER / INDEX).read_text())) == list_playbooks()


def test_every_playbook_is_rehearsed_and_every_case_of_it_typed() -> None:
    assert set(re.findall(r'rehearse\(\s*"([a-z-]+)"', SOURCE)) == set(list_playbooks())
    cases = {case for name in list_playbooks() for case in read_playbook(name).cases if case}
    assert cases <= set(re.findall(r'\.type\("([^"]+)"\)', SOURCE))
