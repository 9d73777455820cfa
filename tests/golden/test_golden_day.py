"""The golden day: made by the project's own code, and made anew from its inputs by one that shares none of it."""

from __future__ import annotations

import ast
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.tools.golden_day import FOLDER, GoldenDay, documents, golden_day, text_of
from tests.golden.changes import CHANGES, changed
from tests.golden.second.day import recomputed
from tests.golden.second.primitives import canonical

pytestmark = pytest.mark.golden

NAMES = sorted(path.name for path in FOLDER.glob("*.json"))
STORED: dict[str, Any] = {name: json.loads((FOLDER / name).read_text("utf-8")) for name in NAMES}
INPUTS = STORED["inputs.json"]
BYTES_MAX = 320_000
SAFE = 2**53

LIBRARIES = {"eth_hash", "eth_keys", "cryptography"}
"""All that the second implementation may use beside Python itself."""

LABELS = {"kind", "member", "shape", "format", "unread", "point_ids", "meter_ids"}
"""Members whose values say what stands beside them; those of the last two change with their names."""

NOTHING = (None, False, 0, "0", "0x" + "00" * 16, "0x" + "00" * 20, "0x" + "00" * 32)
"""Values that say that there is nothing."""


@pytest.fixture(scope="module")
def day() -> GoldenDay:
    """The day as the project's code makes it now."""
    return golden_day()


@pytest.fixture(scope="module")
def second() -> dict[str, Any]:
    """The day as the second implementation makes it of the inputs."""
    return recomputed(INPUTS)


def test_golden_day__made_again__is_what_is_kept(day: GoldenDay) -> None:
    made = documents(day)

    assert sorted(made) == NAMES
    for name, document in made.items():
        stale = f"{name} is stale: run python -m scripts.tools.golden_day"
        assert (FOLDER / name).read_text("utf-8") == text_of(document), stale


@pytest.mark.parametrize("name", [name for name in NAMES if name != "inputs.json"])
def test_second_implementation__from_the_inputs__gives_every_value(name: str, second: dict[str, Any]) -> None:
    assert second[name] == STORED[name]


def test_second_implementation__each_value__changes_with_the_inputs(second: dict[str, Any]) -> None:
    values = dict(leaves(second))
    unchanged = {place for place, value in values.items() if not is_label(place) and value not in NOTHING}
    for change in CHANGES:
        made = dict(leaves(recomputed(changed(INPUTS, change))))
        moved = {place for place, value in made.items() if place in values and values[place] != value}
        assert moved, change.__name__
        unchanged -= moved

    first = STORED["4_programs.json"][0]
    assert first["earlier"] == [], "nothing stands before the first gate"
    assert {values[place] for place in unchanged} <= {first["earlier_hash"]}


def leaves(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every plain value with its place."""
    if isinstance(value, (dict, list)):
        for name, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(item, (*place, name))
    else:
        yield place, value


def is_label(place: tuple[str | int, ...]) -> bool:
    """Whether a value names others: a label, or the place of an entry."""
    numbered = place[0] == "7_journal.json" and place[-1] == "sequence"
    return numbered or not LABELS.isdisjoint(place)


def test_second_implementation__its_imports__are_of_python_and_primitives_alone() -> None:
    sources = sorted((Path(__file__).parent / "second").glob("*.py"))
    imported = {name for source in sources for name in imports(ast.parse(source.read_text("utf-8")))}

    assert len(sources) > 1
    strange = {name for name in imported if name.split(".")[0] not in LIBRARIES | sys.stdlib_module_names}
    assert {name for name in strange if not name.startswith("tests.golden.second.")} == set()


def imports(tree: ast.Module) -> Iterator[str]:
    """The modules that a source names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (item.name for item in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)


def test_files__of_the_golden_day__are_small_and_read_alike_in_any_language() -> None:
    sizes = [(FOLDER / name).stat().st_size for name in NAMES]
    numbers = [value for _, value in leaves(STORED) if isinstance(value, (int, float))]

    assert sum(sizes) <= BYTES_MAX
    assert all(isinstance(value, int) and abs(value) < SAFE for value in numbers)


def test_files__read_by_javascript__have_the_same_canonical_form() -> None:
    paths = [str(FOLDER / name) for name in NAMES]
    command = ["node", str(Path(__file__).parent / "canonical.mjs"), *paths]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    assert told == [hashlib.sha256(canonical(STORED[name])).hexdigest() for name in NAMES]


def test_golden_day__what_it_is_for__happens_in_it() -> None:
    programs, readings = STORED["4_programs.json"], STORED["5_readings.json"]
    mtus = [item for program in programs for item in program["mtus"]]
    first, second = STORED["6_settlements.json"]
    lines = [line for row in first["statements"] for line in row["statement"]["lines"]]
    attested = [row for row in readings["attestations"] if not row.get("unread")]

    assert {line["kind"] for line in lines} >= {
        "local_purchase",
        "local_sale",
        "residual_supply",
        "residual_feed_in",
        "imbalance_surplus",
        "imbalance_shortfall",
        "excess_export",
        "excess_import",
        "grid_fee_local",
        "grid_fee",
        "levy",
        "curtailment_compensation",
        "vat",
    }
    assert any(0 < order["accepted_lots"] < order["effective_lots"] for item in mtus for order in item["orders"])
    assert any(order["cap_lots"] == 0 for item in mtus for order in item["orders"]), "a cap that empties"
    assert any((item["price_neur_per_wh"] or 0) < 0 for item in mtus), "a price below zero"
    assert any(row["reading"]["quality"] for item in attested for row in item["readings"]), "a substitute"
    assert any(int(program["emptied_mask"], 16) for program in programs)
    assert programs[1]["earlier"], "a later gate"
    assert second["words"] and second["words"] != first["words"], "a correction"
    assert any(position["as_traded"] for position in first["positions"])


def test_golden_day__agents_policies_and_ends__each_decide_something_in_it() -> None:
    sent = [row for session in STORED["2_orders.json"] for row in session["sent"]]
    granted, ended = ([row for row in sent if row["kind"] == f"mandate.{kind}"] for kind in ("granted", "revoked"))
    agents = [row for row in sent if row["kind"] == "order.accepted" and "mandate" in row]
    first, second = STORED["4_programs.json"]
    terms = STORED["1_terms.json"]
    attested = {row["mtu"]: row for row in STORED["5_readings.json"]["attestations"]}
    last, before = attested[max(attested)], attested[min(attested)]
    leaver = next(term["payload"] for term in INPUTS["terms"] if term["kind"] == "term.ended")["account"]
    settled = STORED["6_settlements.json"][1]
    bill = next(row["statement"] for row in settled["statements"] if row["statement"]["account"] == leaver)

    assert {row["mandate"] for row in agents} == {granted[-1]["tag"]} == {row["mandate"] for row in ended}
    assert any(row["bought_wh"] for row in settled["under_mandates"])
    assert {first["report"]["policy_hash"], second["report"]["policy_hash"]} == {terms["policy_hashes"][0]}
    assert len(terms["policy_hashes"]) > 1, "a later version, which is not named"
    ends = {row["member"] for row in terms["signatures"] if row["kind"] == "term.ended"}
    assert ends == {"account_signature", "retailer_signature", "dso_signature"}
    assert last["count"] == before["count"] - 1, "a meter that ended"
    assert max(line["mtu"] for line in bill["lines"] if "mtu" in line) == last["mtu"] - 1
