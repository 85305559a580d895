"""The fee payer pays for transactions, and its signature is their id. Only this module touches a private key."""

import json
from pathlib import Path
from typing import Protocol

from nacl.signing import SigningKey
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.signature import Signature

from chain.errors import FeePayerKeyInvalid

_SEED_BYTES = 32


class FeePayer(Protocol):
    """Whoever signs for the fee payer: a key file here, a key service elsewhere."""

    @property
    def address(self) -> Pubkey: ...

    async def sign(self, message: bytes) -> Signature:
        """The Ed25519 signature over the serialized message. Raises FeePayerUnavailable."""
        ...


class KeyFileFeePayer:
    """A fee payer whose key is in the process. Its text form never shows the key."""

    __slots__ = ("_address", "_key")

    def __init__(self, keypair: Keypair) -> None:
        self._address = keypair.pubkey()
        # libsodium signs in 30 microseconds where solders takes 50, and signing is the dearest step of a build.
        self._key = SigningKey(bytes(keypair)[:_SEED_BYTES])

    @classmethod
    def load(cls, path: Path | str) -> "KeyFileFeePayer":
        """Read a key file. Raises FeePayerKeyInvalid, OSError."""
        return cls.parse(Path(path).read_text())

    @classmethod
    def parse(cls, text: str) -> "KeyFileFeePayer":
        """Read a JSON array of 64 bytes, or base58. Raises FeePayerKeyInvalid, which never shows the key."""
        try:
            stripped = text.strip()
            if stripped.startswith("["):
                return cls(Keypair.from_bytes(bytes(json.loads(stripped))))
            return cls(Keypair.from_base58_string(stripped))
        except (ValueError, TypeError):
            raise FeePayerKeyInvalid from None

    @property
    def address(self) -> Pubkey:
        return self._address

    async def sign(self, message: bytes) -> Signature:
        return Signature(self._key.sign(message).signature)

    def __repr__(self) -> str:
        return f"KeyFileFeePayer({self._address})"
