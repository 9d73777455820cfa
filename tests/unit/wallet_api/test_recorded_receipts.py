"""Receipts for terms and keys: whoever hands one in holds the operator's signature that it stands in the journal."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from domain.eip712 import RECEIPT
from domain.hashing import canonical_json, keccak, to_hex
from domain.receipts import receipt_signer
from domain.terms import EndedTerm
from ledger_service.record.journal import walk_entries
from tests.unit.wallet_api.crowd import schedule
from tests.unit.wallet_api.test_ends import AT, end
from tests.unit.wallet_api.test_signing_policy import policy
from tests.unit.wallet_api.world import World, key_named, meter, party

pytestmark = pytest.mark.unit

OFFICE = "registry office"

HANDED_IN: dict[str, tuple[str, Callable[[World], dict[str, Any]]]] = {
    "/v1/ends": ("household 1", lambda _: end(EndedTerm.AGREEMENT, account="household 1")),
    "/v1/participants": (OFFICE, lambda _: party("retailer 9", "retailer", valid_from_mtu=AT)),
    "/v1/meters": (OFFICE, lambda _: meter("M9", "DE-LV1-P1", "0x" + "09" * 32, valid_from_mtu=AT)),
    "/v1/tariffs": (
        OFFICE,
        lambda world: world.tariff_body("retailer 1", tariff="another", valid_from_mtu=AT),
    ),
    "/v1/agreements": (
        OFFICE,
        lambda world: world.agreement_body(
            "household 1", "retailer 1", agreement="agreement 1", version=2, valid_from_mtu=AT
        ),
    ),
    "/v1/keys": (
        "household 1",
        lambda world: world.key_body("household 1", "DE-LV1-P1", device="new device", valid_from_mtu=AT),
    ),
    "/v1/guarantees": (
        "retailer 1",
        lambda world: world.guarantee_body("retailer 1", "household 1", credit_neur=1, nonce=9),
    ),
    "/v1/dso/policies": ("grid operator", lambda _: policy()),
}
"""By path: who hands it in, and what."""


@pytest.mark.parametrize("path", HANDED_IN)
def test_term_or_key__recorded__is_answered_with_the_operators_receipt_for_it(trading: World, path: str) -> None:
    sender, make = HANDED_IN[path]
    body = make(trading)

    first, again = (trading.post(sender, path, body) for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 200), first.text
    receipt = first.json()["receipt"]
    domain = trading.services.deployment.domain_of(RECEIPT)
    assert receipt_signer(receipt, domain=domain) == key_named("market operator").address
    assert (receipt["kind"], receipt["tag"]) == (5, to_hex(keccak(canonical_json(body))[:16]))
    with trading.services.record.read() as connection:
        entry = next(walk_entries(connection, after=first.json()["sequence"] - 1))
    assert (receipt["sequence"], receipt["journalHead"]) == (entry.sequence, to_hex(entry.hash))
    assert receipt["marketTime"] == trading.clock.now()
    assert again.json()["receipt"] == receipt, "the same bytes, whenever it is handed in again"


def test_schedule__nominated__is_answered_with_a_receipt_for_its_entry(trading: World) -> None:
    body = schedule(trading, "household 1", "DE-LV1-P1")

    first, again = (trading.post("household 1", "/v1/schedules", body) for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 200), first.text
    receipt = first.json()["receipt"]
    with trading.services.record.read() as connection:
        entry = next(walk_entries(connection, after=first.json()["sequence"] - 1))
    payload = json.loads(entry.text)
    assert (receipt["kind"], receipt["marketTime"]) == (5, payload["market_time"])
    assert receipt["tag"] == to_hex(keccak(canonical_json(payload))[:16])
    assert (receipt["journalHead"], again.json()["receipt"]) == (to_hex(entry.hash), receipt)
