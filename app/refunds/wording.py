"""In which language the merchant's wallet speaks of a refund."""

from app.languages.reader import Reader, choose_reader
from app.system import System

_LANGUAGE = "SELECT m.language FROM refunds r JOIN merchants m ON m.id = r.merchant_id WHERE r.id = $1"


async def find_reader(system: System, refund_id: str, accept_language: str | None) -> Reader:
    """Who pays a refund, with a wallet that sends this header: by that, else by the shop's language of last resort."""
    async with system.database.acquire() as connection:
        language = await connection.fetchval(_LANGUAGE, refund_id)
    return choose_reader(None, accept_language, language)
