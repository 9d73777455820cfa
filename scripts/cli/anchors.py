"""`dominoes anchors`: the trust anchors that evidence is held against, from a node of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contracts.rpc import Rpc
from ledger_service.evidence.anchors import export_anchors
from scripts.cli.common import JsonOption, SetOption, guarded, show
from scripts.serving.deployment_file import checked_deployment
from scripts.serving.needs import given, given_path, require
from scripts.serving.sources import load
from scripts.serving.trust import grid_model_hash, trust_anchors


def _grid_model_hashes(texts: list[str]) -> dict[str, bytes]:
    found = {}
    for text in texts:
        area, equals, file = text.partition("=")
        if not (area and equals and file):
            raise typer.BadParameter(f"{text!r} is not AREA=FILE", param_hint="--grid-model")
        found[area] = grid_model_hash(area, Path(file))
    return found


@guarded
def anchors(
    config: Annotated[
        Path, typer.Option("--config", help="Settings file (TOML) with your node, the deployment, the organisations.")
    ],
    grid_model: Annotated[
        list[str], typer.Option("--grid-model", help="AREA=FILE: the grid model that the area's DSO published.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Where to write.")] = Path("anchors.json"),
    flags: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the trust anchors: what you hold from the organisations themselves, as your own node bears it out.

    Contracts and chain are those of the deployment file, keys, zones and accounts those of the tables
    `organisations` and `areas` of the settings, as all parties signed them;
    the checkpoint is the newest anchored head of the journal.
    """
    settings = load(config, flags=flags or ()).settings
    require(settings, "anchors")
    hashes = _grid_model_hashes(grid_model)
    rpc = Rpc(given(settings.chain.rpc_url))
    try:
        deployment = checked_deployment(given_path(settings.chain.deployment_file), rpc=rpc)
        before = settings.deployment.predecessor
        predecessor = None if before is None else checked_deployment(before, rpc=rpc)
        trust, anchor = trust_anchors(rpc, deployment, settings.organisations, hashes, settings.areas, predecessor)
    finally:
        rpc.close()
    export_anchors(out, trust=trust, anchor=anchor)
    told = {"file": str(out), "block": anchor.block, "journal_sequence": anchor.sequence}
    show(told, as_json=as_json, title="trust anchors")
