"""The rows and enums of Settle's tables.

Generated from prisma/schema.prisma by prisma/generator.py: change the schema and run `make records`.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, Protocol, Self

import msgspec


class Row(Protocol):
    """What `from_row` reads: an asyncpg.Record or a dict. Columns it does not know are left alone."""

    def __getitem__(self, column: str, /) -> Any: ...


class Record(msgspec.Struct, frozen=True):
    """One row of `TABLE`. `COLUMN_TYPES` has each column's SQL type, in the table's order.

    `PERSONAL` names the columns that may tell of a person, and of whom: the customer or the shop.
    """

    TABLE: ClassVar[str]
    COLUMNS: ClassVar[tuple[str, ...]]
    COLUMN_TYPES: ClassVar[dict[str, str]]
    PERSONAL: ClassVar[dict[str, str]] = {}

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Raises KeyError when a column is missing or an enum's value is unknown."""
        raise NotImplementedError


class MerchantStatus(StrEnum):
    """Where a merchant stands."""

    # Sessions are accepted and transactions issued.
    active = "active"
    # Not onboarded, paused or uninstalled: sessions are refused.
    inactive = "inactive"


_MERCHANT_STATUS = {member.value: member for member in MerchantStatus}


class RejectReason(StrEnum):
    """Why a payment is rejected; what Shopify calls that depends on the API version (app/shopify/versions.py)."""

    # A wallet that asked for the transaction was flagged.
    screened_out = "screened_out"
    # Shopify holds the session as pending, the transaction is gone, and nobody paid again in time.
    vanished = "vanished"


_REJECT_REASON = {member.value: member for member in RejectReason}


class Cluster(StrEnum):
    """Which chain a payment runs on. A payment never changes it."""

    # Real money: Solana mainnet.
    live = "live"
    # Sessions with `test: true`: a second cluster with its own RPC, mint and fee payer.
    test = "test"


_CLUSTER = {member.value: member for member in Cluster}


class PaymentStatus(StrEnum):
    """Where a payment stands with its customer and with Shopify; the allowed moves are in app/payments/lifecycle.py."""

    # Open: the customer may fetch transactions and pay.
    pending = "pending"
    # Verified on the chain at the required commitment; Shopify has not acknowledged yet.
    paid = "paid"
    # Shopify acknowledged the resolve. Final.
    completed = "completed"
    # A wallet was screened out: nothing more is issued; Shopify is told once nothing issued can land.
    rejecting = "rejecting"
    # Shopify acknowledged the reject. Final.
    rejected = "rejected"
    # Nobody paid in time and nothing issued can land. Shopify is not told; the customer may come back.
    expired = "expired"
    # Another session of the same order was paid. Final.
    superseded = "superseded"
    # A person must look: Shopify refuses, retries are spent, or something landed that verification refuses.
    stuck = "stuck"


_PAYMENT_STATUS = {member.value: member for member in PaymentStatus}


class PaymentException(StrEnum):
    """What is unusual about a payment, beside its status."""

    # Nothing is.
    none = "none"
    # Landed after the payment had expired.
    late = "late"
    # Seen on the chain, then gone before it was final.
    vanished = "vanished"
    # Landed on a rejected or superseded payment: to be sent back, outside Shopify.
    duplicate = "duplicate"


_PAYMENT_EXCEPTION = {member.value: member for member in PaymentException}


class RefundStatus(StrEnum):
    """Where a refund stands with its merchant and with Shopify; the allowed moves are in app/refunds/lifecycle.py."""

    # Open: the merchant may pay it, from any wallet, or deny it.
    pending = "pending"
    # Verified on the chain at the required commitment; Shopify has not acknowledged yet.
    paid = "paid"
    # Shopify acknowledged the resolve. Final.
    completed = "completed"
    # The merchant denied it: nothing more is issued; Shopify is told once nothing issued can land.
    denying = "denying"
    # It can not be made at all, so it was never open: Shopify is being told why.
    rejecting = "rejecting"
    # Shopify acknowledged the reject. Final.
    rejected = "rejected"
    # A person must look: Shopify refuses, retries are spent, or something landed that verification refuses.
    stuck = "stuck"


_REFUND_STATUS = {member.value: member for member in RefundStatus}


class RefundException(StrEnum):
    """What is unusual about a refund, beside its status."""

    # Nothing is.
    none = "none"
    # Seen on the chain, then gone before it was final.
    vanished = "vanished"
    # Landed although Shopify was told that the refund is rejected: the customer has the money.
    paid_after_reject = "paid_after_reject"


_REFUND_EXCEPTION = {member.value: member for member in RefundException}


class DeclinedKind(StrEnum):
    """What Shopify can ask of an authorized payment. This app takes sales only, so both are declined."""

    # Take the money that was authorized.
    capture = "capture"
    # Let go of the money that was authorized.
    void = "void"


_DECLINED_KIND = {member.value: member for member in DeclinedKind}


class Fate(StrEnum):
    """What became of a transaction that was handed out."""

    # May still land.
    live = "live"
    # Landed without error.
    landed = "landed"
    # Landed with an error: nothing moved but the fee.
    failed = "failed"
    # Can never land: its blockhash is too old at finalized, and no node knows it.
    dead = "dead"


_FATE = {member.value: member for member in Fate}


class WatchKind(StrEnum):
    """Which of the watchers saw a transaction of ours on the chain first (app/watching/watcher.py)."""

    # A node was asked for it.
    polling = "polling"
    # A node's websocket named it.
    websocket = "websocket"
    # Helius' webhook named it.
    webhook = "webhook"
    # It stood in its fee payer's history.
    sweep = "sweep"
    # It was looked for at the end of its life, and found.
    last_look = "last_look"


_WATCH_KIND = {member.value: member for member in WatchKind}


class UnknownStatus(StrEnum):
    """What is known of a signature that our books do not have."""

    # It mentions a fee payer of ours; its transaction was not read yet.
    unread = "unread"
    # Somebody else's: our fee payer did not sign it.
    foreign = "foreign"
    # Of a version that we neither make nor read.
    unreadable = "unreadable"
    # Our fee payer signed it, and we do not know it: a person must look.
    open = "open"
    # A person has looked.
    reviewed = "reviewed"
    # It was proven to pay a record of ours, and taken into our books.
    adopted = "adopted"


_UNKNOWN_STATUS = {member.value: member for member in UnknownStatus}


class JobKind(StrEnum):
    """What a job does."""

    # Send paymentSessionResolve until Shopify acknowledges it.
    payment_resolve = "payment_resolve"
    # Send paymentSessionReject until Shopify acknowledges it.
    payment_reject = "payment_reject"
    # Process an event of the inbox.
    inbox_event = "inbox_event"
    # Send refundSessionResolve until Shopify acknowledges it.
    refund_resolve = "refund_resolve"
    # Send refundSessionReject until Shopify acknowledges it.
    refund_reject = "refund_reject"
    # Send captureSessionReject until Shopify acknowledges it.
    capture_reject = "capture_reject"
    # Send voidSessionReject until Shopify acknowledges it.
    void_reject = "void_reject"
    # Send paymentSessionPending, while finality is far.
    payment_pending = "payment_pending"
    # Do what a request for privacy asks for.
    privacy_request = "privacy_request"
    # Send paymentsAppConfigure(ready: true) until Shopify acknowledges it.
    app_ready = "app_ready"
    # Send paymentsAppConfigure(ready: false) until Shopify acknowledges it.
    app_unready = "app_unready"


