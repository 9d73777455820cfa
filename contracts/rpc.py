"""JSON-RPC to a chain node: pooled connections, batches, and one error class per way in which a node can fail."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

import requests
from eth_typing import URI
from web3 import HTTPProvider
from web3.types import RPCEndpoint

from domain.errors import DominoesError

RPC_TIMEOUT_S = 30.0
"""How long one request may take: mining a block with thousands of orders takes about a second on any node."""

BATCH_CALLS_MAX = 100
"""Most calls in one batch: geth refuses batches above 1,000 and answers slowly long before."""

BATCH_BYTES_MAX = 1_000_000
"""Most bytes of parameters in one batch: anvil and geth limit a request to a few megabytes."""

OF_THE_WAY = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""Statuses with which whoever stands before the node answers in its place: nothing is known of the call then."""

Call = tuple[str, Sequence[Any]]
"""A method and its parameters."""


class NodeUnavailable(DominoesError):
    """The node can't be reached, hung or closed the connection: the same call may succeed later."""

    status = 503
    code = "node-unavailable"
    retryable = True

    def __init__(self, *, url: str, reason: str) -> None:
        self.url, self.reason = url, reason
        super().__init__(
            f"chain node {url} does not answer: {reason}; start it or check its address, work waits for it"
        )


class NodeAnswerInvalid(DominoesError):
    """The node's answer is no JSON-RPC: an HTML page, cut JSON, a wrong number of answers."""

    status = 502
    code = "node-answer-invalid"
    retryable = True

    def __init__(self, *, url: str, reason: str) -> None:
        self.url, self.reason = url, reason
        super().__init__(
            f"{url} does not answer as a chain node: {reason}; check that the address is a JSON-RPC endpoint"
        )


class RpcError(DominoesError):
    """The node understood the call and refused it; `data` carries a revert's bytes where there are any."""

    status = 502
    code = "rpc-error"

    def __init__(self, *, method: str, error_code: int, message: str, data: str | None) -> None:
        self.method, self.error_code, self.message, self.data = method, error_code, message, data
        super().__init__(f"{method} refused by the node: {message} ({error_code}); see the node's log")


@dataclass(frozen=True, slots=True)
class BlockHeader:
    """What the service uses of a block. `timestamp` is block time in unix seconds."""

    number: int
    hash: bytes
    parent: bytes
    timestamp: int


