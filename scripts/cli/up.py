"""`dominoes up` and `dominoes reset`: the whole system with its demo community."""

from __future__ import annotations

import shutil
import signal
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from types import FrameType
from typing import Annotated

import typer

from domain.errors import DominoesError
from domain.hashing import to_hex
from ledger_service.chain.anvil import anvil_binary
from scripts.cli.common import (
    CACHE,
    DEFAULT_STATE,
    JsonOption,
    MaybeConfigOption,
    SetOption,
    StateOption,
    console,
    errors,
    guarded,
    show,
    work,
)
from scripts.community.grids import parse_day
from scripts.community.meters import TownMeters
from scripts.community.run_config import RunConfig
from scripts.serving.day_plan import plan_of
from scripts.serving.embedded import system as systems
from scripts.serving.embedded.keys import ALL_KEYS_HERE
from scripts.serving.embedded.owner import LOCK_SUFFIX, RUN, hold
from scripts.serving.embedded.processes import end_leftovers
from scripts.serving.embedded.reviving import Reviver
from scripts.serving.embedded.run_folder import (
    CONFIG_FILE,
    KEYS_FOLDER,
    ORGANISATION_KEYS,
    node_url,
    read_config,
    write_config,
)
from scripts.serving.embedded.running import Pace, Runner, Stopped
from scripts.serving.private_files import keep_private
from scripts.serving.sources import load


class GaveUp(DominoesError):
    """Processes of the run die again and again."""

    code = "gave-up"

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the run was stopped: {reason}; nothing committed is lost, the next `make run` goes on")


class RunDiffers(DominoesError):
    """A run was asked for that is not the one in the state folder."""

    code = "run-differs"

    def __init__(self, *, option: str, given: object, stands: object) -> None:
        self.option, self.given, self.stands = option, given, stands
        super().__init__(
            f"{option} is for a new run: it is {given}, of the run in this folder {stands}; leave it out to go on, "
            "`dominoes reset` throws that run away, --state FOLDER begins another one beside it"
        )


NEW_RUN_OPTIONS = {"grid": "--grid", "first_day": "--day", "pv_permille": "--pv"}
"""What is decided once for a run, by the name that its configuration has for it."""


def _check_same(stands: RunConfig, wanted: RunConfig, names: Iterable[str]) -> None:
    """Raise RunDiffers where a run has another one of these than is wanted."""
    for name in names:
        given, there = getattr(wanted, name), getattr(stands, name)
        if given != there:
            raise RunDiffers(option=NEW_RUN_OPTIONS[name], given=given, stands=there)


