"""Payment sessions as Shopify sends them: mutual TLS, headers, body, retries."""

import asyncio
import base64
import re
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import JSONResponse, PlainTextResponse, Response

from app.sandbox.faults import Faults
from app.sandbox.tls import mint_expired_client, mint_foreign_client, mint_server_only_client
from tests.integration.store.harness import RESOLVE, Door, World


async def test_a_checkout_sends_a_session_with_the_documented_headers_and_body(world: World) -> None:
    checkout = await world.open("10.0", "USD", locale="fr-CA")
    headers, _ = world.door.received[0]
    body = world.door.sessions[0]
    assert headers["shopify-shop-domain"] == "sandbox.myshopify.com"
    assert headers["shopify-api-version"] == "2026-10"
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", headers["shopify-request-id"])
    assert headers["content-type"] == "application/json"
    assert re.fullmatch(r"[A-Za-z0-9_-]{24}", body["id"])
    assert body["gid"] == f"gid://shopify/PaymentSession/{body['id']}"
    assert len(base64.b64decode(body["group"], validate=True)) == len(base64.b64decode(body["session_id"])) == 32
    assert (body["amount"], body["currency"], body["test"], body["kind"]) == ("10.0", "USD", False, "sale")
    assert body["merchant_locale"] == "en"
    assert body["customer"]["locale"] == "fr-CA"
    assert body["customer"]["billing_address"]["province_code"] == "ON"
    assert body["payment_method"]["type"] == "offsite"
    assert body["payment_method"]["data"]["cancel_url"].endswith(f"/checkouts/{body['id']}/cancelled")
    assert "cancel_url" not in body
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", body["proposed_at"])
    assert checkout == {
        "id": body["id"],
        "gid": body["gid"],
        "group": body["group"],
        "redirect_url": f"https://settle.example/pay/{body['id']}",
    }


@pytest.mark.parametrize(
    "mint",
    [
        mint_expired_client,
        mint_server_only_client,
        lambda _, out: mint_foreign_client(out),
    ],
    ids=["expired", "server-only", "foreign"],
)
async def test_a_bad_client_certificate_gets_no_tls_session(
    mint: Callable[[Path, Path], tuple[Path, Path]], tls_dir: Path, tmp_path: Path, door: Door
) -> None:
    context = ssl.create_default_context(cafile=tls_dir / "ca.crt")
    context.load_cert_chain(*mint(tls_dir, tmp_path))
    async with httpx.AsyncClient(verify=context, trust_env=False) as client:
        with pytest.raises(httpx.HTTPError):
            await client.post(f"{door.url}/shopify/payment", json={})
    assert door.received == []


async def test_the_sandbox_files_alone_let_a_program_be_shopify(tls_dir: Path, door: Door) -> None:
    context = ssl.create_default_context(cafile=tls_dir / "ca.crt")
    context.load_cert_chain(tls_dir / "shopify-client.crt", tls_dir / "shopify-client.key")
    async with httpx.AsyncClient(verify=context, trust_env=False) as client:
        answer = await client.post(f"{door.url}/shopify/payment", json={"id": "x"})
    assert answer.status_code == 200


async def test_sessions_of_one_group_share_group_and_session_id_but_not_the_id(world: World) -> None:
    first = await world.open()
    second = await world.open(group=first["group"])
    one, two = world.door.sessions
    assert (one["group"], one["session_id"]) == (two["group"], two["session_id"])
    assert second["id"] != first["id"]


async def test_a_resent_session_is_identical_byte_for_byte_under_a_new_request_id(world: World) -> None:
    checkout = await world.open()
    again = await world.http.post(f"/sandbox/checkouts/{checkout['id']}/resend")
    assert (again.status_code, again.json()) == (201, checkout)
    (first_headers, first_body), (headers, body) = world.door.received
    assert body == first_body
    assert headers["shopify-request-id"] != first_headers["shopify-request-id"]


