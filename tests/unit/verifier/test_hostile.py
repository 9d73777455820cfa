"""Bundles and nodes made by somebody who wants the verifier to say nothing, or something else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.verifier.bundles import seal
from tests.unit.verifier.small_day import Day
from verifier.command import main, printable
from verifier.form import canonical
from verifier.verdict import CLEAN, USAGE, WRONG, Unusable
from verifier.verify import verify
from wallet_api.fields import checksummed

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]

FALSE_VERDICT = "auditor bundle: clean, 0 findings. Supports everything"
HIDING = {
    "a new line": f"x\n{FALSE_VERDICT}",
    "a carriage return": f"x\r{FALSE_VERDICT}",
    "a terminal code": f"\x1b[2K\x1b[1G{FALSE_VERDICT}\x1b[8m",
    "a code of eight bits": f"\x9b2K{FALSE_VERDICT}",
    "letters from right to left": f"\u202e{FALSE_VERDICT}",
    "a line separator": f"x\u2028{FALSE_VERDICT}",
}


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """A clean day's public bundle."""
    bundle: dict[str, bytes] = Day().run().public()
    return bundle


def write(directory: Path, files: dict[str, bytes]) -> Path:
    directory.mkdir()
    for name, data in files.items():
        (directory / name).write_bytes(data)
    return directory


def of_kind(files: dict[str, bytes], kind: str) -> dict[str, bytes]:
    """The bundle, whose manifest names another kind."""
    return {**files, "manifest.json": canonical({**json.loads(files["manifest.json"]), "kind": kind})}


@pytest.mark.parametrize("hidden", HIDING.values(), ids=HIDING)
@pytest.mark.parametrize("form", ["text", "json"])
def test_main__kind_that_says_clean__stays_on_its_line(
    files: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str], hidden: str, form: str
) -> None:
    bundle = write(tmp_path / "bundle", of_kind(files, hidden))

    status = main([str(bundle), *(["--json"] if form == "json" else [])])

    printed = capsys.readouterr().out
    assert status == WRONG
    assert all(letter.isprintable() or letter == "\n" for letter in printed)
    assert not any(line.startswith("auditor bundle: clean") for line in printed.splitlines())


@pytest.mark.parametrize("hidden", HIDING.values(), ids=HIDING)
def test_main__value_with_control_codes__is_told_on_one_line(
    files: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str], hidden: str
) -> None:
    first, rest = files["journal.jsonl"].split(b"\n", 1)
    entry = canonical({**json.loads(first), "kind": hidden})
    bundle = write(tmp_path / "bundle", seal("public", {**files, "journal.jsonl": entry + b"\n" + rest}))

    assert main([str(bundle)]) == WRONG
    printed = capsys.readouterr().out
    assert FALSE_VERDICT[:20] in printed
    assert all(letter.isprintable() or letter == "\n" for letter in printed)
    assert not any(line.startswith("auditor bundle: clean") for line in printed.splitlines())


def test_printable__what_people_write__stays() -> None:
    assert printable("Zähler 17 – 3 €/kWh, „Müller“") == "Zähler 17 – 3 €/kWh, „Müller“"


def run(bundle: Path, *, until: str | None = None, **environment: str) -> tuple[int, str, str]:
    """Exit status and output of the command in a process of its own, whose reader leaves after a line with `until`."""
    command = [sys.executable, "-m", "verifier", str(bundle)]
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stderr is not None
    if until is not None:
        process.stdout.close()
    out = "" if until is not None else process.stdout.read()
    return process.wait(timeout=60), out, process.stderr.read()


def test_command__reader_that_leaves__still_gets_the_exit_status(files: dict[str, bytes], tmp_path: Path) -> None:
    bundle = write(tmp_path / "bundle", of_kind(files, "other"))

    status, _, errors = run(bundle, until="")

    assert (status, errors) == (WRONG, "")