class Rpc:
    """A node's JSON-RPC endpoint."""

    def __init__(self, url: str, *, timeout_s: float = RPC_TIMEOUT_S) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.hooks["response"].append(_pass_refusals)
        self.provider = HTTPProvider(
            url, request_kwargs={"timeout": timeout_s}, session=self._session, exception_retry_configuration=None
        )

    def move(self, url: str) -> None:
        """The node has come back at another address: all who hold this object follow it."""
        self.url = url
        self.provider.endpoint_uri = URI(url)

    def call(self, method: str, *params: Any) -> Any:
        """One call. Raises NodeUnavailable, NodeAnswerInvalid or RpcError."""
        result = self.batch([(method, params)])[0]
        if isinstance(result, RpcError):
            raise result
        return result

    def batch(self, calls: Sequence[Call]) -> list[Any]:
        """Results in the order of the calls; a refused call gives its RpcError instead of raising it.

        Raises NodeUnavailable or NodeAnswerInvalid for the whole batch.
        """
        results: list[Any] = []
        for chunk in _chunks(calls):
            results.extend(self._send(chunk))
        return results

    def _send(self, calls: Sequence[Call]) -> list[Any]:
        requested = [(RPCEndpoint(method), list(params)) for method, params in calls]
        try:
            answer: Any = (
                self.provider.make_request(*requested[0])
                if len(requested) == 1
                else self.provider.make_batch_request(requested)
            )
        except requests.RequestException as error:
            if getattr(error, "response", None) is not None:
                raise NodeAnswerInvalid(url=self.url, reason=str(error)) from error
            raise NodeUnavailable(url=self.url, reason=type(error).__name__) from error
        except (ValueError, KeyError, TypeError) as error:
            raise NodeAnswerInvalid(url=self.url, reason=f"{type(error).__name__}: {str(error)[:80]}") from error
        if isinstance(answer, dict) and len(calls) > 1:  # the batch was refused as a whole
            refusal = self._result("batch", answer)
            if isinstance(refusal, RpcError):
                raise refusal
        answers = answer if isinstance(answer, list) else [answer]
        if len(answers) != len(calls):
            raise NodeAnswerInvalid(url=self.url, reason=f"{len(answers)} answers to {len(calls)} calls")
        return [self._result(call[0], item) for call, item in zip(calls, answers, strict=True)]

    def _result(self, method: str, answer: Any) -> Any:
        if not isinstance(answer, dict) or ("result" not in answer and "error" not in answer):
            raise NodeAnswerInvalid(url=self.url, reason=f"neither result nor error in the answer to {method}")
        error = answer.get("error")
        if error is None:
            return answer.get("result")
        details = error if isinstance(error, dict) else {"message": str(error)}
        data = details.get("data")
        return RpcError(
            method=method,
            error_code=_code_of(details),
            message=str(details.get("message", "")),
            data=data if isinstance(data, str) else None,
        )

    def chain_id(self) -> int:
        """The chain id the node reports."""
        return as_int(self.call("eth_chainId"))

    def block_number(self) -> int:
        """Number of the newest block."""
        return as_int(self.call("eth_blockNumber"))

    def header(self, number: int | str = "latest") -> BlockHeader | None:
        """Header of a block by number or tag; None where the node has none."""
        at = hex(number) if isinstance(number, int) else number
        return header_of(self.call("eth_getBlockByNumber", at, False))

    def headers(self, numbers: Iterable[int]) -> list[BlockHeader | None]:
        """Headers of several blocks in one batch."""
        answers = self.batch([("eth_getBlockByNumber", (hex(number), False)) for number in numbers])
        return [None if isinstance(answer, RpcError) else header_of(answer) for answer in answers]

    def close(self) -> None:
        """Close the pooled connections."""
        self._session.close()


def _pass_refusals(response: requests.Response, *_: Any, **__: Any) -> requests.Response:
    """Some nodes and proxies give a JSON-RPC error the HTTP status 400 or 500: it is the node's answer all the same.

    Statuses that speak of the way to the node, not of the call, stay what they are.
    """
    if response.status_code >= HTTPStatus.BAD_REQUEST and response.status_code not in OF_THE_WAY:
        try:
            body = response.json()
        except ValueError:
            return response
        if isinstance(body, dict) and isinstance(body.get("error"), (dict, str)) and "jsonrpc" in body:
            response.status_code = HTTPStatus.OK
    return response


def _code_of(details: dict[str, Any]) -> int:
    code = details.get("code")
    return code if isinstance(code, int) else 0


def header_of(block: Any) -> BlockHeader | None:
    """Header out of a block object of the node."""
    if block is None:
        return None
    return BlockHeader(
        number=as_int(block["number"]),
        hash=as_bytes(block["hash"]),
        parent=as_bytes(block["parentHash"]),
        timestamp=as_int(block["timestamp"]),
    )


def as_int(quantity: Any) -> int:
    """Integer out of a 0x quantity. Raises ValueError for anything else."""
    if isinstance(quantity, int) and not isinstance(quantity, bool):
        return quantity
    return int(cast(str, quantity), 16)


def as_bytes(data: Any) -> bytes:
    """Bytes out of 0x data."""
    return bytes.fromhex(str(data).removeprefix("0x"))


def _chunks(calls: Sequence[Call]) -> Iterable[list[Call]]:
    chunk: list[Call] = []
    size = 0
    for method, params in calls:
        weight = len(json.dumps(params))
        if chunk and (len(chunk) >= BATCH_CALLS_MAX or size + weight > BATCH_BYTES_MAX):
            yield chunk
            chunk, size = [], 0
        chunk.append((method, params))
        size += weight
    if chunk:
        yield chunk
