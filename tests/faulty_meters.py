"""Areas where one meter is at fault for longer than readings can be corrected, for tests of attesters and verifier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from domain.attestations import AttestationSet
from domain.mtu import mtu_end
from domain.periods import Period
from tests.unit.oracle.conftest import FIRST, area_in

PERIOD = 24
PERIODS = 6
HORIZON_S = PERIOD * 900
STEP = 12
LAST = FIRST + PERIODS * PERIOD - 1

Sends = Callable[[Any, int], list[bytes]]
"""The messages that the meter M0 sends about an MTU."""


def used_wh(mtu: int) -> int:
    """The import register of M0: more by night."""
    return 50_000 + sum(150 if at % 4 else 30 for at in range(FIRST, mtu + 1))


def honest(area: Any, mtu: int) -> list[bytes]:
    """One message an MTU."""
    return [area.message("M0", area.reading("M0", mtu, import_register_wh=used_wh(mtu)))]


def silent_until(mtu_heard: int, then: Sends = honest) -> Sends:
    """A meter that is dead, and does not log, until an MTU."""
    return lambda area, mtu: then(area, mtu) if mtu >= mtu_heard else []


def offline(first: int, mtu_heard: int) -> Sends:
    """A meter that goes on logging from an MTU on, and is then heard of all at once."""

    def sends(area: Any, mtu: int) -> list[bytes]:
        told = range(first, mtu + 1) if mtu == mtu_heard else (mtu,)
        return [] if first <= mtu < mtu_heard else [message for at in told for message in honest(area, at)]

    return sends


def renumbered(since: int, *, up_wh: int = 0) -> Sends:
    """A meter whose first sequence is that of an MTU."""

    def sends(area: Any, mtu: int) -> list[bytes]:
        changes = {"sequence": mtu - since + 1, "import_register_wh": used_wh(mtu) + up_wh}
        return [area.message("M0", area.reading("M0", mtu, **changes))]

    return sends


def loses_log(at_mtu: int) -> Sends:
    """A meter that begins with sequence 1 again."""
    return lambda area, mtu: (honest if mtu < at_mtu else renumbered(at_mtu))(area, mtu)


def contradicts(about: int, at_mtu: int) -> Sends:
    """A meter that tells a second, differing reading of an MTU once a later one has ended."""

    def sends(area: Any, mtu: int) -> list[bytes]:
        other = area.reading("M0", about, import_register_wh=used_wh(about) - 50)
        return [*honest(area, mtu), *([area.message("M0", other)] if mtu == at_mtu else [])]

    return sends


LATE = FIRST + 4 * PERIOD + 5
"""An MTU at which the first three periods are final."""

OPEN = FIRST + 3 * PERIOD
"""The first MTU that takes corrections then."""

FAULTS: dict[str, Sends] = {
    "lost log": loses_log(LATE),
    "two readings of the last final MTU": contradicts(OPEN - 1, LATE),
    "dead": silent_until(LATE),
    "dead after a while": lambda area, mtu: honest(area, mtu) if not FIRST + 9 < mtu < LATE else [],
    "offline but logging": offline(FIRST + 10, LATE),
    "never online, but logging": offline(FIRST - 1, LATE),
    "commissioned late": silent_until(LATE, renumbered(LATE, up_wh=123_456)),
}


def area_of_periods(folder: Path) -> Any:
    """Three meters, three attesters, and periods that become final one after the other."""
    area = area_in(folder, meters=3)
    periods = tuple(
        Period(
            area=area.metering.code,
            number=at,
            first_mtu=FIRST + at * PERIOD,
            count=PERIOD,
            resolved_at=mtu_end(FIRST + (at + 1) * PERIOD - 1),
        )
        for at in range(PERIODS)
    )
    area.metering = replace(area.metering, periods=periods, horizon_seconds=HORIZON_S, attest_seconds=HORIZON_S)
    for name in area.attester_keys:
        area.attester(name)
    return area


def live(area: Any, sends: Sends, *, first: int = FIRST, last: int = LAST) -> list[tuple[int, AttestationSet]]:
    """The meters' messages come, cut-offs pass, and attesters attest; what they handed in, and when."""
    handed_in: list[tuple[int, AttestationSet]] = []
    for start in range(first, last + 1, STEP):
        end = min(start + STEP, last + 1) - 1
        area.now = mtu_end(end)
        begin = FIRST - 1 if start == FIRST else start  # with the meters' baselines
        own = [message for mtu in range(begin, end + 1) for message in sends(area, mtu)]
        messages = [*own, *area.day(begin, end, codes=[code for code in area.meter_keys if code != "M0"])]
        for one in area.attesters.values():
            for at in range(0, len(messages), 50):
                one.hear(*messages[at : at + 50])
        area.cut_off(end)
        known = len(area.handed_in)
        area.settle_down(rounds=12)
        handed_in += [(area.now, item) for item in area.handed_in[known:]]
    return handed_in
