"""UC3c and UC2b from end to end: a local day with binding caps, its evidence, and the outsider's verdict."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from oracle.meters.fleet import Measurement, MeterFleet
from scripts.cli.common import CACHE, EXIT_FAILED
from scripts.cli.main import app
from scripts.community.grids import load_community
from scripts.community.waiting import StepMissing
from scripts.serving.embedded.demo_day import run_day
from tests.functional.later_gates import SMALLEST_GRID

pytestmark = pytest.mark.functional

DOMINOES = [str(Path(sys.executable).with_name("dominoes"))]


def dominoes(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*DOMINOES, *arguments], capture_output=True, text=True, timeout=280, check=False)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Any]]]:
    out = tmp_path_factory.mktemp("demo") / "out"
    done = dominoes("demo-day", "--day", "2016-06-21", "--pv", "3", "--out", str(out))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    yield out, json.loads((out / "summary.json").read_text())


def test_day__raised_pv__caps_bind_and_every_bundle_is_clean(day: tuple[Path, dict[str, Any]]) -> None:
    out, summary = day

    assert summary["mtus"] == 96
    assert summary["metering_points"] >= 40
    assert summary["orders"]["count"] > 1_000 and summary["orders_refused"] == 0
    assert summary["energy_wh"]["capped_export"] > 0 and summary["energy_wh"]["traded"] > 0
    assert {verdict["exit_code"] for verdict in summary["verdicts"].values()} == {0}
    assert (out / "day.png").stat().st_size > 10_000


def test_day__money_of_all_accounts__sums_to_zero(day: tuple[Path, dict[str, Any]]) -> None:
    _, summary = day

    assert sum(int(amount) for amount in summary["money_neur_by_account_kind"].values()) == 0


def test_verify__honest_bundle__exits_clean_with_anchors_and_four_without(day: tuple[Path, dict[str, Any]]) -> None:
    out, _ = day
    bundle = str(out / "bundles" / "auditor")

    with_anchors = dominoes("verify", bundle, "--anchors", str(out / "anchors.json"), "--grid", "--json")
    without = dominoes("verify", bundle, "--json")

    assert with_anchors.returncode == 0, with_anchors.stdout[-2000:]
    assert json.loads(with_anchors.stdout)["totals"]["power_flows"] == 96
    assert without.returncode == 4


def test_verify__one_digit_changed__exits_wrong_and_names_the_file(
    day: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    out, _ = day
    shutil.copytree(out / "bundles" / "public", tmp_path / "out" / "bundles" / "public")
    shutil.copytree(out / "state" / "chain", tmp_path / "out" / "state" / "chain")
    target = tmp_path / "out" / "bundles" / "public" / "settlements.jsonl"
    text = target.read_text()
    place = text.index('"words":["0x') + len('"words":["0x') + 60
    target.write_text(text[:place] + ("1" if text[place] != "1" else "2") + text[place + 1 :])

    done = dominoes("verify", str(target.parent), "--anchors", str(out / "anchors.json"), "--json")

    assert done.returncode == 3
    assert "settlements.jsonl" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("demo-day", "--grid", "no-such-grid"), "unknown-grid"),
        (("demo-day", "--day", "2017-01-01"), "impossible-day"),
        (("demo-day", "--day", "yesterday"), "impossible-day"),
        (("demo-day", "--pv", "-1"), "bad-pv-factor"),
        (("verify", "/nowhere"), "no-bundle"),
        (("chain", "status", "--state", "/nowhere"), "state-missing"),
        (("restore", "/nowhere.tar.gz", "--state", "/nowhere-either/state"), "not-a-backup"),
    ],
)
def test_commands__unusable_input__one_line_and_exit_two(
    arguments: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    extra = ("--out", str(tmp_path / "out")) if arguments[0] == "demo-day" else ()

    done = dominoes(*arguments, *extra)

    assert done.returncode == 2
    assert words in done.stderr and "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_day__clock_goes_forward__has_92_mtus_and_nothing_binds(small_grid_day: Path) -> None:
    summary = json.loads((small_grid_day / "summary.json").read_text())

    assert summary["mtus"] == 92
    assert summary["energy_wh"]["capped_export"] == summary["energy_wh"]["capped_import"] == 0


def _with_source_too_high(cache: Path) -> None:
    """The smallest grid with its transformer stepped up: without load its street lies just above the voltage band."""
    folder = load_community(grid_code=SMALLEST_GRID, cache=CACHE).folder
    shutil.copytree(folder, cache / folder.name)
    path = cache / folder.name / "community.json"
    body = json.loads(path.read_text())
    body["grid"]["source_micro_pu"] = 1_019_500
    body["grid"]["transformers"][0]["tap_position"] = -3
    path.write_text(json.dumps(body))


def _silence(monkeypatch: pytest.MonkeyPatch, *, from_mtu: int) -> None:
    """The first meter that measures says nothing of the time from an MTU on."""
    record = MeterFleet.record
    silent: list[str] = []

    def heard(self: MeterFleet, measurements: Iterable[Measurement]) -> None:
        told = list(measurements)
        silent.extend(item.meter_code for item in told[:1])
        record(self, [item for item in told if item.meter_code != silent[0] or item.mtu < from_mtu])

    monkeypatch.setattr(MeterFleet, "record", heard)


def test_day__some_mtus_given_up_and_a_meter_silent__are_void_or_substituted_and_every_bundle_is_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _with_source_too_high(tmp_path / "cache")
    noon = datetime(2016, 1, 20, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    _silence(monkeypatch, from_mtu=int(noon.timestamp()) // 900)

    result = run_day(
        grid=SMALLEST_GRID,
        day=date(2016, 1, 20),
        pv_permille=1_000,
        out=tmp_path / "out",
        cache=tmp_path / "cache",
        progress=lambda *_: None,
    )

    given_up = result.summary["energy_wh"]["mtus_given_up"]
    assert 0 < given_up < 96
    assert result.summary["prices_neur_per_wh"]["mtus_with_trade"] > 0
    assert _traded_nothing_though_given_up(tmp_path / "out" / "bundles" / "auditor") == given_up
    assert result.clean, result.verdicts["auditor"].report
    assert result.verdicts["auditor"].report["counts"]["substitutes"] == 48


def _traded_nothing_though_given_up(bundle: Path) -> int:
    rows = [json.loads(line) for line in (bundle / "journal.jsonl").read_text().splitlines()]
    (validated,) = (row["payload"] for row in rows if row["kind"] == "program.validated")
    (done,) = (row["payload"] for row in rows if row["kind"] == "session.done")
    cleared = int(done["cleared_mask"], 16)
    return sum(item["given_up"] and not cleared >> at & 1 for at, item in enumerate(validated["results"]))


def test_demo_day__a_step_never_comes_about__one_line_and_exit_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stuck(**_: object) -> None:
        raise StepMissing(what="every MTU to be cleared")

    monkeypatch.setattr("scripts.serving.embedded.demo_day.run_day", stuck)

    done = CliRunner().invoke(app, ["demo-day", "--grid", SMALLEST_GRID, "--out", str(tmp_path / "out")])

    assert done.exit_code == EXIT_FAILED
    assert done.stderr.startswith("step-missing") and len(done.stderr.strip().splitlines()) == 1
