"""What commands print of others' words: names, reasons, answers of a service that nobody has to trust."""

from __future__ import annotations

import pytest

from scripts.cli.common import plain, show, show_rows

pytestmark = pytest.mark.unit

HOSTILE = "a\x1b[2K\x1b[1Gb\r\nverdict: clean\x9b1m\u202ec\u2028d"


@pytest.mark.parametrize("in_rows", [False, True])
def test_show__words_with_control_codes__move_nothing(capsys: pytest.CaptureFixture[str], in_rows: bool) -> None:
    if in_rows:
        show_rows([{"name": HOSTILE, "other": 1}], as_json=False, title="list")
    else:
        show({HOSTILE: HOSTILE, "inside": {"list": [HOSTILE, 7]}}, as_json=False)

    printed = capsys.readouterr().out
    assert "verdict: clean" in printed
    assert all(letter.isprintable() or letter == "\n" for letter in printed)
    assert not any(line.strip().startswith("verdict") for line in printed.splitlines())


def test_plain__markup_and_letters__are_told_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    show({"name": "[bold]Zähler[/bold] 17 – 3 €/kWh"}, as_json=False)

    assert "[bold]Zähler[/bold] 17 – 3 €/kWh" in capsys.readouterr().out
    assert plain("[red]") == "\\[red]"
