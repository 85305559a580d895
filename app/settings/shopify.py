"""Settings of the contract with Shopify."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from app.settings.about import about


@dataclass(frozen=True, kw_only=True)
class Shopify:
    """Shopify: its API, the installation, tokens and webhooks."""

    shopify_url: Annotated[
        str,
        about("A shop's origin, for its API and for OAuth; {shop} is its domain.", sandbox=True, pattern=r"\{shop\}"),
    ] = "https://{shop}"
    shopify_client_id: Annotated[str, about("The app's client id at Shopify.", pattern="^[A-Za-z0-9_-]+$")]
    shopify_client_secrets: Annotated[
        tuple[str, ...],
        about(
            "The app's client secrets, comma separated: the first is used, all are believed in a signature.",
            secret=True,
            min_length=1,
        ),
    ]
    shopify_scopes: Annotated[
        tuple[str, ...], about("What a merchant must grant; less, and the app is not installed.", min_length=1)
    ] = ("write_payment_gateways", "write_payment_sessions")
    shopify_ask_scopes: Annotated[
        bool, about("Whether the consent names those scopes; `false` where shopify.app.toml does.")
    ] = True
    shopify_api_version: Annotated[
        str,
        about(
            "The version that the extension names (extensions/settle); used where no session tells one.",
            pattern="^20[0-9]{2}-(01|04|07|10)$",
        ),
    ] = "2026-10"
    shopify_timeout_seconds: Annotated[int, about("Longest one call to Shopify may take.", ge=1, le=60)] = 10
    shopify_answer_grace_seconds: Annotated[
        int, about("A mutation that follows a session at once waits this long: our answer arrives first.", ge=0, le=60)
    ] = 3
    conflict_patience_seconds: Annotated[
        int, about("How long a conflict at Shopify may be our own answer still on its way; then it alarms.", ge=0)
    ] = 120
    answer_kept_bytes: Annotated[
        int, about("How much of Shopify's answer is kept with each call.", ge=100, le=100_000)
    ] = 2_048
    oauth_freshness_seconds: Annotated[
        int, about("How far the time in a request that Shopify signed may be from ours.", ge=10, le=86_400)
    ] = 90
    oauth_state_seconds: Annotated[
        int, about("How long a merchant may take for Shopify's consent.", ge=30, le=3_600)
    ] = 600
    token_keys: Annotated[
        tuple[Annotated[str, Meta(pattern="^[0-9a-fA-F]{64}$")], ...],
        about("Hex keys of 32 bytes that seal Shopify's tokens: the first seals, all open.", secret=True, min_length=1),
    ]
    token_margin_seconds: Annotated[
        int, about("An access token is renewed this long before its end.", ge=0, le=1_800)
    ] = 120
    token_keep_days: Annotated[
        int, about("A shop's tokens are renewed when its refresh token has fewer days left than this.", ge=1, le=89)
    ] = 60