_JOB_KIND = {member.value: member for member in JobKind}


class JobStatus(StrEnum):
    """Where a job stands."""

    # Due at `due_at`.
    waiting = "waiting"
    # Leased by a worker until `lease_until`; after that anybody may take it again.
    running = "running"
    # Finished.
    done = "done"
    # Every try of its ladder is spent, or it can never succeed.
    dead = "dead"


_JOB_STATUS = {member.value: member for member in JobStatus}


class RecordKind(StrEnum):
    """Which record an event, a job or a mutation is about."""

    # A row of `merchants`; its id as text.
    merchant = "merchant"
    # A row of `payments`.
    payment = "payment"
    # A row of `inbox_events`; its id as text.
    inbox = "inbox"
    # A row of `refunds`.
    refund = "refund"
    # A row of `declined_sessions`; its id as text.
    declined = "declined"
    # A row of `privacy_requests`; its id as text.
    privacy_request = "privacy_request"
    # A row of `app_configurations`; its id as text.
    configuration = "configuration"


_RECORD_KIND = {member.value: member for member in RecordKind}


class PrivacyKind(StrEnum):
    """What a request for privacy asks for."""

    # Everything that is known of one customer.
    customer_data = "customer_data"
    # That everything about one customer is erased.
    customer_redact = "customer_redact"
    # That everything about the shop and its customers is erased.
    shop_redact = "shop_redact"


_PRIVACY_KIND = {member.value: member for member in PrivacyKind}


class InboxSource(StrEnum):
    """Who sends us events."""

    # Helius: something happened on the chain that a fee payer of ours took part in.
    helius = "helius"
    # Shopify's webhooks.
    shopify = "shopify"
    # Persona: an inquiry has moved on.
    persona = "persona"


_INBOX_SOURCE = {member.value: member for member in InboxSource}


class IdentityStatus(StrEnum):
    """Whether somebody vouches for the merchant (app/identity)."""

    # Nobody was asked yet.
    unstarted = "unstarted"
    # The check is under way.
    pending = "pending"
    # It ended well, or the operator vouches.
    approved = "approved"
    # It did not.
    declined = "declined"


_IDENTITY_STATUS = {member.value: member for member in IdentityStatus}


class DiscrepancyKind(StrEnum):
    """Where our books and the outside world differ, and no program may decide which is right."""

    # Our books say that a transaction landed; the chain does not show it.
    landing_gone = "landing_gone"
    # Our books say that it did what it says; the chain says that it failed.
    landing_failed = "landing_failed"
    # Our books say that it never landed, or failed; the chain says that it did what it says.
    death_denied = "death_denied"
    # Shopify said that a session is closed in another way than our books have it.
    shopify_contradicts = "shopify_contradicts"


_DISCREPANCY_KIND = {member.value: member for member in DiscrepancyKind}


class Merchant(Record, frozen=True):
    TABLE: ClassVar[str] = "merchants"
    COLUMN_TYPES: ClassVar[dict[str, str]] = {
        "id": "bigint NOT NULL",
        "shop": "text NOT NULL",
        "display_name": "text NOT NULL",
        "status": "merchant_status NOT NULL",
        "wallet": "text",
        "token_sealed": "bytea",
        "created_at": "timestamp(6) with time zone NOT NULL",
        "updated_at": "timestamp(6) with time zone NOT NULL",
        "shopify_wait_until": "timestamp(6) with time zone",
        "token_expires_at": "timestamp(6) with time zone",
        "refresh_sealed": "bytea",
        "refresh_expires_at": "timestamp(6) with time zone",
        "token_lost_at": "timestamp(6) with time zone",
        "scopes": "text",
        "installed_at": "timestamp(6) with time zone",
        "uninstalled_at": "timestamp(6) with time zone",
        "support_url": "text",
        "language": "text",
        "payout_problem": "text",
        "payout_seen_at": "timestamp(6) with time zone",
        "customer_key_sealed": "bytea",
    }
    COLUMNS: ClassVar[tuple[str, ...]] = tuple(COLUMN_TYPES)
    PERSONAL: ClassVar[dict[str, str]] = {
        "shop": "shop",
        "display_name": "shop",
        "wallet": "shop",
        "token_sealed": "shop",
        "refresh_sealed": "shop",
        "support_url": "shop",
        "customer_key_sealed": "shop",
    }

    id: int
    # The permanent domain, `name.myshopify.com`.
    shop: str
    # Shown to the customer.
    display_name: str
    status: MerchantStatus
    # The payout wallet, base58; empty until onboarding. Its USDC account is derived from it and the cluster's mint.
    wallet: str | None
    # Shopify's access token, sealed with the key ring (app/keyring.py).
    token_sealed: bytes | None
    created_at: datetime
    updated_at: datetime
    # Shopify wants no call about this shop before then (its Retry-After).
    shopify_wait_until: datetime | None
    # When the access token ends; empty: never, and it is to be exchanged for one that does.
    token_expires_at: datetime | None
    # Gets the next access token, once; sealed.
    refresh_sealed: bytes | None
    refresh_expires_at: datetime | None
    # Since when Shopify has refused to give a new token: the merchant must open the app again.
    token_lost_at: datetime | None
    # What the merchant granted, as Shopify wrote it.
    scopes: str | None
    # When the app was installed last; what Shopify says of the time before is old news.
    installed_at: datetime | None
    # When it was uninstalled; empty while it is installed.
    uninstalled_at: datetime | None
    # Where the shop's customers get help: https or mailto. Shown on the payment's page.
    support_url: str | None
    # What customers read whose own language there is none of (BCP 47); empty: English.
    language: str | None
    # Why the payout wallet's USDC account could not receive when it was last looked at (app/portal/payout.py); empty:
    # it could.
    payout_problem: str | None
    payout_seen_at: datetime | None
    # The secret of this shop's digests of customers, sealed. Without it they tell nothing any more.
    customer_key_sealed: bytes | None

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            row["id"],
            row["shop"],
            row["display_name"],
            _MERCHANT_STATUS[row["status"]],
            row["wallet"],
            row["token_sealed"],
            row["created_at"],
            row["updated_at"],
            row["shopify_wait_until"],
            row["token_expires_at"],
            row["refresh_sealed"],
            row["refresh_expires_at"],
            row["token_lost_at"],
            row["scopes"],
            row["installed_at"],
            row["uninstalled_at"],
            row["support_url"],
            row["language"],
            row["payout_problem"],
            row["payout_seen_at"],
            row["customer_key_sealed"],
        )


class MerchantLogo(Record, frozen=True):
    """The picture that a shop's customers and their wallets see."""

    TABLE: ClassVar[str] = "merchant_logos"
    COLUMN_TYPES: ClassVar[dict[str, str]] = {
        "id": "bigint NOT NULL",
        "merchant_id": "bigint NOT NULL",
        "digest": "text NOT NULL",
        "media_type": "text NOT NULL",
        "content": "bytea NOT NULL",
        "updated_at": "timestamp(6) with time zone NOT NULL",
    }
    COLUMNS: ClassVar[tuple[str, ...]] = tuple(COLUMN_TYPES)
    PERSONAL: ClassVar[dict[str, str]] = {"digest": "shop", "content": "shop"}

    id: int
    merchant_id: int
    # SHA-256 of the content, hex: its address, so that a new picture has a new one.
    digest: str
    # `image/png` or `image/webp`.
    media_type: str
    content: bytes
    updated_at: datetime

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            row["id"],
            row["merchant_id"],
            row["digest"],
            row["media_type"],
            row["content"],
            row["updated_at"],
        )


