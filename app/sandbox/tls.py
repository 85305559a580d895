"""Certificates of the sandbox: Shopify's own authority with its client certificate, and the web's with the app's door.

`make_tls(DIR)` writes `ca.crt` (both roots: what the outside world trusts), `server.crt` and `server.key` (Shopify's
door), `shopify-client.crt` (leaf and intermediate) and `shopify-client.key`, and `trust/` (PEMs that Shopify's door
trusts: Shopify's root and intermediate).
"""

import ipaddress
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

RENEW_BEFORE = timedelta(days=14)
_BACKDATED = timedelta(hours=1)


@dataclass(frozen=True)
class Role:
    """What a certificate is for. `authority` is the number of authorities allowed below it; None for a leaf."""

    common_name: str
    lifetime: timedelta
    authority: int | None = None
    usage: x509.ObjectIdentifier | None = None
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Identity:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


SHOPIFY_ROOT = Role("Shopify Sandbox Payment Platform Root CA", timedelta(days=3650), authority=1)
SHOPIFY_INTERMEDIATE = Role("Shopify Sandbox Payment Platform Intermediate CA", timedelta(days=1095), authority=0)
SHOPIFY_CLIENT = Role("Shopify Sandbox Payment Platform", timedelta(days=397), usage=ExtendedKeyUsageOID.CLIENT_AUTH)
WEB_ROOT = Role("Settle Sandbox Web Root CA", timedelta(days=3650), authority=0)
SERVER = Role("localhost", timedelta(days=397), usage=ExtendedKeyUsageOID.SERVER_AUTH, hosts=("localhost", "127.0.0.1"))


def make_tls(directory: Path) -> None:
    """Make what is lacking, renew what ends within two weeks, keep the rest. May be killed anywhere and run again."""
    trust = directory / "trust"
    trust.mkdir(parents=True, exist_ok=True)
    shopify_root = _keep(directory, "shopify-root", SHOPIFY_ROOT, None)
    intermediate = _keep(directory, "shopify-intermediate", SHOPIFY_INTERMEDIATE, shopify_root)
    _keep(directory, "shopify-client", SHOPIFY_CLIENT, intermediate, chain=True)
    web_root = _keep(directory, "web-root", WEB_ROOT, None)
    _keep(directory, "server", SERVER, web_root)
    _write(directory / "ca.crt", _pem(web_root.certificate, shopify_root.certificate))
    _write(trust / "shopify-root.pem", _pem(shopify_root.certificate))
    _write(trust / "shopify-intermediate.pem", _pem(intermediate.certificate))


def mint_expired_client(directory: Path, out: Path) -> tuple[Path, Path]:
    """A client certificate of the sandbox's Shopify that ended yesterday. Returns the paths of both."""
    ended = datetime.now(UTC) - timedelta(days=1)
    return _mint(out, SHOPIFY_CLIENT, _load(directory, "shopify-intermediate"), ends=ended)


def mint_server_only_client(directory: Path, out: Path) -> tuple[Path, Path]:
    """A certificate of the sandbox's Shopify that is not for clients. Returns the paths of both."""
    role = Role("Shopify Sandbox server", timedelta(days=30), usage=ExtendedKeyUsageOID.SERVER_AUTH)
    return _mint(out, role, _load(directory, "shopify-intermediate"))


def mint_rotated_client(directory: Path, out: Path) -> tuple[Path, Path, Path]:
    """A client certificate of the sandbox's Shopify under another intermediate of the same root, as after a rotation.

    Returns the paths of certificate, key and the new intermediate.
    """
    out.mkdir(parents=True, exist_ok=True)
    key = _new_key()
    intermediate = Identity(_sign(SHOPIFY_INTERMEDIATE, key, _load(directory, "shopify-root")), key)
    _write(out / "intermediate.pem", _pem(intermediate.certificate))
    return *_mint(out, SHOPIFY_CLIENT, intermediate), out / "intermediate.pem"


