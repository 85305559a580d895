"""The RPC client, loaded when a node is first asked: plain JSON out of it, and every failure a NodeError."""

import asyncio
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
import pydantic
from solana.exceptions import SolanaRpcException
from solana.rpc.async_api import AsyncClient
from solana.rpc.jsonrpc import JsonRpcErrorCode, JsonRpcRequest, SolanaJsonRpcError

from chain.errors import (
    NodeAnswerInvalid,
    NodeError,
    NodeRateLimited,
    NodeRefused,
    NodeUnavailable,
    TransactionVersionUnsupported,
)

_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500
_RATE_LIMIT_CODES = {429, -32429}
_UNAVAILABLE_CODES = {
    JsonRpcErrorCode.INTERNAL_ERROR,
    JsonRpcErrorCode.SERVER_ERROR_NODE_UNHEALTHY,
    JsonRpcErrorCode.SERVER_ERROR_NO_SNAPSHOT,
    JsonRpcErrorCode.SERVER_ERROR_BLOCK_STATUS_NOT_AVAILABLE_YET,
    JsonRpcErrorCode.SERVER_ERROR_MIN_CONTEXT_SLOT_NOT_REACHED,
    JsonRpcErrorCode.SERVER_ERROR_LONG_TERM_STORAGE_UNREACHABLE,
}
_SHOWN_PROBLEM = 200


class RpcClient:
    """One node's address, and its connections."""

    def __init__(self, url: str, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._client = AsyncClient(url, timeout=timeout_seconds)
        # Its own session would obey the environment's proxies, which could read our key and forge the chain.
        self._client._provider.session = httpx2.AsyncClient(timeout=timeout_seconds, trust_env=False)

    async def close(self) -> None:
        await self._client.close()

    async def request(self, method: str, params: list[Any] | None) -> Any:
        """The result, as plain JSON. Raises NodeError."""
        try:
            # The client's own timeout is one of silence, and it tries twice; this one bounds the whole call.
            async with asyncio.timeout(self._timeout_seconds):
                return await self._client.send_rpc_request(JsonRpcRequest(method=method, params=params), Any)
        except TimeoutError:
            failure: NodeError = NodeUnavailable(method=method, problem="no answer in time")
        except SolanaRpcException as problem:
            failure = _translate_transport(method, problem.__cause__)
        except SolanaJsonRpcError as problem:
            failure = _translate_error(method, problem)
        except (pydantic.ValidationError, UnicodeDecodeError) as problem:
            failure = NodeAnswerInvalid(method=method, problem=type(problem).__name__)
        # Raised here, not in the handlers above: their causes carry the node's address, and with it perhaps an API key.
        raise failure


def _translate_transport(method: str, cause: BaseException | None) -> NodeError:
    if not isinstance(cause, httpx2.HTTPStatusError):
        return NodeUnavailable(method=method, problem=type(cause).__name__)
    status = cause.response.status_code
    if status == _TOO_MANY_REQUESTS:
        return NodeRateLimited(method=method, retry_after=read_retry_after(cause.response.headers.get("retry-after")))
    problem = f"HTTP {status}"
    if status >= _SERVER_ERROR:
        return NodeUnavailable(method=method, problem=problem)
    return NodeRefused(method=method, problem=problem)


def _translate_error(method: str, error: SolanaJsonRpcError) -> NodeError:
    if error.code in _RATE_LIMIT_CODES:
        return NodeRateLimited(method=method, retry_after=None)
    if error.code == JsonRpcErrorCode.SERVER_ERROR_UNSUPPORTED_TRANSACTION_VERSION:
        return TransactionVersionUnsupported(method=method)
    problem = f"{error.code} {error.message[:_SHOWN_PROBLEM]}"
    if error.code in _UNAVAILABLE_CODES:
        return NodeUnavailable(method=method, problem=problem)
    return NodeRefused(method=method, problem=problem)


def read_retry_after(text: str | None) -> float | None:
    """Seconds asked for by a Retry-After header, in either of its forms; None when it says nothing that can be read."""
    if text is None:
        return None
    if text.strip().isdecimal():
        return int(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
