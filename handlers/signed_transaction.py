"""What a wallet that only signs gives back to a page, which leaves the sending to us."""

import base64
import binascii

import msgspec

from app.errors import RequestInvalid


class SignedTransaction(msgspec.Struct):
    """The transaction in base64."""

    transaction: str


_decoder = msgspec.json.Decoder(SignedTransaction)


def read_signed(body: bytes) -> bytes:
    """The transaction in wire format. Raises RequestInvalid."""
    try:
        return base64.b64decode(_decoder.decode(body).transaction, validate=True)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, binascii.Error, ValueError):
        raise RequestInvalid(problem='the body must be JSON such as {"transaction": "<base64>"}') from None
