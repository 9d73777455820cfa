"""The DSO's desk: see what is to be signed, sign or refuse. What is signed is what was checked here, not what came."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from clearing.inspection import Pinned, inspect, refusal_digest, repeat
from clearing.shown import ProgramDiffers, ShownOrder, ShownProgram, ShownRefusal
from contracts.keystore import read_key
from domain.errors import DominoesError
from domain.hashing import to_hex
from domain.signing import SigningKey
from domain.words import OrderWord, Side
from scripts.cli.clients import UrlOption
from scripts.cli.common import (
    CACHE,
    DEFAULT_STATE,
    JsonOption,
    SetOption,
    StateOption,
    console,
    errors,
    guarded,
    show,
)
from scripts.serving.api_client import ApiClient, open_http
from scripts.serving.desk import Desk, MarketUnknown, open_desk, open_run_desk
from scripts.serving.embedded.keys import load_key
from scripts.serving.embedded.run_config import KEYS_FOLDER, read_config
from scripts.serving.needs import given, given_path, require
from scripts.serving.production.http import open_service
from scripts.serving.sources import load
from scripts.serving.verifier_process import WRONG

CT_PER_KWH_NEUR = 10_000
"""nEUR/Wh in one ct/kWh."""

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Settings file of the DSO's own desk; else the run in --state.")
]

sign_app = typer.Typer(help="The DSO's desk: see what is to be signed, sign or refuse.", no_args_is_help=True)


class Disagreed(DominoesError):
    """Somebody was asked to confirm and did not."""

    code = "not-confirmed"

    def __init__(self) -> None:
        super().__init__("nothing was signed; call again with --yes to sign without being asked")


@dataclass(frozen=True)
class _AtDesk:
    """What a DSO works with: what it knows by itself, its key, its login at the service."""

    desk: Desk
    key: SigningKey
    client: ApiClient


@contextmanager
def _at_desk(*, config: Path | None, flags: list[str] | None, state: Path, url: str | None) -> Iterator[_AtDesk]:
    """The desk of the DSO's own settings file; without one, that of the embedded run, whose DSO is the demo's."""
    if config is not None or flags:
        settings = load(config, flags=flags or ()).settings
        require(settings, "desk")
        section = settings.desk
        desk = open_desk(section)
        key = read_key(keystore=given_path(section.keystore), password_file=given_path(section.password_file))
        http = open_service(url or given(section.service_url), ca=section.service_ca)
    else:
        desk, key = open_run_desk(state, cache=CACHE), load_key(state / KEYS_FOLDER, "dso")
        http = open_http(url or read_config(state).service_url)
    with http:
        yield _AtDesk(desk=desk, key=key, client=ApiClient(http=http, key=key))


@sign_app.command("list")
@guarded
def sign_list(
    config: ConfigOption = None,
    flags: SetOption = None,
    state: StateOption = DEFAULT_STATE,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Programs that wait for the DSO's verdict, what is in them, and what in them is not as it must be."""
    with _at_desk(config=config, flags=flags, state=state, url=url) as at:
        rows = [
            _listed(at.client.get(f"/v1/dso/programs/{item['market']}/{item['program']}"), at.desk)
            for item in at.client.items("/v1/dso/programs")
        ]
    show({"waiting": rows}, as_json=as_json, title="programs awaiting a verdict")


def _listed(shown: dict[str, Any], desk: Desk) -> dict[str, Any]:
    try:
        inspect(ShownProgram.read(shown), desk.pinned(shown["market"], shown["first_mtu"]))
    except ProgramDiffers as error:
        return {**_summary(shown), "differences": [str(one) for one in error.mismatches]}
    except MarketUnknown as error:
        return {**_summary(shown), "differences": [str(error)]}
    return {**_summary(shown), "differences": []}


