"""Every playbook has its four parts, is listed, and is rehearsed."""

import re
from pathlib import Path

import pytest

from app.payments.purpose import PaymentPurpose
from app.portal.words import REFUND_STUCK, STUCK
from app.records import DiscrepancyKind
from app.refunds.purpose import RefundPurpose
from handlers.door_tls import DoorCertificateInvalid
from tests.integration.playbooks.pages import FOLDER, HEADINGS, INDEX, list_playbooks, read_playbook

REHEARSALS = Path(__file__).parents[1] / "integration" / "playbooks"
SOURCE = "\n".join(file.read_text() for file in sorted(REHEARSALS.glob("test_*.py")))
ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
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


def test_every_alert_names_a_page_and_its_playbook_names_the_alert() -> None:
    named = dict(re.findall(r"- alert: (\w+)\n(?:(?!- alert:).*\n)*?.*playbook: (\S+)", ALERTS.read_text()))
    assert named
    assert [page for page in named.values() if not (ROOT / page).is_file()] == []
    looked_at = {
        (look.says.strip("`"), f"docs/playbooks/{name}.md")
        for name in list_playbooks()
        for look in read_playbook(name).looks("How it shows")
        if look.place == "alert"
    }
    assert looked_at == {(alert, page) for alert, page in named.items() if page.startswith("docs/playbooks/")}


def test_the_page_of_alarms_explains_every_reason_that_is_raised_and_no_other() -> None:
    source = "\n".join(path.read_text() for path in (ROOT / "app").rglob("*.py") if "sandbox" not in path.parts)
    raised = set(re.findall(r'(?:alarms_total\.labels\(reason=|_alarm\(|_object\()"(\w+)"', source))
    raised |= {reason for pair in re.findall(r'alarm = "(\w+)" if .* else "(\w+)"', source) for reason in pair}
    raised |= {*STUCK, *REFUND_STUCK, *DiscrepancyKind, DoorCertificateInvalid.reason}
    for kind in (PaymentPurpose, RefundPurpose):
        raised |= {f"{kind.lifecycle.kind}_{exception}" for exception in ("vanished", kind.unasked)}
    table = read_playbook("alarm").sections["What it means"]
    explained = [line.split(" | ")[0] for line in table.splitlines() if line.startswith("| `")]
    assert set(re.findall(r"`(\w+)`", " ".join(explained))) == raised
