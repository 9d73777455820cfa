"""The DSO's desk: see what is to be signed, sign or refuse. What is signed is what was checked here, not what came."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from clearing.inspection import inspect, refusal_digest, repeat
from clearing.policy import BeyondPolicy
from clearing.shown import ProgramDiffers, ShownMtu, ShownOrder, ShownProgram, ShownRefusal
from clearing.shown_report import ShownGridState, ShownLimit
from contracts.keystore import read_key
from domain.errors import DominoesError
from domain.hashing import to_hex
from domain.mtu import isoformat_utc, mtu_start
from domain.signing import SigningKey
from domain.words import Side
from scripts.cli.amounts import CT_PER_KWH_NEUR
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
    plain,
    show,
)
from scripts.serving.api_client import ApiClient, open_http
from scripts.serving.desk import Desk, MarketUnknown, open_desk, program_path, refuse_program
from scripts.serving.embedded.keys import load_key
from scripts.serving.embedded.run_desk import keep_policy, open_run_desk
from scripts.serving.embedded.run_folder import KEYS_FOLDER, read_config
from scripts.serving.needs import given, given_path, require
from scripts.serving.production.http import open_service
from scripts.serving.sources import load
from scripts.serving.verifier_process import WRONG

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Settings file of the DSO's own desk; else the run in --state.")
]

sign_app = typer.Typer(
    help="The DSO's desk, and terms and mandates of your own: see what is to be signed, sign or refuse.",
    no_args_is_help=True,
)


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
    """Programs that wait for the DSO's verdict, what is in them, and what is not as it must be or beyond the policy."""
    with _at_desk(config=config, flags=flags, state=state, url=url) as at:
        rows = [_listed(item["market"], item["session"], at) for item in at.client.items("/v1/dso/programs")]
    show({"waiting": rows}, as_json=as_json, title="programs awaiting a verdict")


