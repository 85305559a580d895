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


# Which test drives the real system into what an alert waits for (tests/integration/seen).
DRIVEN = {
    "SettlePaymentsUnacknowledged": "test_with_shopify_away_calls_fail_a_payment_waits_and_in_the_end_it_is_stuck",
    "SettleShopifyAway": "test_with_shopify_away_calls_fail_a_payment_waits_and_in_the_end_it_is_stuck",
    "SettlePaymentsStuck": "test_with_shopify_away_calls_fail_a_payment_waits_and_in_the_end_it_is_stuck",
    "SettleDeadJobs": "test_with_shopify_away_calls_fail_a_payment_waits_and_in_the_end_it_is_stuck",
    "SettleShopifyThrottling": "test_when_shopify_refuses_calls_for_their_number_they_are_counted",
    "SettleScreeningAway": "test_screening_away_and_a_restore_show",
    "SettleDatabaseRestored": "test_screening_away_and_a_restore_show",
    "SettleBugs": "test_a_schema_that_does_not_fit_the_code_is_an_unforeseen_error",
    "SettleWebhooksLate": "test_events_that_come_late_and_events_that_fail_show",
    "SettleEventsFailing": "test_events_that_come_late_and_events_that_fail_show",
    "SettleTokensLost": "test_a_token_that_shopify_takes_away_and_an_alarm_show",
    "SettleAlarm": "test_a_token_that_shopify_takes_away_and_an_alarm_show",
    "SettleNodeUnwell": "test_with_the_node_away_it_is_unwell_and_the_blockhash_grows_old",
    "SettleChainAway": "test_with_the_node_away_it_is_unwell_and_the_blockhash_grows_old",
    "SettleNodesDisagree": "test_nodes_that_show_different_transactions_disagree",
    "SettleFeePayerLow": "test_a_fee_payer_below_the_limit_and_a_budget_nearly_spent_show",
    "SettleBudgetSpent": "test_a_fee_payer_below_the_limit_and_a_budget_nearly_spent_show",
    "SettleUnknownSignature": "test_a_transaction_that_our_key_signed_and_our_books_do_not_have_shows",
    "SettlePriceAway": "test_prices_that_are_away_and_prices_that_jump_show",
    "SettlePriceRefused": "test_prices_that_are_away_and_prices_that_jump_show",
    "SettleDatabaseAway": "test_a_database_that_ends_sessions_and_doors_that_fail_show",
    "SettleDoorsFailing": "test_a_database_that_ends_sessions_and_doors_that_fail_show",
    "SettleCertificateEnding": "test_when_certificates_end_is_told_of_the_door_and_of_the_authorities",
    "SettleTrustEnding": "test_when_certificates_end_is_told_of_the_door_and_of_the_authorities",
    "SettleJobsLate": "test_without_a_worker_jobs_are_late",
    "SettlePrivacyDue": "test_a_request_for_privacy_that_is_nearly_due_shows",
}


def test_every_alert_waits_for_what_the_real_system_was_driven_to_show() -> None:
    assert set(DRIVEN) == set(ALERTS)
    tests = "".join(path.read_text() for path in (ROOT / "tests" / "integration" / "seen").glob("test_*.py"))
    assert [name for name in set(DRIVEN.values()) if f"async def {name}" not in tests] == []
