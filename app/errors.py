"""The base of every error of ours: it carries its reason code and HTTP status, and its docstring is its message."""

from typing import Any, ClassVar


class SettleError(Exception):
    """Something went wrong."""

    reason: ClassVar[str]
    status: ClassVar[int]

    def __init__(self, **details: Any) -> None:
        self.details = details
        super().__init__((self.__doc__ or "").format(**details))

    @property
    def message(self) -> str:
        return str(self)


class WordedError(SettleError):
    """Somebody reads the sentence of these, on our page or in a wallet: it says plainly what is wrong and what to do.

    There is one in every language (app/languages/errors.py).
    """


class CustomerError(WordedError):
    """A customer reads it."""


class MerchantError(WordedError):
    """A merchant reads it, in the wallet that is to pay a refund."""


class RequestInvalid(SettleError):
    """The request can not be read: {problem}."""

    reason = "request_invalid"
    status = 400


class BodyTooLarge(SettleError):
    """The request body is larger than {limit} bytes."""

    reason = "body_too_large"
    status = 413


class RequestTimeout(SettleError):
    """The request body did not arrive in time."""

    reason = "request_timeout"
    status = 408
