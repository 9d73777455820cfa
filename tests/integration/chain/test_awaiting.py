"""Calls of an organisation that signs for itself: they wait, come back signed, and only exactly as asked."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from contracts.transactions import NotATransaction, UnsignedTransaction
from domain.errors import DominoesError
from domain.facts import ChainIncluded
from domain.signing import SigningKey
from ledger_service.chain.awaiting import AwaitingCall, AwaitingCalls, CallDiffers, CallNotAwaiting
from ledger_service.chain.gateway import Gateway
from ledger_service.record import Record
from ledger_service.record.paging import Slice, only
from ledger_service.record.spans import MtuSpan
from tests.integration.chain.conftest import EUR, KEYS, REORGANISABLE, SETTINGS
from tests.journal import content_of

pytestmark = pytest.mark.integration

TREASURER = KEYS["treasurer"]


class Town:
    """A service that holds the operator's key alone, and a treasurer who signs for itself."""

    def __init__(self, world: Any, *, record: Record | None = None) -> None:
        self.world, self.record = world, record or world.record
        self.gateway = Gateway.open(
            record=self.record,
            rpc=world.rpc,
            deployment=world.deployment,
            signers={"operator": KEYS["operator"]},
            outside={"treasurer": TREASURER.address},
            profile=REORGANISABLE,
        )
        self.calls = AwaitingCalls(
            record=self.record, rpc_url=world.rpc.url, deployment=world.deployment, profile=REORGANISABLE
        )

    def waiting(self) -> list[AwaitingCall]:
        return self.calls.calls(role="treasurer", sender=TREASURER.address)

    def accept(self, call: AwaitingCall, *, key: SigningKey = TREASURER, **changes: Any) -> Any:
        raw = signed(call, key=key, **changes).raw
        return self.calls.accept(request=call.request, role="treasurer", sender=TREASURER.address, raw=raw)


def signed(call: AwaitingCall, *, key: SigningKey = TREASURER, **changes: Any) -> Any:
    transaction = UnsignedTransaction(
        chain_id=SETTINGS.chain_id,
        nonce=call.nonce,
        to=call.to,
        data=call.data,
        gas=call.gas,
        gas_price_wei=call.gas_price_wei,
    )
    return dataclasses.replace(transaction, **changes).sign(key)


@pytest.fixture
def town(world: Any) -> Town:
    return Town(world)


def test_accept__calls_signed_in_any_order__are_sent_and_included(town: Town, deposit: Any, ask: Any) -> None:
    ask(town.record, deposit(1), deposit(2))
    first = town.gateway.step()
    one, two = town.waiting()

    town.accept(two)
    town.accept(town.waiting()[0])
    town.gateway.step()
    town.world.mine()
    second = town.gateway.step()

    assert (first.taken, first.sent) == (2, 0)
    assert (one.nonce, two.nonce) == (0, 0)
    assert second.included == 2 and town.waiting() == []
    assert (town.world.balance(1), town.world.balance(2)) == (EUR, EUR)


def test_calls__asked_for_another_role__none(town: Town, deposit: Any, ask: Any) -> None:
    ask(town.record, deposit(1))
    town.gateway.step()

    assert town.calls.calls(role="registrar", sender=KEYS["registrar"].address) == []
    with pytest.raises(CallNotAwaiting):
        town.calls.accept(
            request=town.waiting()[0].request,
            role="registrar",
            sender=TREASURER.address,
            raw=signed(town.waiting()[0]).raw,
        )


def test_calls__by_time_and_in_parts__as_they_were_asked_for(town: Town, deposit: Any, ask: Any) -> None:
    for day in range(3):
        town.record.timed_by(lambda day=day: day * 86_400)  # type: ignore[misc]
        ask(town.record, deposit(day + 1))
    town.gateway.step()
    first, second, third = town.waiting()

    def calls(**parts: Any) -> list[AwaitingCall]:
        return town.calls.calls(role="treasurer", sender=TREASURER.address, **parts)

    assert [call.recorded_at for call in (first, second, third)] == [0, 86_400, 172_800]
    assert calls(asked=MtuSpan(first=96, end=192)) == [second]
    assert calls(part=Slice(limit=1, descending=True)) == [third]
    assert calls(part=only(first.request)) == [first]


def test_accept__same_bytes_again__changes_nothing(town: Town, deposit: Any, ask: Any) -> None:
    ask(town.record, deposit(1))
    town.gateway.step()
    call = town.waiting()[0]

    assert town.accept(call).hash == town.accept(call).hash

    assert len(town.world.facts("chain.signed")) == 1


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"key": SigningKey(b"\x07" * 32)}, CallDiffers),
        ({"to": b"\x01" * 20}, CallDiffers),
        ({"to": None}, CallDiffers),
        ({"data": b""}, CallDiffers),
        ({"gas": 21_000}, CallDiffers),
        ({"nonce": 1}, CallDiffers),
        ({"gas_price_wei": 10**18}, CallDiffers),
        ({"chain_id": 1}, NotATransaction),
    ],
)
def test_accept__anything_but_the_call_that_was_asked_for__refused(
    town: Town, deposit: Any, ask: Any, changes: dict[str, Any], cause: type[DominoesError]
) -> None:
    ask(town.record, deposit(1))
    town.gateway.step()

    with pytest.raises(cause):
        town.accept(town.waiting()[0], **changes)

    assert len(town.waiting()) == 1 and town.world.facts("chain.signed") == []


@pytest.mark.parametrize("raw", [b"", b"\x00", b"\xc0", b"\xf8" + bytes(40)])
def test_accept__bytes_that_are_no_transaction__refused(town: Town, deposit: Any, ask: Any, raw: bytes) -> None:
    ask(town.record, deposit(1))
    town.gateway.step()

    with pytest.raises(NotATransaction):
        town.calls.accept(request=town.waiting()[0].request, role="treasurer", sender=TREASURER.address, raw=raw)


def test_step__nonce_used_elsewhere__call_waits_again_under_the_next_one(town: Town, deposit: Any, ask: Any) -> None:
    ask(town.record, deposit(1))
    town.gateway.step()
    call = town.waiting()[0]
    town.accept(call)
    elsewhere = signed(call, to=b"\x09" * 20, data=b"", gas=21_000)
    town.world.rpc.call("eth_sendRawTransaction", "0x" + elsewhere.raw.hex())
    town.world.mine()

    town.gateway.step()
    again = town.waiting()[0]
    town.accept(again)
    town.gateway.step()
    town.world.mine()
    town.gateway.step()

    assert (again.request, again.nonce, again.replaces) == (call.request, 1, False)
    assert town.world.balance(1) == EUR and town.waiting() == []


def test_open__record_lost_what_the_organisation_sent__is_found_on_the_chain_and_not_asked_again(
    town: Town, deposit: Any, ask: Any, tmp_path: Path
) -> None:
    ask(town.record, deposit(1))
    town.gateway.step()
    town.accept(town.waiting()[0])
    town.gateway.step()
    town.world.mine()
    town.gateway.step()
    restored = Record.open(f"sqlite:///{tmp_path}/restored.db")
    ask(restored, deposit(1))

    after = Town(town.world, record=restored)
    after.gateway.step()

    assert after.waiting() == []
    assert [content_of(entry)["key"] for entry in restored.entries(kinds=[ChainIncluded])] == ["deposit-1-1"]
    restored.close()
