"""Stored transactions say by their bytes who called what."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import rlp as library  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from contracts.transactions import UnsignedTransaction
from domain.hashing import from_hex, keccak, to_hex
from tests.unit.verifier.bundles import jsonl, rechain, seal
from tests.unit.verifier.fake_chain import CHAIN_ID, address, key_of
from tests.unit.verifier.small_day import Day
from verifier.rlp import RawTransaction, flat_list, read_transaction, rlp
from verifier.verdict import SELF_CONSISTENT, WRONG
from verifier.verify import verify

pytestmark = pytest.mark.unit

TREES = st.recursive(st.binary(max_size=80), lambda inner: st.lists(inner, max_size=5), max_leaves=20)


@given(TREES)
def test_rlp__anything__is_the_librarys(item: Any) -> None:
    assert rlp(item) == library.encode(item)


@given(st.lists(st.binary(max_size=300), max_size=9))
def test_flat_list__written__is_read(items: list[bytes]) -> None:
    assert flat_list(rlp(items)) == items


@given(st.binary(max_size=60))
def test_flat_list__any_bytes__are_read_in_their_one_spelling_or_refused(data: bytes) -> None:
    try:
        items = flat_list(data)
    except (ValueError, IndexError):
        return
    assert library.encode(items) == data


@pytest.mark.parametrize("target", [None, bytes(range(20))])
@pytest.mark.parametrize("data", [b"", b"\0", b"x" * 100_000])
def test_read_transaction__signed__tells_who_calls_whom(target: bytes | None, data: bytes) -> None:
    transaction = UnsignedTransaction(
        chain_id=CHAIN_ID, nonce=300, to=target, data=data, gas=21_000, gas_price_wei=10**9
    )

    told = read_transaction(transaction.sign(key_of("operator")).raw, CHAIN_ID)

    assert told == RawTransaction(address("operator"), None if target is None else to_hex(target), 300, 10**9)
    with pytest.raises(ValueError, match="not signed for chain"):
        read_transaction(transaction.sign(key_of("operator")).raw, CHAIN_ID + 1)


def other_raw(payload: dict[str, Any], **changes: Any) -> None:
    """Another transaction under the facts of this one, signed by whom they name."""
    signed: dict[str, Any] = {"chain_id": CHAIN_ID, "nonce": payload["nonce"], "data": b"", "gas": 100_000}
    raw = UnsignedTransaction(**signed | {"to": from_hex(payload["sender"])} | changes).sign(key_of("operator")).raw
    payload.update(raw=to_hex(raw), tx_hash=to_hex(keccak(raw)))


FORGERIES: dict[str, Callable[[dict[str, Any]], None]] = {
    "another contract": lambda payload: other_raw(payload),
    "another nonce": lambda payload: other_raw(payload, nonce=payload["nonce"] + 7),
    "another chain": lambda payload: other_raw(payload, chain_id=1),
    "a deployment": lambda payload: other_raw(payload, to=None),
    "another sender": lambda payload: payload.update(sender=address("treasurer")),
    "another gas price": lambda payload: payload.update(gas_price_wei="7"),
    "no transaction": lambda payload: payload.update(raw="0xc0", tx_hash=to_hex(keccak(b"\xc0"))),
    "cut off": lambda payload: payload.update(raw="0xf8", tx_hash=to_hex(keccak(b"\xf8"))),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_verify__stored_transaction_that_says_something_else__is_found(
    forge: Callable[[dict[str, Any]], None],
) -> None:
    day = Day().run()
    assert verify(day.auditor()).exit_code == SELF_CONSISTENT
    entries = json.loads(json.dumps(day.entries))
    signed = next(
        entry["payload"]
        for entry in entries
        if entry["kind"] == "chain.signed"
        and entry["payload"]["function"] not in ("", "constructor")
        and entry["payload"]["sender"] == address("operator")
    )
    forge(signed)
    files = {"journal.jsonl": jsonl(rechain(entries)), "receipts.jsonl": jsonl(day.receipts)}

    report = verify(seal("auditor", files))

    assert report.exit_code == WRONG
    assert any("chain.signed raw" in finding.record for finding in report.findings)
