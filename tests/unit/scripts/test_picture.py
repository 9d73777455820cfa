"""The picture of a day: drawn from what each MTU came to, also where nothing was traded or something was cut."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from matplotlib.image import imread

from scripts.serving.embedded.picture import draw_day

pytestmark = pytest.mark.unit


def test_draw_day__mtu_without_a_price_and_one_that_was_cut__both_are_drawn(tmp_path: Path) -> None:
    quiet = pd.DataFrame({"mtu": [1_629_000, 1_629_001], "traded_wh": [0, 500], "capped_wh": [0, 0]})
    quiet["price_neur_per_wh"] = pd.array([None, 150_000], dtype="Int64")
    cut = quiet.assign(capped_wh=[0, 700])

    for name, volumes in (("quiet", quiet), ("cut", cut)):
        draw_day(tmp_path / f"{name}.png", volumes=volumes, title="a day")

    red = {name: (imread(tmp_path / f"{name}.png")[..., :3] @ [1, -0.5, -0.5] > 0.4).sum() for name in ("quiet", "cut")}
    assert red["quiet"] == 0 < red["cut"]
