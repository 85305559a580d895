"""The single-use account: an address that only one transaction can create, so that only one can land."""

import hmac
from base64 import urlsafe_b64encode
from hashlib import sha256

import msgspec
from solders.pubkey import Pubkey

from chain.programs import MAX_SEED_BYTES, SYSTEM_PROGRAM

_MIN_SECRET_BYTES = 16
_SEED_DIGEST_BYTES = 16


def derive_seed(secret: bytes, record: str, shop: str, group: str, version: int) -> str:
    """22 base64url characters (128 bits) of HMAC-SHA256 over record ("payment" or "refund"), shop, group and version.

    Each part is written with its length before it, so that no two inputs give the same bytes. The seed is public once
    it is on the chain; without the secret nobody can say which payment it belongs to, or know it before. Raises
    ValueError for a secret of less than 16 bytes.
    """
    if len(secret) < _MIN_SECRET_BYTES:
        raise ValueError(f"the derivation secret needs at least {_MIN_SECRET_BYTES} bytes")
    parts = [part.encode() for part in (record, shop, group, str(version))]
    encoded = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    digest = hmac.digest(secret, encoded, sha256)
    return urlsafe_b64encode(digest[:_SEED_DIGEST_BYTES]).rstrip(b"=").decode()


def single_use_address(base: Pubkey, seed: str) -> Pubkey:
    """Where `create_account_with_seed(base, seed, System)` puts the account."""
    return Pubkey.create_with_seed(base, seed, SYSTEM_PROGRAM)


class SingleUse(msgspec.Struct, frozen=True):
    """A pinned single-use account. Raises ValueError when the address is not the one of base and seed."""

    base: Pubkey
    seed: str
    address: Pubkey

    def __post_init__(self) -> None:
        if not 0 < len(self.seed.encode()) <= MAX_SEED_BYTES:
            raise ValueError(f"a seed has 1 to {MAX_SEED_BYTES} bytes")
        if single_use_address(self.base, self.seed) != self.address:
            raise ValueError(f"{self.address} is not the single-use address of its base and seed")

    @classmethod
    def derive(cls, base: Pubkey, seed: str) -> "SingleUse":
        return cls(base, seed, single_use_address(base, seed))