class PrivacyRequest(Record, frozen=True):
    """What Shopify asked of a shop's behalf for a person's privacy; to be done by `due_at`."""

    TABLE: ClassVar[str] = "privacy_requests"
    COLUMN_TYPES: ClassVar[dict[str, str]] = {
        "id": "bigint NOT NULL",
        "merchant_id": "bigint NOT NULL",
        "kind": "privacy_kind NOT NULL",
        "inbox_id": "bigint NOT NULL",
        "number": "text",
        "email_digest": "text",
        "phone_digest": "text",
        "asked_at": "timestamp(6) with time zone NOT NULL",
        "due_at": "timestamp(6) with time zone NOT NULL",
        "done_at": "timestamp(6) with time zone",
        "outcome": "text",
        "payments": "integer",
        "export_sealed": "bytea",
        "kept_until": "timestamp(6) with time zone",
    }
    COLUMNS: ClassVar[tuple[str, ...]] = tuple(COLUMN_TYPES)
    PERSONAL: ClassVar[dict[str, str]] = {
        "email_digest": "customer",
        "phone_digest": "customer",
        "export_sealed": "customer",
    }

    id: int
    merchant_id: int
    kind: PrivacyKind
    # The webhook that asked: once for each.
    inbox_id: int
    # Shopify's number of a data request.
    number: str | None
    # Whose payments, as payments keep it; removed when it is done.
    email_digest: str | None
    phone_digest: str | None
    # When Shopify asked.
    asked_at: datetime
    due_at: datetime
    done_at: datetime | None
    # `exported`, `erased`, `nothing_kept` or `installed_again` (app/privacy/requests.py).
    outcome: str | None
    # How many payments it was about.
    payments: int | None
    # What we know of the customer, as JSON, sealed: for the merchant to hand over, until `kept_until`.
    export_sealed: bytes | None
    kept_until: datetime | None

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            row["id"],
            row["merchant_id"],
            _PRIVACY_KIND[row["kind"]],
            row["inbox_id"],
            row["number"],
            row["email_digest"],
            row["phone_digest"],
            row["asked_at"],
            row["due_at"],
            row["done_at"],
            row["outcome"],
            row["payments"],
            row["export_sealed"],
            row["kept_until"],
        )


class Onboarding(Record, frozen=True):
    """How far a merchant has come on the way to taking payments. The wallet here is proved; `merchants.wallet` is
    paid to.
    """

    TABLE: ClassVar[str] = "onboardings"
    COLUMN_TYPES: ClassVar[dict[str, str]] = {
        "id": "bigint NOT NULL",
        "merchant_id": "bigint NOT NULL",
        "wallet": "text",
        "wallet_proof": "text",
        "wallet_proved_at": "timestamp(6) with time zone",
        "terms_version": "text",
        "terms_accepted_at": "timestamp(6) with time zone",
        "privacy_version": "text",
        "privacy_accepted_at": "timestamp(6) with time zone",
        "identity": "identity_status NOT NULL",
        "identity_provider": "text",
        "identity_reference": "text",
        "identity_at": "timestamp(6) with time zone",
        "paused_at": "timestamp(6) with time zone",
        "created_at": "timestamp(6) with time zone NOT NULL",
        "updated_at": "timestamp(6) with time zone NOT NULL",
    }
    COLUMNS: ClassVar[tuple[str, ...]] = tuple(COLUMN_TYPES)
    PERSONAL: ClassVar[dict[str, str]] = {"wallet": "shop", "identity_reference": "shop"}

    id: int
    merchant_id: int
    # The wallet whose key the merchant was shown to have, base58.
    wallet: str | None
    # `message`, `transaction` or `scanned`: what was signed.
    wallet_proof: str | None
    wallet_proved_at: datetime | None
    terms_version: str | None
    terms_accepted_at: datetime | None
    privacy_version: str | None
    privacy_accepted_at: datetime | None
    identity: IdentityStatus
    # `none` (the operator vouches) or `persona`.
    identity_provider: str | None
    # The provider's id of the check.
    identity_reference: str | None
    identity_at: datetime | None
    # The merchant wants no payments for now.
    paused_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            row["id"],
            row["merchant_id"],
            row["wallet"],
            row["wallet_proof"],
            row["wallet_proved_at"],
            row["terms_version"],
            row["terms_accepted_at"],
            row["privacy_version"],
            row["privacy_accepted_at"],
            _IDENTITY_STATUS[row["identity"]],
            row["identity_provider"],
            row["identity_reference"],
            row["identity_at"],
            row["paused_at"],
            row["created_at"],
            row["updated_at"],
        )


class WalletChallenge(Record, frozen=True):
    """Something to sign with a wallet's key, once, to prove that it is the merchant's. Deleted when it is used."""

    TABLE: ClassVar[str] = "wallet_challenges"
    COLUMN_TYPES: ClassVar[dict[str, str]] = {
        "id": "bigint NOT NULL",
        "nonce": "text NOT NULL",
        "merchant_id": "bigint NOT NULL",
        "wallet": "text",
        "proof": "text NOT NULL",
        "content": "bytea NOT NULL",
        "expires_at": "timestamp(6) with time zone NOT NULL",
    }
    COLUMNS: ClassVar[tuple[str, ...]] = tuple(COLUMN_TYPES)
    PERSONAL: ClassVar[dict[str, str]] = {"nonce": "shop", "wallet": "shop", "content": "shop"}

    id: int
    # 43 characters of base64url.
    nonce: str
    merchant_id: int
    # Null for `scanned`: whichever wallet signs.
    wallet: str | None
    # `message`, `transaction` or `scanned`.
    proof: str
    # What must be signed, byte for byte: a text, or a transaction's message. For `scanned` the memo of one.
    content: bytes
    expires_at: datetime

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            row["id"],
            row["nonce"],
            row["merchant_id"],
            row["wallet"],
            row["proof"],
            row["content"],
            row["expires_at"],
        )


class AppConfiguration(Record, frozen=True):
    """One telling of Shopify whether the merchant may take payments; the newest counts."""

    TABLE: ClassVar[str] = "app_configurations"
    COLUMN_TYPES: ClassVar[dict[str, str]] = {
        "id": "bigint NOT NULL",
        "merchant_id": "bigint NOT NULL",
        "ready": "boolean NOT NULL",
        "api_version": "text NOT NULL",
        "created_at": "timestamp(6) with time zone NOT NULL",
        "acknowledged_at": "timestamp(6) with time zone",
    }
    COLUMNS: ClassVar[tuple[str, ...]] = tuple(COLUMN_TYPES)

    id: int
    merchant_id: int
    ready: bool
    api_version: str
    created_at: datetime
    acknowledged_at: datetime | None

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            row["id"],
            row["merchant_id"],
            row["ready"],
            row["api_version"],
            row["created_at"],
            row["acknowledged_at"],
        )


