"""The trust store is data: several authorities at once, changed while the door is open."""

import shutil
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app import metrics
from app.sandbox.tls import make_tls, mint_rotated_client
from handlers.door_tls import DoorCertificateInvalid, DoorTls
from tests.house import House, client_context, make_settings, open_house
from tests.waiting import wait_until


@pytest_asyncio.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(make_settings(database_url, tmp_path, trust_reload_seconds=1)) as opened:
        yield opened


def _trust(house: House) -> Path:
    return Path(house.settings.shopify_trust)


def _leaf_only(certificate: Path, out: Path) -> Path:
    """The chain's first certificate alone: a client that sends no intermediate."""
    leaf = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
    out.write_bytes(leaf.public_bytes(Encoding.PEM))
    return out


async def _is_let_in(house: House, certificate: Path, key: Path) -> bool:
    """Whether a new connection with this certificate gets an answer."""
    context = client_context(_trust(house).parent, certificate, key)
    try:
        async with httpx.AsyncClient(verify=context) as client:
            answer = await client.post(f"https://127.0.0.1:{house.settings.shopify_port}/shopify/payment", json={})
    except httpx.TransportError:
        return False
    assert answer.status_code == 400
    return True


async def _until(house: House, certificate: Path, key: Path, let_in: bool) -> None:
    async def is_so() -> bool:
        return await _is_let_in(house, certificate, key) is let_in

    await wait_until(is_so, 15, f"the door {'opens' if let_in else 'closes'}")


def _own(house: House) -> tuple[Path, Path]:
    tls = _trust(house).parent
    return tls / "shopify-client.crt", tls / "shopify-client.key"


async def test_the_intermediate_may_be_sent_or_not_while_the_store_has_it(house: House, tmp_path: Path) -> None:
    certificate, key = _own(house)
    assert await _is_let_in(house, certificate, key)
    assert await _is_let_in(house, _leaf_only(certificate, tmp_path / "leaf.crt"), key)


async def test_with_the_root_alone_the_intermediate_must_be_sent(house: House, tmp_path: Path) -> None:
    certificate, key = _own(house)
    leaf = _leaf_only(certificate, tmp_path / "leaf.crt")
    (_trust(house) / "shopify-intermediate.pem").unlink()
    await _until(house, leaf, key, False)
    assert await _is_let_in(house, certificate, key)


async def test_an_intermediate_without_its_root_is_trusted_as_it_stands(house: House, tmp_path: Path) -> None:
    certificate, key = _own(house)
    leaf = _leaf_only(certificate, tmp_path / "leaf.crt")
    foreign, foreign_key, _ = mint_rotated_client(_trust(house).parent, tmp_path / "rotated")
    (_trust(house) / "shopify-root.pem").unlink()
    # The same root signed it, but that is not trusted any more.
    await _until(house, foreign, foreign_key, False)
    assert await _is_let_in(house, certificate, key)
    assert await _is_let_in(house, leaf, key)


async def test_a_rotated_intermediate_is_let_in_under_its_root_or_once_it_is_in_the_store(
    house: House, tmp_path: Path
) -> None:
    certificate, key, intermediate = mint_rotated_client(_trust(house).parent, tmp_path / "rotated")
    leaf = _leaf_only(certificate, tmp_path / "leaf.crt")
    assert await _is_let_in(house, certificate, key)
    assert not await _is_let_in(house, leaf, key)
    shutil.copy(intermediate, _trust(house) / "shopify-intermediate-2.pem")
    await _until(house, leaf, key, True)
    # The old one goes on working beside it, for as long as it is there.
    assert await _is_let_in(house, *_own(house))


