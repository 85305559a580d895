"""The customers' wallets: they keep keys, follow Solana Pay links, and trust nobody's transaction without looking."""

from app.sandbox.wallet.wallets import Wallets

__all__ = ["Wallets"]
