"""Attesters bring their settlement on chain themselves: the record takes their signatures from the chain's event."""

from __future__ import annotations

import pytest

from contracts.bindings import Settlement
from contracts.bindings.settlement import SettlementPage
from domain.facts import ChainRequested, SettlementSigned
from domain.hashing import from_hex, text_id
from domain.words import settlement_page_hashes
from ledger_service.settlement.gather import proposal_package
from ledger_service.settlement.queries import period_state
from settling.verification import verify_package
from tests.integration.ledger import town
from tests.integration.settlement.day_on_chain import World, held_role, key
from tests.integration.settlement.test_strangers import Others

pytestmark = pytest.mark.integration


def test_settlement__sent_by_the_attesters__its_signatures_come_from_the_chain(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with world.record.read() as connection:
        state = period_state(connection, area=town.AREA, period=1)
    end = (state.first_mtu + state.count) * 900
    for now in range(world.now, end + 3_601 + 7_200, 7_200):
        world.run_to(now)
    with world.record.read() as connection:
        package = proposal_package(connection, area=town.AREA, period=1)
    proposal, domain = package.proposal, world.deployment.domain("Settlement")
    digest = verify_package(package, market=world.deployment.domain("Market"), settlement=domain, holds_role=held_role)
    signed = {key(f"attester{n}").address: key(f"attester{n}").sign(digest) for n in (0, 2)}
    target = SettlementPage(
        area=text_id(town.AREA),
        period=1,
        revision=0,
        page=0,
        statements_root=proposal.statements_root,
        tariff_hash=proposal.tariff_hash,
    )
    call = Settlement.settle(
        target=target,
        page_hashes=settlement_page_hashes(proposal.words),
        words=proposal.words,
        signatures=[signed[address] for address in sorted(signed)],
    )

    Others(world).send(call)
    world.rest()

    (fact,) = (entry.as_a(SettlementSigned) for entry in world.record.entries(kinds=[SettlementSigned]))
    assert {from_hex(item.attester): item.signature for item in fact.signatures} == signed
    assert (fact.area, fact.period, fact.revision) == (town.AREA, 1, 0)
    requests = world.record.entries(kinds=[ChainRequested], limit=10_000)
    assert not [entry for entry in requests if entry.as_a(ChainRequested).function == "settle"]
    with world.record.read() as connection:
        assert period_state(connection, area=town.AREA, period=1).settled == 1

    monkeypatch.setattr("ledger_service.settlement.queries.proposals", _never)
    world.rest()


def _never(*_: object, **__: object) -> None:
    raise AssertionError("all proposals of a settled period were read, though nothing is new")
