"""UC3: a day on which a household moves out at noon, another moves in there, and one changes its supplier.

All sign through the API like anyone; the outsider's verdict on the whole day and on every bill is clean.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from domain.hashing import to_hex
from scripts.serving.embedded.demo_day import DayResult
from tests.functional.later_gates import facts, statements
from tests.functional.moving_town import CHANGER, NEWCOMER, NOON, RIVAL

pytestmark = pytest.mark.functional


def billed(out: Path, account: str) -> dict[str, Any]:
    """An account's statement."""
    (found,) = (item for item in statements(out) if item["account"] == account)
    return found


def test_moving__whole_day__every_bundle_is_clean(lived_day: tuple[DayResult, Path]) -> None:
    result, _ = lived_day

    assert result.clean, {name: verdict.report for name, verdict in result.verdicts.items() if verdict.exit_code}


def test_moving__each_is_billed_for_its_own_time_by_its_own_supplier(lived_day: tuple[DayResult, Path]) -> None:
    _, out = lived_day
    noon = facts(out, "period.declared")[0]["first_mtu"] + NOON
    ends = {item["term"]: item["account"] for item in facts(out, "term.ended")}

    before, after = billed(out, ends["participation"]), billed(out, to_hex(NEWCOMER.address))
    assert before["point"] == after["point"]
    assert max(item["mtu"] for item in before["opens"]) < noon <= min(item["mtu"] for item in after["opens"])
    changed = {item["mtu"] < noon: item["agreement"] for item in billed(out, ends["agreement"])["opens"]}
    assert changed == {True: f"supply-{CHANGER + 1:03d}", False: "supply-changed"}
    mirrored = [line for line in billed(out, to_hex(RIVAL.address))["lines"] if line["kind"] == "residual_supply"]
    assert mirrored and all(line["mtu"] >= noon and line["tariff"] == "rival" for line in mirrored)