@guarded
def up(
    state: StateOption = DEFAULT_STATE,
    grid: Annotated[str | None, typer.Option(help="simbench code, for a new run: demo.grid.")] = None,
    day: Annotated[str | None, typer.Option(help="First delivery day, for a new run: demo.first_day.")] = None,
    pv: Annotated[float | None, typer.Option(help="Factor on the grid's own generation: demo.pv.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the API, for a new run: demo.port.")] = None,
    seconds_per_mtu: Annotated[float | None, typer.Option(help="Wall seconds per quarter hour.")] = None,
    last_day: Annotated[
        str | None, typer.Option(help="Last delivery day, from now on; the service goes on after it.")
    ] = None,
    config: MaybeConfigOption = None,
    flags: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start everything and run the market until Ctrl-C; goes on with the run in the state folder if there is one."""
    keep_private()
    given = {"grid": grid, "first_day": day, "pv": pv, "port": port, "seconds_per_mtu": seconds_per_mtu}
    own = [f"demo.{name}={value}" for name, value in given.items() if value is not None]
    demo = load(config, flags=[*(flags or ()), *own]).settings.demo
    parse_day(demo.first_day.isoformat())
    last = None if last_day is None else parse_day(last_day)
    anvil_binary()  # says at once what to install
    stopping = threading.Event()

    def stop(_: int, __: FrameType | None) -> None:
        stopping.set()
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):  # a shell that runs this in the background ignores SIGINT for it
        signal.signal(number, stop)
    errors.print("starting the service, the chain node and the broker …", highlight=False)
    wanted = systems.fresh_config(demo, last_day=last, http_port=demo.port)
    decided = {"grid": grid, "first_day": day, "pv_permille": pv}
    with hold(state, RUN):
        if (state / CONFIG_FILE).exists():
            stands = read_config(state)
            _check_same(stands, wanted, [name for name, value in decided.items() if value is not None])
            if last is not None:
                write_config(state, replace(stands, last_day=last.isoformat()))
        system = systems.start(state=state, cache=CACHE, wanted=wanted)
        try:
            with work():
                _run(system, demo.seconds_per_mtu, stopping, as_json=as_json)
        except (KeyboardInterrupt, Stopped):
            errors.print("stopping …", highlight=False)
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            system.stop()
    errors.print("stopped; the next `make run` goes on from here", highlight=False)


def _run(system: systems.System, seconds_per_mtu: float, stopping: threading.Event, *, as_json: bool) -> None:
    first = plan_of(date.fromisoformat(system.config.first_day), gate_local=system.config.gate_local)
    if system.fresh or not system.town.public.items("/v1/areas"):
        errors.print("registering the community …", highlight=False)
    system.town.register(valid_from_mtu=first.mtus.first - 1, tick=lambda done, of: None)
    systems.start_attesters(system)
    show(_facts(system), as_json=as_json, title="DOMINOES is running")
    meters = TownMeters(town=system.town, state=system.state, readings_per_message=1)
    say: Callable[[str], None] = lambda text: console.print(text, highlight=False)  # noqa: E731 - one printer
    reasons: list[str] = []

    def give_up(reason: str) -> None:
        reasons.append(reason)
        stopping.set()

    try:
        with Reviver(system=system, say=say, gave_up=give_up):
            pace = Pace(seconds=seconds_per_mtu, stopping=stopping)
            Runner(system=system, meters=meters, pace=pace, progress=lambda *_: None, say=say).run()
            stopping.wait()
    except Stopped:
        if not reasons:
            raise
    finally:
        meters.stop()
    if reasons:
        raise GaveUp(reason=reasons[0])


def _facts(system: systems.System) -> dict[str, object]:
    """Where everything is, and who may log in with which key."""
    organisations = system.town.organisations
    house = system.town.households[0]
    return {
        "API": f"{system.config.service_url}/v1",
        "API documentation": f"{system.config.service_url}/docs",
        "metrics": f"{system.config.service_url}/metrics",
        "chain node (JSON-RPC)": node_url(system.state),
        "MQTT broker": f"127.0.0.1:{system.config.mqtt_port}",
        "metering points": len(system.town.households),
        "state folder": str(system.state),
        "keystores": f"{system.state / KEYS_FOLDER}: {ALL_KEYS_HERE}",
        "accounts": {name: to_hex(organisations[name].address) for name in (*ORGANISATION_KEYS[:-1], "retailer")}
        | {"prosumer (first of the households)": to_hex(house.account.address)},
        "log in": "dominoes market token --role <name>",
    }


@guarded
def reset(
    state: StateOption = DEFAULT_STATE,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Throw the run in the state folder away, keys and all."""
    if not state.exists():
        console.print(f"{state} holds nothing")
        return
    leavings = [path for path in state.iterdir() if path.suffix != LOCK_SUFFIX]
    if leavings and not (state / CONFIG_FILE).exists():
        raise typer.BadParameter(f"{state} is no state folder of a run; it is left alone")
    if not yes:
        typer.confirm(f"delete {state} with its keys, record and chain?", abort=True)
    with hold(state, RUN):
        end_leftovers(state.resolve())
        shutil.rmtree(state)
    console.print(f"{state} is gone; `make run` begins afresh")
