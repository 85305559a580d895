"""What names a row of another shop is answered as if there were no such row, on every page and call of the portal."""

import random
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import pytest
from solders.keypair import Keypair
from starlette.routing import BaseRoute, Route

from handlers.portal import PORTAL
from tests.conftest import Scale
from tests.house import SHOP, House
from tests.multitude import fill_shop, give_back, make_payable

THEIRS = "theirs.myshopify.com"
HTML = {"Accept": "text/html"}
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
# Fields that the forms need before they look for the row.
FORM = {"how": "sent_back", "message": "No.", "note": "x"}
# A search -> what its answer says when there is nothing. (In words it depends on what was looked for.)
SEARCHES = {
    "/portal/find": re.compile(r"(?!.*/portal/(payments|refunds)/[\w-]{22}).*", re.DOTALL),
    "/portal/payments": re.compile(r"(?!.*/portal/(payments|refunds)/[\w-]{22}).*", re.DOTALL),
    "/portal/payments.csv": re.compile(r"[^\r\n]+\r\n"),
    "/portal/api/payments": re.compile(r'{"payments":\[\],"next":null}'),
}


@dataclass(frozen=True)
class Way:
    """A way to ask for a row by what names it: `kind` is the route's parameter, or `query` for a search."""

    method: str
    path: str
    kind: str

    async def ask(self, client: httpx.AsyncClient, name: str) -> tuple[int, str]:
        """Status and text of the answer."""
        if self.kind == "query":
            answer = await client.get(self.path, params={"query": name}, headers=HTML)
            return answer.status_code, answer.text
        path = re.sub(r"{\w+(:\w+)?}", name, self.path)
        body = {} if self.method == "GET" else {"json" if "/api/" in path else "data": FORM}
        answer = await client.request(self.method, path, headers=HTML, **body)  # type: ignore[arg-type]
        return answer.status_code, answer.text


def ways_of(routes: list[BaseRoute]) -> list[Way]:
    """Every route whose address names a row."""
    found = []
    for route in routes:
        assert isinstance(route, Route)
        kinds = re.findall(r"{(\w+)(?::\w+)?}", route.path)
        if kinds and kinds[0] not in ("anything", "digest"):
            found += [Way(method, route.path, kinds[0]) for method in sorted((route.methods or set()) - {"HEAD"})]
    return found


WAYS = [*ways_of(PORTAL), *(Way("GET", path, "query") for path in SEARCHES)]


@pytest.mark.timeout(900)
async def test_no_foreign_id_is_answered_in_any_way(house: House, scale: Scale) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    async with house.system.database.acquire() as connection:
        await fill_shop(connection, THEIRS, 2_000, until=NOW)
        await connection.execute("UPDATE merchants SET wallet = $1", str(Keypair().pubkey()))
        await make_payable(connection)
        await give_back(connection)
        await connection.execute(
            """INSERT INTO privacy_requests (merchant_id, kind, inbox_id, asked_at, due_at, export_sealed, kept_until)
            SELECT m.id, 'customer_data', n, $2, $2, $3, $2 FROM merchants m, generate_series(1, 200) n
            WHERE shop = $1""",
            THEIRS,
            NOW,
            house.system.keyring.seal("export"),
        )
    names = {
        "payment_id": await _column(house, "SELECT id FROM payments"),
        "refund_id": await _column(house, "SELECT id FROM refunds"),
        "request_id": await _column(house, "SELECT id::text FROM privacy_requests"),
        "query": await _column(
            house,
            """SELECT unnest(ARRAY[p.id, p.shopify_id, p.gid, p.paid_signature, p.paid_wallet, g.group_key, g.address])
            FROM payments p JOIN payment_groups g ON g.id = p.group_id
            UNION ALL SELECT unnest(ARRAY[id, shopify_id, gid]) FROM refunds""",
        ),
    }
    before = await _contents(house)
    async with house.portal(THEIRS) as owner, house.portal(SHOP) as stranger:
        for way in WAYS:
            known = chance.choice(names["payment_id" if way.kind == "query" else way.kind])
            if way.method == "GET":
                status, text = await way.ask(owner, known)
                assert status == 200, (way, known)
                assert way.kind != "query" or not SEARCHES[way.path].fullmatch(text), (way, known)
        nowhere = {way: await way.ask(stranger, _unknown(way.kind)) for way in WAYS if way.kind != "query"}
        assert {status for status, _ in nowhere.values()} == {404}
        for _ in range(scale.pick(ci=300, soak=10_000)):
            way = chance.choice(WAYS)
            name = chance.choice(names[way.kind])
            status, text = await way.ask(stranger, name)
            if way.kind == "query":
                assert (status, bool(SEARCHES[way.path].fullmatch(text))) == (200, True), (way, name)
            else:
                assert (status, text) == nowhere[way], (way, name)
    assert await _contents(house) == before


def _unknown(kind: str) -> str:
    return "999999" if kind == "request_id" else secrets.token_urlsafe(16)


async def _column(house: House, query: str) -> list[str]:
    return [row[0] for row in await house.rows(query) if row[0] is not None]


async def _contents(house: House) -> list[str]:
    """All that may not have changed, as one digest for each table."""
    tables = ("payments", "refunds", "payment_groups", "issued_transactions", "jobs", "privacy_requests")
    return [
        row["digest"]
        for table in tables
        for row in await house.rows(f"SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) AS digest FROM {table} t")
    ]
