"""What a cold function must not load: Shopify waits while its door begins."""

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.layer import NOT_THERE

ROOT = Path(__file__).parents[2]
# Loaded when a node is first asked, or by what acts and does not only store.
NEVER = ("chain.rpc", "solana", "pydantic", "httpx2", "cryptography", "boto3", "botocore")
# The store of merchants' and customers' pages.
PAGES = ("segno", "handlers.portal", "handlers.checkout_page")


@pytest.mark.parametrize(
    ("function", "unloaded"),
    [
        ("shopify", (*NEVER, *PAGES)),
        ("jobs", (*NEVER, *PAGES, "starlette", "jinja2")),
        ("schedules", (*NEVER, *PAGES, "starlette", "jinja2")),
        ("public", NEVER),
    ],
)
def test_a_function_loads_only_what_it_needs_and_does_without_what_the_layer_leaves_out(
    function: str, unloaded: tuple[str, ...]
) -> None:
    gone = "; ".join(f"sys.modules[{package!r}] = None" for package in NOT_THERE)
    found = f"[name for name in {unloaded} if name in sys.modules]"
    code = f"import sys; {gone}; import handlers.aws.{function}; print(*{found})"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout.split(), ended.stderr) == (0, [], "")
