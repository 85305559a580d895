"""Every error of the chain side. It carries its reason code, and its docstring is its message.

The sentences of `Refused` are shown by wallets: short, and with what to do next.
"""

from typing import Any, ClassVar

from chain.reasons import Reason


class ChainError(Exception):
    """Something went wrong on the chain side."""

    reason: ClassVar[Reason]

    def __init__(self, **details: Any) -> None:
        self.details = details
        super().__init__((self.__doc__ or "").format(**details))

    @property
    def message(self) -> str:
        return str(self)


class Refused(ChainError):
    """This payment can not be made from this wallet."""


class InvalidAddress(Refused):
    """This is not a Solana address. Open the payment in your wallet app again."""

    reason = Reason.INVALID_ADDRESS


class OffCurveAddress(Refused):
    """This address belongs to a program and cannot sign. Pay from an ordinary wallet."""

    reason = Reason.OFF_CURVE_ADDRESS


class OwnAddress(Refused):
    """This address belongs to the payment service itself. Pay from your own wallet."""

    reason = Reason.OWN_ADDRESS


class MerchantWallet(Refused):
    """This is the wallet of the shop itself. Pay from another wallet."""

    reason = Reason.MERCHANT_WALLET


class OrderAlreadyBeingPaid(Refused):
    """This order is already paid or being paid. Go back to the shop's page to see how it went."""

    reason = Reason.ORDER_ALREADY_BEING_PAID


class DestinationMissing(Refused):
    """The shop cannot receive USDC yet. Choose another way to pay, or tell the shop."""

    reason = Reason.DESTINATION_MISSING


class DestinationWrongProgram(Refused):
    """The shop cannot receive USDC at its account. Choose another way to pay, or tell the shop."""

    reason = Reason.DESTINATION_WRONG_PROGRAM


class DestinationWrongOwner(Refused):
    """The shop's USDC account has changed hands. Choose another way to pay, or tell the shop."""

    reason = Reason.DESTINATION_WRONG_OWNER


class DestinationWrongMint(Refused):
    """The shop's account is not for USDC. Choose another way to pay, or tell the shop."""

    reason = Reason.DESTINATION_WRONG_MINT


class DestinationFrozen(Refused):
    """The shop's USDC account is frozen. Choose another way to pay, or tell the shop."""

    reason = Reason.DESTINATION_FROZEN


class NoTokenAccount(Refused):
    """This wallet holds no USDC. Add {needed} USDC to it, or pay from another wallet."""

    reason = Reason.NO_TOKEN_ACCOUNT


class TokenAccountWrongProgram(Refused):
    """This wallet's USDC account cannot be used. Pay from another wallet."""

    reason = Reason.TOKEN_ACCOUNT_WRONG_PROGRAM


class TokenAccountWrongOwner(Refused):
    """This wallet no longer controls its USDC account. Pay from another wallet."""

    reason = Reason.TOKEN_ACCOUNT_WRONG_OWNER


class TokenAccountWrongMint(Refused):
    """This wallet's account is not for USDC. Pay from another wallet."""

    reason = Reason.TOKEN_ACCOUNT_WRONG_MINT


class TokenAccountFrozen(Refused):
    """This wallet's USDC is frozen by its issuer. Pay from another wallet."""

    reason = Reason.TOKEN_ACCOUNT_FROZEN


class TooLittleUsdc(Refused):
    """This wallet has {there} USDC, the payment needs {needed}. Add USDC, or pay from another wallet."""

    reason = Reason.TOO_LITTLE_USDC


class NotCountersigned(Refused):
    """Your wallet gave back something else than the payment. Nothing was paid; try again, or use another wallet."""

    reason = Reason.NOT_COUNTERSIGNED


class MerchantRefused(Refused):
    """This refund can not be paid from this wallet, as its merchant reads."""


class RefundAlreadyBeingPaid(MerchantRefused):
    """This refund is already paid or being paid. Look at it in the portal before you try again."""

    reason = Reason.REFUND_ALREADY_BEING_PAID


class PayeeWallet(MerchantRefused):
    """This is the customer's own wallet. Pay the refund from another one."""

    reason = Reason.PAYEE_WALLET


class PayeeAccountUnusable(MerchantRefused):
    """The customer's USDC account is not theirs any more. Deny this refund, and refund another way."""

    reason = Reason.PAYEE_ACCOUNT_UNUSABLE


class PayeeAccountFrozen(MerchantRefused):
    """The customer's USDC account is frozen by its issuer. Deny this refund, and refund another way."""

    reason = Reason.PAYEE_ACCOUNT_FROZEN


class TooLittleSol(MerchantRefused):
    """The customer's USDC account is closed. To open it takes {needed} SOL, this wallet has {there}. Add SOL first."""

    reason = Reason.TOO_LITTLE_SOL


class Unverified(ChainError):
    """What landed is not what was issued."""


class WrongSignature(Unverified):
    """The transaction's id is {found}, issued was {expected}."""

    reason = Reason.WRONG_SIGNATURE


class LandedWithError(Unverified):
    """The transaction failed on the chain: {error}."""

    reason = Reason.LANDED_WITH_ERROR


