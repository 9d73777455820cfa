"""Nodes that refuse, answer nonsense, are slow or never end, over real connections."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from verifier import node
from verifier.node import http_rpc
from verifier.verdict import Unusable

pytestmark = pytest.mark.integration

SECONDS = 0.4
"""What the tests give a node."""

Reply = Callable[[socket.socket], None]


@contextmanager
def serving(reply: Reply) -> Iterator[str]:
    """The address of a node that answers every request so, one connection at a time."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    with server.accept()[0] as client, suppress(OSError):
                        while client.recv(65_536):
                            reply(client)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def answering(content: Any, *, more: str = "") -> Reply:
    """A whole answer of this JSON."""
    body = json.dumps(content).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode()
    return lambda client: client.sendall(head + body)


def dripping(head: bytes, drop: bytes) -> Reply:
    """An answer that begins at once and then comes without end, each part well within any timeout of a socket."""

    def reply(client: socket.socket) -> None:
        client.sendall(head)
        while True:
            client.sendall(drop)
            time.sleep(SECONDS / 20)

    return reply


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"error": {"code": -32000, "message": "missing trie node"}}, "refuses eth_call: missing trie node"),
        ({"error": "away"}, "gave no answer to eth_call"),
        ([], "gave no answer to eth_call"),
        ({}, "gave no answer to eth_call"),
        ({"result": None}, r"gave no answer to eth_call \(null\)"),
        (None, "gave no answer to eth_call"),
    ],
)
def test_http_rpc__node_that_refuses__is_told_in_the_nodes_words(answer: Any, told: str) -> None:
    with serving(answering(answer)) as url, pytest.raises(Unusable, match=told):
        http_rpc(url)("eth_call", [])


def test_http_rpc__something_there_is_not__is_null() -> None:
    with serving(answering({"result": None})) as url:
        assert http_rpc(url)("eth_getTransactionReceipt", ["0x00"]) is None


@pytest.mark.parametrize("more", ["", "Connection: close\r\n"])
def test_http_rpc__node_that_closes_between_answers__is_asked_again(more: str) -> None:
    whole = answering({"result": "0x1"}, more=more)

    def once(client: socket.socket) -> None:
        whole(client)
        client.shutdown(socket.SHUT_RDWR)

    with serving(once) as url:
        ask = http_rpc(url)
        assert [ask("eth_chainId", []) for _ in range(3)] == ["0x1"] * 3


DRIPS = {
    "in the status": (b"HTTP/1.1 20", b"0"),
    "in the headers": (b"HTTP/1.1 200 OK\r\n", b"X-Y: z\r\n"),
    "in the body": (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b" "),
    "in a body without a length": (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b" "),
    "before the status": (b"", b""),
}


@pytest.mark.parametrize(("head", "drop"), DRIPS.values(), ids=DRIPS)
def test_http_rpc__answer_that_drips__is_given_up(head: bytes, drop: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "NODE_SECONDS", SECONDS)

    with serving(dripping(head, drop)) as url, pytest.raises(Unusable, match="gave no answer to eth_call"):
        http_rpc(url)("eth_call", [])


def test_http_rpc__answer_without_end__is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "ANSWER_BYTES", 1_000_000)

    def endless(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while True:
            client.sendall(b" " * 65_536)

    with serving(endless) as url, pytest.raises(Unusable, match="more than 1000000 bytes"):
        http_rpc(url)("eth_call", [])


BLOCK = {"hash": "0xaa", "timestamp": "0x1", "transactions": [{"hash": "0xbb", "nonce": "0x0"}]}
OTHERS = {
    "the same": (BLOCK, True),
    "members of its own": (
        {**BLOCK, "totalDifficulty": "0x2", "transactions": [{"hash": "0xbb", "type": "0x0"}]},
        True,
    ),
    "another hash": ({**BLOCK, "hash": "0xab"}, False),
    "one transaction less": ({**BLOCK, "transactions": []}, False),
    "another nonce": ({**BLOCK, "transactions": [{"hash": "0xbb", "nonce": "0x1"}]}, False),
    "a number for a text": ({**BLOCK, "timestamp": 1}, False),
    "no such block": (None, False),
}


@pytest.mark.parametrize(("other", "alike"), OTHERS.values(), ids=OTHERS)
def test_http_rpc__several_nodes__must_answer_alike(other: Any, alike: bool) -> None:
    with serving(answering({"result": BLOCK})) as one, serving(answering({"result": other})) as two:
        ask = http_rpc(one, two)
        if alike:
            assert ask("eth_getBlockByNumber", ["0x1", True]) == BLOCK
        else:
            with pytest.raises(Unusable, match=f"the nodes at {one} and {two} answer eth_getBlockByNumber"):
                ask("eth_getBlockByNumber", ["0x1", True])


def test_http_rpc__several_nodes__go_by_the_last_block_that_all_have() -> None:
    with serving(answering({"result": "0x10"})) as one, serving(answering({"result": "0xf"})) as two:
        assert http_rpc(one, two)("eth_blockNumber", []) == "0xf"
