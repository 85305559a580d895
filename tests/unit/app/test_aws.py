"""Our signature is the one that AWS's own SDK makes, for whatever is signed."""

from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as TheirCredentials
from hypothesis import given
from hypothesis import strategies as st

from app.aws import SECRETS, SQS, AwsClient, AwsUnavailable, Credentials, Service, sign

words = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=40)


@given(
    service=st.sampled_from([SQS, SECRETS]),
    region=st.sampled_from(["eu-central-1", "us-east-1"]),
    key_id=words,
    secret=words,
    token=st.one_of(st.just(""), words),
    operation=words,
    content=st.binary(max_size=200),
    at=st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 1, 1)),  # noqa: DTZ001  # given below
)
def test_it_signs_as_the_sdk_does(
    service: Service,
    region: str,
    key_id: str,
    secret: str,
    token: str,
    operation: str,
    content: bytes,
    at: datetime,
) -> None:
    at = at.replace(microsecond=0, tzinfo=UTC)
    url = f"https://{service.name}.{region}.amazonaws.com"
    ours = sign(service, Credentials(region, key_id, secret, token), url, operation, content, at)
    request = AWSRequest(
        "POST",
        f"{url}/",
        data=content,
        headers={
            "Content-Type": f"application/x-amz-json-{service.version}",
            "X-Amz-Target": f"{service.target}.{operation}",
        },
    )
    with patch("botocore.auth.get_current_datetime", return_value=at.replace(tzinfo=None)):
        SigV4Auth(TheirCredentials(key_id, secret, token or None), service.name, region).add_auth(request)
    assert ours["authorization"] == request.headers["Authorization"]
    assert ours["x-amz-date"] == request.headers["X-Amz-Date"]


def test_what_can_not_be_reached_is_told_without_a_secret() -> None:
    environment = {"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "hush"}
    client = AwsClient(SQS, environment, url="http://127.0.0.1:1")
    with pytest.raises(AwsUnavailable, match="sqs did not do SendMessageBatch: ConnectError") as raised:
        client.call("SendMessageBatch", {})
    assert "hush" not in repr(raised.value)
    assert "hush" not in repr(Credentials.read(environment))