def mint_foreign_client(out: Path) -> tuple[Path, Path]:
    """A client certificate of authorities with Shopify's names and other keys. Returns the paths of both."""
    root_key, key = _new_key(), _new_key()
    root = Identity(_sign(SHOPIFY_ROOT, root_key, None), root_key)
    return _mint(out, SHOPIFY_CLIENT, Identity(_sign(SHOPIFY_INTERMEDIATE, key, root), key))


def mint_server(directory: Path, out: Path, *, days: int) -> tuple[Path, Path]:
    """A certificate for the app's door that ends in so many days. Returns the paths of both."""
    return _mint(out, SERVER, _load(directory, "web-root"), ends=datetime.now(UTC) + timedelta(days=days))


def _mint(out: Path, role: Role, issuer: Identity, ends: datetime | None = None) -> tuple[Path, Path]:
    out.mkdir(parents=True, exist_ok=True)
    key = _new_key()
    certificate, key_path = out / "client.crt", out / "client.key"
    _write(key_path, _key_pem(key), mode=0o600)
    _write(certificate, _pem(_sign(role, key, issuer, ends), issuer.certificate))
    return certificate, key_path


def _keep(directory: Path, name: str, role: Role, issuer: Identity | None, chain: bool = False) -> Identity:
    """The identity of that name: that on disk while it is good, else one with a new certificate over the kept key."""
    key = _load_key(directory / f"{name}.key")
    if key is None:
        key = _new_key()
        _write(directory / f"{name}.key", _key_pem(key), mode=0o600)
    certificate = _load_certificate(directory / f"{name}.crt")
    if certificate is None or not _is_good(certificate, key, issuer):
        certificate = _sign(role, key, issuer)
    above = [issuer.certificate] if chain and issuer else []
    _write(directory / f"{name}.crt", _pem(certificate, *above))
    return Identity(certificate, key)


def _is_good(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey, issuer: Identity | None) -> bool:
    if certificate.public_key() != key.public_key():
        return False
    if certificate.not_valid_after_utc < datetime.now(UTC) + RENEW_BEFORE:
        return False
    try:
        certificate.verify_directly_issued_by(issuer.certificate if issuer else certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _sign(
    role: Role, key: ec.EllipticCurvePrivateKey, issuer: Identity | None, ends: datetime | None = None
) -> x509.Certificate:
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Settle Sandbox"),
            x509.NameAttribute(NameOID.COMMON_NAME, role.common_name),
        ]
    )
    ends = ends or datetime.now(UTC) + role.lifetime
    # An authority that ends before what it signed makes the whole chain fail early and surprisingly.
    if issuer:
        ends = min(ends, issuer.certificate.not_valid_after_utc)
    begins = min(datetime.now(UTC) - _BACKDATED, ends - timedelta(days=30))
    signer = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.certificate.subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(role.authority is not None, role.authority), critical=True)
        .add_extension(_key_usage(role), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if role.usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage([role.usage]), critical=False)
    if role.hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName(_names(role.hosts)), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _names(hosts: tuple[str, ...]) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = []
    for host in hosts:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            names.append(x509.DNSName(host))
    return names


def _key_usage(role: Role) -> x509.KeyUsage:
    authority = role.authority is not None
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _load(directory: Path, name: str) -> Identity:
    key, certificate = _load_key(directory / f"{name}.key"), _load_certificate(directory / f"{name}.crt")
    if key is None or certificate is None:
        raise FileNotFoundError(f"no {name} under {directory}: call make_tls first")
    return Identity(certificate, key)


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey | None:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (FileNotFoundError, ValueError):
        return None
    return key if isinstance(key, ec.EllipticCurvePrivateKey) else None


def _load_certificate(path: Path) -> x509.Certificate | None:
    """The first certificate of the file: the leaf where a chain follows."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certificates)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Replace the file whole, and only when it changes; a secret one is never readable by others, not for a moment."""
    if path.exists() and path.read_bytes() == content:
        return
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    draft.chmod(mode)
    os.replace(draft, path)
