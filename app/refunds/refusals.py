"""Why a refund can not be opened, paid or denied: each a sentence that says what to do next."""

from app.errors import SettleError


class RefundPaymentUnknown(SettleError):
    """This shop has no payment {payment}."""

    reason = "payment_unknown"
    status = 404


class RefundTestDiffers(SettleError):
    """A test payment is refunded in test mode, and only a test payment is."""

    reason = "refund_test_differs"
    status = 422


class RefundCurrencyDiffers(SettleError):
    """The payment is in {currency}, and so must its refund be."""

    reason = "refund_currency_differs"
    status = 422


class PaymentNotPaid(SettleError):
    """Nothing was received for this payment, so there is nothing to give back."""

    reason = "payment_not_paid"
    status = 409


class PayeeErased(SettleError):
    """The customer's data were erased at their wish, and with them the wallet that paid. Refund them in another way."""

    reason = "payee_erased"
    status = 410


class RefundConflict(SettleError):
    """The refund session {id} exists already with other content; nothing was changed."""

    reason = "refund_conflict"
    status = 409
