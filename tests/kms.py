"""AWS KMS for Ed25519 keys, as far as a fee payer needs it: its JSON protocol over a real socket.

No stand-in that can be had knows keys of this kind (moto 5.2 does not). What comes in and what goes out is held against
the service's own model, which botocore carries: a field that AWS does not know, lacks or would type otherwise is an
error here, so this server can not be more lenient than the contract.
"""

import base64
import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import botocore.session
from botocore.model import OperationModel, Shape
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

REGION, ACCOUNT = "eu-central-1", "111122223333"
_SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 Credential=\S+/\d{8}/[a-z0-9-]+/kms/aws4_request, SignedHeaders=\S+, Signature=[0-9a-f]{64}"
)
_TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "blob": lambda value: isinstance(value, str) and base64.b64decode(value, validate=True) is not None,
    "list": lambda value: isinstance(value, list),
}


def check(shape: Shape, value: dict[str, Any]) -> dict[str, Any]:
    """A structure as the service model has it. Raises AssertionError for anything else."""
    assert value.keys() <= shape.members.keys(), value.keys() - shape.members.keys()
    assert set(shape.required_members) <= value.keys(), shape.required_members
    for name, given in value.items():
        member = shape.members[name]
        assert _TYPES[member.type_name](given), (name, given)
        members = given if member.type_name == "list" else [given]
        enum = getattr(member.member if member.type_name == "list" else member, "enum", None)
        assert not enum or set(members) <= set(enum), (name, given)
        if member.type_name == "blob":
            limits, size = member.metadata, len(base64.b64decode(given))
            assert limits.get("min", 0) <= size <= limits.get("max", size), (name, size)
    return value


@dataclass
class Kms:
    """One key. `fault`: the error that is answered instead; `forge` changes a signature on its way out."""

    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    spec: str = "ECC_NIST_EDWARDS25519"
    fault: str | None = None
    forge: Callable[[bytes], bytes] = lambda signature: signature
    calls: list[str] = field(default_factory=list)
    key_id: str = field(default_factory=lambda: secrets.token_hex(16))

    def __post_init__(self) -> None:
        self._model = botocore.session.get_session().get_service_model("kms")
        self.app = Starlette(routes=[Route("/", self._answer, methods=["POST"])])

    @property
    def arn(self) -> str:
        return f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{self.key_id}"

    @property
    def public_key(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    async def _answer(self, request: Request) -> Response:
        metadata = self._model.metadata
        target, _, name = request.headers["x-amz-target"].partition(".")
        assert target == metadata["targetPrefix"]
        assert request.headers["content-type"] == f"application/x-amz-json-{metadata['jsonVersion']}"
        assert _SIGNED.fullmatch(request.headers["authorization"])
        self.calls.append(name)
        operation: OperationModel = self._model.operation_model(name)
        asked = check(operation.input_shape, json.loads(await request.body()))
        refusal = self.fault or self._refuse(name, asked)
        if refusal:
            known = {shape.name for shape in operation.error_shapes} | {"ThrottlingException", "AccessDeniedException"}
            assert refusal in known, refusal
            return self._reply({"__type": refusal, "message": f"{refusal} for {self.arn}"}, 400)
        answer = self._public_key() if name == "GetPublicKey" else self._sign(asked)
        return self._reply(check(operation.output_shape, answer), 200)

    def _refuse(self, name: str, asked: dict[str, Any]) -> str | None:
        if asked["KeyId"] not in (self.arn, self.key_id, "alias/settle"):
            return "NotFoundException"
        if name == "Sign" and (asked.get("MessageType", "RAW"), asked["SigningAlgorithm"]) != (
            "RAW",
            "ED25519_SHA_512",
        ):
            return "InvalidKeyUsageException"
        return None

    def _public_key(self) -> dict[str, Any]:
        der = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return {
            "KeyId": self.arn,
            "PublicKey": base64.b64encode(der).decode(),
            "KeySpec": self.spec,
            "KeyUsage": "SIGN_VERIFY",
            "SigningAlgorithms": ["ED25519_SHA_512", "ED25519_PH_SHA_512"],
        }

    def _sign(self, asked: dict[str, Any]) -> dict[str, Any]:
        signature = self.forge(self.key.sign(base64.b64decode(asked["Message"])))
        return {
            "KeyId": self.arn,
            "Signature": base64.b64encode(signature).decode(),
            "SigningAlgorithm": asked["SigningAlgorithm"],
        }

    def _reply(self, body: dict[str, Any], status: int) -> Response:
        return JSONResponse(body, status, headers={"x-amzn-RequestId": secrets.token_hex(8)})
