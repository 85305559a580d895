"""Which confirmed transaction vanishes, when the fault asks for one."""

from app.sandbox.devnet.cluster import Landing
from app.sandbox.devnet.commitment import View
from app.sandbox.faults import Faults


class Vanishing:
    """The fault `vanish` of one cluster. Its value: a signature, or the slots between being confirmed and vanishing."""

    def __init__(self, faults: Faults, target: str, default_slots: int) -> None:
        self._faults = faults
        self._target = target
        self._default_slots = default_slots

    def pick(self, unrooted: list[Landing], view: View) -> Landing | None:
        """The transaction that vanishes now; using one up of the fault. Airdrops and funding never do."""
        switches = self._faults.peek(self._target, "vanish")
        if not switches:
            return None
        value = switches[0].value
        for landing in unrooted:
            if landing.before is None or landing.entry.ours or landing.entry.slot > view.confirmed:
                continue
            if isinstance(value, str):
                is_due = landing.entry.signature == value
            else:
                is_due = view.confirmed - landing.entry.slot >= (self._default_slots if value is None else value)
            if is_due:
                self._faults.take(self._target, "vanish")
                return landing
        return None
