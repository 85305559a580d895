"""The sandbox's certificates: kept while they are good, renewed when they are not, whole after any interruption."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from app.sandbox import tls
from app.sandbox.tls import make_tls

FILES = {"ca.crt", "server.crt", "server.key", "shopify-client.crt", "shopify-client.key"}


def read(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def certificates(path: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(path.read_bytes())


def assert_whole(directory: Path) -> None:
    """Every chain holds together, and every certificate belongs to its key."""
    leaf, intermediate = certificates(directory / "shopify-client.crt")
    (server,) = certificates(directory / "server.crt")
    web_root, shopify_root = certificates(directory / "ca.crt")
    leaf.verify_directly_issued_by(intermediate)
    intermediate.verify_directly_issued_by(shopify_root)
    server.verify_directly_issued_by(web_root)
    assert certificates(directory / "trust" / "shopify-root.pem") == [shopify_root]
    assert certificates(directory / "trust" / "shopify-intermediate.pem") == [intermediate]
    for name, certificate in (("shopify-client", leaf), ("server", server)):
        key = tls._load_key(directory / f"{name}.key")
        assert key
        assert key.public_key() == certificate.public_key()


def test_all_files_are_there_and_no_key_is_readable_by_others(tmp_path: Path) -> None:
    make_tls(tmp_path)
    assert set(read(tmp_path)) >= FILES
    assert_whole(tmp_path)
    for key in tmp_path.rglob("*.key"):
        assert key.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "ca.crt").stat().st_mode & 0o777 == 0o644


def test_the_client_certificate_is_for_clients_alone_and_the_servers_for_localhost(tmp_path: Path) -> None:
    make_tls(tmp_path)
    leaf = certificates(tmp_path / "shopify-client.crt")[0]
    usage = leaf.extensions.get_extension_for_oid(ExtensionOID.EXTENDED_KEY_USAGE).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]  # type: ignore[call-overload]
    server = certificates(tmp_path / "server.crt")[0]
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    make_tls(tmp_path)
    before = read(tmp_path)
    make_tls(tmp_path)
    assert read(tmp_path) == before


@pytest.mark.parametrize("kill_at", range(1, 14))
def test_a_run_that_dies_at_any_file_is_mended_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill_at: int
) -> None:
    replace, calls = os.replace, 0

    def die(*arguments: Path) -> None:
        nonlocal calls
        calls += 1
        if calls == kill_at:
            raise KeyboardInterrupt
        replace(*arguments)

    monkeypatch.setattr(os, "replace", die)
    with pytest.raises(KeyboardInterrupt):
        make_tls(tmp_path)
    monkeypatch.undo()
    make_tls(tmp_path)
    assert_whole(tmp_path)


@pytest.mark.parametrize("name", ["server", "shopify-client", "shopify-intermediate", "shopify-root", "web-root"])
def test_what_ends_within_days_is_renewed_and_every_chain_still_holds(tmp_path: Path, name: str) -> None:
    make_tls(tmp_path)
    path = tmp_path / f"{name}.crt"
    issuers = {"server": "web-root", "shopify-client": "shopify-intermediate", "shopify-intermediate": "shopify-root"}
    issuer = tls._load(tmp_path, issuers[name]) if name in issuers else None
    role = {
        "server": tls.SERVER,
        "shopify-client": tls.SHOPIFY_CLIENT,
        "shopify-intermediate": tls.SHOPIFY_INTERMEDIATE,
        "shopify-root": tls.SHOPIFY_ROOT,
        "web-root": tls.WEB_ROOT,
    }[name]
    soon = datetime.now(UTC) + timedelta(days=3)
    path.write_bytes(tls._pem(tls._sign(role, tls._load(tmp_path, name).key, issuer, soon)))
    make_tls(tmp_path)
    assert certificates(path)[0].not_valid_after_utc > datetime.now(UTC) + timedelta(days=300)
    assert_whole(tmp_path)


def test_a_broken_file_is_replaced(tmp_path: Path) -> None:
    make_tls(tmp_path)
    (tmp_path / "shopify-intermediate.crt").write_text("not a certificate")
    (tmp_path / "server.key").write_text("")
    make_tls(tmp_path)
    assert_whole(tmp_path)
