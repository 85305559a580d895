"""Identifiers that nobody can guess, and that say nothing about what they name."""

import secrets

from solders.pubkey import Pubkey


def new_payment_id() -> str:
    """Id of a payment, in its page's address: 128 random bits, 22 characters of base64url."""
    return secrets.token_urlsafe(16)


def new_refund_id() -> str:
    """Id of a refund, in the link that a wallet follows; as that of a payment."""
    return secrets.token_urlsafe(16)


def new_scan_id() -> str:
    """Id of what a merchant's wallet scans to show whose it is, in the link that it follows; as that of a payment."""
    return secrets.token_urlsafe(16)


def new_memo() -> str:
    """Memo of a payment's or refund's transactions. On the chain for ever, so it is not the page's id."""
    return secrets.token_urlsafe(12)


def new_reference() -> str:
    """Reference key of a payment's or refund's transactions, base58: 32 random bytes, nobody's account."""
    return str(Pubkey.from_bytes(secrets.token_bytes(32)))


def new_holder() -> str:
    """Name of one worker process, for its leases."""
    return secrets.token_hex(8)