class WrongFeePayer(Unverified):
    """The transaction was paid for by {found}, issued was {expected}."""

    reason = Reason.WRONG_FEE_PAYER


class NotSignedByFeePayer(Unverified):
    """The transaction's id is not the fee payer's signature of its message."""

    reason = Reason.NOT_SIGNED_BY_FEE_PAYER


class VersionedMessage(Unverified):
    """The transaction has a versioned message; only legacy ones are issued."""

    reason = Reason.VERSIONED_MESSAGE


class WrongSigners(Unverified):
    """The transaction wants the signatures {found}; issued are those of the fee payer and the customer."""

    reason = Reason.WRONG_SIGNERS


class WrongInstructions(Unverified):
    """The transaction calls {found}, which is not the list that is issued."""

    reason = Reason.WRONG_INSTRUCTIONS


class WrongComputeBudget(Unverified):
    """The compute budget does not set a limit and then a price."""

    reason = Reason.WRONG_COMPUTE_BUDGET


class WrongSingleUse(Unverified):
    """The transaction does not create the single-use account {expected} from its base and seed, empty."""

    reason = Reason.WRONG_SINGLE_USE


class WrongAccountOpening(Unverified):
    """The instruction that opens the payee's token account is not the issued one, for {expected}."""

    reason = Reason.WRONG_ACCOUNT_OPENING


class WrongMemo(Unverified):
    """The transaction carries another memo than {expected}."""

    reason = Reason.WRONG_MEMO


class WrongTransfer(Unverified):
    """The transaction's last instruction is not a transferChecked with one reference."""

    reason = Reason.WRONG_TRANSFER


class WrongSource(Unverified):
    """The transfer comes from {found}, issued was {expected}."""

    reason = Reason.WRONG_SOURCE


class WrongMint(Unverified):
    """The transfer moves {found}, issued was {expected}."""

    reason = Reason.WRONG_MINT


class WrongDestination(Unverified):
    """The transfer goes to {found}, issued was {expected}."""

    reason = Reason.WRONG_DESTINATION


class WrongWallet(Unverified):
    """The transfer is authorized by {found}, issued was {expected}."""

    reason = Reason.WRONG_WALLET


class WrongReference(Unverified):
    """The transfer carries the reference {found}, issued was {expected}."""

    reason = Reason.WRONG_REFERENCE


class WrongAmount(Unverified):
    """The transfer moves {found} base units, issued were {expected}."""

    reason = Reason.WRONG_AMOUNT


class WrongDecimals(Unverified):
    """The transfer names {found} decimals, issued were {expected}."""

    reason = Reason.WRONG_DECIMALS


class BalanceMissing(Unverified):
    """The transaction shows no balance of the merchant's token account {expected}."""

    reason = Reason.BALANCE_MISSING


class BalanceWrongMint(Unverified):
    """The merchant's token account holds {found}, not {expected}."""

    reason = Reason.BALANCE_WRONG_MINT


class BalanceWrongOwner(Unverified):
    """The merchant's token account belongs to {found}, not to {expected}."""

    reason = Reason.BALANCE_WRONG_OWNER


class BalanceWrongProgram(Unverified):
    """The merchant's token account is kept by the program {found}, not by {expected}."""

    reason = Reason.BALANCE_WRONG_PROGRAM


class WrongReceivedAmount(Unverified):
    """The merchant's token account grew by {found} base units, issued were {expected}."""

    reason = Reason.WRONG_RECEIVED_AMOUNT


class NodeError(ChainError):
    """The node gave no usable answer to {method}."""


class NodeUnavailable(NodeError):
    """The node does not answer {method}: {problem}."""

    reason = Reason.NODE_UNAVAILABLE


class NodeRateLimited(NodeError):
    """The node limits our rate at {method}{pause}."""

    reason = Reason.NODE_RATE_LIMITED

    def __init__(self, *, method: str, retry_after: float | None) -> None:
        self.retry_after = retry_after
        pause = "" if retry_after is None else f" and asks for a pause of {retry_after} s"
        super().__init__(method=method, retry_after=retry_after, pause=pause)


class NodeRefused(NodeError):
    """The node refuses {method}: {problem}."""

    reason = Reason.NODE_REFUSED


class NodeAnswerInvalid(NodeError):
    """The node's answer to {method} can not be read: {problem}."""

    reason = Reason.NODE_ANSWER_INVALID


class NodeBehind(NodeError):
    """The node's newest state is {slots} slots old, at most {limit} are allowed."""

    reason = Reason.NODE_BEHIND


class TransactionVersionUnsupported(NodeError):
    """The transaction is of a version that the node does not hand out to us, so it is not one of ours."""

    reason = Reason.TRANSACTION_VERSION_UNSUPPORTED


class FeePayerKeyInvalid(ChainError):
    """The fee payer's key can not be read. It is a JSON array of 64 bytes, as solana-keygen writes it, or base58."""

    reason = Reason.FEE_PAYER_KEY_INVALID


class FeePayerUnavailable(ChainError):
    """The fee payer does not sign: {problem}."""

    reason = Reason.FEE_PAYER_UNAVAILABLE
