"""Settings of limits and budgets."""

from dataclasses import dataclass
from typing import Annotated

from app.settings.about import about


@dataclass(frozen=True, kw_only=True)
class Spending:
    """What the fee payer may be made to spend: limits count the live and failed transactions of 24 hours."""

    issued_payment_max: Annotated[int, about("Live and failed transactions of one payment.", ge=1)] = 24
    issued_wallet_max: Annotated[int, about("Live and failed transactions of one wallet.", ge=1)] = 24
    issued_network_max: Annotated[int, about("Live and failed transactions of one network address.", ge=1)] = 120
    issued_shop_max: Annotated[int, about("Live and failed transactions of one shop.", ge=1)] = 2_000
    spend_shop_lamports_max: Annotated[
        int, about("Fees one shop may cost in a day (UTC); then nothing is issued for it.", ge=0)
    ] = 200_000_000
    spend_lamports_max: Annotated[
        int, about("Fees all shops of a cluster may cost in a day (UTC); then nothing is issued.", ge=0)
    ] = 1_000_000_000
    fee_payer_low_lamports: Annotated[int, about("Below this balance of a fee payer /ready says `degraded`.", ge=0)] = (
        500_000_000
    )
    fee_payer_minimum_lamports: Annotated[
        int, about("What a fee payer keeps, all live transactions landed; below it nothing is issued.", ge=0)
    ] = 50_000_000
    reclaim_interval_seconds: Annotated[int, about("How often rent that may be taken back is looked for.", ge=1)] = 60
    reclaim_patience_seconds: Annotated[
        int, about("Rent waits this long for a full batch; then it is taken back in a smaller one.", ge=0)
    ] = 86_400
    reclaim_margin_blocks: Annotated[
        int, about("Blocks past the last valid one of a group before its rent is taken back.", ge=0)
    ] = 32
