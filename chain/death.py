"""When an issued transaction can never land any more: the rules D of chain/RULES.md.

Everything is block heights and slots of one node. Whatever is not certain is unknown, and unknown stays watched.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from chain.node import EpochInfo, Questions, SignatureStatus
from chain.programs import MAX_STATUSES_PER_CALL


class Life(StrEnum):
    """What one look at the chain says of an issued signature."""

    DEAD = "dead"
    FOUND = "found"
    UNKNOWN = "unknown"


class Doubt(StrEnum):
    """Why a signature is neither dead nor found."""

    # Its blockhash may still be valid, or was until a moment ago.
    STILL_VALID = "still_valid"
    # The node answered the second question from an older state than the first.
    OLDER_ANSWER = "older_answer"
    # The node has thrown away blocks in which the transaction may have landed.
    HISTORY_TOO_SHORT = "history_too_short"


@dataclass(frozen=True, slots=True)
class Candidate:
    """An issued signature. `blockhash_slot`: the node's slot when it gave the blockhash; nothing landed before."""

    signature: str
    last_valid_block_height: int
    blockhash_slot: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """`status` is set when it was found, `doubt` when it is unknown."""

    signature: str
    life: Life
    status: SignatureStatus | None = None
    doubt: Doubt | None = None


@dataclass(frozen=True, slots=True)
class DeathReport:
    """Verdicts by signature, at the finalized slot and height that they rest on."""

    finalized: EpochInfo
    verdicts: dict[str, Verdict]

    @property
    def dead(self) -> list[str]:
        return [signature for signature, verdict in self.verdicts.items() if verdict.life is Life.DEAD]


def is_expired(candidate: Candidate, finalized_height: int, margin_blocks: int) -> bool:
    """Whether no block can take the transaction any more."""
    return finalized_height > candidate.last_valid_block_height + margin_blocks


def decide(
    candidate: Candidate,
    *,
    finalized: EpochInfo,
    margin_blocks: int,
    status: SignatureStatus | None,
    status_slot: int,
    first_available_block: int,
) -> Verdict:
    """The verdict on one candidate from what one node said, asked for in the order of `dead_signatures`."""
    if status is not None:
        return Verdict(candidate.signature, Life.FOUND, status=status)
    if not is_expired(candidate, finalized.block_height, margin_blocks):
        return _unknown(candidate, Doubt.STILL_VALID)
    if status_slot < finalized.slot:
        return _unknown(candidate, Doubt.OLDER_ANSWER)
    if first_available_block > candidate.blockhash_slot:
        return _unknown(candidate, Doubt.HISTORY_TOO_SHORT)
    return Verdict(candidate.signature, Life.DEAD)


async def dead_signatures(node: Questions, candidates: Sequence[Candidate], margin_blocks: int) -> DeathReport:
    """Ask one node which candidates are dead. Raises NodeError; then nothing is known of any.

    First the finalized height, then the statuses with history search, so that nothing can land in between that the
    statuses do not see. The reach of the history is asked for last: it only shrinks, so what it is after the search it
    was during it. Candidates whose blockhash may still be valid are not asked for at all: watching those is the
    polling's work.
    """
    finalized = await node.epoch_info("finalized")
    expired = [candidate for candidate in candidates if is_expired(candidate, finalized.block_height, margin_blocks)]
    searched: list[tuple[Candidate, SignatureStatus | None, int]] = []
    for start in range(0, len(expired), MAX_STATUSES_PER_CALL):
        batch = expired[start : start + MAX_STATUSES_PER_CALL]
        view = await node.signature_statuses([candidate.signature for candidate in batch], search_history=True)
        searched += [(candidate, status, view.slot) for candidate, status in zip(batch, view.statuses, strict=True)]
    verdicts = {candidate.signature: _unknown(candidate, Doubt.STILL_VALID) for candidate in candidates}
    if searched:
        first_available_block = await node.first_available_block()
        for candidate, status, status_slot in searched:
            verdicts[candidate.signature] = decide(
                candidate,
                finalized=finalized,
                margin_blocks=margin_blocks,
                status=status,
                status_slot=status_slot,
                first_available_block=first_available_block,
            )
    return DeathReport(finalized, verdicts)


def _unknown(candidate: Candidate, doubt: Doubt) -> Verdict:
    return Verdict(candidate.signature, Life.UNKNOWN, doubt=doubt)
