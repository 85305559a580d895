"""The sandbox's demo merchant, inserted by `settle migrate`: install is another way in, and comes later."""

from urllib.parse import unquote

import msgspec

from app.clock import make_clock
from app.database import Database
from app.errors import SettleError
from app.keyring import KeyRing
from app.logs import get_logger
from app.privacy.digests import new_customer_key
from app.settings import Settings, variable
from app.shopify.payloads import SHOP
from chain.addresses import parse_wallet
from chain.errors import Refused


class SeedInvalid(SettleError):
    """SETTLE_SEED_MERCHANT can not be used: {problem}."""

    reason = "seed_invalid"
    status = 500


class SeedMerchant(msgspec.Struct, forbid_unknown_fields=True):
    """A merchant as the setting gives it; `wallet` is the payout wallet, `token` Shopify's access token."""

    shop: str
    display_name: str
    wallet: str
    token: str


_UPSERT = """
INSERT INTO merchants (shop, display_name, status, wallet, token_sealed, created_at, updated_at, customer_key_sealed)
VALUES ($1, $2, 'active', $3, $4, $5, $5, $6) ON CONFLICT (shop) DO NOTHING
"""

# As if it had come by the portal.
_ONBOARDED = """
INSERT INTO onboardings (merchant_id, wallet, wallet_proof, wallet_proved_at, terms_version, terms_accepted_at,
    privacy_version, privacy_accepted_at, identity, identity_provider, identity_at, created_at, updated_at)
SELECT id, wallet, 'message', $4, $2, $4, $3, $4, 'approved', 'none', $4, $4, $4 FROM merchants WHERE shop = $1
ON CONFLICT (merchant_id) DO NOTHING
"""


async def seed_merchant(settings: Settings) -> bool:
    """Insert the merchant of the settings unless the shop is known. False: there is none. Raises SeedInvalid."""
    if not settings.seed_merchant:
        return False
    try:
        seed = msgspec.json.decode(unquote(settings.seed_merchant), type=SeedMerchant)
        wallet = parse_wallet(seed.wallet)
    except (msgspec.DecodeError, Refused) as error:
        raise SeedInvalid(problem=str(error)) from None
    if not SHOP.fullmatch(seed.shop):
        raise SeedInvalid(problem=f"{seed.shop} is not the domain of a shop")
    ring = KeyRing(settings.token_keys)
    token, customer_key = ring.seal(seed.token), new_customer_key(ring)
    async with await Database.connect(settings.database_url, max_size=1) as database, database.acquire() as connection:
        now = make_clock(settings.clock_file).now()
        await connection.execute(_UPSERT, seed.shop, seed.display_name, str(wallet), token, now, customer_key)
        await connection.execute(_ONBOARDED, seed.shop, settings.terms_version, settings.privacy_version, now)
    get_logger().info("merchant_seeded", shop=seed.shop, setting=variable("seed_merchant"))
    return True
