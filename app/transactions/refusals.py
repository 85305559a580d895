"""Why a wallet can not have a transaction, whatever it is for: each a sentence for its screen."""

from app.errors import CustomerError


class TooManyRequests(CustomerError):
    """Several wallets are trying to pay this at the moment. Please wait a minute, then try again."""

    reason = "too_many_transactions"
    status = 429


class WalletQuotaSpent(CustomerError):
    """This wallet has asked for too many payments that did not go through. Please try another wallet, or tomorrow."""

    reason = "wallet_quota_spent"
    status = 429


class NetworkQuotaSpent(CustomerError):
    """Too many payments were tried from your network and did not go through. Please try again from another one."""

    reason = "network_quota_spent"
    status = 429


class IssuingPaused(CustomerError):
    """The shop cannot take USDC at the moment. Nothing was paid; please try later, or choose another way to pay."""

    reason = "issuing_paused"
    status = 503


class ChainUnavailable(CustomerError):
    """The Solana network cannot be reached right now. Nothing was paid; please try again in a moment."""

    reason = "chain_unavailable"
    status = 503


class BlockhashUsed(CustomerError):
    """Your last try has only just failed. Please try again in a few seconds."""

    reason = "blockhash_used"
    status = 503


class NotTaken(CustomerError):
    """The Solana network did not take the payment. Wait a moment; if nothing happens here, please try again."""

    reason = "transaction_not_taken"
    status = 409
