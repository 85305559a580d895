"""The fee payers of a cluster: today's, those of yesterday that open orders still need, and keys that leaked.

An order stays with the key it was opened under, since its single-use address is made of it. So a key that was replaced
goes on paying for its open orders, and empties their accounts once they are paid.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from solders.pubkey import Pubkey

from app.records import Cluster
from app.settings import Settings, SettingsInvalid, variable
from chain.errors import FeePayerKeyInvalid
from chain.fee_payer import FeePayer, KeyFileFeePayer

# How a setting says that the key is in AWS KMS; after it the key's id, ARN or alias.
KMS_PREFIX = "awskms:"


@dataclass(frozen=True)
class FeePayers:
    """Keys by address, base58. `leaked`: addresses whose key somebody else may have, ours or not at hand."""

    current: FeePayer
    former: Mapping[str, FeePayer]
    leaked: frozenset[str]

    def issuer(self, base: str) -> FeePayer | None:
        """Whoever pays for the orders of this base; None when its key leaked or is not here."""
        return None if base in self.leaked else self.keeper(base)

    def keeper(self, base: str) -> FeePayer | None:
        """Whoever can empty the accounts of this base, leaked or not; None when the key is not here."""
        return self.current if base == str(self.current.address) else self.former.get(base)

    @property
    def at_hand(self) -> Sequence[FeePayer]:
        """All keys that are here, today's first."""
        return [self.current, *self.former.values()]

    @property
    def addresses(self) -> frozenset[Pubkey]:
        """Every address that is ours by the settings; what only the database remembers is not among them."""
        return frozenset(key.address for key in self.at_hand) | frozenset(map(Pubkey.from_string, self.leaked))


async def load_fee_payers(cluster: Cluster, settings: Settings) -> FeePayers:
    """The fee payers of a cluster. Raises FeePayerKeyInvalid, FeePayerUnavailable, SettingsInvalid."""
    prefix = "" if cluster is Cluster.live else "test_"
    current = await load_fee_payer(getattr(settings, f"{prefix}fee_payer"), settings)
    former = [await load_fee_payer(given, settings) for given in getattr(settings, f"{prefix}former_fee_payers")]
    named = f"{prefix}leaked_fee_payers"
    leaked = frozenset(_parse_address(named, given) for given in getattr(settings, named))
    if str(current.address) in leaked:
        raise SettingsInvalid(problem=f"{variable(f'{prefix}fee_payer')} is among {variable(named)}: make a new key")
    return FeePayers(current, {str(key.address): key for key in former if key.address != current.address}, leaked)


async def load_fee_payer(given: str, settings: Settings) -> FeePayer:
    """A fee payer from KMS, from a file, or from the key itself.

    Raises FeePayerUnavailable, or FeePayerKeyInvalid, which shows nothing of it.
    """
    if given.startswith(KMS_PREFIX):
        # Imported here: who has the key in a file does not need AWS's library.
        from app.kms import KmsFeePayer

        return await KmsFeePayer.open(given.removeprefix(KMS_PREFIX), settings.kms_timeout_seconds)
    try:
        is_file = Path(given).is_file()
        return KeyFileFeePayer.load(given) if is_file else KeyFileFeePayer.parse(given)
    except (OSError, ValueError):
        # A name that is none for a file may well be a key: it must not be in an error's text.
        raise FeePayerKeyInvalid from None


def _parse_address(name: str, text: str) -> str:
    try:
        return str(Pubkey.from_string(text))
    except ValueError:
        raise SettingsInvalid(problem=f"{variable(name)} has something that is no address") from None