async def test_two_chains_are_trusted_at_once_and_the_old_one_goes_without_a_restart(
    house: House, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    make_tls(other)
    new = other / "shopify-client.crt", other / "shopify-client.key"
    assert not await _is_let_in(house, *new)
    # Shopify prints root and intermediate one below the other: one file of both will do.
    both = (other / "trust" / "shopify-root.pem").read_text() + (
        other / "trust" / "shopify-intermediate.pem"
    ).read_text()
    (_trust(house) / "shopify-2027.pem").write_text(both)
    await _until(house, *new, let_in=True)
    assert await _is_let_in(house, *_own(house))
    (_trust(house) / "shopify-root.pem").unlink()
    (_trust(house) / "shopify-intermediate.pem").unlink()
    await _until(house, *_own(house), let_in=False)
    assert await _is_let_in(house, *new)


async def test_a_connection_that_is_open_stays_while_new_handshakes_see_the_new_store(house: House) -> None:
    assert (await house.shopify.post("/shopify/payment", json={})).status_code == 400
    for file in _trust(house).glob("*.pem"):
        file.unlink()
    other = _trust(house).parent.parent / "other"
    make_tls(other)
    shutil.copy(other / "trust" / "shopify-root.pem", _trust(house))
    await _until(house, *_own(house), let_in=False)
    assert (await house.shopify.post("/shopify/payment", json={})).status_code == 400


@pytest.mark.parametrize("broken", ["", "-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n"])
async def test_a_store_that_can_not_be_read_alarms_and_changes_nothing(house: House, broken: str) -> None:
    alarms = metrics.alarms_total.labels(reason="door_certificate_invalid")
    before = alarms._value.get()
    (_trust(house) / "shopify-2027.pem").write_text(broken)
    await wait_until(lambda: alarms._value.get() > before, 10, "the alarm")
    assert await _is_let_in(house, *_own(house))


def test_what_can_not_be_read_is_said_once_and_not_at_every_look(tmp_path: Path) -> None:
    settings = make_settings("postgresql:///none", tmp_path)
    tls = DoorTls(settings)
    assert not tls.reload()
    before, broken = tls.context.loaded, Path(settings.shopify_trust) / "broken.pem"
    broken.write_text("no certificate")
    with pytest.raises(DoorCertificateInvalid, match=r"broken\.pem"):
        tls.reload()
    assert not tls.reload()
    assert tls.context.loaded is before
    broken.unlink()
    assert tls.reload()
    assert tls.context.loaded is not before


async def test_the_doors_own_certificate_is_renewed_without_a_restart(house: House, tmp_path: Path) -> None:
    other = tmp_path / "other"
    make_tls(other)
    tls = _trust(house).parent
    for name in ("server.crt", "server.key"):
        shutil.copy(other / name, tls / name)
    context = ssl.create_default_context(cafile=other / "ca.crt")
    context.load_cert_chain(*_own(house))

    async def is_new() -> bool:
        try:
            async with httpx.AsyncClient(verify=context) as client:
                url = f"https://127.0.0.1:{house.settings.shopify_port}/shopify/payment"
                return (await client.post(url, json={})).status_code == 400
        except httpx.TransportError:
            return False

    await wait_until(is_new, 15, "the new certificate is shown")


async def test_the_metrics_say_when_every_certificate_ends(house: House) -> None:
    scraped = (await house.public.get("/metrics")).text
    for place, file in (
        ("door", "../server.crt"),
        ("trust", "shopify-root.pem"),
        ("trust", "shopify-intermediate.pem"),
    ):
        certificate = x509.load_pem_x509_certificate((_trust(house) / file).read_bytes())
        [line] = [
            line
            for line in scraped.splitlines()
            if line.startswith("settle_certificate_end_timestamp_seconds")
            and f'place="{place}"' in line
            and f'serial="{certificate.serial_number:x}"' in line
        ]
        ends = datetime.fromtimestamp(float(line.rpartition(" ")[2]), UTC)
        assert ends == certificate.not_valid_after_utc


def test_a_door_without_a_trust_store_does_not_open(tmp_path: Path) -> None:
    settings = make_settings("postgresql:///none", tmp_path)
    for file in Path(settings.shopify_trust).glob("*.pem"):
        file.unlink()
    with pytest.raises(DoorCertificateInvalid, match=r"no \.pem file"):
        DoorTls(settings)