async def test_a_session_can_be_resent_with_another_amount(world: World) -> None:
    checkout = await world.open("10.00")
    changed = {"options": {"body": {"amount": "11.00"}, "omit": ["group"], "headers": {"Shopify-Shop-Domain": "x"}}}
    await world.http.post(f"/sandbox/checkouts/{checkout['id']}/resend", json=changed)
    headers, _ = world.door.received[1]
    body = world.door.sessions[1]
    assert (body["id"], body["amount"], headers["shopify-shop-domain"]) == (checkout["id"], "11.00", "x")
    assert "group" not in body
    assert (await world.show(checkout))["amount"] == "10.00"


async def test_a_refusal_is_reported_with_what_the_app_answered(world: World) -> None:
    async def refuse(_: dict[str, Any]) -> Response:
        return JSONResponse({"error": "unknown_shop"}, 404)

    world.door.respond = refuse
    answer = await world.http.post("/sandbox/checkouts", json={"amount": "1", "currency": "USD"})
    assert answer.status_code == 502
    assert (answer.json()["status"], answer.json()["body"]) == (404, {"error": "unknown_shop"})
    assert len(world.door.received) == 3
    known = await world.show(answer.json())
    assert (known["state"], known["redirect_url"]) == ("open", None)
    assert [delivery["status"] for delivery in known["deliveries"]] == [404, 404, 404]


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (lambda: JSONResponse({"redirect_url": "https://a.example/" + "x" * 8192}), "8192 bytes"),
        (lambda: JSONResponse({"url": "https://a.example"}), "no JSON object with a redirect_url"),
        (lambda: PlainTextResponse("fine"), "no JSON object with a redirect_url"),
        (lambda: JSONResponse({"redirect_url": "pay/1"}), "no address of a web page"),
    ],
)
async def test_a_useless_answer_counts_as_none(world: World, response: Callable[[], Response], reason: str) -> None:
    async def respond(_: dict[str, Any]) -> Response:
        return response()

    world.door.respond = respond
    answer = await world.http.post("/sandbox/checkouts", json={"amount": "1", "currency": "USD"})
    assert answer.status_code == 502
    assert reason in answer.json()["reason"]


async def test_any_2xx_is_a_good_answer(world: World) -> None:
    async def respond(_: dict[str, Any]) -> Response:
        return JSONResponse({"redirect_url": "https://a.example/1"}, 201)

    world.door.respond = respond
    assert (await world.open())["redirect_url"] == "https://a.example/1"


async def test_a_session_is_tried_again_when_the_first_answer_is_an_error(world: World) -> None:
    answers = [Response(status_code=503), JSONResponse({"redirect_url": "https://a.example/1"})]

    async def respond(_: dict[str, Any]) -> Response:
        return answers.pop(0)

    world.door.respond = respond
    await world.open()
    assert world.door.received[0][1] == world.door.received[1][1]


async def test_a_silent_app_is_reported_without_a_status(make_world: Callable[..., Any], door: Door) -> None:
    async def respond(_: dict[str, Any]) -> Response:
        await asyncio.sleep(1)
        return Response()

    door.respond = respond
    async with make_world(session_timeout=0.1) as world:
        answer = await world.http.post("/sandbox/checkouts", json={"amount": "1", "currency": "USD"})
    assert answer.status_code == 502
    assert answer.json()["status"] is None
    assert "ReadTimeout" in answer.json()["body"]


async def test_a_redirect_url_that_changes_raises_an_alarm(world: World) -> None:
    checkout = await world.open()

    async def respond(_: dict[str, Any]) -> Response:
        return JSONResponse({"redirect_url": "https://a.example/other"})

    world.door.respond = respond
    await world.http.post(f"/sandbox/checkouts/{checkout['id']}/resend")
    known = await world.show(checkout)
    assert known["redirect_url"] == checkout["redirect_url"]
    assert "https://a.example/other" in known["alarms"][0]


