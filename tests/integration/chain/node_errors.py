"""Errors as nodes show them in `err`: those that are known, and invented ones of every JSON shape."""

import random
from typing import Any

TRANSACTION = (
    "AccountInUse AccountLoadedTwice AccountNotFound ProgramAccountNotFound InsufficientFundsForFee "
    "InvalidAccountForFee AlreadyProcessed BlockhashNotFound CallChainTooDeep MissingSignatureForFee "
    "InvalidAccountIndex SignatureFailure InvalidProgramForExecution SanitizeFailure ClusterMaintenance "
    "AccountBorrowOutstanding WouldExceedMaxBlockCostLimit UnsupportedVersion InvalidWritableAccount "
    "WouldExceedMaxAccountCostLimit WouldExceedAccountDataBlockLimit TooManyAccountLocks "
    "AddressLookupTableNotFound InvalidAddressLookupTableOwner InvalidAddressLookupTableData "
    "InvalidAddressLookupTableIndex InvalidRentPayingAccount WouldExceedMaxVoteCostLimit "
    "WouldExceedAccountDataTotalLimit MaxLoadedAccountsDataSizeExceeded InvalidLoadedAccountsDataSizeLimit "
    "ResanitizationNeeded UnbalancedTransaction ProgramCacheHitMaxLimit CommitCancelled"
)
INSTRUCTION = (
    "GenericError InvalidArgument InvalidInstructionData InvalidAccountData AccountDataTooSmall "
    "InsufficientFunds IncorrectProgramId MissingRequiredSignature AccountAlreadyInitialized "
    "UninitializedAccount UnbalancedInstruction ModifiedProgramId ExternalAccountLamportSpend "
    "ExternalAccountDataModified ReadonlyLamportChange ReadonlyDataModified DuplicateAccountIndex "
    "ExecutableModified RentEpochModified NotEnoughAccountKeys AccountDataSizeChanged AccountNotExecutable "
    "AccountBorrowFailed AccountBorrowOutstanding DuplicateAccountOutOfSync InvalidError "
    "ExecutableDataModified ExecutableLamportChange ExecutableAccountNotRentExempt UnsupportedProgramId "
    "CallDepth MissingAccount ReentrancyNotAllowed MaxSeedLengthExceeded InvalidSeeds InvalidRealloc "
    "ComputationalBudgetExceeded PrivilegeEscalation ProgramEnvironmentSetupFailure ProgramFailedToComplete "
    "ProgramFailedToCompile Immutable IncorrectAuthority AccountNotRentExempt InvalidAccountOwner "
    "ArithmeticOverflow UnsupportedSysvar IllegalOwner MaxAccountsDataAllocationsExceeded MaxAccountsExceeded "
    "MaxInstructionTraceLengthExceeded BuiltinProgramsMustConsumeComputeUnits"
)
NAMED = [
    {"DuplicateInstruction": 3},
    {"InsufficientFundsForRent": {"account_index": 0}},
    {"ProgramExecutionTemporarilyRestricted": {"account_index": 2}},
    {"InstructionError": [2, {"Custom": 0}]},
    {"InstructionError": [4, {"Custom": 4294967295}]},
    {"InstructionError": [4, {"BorshIoError": "Unknown"}]},
]
# Nobody has seen these yet: an error is whatever is not null.
UNSEEN: list[Any] = [{}, [], "", 0, False, True, "Ok", {"Ok": None}, [None], {"err": None}, 1.5]


def known_errors() -> list[Any]:
    """Every error of a transaction, and every one of an instruction, in the shape that JSON gives it."""
    return [*TRANSACTION.split(), *NAMED, *({"InstructionError": [4, name]} for name in INSTRUCTION.split()), *UNSEEN]


def invented_error(dice: random.Random) -> Any:
    """An error like a known one, or of a shape that no release has had so far; never null."""
    name = dice.choice([*TRANSACTION.split(), *INSTRUCTION.split(), f"Unheard{dice.randrange(10**6)}"])
    code = dice.choice([0, 1, 3, 17, 18, dice.randrange(2**32)])
    shapes = [
        name,
        {"InstructionError": [dice.randrange(12), name]},
        {"InstructionError": [dice.randrange(12), {"Custom": code}]},
        {"InstructionError": [dice.randrange(12), {name: invented_value(dice, 2)}]},
        {name: invented_value(dice, 3)},
        invented_value(dice, 3),
    ]
    error = dice.choice(shapes)
    return name if error is None else error


def invented_value(dice: random.Random, depth: int) -> Any:
    """Any JSON value."""
    leaves = [None, True, False, 0, -1, dice.randrange(2**64), "", f"text {dice.randrange(1000)}"]
    if depth == 0 or dice.random() < 0.5:
        return dice.choice(leaves)
    inside = [invented_value(dice, depth - 1) for _ in range(dice.randrange(3))]
    return inside if dice.random() < 0.5 else {f"key{number}": value for number, value in enumerate(inside)}
