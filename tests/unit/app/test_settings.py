"""Settings: typed, documented where they are defined, and safe in production."""

from decimal import Decimal
from pathlib import Path

import pytest

from app.settings import SettingsInvalid, load, names, unknown, variable
from app.settings.addresses import is_address
from app.settings.every import read_fields
from app.settings.example import example

GIVEN = {
    "SETTLE_DATABASE_URL": "postgresql://settle:canary-password@db/settle",
    "SETTLE_PUBLIC_URL": "https://pay.example.com",
    "SETTLE_RPC_URLS": "https://a.example.com, https://b.example.com",
    "SETTLE_FEE_PAYER": "canary-fee-payer",
    "SETTLE_DERIVATION_SECRET": "ab" * 32,
    "SETTLE_TRM_API_KEY": "canary-trm",
    "SETTLE_TOKEN_KEYS": "cd" * 32,
    "SETTLE_SHOPIFY_CLIENT_ID": "0123abcd",
    "SETTLE_SHOPIFY_CLIENT_SECRETS": "canary-new-secret,canary-old-secret",
}
EXAMPLE = Path(__file__).parents[3] / ".env.example"


def test_texts_become_the_types_that_are_meant() -> None:
    settings = load(GIVEN | {"SETTLE_FINALIZED_ABOVE_USDC": "150.5", "SETTLE_PUBLIC_PORT": "9001"})
    assert settings.rpc_urls == ("https://a.example.com", "https://b.example.com")
    assert settings.finalized_above_usdc == Decimal("150.5")
    assert settings.public_port == 9001


@pytest.mark.parametrize("missing", sorted(GIVEN))
def test_a_missing_setting_is_named(missing: str) -> None:
    with pytest.raises(SettingsInvalid, match=missing):
        load({name: value for name, value in GIVEN.items() if name != missing})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SETTLE_PUBLIC_PORT", "0"),
        ("SETTLE_PUBLIC_PORT", "eighty"),
        ("SETTLE_FINALIZED_ABOVE_USDC", "lots"),
        ("SETTLE_ENVIRONMENT", "staging"),
        ("SETTLE_PUBLIC_URL", "pay.example.com"),
        ("SETTLE_BODY_LIMIT_BYTES", "1"),
        ("SETTLE_DERIVATION_SECRET", "short"),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingsInvalid, match=name):
        load(GIVEN | {name: value})


@pytest.mark.parametrize("name", sorted(names(sandbox=True)))
def test_production_refuses_every_sandbox_setting(name: str) -> None:
    with pytest.raises(SettingsInvalid, match=variable(name)):
        load(GIVEN | {variable(name): "something"})


def test_production_refuses_plain_http() -> None:
    with pytest.raises(SettingsInvalid, match="https"):
        load(GIVEN | {"SETTLE_PUBLIC_URL": "http://pay.example.com"})
    load(GIVEN | {"SETTLE_PUBLIC_URL": "http://127.0.0.1:8001", "SETTLE_ENVIRONMENT": "sandbox"})


def test_a_lease_that_a_call_could_outlive_is_refused() -> None:
    with pytest.raises(SettingsInvalid, match="SETTLE_JOB_LEASE_SECONDS"):
        load(GIVEN | {"SETTLE_JOB_LEASE_SECONDS": "30", "SETTLE_SHOPIFY_TIMEOUT_SECONDS": "20"})


@pytest.mark.parametrize("name", sorted(filter(is_address, read_fields())))
def test_what_is_no_address_is_refused_by_name_and_not_shown(name: str) -> None:
    sandbox = {"SETTLE_ENVIRONMENT": "sandbox"}
    for value in ("canary", "canary://host", "http://[::1", "https://host:canary", "https://", "//canary"):
        with pytest.raises(SettingsInvalid, match=variable(name)) as refused:
            load(GIVEN | sandbox | {variable(name): value})
        assert "canary" not in str(refused.value)


@pytest.mark.parametrize("value", ["nonsense", "ab" * 31, "zz" * 32, f"{'ab' * 32},short"])
def test_a_key_that_is_none_is_refused_and_not_shown(value: str) -> None:
    with pytest.raises(SettingsInvalid, match="SETTLE_TOKEN_KEYS") as refused:
        load(GIVEN | {"SETTLE_TOKEN_KEYS": value})
    assert value not in str(refused.value)


def test_secrets_are_shown_neither_by_repr_nor_by_errors() -> None:
    assert "canary" not in repr(load(GIVEN))
    with pytest.raises(SettingsInvalid) as caught:
        load(GIVEN | {"SETTLE_DERIVATION_SECRET": "canary"})
    assert "canary" not in str(caught.value)


def test_misspelt_variables_are_found() -> None:
    assert unknown({"SETTLE_PUBLIC_URl": "x", "SETTLE_HOST": "y", "HOME": "z"}) == ["SETTLE_PUBLIC_URl"]


def test_the_example_file_is_what_the_settings_say() -> None:
    assert EXAMPLE.read_text() == example(), "run `settle settings > .env.example`"


def test_every_setting_has_a_meaning() -> None:
    paragraphs = [each for each in example().split("\n\n")[1:] if not each.startswith("## ")]
    assert all(paragraph.startswith("# ") for paragraph in paragraphs if paragraph)
