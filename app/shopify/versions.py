"""The API versions we speak. A session's version is used for every mutation about it (facts/shopify.md section 9)."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.errors import SettleError


@dataclass(frozen=True)
class Version:
    """What one version says differently from another."""

    # The code of a reject because a wallet was screened out.
    fraud: str
    # What a reject's reason says beside code and message: who refused, we or the network.
    reject_extra: Mapping[str, str]


_FIRST = Version(fraud="RISKY", reject_extra={})
_SINCE_2026_04 = Version(fraud="FRAUD_SUSPECTED", reject_extra={"source": "PROVIDER"})

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
