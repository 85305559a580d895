"""SQS and Secrets Manager, which every cold function calls: requests made and signed here (Signature Version 4).

AWS's own SDK would be the longest part of a cold start: it loads its machinery for every service, and then reads the
models of those it is asked for. Credentials and region come from the environment, where Lambda puts them.
"""

import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from app.errors import SettleError

TIMEOUT = httpx.Timeout(5, connect=2)
# A connection that was frozen with its function may be dead.
TRIES = 2


@dataclass(frozen=True)
class Service:
    """`target` stands before an operation's name in X-Amz-Target; `version` is that of its JSON protocol."""

    name: str
    target: str
    version: str


SQS = Service("sqs", "AmazonSQS", "1.0")
SECRETS = Service("secretsmanager", "secretsmanager", "1.1")


class AwsUnavailable(SettleError):
    """{service} did not do {operation}: {problem}."""

    reason = "aws_unavailable"
    status = 503


@dataclass(frozen=True)
class Credentials:
    region: str
    key_id: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Credentials":
        """Those of the environment. A missing one makes calls fail, not this."""
        region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION", "")
        return cls(
            region,
            environment.get("AWS_ACCESS_KEY_ID", ""),
            environment.get("AWS_SECRET_ACCESS_KEY", ""),
            environment.get("AWS_SESSION_TOKEN", ""),
        )


class AwsClient:
    """One service. `url`: in place of its own address."""

    def __init__(self, service: Service, environment: Mapping[str, str] = os.environ, url: str = "") -> None:
        self._service = service
        self._environment = environment
        region = Credentials.read(environment).region
        own = f"https://{service.name}.{region}.amazonaws.com"
        self._url = url or environment.get("AWS_ENDPOINT_URL") or own
        self._client = httpx.Client(timeout=TIMEOUT, trust_env=False)

    def call(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Do it, twice at most when the connection fails. Raises AwsUnavailable."""
        content = json.dumps(body).encode()
        for tries_left in reversed(range(TRIES)):
            # Lambda replaces a function's credentials while it lives.
            credentials = Credentials.read(self._environment)
            headers = sign(self._service, credentials, self._url, operation, content, datetime.now(UTC))
            try:
                answer = self._client.post(f"{self._url}/", content=content, headers=headers)
            except httpx.TransportError as error:
                if tries_left:
                    continue
                raise self._unavailable(operation, type(error).__name__) from None
            if answer.status_code != httpx.codes.OK:
                raise self._unavailable(operation, f"HTTP {answer.status_code} {answer.text[:200]}")
            done: dict[str, Any] = answer.json()
            return done
        raise AssertionError("unreachable")

    def _unavailable(self, operation: str, problem: str) -> AwsUnavailable:
        return AwsUnavailable(service=self._service.name, operation=operation, problem=problem)


def sign(
    service: Service, credentials: Credentials, url: str, operation: str, content: bytes, at: datetime
) -> dict[str, str]:
    """The headers of a POST to the root of a service, with its signature."""
    headers = {
        "content-type": f"application/x-amz-json-{service.version}",
        "host": urlsplit(url).netloc,
        "x-amz-date": f"{at:%Y%m%dT%H%M%SZ}",
        "x-amz-target": f"{service.target}.{operation}",
    }
    if credentials.token:
        headers["x-amz-security-token"] = credentials.token
    names = sorted(headers)
    lines = "".join(f"{name}:{headers[name]}\n" for name in names)
    signed = ";".join(names)
    request = f"POST\n/\n\n{lines}\n{signed}\n{hashlib.sha256(content).hexdigest()}"
    scope = f"{at:%Y%m%d}/{credentials.region}/{service.name}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{headers['x-amz-date']}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{credentials.secret}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.digest(key, part.encode(), "sha256")
    authorization = f"AWS4-HMAC-SHA256 Credential={credentials.key_id}/{scope}, SignedHeaders={signed}"
    return {**headers, "authorization": f"{authorization}, Signature={key.hex()}"}
