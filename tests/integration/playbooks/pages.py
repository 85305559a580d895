"""A playbook, read: what its tables claim can be seen, and what its blocks say is to be typed."""

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[3] / "docs" / "playbooks"
HEADINGS = ("How it shows", "What it means", "What to type", "How to see it is over")
INDEX = "README.md"

_TABLE = ("look at", "says")
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A block of settings becomes what an operator does with it: write them into the file, with the shell's own variables
# filled in, and read it anew.
_SETTINGS = "change-settings <<END\n{block}END\nset -a; . ./settle.env; set +a\n"


@dataclass(frozen=True)
class Look:
    """A line of a table: where to look, and what is there to be seen."""

    place: str
    says: str


@dataclass(frozen=True)
class Playbook:
    name: str
    title: str
    sections: dict[str, str]

    def looks(self, heading: str) -> list[Look]:
        """The lines of a section's table, below its head."""
        rows = [line.strip("| ").partition(" | ") for line in self.sections[heading].splitlines() if line[:1] == "|"]
        cells = [(place, says) for place, _, says in rows]
        assert cells[:1] == [_TABLE], f"{self.name}: {heading} has no table of what to look at"
        return [Look(place, says) for place, says in cells[2:]]

    @property
    def cases(self) -> dict[str, str]:
        """The scripts to type, by the case that they are for; "" where there is but one."""
        first, *others = re.split(r"^### ", self.sections["What to type"], flags=re.MULTILINE)
        parts = {"": first} | {part.partition("\n")[0]: part.partition("\n")[2] for part in others}
        return {case: script for case, text in parts.items() if (script := _script_of(text))}


def _script_of(text: str) -> str:
    blocks = [(kind, block) for kind, block in _BLOCK.findall(text)]
    assert {kind for kind, _ in blocks} <= {"sh", "env"}
    return "".join(block if kind == "sh" else _SETTINGS.format(block=block) for kind, block in blocks)


def read_playbook(name: str) -> Playbook:
    title, *parts = re.split(r"^## ", (FOLDER / f"{name}.md").read_text(), flags=re.MULTILINE)
    sections = {part.partition("\n")[0]: part.partition("\n")[2] for part in parts}
    return Playbook(name, title.removeprefix("# ").strip(), sections)


def list_playbooks() -> list[str]:
    return sorted(file.stem for file in FOLDER.glob("*.md") if file.name != INDEX)
