"""A fee payer whose key never leaves AWS KMS.

The key is asymmetric, of spec ECC_NIST_EDWARDS25519 and usage SIGN_VERIFY. Whoever runs Settle needs `kms:GetPublicKey`
and `kms:Sign` for it, and nothing else; credentials and region come from where AWS's own tools find them.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from solders.pubkey import Pubkey
from solders.signature import Signature

from chain.errors import FeePayerUnavailable

KEY_SPEC = "ECC_NIST_EDWARDS25519"
# Plain Ed25519 over the message itself; the other algorithm of these keys hashes first, and no chain knows that.
ALGORITHM = "ED25519_SHA_512"
# What stands before the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410).
_KEY_PREFIX = bytes.fromhex("302a300506032b6570032100")
_ARN_REGION = 3
_SIGNATURE_BYTES = 64


class KmsFeePayer:
    """Signs in KMS: one call of some milliseconds for each signature, which is checked before anybody gets it."""

    def __init__(self, client: Any, key_id: str, address: Pubkey) -> None:
        self._client = client
        self._key_id = key_id
        self._address = address

    @classmethod
    async def open(cls, key_id: str, timeout_seconds: float) -> Self:
        """`key_id`: a key's id, ARN or alias. Raises FeePayerUnavailable, also for a key that is no Ed25519 key."""
        try:
            client = await asyncio.to_thread(_make_client, key_id, timeout_seconds)
        except BotoCoreError as error:
            raise _unavailable(error) from None
        answer = await _ask(client.get_public_key, KeyId=key_id)
        key = answer["PublicKey"]
        if answer.get("KeySpec") != KEY_SPEC or answer.get("KeyUsage") != "SIGN_VERIFY":
            raise FeePayerUnavailable(problem=f"the key is {answer.get('KeySpec')}, needed is {KEY_SPEC} for signing")
        if not key.startswith(_KEY_PREFIX) or len(key) != len(_KEY_PREFIX) + 32:
            raise FeePayerUnavailable(problem="the public key can not be read")
        return cls(client, key_id, Pubkey(key[len(_KEY_PREFIX) :]))

    @property
    def address(self) -> Pubkey:
        return self._address

    async def sign(self, message: bytes) -> Signature:
        """Raises FeePayerUnavailable, also when the signature is not this key's of this message."""
        answer = await _ask(
            self._client.sign, KeyId=self._key_id, Message=message, MessageType="RAW", SigningAlgorithm=ALGORITHM
        )
        given = answer["Signature"]
        if len(given) != _SIGNATURE_BYTES or not Signature(given).verify(self._address, message):
            raise FeePayerUnavailable(problem="its signature is not of this message")
        return Signature(given)

    def __repr__(self) -> str:
        return f"KmsFeePayer({self._address})"


def _make_client(key_id: str, timeout_seconds: float) -> Any:
    # An ARN says where its key is; for an id or an alias, the environment does.
    region = key_id.split(":")[_ARN_REGION] if key_id.startswith("arn:") else None
    config = Config(
        connect_timeout=timeout_seconds,
        read_timeout=timeout_seconds,
        retries={"total_max_attempts": 2, "mode": "standard"},
        max_pool_connections=32,
    )
    return boto3.session.Session(region_name=region).client("kms", config=config)


async def _ask(call: Callable[..., Any], **arguments: Any) -> Any:
    try:
        return await asyncio.to_thread(call, **arguments)
    except (BotoCoreError, ClientError) as error:
        problem = error
    raise _unavailable(problem)


def _unavailable(error: BotoCoreError | ClientError) -> FeePayerUnavailable:
    """Names what went wrong, and nothing of who asked: AWS's messages tell accounts, roles and keys."""
    if isinstance(error, ClientError):
        return FeePayerUnavailable(problem=f"KMS answered {error.response.get('Error', {}).get('Code', 'an error')}")
    return FeePayerUnavailable(problem=type(error).__name__)