@sign_app.command("program")
@guarded
def sign_program(
    program: Annotated[int, typer.Argument(help="Number of the program.")],
    market: Annotated[str | None, typer.Option(help="Market code; else the first one that the desk knows.")] = None,
    refuse: Annotated[str | None, typer.Option(help="Refuse it, with this reason.")] = None,
    rerun: Annotated[bool, typer.Option(help="Clear and validate it again here, and compare.")] = True,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigOption = None,
    flags: SetOption = None,
    state: StateOption = DEFAULT_STATE,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a program and show it, then sign it with the DSO's key, or refuse it.

    Exit 3, and nothing signed, where what would be signed is not what the content shown gives.
    """
    with _at_desk(config=config, flags=flags, state=state, url=url) as at:
        code = market or next(iter(at.desk.markets))
        path = f"/v1/dso/programs/{code}/{program}"
        shown = at.client.get(path) if refuse is None else at.client.get(path, reason=refuse)
        pinned = at.desk.pinned(code, shown["first_mtu"])
        digest = _checked(at.client, path, shown, pinned, refuse=refuse, rerun=rerun)
        # with --json, standard output holds one document and nothing else
        out = errors if as_json else console
        _display(shown, out)
        if not yes and not _agreed(out, "sign this?" if refuse is None else "refuse this?"):
            raise Disagreed
        signature = to_hex(at.key.sign(digest))
        if refuse is None:
            answer = at.client.post(f"{path}/signature", {"signature": signature})
        else:
            answer = at.client.post(f"{path}/refusal", {"reason": refuse, "signature": signature})
    show(answer, as_json=as_json, title="recorded")


def _agreed(out: Console, question: str) -> bool:
    try:
        return out.input(f"{question} (y/N) ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _checked(
    client: ApiClient, path: str, shown: dict[str, Any], pinned: Pinned, *, refuse: str | None, rerun: bool
) -> bytes:
    """The digest to sign. Exits with WRONG where anything differs."""
    try:
        if refuse is not None:
            return refusal_digest(ShownRefusal.read(shown), pinned, reason=refuse)
        program = ShownProgram.read(shown)
        digest = inspect(program, pinned)
        if rerun:
            repeat(program, ShownOrder.read_all(client.get(f"{path}/orders")["items"]), pinned)
        return digest
    except ProgramDiffers as error:
        for mismatch in error.mismatches:
            errors.print(str(mismatch), highlight=False, soft_wrap=True)
        errors.print(f"[red]{error.code}[/red]: {error}", highlight=False, soft_wrap=True)
        raise typer.Exit(WRONG) from error


def _summary(shown: dict[str, Any]) -> dict[str, Any]:
    """A program in a few lines."""
    mtus = shown["report"]["mtus"]
    busiest = max(mtus, key=lambda item: item["loading_permille"])
    solved = [mtu for mtu in mtus if mtu["voltage_highest_micro_pu"]]
    return {
        "market": shown["market"],
        "program": shown["program"],
        "MTUs": f"{shown['first_mtu']} + {shown['count']}",
        "sign until": shown["deadline_utc"],
        "highest loading (1/1000)": busiest["loading_permille"],
        "loaded most": f"{busiest['loading_element']} in MTU {busiest['mtu']}",
        "lowest voltage (1e-6 pu)": min((mtu["voltage_lowest_micro_pu"] for mtu in solved), default=None),
        "highest voltage (1e-6 pu)": max((mtu["voltage_highest_micro_pu"] for mtu in solved), default=None),
        "envelopes": len(shown["envelopes"]),
        "binding": sorted({_binding(item) for mtu in mtus for item in mtu["binding"]}),
        "given up": sum(1 for mtu in mtus if mtu["given_up"]),
    }


def _binding(item: dict[str, Any]) -> str:
    return f"{item['kind']} {item['code']} ({item['quantity']})"


def _display(shown: dict[str, Any], out: Console) -> None:
    """What a DSO's engineer looks at before signing: each MTU, then the program as a whole."""
    lot_wh = shown["report"]["lot_wh"]
    rows = [
        _mtu_row(result, entry, lot_wh=lot_wh)
        for result, entry in zip(shown["results"], shown["report"]["mtus"], strict=True)
    ]
    table = Table(*rows[0], title=f"program {shown['program']} of {shown['market']}", title_justify="left")
    for row in rows:
        table.add_row(*row.values())
    out.print(table)
    for name, item in _summary(shown).items():
        out.print(f"{name}: {item}", highlight=False)


def _mtu_row(result: dict[str, Any], entry: dict[str, Any], *, lot_wh: int) -> dict[str, str]:
    words = [OrderWord.unpack(int(text, 16)) for text in result["words"]]
    price = result["price_neur_per_wh"]
    traded_lots = sum(word.accepted_lots for word in words if word.side is Side.BID)
    return {
        "MTU": str(result["mtu"]),
        "starts": result["starts"],
        "ct/kWh": "" if price is None else f"{price / CT_PER_KWH_NEUR:.2f}",
        "traded Wh": str(traded_lots * lot_wh),
        "export capped Wh": str(entry["capped_export_wh"]),
        "import capped Wh": str(entry["capped_import_wh"]),
        "loading 1/1000": f"{entry['loading_permille']} {entry['loading_element']}",
        "lowest 1e-6 pu": f"{entry['voltage_lowest_micro_pu']} {entry['voltage_lowest_bus']}",
        "highest 1e-6 pu": f"{entry['voltage_highest_micro_pu']} {entry['voltage_highest_bus']}",
        "binding": ", ".join(_binding(item) for item in entry["binding"]),
        "given up": "yes" if entry["given_up"] else "",
    }
