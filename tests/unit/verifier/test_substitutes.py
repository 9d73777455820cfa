"""Substitutes follow from what a meter signed: whoever invents, skews or repeats one is found."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from domain.hashing import text_id, to_hex
from domain.readings import Quality
from domain.registers import RegisterReading
from settling.substitutes import leaves
from tests.unit.verifier.fake_chain import FIRST, noise
from tests.unit.verifier.metering import substitute_nonce
from tests.unit.verifier.small_day import Day
from tests.unit.verifier.test_attacks import verdict_of
from tests.unit.verifier.test_small_day import messages
from verifier.signatures import Registers
from verifier.substitutes import MeterReadings, Substitute
from verifier.verdict import WRONG

pytestmark = pytest.mark.unit

ZONE = ZoneInfo("Europe/Berlin")
POINT, HEARD = "p2", 1
"""The point whose meter falls silent, and the last MTU that it tells in time."""


class Silent(Day):
    """A meter falls silent; what stands for it is the mean of what it drew, and no export."""

    flows: tuple[tuple[int, int], ...] = ((30, 0), (30, 0))
    nonces: tuple[bytes, ...] = ()

    def read(self, point: str, mtu: int, *args: Any, **more: Any) -> Any:
        """Substitutes after it was heard last."""
        if point != POINT or mtu not in (HEARD + 1, HEARD + 2):
            return super().read(point, mtu, *args, **more)
        at = mtu - HEARD - 1
        leaf = super().read(point, mtu, *self.flows[at], quality=Quality.SUBSTITUTE)
        nonce = self.nonces[at] if self.nonces else substitute_nonce(point, mtu, rests_on=HEARD)
        return dataclasses.replace(leaf, nonce=nonce)

    def message(self, point: str, readings: list[Any]) -> str:
        """Nothing of the silent MTUs."""
        silent = (FIRST + HEARD + 1, FIRST + HEARD + 2) if point == POINT else ()
        return str(super().message(point, [item for item in readings if item.mtu not in silent]))


class Invented(Silent):
    """5 MWh for a message that was withheld."""

    flows = ((5_000_000, 0), (30, 0))


class Skewed(Silent):
    """One Wh more."""

    flows = ((30, 0), (31, 0))


class LastRepeated(Silent):
    """The last interval goes on."""

    flows = ((50, 0), (50, 0))


class ExportRepeated(Silent):
    """The sun does not set."""

    flows = ((30, 180), (30, 180))


class Chosen(Silent):
    """A nonce of the attesters' own, so that one of several roots can be chosen."""

    nonces = (noise("mine"), noise("another"))


def test_verify__silent_meter__is_clean() -> None:
    report = verdict_of(Silent().run())

    assert (messages(report), report.verdict) == ("", "clean")


@pytest.mark.parametrize("attack", [Invented, Skewed, LastRepeated, ExportRepeated, Chosen])
def test_verify__substitute_that_does_not_follow__is_wrong(attack: Any) -> None:
    report = verdict_of(attack().run())

    assert report.exit_code == WRONG
    assert "the signed readings give Substitute(import_register_wh=" in messages(report)


@pytest.mark.parametrize("zone", ["Nowhere/X", "localtime", "Europe", "../../etc/passwd"])
def test_verify__substitutes_in_a_zone_that_is_none__are_wrong(zone: str) -> None:
    class Elsewhere(Invented):
        """The operator says so when it defines the area."""

        def fact(self, kind: str, payload: Any) -> int:
            """With its zone."""
            return super().fact(kind, {**payload, "zone": zone} if kind == "area.defined" else payload)

    report = verdict_of(Elsewhere().run())

    assert report.exit_code == WRONG
    assert f"{zone} is no zone" in messages(report)


# ---- against attesters


BEGIN = int(datetime(2016, 6, 10, tzinfo=ZONE).timestamp()) // 900
"""A Friday."""


def told(silent: Callable[[int], bool], mtus: int, seed: int) -> list[RegisterReading]:
    """Readings of a house with a roof, but for silent MTUs; consumption differs by `seed`."""
    found, registers = [], (seed, 2 * seed)
    for at in range(mtus):
        hour = at // 4 % 24
        more = ((at * 7919 + seed * 31) % 211, 100 if 8 <= hour < 18 else 0)
        registers = (registers[0] + more[0], registers[1] + more[1])
        if not silent(at):
            found.append(RegisterReading(BEGIN + at, *registers, at + 1, text_id(f"{seed}.{at}")))
    return found


SILENCES: dict[str, Callable[[int], bool]] = {
    "nothing": lambda at: True,
    "from the third day on": lambda at: at >= 250,
    "the weekend": lambda at: 96 <= at < 288,
    "each afternoon": lambda at: at % 96 >= 52 and at > 96,
    "nights, then for good": lambda at: at % 96 < 24 or at > 700,
    "all but one a day": lambda at: at % 96 != 40,
    "before the second day": lambda at: at < 100,
}


@pytest.mark.parametrize("silent", SILENCES.values(), ids=SILENCES.keys())
def test_substitutes__any_silence__are_those_of_attesters(silent: Callable[[int], bool]) -> None:
    known = told(silent, 900, seed=5)
    meter = MeterReadings("M", lambda mtu, mtus: (10**9, 10**9))
    for item in known:
        nonce = to_hex(item.nonce)
        meter.take(Registers(item.mtu, item.sequence, item.import_register_wh, item.export_register_wh, nonce))

    given = leaves(meter_code="M", readings=known, zone=ZONE, first_mtu=BEGIN, last_mtu=BEGIN + 1_800)

    missing = [item for item in given if item.quality is Quality.SUBSTITUTE]
    assert missing
    for item in missing:
        expected = Substitute(item.import_register_wh, item.export_register_wh, to_hex(item.nonce))
        assert expected in list(meter.substitutes(item.mtu, ZONE)), item.mtu - BEGIN


def test_substitutes__told_while_it_is_silent__is_what_was_known_then() -> None:
    known = told(lambda at: 500 <= at < 540, 700, seed=9)
    meter = MeterReadings("M", lambda mtu, mtus: (10**9, 10**9))
    for item in known:
        nonce = to_hex(item.nonce)
        meter.take(Registers(item.mtu, item.sequence, item.import_register_wh, item.export_register_wh, nonce))
    early = [item for item in known if item.mtu < BEGIN + 500]

    given = leaves(meter_code="M", readings=early, zone=ZONE, first_mtu=BEGIN + 520, last_mtu=BEGIN + 520)

    expected = Substitute(given[0].import_register_wh, given[0].export_register_wh, to_hex(given[0].nonce))
    assert expected in list(meter.substitutes(BEGIN + 520, ZONE))
