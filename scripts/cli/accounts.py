"""`dominoes account`: an account gives way to a successor, with its own key, or by a proposal where that was lost.

Each party works with a key and a node of its own; the service follows what the chain says.
"""

from __future__ import annotations

from typing import Annotated

import typer

from contracts.bindings import Accounts, Successions
from domain.eip712 import ACCOUNT_REPLACEMENT
from domain.hashing import to_hex
from domain.mtu import isoformat_utc
from domain.signing import SIGNATURE_BYTES
from scripts.cli.chain_desk import ConfigOption, open_desk, send_call
from scripts.cli.common import JsonOption, SetOption, address_of, guarded, hex_of, show

AccountArgument = Annotated[str, typer.Argument(help="Address of the account that gives way.")]
SuccessorArgument = Annotated[str, typer.Argument(help="Address of the account that takes its place.")]
DeadlineOption = Annotated[int, typer.Option("--deadline", help="Until when signatures count: market time, unix s.")]
SignatureOption = Annotated[str, typer.Option(help="What `dominoes account sign` printed there.")]

NOBODY = bytes(20)

account_app = typer.Typer(
    help="An account gives way to a successor: both sign; or, its key lost, registrar and guarantor propose one.",
    no_args_is_help=True,
)


@account_app.command("sign")
@guarded
def account_sign(
    account: AccountArgument,
    successor: SuccessorArgument,
    deadline: DeadlineOption,
    config: ConfigOption,
    flags: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what is signed and sign it: the account, its successor or its guarantor, each with its own key."""
    values = {"account": address_of(account), "successor": address_of(successor), "deadline": deadline}
    with open_desk(config, flags) as desk:
        domain = desk.deployment.domain("Successions")
        shown = ACCOUNT_REPLACEMENT.typed_data(domain=domain, values=values)
        signature = desk.key.sign(domain.digest(ACCOUNT_REPLACEMENT, values))
    told = {"typed_data": shown, "signer": to_hex(desk.key.address), "signature": to_hex(signature)}
    show(told, as_json=as_json, title="signed")


@account_app.command("replace")
@guarded
def account_replace(
    account: AccountArgument,
    successor: SuccessorArgument,
    deadline: DeadlineOption,
    by_account: SignatureOption,
    by_successor: SignatureOption,
    config: ConfigOption,
    flags: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring a replacement that both signed on chain; anyone may. It is done at once."""
    signed, agreed = (hex_of(text, size=SIGNATURE_BYTES, what="signature") for text in (by_account, by_successor))
    call = Successions.replace_account(
        account=address_of(account),
        successor=address_of(successor),
        deadline=deadline,
        account_signature=signed,
        successor_signature=agreed,
    )
    send_call(config, flags, call, as_json=as_json)


@account_app.command("propose")
@guarded
def account_propose(
    account: AccountArgument,
    successor: SuccessorArgument,
    deadline: DeadlineOption,
    by_guarantor: SignatureOption,
    by_successor: SignatureOption,
    config: ConfigOption,
    flags: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Propose a successor for an account whose key was lost, with the registrar's key.

    Where nobody but itself guarantees for the account, an operator of its area signs in the guarantor's place.
    """
    signed, agreed = (hex_of(text, size=SIGNATURE_BYTES, what="signature") for text in (by_guarantor, by_successor))
    call = Successions.propose_successor(
        account=address_of(account),
        successor=address_of(successor),
        deadline=deadline,
        guarantor_signature=signed,
        successor_signature=agreed,
    )
    send_call(config, flags, call, as_json=as_json)


@account_app.command("show")
@guarded
def account_show(
    account: AccountArgument, config: ConfigOption, flags: SetOption = None, as_json: JsonOption = False
) -> None:
    """Who took an account's place, or is proposed to, and from when on it may."""
    with open_desk(config, flags) as desk:
        addresses, of = desk.deployment.addresses, address_of(account)
        accounts = Accounts(rpc=desk.rpc, address=addresses["Accounts"])
        succession = Successions(rpc=desk.rpc, address=addresses["Successions"]).succession_of(account=of)
        replaced_by, guarantor = accounts.successor_of(account=of), accounts.guarantor_of(account=of)
    told = {
        "account": to_hex(of),
        "replaced_by": None if replaced_by == NOBODY else to_hex(replaced_by),
        "guarantor": None if guarantor == NOBODY else to_hex(guarantor),
        "proposed": to_hex(succession.successor) if succession.ready_at else None,
        "may_take_over_from": isoformat_utc(succession.ready_at) if succession.ready_at else None,
    }
    show(told, as_json=as_json, title="account")


@account_app.command("cancel")
@guarded
def account_cancel(
    account: AccountArgument, config: ConfigOption, flags: SetOption = None, as_json: JsonOption = False
) -> None:
    """Withdraw a proposed successor, with the account's old key or the registrar's."""
    send_call(config, flags, Successions.cancel_successor(account=address_of(account)), as_json=as_json)


@account_app.command("succeed")
@guarded
def account_succeed(
    account: AccountArgument, config: ConfigOption, flags: SetOption = None, as_json: JsonOption = False
) -> None:
    """Let a proposed successor take over once its delay has passed; anyone may, and the service does."""
    send_call(config, flags, Successions.succeed(account=address_of(account)), as_json=as_json)
