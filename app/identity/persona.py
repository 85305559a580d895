"""Persona's inquiries: the merchant shows papers on Persona's own pages, and we ask how it ended."""

import asyncio
from urllib.parse import quote

import httpx
import msgspec

from app.identity.provider import Check, IdentityUnavailable
from app.logs import get_logger
from app.records import IdentityStatus

# An inquiry that is only `completed` has passed its verifications; where the template decides, it goes on to one of the
# last three. `needs_review` waits for a person at Persona.
_STATUSES = {
    "created": IdentityStatus.pending,
    "pending": IdentityStatus.pending,
    "completed": IdentityStatus.pending,
    "needs_review": IdentityStatus.pending,
    "approved": IdentityStatus.approved,
    "declined": IdentityStatus.declined,
    "failed": IdentityStatus.declined,
    "expired": IdentityStatus.unstarted,
}
# In these the merchant has something to do on Persona's page.
_UNFINISHED = frozenset({"created", "pending"})


class _Attributes(msgspec.Struct):
    status: str


class _Inquiry(msgspec.Struct):
    id: str
    attributes: _Attributes


class _Meta(msgspec.Struct):
    one_time_link: str | None = msgspec.field(name="one-time-link", default=None)


class _Answer(msgspec.Struct):
    data: _Inquiry
    meta: _Meta | None = None


class Persona:
    """`template` is the inquiry template; `completed_is_enough` where it takes no decision of its own."""

    name = "persona"

    def __init__(
        self, client: httpx.AsyncClient, api_key: str, template: str, timeout_seconds: float, completed_is_enough: bool
    ) -> None:
        self._client = client
        self._api_key = api_key
        self._template = template
        self._timeout_seconds = timeout_seconds
        self._completed_is_enough = completed_is_enough
        self._decoder = msgspec.json.Decoder(_Answer)

    async def begin(self, shop: str, return_url: str) -> Check:
        attributes = {"inquiry-template-id": self._template, "reference-id": shop, "redirect-uri": return_url}
        answer = await self._call("POST", "/api/v1/inquiries", {"data": {"attributes": attributes}})
        return await self._check(answer.data)

    async def look(self, reference: str) -> Check:
        answer = await self._call("GET", f"/api/v1/inquiries/{quote(reference, safe='')}")
        return await self._check(answer.data)

    async def _check(self, inquiry: _Inquiry) -> Check:
        status = _STATUSES.get(inquiry.attributes.status, IdentityStatus.pending)
        if inquiry.attributes.status == "completed" and self._completed_is_enough:
            status = IdentityStatus.approved
        url = None
        if inquiry.attributes.status in _UNFINISHED:
            # A link works once, so that it can be left lying in a history.
            path = f"/api/v1/inquiries/{quote(inquiry.id, safe='')}/generate-one-time-link"
            meta = (await self._call("POST", path)).meta
            url = meta.one_time_link if meta else None
        return Check(inquiry.id, status, url)

    async def _call(self, method: str, path: str, body: object = None) -> _Answer:
        headers = {"Authorization": f"Bearer {self._api_key}"}
        try:
            async with asyncio.timeout(self._timeout_seconds):
                response = await self._client.request(method, path, json=body, headers=headers)
            response.raise_for_status()
            return self._decoder.decode(response.content)
        except (httpx.HTTPError, TimeoutError, msgspec.DecodeError, UnicodeDecodeError) as error:
            get_logger().warning("identity_unavailable", error=type(error).__name__)
            raise IdentityUnavailable from error
