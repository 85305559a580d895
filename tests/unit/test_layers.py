"""The house's rules that a program can check: which way imports point, and what stays out of which layer."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ("chain", "app", "handlers")
LINES_MAX = 500
# From what transactions are for all that is issued, to what watches them for both: each imports from its left only.
MONEY = ("app.transactions", "app.payments", "app.refunds", "app.watching", "app.reconciliation")
# Written by a program, for programs.
GENERATED = {"app/records.py"}

# The sandbox starts the embedded server, which production does not need.
SANDBOX_EXCEPTIONS = {("app/sandbox/command.py", "app.embedded_postgres")}
SANDBOX_USERS = {"handlers/cli.py"}

KEY_MODULE = "chain/fee_payer.py"
KEY_MAKERS = ("solders.keypair", "nacl.signing", "nacl.bindings", "cryptography.hazmat.primitives.asymmetric", "Crypto")

SQL = re.compile(r"\b(SELECT\b.+\bFROM|INSERT\s+INTO|UPDATE\b.+\bSET|DELETE\s+FROM)\b", re.DOTALL)


def modules(*folders: str) -> list[str]:
    """Paths of the modules under these folders, from the root."""
    found = sorted(path.relative_to(ROOT).as_posix() for folder in folders for path in (ROOT / folder).rglob("*.py"))
    assert found, f"no modules in {folders}"
    return found


def parse(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text(), path)


def imports(path: str, tree: ast.Module) -> Iterator[str]:
    """The full names of everything a module imports: at the top, within functions, by name at run time."""
    package = Path(path).parent.parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *filter(None, [node.module])])
            # `from app import sandbox` imports a module, and nothing in the syntax says so.
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            yield from (str(value.value) for value in node.args[:1] if isinstance(value, ast.Constant))


def lies_in(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def upward_imports(path: str, tree: ast.Module) -> list[str]:
    """What a module imports from a layer above its own."""
    above = LAYERS[LAYERS.index(Path(path).parts[0]) + 1 :]
    return [name for name in imports(path, tree) if lies_in(name, *above)]


def backward_imports(path: str, tree: ast.Module) -> list[str]:
    """What a package of the money's path imports from those that build on it."""
    later = MONEY[MONEY.index(".".join(Path(path).parts[:2])) + 1 :]
    return [name for name in imports(path, tree) if lies_in(name, *later)]


def sandbox_leaks(path: str, tree: ast.Module) -> list[str]:
    """Imports across the wall around the sandbox, from either side."""
    names = list(imports(path, tree))
    if not path.startswith("app/sandbox/"):
        return [] if path in SANDBOX_USERS else [name for name in names if lies_in(name, "app.sandbox")]
    return [
        name
        for name in names
        if lies_in(name, *LAYERS)
        and not lies_in(name, "app.sandbox")
        and not any(path == module and lies_in(name, allowed) for module, allowed in SANDBOX_EXCEPTIONS)
    ]


def sql_literals(tree: ast.Module) -> list[str]:
    texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return [text for text in texts if SQL.search(text)]


def key_users(path: str, tree: ast.Module) -> list[str]:
    """What a module imports that holds or makes Ed25519 keys; what only checks a signature holds none."""
    names = set(imports(path, tree)) - {"nacl.signing.VerifyKey"}
    found = {name for name in names for maker in KEY_MAKERS if lies_in(name, maker)}
    return sorted(name.removesuffix(".Keypair") for name in found)