class PortalSession(Record, frozen=True):
    """A browser that is signed in at the merchant portal. Signing out deletes it."""

    TABLE: ClassVar[str] = "portal_sessions"
    COLUMN_TYPES: ClassVar[dict[str, str]] = {
        "id": "bigint NOT NULL",
        "digest": "text NOT NULL",
        "merchant_id": "bigint NOT NULL",
        "created_at": "timestamp(6) with time zone NOT NULL",
        "seen_at": "timestamp(6) with time zone NOT NULL",
        "expires_at": "timestamp(6) with time zone NOT NULL",
    }
    COLUMNS: ClassVar[tuple[str, ...]] = tuple(COLUMN_TYPES)
    PERSONAL: ClassVar[dict[str, str]] = {"digest": "shop"}

    id: int
    # Digest of the token in the browser's cookie; the token itself is nowhere else.
    digest: str
    merchant_id: int
    created_at: datetime
    # When it was last used, to the minute or so.
    seen_at: datetime
    # Its end, however much it is used.
    expires_at: datetime

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            row["id"],
            row["digest"],
            row["merchant_id"],
            row["created_at"],
            row["seen_at"],
            row["expires_at"],
        )


class OauthState(Record, frozen=True):
    """A merchant's browser on its way through Shopify's consent. Used once, by deleting it."""

    TABLE: ClassVar[str] = "oauth_states"
    COLUMN_TYPES: ClassVar[dict[str, str]] = {
        "digest": "text NOT NULL",
        "shop": "text NOT NULL",
        "expires_at": "timestamp(6) with time zone NOT NULL",
    }
    COLUMNS: ClassVar[tuple[str, ...]] = tuple(COLUMN_TYPES)
    PERSONAL: ClassVar[dict[str, str]] = {"shop": "shop"}

    # Digest of the state, which only Shopify's redirect and the browser's cookie carry.
    digest: str
    shop: str
    expires_at: datetime

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            row["digest"],
            row["shop"],
            row["expires_at"],
        )


class PaymentGroup(Record, frozen=True):
    """Every session of one order shares one single-use account: only one of them can be paid (design section 4). So
    does a
    refund with itself: its group is opened when the first wallet asks for a transaction.
    """

    TABLE: ClassVar[str] = "payment_groups"
    COLUMN_TYPES: ClassVar[dict[str, str]] = {
        "id": "bigint NOT NULL",
        "merchant_id": "bigint NOT NULL",
        "group_key": "text NOT NULL",
        "cluster": "cluster NOT NULL",
        "base": "text NOT NULL",
        "seed": "text NOT NULL",
        "version": "integer NOT NULL",
        "address": "text NOT NULL",
        "winner_id": "text",
        "created_at": "timestamp(6) with time zone NOT NULL",
        "reclaim_id": "bigint",
        "reclaimed_at": "timestamp(6) with time zone",
        "won_signature": "text",
    }
    COLUMNS: ClassVar[tuple[str, ...]] = tuple(COLUMN_TYPES)

    id: int
    merchant_id: int
    # Shopify's group, or `payment:<id>` for a session without one; `refund <id>` for a refund (Shopify's have no
    # space).
    group_key: str
    cluster: Cluster
    # Fee payer of the group's transactions and base of the single-use address, base58.
    base: str
    seed: str
    # Bumped only when every transaction of the old version is dead or failed at finalized.
    version: int
    # The single-use account, base58.
    address: str
    # The payment that won the group.
    winner_id: str | None
    created_at: datetime
    # The reclaim that is under way for its rent.
    reclaim_id: int | None
    # When the chain showed that all its rent is back.
    reclaimed_at: datetime | None
    # The transaction that won it, for a payment or for a refund.
    won_signature: str | None

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            row["id"],
            row["merchant_id"],
            row["group_key"],
            _CLUSTER[row["cluster"]],
            row["base"],
            row["seed"],
            row["version"],
            row["address"],
            row["winner_id"],
            row["created_at"],
            row["reclaim_id"],
            row["reclaimed_at"],
            row["won_signature"],
        )


class FormerPin(Record, frozen=True):
    """A single-use account that a group had before. What lies in it comes back with the group's rent."""

    TABLE: ClassVar[str] = "former_pins"
    COLUMN_TYPES: ClassVar[dict[str, str]] = {
        "id": "bigint NOT NULL",
        "group_id": "bigint NOT NULL",
        "version": "integer NOT NULL",
        "base": "text NOT NULL",
        "seed": "text NOT NULL",
        "address": "text NOT NULL",
        "cause": "text NOT NULL",
        "replaced_at": "timestamp(6) with time zone NOT NULL",
    }
    COLUMNS: ClassVar[tuple[str, ...]] = tuple(COLUMN_TYPES)

    id: int
    group_id: int
    version: int
    base: str
    seed: str
    address: str
    # Why the group got another: `occupied` or `fee_payer` (app/payments/pinning.py).
    cause: str
    replaced_at: datetime

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            row["id"],
            row["group_id"],
            row["version"],
            row["base"],
            row["seed"],
            row["address"],
            row["cause"],
            row["replaced_at"],
        )


class Payment(Record, frozen=True):
    TABLE: ClassVar[str] = "payments"
    COLUMN_TYPES: ClassVar[dict[str, str]] = {
        "id": "text NOT NULL",
        "shopify_id": "text NOT NULL",
        "gid": "text NOT NULL",
        "merchant_id": "bigint NOT NULL",
        "group_id": "bigint NOT NULL",
        "cluster": "cluster NOT NULL",
        "api_version": "text NOT NULL",
        "amount": "numeric(38,18) NOT NULL",
        "currency": "text NOT NULL",
        "status": "payment_status NOT NULL",
        "exception": "payment_exception NOT NULL",
        "usdc": "bigint",
        "rate": "numeric(38,18)",
        "rate_source": "text",
        "rate_at": "timestamp(6) with time zone",
        "quote_expires_at": "timestamp(6) with time zone",
        "merchant_wallet": "text NOT NULL",
        "destination": "text NOT NULL",
        "mint": "text NOT NULL",
        "memo": "text NOT NULL",
        "reference": "text NOT NULL",
        "cancel_url": "text NOT NULL",
        "locale": "text",
        "redirect_url": "text",
        "paid_signature": "text",
        "paid_wallet": "text",
        "stuck_reason": "text",
        "proposed_at": "timestamp(6) with time zone",
        "expires_at": "timestamp(6) with time zone NOT NULL",
        "created_at": "timestamp(6) with time zone NOT NULL",
        "updated_at": "timestamp(6) with time zone NOT NULL",
        "paid_at": "timestamp(6) with time zone",
        "attended_at": "timestamp(6) with time zone",
        "pended_at": "timestamp(6) with time zone",
        "reject_reason": "reject_reason",
        "scanned_at": "timestamp(6) with time zone",
        "refused_at": "timestamp(6) with time zone",
        "refusal": "jsonb",
        "email_digest": "text",
        "phone_digest": "text",
    }
    COLUMNS: ClassVar[tuple[str, ...]] = tuple(COLUMN_TYPES)
    PERSONAL: ClassVar[dict[str, str]] = {
        "merchant_wallet": "shop",
        "destination": "shop",
        "cancel_url": "customer",
        "locale": "customer",
        "redirect_url": "customer",
        "paid_wallet": "customer",
        "refusal": "customer",
        "email_digest": "customer",
        "phone_digest": "customer",
    }

    # Our own unguessable id, in the page's address: 22 characters of base64url.
    id: str
    # Shopify's id of the payment session: the idempotency key.
    shopify_id: str
    gid: str
    merchant_id: int
    group_id: int
    cluster: Cluster
    # Shopify's API version of the session; every mutation about it uses the same.
    api_version: str
    amount: Decimal
    # ISO 4217.
    currency: str
    status: PaymentStatus
    exception: PaymentException
    # The quote, in base units; empty until a price is known.
    usdc: int | None
    # USDC for one unit of the currency.
    rate: Decimal | None
    rate_source: str | None
    rate_at: datetime | None
    # After it no transaction is issued at this price. Empty with a quote: it never ends (USD).
    quote_expires_at: datetime | None
    # The merchant's wallet at the time of the session, its token account, and the mint.
    merchant_wallet: str
    destination: str
    mint: str
    # On chain for ever, so both are opaque.
    memo: str
    reference: str
    cancel_url: str
    # The customer's language, BCP 47.
    locale: str | None
    # Where Shopify wants the customer next, from its acknowledgement.
    redirect_url: str | None
    # The transaction that paid, and the wallet that signed it.
    paid_signature: str | None
    paid_wallet: str | None
    # Why a person must look (reason code).
    stuck_reason: str | None
    # Shopify's session is proposed at this time.
    proposed_at: datetime | None
    # When the payment stops waiting for its customer.
    expires_at: datetime
    created_at: datetime
    updated_at: datetime
    # When it first counted as paid.
    paid_at: datetime | None
    # When a person said that the trouble, `stuck` or the exception, is dealt with outside Shopify.
    attended_at: datetime | None
    # Since when Shopify holds the session as pending: landed, and finality is far.
    pended_at: datetime | None
    reject_reason: RejectReason | None
    # When a wallet last opened the payment, and when one was last refused a transaction, with the reason and its
    # details.
    scanned_at: datetime | None
    refused_at: datetime | None
    refusal: dict[str, Any] | None
    # Keyed digests of the customer's address and number (app/privacy/digests.py): kept only to find the payments that a
    # privacy request of Shopify's is about.
    email_digest: str | None
    phone_digest: str | None

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            row["id"],
            row["shopify_id"],
            row["gid"],
            row["merchant_id"],
            row["group_id"],
            _CLUSTER[row["cluster"]],
            row["api_version"],
            row["amount"],
            row["currency"],
            _PAYMENT_STATUS[row["status"]],
            _PAYMENT_EXCEPTION[row["exception"]],
            row["usdc"],
            row["rate"],
            row["rate_source"],
            row["rate_at"],
            row["quote_expires_at"],
            row["merchant_wallet"],
            row["destination"],
            row["mint"],
            row["memo"],
            row["reference"],
            row["cancel_url"],
            row["locale"],
            row["redirect_url"],
            row["paid_signature"],
            row["paid_wallet"],
            row["stuck_reason"],
            row["proposed_at"],
            row["expires_at"],
            row["created_at"],
            row["updated_at"],
            row["paid_at"],
            row["attended_at"],
            row["pended_at"],
            _REJECT_REASON.get(row["reject_reason"]),
            row["scanned_at"],
            row["refused_at"],
            row["refusal"],
            row["email_digest"],
            row["phone_digest"],
        )


