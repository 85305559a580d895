"""The API versions we speak. A session's version is used for every mutation about it (facts/shopify.md section 9)."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.errors import SettleError
from app.records import RejectReason


@dataclass(frozen=True)
class Version:
    """What one version says differently from another."""

    # The code of a reject, by why we do it.
    reject_codes: Mapping[RejectReason, str]
    # What a reject's reason says beside code and message: who refused, we or the network.
    reject_extra: Mapping[str, str]


_FIRST = Version(
    reject_codes={RejectReason.screened_out: "RISKY", RejectReason.vanished: "PROCESSING_ERROR"}, reject_extra={}
)
_SINCE_2026_04 = Version(
    reject_codes={RejectReason.screened_out: "FRAUD_SUSPECTED", RejectReason.vanished: "PROCESSING_ERROR"},
    reject_extra={"source": "PROVIDER"},
)

VERSIONS: Mapping[str, Version] = {
    "2026-01": _FIRST,
    "2026-04": _SINCE_2026_04,
    "2026-07": _SINCE_2026_04,
    "2026-10": _SINCE_2026_04,
}
SUPPORTED = tuple(VERSIONS)


class ApiVersionUnknown(SettleError):
    """The API version {version!r} is not one of those this app speaks: {supported}."""

    reason = "api_version_unknown"
    status = 400


def check_version(version: str) -> str:
    """The version, when we speak it. Raises ApiVersionUnknown."""
    if version not in VERSIONS:
        raise ApiVersionUnknown(version=version[:20], supported=", ".join(SUPPORTED))
    return version
