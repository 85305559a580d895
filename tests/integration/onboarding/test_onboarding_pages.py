"""Onboarding as pages: every step by a form, each explained, and nothing skipped."""

import html
import re

import httpx

from tests.box import Box
from tests.integration.onboarding.merchant import NEW_SHOP, Merchant, fund
from tests.integration.onboarding.test_onboarding import row
from tests.integration.portal.test_pages import check_page

PAGE = "/portal/onboarding"


class Forms:
    """The page's forms, sent as a browser sends them."""

    def __init__(self, box: Box, browser: httpx.AsyncClient) -> None:
        self._url = box.house.settings.public_url
        self._browser = browser
        self._csrf = ""

    async def load(self) -> str:
        answer = await self._browser.get(self._url + PAGE)
        assert answer.status_code == 200
        self._csrf = re.findall(r'name="csrf" value="([^"]+)"', answer.text)[0]
        return answer.text

    async def send(self, step: str, status: int = 200, **fields: str) -> str:
        data = {"csrf": self._csrf, **fields}
        answer = await self._browser.post(f"{self._url}{PAGE}/{step}", data=data)
        assert answer.status_code == status, answer.text
        return answer.text


async def test_every_step_is_done_by_a_form_and_the_shop_opens(
    box: Box, browser: httpx.AsyncClient, merchant: Merchant
) -> None:
    forms = Forms(box, browser)
    page = await forms.load()
    assert "0 of 4 steps are done" in page
    assert "still to be done" in await forms.send("finish", 409)
    assert "can not be your payout wallet" in await forms.send("wallet", 422, wallet="not-an-address")
    await fund(box, merchant.address)
    page = await forms.send("wallet", wallet=merchant.address)
    text = html.unescape(re.findall(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)[0])
    [nonce] = re.findall(r'name="nonce" value="([^"]+)"', page)
    assert "does not prove" in await forms.send("proof", 422, nonce=nonce, signed="1" * 64)
    page = await forms.send("wallet", wallet=merchant.address)
    text = html.unescape(re.findall(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)[0])
    [nonce] = re.findall(r'name="nonce" value="([^"]+)"', page)
    page = await forms.send("proof", nonce=nonce, signed=merchant.sign(text))
    assert "that is proved" in page
    assert "2 of 4 steps are done" in page
    await forms.send("terms", 409, terms="0", privacy="1")
    await forms.send("terms", terms="1", privacy="1")
    page = await forms.send("identity")
    assert "Your identity is confirmed." in page
    page = await forms.send("finish")
    assert "Your shop takes USDC payments" in page
    assert ((await row(box))["status"], (await row(box))["wallet"]) == ("active", merchant.address)
    page = await forms.send("pause")
    assert "Payments are paused" in page
    assert (await row(box))["status"] == "inactive"
    assert "takes USDC payments" in await forms.send("finish")
    assert await box.violations() == []


async def test_the_page_is_clean_and_shows_the_way_where_a_shop_is_not_ready(
    box: Box, browser: httpx.AsyncClient, merchant: Merchant
) -> None:
    url = box.house.settings.public_url
    for path in (PAGE, "/portal", "/portal/settings", "/portal/payments"):
        answer = await browser.get(url + path)
        check_page(answer)
        assert 'href="/portal/onboarding"' in answer.text, path
    assert (await row(box, NEW_SHOP))["status"] == "inactive"
