"""Why a customer can not have a transaction: each a sentence for the wallet's screen, saying what to do next."""

from app.errors import CustomerError


class PaymentNotFound(CustomerError):
    """This payment does not exist. Please go back to the shop and start again."""

    reason = "payment_not_found"
    status = 404


class OrderAlreadyPaid(CustomerError):
    """This order is already paid. You do not need to pay again."""

    reason = "order_already_paid"
    status = 409


class PaymentRefused(CustomerError):
    """This payment can no longer be made with USDC. Please go back to the shop and choose another way to pay."""

    reason = "payment_refused"
    status = 403


class PaymentExpired(CustomerError):
    """This payment has expired. Please go back to the shop and start again."""

    reason = "payment_expired"
    status = 410


class PaymentUnderReview(CustomerError):
    """The shop has to look at this payment. Please do not pay again; ask the shop about your order."""

    reason = "payment_under_review"
    status = 409


class MerchantClosed(CustomerError):
    """The shop does not take USDC any more. Nothing was paid; go back and choose another way to pay."""

    reason = "merchant_closed"
    status = 403


class WalletScreenedOut(CustomerError):
    """We cannot accept a payment from this wallet. Nothing was paid; please choose another way to pay at the shop."""

    reason = "wallet_screened_out"
    status = 403


class PriceChanged(CustomerError):
    """The price has expired. Please wait a minute for a new one, then scan the code again."""

    reason = "price_expired"
    status = 409


class PaymentInPreparation(CustomerError):
    """This payment is being prepared anew, nothing was paid. Please wait two minutes, then scan the code again."""

    reason = "payment_in_preparation"
    status = 503
