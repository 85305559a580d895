"""Settings of the doors."""

from dataclasses import dataclass
from typing import Annotated, Literal

from app.settings.about import about


@dataclass(frozen=True, kw_only=True)
class Doors:
    """The two doors: where they listen, whom they believe, what they read."""

    host: Annotated[str, about("Address both doors listen on.")] = "127.0.0.1"
    public_port: Annotated[int, about("Port of the public door.", ge=1, le=65535)] = 8001
    shopify_port: Annotated[int, about("Port of Shopify's door (mutual TLS).", ge=1, le=65535)] = 8443
    public_url: Annotated[
        str, about("Origin under which customers and wallets reach the public door.", pattern="^https?://[^/]+$")
    ]
    shopify_certificate: Annotated[
        str, about("PEM file: certificate chain of Shopify's door, from a public authority.")
    ] = ""
    shopify_key: Annotated[str, about("PEM file: the private key of that certificate.")] = ""
    shopify_trust: Annotated[
        str, about("Directory of PEM files: the authorities whose client certificates are Shopify.")
    ] = ""
    trust_reload_seconds: Annotated[
        int, about("How often the files of Shopify's door are looked at for changes.", ge=1, le=3_600)
    ] = 10
    shopify_proxies: Annotated[
        tuple[str, ...],
        about("Behind a proxy that ends TLS: its addresses or networks, comma separated; the port then speaks http."),
    ] = ()
    shopify_verdict_header: Annotated[
        str, about("The header in which that proxy says SUCCESS of Shopify's certificate.", pattern="^[a-z0-9-]+$")
    ] = "x-client-verify"
    head_limit_bytes: Annotated[
        int, about("Largest head of a request, and of what comes with a body beside it.", ge=4_096, le=1_000_000)
    ] = 32_768
    head_timeout_seconds: Annotated[
        int, about("Longest wait for a head, and for the rest of a request after its answer.", ge=1, le=300)
    ] = 10
    body_limit_bytes: Annotated[int, about("Largest request body a door reads.", ge=1024, le=10_000_000)] = 65_536
    request_timeout_seconds: Annotated[
        int, about("Longest a door waits for the rest of a request body.", ge=1, le=120)
    ] = 10
    page_stream_seconds: Annotated[
        int, about("Longest one live-status stream stays open; the page opens the next.", ge=1, le=3600)
    ] = 600
    page_streams_max: Annotated[
        int, about("Live-status streams one process keeps open; above it pages poll.", ge=1)
    ] = 5_000
    trusted_proxies: Annotated[
        tuple[str, ...], about("Addresses or networks of our own proxies, comma separated: their word is taken.")
    ] = ()
    forwarded_header: Annotated[
        Literal["x-forwarded-for", "forwarded"],
        about("The header in which our proxies tell the client's address; the other one is not read."),
    ] = "x-forwarded-for"
    rate_address_per_minute: Annotated[
        int, about("Requests for pages and transactions that one network address may make, in the long run.", ge=1)
    ] = 1_200
    rate_address_burst: Annotated[
        int, about("The same at once: many customers may share one address (a mobile network's, an office's).", ge=1)
    ] = 600
    rate_payment_per_minute: Annotated[
        int, about("Requests for one payment or refund, by everybody together, in the long run.", ge=1)
    ] = 240
    rate_payment_burst: Annotated[int, about("The same at once.", ge=1)] = 120
    rate_kept_max: Annotated[
        int,
        about("Addresses, and payments, that one process counts; beyond it the one unused longest is forgotten.", ge=1),
    ] = 100_000
    webhook_limit_bytes: Annotated[
        int, about("Largest webhook, of Shopify's or of Helius'.", ge=1024, le=10_000_000)
    ] = 1_000_000
