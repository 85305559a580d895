"""How sure the chain is: processed may vanish, confirmed has the votes of two thirds, finalized is for ever."""

from typing import Literal

Commitment = Literal["processed", "confirmed", "finalized"]

_ORDER: dict[Commitment, int] = {"processed": 0, "confirmed": 1, "finalized": 2}


def has_reached(found: Commitment, required: Commitment) -> bool:
    """Whether something seen at `found` is sure enough where `required` is asked for."""
    return _ORDER[found] >= _ORDER[required]
