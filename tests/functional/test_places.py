"""Frauds about who stands where and which meter reads whom, on a day that an operator makes fit: none comes out clean.

The operator writes its journal anew, signs receipts again, anchors the new head, and gives its own copy of the account
to whoever asks for a personal bundle. What it can't do is sign for a DSO or a household.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from domain.hashing import canonical_json, to_hex
from tests.functional.test_mutations import sealed
from tests.unit.verifier.bundles import played
from tests.unit.verifier.fake_chain import address, noise
from tests.unit.verifier.small_day import Day
from verifier.verdict import CLEAN, WRONG
from verifier.verify import verify

pytestmark = pytest.mark.functional

Payload = dict[str, Any]


@pytest.fixture(scope="module")
def day() -> Any:
    """A day of three households."""
    return Day().run()


def swap_meters(facts: dict[str, list[Payload]]) -> None:
    """What the meter of one household reads is billed to another."""
    one, two = facts["meter.registered"][:2]
    one["point"], two["point"] = two["point"], one["point"]


def exchange_key(facts: dict[str, list[Payload]]) -> None:
    """A meter is said to sign with a key that the operator holds."""
    facts["meter.registered"][0]["public_key"] = to_hex(noise("the operator's own"))


def begin_later(facts: dict[str, list[Payload]]) -> None:
    """A meter is said to count from a later MTU on."""
    facts["meter.registered"][0]["valid_from_mtu"] += 1


def change_connection(facts: dict[str, list[Payload]]) -> None:
    """A connection that carries less makes readings look implausible."""
    facts["participant.registered"][0]["connection_export_w"] = 100


def swap_households(facts: dict[str, list[Payload]]) -> None:
    """Each of two households stands at the other one's registers."""
    one, two = facts["participant.registered"][:2]
    one["point"], two["point"] = two["point"], one["point"]


def sham_household(facts: dict[str, list[Payload]]) -> None:
    """A household that nobody knows is billed on a real one's registers."""
    facts["participant.registered"][0]["account"] = address("sham")


FRAUDS: dict[str, Callable[[dict[str, list[Payload]]], None]] = {
    "meters swapped": swap_meters,
    "meter's key exchanged": exchange_key,
    "meter begins later": begin_later,
    "connection changed": change_connection,
    "households swapped": swap_households,
    "sham household": sham_household,
}

NOT_SIGNED = ("signers of a MeterRegistration", "signers of a Participation", "Participation is signed by")


def told(report: Any) -> str:
    """All findings as text."""
    return "\n".join(str(item) for item in report.findings)


@pytest.mark.parametrize("commit", FRAUDS.values(), ids=FRAUDS)
def test_verify__registration_nobody_signed_in_an_auditor_bundle__is_wrong(day: Any, commit: Any) -> None:
    entries = copy.deepcopy(day.entries)
    facts: dict[str, list[Payload]] = {}
    for entry in entries:
        facts.setdefault(entry["kind"], []).append(entry["payload"])
    commit(facts)

    report = verify(*played(day, entries))

    assert report.exit_code == WRONG
    assert any(reason in told(report) for reason in NOT_SIGNED)


@pytest.mark.parametrize("member", ["point", "connection_export_w", "valid_from_mtu", "participant"])
def test_verify__own_place_changed_in_a_personal_bundle__is_wrong(day: Any, member: str) -> None:
    changes = {"point": "p2", "connection_export_w": 100, "valid_from_mtu": 1, "participant": "somebody"}
    files = day.personal("h1", "household", "p1")
    account = json.loads(files["account.json"])
    account["participant"][member] = changes[member]

    report = verify(sealed({**files, "account.json": canonical_json(account)}), day.anchors(), day.chain.rpc)

    assert report.exit_code == WRONG
    assert "Participation" in told(report)


@pytest.mark.parametrize("member", ["meter", "point", "public_key", "valid_from_mtu"])
def test_verify__own_meter_changed_in_a_personal_bundle__is_wrong(day: Any, member: str) -> None:
    changes = {"meter": "meter-p2", "point": "p2", "public_key": "0x" + "11" * 32, "valid_from_mtu": 1}
    files = day.personal("h1", "household", "p1")
    account = json.loads(files["account.json"])
    account["meters"][0][member] = changes[member]

    report = verify(sealed({**files, "account.json": canonical_json(account)}), day.anchors(), day.chain.rpc)

    assert report.exit_code == WRONG
    assert "MeterRegistration" in told(report)


class SecondMeter(Day):
    """The DSO itself signs a second meter at a point, from the same MTU on."""

    def register(self) -> None:
        """Register it after all others."""
        super().register()
        self.register_meter("meter-beside", "p1", to_hex(noise("beside")), 0)


class SharedKey(Day):
    """The DSO itself signs a meter whose key another one has."""

    def register(self) -> None:
        """Register it after all others."""
        super().register()
        first = self.payloads("meter.registered")[0]
        self.register_meter("meter-beside", "p1", first["public_key"], 10**6)


class SecondHousehold(Day):
    """The DSO itself signs a second household at a point."""

    def register(self) -> None:
        """Register it after all others."""
        super().register()
        self.register_participant("sham", "household", "p1")


UNIQUE: dict[str, tuple[type[Day], str]] = {
    "second meter at a point": (SecondMeter, "meters at the point that do not begin before"),
    "key of another meter": (SharedKey, "meters that have the key already"),
    "second household at a point": (SecondHousehold, "accounts that stand at the point already"),
}


@pytest.mark.parametrize(("made", "reason"), UNIQUE.values(), ids=UNIQUE)
def test_verify__two_at_one_place_though_signed__is_wrong(made: type[Day], reason: str) -> None:
    day = made()
    day.register()
    day.anchor()

    report = verify(day.auditor(), day.anchors(), day.chain.rpc)

    assert report.exit_code == WRONG
    assert reason in told(report)


class Backdated(Day):
    """The DSO signs a meter after an MTU for which it is to count has begun."""

    metering = False

    def register_meter(self, meter: str, point: str, public_key: str, valid_from_mtu: int) -> None:
        """Two are registered with all else, the third just before its readings are attested."""
        self.last = (meter, point, public_key, valid_from_mtu)
        if meter != "meter-p3" or self.metering:
            super().register_meter(*self.last)

    def meter(self) -> None:
        """Register it, then meter."""
        self.metering = True
        self.register_meter(*self.last)
        super().meter()


def test_verify__meter_registered_after_its_first_mtu__is_wrong() -> None:
    day = Backdated().run()

    report = verify(day.auditor(), day.anchors(), day.chain.rpc)

    assert report.exit_code == WRONG
    assert "entry of meter meter-p3, which decides on MTU" in told(report)


def test_verify__day_as_it_was_signed__is_clean(day: Any) -> None:
    for files in (day.auditor(), day.personal("h1", "household", "p1")):
        assert verify(files, day.anchors(), day.chain.rpc).exit_code == CLEAN
