"""`dominoes handover`: an area goes to another deployment, agreed by its roles; its accounts are taken over there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contracts.bindings import Handovers
from domain.hashing import text_id, to_hex
from domain.mtu import isoformat_utc
from domain.signing import SIGNATURE_BYTES
from scripts.cli.chain_desk import ConfigOption, open_desk, send_call
from scripts.cli.common import (
    DEFAULT_STATE,
    EXIT_FAILED,
    JsonOption,
    SetOption,
    StateOption,
    address_of,
    console,
    guarded,
    hex_of,
    show,
    show_rows,
    work,
)
from scripts.community.grids import parse_day
from scripts.serving.deployment_file import checked_deployment
from scripts.serving.production.handover import (
    accounts_to_take_over,
    agreement,
    handover_digest,
    handover_to,
    standing,
    take_over,
)

AreaArgument = Annotated[str, typer.Argument(help="The area that goes.")]
FromOption = Annotated[Path, typer.Option("--from", help="Deployment file of the contracts that the area leaves.")]
ToOption = Annotated[Path, typer.Option("--to", help="Deployment file of the contracts that take over.")]
DeadlineOption = Annotated[int, typer.Option("--deadline", help="Until when signatures count: market time, unix s.")]
SignatureOption = Annotated[str, typer.Option(help="What `dominoes handover sign` printed there.")]

handover_app = typer.Typer(
    help="From one deployment to the next: operator, DSO and attesters sign, the registrar agrees, accounts go over.",
    no_args_is_help=True,
)


@handover_app.command("prepare")
@guarded
def handover_prepare(
    new: Annotated[Path, typer.Option("--new", help="State folder of the run that takes over.")],
    first_day: Annotated[str, typer.Option("--first-day", help="Its first delivery day: the one after the last.")],
    state: StateOption = DEFAULT_STATE,
) -> None:
    """For a demo: make the run that takes over from the one in the state folder, which must be running, deploy its
    contracts on that one's chain, and write settings for those who sign."""
    # it knows the service, which the other commands can do without
    from scripts.serving.embedded.successor import SETTINGS_FOLDER, prepare

    with work():
        prepare(before=state, state=new, first_day=parse_day(first_day))
    console.print(f"{new} is prepared; who signs finds settings in {new / SETTINGS_FOLDER}", markup=False)


@handover_app.command("sign")
@guarded
def handover_sign(
    area: AreaArgument,
    to: ToOption,
    deadline: DeadlineOption,
    config: ConfigOption,
    flags: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sign that the area goes there after its last declared period: operator, DSO, attesters, each with its own key."""
    with open_desk(config, flags) as desk:
        successor = checked_deployment(to, rpc=desk.rpc)
        handover = handover_to(successor, rpc=desk.rpc, deployment=desk.deployment, area=area, deadline=deadline)
        signature = desk.key.sign(handover_digest(handover, deployment=desk.deployment))
    told = {"period": handover.period, "codes_hash": to_hex(handover.codes_hash), "signature": to_hex(signature)}
    show(told, as_json=as_json, title="signed")


@handover_app.command("agree")
@guarded
def handover_agree(
    area: AreaArgument,
    to: ToOption,
    deadline: DeadlineOption,
    operator: SignatureOption,
    dso: SignatureOption,
    attester: Annotated[list[str], typer.Option(help="The same of an attester, as many as must agree.")],
    config: ConfigOption,
    flags: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring the agreement on chain, with the registrar's key."""
    by_operator, by_dso, *by_attesters = (
        hex_of(text, size=SIGNATURE_BYTES, what="signature") for text in (operator, dso, *attester)
    )
    with open_desk(config, flags) as desk:
        successor = checked_deployment(to, rpc=desk.rpc)
        handover = handover_to(successor, rpc=desk.rpc, deployment=desk.deployment, area=area, deadline=deadline)
        call = agreement(
            handover,
            deployment=desk.deployment,
            successor=successor,
            operator=by_operator,
            dso=by_dso,
            attesters=by_attesters,
        )
        desk.send(call, as_json=as_json)


@handover_app.command("withdraw")
@guarded
def handover_withdraw(
    area: AreaArgument, config: ConfigOption, flags: SetOption = None, as_json: JsonOption = False
) -> None:
    """Withdraw an agreement before it takes effect: registrar, operator, DSO or a security admin."""
    send_call(config, flags, Handovers.withdraw(area=text_id(area)), as_json=as_json)


@handover_app.command("take-over")
@guarded
def handover_take_over(
    account: Annotated[str, typer.Argument(help="Address of an account of the deployment before.")],
    config: ConfigOption,
    flags: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take over an account into the deployment of the settings, or what reached it later; anyone may."""
    call = Handovers.take_over(account=address_of(account))
    send_call(config, flags, call, as_json=as_json)


@handover_app.command("take-over-all")
@guarded
def handover_take_over_all(
    area: AreaArgument,
    before: FromOption,
    config: ConfigOption,
    flags: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take over all accounts of an area; anyone may, and again: what went over does not go twice. Exit 1 where some
    were refused."""
    rows = []
    with open_desk(config, flags) as desk, work():
        predecessor = checked_deployment(before, rpc=desk.rpc)
        for account in accounts_to_take_over(area=area, rpc=desk.rpc, deployment=predecessor):
            done = take_over(account, desk=desk.sender)
            rows.append({"account": to_hex(account), "outcome": done.outcome, "reason": done.reason})
    show_rows(rows, as_json=as_json, title="accounts")
    if any(row["outcome"] == "refused" for row in rows):
        raise typer.Exit(EXIT_FAILED)


@handover_app.command("show")
@guarded
def handover_show(
    area: AreaArgument, config: ConfigOption, flags: SetOption = None, as_json: JsonOption = False
) -> None:
    """Where the area stands: agreed, in effect, its last period Final."""
    with open_desk(config, flags) as desk:
        found = standing(area=area, rpc=desk.rpc, deployment=desk.deployment)
    told = {
        "successor": to_hex(found.successor) if found.agreed else None,
        "after_period": found.period if found.agreed else None,
        "in_effect_from": isoformat_utc(found.effective_at) if found.agreed else None,
        "in_effect": found.in_effect,
        "periods_declared": found.declared,
        "periods_final": found.final,
        "accounts_may_go": found.ended,
    }
    show(told, as_json=as_json, title=area)
