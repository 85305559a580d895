"""Settings of what concerns merchants."""

from dataclasses import dataclass
from typing import Annotated, Literal

from app.settings.about import about


@dataclass(frozen=True, kw_only=True)
class Merchants:
    """Merchants: their portal, the checklist, their identity, and what is kept of their customers."""

    explorer_url: Annotated[
        str,
        about(
            "Where people look up what is on the live cluster: {kind} is `tx` or `address`, {id} its name there.",
            pattern=r"^https?://.*\{kind\}.*\{id\}",
        ),
    ] = "https://explorer.solana.com/{kind}/{id}"
    test_explorer_url: Annotated[
        str, about("The same on the test cluster.", pattern=r"^https?://.*\{kind\}.*\{id\}")
    ] = "https://explorer.solana.com/{kind}/{id}?cluster=devnet"
    portal_idle_seconds: Annotated[int, about("A session at the portal ends when unused for so long.", ge=60)] = 3_600
    portal_session_seconds: Annotated[
        int, about("A session at the portal ends after so long, however much it is used.", ge=60)
    ] = 43_200
    terms_version: Annotated[str, about("The terms that merchants accept now, by a name of yours.", min_length=1)] = "1"
    terms_url: Annotated[str, about("Where those terms can be read.")] = ""
    privacy_version: Annotated[str, about("The privacy notice of now, likewise.", min_length=1)] = "1"
    privacy_url: Annotated[str, about("Where that notice can be read.")] = ""
    wallet_challenge_seconds: Annotated[
        int, about("How long a merchant has to sign the proof of a payout wallet.", ge=60, le=3_600)
    ] = 600
    identity_provider: Annotated[
        Literal["none", "persona"], about("Who checks a merchant's identity; `none`: you vouch for every one.")
    ] = "none"
    persona_url: Annotated[str, about("Persona's API.")] = "https://api.withpersona.com"
    persona_api_key: Annotated[str, about("Persona's API key.", secret=True)] = ""
    persona_template: Annotated[str, about("Persona's inquiry template, itmpl_...")] = ""
    persona_completed_is_enough: Annotated[
        bool, about("Where the template takes no decision: an inquiry that is `completed` is taken for approved.")
    ] = False
    persona_webhook_secrets: Annotated[
        tuple[str, ...],
        about("Secrets of Persona's webhook, comma separated, all of them taken; none: no webhooks.", secret=True),
    ] = ()
    identity_timeout_seconds: Annotated[int, about("Longest one call to Persona may take.", ge=1, le=60)] = 10
    privacy_export_days: Annotated[
        int, about("How long what is known of a customer is kept for the merchant to download.", ge=1, le=365)
    ] = 30
