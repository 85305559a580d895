"""What the doors are fed: bytes, JSON of every shape, texts that break things, and how an answer is judged."""

import json
import os
import random
from collections.abc import Callable
from typing import Any, TypeVar

import httpx
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st

from tests.conftest import Scale

SEED = int(os.environ.get("SETTLE_TEST_SEED") or random.randrange(2**32))
EXAMPLES = Scale(os.environ.get("SETTLE_TEST_SCALE", "ci")).pick(150, 3_000)
# What must never come back as it went.
MARKUP = '"><script>fuzz()</script>'

Test = TypeVar("Test", bound=Callable[..., Any])


def fuzzed(test: Test) -> Test:
    """Many examples from one seed; SETTLE_TEST_SEED repeats them."""
    quick = settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    seeded: Test = seed(SEED)(quick(test))
    return seeded


NASTY_TEXTS = (
    "",
    " ",
    "\x00",
    "a\x00b",
    "\ud800",
    "\udfff\ud800",
    "\u202e\u200b\ufeff",
    "𝟙𝟚.𝟛𝟜",
    "١٢.٣٤",
    MARKUP,
    "{{7*7}}${7*7}%(x)s%n{0}",
    "' OR 1=1; DROP TABLE payments; --",
    "../../etc/passwd",
    "javascript:alert(1)",
    "https://[::1",
    "https://shop.example/" + "x" * 3_000,
    "https://shop.example/\r\nSet-Cookie: a=b",
    f"https://shop.example/{MARKUP}",
    "x" * 2_000,
    "NaN",
    "Infinity",
    "-0",
    "1e400",
    "1E-400",
    "0." + "0" * 400 + "1",
    "9" * 400,
    "92233720368547758.08",
    "2026-02-30T25:61:61Z",
    "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00",
)
NASTY_NUMBERS = (0, -1, 2**31, 2**63, 2**64, 10**300, 10**400, -(10**400), 1e-320, 1e308, 0.1)

any_text = st.one_of(st.sampled_from(NASTY_TEXTS), st.text(st.characters(exclude_categories=()), max_size=60))
scalars = st.one_of(st.none(), st.booleans(), st.sampled_from(NASTY_NUMBERS), st.integers(), st.floats(), any_text)
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4), max_leaves=12
)
deep = st.sampled_from(("[" * 50_000, '{"a":' * 10_000, "[" * 5_000 + "]" * 5_000, '{"id":' * 500 + "1" + "}" * 500))
bodies = st.one_of(
    st.binary(max_size=400),
    json_values.map(lambda value: json.dumps(value).encode()),
    deep.map(str.encode),
    st.just(b"\xef\xbb\xbf{}"),
    st.just(b"x" * 70_000),
)


def judge(answer: httpx.Response) -> None:
    """Only what is away may be a 5xx, and every error is JSON with a reason and a sentence, or a page for people."""
    assert answer.status_code < 500 or answer.status_code == 503, f"{answer.status_code}: {answer.text}"
    is_page = "text/html" in answer.headers.get("content-type", "")
    # In JSON, which no browser takes for a page, texts stand as they are.
    assert not is_page or MARKUP not in answer.text
    if answer.status_code < 400 or answer.request.method == "HEAD":
        return
    if is_page:
        assert "text/html" in answer.request.headers["accept"]
        return
    error = answer.json()
    assert set(error) >= {"reason", "message"}, error
    assert error["reason"]
    assert error["message"]
