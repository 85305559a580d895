"""What a merchant decides about the checkout, and the log of who changed what."""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from msgspec import Struct

from app import events
from app.errors import SettleError
from app.languages.reader import Language
from app.portal.history import read_events
from app.records import Event, Merchant, RecordKind
from app.system import System

NAME_MAX = 60
SUPPORT_MAX = 500
# The newest so many changes are shown.
LOG_MAX = 100

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_MAIL = re.compile(r"mailto:[^@\s<>\"']{1,64}@[A-Za-z0-9.-]{1,255}\.[A-Za-z]{2,63}")
_LOCK = "SELECT * FROM merchants WHERE id = $1 FOR UPDATE"
_CHANGE = """
UPDATE merchants SET display_name = $2, support_url = $3, language = $4, updated_at = $5 WHERE id = $1
"""


class PreferenceInvalid(SettleError):
    """This can not be saved: {problem}."""

    reason = "preference_invalid"
    status = 422


class Preferences(Struct, frozen=True):
    """Columns of `merchants` that the merchant sets.

    The name customers read; where they get help, if anywhere; and what they read whose own language we have not (None:
    English).
    """

    display_name: str
    support_url: str | None
    language: Language | None

    @classmethod
    def of(cls, merchant: Merchant) -> "Preferences":
        return cls(
            merchant.display_name, merchant.support_url, Language(merchant.language) if merchant.language else None
        )


def read_preferences(name: str, support: str, language: str) -> Preferences:
    """What a form says; an address without a scheme is one of the web or a mailbox. Raises PreferenceInvalid."""
    name, support = " ".join(name.split()), support.strip()
    if not 1 <= len(name) <= NAME_MAX:
        raise PreferenceInvalid(problem=f"the name must have 1 to {NAME_MAX} characters")
    if _CONTROL.search(name):
        raise PreferenceInvalid(problem="the name has signs in it that can not be seen")
    if support and not re.match(r"[a-z][a-z0-9+.-]*:", support, re.IGNORECASE):
        support = f"mailto:{support}" if "@" in support else f"https://{support}"
    if support and not _is_support(support):
        raise PreferenceInvalid(problem="help is at an address of the web (https://) or a mailbox")
    if language and language not in set(Language):
        raise PreferenceInvalid(problem="there is no such language")
    chosen = Language(language or Language.en)
    return Preferences(name, support or None, None if chosen is Language.en else chosen)


def _is_support(address: str) -> bool:
    if len(address) > SUPPORT_MAX or _CONTROL.search(address) or re.search(r"[\s<>\"'\\]", address):
        return False
    if _MAIL.fullmatch(address):
        return True
    try:
        parts = urlsplit(address)
        return parts.scheme == "https" and "." in (parts.hostname or "") and not parts.username
    except ValueError:
        return False


async def change_preferences(system: System, merchant_id: int, wanted: Preferences, *, by: str) -> list[str]:
    """Save what is different, with an event for each field; returns their names. `by`: who, for the log."""
    now = system.clock.now()
    async with system.database.transaction() as connection:
        row = await connection.fetchrow(_LOCK, merchant_id)
        assert row is not None
        merchant = Merchant.from_row(row)
        before = Preferences.of(merchant)
        changed = [name for name in Preferences.__struct_fields__ if getattr(before, name) != getattr(wanted, name)]
        if changed:
            await connection.execute(
                _CHANGE, merchant_id, wanted.display_name, wanted.support_url, wanted.language, now
            )
        for name in changed:
            await events.write_event(
                connection,
                RecordKind.merchant,
                str(merchant_id),
                events.CHANGED,
                at=now,
                by=by,
                field=name,
                before=getattr(before, name),
                after=getattr(wanted, name),
            )
    system.merchants.forget(merchant.shop)
    return changed


async def read_log(system: System, merchant_id: int) -> Sequence[Event]:
    """What happened to the merchant's own record, the latest first."""
    async with system.database.acquire() as connection:
        read = await read_events(connection, RecordKind.merchant, str(merchant_id), LOG_MAX)
    return read[::-1]
