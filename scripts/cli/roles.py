"""`dominoes roles`: who may do what on chain, and the steps by which security admins and new keys change it."""

from __future__ import annotations

from typing import Annotated

import typer

from contracts.bindings import Roles
from contracts.bindings.roles import Grant
from contracts.deploy import ALL_AREAS, ROLE_NUMBERS
from domain.hashing import text_id
from scripts.cli.chain_desk import ConfigOption, open_desk, send_call
from scripts.cli.common import ADDRESS_BYTES, JsonOption, SetOption, address_of, guarded, show

KeyArgument = Annotated[str, typer.Argument(help="Address of the key that it is about.")]
NewKeyArgument = Annotated[str, typer.Argument(help="Address of the key that takes over.")]

RoleOption = Annotated[str, typer.Option(help=", ".join(ROLE_NUMBERS))]
OrganisationOption = Annotated[str, typer.Option(help="Name of the organisation that holds the key.")]
AreaOption = Annotated[str | None, typer.Option(help="Area it counts in; else all areas.")]

NO_KEY = bytes(ADDRESS_BYTES)
"""A grant that replaces no other key."""

roles_app = typer.Typer(
    help="Roles on chain: a security admin proposes, one of another organisation agrees, the new key accepts.",
    no_args_is_help=True,
)


def _grant(*, key: str, role: str, organisation: str, area: str | None) -> Grant:
    if role not in ROLE_NUMBERS:
        raise typer.BadParameter(f"{role!r} is none of {', '.join(ROLE_NUMBERS)}", param_hint="--role")
    return Grant(
        key=address_of(key),
        role=ROLE_NUMBERS[role],
        organisation=text_id(organisation),
        area=ALL_AREAS if area is None else text_id(area),
    )


@roles_app.command("show")
@guarded
def roles_show(key: KeyArgument, config: ConfigOption, flags: SetOption = None, as_json: JsonOption = False) -> None:
    """What a key holds, and what is proposed for it."""
    with open_desk(config, flags) as desk:
        found = desk.sender.show(address_of(key))
    show(found, as_json=as_json, title="roles")


@roles_app.command("propose-grant")
@guarded
def propose_grant(
    key: KeyArgument,
    role: RoleOption,
    organisation: OrganisationOption,
    config: ConfigOption,
    area: AreaOption = None,
    flags: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Security admin: propose that a key receives a role."""
    grant = _grant(key=key, role=role, organisation=organisation, area=area)
    send_call(config, flags, Roles.propose_grant(grant=grant), as_json=as_json)


@roles_app.command("propose-replacement")
@guarded
def propose_replacement(
    key: KeyArgument,
    new_key: NewKeyArgument,
    config: ConfigOption,
    flags: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Security admin: propose that a new key takes over what another one holds."""
    call = Roles.propose_replacement(key=address_of(key), new_key=address_of(new_key))
    send_call(config, flags, call, as_json=as_json)


@roles_app.command("propose-revocation")
@guarded
def propose_revocation(
    key: KeyArgument, config: ConfigOption, flags: SetOption = None, as_json: JsonOption = False
) -> None:
    """Security admin: propose that a key loses its role."""
    send_call(config, flags, Roles.propose_revocation(key=address_of(key)), as_json=as_json)


@roles_app.command("confirm")
@guarded
def confirm(
    key: KeyArgument,
    role: RoleOption,
    organisation: OrganisationOption,
    config: ConfigOption,
    area: AreaOption = None,
    replaces: Annotated[str | None, typer.Option(help="Address of the key whose role it takes over.")] = None,
    flags: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Security admin of another organisation: agree to just this grant or replacement; any other is refused."""
    grant = _grant(key=key, role=role, organisation=organisation, area=area)
    call = Roles.confirm_grant(grant=grant, replaces=NO_KEY if replaces is None else address_of(replaces))
    send_call(config, flags, call, as_json=as_json)


@roles_app.command("revoke")
@guarded
def revoke(key: KeyArgument, config: ConfigOption, flags: SetOption = None, as_json: JsonOption = False) -> None:
    """Security admin of another organisation: complete a revocation after its delay."""
    send_call(config, flags, Roles.revoke(key=address_of(key)), as_json=as_json)


@roles_app.command("cancel")
@guarded
def cancel(key: KeyArgument, config: ConfigOption, flags: SetOption = None, as_json: JsonOption = False) -> None:
    """Security admin: withdraw what is proposed for a key."""
    send_call(config, flags, Roles.cancel_proposal(key=address_of(key)), as_json=as_json)


@roles_app.command("accept")
@guarded
def accept(config: ConfigOption, flags: SetOption = None, as_json: JsonOption = False) -> None:
    """The new key itself: complete a confirmed grant or replacement after its delay."""
    send_call(config, flags, Roles.accept_grant(), as_json=as_json)


@roles_app.command("pause")
@guarded
def pause(config: ConfigOption, flags: SetOption = None, as_json: JsonOption = False) -> None:
    """Security admin: stop new books, programs and clearings; money and readings go on."""
    send_call(config, flags, Roles.pause(), as_json=as_json)


@roles_app.command("unpause")
@guarded
def unpause(config: ConfigOption, flags: SetOption = None, as_json: JsonOption = False) -> None:
    """Security admin: end the pause before it ends by itself."""
    send_call(config, flags, Roles.unpause(), as_json=as_json)
