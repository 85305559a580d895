"""Every setting of Settle: its meaning, default and bounds, in one typed class read from SETTLE_... variables."""

import ipaddress
import os
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from app.errors import SettleError

PREFIX = "SETTLE_"
# What anybody may try needs to be hard to guess.
HELIUS_AUTHORIZATION_CHARS = 16


class SettingsInvalid(SettleError):
    """The settings can not be used: {problem}."""

    reason = "settings_invalid"
    status = 500


def _meta(description: str, *, secret: bool = False, sandbox: bool = False, **bounds: Any) -> Meta:
    return Meta(description=description, extra={"secret": secret, "sandbox": sandbox}, **bounds)


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the environment says. A setting without a default must be given."""

    environment: Annotated[
        Literal["production", "sandbox"], _meta("`production`, or `sandbox` where the outside world is our simulator.")
    ] = "production"

    # The database
    database_url: Annotated[
        str, _meta("PostgreSQL, as asyncpg reads it: postgresql://user:password@host/db", secret=True)
    ]
    database_pool_size: Annotated[int, _meta("Connections of one process.", ge=2, le=200)] = 16
    database_timeout_seconds: Annotated[int, _meta("Longest a statement may take.", ge=1, le=600)] = 15

    # The doors
    host: Annotated[str, _meta("Address both doors listen on.")] = "127.0.0.1"
    public_port: Annotated[int, _meta("Port of the public door.", ge=1, le=65535)] = 8001
    shopify_port: Annotated[int, _meta("Port of Shopify's door (mutual TLS).", ge=1, le=65535)] = 8443
    public_url: Annotated[
        str, _meta("Origin under which customers and wallets reach the public door.", pattern="^https?://[^/]+$")
    ]
    shopify_certificate: Annotated[
        str, _meta("PEM file: certificate chain of Shopify's door, from a public authority.")
    ] = ""
    shopify_key: Annotated[str, _meta("PEM file: the private key of that certificate.")] = ""
    shopify_trust: Annotated[
        str, _meta("Directory of PEM files: the authorities whose client certificates are Shopify.")
    ] = ""
    trust_reload_seconds: Annotated[
        int, _meta("How often the files of Shopify's door are looked at for changes.", ge=1, le=3_600)
    ] = 10
    shopify_proxies: Annotated[
        tuple[str, ...],
        _meta("Behind a proxy that ends TLS: its addresses or networks, comma separated; the port then speaks http."),
    ] = ()
    shopify_verdict_header: Annotated[
        str, _meta("The header in which that proxy says SUCCESS of Shopify's certificate.", pattern="^[a-z0-9-]+$")
    ] = "x-client-verify"
    body_limit_bytes: Annotated[int, _meta("Largest request body a door reads.", ge=1024, le=10_000_000)] = 65_536
    request_timeout_seconds: Annotated[
        int, _meta("Longest a door waits for the rest of a request body.", ge=1, le=120)
    ] = 10
    page_stream_seconds: Annotated[
        int, _meta("Longest one live-status stream stays open; the page opens the next.", ge=1, le=3600)
    ] = 600
    page_streams_max: Annotated[
        int, _meta("Live-status streams one process keeps open; above it pages poll.", ge=1)
    ] = 5_000

    # Shopify
    shopify_url: Annotated[
        str,
        _meta("A shop's origin, for its API and for OAuth; {shop} is its domain.", sandbox=True, pattern=r"\{shop\}"),
    ] = "https://{shop}"
    shopify_client_id: Annotated[str, _meta("The app's client id at Shopify.", pattern="^[A-Za-z0-9_-]+$")]
    shopify_client_secrets: Annotated[
        tuple[str, ...],
        _meta(
            "The app's client secrets, comma separated: the first is used, all are believed in a signature.",
            secret=True,
            min_length=1,
        ),
    ]
    shopify_scopes: Annotated[
        tuple[str, ...], _meta("What a merchant must grant; less, and the app is not installed.", min_length=1)
    ] = ("write_payment_gateways", "write_payment_sessions")
    shopify_ask_scopes: Annotated[
        bool, _meta("Whether the consent names those scopes; `false` where shopify.app.toml does.")
    ] = True
    oauth_freshness_seconds: Annotated[
        int, _meta("How far the time in a request that Shopify signed may be from ours.", ge=10, le=86_400)
    ] = 90
    oauth_state_seconds: Annotated[
        int, _meta("How long a merchant may take for Shopify's consent.", ge=30, le=3_600)
    ] = 600
    token_margin_seconds: Annotated[
        int, _meta("An access token is renewed this long before its end.", ge=0, le=1_800)
    ] = 120
    token_keep_days: Annotated[
        int, _meta("A shop's tokens are renewed when its refresh token has fewer days left than this.", ge=1, le=89)
    ] = 60
    inbox_payload_days: Annotated[
        int, _meta("How long the payload of an event that came in is kept once it was processed.", ge=1, le=3650)
    ] = 30
    webhook_limit_bytes: Annotated[
        int, _meta("Largest webhook, of Shopify's or of Helius'.", ge=1024, le=10_000_000)
    ] = 1_000_000
    upkeep_seconds: Annotated[
        int, _meta("How often tokens of quiet shops and what has ended are looked for.", ge=1, le=86_400)
    ] = 300

    # Privacy
    privacy_export_days: Annotated[
        int, _meta("How long what is known of a customer is kept for the merchant to download.", ge=1, le=365)
    ] = 30

    # The merchant portal
    explorer_url: Annotated[
        str,
        _meta(
            "Where people look up what is on the live cluster: {kind} is `tx` or `address`, {id} its name there.",
            pattern=r"^https?://.*\{kind\}.*\{id\}",
        ),
    ] = "https://explorer.solana.com/{kind}/{id}"
    test_explorer_url: Annotated[
        str, _meta("The same on the test cluster.", pattern=r"^https?://.*\{kind\}.*\{id\}")
    ] = "https://explorer.solana.com/{kind}/{id}?cluster=devnet"
    portal_idle_seconds: Annotated[int, _meta("A session at the portal ends when unused for so long.", ge=60)] = 3_600
    portal_session_seconds: Annotated[
        int, _meta("A session at the portal ends after so long, however much it is used.", ge=60)
    ] = 43_200
    shopify_timeout_seconds: Annotated[int, _meta("Longest one call to Shopify may take.", ge=1, le=60)] = 10
    conflict_patience_seconds: Annotated[
        int, _meta("How long a conflict at Shopify may be our own answer still on its way; then it alarms.", ge=0)
    ] = 120
    shopify_answer_grace_seconds: Annotated[
        int, _meta("A mutation that follows a session at once waits this long: our answer arrives first.", ge=0, le=60)
    ] = 3
    answer_kept_bytes: Annotated[
        int, _meta("How much of Shopify's answer is kept with each call.", ge=100, le=100_000)
    ] = 2_048

    # Solana: the live cluster, and a second one for sessions in test mode
    rpc_urls: Annotated[
        tuple[str, ...],
        _meta("JSON-RPC nodes of the live cluster, comma separated, the best first.", secret=True, min_length=1),
    ]
    usdc_mint: Annotated[str, _meta("The USDC mint of the live cluster.")] = (
        "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
    )
    fee_payer: Annotated[
        str,
        _meta(
            "The fee payer: `awskms:` and the id, ARN or alias of a key in AWS KMS; or a file with the key (as "
            "solana-keygen writes it), or the key itself.",
            secret=True,
        ),
    ]
    test_rpc_urls: Annotated[
        tuple[str, ...], _meta("JSON-RPC nodes of the test cluster; empty: test sessions are refused.", secret=True)
    ] = ()
    test_usdc_mint: Annotated[str, _meta("The USDC mint of the test cluster.")] = (
        "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU"
    )
    test_fee_payer: Annotated[str, _meta("The fee payer of the test cluster, like SETTLE_FEE_PAYER.", secret=True)] = ""
    former_fee_payers: Annotated[
        tuple[str, ...],
        _meta(
            "Fee payers of the past, like SETTLE_FEE_PAYER: open orders stay with the key they began with.", secret=True
        ),
    ] = ()
    test_former_fee_payers: Annotated[
        tuple[str, ...], _meta("Fee payers of the past of the test cluster.", secret=True)
    ] = ()
    leaked_fee_payers: Annotated[
        tuple[str, ...],
        _meta("Addresses of former fee payers whose key somebody else may have: nothing more is issued with them."),
    ] = ()
    test_leaked_fee_payers: Annotated[tuple[str, ...], _meta("The same of the test cluster.")] = ()
    kms_timeout_seconds: Annotated[
        int, _meta("Longest AWS KMS may take to sign; it is asked twice at most.", ge=1, le=30)
    ] = 3
    derivation_secret: Annotated[
        str, _meta("Hex, 32 bytes: makes single-use addresses unguessable.", secret=True, pattern="^[0-9a-f]{64}$")
    ]
    rpc_timeout_seconds: Annotated[int, _meta("Longest one RPC call may take.", ge=1, le=60)] = 8
    node_check_ms: Annotated[
        int, _meta("How often the nodes' health is looked at, where there are several.", ge=100, le=600_000)
    ] = 10_000
    node_alone_seconds: Annotated[
        int, _meta("A node unwell for this long is done without: another alone is then enough, at `finalized`.", ge=0)
    ] = 300
    snapshot_refresh_ms: Annotated[int, _meta("How often the blockhash cache is refreshed.", ge=50, le=60_000)] = 1_000
    snapshot_age_slots: Annotated[
        int, _meta("Oldest blockhash that is handed out, in slots behind the node.", ge=1, le=100)
    ] = 24
    compute_unit_limit: Annotated[int, _meta("Compute units a payment may use.", ge=1_000, le=200_000)] = 20_000
    compute_unit_price_max: Annotated[int, _meta("Highest priority fee, in micro-lamports a compute unit.", ge=0)] = (
        100_000
    )
    watch_polling: Annotated[
        bool,
        _meta(
            "Ask nodes for issued signatures again and again. Off, to save calls: what no other watcher names is asked "
            "for when its blockhash has run out."
        ),
    ] = True
    watch_websocket: Annotated[
        bool,
        _meta(
            "Hear by websocket what happens to the fee payers: seconds become moments. Off: for nodes that have none."
        ),
    ] = True
    rpc_websocket_urls: Annotated[
        tuple[str, ...],
        _meta("Websockets of the live cluster's nodes; empty: at the addresses of SETTLE_RPC_URLS.", secret=True),
    ] = ()
    test_rpc_websocket_urls: Annotated[tuple[str, ...], _meta("The same of the test cluster.", secret=True)] = ()
    watch_sweep: Annotated[
        bool,
        _meta(
            "Read the fee payers' history now and then: what an outage hid is found, and what our books do not have."
        ),
    ] = True
    sweep_interval_seconds: Annotated[
        int, _meta("How often it is read; at a worker's start it is read in any case.", ge=1, le=86_400)
    ] = 300
    watch_webhook: Annotated[
        bool, _meta("Take Helius' webhooks, where an authorization is set for them. Off: /webhooks/helius answers 404.")
    ] = True
    helius_authorizations: Annotated[
        tuple[str, ...],
        _meta(
            "What Helius sends in `Authorization` with webhooks of the live cluster (its authHeader); several while it "
            "is changed. Empty: none are taken.",
            secret=True,
        ),
    ] = ()
    test_helius_authorizations: Annotated[
        tuple[str, ...], _meta("The same for webhooks of the test cluster; other values.", secret=True)
    ] = ()
    poll_interval_ms: Annotated[
        int, _meta("How often issued signatures are polled while they are young.", ge=50, le=60_000)
    ] = 1_000
    dead_margin_blocks: Annotated[
        int, _meta("Blocks past the last valid one before a transaction can be called dead.", ge=0)
    ] = 32
    reuse_blocks: Annotated[
        int, _meta("The same wallet gets its transaction again while this many blocks are left.", ge=1, le=140)
    ] = 60
    finalized_above_usdc: Annotated[
        Decimal, _meta("Payments above this many USDC count as paid at `finalized` only.")
    ] = Decimal(200)

    pending_after_seconds: Annotated[
        int,
        _meta("Landed and not final for so long: Shopify is told `pending`, and the customer may go; 0: never.", ge=0),
    ] = 120
    pending_lifetime_seconds: Annotated[
        int,
        _meta("How long Shopify may hold a session as pending; it recommends up to three days.", ge=3_600, le=259_200),
    ] = 86_400

    # Payments
    payment_lifetime_seconds: Annotated[int, _meta("How long a payment waits for its customer.", ge=60)] = 86_400
    expiry_poll_ms: Annotated[int, _meta("How often overdue payments are looked for.", ge=50, le=600_000)] = 30_000
    quote_lifetime_seconds: Annotated[int, _meta("How long the price of a fiat currency holds.", ge=30)] = 600
    issued_live_max: Annotated[int, _meta("Live transactions one payment may have at once.", ge=1, le=100)] = 8

    # What the fee payer may be made to spend: limits count the live and failed transactions of 24 hours
    issued_payment_max: Annotated[int, _meta("Live and failed transactions of one payment.", ge=1)] = 24
    issued_wallet_max: Annotated[int, _meta("Live and failed transactions of one wallet.", ge=1)] = 24
    issued_network_max: Annotated[int, _meta("Live and failed transactions of one network address.", ge=1)] = 120
    issued_shop_max: Annotated[int, _meta("Live and failed transactions of one shop.", ge=1)] = 2_000
    spend_shop_lamports_max: Annotated[
        int, _meta("Fees one shop may cost in a day (UTC); then nothing is issued for it.", ge=0)
    ] = 200_000_000
    spend_lamports_max: Annotated[
        int, _meta("Fees all shops of a cluster may cost in a day (UTC); then nothing is issued.", ge=0)
    ] = 1_000_000_000
    fee_payer_low_lamports: Annotated[int, _meta("Below this balance of a fee payer /ready says `degraded`.", ge=0)] = (
        500_000_000
    )
    fee_payer_minimum_lamports: Annotated[
        int, _meta("What a fee payer keeps, all live transactions landed; below it nothing is issued.", ge=0)
    ] = 50_000_000
    reclaim_interval_seconds: Annotated[int, _meta("How often rent that may be taken back is looked for.", ge=1)] = 60
    reclaim_patience_seconds: Annotated[
        int, _meta("Rent waits this long for a full batch; then it is taken back in a smaller one.", ge=0)
    ] = 86_400
    reclaim_margin_blocks: Annotated[
        int, _meta("Blocks past the last valid one of a group before its rent is taken back.", ge=0)
    ] = 32
    trusted_proxies: Annotated[
        tuple[str, ...], _meta("Addresses or networks of our own proxies, comma separated: their word is taken.")
    ] = ()
    forwarded_header: Annotated[
        Literal["x-forwarded-for", "forwarded"],
        _meta("The header in which our proxies tell the client's address; the other one is not read."),
    ] = "x-forwarded-for"

    # Screening and prices
    trm_url: Annotated[str, _meta("TRM's API.")] = "https://api.trmlabs.com"
    trm_api_key: Annotated[str, _meta("TRM's API key.", secret=True)]
    trm_risk_level: Annotated[
        int, _meta("Lowest risk level that is screened out (10 is high, 15 severe).", ge=1, le=15)
    ] = 5
    trm_timeout_seconds: Annotated[int, _meta("Longest one screening may take.", ge=1, le=60)] = 5
    price_url: Annotated[str, _meta("CoinGecko's API, the first source of prices.")] = "https://api.coingecko.com"
    price_second_url: Annotated[
        str, _meta("Coinbase's API, the second source: it confirms the first and stands in for it; empty: none.")
    ] = "https://api.coinbase.com"
    price_apart_percent: Annotated[
        int, _meta("How far two sources may be apart; beyond it no price is given.", ge=1, le=1_000)
    ] = 2
    price_jump_percent: Annotated[
        int, _meta("How far a price may be from the last one that was accepted.", ge=1, le=1_000)
    ] = 10
    price_memory_seconds: Annotated[int, _meta("How long a price stays the measure for a jump.", ge=0, le=86_400)] = 900
    price_patience_ms: Annotated[
        int, _meta("How long the other sources are waited for once one has a price.", ge=0, le=5_000)
    ] = 300
    price_timeout_ms: Annotated[int, _meta("Longest a payment session waits for a price.", ge=50, le=5_000)] = 800
    price_age_seconds: Annotated[int, _meta("Oldest price that is used for a quote.", ge=10, le=3_600)] = 300
    price_cache_seconds: Annotated[
        int, _meta("How long a price is used before it is asked for again.", ge=0, le=600)
    ] = 30

    # Secrets at rest
    token_keys: Annotated[
        tuple[str, ...],
        _meta("Hex keys of 32 bytes that seal Shopify's tokens: the first seals, all open.", secret=True, min_length=1),
    ]

    # Onboarding
    shopify_api_version: Annotated[
        str, _meta("The version that the extension names (extensions/settle); used where no session tells one.")
    ] = "2026-10"
    terms_version: Annotated[str, _meta("The terms that merchants accept now, by a name of yours.", min_length=1)] = "1"
    terms_url: Annotated[str, _meta("Where those terms can be read.")] = ""
    privacy_version: Annotated[str, _meta("The privacy notice of now, likewise.", min_length=1)] = "1"
    privacy_url: Annotated[str, _meta("Where that notice can be read.")] = ""
    wallet_challenge_seconds: Annotated[
        int, _meta("How long a merchant has to sign the proof of a payout wallet.", ge=60, le=3_600)
    ] = 600
    identity_provider: Annotated[
        Literal["none", "persona"], _meta("Who checks a merchant's identity; `none`: you vouch for every one.")
    ] = "none"
    persona_url: Annotated[str, _meta("Persona's API.")] = "https://api.withpersona.com"
    persona_api_key: Annotated[str, _meta("Persona's API key.", secret=True)] = ""
    persona_template: Annotated[str, _meta("Persona's inquiry template, itmpl_...")] = ""
    persona_completed_is_enough: Annotated[
        bool, _meta("Where the template takes no decision: an inquiry that is `completed` is taken for approved.")
    ] = False
    identity_timeout_seconds: Annotated[int, _meta("Longest one call to Persona may take.", ge=1, le=60)] = 10

    # Jobs
    job_poll_ms: Annotated[
        int, _meta("Longest nap between two looks for due jobs, should a notification get lost.", ge=20, le=60_000)
    ] = 1_000
    job_workers: Annotated[int, _meta("Jobs one worker process runs at once.", ge=1, le=500)] = 16
    job_lease_seconds: Annotated[
        int, _meta("How long a job is one worker's alone; longer than a call may take.", ge=30)
    ] = 60

    # AWS only
    aws_queue_url: Annotated[str, _meta("SQS queue that is rung when a job is due.")] = ""
    aws_secret_id: Annotated[str, _meta("Secret in AWS Secrets Manager: JSON of more SETTLE_ variables.")] = ""

    # Seen
    log_level: Annotated[Literal["debug", "info", "warning", "error"], _meta("Least severe log line.")] = "info"
    worker_metrics_port: Annotated[
        int, _meta("Port on which a worker answers /metrics, on SETTLE_HOST; 0: none.", ge=0, le=65535)
    ] = 0
    sentry_dsn: Annotated[str, _meta("Sentry project; empty: off.", secret=True)] = ""

    # The sandbox only; production refuses to start with any of them
    sandbox_url: Annotated[str, _meta("Origin of the outside world in a box.", sandbox=True)] = ""
    clock_file: Annotated[str, _meta("File with the virtual clock's offset in seconds.", sandbox=True)] = ""
    seed_merchant: Annotated[
        str,
        _meta("JSON of a merchant that `settle migrate` inserts, percent-encoded or not.", secret=True, sandbox=True),
    ] = ""

    def __post_init__(self) -> None:
        if self.environment == "production":
            fields = read_fields()
            problems = [
                variable(name) for name in sorted(names(sandbox=True)) if getattr(self, name) != fields[name].default
            ]
            if problems:
                raise SettingsInvalid(problem=f"{', '.join(problems)} may only be set in the sandbox")
            if not self.public_url.startswith("https://"):
                raise SettingsInvalid(problem=f"{variable('public_url')} must start with https:// in production")
        if self.job_lease_seconds <= 2 * self.shopify_timeout_seconds:
            raise SettingsInvalid(
                problem=f"{variable('job_lease_seconds')} must be more than twice {variable('shopify_timeout_seconds')}"
            )
        for name in ("trusted_proxies", "shopify_proxies"):
            for proxy in getattr(self, name):
                try:
                    ipaddress.ip_network(proxy)
                except ValueError as error:
                    raise SettingsInvalid(problem=f"{variable(name)}: {error}") from None
        self._check_services()
        if self.test_rpc_urls and not self.test_fee_payer:
            raise SettingsInvalid(problem=f"{variable('test_fee_payer')} is missing for {variable('test_rpc_urls')}")
        # What is shared would lead from a test payment to real money, or back.
        for name, shared in (
            ("rpc_urls", set(self.rpc_urls) & set(self.test_rpc_urls)),
            ("usdc_mint", self.test_rpc_urls and self.usdc_mint == self.test_usdc_mint),
        ):
            if shared:
                raise SettingsInvalid(
                    problem=f"{variable(f'test_{name}')} and {variable(name)} have something in common"
                )

    def _check_services(self) -> None:
        """What other services need. Raises SettingsInvalid."""
        known = [*self.helius_authorizations, *self.test_helius_authorizations]
        if len(set(known)) < len(known) or any(len(one) < HELIUS_AUTHORIZATION_CHARS for one in known):
            raise SettingsInvalid(
                problem=f"{variable('helius_authorizations')}: each value has {HELIUS_AUTHORIZATION_CHARS} characters "
                "or more, and stands for one cluster"
            )
        if self.identity_provider == "persona" and not (self.persona_api_key and self.persona_template):
            needed = f"{variable('persona_api_key')} and {variable('persona_template')}"
            raise SettingsInvalid(problem=f"{needed} are needed for {variable('identity_provider')}=persona")

    def __repr__(self) -> str:
        hidden = names(secret=True)
        shown = (f"{name}={'***' if name in hidden else repr(getattr(self, name))}" for name in self.__struct_fields__)
        return f"Settings({', '.join(shown)})"


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def read_fields() -> dict[str, msgspec.inspect.Field]:
    info = msgspec.inspect.type_info(Settings)
    assert isinstance(info, msgspec.inspect.StructType)
    return {field.name: field for field in info.fields}


def describe(field: msgspec.inspect.Field) -> tuple[str, dict[str, bool], msgspec.inspect.Type]:
    """Description, marks and type of a setting."""
    kind = field.type
    assert isinstance(kind, msgspec.inspect.Metadata)
    assert kind.extra_json_schema is not None
    assert kind.extra is not None
    return kind.extra_json_schema["description"], kind.extra, kind.type


def names(**marks: bool) -> set[str]:
    """The settings that carry all of these marks (`secret`, `sandbox`)."""
    found = set()
    for name, field in read_fields().items():
        _, has, _ = describe(field)
        if all(has[mark] == wanted for mark, wanted in marks.items()):
            found.add(name)
    return found


def load(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings. Raises SettingsInvalid, which names each variable but never shows a secret's value."""
    fields = read_fields()
    given: dict[str, Any] = {}
    for name, field in fields.items():
        text = environment.get(variable(name), "")
        if text == "":
            if field.required:
                raise SettingsInvalid(problem=f"{variable(name)} is missing")
            continue
        _, _, kind = describe(field)
        is_list = isinstance(kind, msgspec.inspect.VarTupleType)
        given[name] = [part.strip() for part in text.split(",") if part.strip()] if is_list else text
    try:
        return msgspec.convert(given, Settings, strict=False)
    except msgspec.ValidationError as error:
        problem = str(error)
        for name in fields:
            problem = problem.replace(f"$.{name}", variable(name))
        raise SettingsInvalid(problem=problem) from None


def unknown(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Variables that carry our prefix but are no setting: most likely misspelt."""
    known = {variable(name) for name in read_fields()}
    return sorted(key for key in environment if key.startswith(PREFIX) and key not in known)
