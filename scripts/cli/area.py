"""A whole area from a folder of CSV files: checked, signed by each party in one go, registered."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from domain.eip712 import AGREEMENT
from domain.errors import DominoesError
from domain.hashing import to_hex
from grid.model import GridModel
from scripts.area_folder.checking import faults_of
from scripts.area_folder.reading import FILES, AreaFolder, LineFault, columns_of, read_folder
from scripts.area_folder.registering import register, registered_in
from scripts.area_folder.signatures import Gathered, gathered, read_signatures, sign
from scripts.cli.caller import Acting, acting
from scripts.cli.common import (
    EXIT_FAILED,
    EXIT_USAGE,
    Bars,
    JsonOption,
    console,
    errors,
    plain,
    progress_bars,
    show,
    show_rows,
)
from scripts.cli.sign import require_agreed
from scripts.serving.api_client import ApiClient

area_app = typer.Typer(
    help="A whole area from a folder of CSV files: check it, sign it, register it.", no_args_is_help=True
)

PARTIES = ("account", "retailer", "dso", "registrar")
"""Who signs parts of the terms of an area."""

FolderArgument = Annotated[Path, typer.Argument(help=f"The folder, with {', '.join(FILES)} or some of them.")]
AreaOption = Annotated[str, typer.Option(help="Code of the area.")]
GridOption = Annotated[Path | None, typer.Option(help="The area's grid model (JSON); without it points go unchecked.")]


class GridUnlike(DominoesError):
    """The grid model at hand is not the area's."""

    code = "grid-unlike"

    def __init__(self, *, path: Path, area: str) -> None:
        self.path, self.area = path, area
        super().__init__(f"{path} is not the grid model of {area}; give the one that the area was defined with")


@area_app.command("columns")
def area_columns() -> None:
    """The files and their columns. `valid_from_mtu` is an MTU or a time; energy and money as everywhere in the API."""
    show_rows(
        [{"file": file, "columns": ",".join(columns_of(kind))} for file, kind in FILES.items()],
        as_json=False,
        title="files",
    )


@area_app.command("check")
@acting
def area_check(
    who: Acting, folder: FolderArgument, area: AreaOption, grid: GridOption = None, as_json: JsonOption = False
) -> None:
    """Say everything that is wrong with a folder, with file and line, and which signatures lack; nothing is sent."""
    with who.open() as http:
        found = _checked(who.client(http), folder, area=area, grid=grid, as_json=as_json)
    told = _gathered(who, folder, found)
    show(_told(found, told), as_json=as_json, title="would be registered")


@area_app.command("sign")
@acting
def area_sign(
    who: Acting,
    folder: FolderArgument,
    area: AreaOption,
    party: Annotated[str, typer.Option("--for", help="account, retailer, dso or registrar: for whom you sign.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Sign all that binds you in a folder, into a file of your own below `signatures/`; no service is asked."""
    if party not in PARTIES:
        raise typer.BadParameter(f"{party!r} signs nothing here: {', '.join(PARTIES)} do", param_hint="--for")
    found, key = read_folder(folder, area=area), who.key()
    _end_where(found.faults, as_json=as_json)
    out = errors if as_json else console
    out.print(f"{plain(folder)} holds {_counts(found)}; {to_hex(key.address)} signs what binds it as {plain(party)}")
    require_agreed(out, "sign this?", yes=yes)
    file, count = sign(folder, found.rows, party=party, key=key, domain=who.domain(AGREEMENT))
    show({"file": str(file), "signatures": count}, as_json=as_json, title="signed")


@area_app.command("register")
@acting
def area_register(
    who: Acting, folder: FolderArgument, area: AreaOption, grid: GridOption = None, as_json: JsonOption = False
) -> None:
    """Register a folder's terms, as the registrar, once all are signed. Called again, it goes on where it was."""
    with who.open() as http, progress_bars() as progress:
        client = who.client(http)
        found = _checked(client, folder, area=area, grid=grid, as_json=as_json)
        told = _gathered(who, folder, found)
        if told.missing:
            show(_told(found, told), as_json=as_json, title="not registered: signatures lack")
            raise typer.Exit(EXIT_USAGE)
        bars: Callable[[str, int, int], None] = Bars(progress)
        outcome = register(client, told.rows, tick=lambda done, of: bars("registered", done, of))
    counts: dict[str, Any] = {"new": outcome.new, "there already": outcome.repeated, "refused": len(outcome.refused)}
    if as_json:
        counts |= {"faults": [str(fault) for fault in outcome.refused]}
    else:
        _say(outcome.refused, as_json=False)
    show(counts, as_json=as_json, title="registered")
    if outcome.refused:
        raise typer.Exit(EXIT_FAILED)


def _checked(client: ApiClient, folder: Path, *, area: str, grid: Path | None, as_json: bool) -> AreaFolder:
    """A folder without a fault; else all of them are said and the command ends."""
    found = read_folder(folder, area=area)
    model = None if grid is None else _grid_of(client, grid, area)
    _end_where(faults_of(found, grid=model, registered=registered_in(client, area)), as_json=as_json)
    return found


def _end_where(faults: list[LineFault], *, as_json: bool) -> None:
    """Say all faults and end the command, where there are any."""
    _say(faults, as_json=as_json)
    if faults:
        raise typer.Exit(EXIT_USAGE)


def _grid_of(client: ApiClient, path: Path, area: str) -> GridModel:
    """The area's grid model. Raises BadGrid, GridUnlike."""
    model = GridModel.from_json(path.read_bytes())
    if client.get(f"/v1/areas/{area}")["grid_model_hash"] != to_hex(model.grid_model_hash):
        raise GridUnlike(path=path, area=area)
    return model


def _gathered(who: Acting, folder: Path, found: AreaFolder) -> Gathered:
    return gathered(found.rows, read_signatures(folder), domain=who.domain(AGREEMENT))


def _say(faults: list[LineFault], *, as_json: bool) -> None:
    if as_json and faults:
        console.print_json(json.dumps({"faults": [str(fault) for fault in faults]}))
    for fault in () if as_json else faults:
        errors.print(plain(fault), highlight=False, soft_wrap=True)


def _counts(found: AreaFolder) -> str:
    return ", ".join(f"{len(found.of(kind))} {file.removesuffix('.csv')}" for file, kind in FILES.items())


def _told(found: AreaFolder, told: Gathered) -> dict[str, Any]:
    counts = {file.removesuffix(".csv"): len(found.of(kind)) for file, kind in FILES.items()}
    return counts | {"signatures that lack": dict(told.missing) or "none"}