def float_calls(tree: ast.Module) -> list[int]:
    """The lines on which a value is turned into a float."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [node.lineno for node in calls if isinstance(node.func, ast.Name) and node.func.id == "float"]


@pytest.mark.parametrize("path", modules(*LAYERS))
def test_imports_point_downwards(path: str) -> None:
    assert upward_imports(path, parse(path)) == []


@pytest.mark.parametrize("path", modules(*(package.replace(".", "/") for package in MONEY)))
def test_transactions_know_neither_payments_nor_refunds_and_these_not_their_watchers(path: str) -> None:
    assert backward_imports(path, parse(path)) == []


@pytest.mark.parametrize("path", modules("app", "handlers"))
def test_the_sandbox_and_settle_meet_over_sockets_only(path: str) -> None:
    assert sandbox_leaks(path, parse(path)) == []


@pytest.mark.parametrize("path", modules("handlers"))
def test_a_handler_reaches_database_and_chain_through_app(path: str) -> None:
    tree = parse(path)
    assert [name for name in imports(path, tree) if lies_in(name, "solders", "solana", "asyncpg")] == []
    assert sql_literals(tree) == []


@pytest.mark.parametrize("path", [path for path in modules(*LAYERS) if not path.startswith("app/sandbox/")])
def test_nothing_is_turned_into_a_float(path: str) -> None:
    assert float_calls(parse(path)) == []


@pytest.mark.parametrize("path", [path for path in modules(*LAYERS) if not path.startswith("app/sandbox/")])
def test_only_the_fee_payers_module_touches_a_private_key_of_the_chain(path: str) -> None:
    assert key_users(path, parse(path)) == (
        [] if path != KEY_MODULE else ["nacl.signing.SigningKey", "solders.keypair"]
    )


@pytest.mark.parametrize("path", sorted(set(modules(*LAYERS, "prisma")) - GENERATED))
def test_no_module_outgrows_a_reader(path: str) -> None:
    assert len((ROOT / path).read_text().splitlines()) <= LINES_MAX


def test_the_schema_folder_does_not_hide_the_installed_prisma() -> None:
    assert not (ROOT / "prisma" / "__init__.py").exists()


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("chain/reading.py", "from app.records import Fate"),
        ("chain/reading.py", "def read():\n    import handlers.cli"),
        ("chain/reading.py", "from importlib import import_module\nimport_module('app.records')"),
        ("app/payments/quotes.py", "import handlers"),
        ("app/payments/quotes.py", "from ...handlers import cli"),
    ],
)
def test_an_upward_import_is_noticed_wherever_it_hides(path: str, source: str) -> None:
    assert upward_imports(path, ast.parse(source)) != []


def test_a_backward_import_is_noticed() -> None:
    assert backward_imports("app/transactions/issued.py", ast.parse("from app.payments import lifecycle")) != []
    assert backward_imports("app/refunds/issuing.py", ast.parse("import app.watching.hints")) != []
    assert backward_imports("app/refunds/issuing.py", ast.parse("from app.payments import lifecycle")) == []


@pytest.mark.parametrize(
    "source",
    [
        "from solders.keypair import Keypair",
        "import nacl.signing",
        "def sign():\n    from nacl.bindings import crypto_sign",
        "from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey",
    ],
)
def test_a_second_place_with_a_key_is_noticed(source: str) -> None:
    assert key_users("app/payments/issuing.py", ast.parse(source)) != []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("app/sandbox/store/books.py", "from app.records import Fate"),
        ("app/sandbox/store/books.py", "from ...money import parse_amount"),
        ("app/sandbox/store/books.py", "from app import money"),
        ("app/sandbox/store/books.py", "import chain"),
        ("app/sandbox/store/books.py", "from app.embedded_postgres import EmbeddedPostgres"),
        ("app/payments/quotes.py", "from app import sandbox"),
        ("app/payments/quotes.py", "def quote():\n    from app.sandbox.clock import VirtualClock"),
        ("handlers/public.py", "from app.sandbox import command"),
    ],
)
def test_a_hole_in_the_sandboxs_wall_is_noticed(path: str, source: str) -> None:
    assert sandbox_leaks(path, ast.parse(source)) != []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        (
            "app/sandbox/store/books.py",
            "from app.sandbox.faults import Faults\nfrom .graphql import answer\nimport chains",
        ),
        ("app/sandbox/command.py", "from app.embedded_postgres import EmbeddedPostgres"),
        ("handlers/cli.py", "def sandbox():\n    from app.sandbox.command import run_sandbox"),
    ],
)
def test_what_the_rules_allow_passes(path: str, source: str) -> None:
    assert sandbox_leaks(path, ast.parse(source)) == []
    assert upward_imports(path, ast.parse(source)) == []
