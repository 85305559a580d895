"""The alert rules: each fires when it should and only then, reads what exists, and leads to a page that exists."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from scripts.draw_docs import read_alerts, read_metrics

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
CASES = RULES.with_name("alerts_test.yml")
ALERTS = {rule["alert"]: rule for rule in read_alerts()}


def test_each_rule_fires_and_stays_calm_as_its_cases_say() -> None:
    promtool = shutil.which(os.environ.get("SETTLE_PROMTOOL", "promtool"))
    assert promtool, "no promtool: install Debian's package prometheus, or name one in SETTLE_PROMTOOL"
    done = subprocess.run(
        [promtool, "test", "rules", CASES.name], cwd=CASES.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_has_a_case_that_fires_and_one_that_does_not() -> None:
    cases = yaml.safe_load(CASES.read_text())["tests"]
    assert sorted(case["name"] for case in cases) == sorted(
        f"{alert} {what}" for alert in ALERTS for what in ("fires", "stays calm")
    )
    for case in cases:
        [asked] = case["promql_expr_test"]
        assert f'alertname="{case["name"].split()[0]}"' in asked["expr"]
        assert bool(asked["exp_samples"]) is case["name"].endswith("fires")


@pytest.mark.parametrize("alert", sorted(ALERTS))
def test_a_rule_reads_metrics_that_exist_and_says_what_to_do(alert: str) -> None:
    rule = ALERTS[alert]
    known = {name for name, *_ in read_metrics()}
    read = set(re.findall(r"\b(?:settle|events|webhook)_[a-z_]+", re.sub(r"\{[^}]*\}", "", rule["expr"])))
    assert read
    assert {re.sub(r"_(bucket|count|sum)$", "", name) for name in read} <= known
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert set(rule["annotations"]) == {"summary", "action", "playbook"}
    assert (ROOT / rule["annotations"]["playbook"]).is_file()
