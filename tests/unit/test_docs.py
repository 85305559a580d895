"""The documents say what the code says: drawn parts, names, links and commands."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Mount, Route
from typer.main import get_command

from app import metrics
from app.jobs.outcomes import Retry
from app.records import PaymentException, PaymentStatus, RefundException, RefundStatus
from app.sandbox.world import Ports, World
from app.settings import read_fields, variable
from app.shopify.mutation import CONFLICT, UNINSTALLED
from chain.reasons import Reason
from handlers import (
    checkout_page,
    cli,
    helius_webhook,
    install,
    operations,
    portal,
    shopify_door,
    transaction_request,
    webhooks,
)
from scripts.draw_docs import BLOCKS, find_block, read_enum, read_metrics, read_reasons

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")], key=lambda path: path.relative_to(ROOT).as_posix()
)
# Variables that belong to the tests and to `make`, not to Settle.
OTHER_VARIABLES = {"SETTLE_TEST_SCALE", "SETTLE_CHROMIUM"}


def read(name: str) -> str:
    return (ROOT / name).read_text()


def parse(*names: str) -> Iterator[ast.AST]:
    for name in names:
        yield from ast.walk(ast.parse(read(name)))


def modules(folder: str) -> list[str]:
    return sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*.py"))


def texts_in(node: ast.AST) -> Iterator[str]:
    """The constant texts within a piece of code."""
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


@pytest.mark.parametrize(("file", "name"), sorted(BLOCKS))
def test_what_is_drawn_in_a_document_is_what_the_code_says(file: str, name: str) -> None:
    block = find_block(read(file), name)[2]
    assert block == BLOCKS[file, name]() + "\n", "run: .venv/bin/python -m scripts.draw_docs"


def test_every_status_and_exception_is_explained() -> None:
    for enum in (PaymentStatus, PaymentException, RefundStatus, RefundException):
        assert list(read_enum(enum.__name__)) == [str(value) for value in enum]


def test_every_metric_is_drawn() -> None:
    registered = {metric._name for metric in vars(metrics).values() if hasattr(metric, "_name")}
    assert {name.removesuffix("_total") for name, *_ in read_metrics()} == registered


def test_reason_codes_are_those_that_the_code_gives() -> None:
    """Found by syntax, so that a class which nothing imports is noticed."""
    written = {str(reason) for reason in Reason}
    for node in parse(*modules("app"), *modules("handlers")):
        if isinstance(node, ast.ClassDef):
            for line in node.body:
                if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "reason":
                    written |= set(texts_in(line.value))
    answered = set()
    for node in parse("handlers/requests.py"):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).startswith(("(reason", "reason")):
            answered |= {text for text in texts_in(node.value) if re.fullmatch(r"[a-z]+(_[a-z]+)*", text)}
    codes = [code for code, _ in read_reasons()]
    assert set(codes) == written | answered
    assert codes == sorted(codes)


def test_the_reasons_named_with_an_endpoint_exist() -> None:
    codes = {code for code, _ in read_reasons()}
    for paragraph in re.findall(r"^Refused with: (.+?)\n\n", read("docs/api.md"), re.MULTILINE | re.DOTALL):
        assert set(re.findall(r"`([a-z_]+)`", re.sub(r"\([^)]*\)", "", paragraph))) <= codes


def door_routes(routes: Any, prefix: str = "") -> Iterator[str]:
    for route in routes:
        if isinstance(route, Mount):
            yield from door_routes(route.routes, prefix + route.path)
        elif isinstance(route, Route):
            for method in sorted((route.methods or set()) - {"HEAD"}):
                # What an id may look like stands behind a colon; a path that takes anything only refuses.
                if "{anything:path}" not in route.path:
                    yield f"{method} {prefix}{re.sub(r':[a-z]+}', '}', route.path)}"


def test_every_endpoint_of_the_doors_is_described() -> None:
    routes = [
        *shopify_door.SESSIONS,
        *checkout_page.PAGES,
        transaction_request.TRANSACTIONS,
        *operations.OPERATIONS,
        *install.INSTALL,
        *portal.PORTAL,
        *webhooks.WEBHOOKS,
        helius_webhook.HELIUS,
    ]
    document = read("docs/api.md")
    assert [endpoint for endpoint in door_routes(routes) if f"`{endpoint}`" not in document] == []


def control_calls() -> Iterator[tuple[str, str]]:
    """Method and path of every control call of the sandbox, by syntax: a part is not started for its routes."""
    for node in parse(*modules("app/sandbox")):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Route" and node.keywords:
            path = ast.unparse(node.args[0]).strip("f\"'")
            # A wallet's calls stand below `address`.
            path = re.sub(r"^(address$|\{address\})", "/sandbox/wallets/{address}", path)
            if path.startswith("/sandbox/"):
                for keyword in node.keywords:
                    yield from ((method, path) for method in texts_in(keyword.value))


def test_every_control_call_of_the_sandbox_has_an_example() -> None:
    document = read("docs/sandbox.md")
    calls = set(control_calls())
    assert ("POST", "/sandbox/checkouts") in calls
    for method, path in sorted(calls):
        pattern = re.sub(r"\\{\w+\\}", r"\\$\\w+", re.escape(path))
        option = "" if method == "GET" else f"-X {method} "
        assert re.search(rf"curl -s {option}\$world{pattern}(\s|\))", document), f"{method} {path}"


async def test_the_fault_switches_are_those_of_the_world(tmp_path: Path) -> None:
    world = World(tmp_path, Ports(1, 2, 3), slot_ms=400)
    kinds = {(target, fault) for target, faults in world.faults.kinds.items() for fault in faults}
    await world.stop()
    described = set()
    for targets, fault in re.findall(r"^\| (.+?) \| `(\w+)` \|", read("docs/sandbox.md"), re.MULTILINE):
        names = world.faults.kinds if targets == "every target" else re.findall(r"`([\w-]+)`", targets)
        described |= {(name, fault) for name in names}
    assert described == kinds


def test_every_invariant_that_is_checked_is_explained() -> None:
    modules = ("app/invariants.py", "app/coherence.py", "app/log_check.py")
    checked = {text for node in parse(*modules) for text in texts_in(node) if re.fullmatch(r"I\d", text)}
    assert checked == set(re.findall(r"^\| (I\d) \|", read("docs/operating.md"), re.MULTILINE))


def test_every_reason_for_being_stuck_is_explained() -> None:
    reasons = {Retry("").reason, CONFLICT, UNINSTALLED}
    for node in parse(*modules("app")):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name.endswith((".stick", ".give_up", "Hopeless")):
                reasons |= {text for argument in node.args for text in texts_in(argument)}
    section = read("docs/operating.md").partition("## Payments that need a person")[2].partition("<!--")[0]
    assert reasons == set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))


def test_every_finding_of_the_doctor_is_explained() -> None:
    section = read("docs/operating.md").partition("## `settle doctor`")[2].partition("\n## ")[0]
    subjects = set()
    for node in parse("app/doctor.py"):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Finding":
            subjects |= set(texts_in(node.args[0]))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "_check_address":
            subjects |= set(texts_in(node.args[1]))
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "subject":
            subjects |= set(texts_in(node.value))
    assert [subject for subject in sorted(subjects) if subject.strip("()") not in section] == []


def anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-")


def links(path: Path) -> Iterator[str]:
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    yield from re.findall(r"\]\(([^)\s]+)\)", text)
    yield from re.findall(r'<img[^>]* src="([^"]+)"', text)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_and_picture_leads_somewhere(path: Path) -> None:
    broken = []
    for link in links(path):
        if link.startswith("https://"):
            continue
        file, _, fragment = link.partition("#")
        target = (path.parent / file) if file else path
        if not target.exists():
            broken.append(link)
        elif fragment:
            headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
            if fragment not in {anchor(heading) for heading in headings}:
                broken.append(link)
    assert broken == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_command_and_setting_named_in_a_document_exists(path: Path) -> None:
    text = path.read_text()
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)) <= targets
    commands = set(get_command(cli.cli).commands)  # type: ignore[attr-defined]  # it is a group
    assert set(re.findall(r"(?:^|`)settle ([a-z-]+)", text, re.MULTILINE)) <= commands
    settings = {variable(name) for name in read_fields()}
    named = set(re.findall(r"\bSETTLE_[A-Z_]*[A-Z]\b", text)) - OTHER_VARIABLES
    # `SETTLE_TRM_...` stands for a family.
    families = {name.removesuffix("_...") for name in re.findall(r"SETTLE_[A-Z_]*\.\.\.", text)}
    assert {name for name in named - settings if name not in families} == set()
    assert all(any(setting.startswith(family) for setting in settings) for family in families)


def test_decisions_are_numbered_without_a_gap_and_fit_a_page() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [int(page.name[:4]) for page in pages]
    assert numbers == list(range(1, len(pages) + 1))
    for number, page in zip(numbers, pages, strict=True):
        text = page.read_text()
        assert text.startswith(f"# {number}. ")
        assert len(text.splitlines()) <= 60


def test_each_flow_of_the_browser_tests_names_a_test_and_each_browser_test_has_a_flow() -> None:
    named = set(re.findall(r"\| `(\w+\.py)` \| `(\w+)` \|", read("docs/browser-tests.md")))
    found = {
        (path.name, name)
        for pattern in ("test_checkout_*.py", "test_portal_*.py", "test_pages_*.py")
        for path in (ROOT / "tests" / "acceptance").glob(pattern)
        for name in re.findall(r"^async def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    assert named == found
