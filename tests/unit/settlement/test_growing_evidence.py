"""The public bundle anchor after anchor: the same bytes as one made from the beginning, at the cost of what is new."""

from __future__ import annotations

import importlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domain.facts import ProgramSigned, ProgramValidated, SettlementProposed, SettlementSigned
from ledger_service.evidence.growing import GrowingPublic, HeldBundle
from ledger_service.evidence.public import export_public
from ledger_service.evidence.recorded import NothingAnchored
from ledger_service.record import Record
from ledger_service.settlement.operations import sign_settlement
from ledger_service.settlement.queries import latest_proposal
from ledger_service.settlement.stage import SettlementStage
from ledger_service.stage import run_until_quiet
from tests.journal import append_fact
from tests.unit.settlement.test_evidence import CHAIN
from wallet_api.bundles import tar_of, tar_parts, tar_size

pytestmark = pytest.mark.unit

MTUS_PER_DAY = 4
DAILY_KINDS = (ProgramValidated, ProgramSigned, SettlementProposed, SettlementSigned)


@pytest.fixture
def street(scene: Any, tools: Any) -> Any:
    """The scene, settled and signed."""
    run_until_quiet([SettlementStage(scene.record)], tools.ENDED)
    with scene.record.read() as connection:
        proposal = latest_proposal(connection, area=tools.AREA, period=tools.PERIOD)
    for n in (1, 2):
        sign_settlement(
            scene.record,
            area=tools.AREA,
            period=tools.PERIOD,
            revision=0,
            signature=tools.attester_signature(proposal, n),
            domain=tools.SETTLEMENT_DOMAIN,
        )
    scene.anchor()
    return scene


@pytest.fixture
def growing(tmp_path: Path) -> GrowingPublic:
    return GrowingPublic(tmp_path / "evidence", chain=CHAIN)


def live(street: Any, day: int) -> None:
    """The first day's program, readings and settlement again, under the names of a later day, and its anchor."""
    first = {kind: street.record.entries(kinds=[kind])[0] for kind in DAILY_KINDS}
    for entry in first.values():
        payload = json.loads(entry.text)
        for name in ("session", "period"):
            if name in payload:
                payload[name] += day
        with street.record.begin() as tx:
            append_fact(tx, entry.kind, payload)
    for number in range(MTUS_PER_DAY):
        street.attest(2_000 + day * MTUS_PER_DAY + number, {"meter1": (100, 0), "meter2": (0, 50)})
    street.anchor()


def content_of(bundle: HeldBundle) -> dict[str, bytes]:
    return {name: file.read(0, file.size) for name, file in bundle.files.items()}


def made_at_once(record: Record, folder: Path) -> dict[str, bytes]:
    """The bundle as it is without anything kept."""
    export_public(record, folder, chain=CHAIN)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def counting(name: str, calls: list[str]) -> Callable[..., Any]:
    """The function of this name, whose calls are counted."""
    module, _, function = name.rpartition(".")
    counted = getattr(importlib.import_module(module), function)

    def call(*given: Any, **named: Any) -> Any:
        calls.append(name)
        return counted(*given, **named)

    return call


def test_up_to_anchor__day_after_day__as_made_from_the_beginning(
    street: Any, growing: GrowingPublic, tmp_path: Path
) -> None:
    held = [growing.up_to_anchor(street.record)]
    kept = [made_at_once(street.record, tmp_path / "0")]
    for day in (1, 2, 3):
        live(street, day)
        held.append(growing.up_to_anchor(street.record))
        kept.append(made_at_once(street.record, tmp_path / str(day)))

    assert [content_of(bundle) for bundle in held] == kept  # the earlier ones too, while later ones were made
    assert len(kept[3]["programs.jsonl"]) > len(kept[0]["programs.jsonl"]) > 0
    assert len(kept[3]["settlements.jsonl"]) > len(kept[0]["settlements.jsonl"]) > 0


@pytest.mark.parametrize("days", [7, pytest.param(60, marks=pytest.mark.campaign)])
def test_up_to_anchor__one_more_day__reads_and_writes_that_day_alone(
    days: int, street: Any, growing: GrowingPublic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a day costs does not grow with the days before it."""
    read: list[str] = []
    for module in ("ledger_service.evidence.journal._line", "ledger_service.record.journal.entry_of"):
        monkeypatch.setattr(module, counting(module, read))
    cost = []
    for day in range(1, days):
        live(street, day)
        read.clear()
        before = growing.written
        growing.up_to_anchor(street.record)
        cost.append((len(read), growing.written - before))

    reads, writes = zip(*cost[1:], strict=True)  # the first of all reads what was there
    assert len(set(reads)) == 1
    assert max(writes) - min(writes) < 100  # numbers get longer
    assert cost[0][1] > 2 * max(writes)


def test_up_to_anchor__program_erased__gone_from_the_next(street: Any, growing: GrowingPublic, tmp_path: Path) -> None:
    before = content_of(growing.up_to_anchor(street.record))
    (program,) = street.record.entries(kinds=[ProgramValidated])
    street.record.erase([program.sequence], "asked for")
    street.anchor()

    after = content_of(growing.up_to_anchor(street.record))

    assert before["programs.jsonl"]
    assert after["programs.jsonl"] == b""
    assert after == made_at_once(street.record, tmp_path / "at once")


def test_up_to_anchor__chain_tells_otherwise__as_it_tells_last(
    street: Any, growing: GrowingPublic, tmp_path: Path
) -> None:
    before = content_of(growing.up_to_anchor(street.record))
    with street.record.begin() as tx:
        append_fact(tx, "chain.rewound", {"key": "unread:1003"})
    street.anchor()

    after = content_of(growing.up_to_anchor(street.record))

    assert b'"unread":true' in before["attestations.jsonl"]
    assert b'"unread":true' not in after["attestations.jsonl"]
    assert after == made_at_once(street.record, tmp_path / "at once")


def test_up_to_anchor__record_fails_on_the_way__whole_the_next_time(
    street: Any, growing: GrowingPublic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    growing.up_to_anchor(street.record)
    live(street, 1)
    with monkeypatch.context() as patched:
        patched.setattr("ledger_service.evidence.public.noun_json", None)
        with pytest.raises(TypeError):
            growing.up_to_anchor(street.record)

    assert content_of(growing.up_to_anchor(street.record)) == made_at_once(street.record, tmp_path / "at once")


def test_up_to_anchor__nothing_anchored__said(scene: Any, growing: GrowingPublic) -> None:
    with pytest.raises(NothingAnchored):
        growing.up_to_anchor(scene.record)


def test_tar_parts__held_bundle__the_tar_of_its_folder(street: Any, growing: GrowingPublic, tmp_path: Path) -> None:
    bundle = growing.up_to_anchor(street.record)
    export_public(street.record, tmp_path / "public", chain=CHAIN)

    packed = b"".join(tar_parts(bundle))

    assert packed == tar_of(tmp_path / "public")
    assert len(packed) == tar_size(bundle)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        assert archive.getnames() == sorted(bundle.files)
