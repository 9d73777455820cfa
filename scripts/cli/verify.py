"""`dominoes verify`: repeat the verdict on a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from domain.errors import DominoesError
from scripts.cli.common import JsonOption, console, guarded, show
from scripts.cli.verifier import chain_state_of, run_verifier, start_node


class NoBundle(DominoesError):
    """There is no bundle in this folder."""

    code = "no-bundle"

    def __init__(self, *, folder: Path) -> None:
        self.folder = folder
        super().__init__(f"{folder} holds no manifest.json; give the folder of a public, personal or auditor bundle")


@guarded
def verify(
    bundle: Annotated[Path, typer.Argument(help="Folder of a public, personal or auditor bundle.")],
    anchors: Annotated[Path | None, typer.Option(help="Trust anchors, from a place you trust.")] = None,
    rpc: Annotated[str | None, typer.Option(help="JSON-RPC address of a node of the chain.")] = None,
    block: Annotated[int | None, typer.Option(help="Read the chain as of this block, for an older bundle.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a bundle against the chain. Exit 0 clean (maybe in part), 3 wrong, 4 self-consistent only, 2 unusable."""
    if not (bundle / "manifest.json").exists():
        raise NoBundle(folder=bundle)
    if anchors is not None and not anchors.exists():
        raise NoBundle(folder=anchors)
    if rpc is not None:
        verdict = run_verifier(bundle=bundle, anchors=anchors, rpc=rpc, block=block)
    else:
        node = start_node(chain_state_of(bundle))
        try:
            verdict = run_verifier(bundle=bundle, anchors=anchors, rpc=node.rpc.url, block=block)
        finally:
            node.stop()
    report = dict(verdict.report)
    findings = [] if as_json else report.pop("findings", [])
    show(report, as_json=as_json, title=str(bundle))
    for finding in findings:
        text = finding["message"] if isinstance(finding, dict) else str(finding)
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    if not as_json:
        console.print(f"verdict: {verdict.report.get('verdict')} (exit {verdict.exit_code})")
    raise typer.Exit(verdict.exit_code)
