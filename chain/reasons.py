"""Every reason code that the chain side gives, once. They are stable: alarms and support answers are built on them."""

from enum import StrEnum


class Reason(StrEnum):
    """Why something was refused; chain/RULES.md says by which rule."""

    # A transaction request is refused: the customer can do something about most of them.
    INVALID_ADDRESS = "invalid_address"
    OFF_CURVE_ADDRESS = "off_curve_address"
    OWN_ADDRESS = "own_address"
    MERCHANT_WALLET = "merchant_wallet"
    ORDER_ALREADY_BEING_PAID = "order_already_being_paid"
    DESTINATION_MISSING = "destination_missing"
    DESTINATION_WRONG_PROGRAM = "destination_wrong_program"
    DESTINATION_WRONG_OWNER = "destination_wrong_owner"
    DESTINATION_WRONG_MINT = "destination_wrong_mint"
    DESTINATION_FROZEN = "destination_frozen"
    NO_TOKEN_ACCOUNT = "no_token_account"  # noqa: S105
    TOKEN_ACCOUNT_WRONG_PROGRAM = "token_account_wrong_program"  # noqa: S105
    TOKEN_ACCOUNT_WRONG_OWNER = "token_account_wrong_owner"  # noqa: S105
    TOKEN_ACCOUNT_WRONG_MINT = "token_account_wrong_mint"  # noqa: S105
    TOKEN_ACCOUNT_FROZEN = "token_account_frozen"  # noqa: S105
    TOO_LITTLE_USDC = "too_little_usdc"
    NOT_COUNTERSIGNED = "not_countersigned"

    # The same of a refund, where the merchant pays and the customer is paid.
    REFUND_ALREADY_BEING_PAID = "refund_already_being_paid"
    PAYEE_WALLET = "payee_wallet"
    PAYEE_ACCOUNT_UNUSABLE = "payee_account_unusable"
    PAYEE_ACCOUNT_FROZEN = "payee_account_frozen"
    TOO_LITTLE_SOL = "too_little_sol"

    # What landed is not what was issued.
    WRONG_SIGNATURE = "wrong_signature"
    LANDED_WITH_ERROR = "landed_with_error"
    WRONG_FEE_PAYER = "wrong_fee_payer"
    NOT_SIGNED_BY_FEE_PAYER = "not_signed_by_fee_payer"
    VERSIONED_MESSAGE = "versioned_message"
    WRONG_SIGNERS = "wrong_signers"
    WRONG_INSTRUCTIONS = "wrong_instructions"
    WRONG_COMPUTE_BUDGET = "wrong_compute_budget"
    WRONG_SINGLE_USE = "wrong_single_use"
    WRONG_ACCOUNT_OPENING = "wrong_account_opening"
    WRONG_MEMO = "wrong_memo"
    WRONG_TRANSFER = "wrong_transfer"
    WRONG_SOURCE = "wrong_source"
    WRONG_MINT = "wrong_mint"
    WRONG_DESTINATION = "wrong_destination"
    WRONG_WALLET = "wrong_wallet"
    WRONG_REFERENCE = "wrong_reference"
    WRONG_AMOUNT = "wrong_amount"
    WRONG_DECIMALS = "wrong_decimals"
    BALANCE_MISSING = "balance_missing"
    BALANCE_WRONG_MINT = "balance_wrong_mint"
    BALANCE_WRONG_OWNER = "balance_wrong_owner"
    BALANCE_WRONG_PROGRAM = "balance_wrong_program"
    WRONG_RECEIVED_AMOUNT = "wrong_received_amount"

    # A node gives no answer that can be used. Nothing is decided by it.
    NODE_UNAVAILABLE = "node_unavailable"
    NODE_RATE_LIMITED = "node_rate_limited"
    NODE_REFUSED = "node_refused"
    NODE_ANSWER_INVALID = "node_answer_invalid"
    NODE_BEHIND = "node_behind"
    TRANSACTION_VERSION_UNSUPPORTED = "transaction_version_unsupported"

    # The fee payer's key can not be read.
    FEE_PAYER_KEY_INVALID = "fee_payer_key_invalid"

    # Whoever keeps the key does not sign now, or signs something else.
    FEE_PAYER_UNAVAILABLE = "fee_payer_unavailable"