@sign_app.command("waiting")
@guarded
def sign_waiting(
    config: ConfigOption = None,
    flags: SetOption = None,
    state: StateOption = DEFAULT_STATE,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decide on all programs that wait, without asking anybody, by the DSO's published signing policy.

    What it allows is signed, what it does not allow is refused with what it says. What is not as it must be, or under
    no policy, is left for a person: exit 3.
    """
    with _at_desk(config=config, flags=flags, state=state, url=url) as at:
        waiting = at.client.items("/v1/dso/programs")
        rows = [_decided(item["market"], item["session"], at) for item in waiting]
    show({"decided": rows}, as_json=as_json, title="programs decided by policy")
    if any(row["verdict"] == LEFT for row in rows):
        raise typer.Exit(WRONG)


LEFT = "left for a person"
"""Of a program on which no policy decides."""


def _decided(market: str, session: int, at: _AtDesk) -> dict[str, Any]:
    """What became of a program that waited, and why."""
    row: dict[str, Any] = {"market": market, "session": session}
    try:
        program, orders = ShownProgram.read(at.client.get(program_path(market, session))), _orders(at, market, session)
        pinned = at.desk.pinned(market, program.first_mtu, session)
        if pinned.policy is None:
            return {**row, "verdict": LEFT, "reason": "no version of a signing policy is in force"}
        digest = inspect(program, orders, pinned)
        repeat(program, orders, pinned)
    except BeyondPolicy as error:
        refuse_program(at.client, at.key, at.desk, market=market, session=session, reason=error.reason)
        return {**row, "verdict": "refused", "reason": error.reason}
    except (ProgramDiffers, MarketUnknown) as error:
        return {**row, "verdict": LEFT, "reason": str(error)}
    at.client.hand_in(f"{program_path(market, session)}/signature", {"signature": to_hex(at.key.sign(digest))})
    return {**row, "verdict": "signed", "reason": f"version {pinned.policy.version} of the signing policy allows it"}


@sign_app.command("policy")
@guarded
def publish_policy(
    file: Annotated[Path, typer.Argument(help="The version as `dominoes sign term --as dso` signed it.")],
    config: ConfigOption = None,
    flags: SetOption = None,
    state: StateOption = DEFAULT_STATE,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish the next version of the DSO's signing policy, which then binds each of its signatures under a program.

    It begins after what has been gated by then. Add the file to `desk.policies`; the desk of a run keeps its own.
    """
    with _at_desk(config=config, flags=flags, state=state, url=url) as at:
        done = at.client.hand_in("/v1/dso/policies", json.loads(file.read_text(encoding="utf-8")))
    if config is None and not flags:
        keep_policy(state, file)
    show({**done.answer, "repeated": done.repeated}, as_json=as_json, title="published")


def _orders(at: _AtDesk, market: str, session: int) -> list[ShownOrder]:
    """Every order of the program's books. Raises ProgramDiffers."""
    return ShownOrder.read_all(at.client.get(f"{program_path(market, session)}/orders"))


def _listed(market: str, session: int, at: _AtDesk) -> dict[str, Any]:
    row: dict[str, Any] = {"market": market, "session": session}
    try:
        shown = ShownProgram.read(at.client.get(program_path(market, session)))
        row |= _summary(shown)
        inspect(shown, _orders(at, market, session), at.desk.pinned(market, shown.first_mtu, session))
    except ProgramDiffers as error:
        return {**row, "differences": [str(one) for one in error.mismatches]}
    except BeyondPolicy as error:
        return {**row, "differences": [], "beyond policy": [str(one) for one in error.breaches]}
    except MarketUnknown as error:
        return {**row, "differences": [str(error)]}
    return {**row, "differences": []}


@sign_app.command("program")
@guarded
def sign_program(
    session: Annotated[int, typer.Argument(help="Gate of the session, unix seconds.")],
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

    A verdict that was given before stands: the same one again changes nothing, and is said to be a repeat.

    Exit 3, and nothing signed, where what would be signed is not what the content shown gives, or where the DSO's own
    signing policy does not allow it.
    """
    with _at_desk(config=config, flags=flags, state=state, url=url) as at:
        code = market or next(iter(at.desk.markets))
        path = program_path(code, session)
        # with --json, standard output holds one document and nothing else
        out = errors if as_json else console
        with _exit_where_differing():
            if refuse is None:
                digest = _to_sign(at, code, session, rerun=rerun, out=out)
            else:
                digest = _to_refuse(at, code, session, reason=refuse, out=out)
        require_agreed(out, "sign this?" if refuse is None else "refuse this?", yes=yes)
        signature = to_hex(at.key.sign(digest))
        if refuse is None:
            done = at.client.hand_in(f"{path}/signature", {"signature": signature})
        else:
            done = at.client.hand_in(f"{path}/refusal", {"reason": refuse, "signature": signature})
    if done.repeated:
        out.print("this very verdict was recorded before; nothing changed")
    answer = {**done.answer, "repeated": done.repeated}
    show(answer, as_json=as_json, title="recorded before" if done.repeated else "recorded")


def show_words(out: Console, title: str, words: Mapping[str, Any]) -> None:
    """What is about to be signed, in words, one a line."""
    out.print(f"{title}:")
    for name, said in words.items():
        out.print(plain(f"  {name}: {said}"), highlight=False)


def require_agreed(out: Console, question: str, *, yes: bool) -> None:
    """Ask whoever sits there, if nobody said yes beforehand. Raises Disagreed."""
    if not yes and not _agreed(out, question):
        raise Disagreed


def _agreed(out: Console, question: str) -> bool:
    try:
        return out.input(f"{question} (y/N) ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _to_sign(at: _AtDesk, market: str, session: int, *, rerun: bool, out: Console) -> bytes:
    """The digest to sign, once all was checked and shown. Raises ProgramDiffers, BeyondPolicy."""
    program, orders = ShownProgram.read(at.client.get(program_path(market, session))), _orders(at, market, session)
    pinned = at.desk.pinned(market, program.first_mtu, session)
    digest = inspect(program, orders, pinned)
    if rerun:
        repeat(program, orders, pinned)
    _display(program, out)
    return digest


def _to_refuse(at: _AtDesk, market: str, session: int, *, reason: str, out: Console) -> bytes:
    """The digest to refuse with; a program that can't even be read can be refused. Raises ProgramDiffers."""
    answer = at.client.get(program_path(market, session), reason=reason)
    refusal = ShownRefusal.read(answer)
    digest = refusal_digest(refusal, at.desk.pinned(market, refusal.first_mtu, session), reason=reason)
    try:
        _display(ShownProgram.read(answer), out)
    except ProgramDiffers as error:
        _name(error)
    return digest


@contextmanager
def _exit_where_differing() -> Iterator[None]:
    """Exits with WRONG where anything differs."""
    try:
        yield
    except ProgramDiffers as error:
        _name(error)
        errors.print(f"[red]{error.code}[/red]: {plain(error)}", highlight=False, soft_wrap=True)
        raise typer.Exit(WRONG) from error
    except BeyondPolicy as error:
        for breach in error.breaches:
            errors.print(plain(breach), highlight=False, soft_wrap=True)
        errors.print(f"[red]{error.code}[/red]: {plain(error)}", highlight=False, soft_wrap=True)
        raise typer.Exit(WRONG) from error


def _name(error: ProgramDiffers) -> None:
    for mismatch in error.mismatches:
        errors.print(plain(mismatch), highlight=False, soft_wrap=True)


def _summary(shown: ShownProgram) -> dict[str, Any]:
    """A program in a few lines."""
    states = shown.report.mtus
    busiest = max(states, key=lambda item: item.loading_permille, default=None)
    solved = [state for state in states if state.voltage_highest_micro_pu]
    return {
        "market": shown.market,
        "session": shown.session,
        "MTUs": f"{shown.first_mtu} + {shown.count}",
        "sign until": isoformat_utc(shown.deadline),
        "highest loading (1/1000)": busiest and busiest.loading_permille,
        "loaded most": busiest and f"{busiest.loading_element} in MTU {busiest.mtu}",
        "lowest voltage (1e-6 pu)": min((state.voltage_lowest_micro_pu for state in solved), default=None),
        "highest voltage (1e-6 pu)": max((state.voltage_highest_micro_pu for state in solved), default=None),
        "envelopes": len(shown.envelopes),
        "binding": sorted({_binding(item) for state in states for item in state.binding}),
        "given up": sum(state.given_up for state in states),
    }


def _binding(item: ShownLimit) -> str:
    return f"{item.kind} {item.code} ({item.quantity})"


def _display(shown: ShownProgram, out: Console) -> None:
    """What a DSO's engineer looks at before signing: each MTU, then the program as a whole."""
    title = f"program of {shown.market}, session {shown.session}"
    table = Table(title=plain(title), title_justify="left")
    for column in COLUMNS:
        table.add_column(column)
    states = {state.mtu: state for state in shown.report.mtus}
    for result in shown.results:
        table.add_row(*map(plain, _mtu_row(result, states.get(result.mtu), lot_wh=shown.report.lot_wh)))
    out.print(table)
    for name, item in _summary(shown).items():
        out.print(plain(f"{name}: {item}"), highlight=False)


COLUMNS = (
    "MTU",
    "starts",
    "ct/kWh",
    "traded Wh",
    "export capped Wh",
    "import capped Wh",
    "loading 1/1000",
    "lowest 1e-6 pu",
    "highest 1e-6 pu",
    "binding",
    "given up",
)
"""What is shown of each MTU."""


def _mtu_row(result: ShownMtu, state: ShownGridState | None, *, lot_wh: int) -> tuple[str, ...]:
    """As COLUMNS; nothing of the grid where the report has nothing of the MTU."""
    price = result.price_neur_per_wh
    traded_lots = sum(word.accepted_lots for word in result.words if word.side is Side.BID)
    cleared = (
        str(result.mtu),
        isoformat_utc(mtu_start(result.mtu)),
        "" if price is None else f"{price / CT_PER_KWH_NEUR:.2f}",
        str(traded_lots * lot_wh),
    )
    if state is None:
        return cleared
    return (
        *cleared,
        str(state.capped_export_wh),
        str(state.capped_import_wh),
        f"{state.loading_permille} {state.loading_element}",
        f"{state.voltage_lowest_micro_pu} {state.voltage_lowest_bus}",
        f"{state.voltage_highest_micro_pu} {state.voltage_highest_bus}",
        ", ".join(_binding(item) for item in state.binding),
        "yes" if state.given_up else "",
    )
