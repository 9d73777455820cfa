"""`dominoes demo-day`: one local day as fast as it can."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ledger_service.chain.anvil import anvil_binary
from scripts.cli.common import CACHE, Bars, JsonOption, console, guarded, progress_bars, show, work
from scripts.community.grids import BadPvFactor, load_community, parse_day
from scripts.serving.embedded import demo_day as days
from scripts.serving.private_files import keep_private
from scripts.serving.settings import DEFAULT_DEMO_DAY, DEFAULT_GRID, DEFAULT_PV
from scripts.serving.verifier_process import WRONG

PERMILLE = 1_000


@guarded
def demo_day(
    grid: Annotated[str, typer.Option(help="simbench code of a low-voltage grid.")] = DEFAULT_GRID,
    day: Annotated[
        str, typer.Option(help="Local day of the profile year 2016, YYYY-MM-DD.")
    ] = DEFAULT_DEMO_DAY.isoformat(),
    pv: Annotated[float, typer.Option(help="Factor on the grid's own generation.")] = DEFAULT_PV,
    out: Annotated[Path, typer.Option(help="Folder for summary, evidence, picture and state.")] = Path("out/demo-day"),
    as_json: JsonOption = False,
) -> None:
    """Run one local day through all stages, write its evidence, and end with the verifier's verdict."""
    keep_private()
    if not 0 <= pv * PERMILLE < float("inf"):
        raise BadPvFactor(pv_permille=pv)
    delivery = parse_day(day)
    pv_permille = round(pv * PERMILLE)
    # what cannot be run is refused before anything starts: from here on an error is the day's, not the caller's
    anvil_binary()
    load_community(grid_code=grid, cache=CACHE, pv_permille=pv_permille)
    days.prepare_out(out)
    with progress_bars() as progress, work():
        result = days.run_day(
            grid=grid, day=delivery, pv_permille=pv_permille, out=out, cache=CACHE, progress=Bars(progress)
        )
    shown = result.summary if as_json else {name: item for name, item in result.summary.items() if name != "verdicts"}
    show(shown, as_json=as_json, title=f"{grid}, {day}")
    if not as_json:
        for name in ("auditor", "public"):
            verdict = result.verdicts[name]
            console.print(f"{name} bundle: {verdict.report.get('verdict')}")
        console.print(f"everything is in {out} (summary.json, day.png, bundles, anchors.json, state)")
    if not result.clean:
        raise typer.Exit(WRONG)
