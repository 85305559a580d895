"""The API versions we speak. A session's version is used for every mutation about it (facts/shopify.md section 9)."""

from app.errors import SettleError

SUPPORTED = ("2026-01", "2026-04", "2026-07", "2026-10")

# From this version on a screened-out customer is FRAUD_SUSPECTED; before it, RISKY.
FRAUD_SUSPECTED_SINCE = "2026-04"


class ApiVersionUnknown(SettleError):
    """The API version {version!r} is not one of those this app speaks: {supported}."""

    reason = "api_version_unknown"
    status = 400


def check_version(version: str) -> str:
    """The version, when we speak it. Raises ApiVersionUnknown."""
    if version not in SUPPORTED:
        raise ApiVersionUnknown(version=version[:20], supported=", ".join(SUPPORTED))
    return version
