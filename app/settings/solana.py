"""Settings of the clusters."""

from dataclasses import dataclass
from typing import Annotated

from app.settings.about import about


@dataclass(frozen=True, kw_only=True)
class Solana:
    """Solana: the live cluster, and a second one for sessions in test mode."""

    rpc_urls: Annotated[
        tuple[str, ...],
        about("JSON-RPC nodes of the live cluster, comma separated, the best first.", secret=True, min_length=1),
    ]
    usdc_mint: Annotated[str, about("The USDC mint of the live cluster.")] = (
        "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
    )
    fee_payer: Annotated[
        str,
        about(
            "The fee payer: `awskms:` and the id, ARN or alias of a key in AWS KMS; or a file with the key (as "
            "solana-keygen writes it), or the key itself.",
            secret=True,
        ),
    ]
    test_rpc_urls: Annotated[
        tuple[str, ...], about("JSON-RPC nodes of the test cluster; empty: test sessions are refused.", secret=True)
    ] = ()
    test_usdc_mint: Annotated[str, about("The USDC mint of the test cluster.")] = (
        "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU"
    )
    test_fee_payer: Annotated[str, about("The fee payer of the test cluster, like SETTLE_FEE_PAYER.", secret=True)] = ""
    former_fee_payers: Annotated[
        tuple[str, ...],
        about(
            "Fee payers of the past, like SETTLE_FEE_PAYER: open orders stay with the key they began with.", secret=True
        ),
    ] = ()
    test_former_fee_payers: Annotated[
        tuple[str, ...], about("Fee payers of the past of the test cluster.", secret=True)
    ] = ()
    leaked_fee_payers: Annotated[
        tuple[str, ...],
        about("Addresses of former fee payers whose key somebody else may have: nothing more is issued with them."),
    ] = ()
    test_leaked_fee_payers: Annotated[tuple[str, ...], about("The same of the test cluster.")] = ()
    kms_timeout_seconds: Annotated[
        int, about("Longest AWS KMS may take to sign; it is asked twice at most.", ge=1, le=30)
    ] = 3
    derivation_secret: Annotated[
        str, about("Hex, 32 bytes: makes single-use addresses unguessable.", secret=True, pattern="^[0-9a-f]{64}$")
    ]
    rpc_timeout_seconds: Annotated[int, about("Longest one RPC call may take.", ge=1, le=60)] = 8
    node_check_ms: Annotated[
        int, about("How often the nodes' health is looked at, where there are several.", ge=100, le=600_000)
    ] = 10_000
    node_alone_seconds: Annotated[
        int, about("A node unwell for this long is done without: another alone is then enough, at `finalized`.", ge=0)
    ] = 300
    snapshot_refresh_ms: Annotated[int, about("How often the blockhash cache is refreshed.", ge=50, le=60_000)] = 1_000
    snapshot_age_slots: Annotated[
        int, about("Oldest blockhash that is handed out, in slots behind the node.", ge=1, le=100)
    ] = 24
    compute_unit_limit: Annotated[int, about("Compute units a payment may use.", ge=1_000, le=200_000)] = 20_000
    compute_unit_price_max: Annotated[int, about("Highest priority fee, in micro-lamports a compute unit.", ge=0)] = (
        100_000
    )
