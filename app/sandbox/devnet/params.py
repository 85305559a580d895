"""The parameters of a JSON-RPC call: by position, nulls as good as absent, checked as a validator checks them."""

from typing import Any, cast

from solders.pubkey import Pubkey
from solders.signature import Signature

from app.sandbox.devnet.commitment import LEVELS, Commitment, View
from app.sandbox.devnet.errors import MIN_CONTEXT_SLOT_NOT_REACHED, RpcError, invalid_params

_WORDS = {str: "string", int: "integer", bool: "boolean", dict: "map", list: "sequence"}


class Config:
    """The object of options that most calls take last."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = {name: value for name, value in options.items() if value is not None}

    def text(self, name: str) -> str | None:
        return cast("str | None", self._typed(name, str))

    def flag(self, name: str) -> bool:
        return bool(self._typed(name, bool))

    def integer(self, name: str) -> int | None:
        number = cast("int | None", self._typed(name, int))
        if number is not None and number < 0:
            raise invalid_params(f"Invalid params: invalid value: integer `{number}`, expected u64")
        return number

    def config(self, name: str) -> "Config | None":
        options = self._typed(name, dict)
        return None if options is None else Config(options)

    def items(self, name: str) -> list[Any]:
        return cast("list[Any]", self._typed(name, list) or [])

    def commitment(self, name: str = "commitment", default: Commitment = "finalized") -> Commitment:
        """The commitment asked for. Raises RpcError for an unknown one."""
        level = self.text(name)
        if level is None:
            return default
        if level not in LEVELS:
            raise invalid_params(f"Invalid params: unknown variant `{level}`, expected one of {', '.join(LEVELS)}.")
        return level

    def context_slot(self, view: View, name: str = "commitment") -> int:
        """The slot the answer speaks of. Raises RpcError when the node is not yet at `minContextSlot`."""
        slot = view.slot(self.commitment(name))
        wanted = self.integer("minContextSlot")
        if wanted is not None and slot < wanted:
            data = {"contextSlot": slot}
            raise RpcError(MIN_CONTEXT_SLOT_NOT_REACHED, "Minimum context slot has not been reached", data)
        return slot

    def _typed(self, name: str, kind: type) -> Any:
        value = self._options.get(name)
        if value is not None and not _is(value, kind):
            raise invalid_params(f"Invalid params: invalid type for `{name}`, expected {_WORDS[kind]}.")
        return value


class Params:
    """The parameters by position."""

    def __init__(self, raw: Any) -> None:
        if raw is not None and not isinstance(raw, list):
            raise invalid_params("Invalid params: expected an array.")
        self._raw: list[Any] = raw or []

    def _typed(self, index: int, kind: type) -> Any:
        value = self._raw[index] if index < len(self._raw) else None
        if value is not None and not _is(value, kind):
            raise invalid_params(f"Invalid params: invalid type at position {index}, expected {_WORDS[kind]}.")
        return value

    def _needed(self, index: int, kind: type) -> Any:
        value = self._typed(index, kind)
        if value is None:
            raise invalid_params("`params` should have at least " + f"{index + 1} argument(s)")
        return value

    def has(self, index: int) -> bool:
        return index < len(self._raw) and self._raw[index] is not None

    def text(self, index: int) -> str:
        return cast("str", self._needed(index, str))

    def is_text(self, index: int) -> bool:
        return index < len(self._raw) and isinstance(self._raw[index], str)

    def integer(self, index: int, default: int | None = None) -> int:
        """A number that is not negative; without a default it must be there."""
        value = self._needed(index, int) if default is None else self._typed(index, int)
        number = default if value is None else value
        if number is None or number < 0:
            raise invalid_params(f"Invalid params: invalid value: integer `{number}`, expected u64")
        return cast("int", number)

    def items(self, index: int) -> list[Any]:
        return cast("list[Any]", self._needed(index, list))

    def options(self, index: int) -> dict[str, Any]:
        return cast("dict[str, Any]", self._needed(index, dict))

    def config(self, index: int) -> Config:
        """The options; none at all when they are left out."""
        return Config(self._typed(index, dict) or {})

    def pubkey(self, index: int) -> Pubkey:
        return to_pubkey(self.text(index))

    def signature(self, index: int) -> str:
        return to_signature(self.text(index))


def to_pubkey(text: Any) -> Pubkey:
    """An address. Raises RpcError."""
    try:
        return Pubkey.from_string(text)
    except (ValueError, TypeError) as error:
        raise invalid_params(_wrong(text, error)) from error


def to_signature(text: Any) -> str:
    """A signature, checked to be one. Raises RpcError."""
    try:
        return str(Signature.from_string(text))
    except (ValueError, TypeError) as error:
        raise invalid_params(_wrong(text, error)) from error


def _wrong(text: Any, error: Exception) -> str:
    if not isinstance(text, str):
        return "Invalid params: expected a string."
    return "Invalid param: WrongSize" if "size" in str(error) else "Invalid param: Invalid"


def _is(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not (kind is int and isinstance(value, bool))
