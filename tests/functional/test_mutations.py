"""Change one field at a time in an auditor bundle, seal it again, and see that the verifier finds every change.

`mutate_single_fields` works on any bundle; the test here runs it over a small day of
tests/unit/verifier, and whoever has the bundle of a real day gives it to `undetected`.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from domain.errors import DominoesError
from domain.hashing import canonical_json, keccak, to_hex
from tests.effort import examples
from tests.unit.verifier.bundles import jsonl, played
from tests.unit.verifier.small_day import Erased
from tests.unit.verifier.test_ends import MovesOut
from tests.unit.verifier.test_mandates import AgentDay
from verifier.cache import Cache
from verifier.kinds import KINDS
from verifier.verdict import CLEAN, WRONG
from verifier.verify import verify

pytestmark = pytest.mark.functional

MUTATIONS = min(examples(150), 400)
"""Distinct fields changed on the small day: 400 in a campaign."""

REPLAYS = min(examples(150), 400)
"""Distinct fields changed by an operator who then makes journal, receipts and anchored head fit: as many."""


def remembering_rpc(rpc: Any) -> Any:
    """A node asked once per question: its chain does not change while bundles are compared with it."""
    answers: dict[str, Any] = {}

    def ask(method: str, params: list[Any]) -> Any:
        key = json.dumps([method, params])
        if key not in answers:
            answers[key] = rpc(method, params)
        return answers[key]

    return ask


def read_bundle(bundle: Path | Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of a bundle by name."""
    if isinstance(bundle, Mapping):
        return dict(bundle)
    return {path.name: path.read_bytes() for path in bundle.iterdir() if path.is_file()}


