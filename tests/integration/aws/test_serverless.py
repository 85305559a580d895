"""serverless.yml, printed and packaged by osls without account and network, is what the code can do."""

import importlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

import pytest

from app.settings import read_fields, variable
from tests.integration.playbooks.pages import list_playbooks

ROOT = Path(__file__).parents[3]
OSLS = ROOT / ".node" / "node_modules" / ".bin" / "osls"
# AWS's limit for a function with its layers, unpacked, and what of it our own code may take.
LIMIT_BYTES = 262_144_000
# Flags of a compiled module that is checked by its source's hash (PEP 552).
CHECKED_HASH = 0b11
OWN_BYTES_MAX = 5_000_000
# What docs/aws.md says the RDS Proxy must let through.
CONNECTIONS_MAX = 400


def osls(folder: Path, *arguments: str) -> str:
    # Nothing of an account, nothing kept, nothing told.
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "SLS_TELEMETRY_DISABLED": "1", "CI": "1"}
    ended = subprocess.run(
        [OSLS, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what osls reads: it writes beside it."""
    copy = tmp_path_factory.mktemp("serverless")
    shutil.copy(ROOT / "serverless.yml", copy)
    for name in ("app", "chain", "handlers", "tests"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["sh", str(ROOT / "scripts" / "compile_code.sh"), str(copy)], check=True)
    osls(copy, "package", "--package", "packed")
    return copy


@pytest.fixture(scope="module")
def resources(folder: Path) -> dict[str, Any]:
    """CloudFormation's, by name."""
    template = json.loads((folder / "packed" / "cloudformation-template-update-stack.json").read_text())
    found: dict[str, Any] = template["Resources"]
    return found


def of_type(resources: dict[str, Any], kind: str) -> dict[str, Any]:
    return {name: each["Properties"] for name, each in resources.items() if each["Type"] == kind}


def test_it_prints_without_an_account(folder: Path) -> None:
    printed = json.loads(osls(folder, "print", "--format", "json"))
    assert printed["service"] == "settle"
    assert "plugins" not in printed


def test_every_handler_is_a_function_of_ours(resources: dict[str, Any]) -> None:
    functions = of_type(resources, "AWS::Lambda::Function")
    assert len(functions) == 9
    for function in functions.values():
        module, _, name = function["Handler"].rpartition(".")
        assert callable(getattr(importlib.import_module(module), name)), function["Handler"]


def test_every_variable_is_a_setting(resources: dict[str, Any]) -> None:
    known = {variable(name) for name in read_fields()}
    for function in of_type(resources, "AWS::Lambda::Function").values():
        assert set(function["Environment"]["Variables"]) <= known


def test_neither_door_answers_at_an_address_that_aws_made(resources: dict[str, Any]) -> None:
    apis = of_type(resources, "AWS::ApiGatewayV2::Api")
    assert len(apis) == 2
    assert all(api["DisableExecuteApiEndpoint"] is True for api in apis.values())
    assert resources["ShopifyDomain"]["Properties"]["MutualTlsAuthentication"]["TruststoreUri"].startswith("s3://")
    mapping = resources["ShopifyMapping"]["Properties"]
    assert (mapping["ApiId"], mapping["DomainName"]) == ({"Ref": "ShopifyApi"}, {"Ref": "ShopifyDomain"})


def test_no_role_may_do_more_than_its_function_does(resources: dict[str, Any]) -> None:
    roles = of_type(resources, "AWS::IAM::Role")
    actions: dict[str, set[str]] = {}
    for name, role in roles.items():
        for policy in role["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                given = statement["Action"]
                actions.setdefault(name, set()).update([given] if isinstance(given, str) else given)
                assert statement["Resource"] != "*"
    common = {"secretsmanager:GetSecretValue", "sqs:SendMessage", "kms:GetPublicKey"}
    assert actions == {
        "ShopifyRole": common,
        "PublicRole": common | {"kms:Sign"},
        "WorkerRole": common | {"kms:Sign"},
        "JobsRole": common | {"kms:Sign", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"},
    }
    used = {function["Role"]["Fn::GetAtt"][0] for function in of_type(resources, "AWS::Lambda::Function").values()}
    assert used == set(roles)


def test_all_functions_at_once_stay_within_the_databases_connections(resources: dict[str, Any]) -> None:
    total = 0
    for function in of_type(resources, "AWS::Lambda::Function").values():
        pool = int(function["Environment"]["Variables"]["SETTLE_DATABASE_POOL_SIZE"])
        total += function["ReservedConcurrentExecutions"] * pool
    assert total <= CONNECTIONS_MAX


def test_a_ring_outlives_its_function_and_ends_apart_when_it_keeps_failing(resources: dict[str, Any]) -> None:
    queue, function = resources["Jobs"]["Properties"], resources["JobsLambdaFunction"]["Properties"]
    assert queue["VisibilityTimeout"] >= 6 * function["Timeout"]
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": ["DeadRings", "Arn"]}
    assert resources["JobsEventSourceMappingSQSJobs"]["Properties"]["FunctionResponseTypes"] == [
        "ReportBatchItemFailures"
    ]


def test_every_alarm_leads_to_a_playbook_and_no_function_fails_in_silence(resources: dict[str, Any]) -> None:
    alarms = of_type(resources, "AWS::CloudWatch::Alarm")
    for name, alarm in alarms.items():
        assert alarm["AlarmDescription"].rpartition(" ")[2] in list_playbooks(), name
        assert alarm["AlarmActions"], name
    functions = set(of_type(resources, "AWS::Lambda::Function"))
    watched = {alarm["Dimensions"][0]["Value"]["Ref"] for alarm in alarms.values() if alarm["MetricName"] == "Errors"}
    assert watched == functions
    groups = {line["LogGroupName"]["Ref"] for line in of_type(resources, "AWS::Logs::MetricFilter").values()}
    assert groups == set(of_type(resources, "AWS::Logs::LogGroup"))


def test_the_package_has_what_the_functions_need_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(folder / "packed" / "settle.zip") as package:
        names = package.namelist()
        assert sum(entry.file_size for entry in package.infolist()) < OWN_BYTES_MAX < LIMIT_BYTES
        package.extractall(tmp_path)
    assert {name.partition("/")[0] for name in names} == {"app", "chain", "handlers"}
    assert [name for name in names if name.startswith(("app/sandbox", "app/embedded_postgres"))] == []
    # Every module is there compiled, by its source's hash, for the functions' Python.
    for name in names:
        if name.endswith(".py"):
            compiled = tmp_path / Path(cache_from_source(name)).with_suffix("").with_suffix(".cpython-311.pyc")
            assert int.from_bytes(compiled.read_bytes()[4:8], "little") == CHECKED_HASH, name
    # From another place than the repository: only what is packed can be imported.
    code = "import app; from handlers.aws import jobs, public, schedules, shopify; print(app.__file__)"
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout.strip() == str(tmp_path / "app" / "__init__.py"), ended.stderr