class Refund(Record, frozen=True):
    """A part of a payment, or all of it, that the merchant is to give back."""

    TABLE: ClassVar[str] = "refunds"
    COLUMN_TYPES: ClassVar[dict[str, str]] = {
        "id": "text NOT NULL",
        "shopify_id": "text NOT NULL",
        "gid": "text NOT NULL",
        "payment_id": "text NOT NULL",
        "merchant_id": "bigint NOT NULL",
        "api_version": "text NOT NULL",
        "amount": "numeric(38,18) NOT NULL",
        "usdc": "bigint",
        "status": "refund_status NOT NULL",
        "exception": "refund_exception NOT NULL",
        "payee_wallet": "text NOT NULL",
        "destination": "text NOT NULL",
        "mint": "text NOT NULL",
        "memo": "text NOT NULL",
        "reference": "text NOT NULL",
        "merchant_message": "text",
        "paid_signature": "text",
        "paid_wallet": "text",
        "stuck_reason": "text",
        "attended_at": "timestamp(6) with time zone",
        "proposed_at": "timestamp(6) with time zone",
        "created_at": "timestamp(6) with time zone NOT NULL",
        "updated_at": "timestamp(6) with time zone NOT NULL",
        "group_id": "bigint",
        "paid_at": "timestamp(6) with time zone",
    }
    COLUMNS: ClassVar[tuple[str, ...]] = tuple(COLUMN_TYPES)
    PERSONAL: ClassVar[dict[str, str]] = {
        "payee_wallet": "customer",
        "destination": "customer",
        "merchant_message": "customer",
        "paid_wallet": "shop",
    }

    # Our own unguessable id, in the link that a wallet follows: 22 characters of base64url.
    id: str
    # Shopify's id of the refund session: the idempotency key.
    shopify_id: str
    gid: str
    payment_id: str
    merchant_id: int
    # Shopify's API version of the session; every mutation about it uses the same.
    api_version: str
    # In the payment's currency.
    amount: Decimal
    # Its share of what was paid, in base units; empty for one that can not be made.
    usdc: int | None
    status: RefundStatus
    exception: RefundException
    # The wallet that paid, its token account, and the mint.
    payee_wallet: str
    destination: str
    mint: str
    # On chain for ever, so both are opaque.
    memo: str
    reference: str
    # What Shopify shows the merchant when it is rejected.
    merchant_message: str | None
    # The transaction that paid it, and the merchant's wallet that signed.
    paid_signature: str | None
    paid_wallet: str | None
    # Why a person must look (reason code).
    stuck_reason: str | None
    # When a person had dealt with what is stuck or unusual; empty while that is to be done.
    attended_at: datetime | None
    # Shopify's session is proposed at this time.
    proposed_at: datetime | None
    created_at: datetime
    updated_at: datetime
    # Its single-use account is the group's; empty until a wallet asks for a transaction.
    group_id: int | None
    # When the transaction that paid it was verified.
    paid_at: datetime | None

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            row["id"],
            row["shopify_id"],
            row["gid"],
            row["payment_id"],
            row["merchant_id"],
            row["api_version"],
            row["amount"],
            row["usdc"],
            _REFUND_STATUS[row["status"]],
            _REFUND_EXCEPTION[row["exception"]],
            row["payee_wallet"],
            row["destination"],
            row["mint"],
            row["memo"],
            row["reference"],
            row["merchant_message"],
            row["paid_signature"],
            row["paid_wallet"],
            row["stuck_reason"],
            row["attended_at"],
            row["proposed_at"],
            row["created_at"],
            row["updated_at"],
            row["group_id"],
            row["paid_at"],
        )


class DeclinedSession(Record, frozen=True):
    """A capture or void session: stored, answered, and declined. Its mutation and its job say how far that is."""

    TABLE: ClassVar[str] = "declined_sessions"
    COLUMN_TYPES: ClassVar[dict[str, str]] = {
        "id": "bigint NOT NULL",
        "kind": "declined_kind NOT NULL",
        "shopify_id": "text NOT NULL",
        "gid": "text NOT NULL",
        "merchant_id": "bigint NOT NULL",
        "payment_shopify_id": "text NOT NULL",
        "api_version": "text NOT NULL",
        "created_at": "timestamp(6) with time zone NOT NULL",
    }
    COLUMNS: ClassVar[tuple[str, ...]] = tuple(COLUMN_TYPES)

    id: int
    kind: DeclinedKind
    # Shopify's id of the session: the idempotency key.
    shopify_id: str
    gid: str
    merchant_id: int
    # Shopify's id of the payment session that it is about, which need not be one of ours.
    payment_shopify_id: str
    api_version: str
    created_at: datetime

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            row["id"],
            _DECLINED_KIND[row["kind"]],
            row["shopify_id"],
            row["gid"],
            row["merchant_id"],
            row["payment_shopify_id"],
            row["api_version"],
            row["created_at"],
        )