def sealed(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files under a manifest that fits them, as anyone can make it."""
    manifest = json.loads(files["manifest.json"])
    inside = {name: data for name, data in files.items() if name != "manifest.json"}
    manifest["files"] = {name: {"bytes": len(data), "keccak": to_hex(keccak(data))} for name, data in inside.items()}
    return {**inside, "manifest.json": canonical_json(manifest)}


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths to every leaf, and to every list that can lose, repeat or swap an entry."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        if value:
            yield path
        for at, item in enumerate(value):
            yield from leaves(item, (*path, at))
    else:
        yield path


def changed(value: Any, chance: random.Random) -> Any:
    """Another value of the same kind: an integer one off, a hex digit flipped, a text longer, a list rearranged."""
    if isinstance(value, bool) or value is None:
        return 0 if value is None else not value
    if isinstance(value, int):
        return value + chance.choice((-1, 1))
    if isinstance(value, list):
        return _rearranged(value, chance)
    if value.startswith("0x") and len(value) > 2:
        at = chance.randrange(2, len(value))
        return (
            value[:at] + chance.choice([digit for digit in "0123456789abcdef" if digit != value[at]]) + value[at + 1 :]
        )
    if value.lstrip("-").isdigit():
        return str(int(value) + chance.choice((-1, 1)))
    return _other_text(value, chance)


def _other_text(value: str, chance: random.Random) -> str:
    at = chance.randrange(len(value) + 1)
    if at < len(value) and chance.random() < 0.5:
        return value[:at] + ("b" if value[at] == "a" else "a") + value[at + 1 :]
    return value[:at] + "x" + value[at:]


def _rearranged(value: list[Any], chance: random.Random) -> list[Any]:
    at, how = chance.randrange(len(value)), chance.choice(("remove", "repeat", "swap"))
    others = [other for other in range(len(value)) if value[other] != value[at]]
    if how == "swap" and others:
        other = chance.choice(others)
        swapped = list(value)
        swapped[at], swapped[other] = swapped[other], swapped[at]
        return swapped
    return value[:at] + value[at + 1 :] if how == "remove" else value[: at + 1] + value[at:]


def with_change(value: Any, path: tuple[Any, ...], chance: random.Random) -> Any:
    """A copy of a JSON value with the item at a path changed."""
    if not path:
        return changed(value, chance)
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = with_change(value[path[0]], path[1:], chance)
    return copy


def _lines_by_kind(files: Mapping[str, bytes]) -> dict[tuple[str, str], list[int]]:
    """Line numbers of each file and record kind, of chain calls by function; a .json file is one line."""
    kinds: dict[tuple[str, str], list[int]] = {}
    for name, data in sorted(files.items()):
        if name == "manifest.json":
            continue
        for number, line in enumerate(data.splitlines()):
            record = json.loads(line) if name == "journal.jsonl" else {}
            called = record.get("payload", {}).get("function", "")
            kinds.setdefault((name, f"{record.get('kind', '')} {called}".strip()), []).append(number)
    return kinds


def _fields(files: Mapping[str, bytes]) -> list[list[tuple[str, int, str, tuple[Any, ...]]]]:
    """All single fields (file, line, kind, path), grouped by file and record kind."""
    groups = []
    for (name, kind), lines in sorted(_lines_by_kind(files).items()):
        texts = files[name].splitlines()
        groups.append([(name, at, kind, path) for at in lines for path in leaves(json.loads(texts[at])) if path])
    return groups


def drawn_fields(files: Mapping[str, bytes], count: int, seed: int) -> Iterator[tuple[str, int, str, tuple[Any, ...]]]:
    """`count` distinct fields: file and record kind take turns, the field is drawn and never drawn again."""
    chance, groups = random.Random(seed), _fields(files)
    for group in groups:
        chance.shuffle(group)
    for turn in range(count):
        groups = [group for group in groups if group]
        yield groups[turn % len(groups)].pop()


def mutate_single_fields(
    bundle: Path | Mapping[str, bytes], count: int, seed: int
) -> Iterator[tuple[str, list[str], dict[str, bytes]]]:
    """`count` bundles, each with one other field changed and its manifest sealed again: (what was changed, the names
    under which a finding may speak of that record, files by name). The same seed gives the same changes."""
    files, chance = read_bundle(bundle), random.Random(seed)
    for name, at, kind, path in drawn_fields(files, count, seed):
        lines = files[name].splitlines()
        record = json.loads(lines[at])
        new = [*lines[:at], canonical_json(with_change(record, path, chance)), *lines[at + 1 :]]
        end = b"\n" if name.endswith(".jsonl") else b""
        what = f"{name} line {at + 1} {kind} {'.'.join(map(str, path))}"
        names = [f"{name} line {at + 1}", f"{name} entry {at + 1} ", name if name == "chain.json" else what]
        if name == "receipts.jsonl":
            names += [f"{name} sequence {record['sequence']}", name]
        yield what, names, sealed({**files, name: b"".join(line + end for line in new)})


def mutate_lines(bundle: Path | Mapping[str, bytes], seed: int) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Bundles of which one file lost, repeats or swaps lines, each sealed again."""
    files, chance = read_bundle(bundle), random.Random(seed)
    for name in sorted(files):
        lines = files[name].splitlines(keepends=True)
        for _ in range(5 if name.endswith(".jsonl") and len(lines) > 1 else 0):
            kept = _rearranged(list(range(len(lines))), chance)
            yield f"{name}: lines rearranged", sealed({**files, name: b"".join(lines[at] for at in kept)})


def undetected(
    bundle: Path | Mapping[str, bytes], *, anchors: dict[str, Any], rpc: Any, count: int, seed: int, named: bool = True
) -> list[str]:
    """Which changes the verifier still takes for clean, or (`named`) finds without naming the record that changed."""
    ask, cache = remembering_rpc(rpc), Cache()
    assert verify(read_bundle(bundle), anchors, ask, cache=cache).exit_code == CLEAN
    missed, seen = [], set()
    for what, names, files in mutate_single_fields(bundle, count, seed):
        assert what not in seen
        seen.add(what)
        report = verify(files, anchors, ask, cache=cache)
        told = [name for name in names if any(name in item.record for item in report.findings)]
        if report.exit_code != WRONG or (named and not told):
            missed.append(what)
    return missed


OF_OTHER_DAYS = {"deployment.succeeded", "account.replaced", "session.lapsed"}
"""Need two deployments, an account that gave way, or a session that the chain refused:
tests/integration/settlement/test_handover.py, tests/unit/verifier/test_replacements.py, test_lapsed.py."""


class EveryKind(AgentDay, MovesOut, Erased):
    """A household trades through an agent and moves out; an order is erased when all is final."""


@pytest.fixture(scope="module")
def small_day() -> Any:
    """A day of five MTUs with all kinds of facts, an erasure among them; built once."""
    return EveryKind().run()


def test_small_day__has_every_kind_of_fact(small_day: Any) -> None:
    kinds = {entry["kind"] for entry in small_day.entries}

    assert kinds == set(KINDS) - OF_OTHER_DAYS


def test_verify__one_field_changed_in_the_auditor_bundle__is_found_and_named(small_day: Any) -> None:
    missed = undetected(
        small_day.auditor(), anchors=small_day.anchors(), rpc=small_day.chain.rpc, count=MUTATIONS, seed=1
    )

    assert missed == []


@pytest.mark.parametrize("kind", ["auditor", "public"])
def test_verify__lines_lost_repeated_or_swapped__are_found(small_day: Any, kind: str) -> None:
    ask, cache = remembering_rpc(small_day.chain.rpc), Cache()
    changes = mutate_lines(getattr(small_day, kind)(), seed=4)

    missed = [w for w, f in changes if verify(f, small_day.anchors(), ask, cache=cache).exit_code != WRONG]

    assert missed == []


def test_verify__one_field_changed_in_the_public_bundle__is_found(small_day: Any) -> None:
    missed = undetected(
        small_day.public(), anchors=small_day.anchors(), rpc=small_day.chain.rpc, count=150, seed=2, named=False
    )

    assert missed == []


@pytest.mark.parametrize(("name", "kind", "point"), [("h1", "household", "p1"), ("retail", "retailer", None)])
def test_verify__one_field_changed_in_a_personal_bundle__is_found(
    small_day: Any, name: str, kind: str, point: str | None
) -> None:
    bundle = small_day.personal(name, kind, point)

    missed = undetected(bundle, anchors=small_day.anchors(), rpc=small_day.chain.rpc, count=150, seed=3, named=False)

    assert missed == []


OPERATORS_WORD = {
    "access.logged": r".*",
    "area.defined": r"attesters\.\d+\.name|attesters$",
    "market.defined": r"gate_local|later_gates_local(\..*)?",
    "order.accepted": r"market_time",
    "order.cancelled": r"market_time",
    "schedule.nominated": r"market_time",
    "deposit.booked": r".*",
    "reading.attested": r"messages$",
    "erasure.done": r"reason",
    "chain.requested": r"args.*",
    "chain.signed": r"(key|role|contract|nonce|gas_price_wei)$",
    "chain.failed": r"reason",
    "chain.rewound": r".*",
    "chain.included": r".*",
}
"""Fields that are only the operator's word, as patterns of their paths; docs/evidence.md section 10 says why."""


def _operators_word(day: Any, entry: dict[str, Any], path: tuple[Any, ...]) -> bool:
    """Whether a field is only the operator's word. Some are so in one situation alone."""
    kind, text = entry["kind"], ".".join(map(str, path))
    if not re.fullmatch(OPERATORS_WORD.get(kind, "(?!)"), text):
        return False
    key = entry["payload"].get("key", "")
    rewound = {e["payload"]["key"]: e["sequence"] for e in day.entries if e["kind"] == "chain.rewound"}
    refused = [e["payload"]["ref"] for e in day.entries if e["kind"] == "deposit.booked"][1]
    situations = {
        "deposit.booked": lambda: entry["payload"]["ref"] == refused,  # its transaction reverted
        "chain.included": lambda: entry["sequence"] < rewound.get(key, 0),  # its block was given up
        "chain.signed": lambda: key.startswith("deploy:"),  # asked for by nobody
    }
    return situations.get(kind, lambda: True)()


def test_verify__operator_who_makes_everything_fit_again__is_found_but_in_its_own_word(
    small_day: Any,
) -> None:
    """The journal is hashed again, anchored again, and receipts are signed again after each change."""
    chance, missed, tried = random.Random(6), [], 0
    entries = small_day.entries
    lines = {"journal.jsonl": jsonl([{"kind": e["kind"], "payload": e["payload"]} for e in entries])}
    for _, at, kind, path in drawn_fields(lines, 1_200, seed=6):
        if path[0] != "payload" or entries[at]["sequence"] in small_day.erased or tried == REPLAYS:
            continue
        if _operators_word(small_day, entries[at], path[1:]):
            continue
        tried += 1
        changed_entry = {**entries[at], "payload": with_change(entries[at]["payload"], path[1:], chance)}
        try:
            given = played(small_day, [*entries[:at], changed_entry, *entries[at + 1 :]])
        except (ValueError, TypeError, DominoesError):
            continue  # the operator itself could not sign a receipt over it
        if verify(*given).exit_code != WRONG:
            missed.append(f"entry {at + 1} {kind} {'.'.join(map(str, path[1:]))}")

    assert tried == REPLAYS
    assert missed == []