def test_command__terminal_that_knows_ascii_alone__is_told_all_the_same(
    files: dict[str, bytes], tmp_path: Path
) -> None:
    bundle = write(tmp_path / "bundle", of_kind(files, "Größe"))

    status, out, errors = run(bundle, PYTHONIOENCODING="ascii", PYTHONUTF8="0")

    assert (status, errors) == (WRONG, "") and "Gr\\xf6\\xdfe" in out


@pytest.mark.parametrize("link", ["symbolic", "pipe", "folder"])
def test_verify__file_that_is_none__is_not_read_and_found(files: dict[str, bytes], tmp_path: Path, link: str) -> None:
    bundle = write(tmp_path / "bundle", files)
    (bundle / "journal.jsonl").rename(tmp_path / "journal.jsonl")
    if link == "symbolic":
        (bundle / "journal.jsonl").symlink_to(tmp_path / "journal.jsonl")
    elif link == "pipe":
        os.mkfifo(bundle / "journal.jsonl")
    else:
        (bundle / "journal.jsonl").mkdir()

    assert verify(bundle).exit_code == WRONG


def test_main__more_bytes_than_wanted__are_not_read(
    files: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = write(tmp_path / "bundle", files)
    with (bundle / "journal.jsonl").open("ab") as file:
        file.truncate(2**42)  # takes no room on the disk

    assert main([str(bundle), "--most-bytes", "1000000"]) == USAGE
    assert "holds more than 1000000 bytes" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content",
    [b"[" * 200_000, b'{"a":' * 200_000, b"9" * 200_000 + b"\n", b'"\\ud800"\n', b"1e999999999\n", b"NaN\n", b"\xff\n"],
)
@pytest.mark.parametrize("name", ["manifest.json", "journal.jsonl", "chain.json"])
def test_main__content_that_parsers_choke_on__exits_three(
    files: dict[str, bytes], tmp_path: Path, name: str, content: bytes
) -> None:
    sealed = {**files, name: content} if name == "manifest.json" else seal("public", {**files, name: content})

    assert main([str(write(tmp_path / "bundle", sealed))]) == WRONG


@pytest.mark.parametrize("anchors", [b"[" * 200_000, b"null", b'{"format":"dominoes-anchors/9"}', b"\xff", b""])
def test_main__anchors_that_are_none__exits_two(
    files: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str], anchors: bytes
) -> None:
    bundle = write(tmp_path / "bundle", files)
    (tmp_path / "anchors.json").write_bytes(anchors)

    assert main([str(bundle), "--anchors", str(tmp_path / "anchors.json")]) == USAGE
    assert capsys.readouterr().err.startswith("error:")


def test_verify__kind_that_is_no_text__is_a_finding(files: dict[str, bytes]) -> None:
    kinds: list[Any] = [None, 7, ["public"], {"public": 1}, "x" * 100_000]
    for kind in kinds:
        report = verify(of_kind(files, kind))
        assert report.exit_code == WRONG and len(report.kind) < 300


def written(value: Any, write: Callable[[str], str]) -> Any:
    """Trust anchors with every address written otherwise."""
    if isinstance(value, dict):
        return {name: written(item, write) for name, item in value.items()}
    if isinstance(value, list):
        return [written(item, write) for item in value]
    return write(value) if isinstance(value, str) and len(value) == 42 else value


def test_anchors__addresses_with_a_checksum__are_taken_and_with_a_wrong_one_refused() -> None:
    day = Day().run()

    marked = written(day.anchors(), checksummed)
    assert marked != day.anchors()
    assert verify(day.auditor(), marked, day.chain.rpc).exit_code == CLEAN

    for wrong in (
        written(marked, lambda text: f"0x{text[2:].swapcase()}"),
        written(marked, lambda text: f"0x{text[2:].upper()}"),
    ):
        with pytest.raises(Unusable):
            verify(day.auditor(), wrong, day.chain.rpc)
