"""`dominoes verify`: repeat the verdict on bundles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from domain.errors import DominoesError
from scripts.cli.common import JsonOption, console, guarded, plain
from scripts.serving.embedded.left_chain import chain_state_of, start_node
from scripts.serving.verifier_process import CLEAN, SELF_CONSISTENT, USAGE, WRONG, Verdict, run_verifier


class NoBundle(DominoesError):
    """There is no bundle in this folder."""

    code = "no-bundle"

    def __init__(self, *, folder: Path) -> None:
        self.folder = folder
        unpack = "unpack it and give its folder" if folder.is_file() else "give the folder of a bundle, unpacked"
        super().__init__(f"{folder} holds no manifest.json; {unpack} (public, personal or auditor)")


WORST_FIRST = (USAGE, WRONG, SELF_CONSISTENT, CLEAN)


@guarded
def verify(
    bundles: Annotated[list[Path], typer.Argument(help="Folders of public, personal or auditor bundles.")],
    anchors: Annotated[Path | None, typer.Option(help="Trust anchors, from a place you trust.")] = None,
    rpc: Annotated[
        list[str] | None, typer.Option(help="JSON-RPC address of a node of the chain; given again: others, to agree.")
    ] = None,
    block: Annotated[int | None, typer.Option(help="Read the chain as of this block, for an older bundle.")] = None,
    grid: Annotated[bool, typer.Option("--grid", help="Compute the power flow of programs too.")] = False,
    receipt: Annotated[
        list[Path] | None, typer.Option(help="A receipt of the operator to hold against the bundles; or several.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check bundles against the chain. Exit 0 clean (maybe in part), 3 wrong, 4 self-consistent only, 2 unusable; of
    several bundles the worst."""
    for bundle in bundles:
        if not (bundle / "manifest.json").exists():
            raise NoBundle(folder=bundle)
    if anchors is not None and not anchors.exists():
        raise NoBundle(folder=anchors)
    asked: dict[str, Any] = {"bundles": bundles, "anchors": anchors, "block": block, "grid": grid}
    asked["receipts"] = receipt or ()
    if rpc:
        verdicts = run_verifier(**asked, rpc=rpc)
    else:
        node = start_node(chain_state_of(bundles[0]))
        try:
            verdicts = run_verifier(**asked, rpc=[node.rpc.url])
        finally:
            node.stop()
    if as_json:
        reports = [verdict.report for verdict in verdicts]
        print(json.dumps(reports if len(reports) > 1 else reports[0], indent=1))
    else:
        for bundle, verdict in zip(bundles, verdicts, strict=True):
            _print(verdict, title=str(bundle))
    codes = [verdict.exit_code for verdict in verdicts]
    raise typer.Exit(next(code for code in WORST_FIRST if code in codes))


def _print(verdict: Verdict, *, title: str) -> None:
    """What the verifier tells, and the exit status last."""
    console.print(f"[bold]{plain(title)}[/bold]", highlight=False)
    for line in verdict.report.get("text") or verdict.report.get("findings", []):
        console.print(plain(line), highlight=False, soft_wrap=True)
    console.print(f"verdict: {plain(verdict.report.get('verdict'))} (exit {verdict.exit_code})")
