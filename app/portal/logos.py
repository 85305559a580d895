"""A shop's logo: a small picture, looked at before it is kept, and served from an address made of its content."""

import hashlib
import struct
from dataclasses import dataclass
from datetime import datetime

from app import events
from app.database import Connection
from app.errors import SettleError
from app.records import MerchantLogo, RecordKind
from app.system import System

BYTES_MAX = 60_000
SIDE_MIN, SIDE_MAX = 64, 1_024

_PNG = b"\x89PNG\r\n\x1a\n"
_PUT = """
INSERT INTO merchant_logos (merchant_id, digest, media_type, content, updated_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (merchant_id) DO UPDATE SET digest = $2, media_type = $3, content = $4, updated_at = $5
    WHERE merchant_logos.digest <> $2
RETURNING id
"""


class LogoUnfit(SettleError):
    """This picture can not be the logo: {problem}."""

    reason = "logo_unfit"
    status = 422


class LogoNotFound(SettleError):
    """There is no such logo."""

    reason = "logo_not_found"
    status = 404


@dataclass(frozen=True)
class Picture:
    """What a file says of itself; sides in pixels."""

    media_type: str
    width: int
    height: int


def read_picture(content: bytes) -> Picture:
    """Look at a file: a PNG or a WebP, which are what wallets show (Solana Pay). Raises LogoUnfit."""
    if len(content) > BYTES_MAX:
        raise LogoUnfit(problem=f"it is larger than {BYTES_MAX // 1000} kB")
    picture = _read_png(content) or _read_webp(content)
    if picture is None:
        raise LogoUnfit(problem="it is neither PNG nor WebP")
    if not all(SIDE_MIN <= side <= SIDE_MAX for side in (picture.width, picture.height)):
        raise LogoUnfit(problem=f"each side must have {SIDE_MIN} to {SIDE_MAX} pixels")
    return picture


def _read_png(content: bytes) -> Picture | None:
    # The signature, then the first chunk: its length, IHDR, width and height (PNG, section 11.2.2).
    if not content.startswith(_PNG) or content[12:16] != b"IHDR" or len(content) < 33 or b"IEND" not in content[-12:]:
        return None
    width, height = struct.unpack(">II", content[16:24])
    return Picture("image/png", width, height)


def _read_webp(content: bytes) -> Picture | None:
    # RIFF, the size of what follows, WEBP, and the first chunk, which is of one of three kinds (RFC 9649).
    if content[:4] != b"RIFF" or content[8:12] != b"WEBP" or len(content) < 30:
        return None
    if int.from_bytes(content[4:8], "little") + 8 != len(content):
        return None
    match content[12:16]:
        case b"VP8X":
            width, height = (int.from_bytes(content[at : at + 3], "little") + 1 for at in (24, 27))
        case b"VP8L" if content[20] == 0x2F:
            bits = int.from_bytes(content[21:25], "little")
            width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 " if content[23:26] == b"\x9d\x01\x2a":
            width, height = (int.from_bytes(content[at : at + 2], "little") & 0x3FFF for at in (26, 28))
        case _:
            return None
    return Picture("image/webp", width, height)


async def set_logo(system: System, merchant_id: int, content: bytes, *, by: str) -> str:
    """Keep this picture as the merchant's logo, with an event; returns its digest. Raises LogoUnfit."""
    picture, digest = read_picture(content), hashlib.sha256(content).hexdigest()
    now = system.clock.now()
    async with system.database.transaction() as connection:
        if await connection.fetchval(_PUT, merchant_id, digest, picture.media_type, content, now) is not None:
            await _note(connection, merchant_id, at=now, by=by, after=f"{picture.width} × {picture.height} pixels")
    return digest


async def remove_logo(system: System, merchant_id: int, *, by: str) -> None:
    """Take the merchant's logo away, with an event; nothing happens when there is none."""
    now = system.clock.now()
    async with system.database.transaction() as connection:
        gone = await connection.fetchval("DELETE FROM merchant_logos WHERE merchant_id = $1 RETURNING id", merchant_id)
        if gone is not None:
            await _note(connection, merchant_id, at=now, by=by, after=None)


async def find_digest(system: System, merchant_id: int) -> str | None:
    """The digest of the merchant's logo, which is its address; None when there is none."""
    async with system.database.acquire() as connection:
        digest: str | None = await connection.fetchval(
            "SELECT digest FROM merchant_logos WHERE merchant_id = $1", merchant_id
        )
    return digest


async def read_logo(system: System, digest: str) -> MerchantLogo:
    """The logo with this digest. Raises LogoNotFound."""
    async with system.database.acquire() as connection:
        row = await connection.fetchrow("SELECT * FROM merchant_logos WHERE digest = $1 LIMIT 1", digest)
    if row is None:
        raise LogoNotFound
    return MerchantLogo.from_row(row)


async def _note(connection: Connection, merchant_id: int, *, at: datetime, by: str, after: str | None) -> None:
    await events.write_event(
        connection, RecordKind.merchant, str(merchant_id), events.CHANGED, at=at, by=by, field="logo", after=after
    )
