"""Why a refund can not be opened, paid or denied: each a sentence that says what to do next."""

from app.errors import MerchantError, SettleError


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


class PayeeErased(MerchantError):
    """The customer's data was erased, and with it the wallet that paid. Deny this refund, and refund another way."""

    reason = "payee_erased"
    status = 410


class RefundConflict(SettleError):
    """The refund session {id} exists already with other content; nothing was changed."""

    reason = "refund_conflict"
    status = 409


class RefundNotFound(MerchantError):
    """This refund does not exist. Look in the portal for those that do."""

    reason = "refund_not_found"
    status = 404


class RefundAlreadyPaid(MerchantError):
    """This refund is already paid. There is nothing more to do."""

    reason = "refund_already_paid"
    status = 409


class RefundClosed(MerchantError):
    """This refund was denied, or cannot be made, so it cannot be paid any more. The portal says more about it."""

    reason = "refund_closed"
    status = 409


class RefundUnderReview(MerchantError):
    """Something about this refund needs a look. Please do not pay it again; the portal says what to do."""

    reason = "refund_under_review"
    status = 409


class RefundInPreparation(MerchantError):
    """This refund is being prepared anew. Nothing was sent; please try again in a minute."""

    reason = "refund_in_preparation"
    status = 503


class ShopDisconnected(MerchantError):
    """Your shop is not connected, so nothing was sent. Open Settle in your Shopify admin, then try again."""

    reason = "shop_disconnected"
    status = 403


class RefundWalletScreenedOut(MerchantError):
    """We cannot send a refund from this wallet. Nothing was sent; please pay it from another one."""

    reason = "refund_wallet_screened_out"
    status = 403


class PayeeScreenedOut(MerchantError):
    """The customer's wallet is flagged by screening, so nothing may be sent to it. Deny this refund in the portal."""

    reason = "payee_screened_out"
    status = 403


class RefundsPaused(MerchantError):
    """Refunds in USDC are paused at the moment. Nothing was sent; please try again later."""

    reason = "refunds_paused"
    status = 503


class DenialInvalid(SettleError):
    """Say why the refund is denied, in 1 to {limit} characters: Shopify shows it to your staff."""

    reason = "denial_invalid"
    status = 400
