"""Base58 in Bitcoin's alphabet, which Solana writes addresses, signatures and instruction data in."""

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUES = {sign: value for value, sign in enumerate(_ALPHABET)}


class BadBase58(ValueError):
    """A sign that base58 does not have."""


def b58encode(data: bytes) -> str:
    """The text of some bytes."""
    number = int.from_bytes(data, "big")
    signs: list[str] = []
    while number:
        number, value = divmod(number, 58)
        signs.append(_ALPHABET[value])
    zeros = len(data) - len(data.lstrip(b"\0"))
    return "1" * zeros + "".join(reversed(signs))


def b58decode(text: str) -> bytes:
    """The bytes of a text. Raises BadBase58."""
    number = 0
    for sign in text:
        if sign not in _VALUES:
            raise BadBase58(f"{sign!r} is no base58 sign")
        number = number * 58 + _VALUES[sign]
    zeros = len(text) - len(text.lstrip("1"))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")