async def test_the_sending_faults_change_the_session(world: World, faults: Faults) -> None:
    faults.set("shopify", "top_level_cancel_url", times=1)
    faults.set("shopify", "customer_null", times=1)
    faults.set("shopify", "unknown_field", times=1)
    faults.set("shopify", "numeric_amount", times=1)
    await world.open("0.10")
    odd = world.door.sessions[0]
    assert odd["cancel_url"] == odd["payment_method"]["data"]["cancel_url"]
    assert odd["customer"] is None
    assert "new_in_some_version" in odd
    assert b'"amount": 0.10,' in world.door.received[0][1]
    faults.set("shopify", "top_level_cancel_url", "only", times=1)
    faults.set("shopify", "no_shipping", times=1)
    await world.open()
    other = world.door.sessions[1]
    assert other["cancel_url"]
    assert "cancel_url" not in other["payment_method"]["data"]
    assert "shipping_address" not in other["customer"]


async def test_a_duplicate_session_reaches_the_app_at_the_same_time(world: World, faults: Faults) -> None:
    both = asyncio.Barrier(2)

    async def respond(session: dict[str, Any]) -> Response:
        await both.wait()
        return JSONResponse({"redirect_url": f"https://a.example/{session['id']}"})

    world.door.respond = respond
    faults.set("shopify", "duplicate_session", times=1)
    async with asyncio.timeout(5):
        await world.open()
    assert world.door.received[0][1] == world.door.received[1][1]


async def test_a_dropped_answer_makes_the_store_try_again_and_mutations_wait(world: World, faults: Faults) -> None:
    seen: list[str] = []

    async def respond(session: dict[str, Any]) -> Response:
        if not seen:
            seen.append("first")
        else:
            answer = await world.ask(RESOLVE, {"id": session["gid"]})
            seen.append(answer["data"]["paymentSessionResolve"]["userErrors"][0]["message"])
        return JSONResponse({"redirect_url": "https://a.example/1"})

    world.door.respond = respond
    faults.set("shopify", "drop_session_answer", times=1)
    checkout = await world.open()
    assert "start_payment_session request has not been received" in seen[1]
    assert (await world.show(checkout))["deliveries"][0]["status"] is None


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"amount": 12.34, "currency": "USD"}, "amount must be a string"),
        ({"amount": "1,50", "currency": "USD"}, "amount must be a string"),
        ({"amount": "0.00", "currency": "USD"}, "more than zero"),
        ({"amount": "1", "currency": "usd"}, "three capital letters"),
        ({"amount": "1", "currency": "USD", "test": "yes"}, "true or false"),
        ({"amount": "1", "currency": "USD", "group": ""}, "group must be"),
        ({"amount": "1", "currency": "USD", "locale": "english please"}, "BCP 47"),
        ({"amount": "1", "currency": "USD", "options": {"boddy": {}}}, "options must be"),
        ({"amount": "1", "currency": "USD", "ammount": "1"}, "unknown field: ammount"),
        ({"amount": "1", "options": {"headers": {"Shopify-Request-Id": "é"}}}, "plain ASCII"),
        ([], "must be a JSON object"),
    ],
)
async def test_a_senseless_checkout_is_refused_with_a_sentence(world: World, body: Any, sentence: str) -> None:
    answer = await world.http.post("/sandbox/checkouts", json=body)
    assert answer.status_code == 422
    assert sentence in answer.json()["message"]
    assert world.door.received == []


@pytest.mark.parametrize("content", [b"{", b"", b"\xff", b'{"amount": "1", "group": "\\ud800"}'])
async def test_a_checkout_that_is_no_json_is_refused(world: World, content: bytes) -> None:
    answer = await world.http.post("/sandbox/checkouts", content=content)
    assert (answer.status_code, answer.json()["message"]) == (422, "the body must be JSON")


async def test_an_unknown_checkout_is_not_found(world: World) -> None:
    assert (await world.http.get("/sandbox/checkouts/none")).status_code == 404
    assert (await world.http.post("/sandbox/checkouts/none/resend")).status_code == 404
