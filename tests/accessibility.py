"""What keeps people from using a page: axe looks at it in the browser, as assistive technology would find it."""

from pathlib import Path

import pytest
from playwright.async_api import Page

AXE = Path(__file__).resolve().parents[1] / ".node" / "node_modules" / "axe-core" / "axe.min.js"
# axe's two worst grades; the others are advice.
GRAVE = ("serious", "critical")

# Sent as a script of the debugger's: a page's policy lets nothing in, and shall not.
_RUN = """async (grave) => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  const tell = ({ impact, id, help, nodes }) =>
    `${impact} ${id}: ${help}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")}`;
  return violations.filter((one) => grave.includes(one.impact)).map(tell);
}"""


async def find_barriers(page: Page) -> list[str]:
    """What axe calls serious or critical on the page as it is now, a line each."""
    if not AXE.exists():
        pytest.fail("axe is not in .node: run `make setup`.", pytrace=False)
    await page.evaluate(AXE.read_text())
    found: list[str] = await page.evaluate(_RUN, list(GRAVE))
    return found