class IssuedTransaction(Record, frozen=True):
    """A transaction our fee payer signed and handed out. Stored before the answer leaves."""

    TABLE: ClassVar[str] = "issued_transactions"
    COLUMN_TYPES: ClassVar[dict[str, str]] = {
        "id": "bigint NOT NULL",
        "signature": "text NOT NULL",
        "payment_id": "text",
        "group_id": "bigint NOT NULL",
        "group_version": "integer NOT NULL",
        "seed": "text NOT NULL",
        "single_use": "text NOT NULL",
        "wallet": "text NOT NULL",
        "fee_payer": "text NOT NULL",
        "usdc": "bigint NOT NULL",
        "blockhash": "text NOT NULL",
        "blockhash_slot": "bigint NOT NULL",
        "last_valid_block_height": "bigint NOT NULL",
        "message": "bytea NOT NULL",
        "fate": "fate NOT NULL",
        "final": "boolean NOT NULL",
        "slot": "bigint",
        "error": "text",
        "poll_at": "timestamp(6) with time zone",
        "created_at": "timestamp(6) with time zone NOT NULL",
        "updated_at": "timestamp(6) with time zone NOT NULL",
        "network_address": "text",
        "fee_lamports": "bigint NOT NULL",
        "rent_lamports": "bigint NOT NULL",
        "seen_by": "watch_kind",
        "refund_id": "text",
        "opens_account": "boolean NOT NULL",
    }
    COLUMNS: ClassVar[tuple[str, ...]] = tuple(COLUMN_TYPES)
    PERSONAL: ClassVar[dict[str, str]] = {"wallet": "customer", "message": "customer", "network_address": "customer"}

    id: int
    # The fee payer's signature, which is the transaction's id on the chain, base58.
    signature: str
    # What it is for: a payment, or a refund.
    payment_id: str | None
    group_id: int
    # The version of the group's single-use account that it uses, with that one's seed and address.
    group_version: int
    seed: str
    single_use: str
    # The wallet that pays: the customer's, or for a refund the merchant's.
    wallet: str
    # Fee payer, and base of the single-use account.
    fee_payer: str
    usdc: int
    blockhash: str
    # The node's slot when it gave the blockhash: history must reach back to it before anything is called dead.
    blockhash_slot: int
    last_valid_block_height: int
    # Serialized, signed by the fee payer only.
    message: bytes
    fate: Fate
    # True when the fate can not change any more.
    final: bool
    # Where it landed.
    slot: int | None
    # The chain's error of a failed one, or the reason code for which verification refused a landed one.
    error: str | None
    # When the watcher looks at it next; empty when final.
    poll_at: datetime | None
    created_at: datetime
    updated_at: datetime
    # Keyed digest of the network address that asked for it; empty when that is not known.
    network_address: str | None
    # What it costs the fee payer for good, landed or failed.
    fee_lamports: int
    # What it locks in the single-use account when it lands.
    rent_lamports: int
    # Who saw it on the chain first, or says so; from then on it is followed until its fate is final.
    seen_by: WatchKind | None
    refund_id: str | None
    # It opens the payee's token account first, at the wallet's own cost.
    opens_account: bool

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            row["id"],
            row["signature"],
            row["payment_id"],
            row["group_id"],
            row["group_version"],
            row["seed"],
            row["single_use"],
            row["wallet"],
            row["fee_payer"],
            row["usdc"],
            row["blockhash"],
            row["blockhash_slot"],
            row["last_valid_block_height"],
            row["message"],
            _FATE[row["fate"]],
            row["final"],
            row["slot"],
            row["error"],
            row["poll_at"],
            row["created_at"],
            row["updated_at"],
            row["network_address"],
            row["fee_lamports"],
            row["rent_lamports"],
            _WATCH_KIND.get(row["seen_by"]),
            row["refund_id"],
            row["opens_account"],
        )


class FeeTally(Record, frozen=True):
    """What a shop's transactions of one day cost the fee payer. A trigger on `issued_transactions` keeps it."""

    TABLE: ClassVar[str] = "fee_tallies"
    COLUMN_TYPES: ClassVar[dict[str, str]] = {
        "id": "bigint NOT NULL",
        "merchant_id": "bigint NOT NULL",
        "cluster": "cluster NOT NULL",
        "day": "timestamp(6) with time zone NOT NULL",
        "lamports": "bigint NOT NULL",
    }
    COLUMNS: ClassVar[tuple[str, ...]] = tuple(COLUMN_TYPES)

    id: int
    merchant_id: int
    cluster: Cluster
    # The beginning of the day, UTC.
    day: datetime
    # Fees of what was issued that day and is not dead.
    lamports: int

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            row["id"],
            row["merchant_id"],
            _CLUSTER[row["cluster"]],
            row["day"],
            row["lamports"],
        )


class Reclaim(Record, frozen=True):
    """A transaction of ours that takes rent back from single-use accounts. Stored before it is sent."""

    TABLE: ClassVar[str] = "reclaims"
    COLUMN_TYPES: ClassVar[dict[str, str]] = {
        "id": "bigint NOT NULL",
        "cluster": "cluster NOT NULL",
        "signature": "text NOT NULL",
        "blockhash_slot": "bigint NOT NULL",
        "last_valid_block_height": "bigint NOT NULL",
        "message": "bytea NOT NULL",
        "fee_lamports": "bigint NOT NULL",
        "fate": "fate NOT NULL",
        "final": "boolean NOT NULL",
        "slot": "bigint",
        "error": "text",
        "created_at": "timestamp(6) with time zone NOT NULL",
        "updated_at": "timestamp(6) with time zone NOT NULL",
    }
    COLUMNS: ClassVar[tuple[str, ...]] = tuple(COLUMN_TYPES)

    id: int
    cluster: Cluster
    signature: str
    blockhash_slot: int
    last_valid_block_height: int
    # Serialized and signed.
    message: bytes
    fee_lamports: int
    fate: Fate
    # True when the fate can not change any more.
    final: bool
    slot: int | None
    error: str | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            row["id"],
            _CLUSTER[row["cluster"]],
            row["signature"],
            row["blockhash_slot"],
            row["last_valid_block_height"],
            row["message"],
            row["fee_lamports"],
            _FATE[row["fate"]],
            row["final"],
            row["slot"],
            row["error"],
            row["created_at"],
            row["updated_at"],
        )


class ReclaimedAccount(Record, frozen=True):
    """One single-use account that a reclaim empties."""

    TABLE: ClassVar[str] = "reclaimed_accounts"
    COLUMN_TYPES: ClassVar[dict[str, str]] = {
        "id": "bigint NOT NULL",
        "reclaim_id": "bigint NOT NULL",
        "group_id": "bigint NOT NULL",
        "address": "text NOT NULL",
        "lamports": "bigint NOT NULL",
    }
    COLUMNS: ClassVar[tuple[str, ...]] = tuple(COLUMN_TYPES)

    id: int
    reclaim_id: int
    group_id: int
    address: str
    # All that was in it.
    lamports: int

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            row["id"],
            row["reclaim_id"],
            row["group_id"],
            row["address"],
            row["lamports"],
        )


