"""Secrets at rest: sealed with PyNaCl's SecretBox under the first key of a ring, opened with whichever key fits."""

from collections.abc import Sequence

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from app.errors import SettleError


class SealBroken(SettleError):
    """A stored secret can not be opened with any key of SETTLE_TOKEN_KEYS."""

    reason = "seal_broken"
    status = 500


class KeyRing:
    """Keys are hex of 32 bytes. To rotate, put the new key first and keep the old until everything is sealed anew."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._boxes = [SecretBox(bytes.fromhex(key)) for key in keys]

    def seal(self, secret: str) -> bytes:
        return bytes(self._boxes[0].encrypt(secret.encode()))

    def open(self, sealed: bytes) -> str:
        """Raises SealBroken."""
        for box in self._boxes:
            try:
                return box.decrypt(sealed).decode()
            except CryptoError:
                continue
        raise SealBroken

    def reseal(self, sealed: bytes) -> bytes | None:
        """The same secret under the first key; None when it is that already. Raises SealBroken."""
        try:
            self._boxes[0].decrypt(sealed)
        except CryptoError:
            return self.seal(self.open(sealed))
        return None
