"""What a wallet shows when it does not pay."""


class WalletRefusal(Exception):
    """The wallet does not pay, or could not. `str()` is what its owner reads."""