class Event(Record, frozen=True):
    """Everything that happened to a record, in order. Never updated."""

    TABLE: ClassVar[str] = "events"
    COLUMN_TYPES: ClassVar[dict[str, str]] = {
        "id": "bigint NOT NULL",
        "record": "record_kind NOT NULL",
        "record_id": "text NOT NULL",
        "kind": "text NOT NULL",
        "from_status": "text",
        "to_status": "text",
        "detail": "jsonb NOT NULL",
        "at": "timestamp(6) with time zone NOT NULL",
    }
    COLUMNS: ClassVar[tuple[str, ...]] = tuple(COLUMN_TYPES)
    PERSONAL: ClassVar[dict[str, str]] = {"detail": "customer"}

    id: int
    record: RecordKind
    record_id: str
    # `created`, `moved`, `conflict`, `issued`, ... (app/events.py).
    kind: str
    from_status: str | None
    to_status: str | None
    detail: dict[str, Any]
    at: datetime

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            row["id"],
            _RECORD_KIND[row["record"]],
            row["record_id"],
            row["kind"],
            row["from_status"],
            row["to_status"],
            row["detail"],
            row["at"],
        )


class Job(Record, frozen=True):
    """The outbox: work that must follow a change, written in the same transaction (app/jobs)."""

    TABLE: ClassVar[str] = "jobs"
    COLUMN_TYPES: ClassVar[dict[str, str]] = {
        "id": "bigint NOT NULL",
        "kind": "job_kind NOT NULL",
        "record": "record_kind NOT NULL",
        "record_id": "text NOT NULL",
        "status": "job_status NOT NULL",
        "attempts": "integer NOT NULL",
        "due_at": "timestamp(6) with time zone NOT NULL",
        "lease_holder": "text",
        "lease_until": "timestamp(6) with time zone",
        "last_error": "text",
        "created_at": "timestamp(6) with time zone NOT NULL",
        "updated_at": "timestamp(6) with time zone NOT NULL",
        "rung_at": "timestamp(6) with time zone",
    }
    COLUMNS: ClassVar[tuple[str, ...]] = tuple(COLUMN_TYPES)

    id: int
    kind: JobKind
    record: RecordKind
    record_id: str
    status: JobStatus
    # Tries begun.
    attempts: int
    due_at: datetime
    lease_holder: str | None
    lease_until: datetime | None
    last_error: str | None
    created_at: datetime
    updated_at: datetime
    # When the doorbell was rung for it (AWS only).
    rung_at: datetime | None

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            row["id"],
            _JOB_KIND[row["kind"]],
            _RECORD_KIND[row["record"]],
            row["record_id"],
            _JOB_STATUS[row["status"]],
            row["attempts"],
            row["due_at"],
            row["lease_holder"],
            row["lease_until"],
            row["last_error"],
            row["created_at"],
            row["updated_at"],
            row["rung_at"],
        )


class ShopifyMutation(Record, frozen=True):
    """A mutation for Shopify, fixed at its first attempt: a lost answer is answered by sending exactly the same
    again.
    """

    TABLE: ClassVar[str] = "shopify_mutations"
    COLUMN_TYPES: ClassVar[dict[str, str]] = {
        "id": "bigint NOT NULL",
        "record": "record_kind NOT NULL",
        "record_id": "text NOT NULL",
        "name": "text NOT NULL",
        "variables": "jsonb NOT NULL",
        "api_version": "text NOT NULL",
        "acknowledged_at": "timestamp(6) with time zone",
        "created_at": "timestamp(6) with time zone NOT NULL",
        "disputed_at": "timestamp(6) with time zone",
    }
    COLUMNS: ClassVar[tuple[str, ...]] = tuple(COLUMN_TYPES)
    PERSONAL: ClassVar[dict[str, str]] = {"variables": "customer"}

    id: int
    record: RecordKind
    record_id: str
    name: str
    variables: dict[str, Any]
    api_version: str
    acknowledged_at: datetime | None
    created_at: datetime
    # When Shopify contradicted our ledger, and an alarm was raised.
    disputed_at: datetime | None

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            row["id"],
            _RECORD_KIND[row["record"]],
            row["record_id"],
            row["name"],
            row["variables"],
            row["api_version"],
            row["acknowledged_at"],
            row["created_at"],
            row["disputed_at"],
        )


class ShopifyCall(Record, frozen=True):
    """One call of a mutation, and what came back."""

    TABLE: ClassVar[str] = "shopify_calls"
    COLUMN_TYPES: ClassVar[dict[str, str]] = {
        "id": "bigint NOT NULL",
        "mutation_id": "bigint NOT NULL",
        "attempt": "integer NOT NULL",
        "http_status": "integer",
        "shopify_request_id": "text",
        "outcome": "text NOT NULL",
        "answer": "text NOT NULL",
        "started_at": "timestamp(6) with time zone NOT NULL",
        "ended_at": "timestamp(6) with time zone NOT NULL",
    }
    COLUMNS: ClassVar[tuple[str, ...]] = tuple(COLUMN_TYPES)
    PERSONAL: ClassVar[dict[str, str]] = {"answer": "customer"}

    id: int
    mutation_id: int
    attempt: int
    http_status: int | None
    # Shopify's x-request-id.
    shopify_request_id: str | None
    # `acknowledged`, `retry`, `conflict`, `refused` (app/shopify).
    outcome: str
    # The beginning of the answer, or the network's error.
    answer: str
    started_at: datetime
    ended_at: datetime

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            row["id"],
            row["mutation_id"],
            row["attempt"],
            row["http_status"],
            row["shopify_request_id"],
            row["outcome"],
            row["answer"],
            row["started_at"],
            row["ended_at"],
        )


class InboxEvent(Record, frozen=True):
    """An event that came in from outside, once however often it is delivered; a job processes it (app/inbox.py)."""

    TABLE: ClassVar[str] = "inbox_events"
    COLUMN_TYPES: ClassVar[dict[str, str]] = {
        "id": "bigint NOT NULL",
        "source": "inbox_source NOT NULL",
        "event_id": "text NOT NULL",
        "topic": "text NOT NULL",
        "shop": "text",
        "cluster": "cluster",
        "payload": "bytea",
        "received_at": "timestamp(6) with time zone NOT NULL",
        "processed_at": "timestamp(6) with time zone",
        "sent_at": "timestamp(6) with time zone",
    }
    COLUMNS: ClassVar[tuple[str, ...]] = tuple(COLUMN_TYPES)
    PERSONAL: ClassVar[dict[str, str]] = {"shop": "shop", "payload": "customer"}

    id: int
    source: InboxSource
    # The sender's own id of the event.
    event_id: str
    # What kind of event it is, as the sender calls it.
    topic: str
    # Whom it is about: a shop (its permanent domain) or a cluster.
    shop: str | None
    cluster: Cluster | None
    # As it came, byte for byte; of Persona's events only the inquiry's id. Empty once it was removed, for privacy or
    # for its age.
    payload: bytes | None
    received_at: datetime
    # When it was processed; processing it again changes nothing.
    processed_at: datetime | None
    # When it happened, by the sender's clock: events arrive in any order.
    sent_at: datetime | None

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            row["id"],
            _INBOX_SOURCE[row["source"]],
            row["event_id"],
            row["topic"],
            row["shop"],
            _CLUSTER.get(row["cluster"]),
            row["payload"],
            row["received_at"],
            row["processed_at"],
            row["sent_at"],
        )


