"""Python gives the shared vectors still, and independent libraries agree with them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from domain.eip712 import SHAPES, Domain
from domain.hashing import from_hex, to_hex
from domain.merkle import verify_proof
from domain.signing import recover
from scripts.tools.golden_vectors import VECTORS_FILE, text, vectors
from tests.places import stands_at

pytestmark = pytest.mark.golden

STORED: dict[str, Any] = json.loads(VECTORS_FILE.read_text("utf-8"))


def test_vectors__generated_again__equal_the_stored_file() -> None:
    assert VECTORS_FILE.read_text("utf-8") == text()


def test_vectors__all_shapes__are_covered() -> None:
    assert {case["shape"] for case in STORED["typed"]} == set(SHAPES)
    assert set(STORED) == set(vectors())


@pytest.mark.parametrize("case", STORED["typed"], ids=lambda case: case["shape"])
def test_typed_digest__hashed_by_eth_account__is_the_same(case: dict[str, Any]) -> None:
    domain = Domain(
        chain_id=int(STORED["domain"]["chainId"]), verifying_contract=from_hex(STORED["domain"]["verifyingContract"])
    )
    shape = SHAPES[case["shape"]]
    values = {
        name: value if kind in ("string", "string[]", "address") or kind.startswith("bytes") else int(value)
        for (kind, name), value in zip(shape.fields, case["values"].values(), strict=True)
    }
    typed = shape.typed_data(domain=domain, values=values)

    signable = encode_typed_data(full_message=typed)
    signer = Account.recover_message(signable, signature=case["signature"])

    assert signer.lower() == case["signer"]
    assert to_hex(recover(from_hex(case["digest"]), from_hex(case["signature"]))) == case["signer"]


@pytest.mark.parametrize("tree", STORED["places"], ids=lambda tree: f"{len(tree['values'])} places")
def test_places__stored_proofs__hold_in_their_place_and_nowhere_else(tree: dict[str, Any]) -> None:
    root, count = from_hex(tree["root"]), len(tree["values"])
    for at, (value, proof) in enumerate(zip(tree["values"], tree["proofs"], strict=True)):
        nodes = [from_hex(node) for node in proof]
        places = [
            stands_at(value=from_hex(value), index=index, count=count, proof=nodes, root=root) for index in range(count)
        ]
        assert places == [index == at for index in range(count)]
        assert not stands_at(
            value=from_hex(value), index=at, count=count, proof=[*nodes, nodes[0]] if nodes else [bytes(32)], root=root
        )


@pytest.mark.parametrize("tree", STORED["merkle"], ids=lambda tree: f"{len(tree['values'])} leaves")
def test_merkle__stored_proofs__lead_to_the_root_and_only_for_their_value(tree: dict[str, Any]) -> None:
    root = from_hex(tree["root"])
    for at, (value, proof) in enumerate(zip(tree["values"], tree["proofs"], strict=True)):
        nodes = [from_hex(node) for node in proof]
        assert verify_proof(value=from_hex(value), proof=nodes, root=root)
        other = tree["values"][at - 1]
        if other != value:
            assert not verify_proof(value=from_hex(other), proof=nodes, root=root)
