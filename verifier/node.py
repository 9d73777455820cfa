"""A node's JSON-RPC endpoint, which may be slow, refuse, answer nonsense, or never end."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from socket import SHUT_RDWR, socket
from threading import Timer
from typing import Any
from urllib.parse import urlsplit

from verifier.verdict import Unusable

Rpc = Callable[[str, list[Any]], Any]
"""Asks a node: method and parameters; raises Unusable where it does not answer properly."""

NODE_SECONDS = 60.0
"""How long a node may take for an answer, its last byte included."""

ANSWER_BYTES = 2**28
"""How long an answer may be: the logs of BLOCK_SPAN blocks are the longest."""

SHOWN_LETTERS = 200
"""Letters of a question that a message repeats."""

MAY_BE_NULL = ("eth_getBlockByNumber", "eth_getTransactionReceipt")
"""Questions about something that there may not be."""


class Node:
    """One endpoint, over one connection."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        kind = HTTPSConnection if place.scheme == "https" else HTTPConnection
        if place.scheme not in ("http", "https") or not place.hostname:
            raise Unusable(f"{url} is no address of a node; give --rpc http://… or https://…")
        self._url = url
        self._connection = kind(place.hostname, place.port, timeout=NODE_SECONDS)
        self._target = (place.path or "/") + (f"?{place.query}" if place.query else "")
        self._socket: socket | None = None  # kept: the connection forgets it where the node says that it will close
        self._is_late = False

    def ask(self, method: str, params: list[Any]) -> Any:
        """The result that the node answers. Raises Unusable."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        try:
            told = json.loads(self._answer(body))
            refusal = told.get("error")
            result = None if refusal else told["result"]
            message = refusal.get("message") if refusal else None
        except (OSError, HTTPException, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            reason = f"none within {NODE_SECONDS:g} s" if self._is_late else repr(error)
            raise Unusable(f"the node at {self._url} gave no answer to {method} ({reason}); check --rpc") from error
        if refusal:
            raise Unusable(
                f"the node at {self._url} refuses {method}: {message}; check --rpc, and --block: a block that the node"
                " does not have, or whose state it no longer keeps, can't be read from it"
            )
        if result is None and method not in MAY_BE_NULL:
            raise Unusable(f"the node at {self._url} gave no answer to {method} (null); check --rpc")
        return result

    def _answer(self, body: bytes) -> bytes:
        """Sent once more where the node closed a connection that was idle."""
        try:
            return self._post(body)
        except (ConnectionError, HTTPException):
            if self._is_late:
                raise
            self._connection.close()
            return self._post(body)

    def _post(self, body: bytes) -> bytes:
        timer = Timer(NODE_SECONDS, self._give_up)
        timer.daemon = True
        timer.start()
        try:
            self._connection.request("POST", self._target, body, {"Content-Type": "application/json"})
            self._socket = self._connection.sock
            answer = self._connection.getresponse().read(ANSWER_BYTES + 1)
        finally:
            timer.cancel()
        if len(answer) > ANSWER_BYTES:
            raise ValueError(f"more than {ANSWER_BYTES} bytes")
        return answer

    def _give_up(self) -> None:
        """The time of one answer is over, however many bytes still come."""
        self._is_late = True
        if self._socket is not None:
            with suppress(OSError):  # it was closed meanwhile
                self._socket.shutdown(SHUT_RDWR)


class Nodes:
    """Several endpoints, best of several organisations, that must answer alike."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = urls
        self._nodes = [Node(url) for url in urls]

    def ask(self, method: str, params: list[Any]) -> Any:
        """The result that all nodes answer; of the last block the lowest, which all have. Raises Unusable."""
        first, *others = (node.ask(method, params) for node in self._nodes)
        if method == "eth_blockNumber":
            return min([first, *others], key=lambda answer: int(answer, 16))
        for url, other in zip(self._urls[1:], others, strict=True):
            if not _alike(first, other):
                raise Unusable(
                    f"the nodes at {self._urls[0]} and {url} answer {method} {json.dumps(params)[:SHOWN_LETTERS]}"
                    " differently: at least one of them lies or stands on another chain; find out which before you"
                    " trust either"
                )
        return first


def _alike(one: Any, other: Any) -> bool:
    """Whether two answers say the same in all that both say: clients add members of their own."""
    if isinstance(one, dict) and isinstance(other, dict):
        return all(_alike(one[name], other[name]) for name in one.keys() & other.keys())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    return type(one) is type(other) and one == other


def http_rpc(*urls: str) -> Rpc:
    """Asks the nodes at these addresses, which must answer alike. Raises Unusable where one is no address."""
    return Nodes(urls).ask