class Sweep(Record, frozen=True):
    """How far a fee payer's history was read (app/watching/sweep.py)."""

    TABLE: ClassVar[str] = "sweeps"
    COLUMN_TYPES: ClassVar[dict[str, str]] = {
        "id": "bigint NOT NULL",
        "cluster": "cluster NOT NULL",
        "fee_payer": "text NOT NULL",
        "cursor_signature": "text",
        "cursor_slot": "bigint NOT NULL",
        "swept_at": "timestamp(6) with time zone NOT NULL",
        "swept_slot": "bigint NOT NULL",
    }
    COLUMNS: ClassVar[tuple[str, ...]] = tuple(COLUMN_TYPES)

    id: int
    cluster: Cluster
    # Base58.
    fee_payer: str
    # The newest signature that need not be read again; empty while there is none.
    cursor_signature: str | None
    # What is older than this slot need not be read again.
    cursor_slot: int
    # When the last whole sweep ended, and the finalized slot at its beginning.
    swept_at: datetime
    swept_slot: int

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            row["id"],
            _CLUSTER[row["cluster"]],
            row["fee_payer"],
            row["cursor_signature"],
            row["cursor_slot"],
            row["swept_at"],
            row["swept_slot"],
        )


class UnknownSignature(Record, frozen=True):
    """A signature in a fee payer's history that is none of those we issued or sent."""

    TABLE: ClassVar[str] = "unknown_signatures"
    COLUMN_TYPES: ClassVar[dict[str, str]] = {
        "id": "bigint NOT NULL",
        "cluster": "cluster NOT NULL",
        "fee_payer": "text NOT NULL",
        "signature": "text NOT NULL",
        "slot": "bigint NOT NULL",
        "status": "unknown_status NOT NULL",
        "payment_id": "text",
        "created_at": "timestamp(6) with time zone NOT NULL",
        "updated_at": "timestamp(6) with time zone NOT NULL",
    }
    COLUMNS: ClassVar[tuple[str, ...]] = tuple(COLUMN_TYPES)

    id: int
    cluster: Cluster
    fee_payer: str
    signature: str
    slot: int
    status: UnknownStatus
    # The payment that it looks like, by its memo.
    payment_id: str | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            row["id"],
            _CLUSTER[row["cluster"]],
            row["fee_payer"],
            row["signature"],
            row["slot"],
            _UNKNOWN_STATUS[row["status"]],
            row["payment_id"],
            row["created_at"],
            row["updated_at"],
        )


class Discrepancy(Record, frozen=True):
    """A difference between our books and the outside world that a person must look at (app/reconciliation)."""

    TABLE: ClassVar[str] = "discrepancies"
    COLUMN_TYPES: ClassVar[dict[str, str]] = {
        "id": "bigint NOT NULL",
        "kind": "discrepancy_kind NOT NULL",
        "record": "record_kind NOT NULL",
        "record_id": "text NOT NULL",
        "merchant_id": "bigint NOT NULL",
        "signature": "text",
        "found_at": "timestamp(6) with time zone NOT NULL",
        "closed_at": "timestamp(6) with time zone",
        "note": "text",
    }
    COLUMNS: ClassVar[tuple[str, ...]] = tuple(COLUMN_TYPES)

    id: int
    kind: DiscrepancyKind
    record: RecordKind
    record_id: str
    merchant_id: int
    # The transaction that it is about, where it is about one.
    signature: str | None
    found_at: datetime
    # When it was gone at a later look, or a person closed it.
    closed_at: datetime | None
    # What the person found out. Empty: it was gone by itself.
    note: str | None

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            row["id"],
            _DISCREPANCY_KIND[row["kind"]],
            _RECORD_KIND[row["record"]],
            row["record_id"],
            row["merchant_id"],
            row["signature"],
            row["found_at"],
            row["closed_at"],
            row["note"],
        )


class Reconciliation(Record, frozen=True):
    """How far back a cluster's finished transactions were compared with the chain (app/reconciliation)."""

    TABLE: ClassVar[str] = "reconciliations"
    COLUMN_TYPES: ClassVar[dict[str, str]] = {
        "cluster": "cluster NOT NULL",
        "before_id": "bigint",
        "looked_at": "timestamp(6) with time zone NOT NULL",
    }
    COLUMNS: ClassVar[tuple[str, ...]] = tuple(COLUMN_TYPES)

    cluster: Cluster
    # The next page has ids below this; empty: it begins at the newest again.
    before_id: int | None
    looked_at: datetime

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            _CLUSTER[row["cluster"]],
            row["before_id"],
            row["looked_at"],
        )


class IssuingPause(Record, frozen=True):
    """Nothing is issued on a cluster while one of these is open (app/restores.py)."""

    TABLE: ClassVar[str] = "issuing_pauses"
    COLUMN_TYPES: ClassVar[dict[str, str]] = {
        "id": "bigint NOT NULL",
        "cluster": "cluster NOT NULL",
        "reason": "text NOT NULL",
        "height": "bigint",
        "created_at": "timestamp(6) with time zone NOT NULL",
        "lifted_at": "timestamp(6) with time zone",
    }
    COLUMNS: ClassVar[tuple[str, ...]] = tuple(COLUMN_TYPES)

    id: int
    cluster: Cluster
    # What told of the restore.
    reason: str
    # The block height when it was noted: what was issued before has its last block within 150 of it.
    height: int | None
    created_at: datetime
    lifted_at: datetime | None

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            row["id"],
            _CLUSTER[row["cluster"]],
            row["reason"],
            row["height"],
            row["created_at"],
            row["lifted_at"],
        )


class DatabaseOrigin(Record, frozen=True):
    """Which database this is. A restored one is another, or has another history."""

    TABLE: ClassVar[str] = "database_origins"
    COLUMN_TYPES: ClassVar[dict[str, str]] = {
        "id": "integer NOT NULL",
        "server": "text",
        "database": "bigint NOT NULL",
        "timeline": "text NOT NULL",
        "noted_at": "timestamp(6) with time zone NOT NULL",
    }
    COLUMNS: ClassVar[tuple[str, ...]] = tuple(COLUMN_TYPES)

    # Always 1.
    id: int
    # The server's identifier, where we may read it; the database's number in it; its timeline.
    server: str | None
    database: int
    timeline: str
    noted_at: datetime

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            row["id"],
            row["server"],
            row["database"],
            row["timeline"],
            row["noted_at"],
        )


# Every enum by its name in the database, and every record, in the schema's order.
ENUMS: dict[str, type[StrEnum]] = {
    "merchant_status": MerchantStatus,
    "reject_reason": RejectReason,
    "cluster": Cluster,
    "payment_status": PaymentStatus,
    "payment_exception": PaymentException,
    "refund_status": RefundStatus,
    "refund_exception": RefundException,
    "declined_kind": DeclinedKind,
    "fate": Fate,
    "watch_kind": WatchKind,
    "unknown_status": UnknownStatus,
    "job_kind": JobKind,
    "job_status": JobStatus,
    "record_kind": RecordKind,
    "privacy_kind": PrivacyKind,
    "inbox_source": InboxSource,
    "identity_status": IdentityStatus,
    "discrepancy_kind": DiscrepancyKind,
}
RECORDS: tuple[type[Record], ...] = (
    Merchant,
    MerchantLogo,
    PrivacyRequest,
    Onboarding,
    WalletChallenge,
    AppConfiguration,
    PortalSession,
    OauthState,
    PaymentGroup,
    FormerPin,
    Payment,
    Refund,
    DeclinedSession,
    IssuedTransaction,
    FeeTally,
    Reclaim,
    ReclaimedAccount,
    Event,
    Job,
    ShopifyMutation,
    ShopifyCall,
    InboxEvent,
    Sweep,
    UnknownSignature,
    Discrepancy,
    Reconciliation,
    IssuingPause,
    DatabaseOrigin,
)
