"""The fee payer's key stays in KMS: addresses, signatures, every way to fail, and the whole way of a payment."""

import secrets
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from solders.pubkey import Pubkey

from app.doctor import examine
from app.fee_payers import load_fee_payer
from app.kms import KmsFeePayer
from app.sandbox.serving import serving
from chain.errors import FeePayerUnavailable
from tests.house import make_settings
from tests.kms import REGION, Kms
from tests.scene import open_scene

RENT, SOL = 890_880, 10**9


@pytest_asyncio.fixture
async def kms(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Kms]:
    """KMS on a free port, and the environment in which AWS's library finds it."""
    service = Kms()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        environment = {
            "AWS_ENDPOINT_URL_KMS": f"http://127.0.0.1:{listener.getsockname()[1]}",
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": secrets.token_hex(20),
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": str(tmp_path / "none"),
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        async with serving(service.app, listener):
            yield service


@pytest.mark.parametrize("name", ["arn", "key_id", "alias"])
async def test_it_signs_as_the_key_that_kms_keeps(kms: Kms, tmp_path: Path, name: str) -> None:
    given = "alias/settle" if name == "alias" else getattr(kms, name)
    fee_payer = await load_fee_payer(f"awskms:{given}", make_settings("postgresql://nowhere/none", tmp_path))
    assert isinstance(fee_payer, KmsFeePayer)
    assert fee_payer.address == Pubkey(kms.public_key)
    message = secrets.token_bytes(700)
    assert bytes(await fee_payer.sign(message)) == kms.key.sign(message)
    assert kms.calls == ["GetPublicKey", "Sign"]


@pytest.mark.rule("B31")
@pytest.mark.parametrize(
    "forge",
    [
        lambda signature: signature[:-1] + bytes([signature[-1] ^ 1]),
        lambda signature: signature[:63],
        lambda _: b"\0" * 64,
    ],
)
async def test_a_signature_that_is_not_of_this_message_is_used_by_nobody(kms: Kms, forge: Any) -> None:
    fee_payer = await KmsFeePayer.open(kms.arn, 3)
    kms.forge = forge
    with pytest.raises(FeePayerUnavailable, match="not of this message"):
        await fee_payer.sign(b"message")


@pytest.mark.parametrize(
    "fault", ["KMSInvalidStateException", "DisabledException", "ThrottlingException", "AccessDeniedException"]
)
async def test_whatever_kms_refuses_is_one_error_of_ours_that_names_no_account(kms: Kms, fault: str) -> None:
    fee_payer = await KmsFeePayer.open(kms.arn, 3)
    kms.fault = fault
    with pytest.raises(FeePayerUnavailable, match=fault) as caught:
        await fee_payer.sign(b"message")
    assert "arn" not in str(caught.value)
    assert caught.value.__cause__ is None
    # Throttling is tried once more, within the call; nothing else is.
    assert kms.calls.count("Sign") == (2 if fault == "ThrottlingException" else 1)


async def test_a_key_of_another_kind_is_refused_at_the_start(kms: Kms) -> None:
    kms.spec = "ECC_SECG_P256K1"
    with pytest.raises(FeePayerUnavailable, match="needed is ECC_NIST_EDWARDS25519"):
        await KmsFeePayer.open(kms.arn, 3)


async def test_no_key_no_region_and_nobody_there_are_said(kms: Kms, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FeePayerUnavailable, match="NotFoundException"):
        await KmsFeePayer.open("alias/other", 3)
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(FeePayerUnavailable, match="NoRegionError"):
        await KmsFeePayer.open("alias/settle", 3)
    # An ARN brings its own.
    await KmsFeePayer.open(kms.arn, 3)
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:1")
    with pytest.raises(FeePayerUnavailable, match="EndpointConnectionError"):
        await KmsFeePayer.open(kms.arn, 3)


async def test_the_doctor_says_what_kms_refuses(kms: Kms, tmp_path: Path) -> None:
    kms.fault = "AccessDeniedException"
    settings = make_settings("postgresql://nowhere/none", tmp_path, fee_payer=f"awskms:{kms.arn}")
    found = {finding.subject: finding async for finding in examine(settings)}
    assert "AccessDeniedException" in (found["Solana"].problem or "")
    assert "kms:Sign" in found["Solana"].remedy


@pytest.mark.rule("B31")
async def test_an_order_is_paid_and_its_rent_comes_back_with_a_key_that_never_leaves_kms(
    database_url: str, tmp_path: Path, kms: Kms
) -> None:
    async with open_scene(database_url, tmp_path, fee_payer=f"awskms:{kms.arn}") as scene:
        await scene.devnet.airdrop(str(scene.parts.fee_payer.address), SOL)
        scene.devnet.advance_slots(1)
        checkout = await scene.pay()
        await scene.settle()
        assert (await scene.box.status(checkout))["status"] == "paid"
        assert await scene.value("SELECT fee_payer FROM issued_transactions") == str(Pubkey(kms.public_key))
        # Who asks while KMS is away is told so kindly, and nothing is stored.
        kms.fault = "KMSInternalException"
        other, wallet = await scene.box.checkout(), await scene.box.wallet()
        path = f"/transactions/payment/{other['payment']}"
        answer = await scene.box.house.public.post(path, json={"account": wallet})
        assert (answer.status_code, answer.json()["reason"]) == (503, "issuing_paused")
        assert await scene.value("SELECT count(*) FROM issued_transactions") == 1
        await scene.die()
        with pytest.raises(FeePayerUnavailable):
            await scene.reclaimer.reclaim()
        kms.fault = None
        before = await scene.lamports()
        assert await scene.reclaimer.reclaim() == 1
        assert await scene.lamports() == before + RENT - 5_000
        assert await scene.box.violations() == []
