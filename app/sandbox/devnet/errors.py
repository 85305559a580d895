"""The errors of the JSON-RPC interface, and the sentences a validator says for a transaction's error."""

import re
from typing import Any

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
PREFLIGHT_FAILURE = -32002
SIGNATURE_VERIFICATION_FAILURE = -32003
BLOCK_NOT_AVAILABLE = -32004
NODE_UNHEALTHY = -32005
UNSUPPORTED_TRANSACTION_VERSION = -32015
MIN_CONTEXT_SLOT_NOT_REACHED = -32016

# A transaction's error as JSON-RPC shows it: a bare name, or an object of one key.
TransactionError = str | dict[str, Any]

_TRANSACTION = {
    "AccountInUse": "Account in use",
    "AccountLoadedTwice": "Account loaded twice",
    "AccountNotFound": "Attempt to debit an account but found no record of a prior credit.",
    "AddressLookupTableNotFound": "Transaction loads an address table account that doesn't exist",
    "AlreadyProcessed": "This transaction has already been processed",
    "BlockhashNotFound": "Blockhash not found",
    "InsufficientFundsForFee": "Insufficient funds for fee",
    "InvalidAccountForFee": "This account may not be used to pay transaction fees",
    "InvalidAddressLookupTableData": "Transaction loads an address table account with invalid data",
    "InvalidAddressLookupTableIndex": "Transaction address table lookup uses an invalid index",
    "InvalidAddressLookupTableOwner": "Transaction loads an address table account with an invalid owner",
    "ProgramAccountNotFound": "Attempt to load a program that does not exist",
    "SanitizeFailure": "Transaction failed to sanitize accounts offsets correctly",
    "SignatureFailure": "Transaction did not pass signature verification",
    "UnsupportedVersion": "Transaction version is unsupported",
}
_INSTRUCTION = {
    "ComputationalBudgetExceeded": "Computational budget exceeded",
    "IllegalOwner": "Provided owner is not allowed",
    "IncorrectProgramId": "incorrect program id for instruction",
    "InsufficientFunds": "insufficient funds for instruction",
    "InvalidAccountData": "invalid account data for instruction",
    "InvalidAccountOwner": "Invalid account owner",
    "InvalidArgument": "invalid program argument",
    "InvalidInstructionData": "invalid instruction data",
    "InvalidSeeds": "Provided seeds do not result in a valid address",
    "MissingRequiredSignature": "missing required signature for instruction",
    "NotEnoughAccountKeys": "insufficient account keys for instruction",
    "ProgramFailedToComplete": "Program failed to complete",
    "UninitializedAccount": "instruction requires an initialized account",
}


class RpcError(Exception):
    """An error answer of JSON-RPC."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    def answer(self) -> dict[str, Any]:
        """The `error` member of the answer."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.data is not None:
            error["data"] = self.data
        return error


class Refused(Exception):
    """A transaction that no block takes: it leaves no trace and costs nothing. `err` is the TransactionError."""

    def __init__(self, err: TransactionError) -> None:
        super().__init__(describe(err))
        self.err = err


def invalid_params(message: str) -> RpcError:
    """The error for parameters that cannot be right."""
    return RpcError(INVALID_PARAMS, message)


def describe(err: TransactionError) -> str:
    """A transaction's error in a validator's words."""
    if isinstance(err, str):
        return _TRANSACTION.get(err) or _spaced(err)
    name, detail = next(iter(err.items()))
    if name == "InstructionError":
        return f"Error processing Instruction {detail[0]}: {_describe_instruction(detail[1])}"
    if name == "InsufficientFundsForRent":
        return f"Transaction results in an account ({detail['account_index']}) with insufficient funds for rent"
    return _spaced(name)


def _describe_instruction(err: TransactionError) -> str:
    if isinstance(err, dict):
        if "Custom" in err:
            return f"custom program error: {err['Custom']:#x}"
        return _spaced(next(iter(err)))
    return _INSTRUCTION.get(err) or _spaced(err)


def _spaced(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower()
