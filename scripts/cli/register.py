"""The registry on the command line: signed terms are handed in, device keys registered, what is there is listed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from domain.eip712 import KEY_REGISTRATION
from domain.hashing import text_id, to_hex
from domain.members import noun_json
from domain.orders import HASH_BYTES
from domain.parties import Meter, Participant
from domain.signed_terms import Term
from domain.terms import Agreement, Tariff, TermEnd
from scripts.cli.amounts import mtu_in_words, mtu_typed
from scripts.cli.caller import Acting, acting, hand_in_receipted
from scripts.cli.common import JsonOption, address_of, console, errors, show_rows
from scripts.cli.sign import require_agreed, show_words
from scripts.cli.sign_term import read_signed

register_app = typer.Typer(
    help="The registry: hand in signed terms, register your device's key, see who is there.", no_args_is_help=True
)

PATHS: dict[type[Term], str] = {
    Participant: "/v1/participants",
    Meter: "/v1/meters",
    Agreement: "/v1/agreements",
    Tariff: "/v1/tariffs",
    TermEnd: "/v1/ends",
}
"""Where the API takes terms of each kind."""

LISTS = {
    "participants": ("participant", "kind", "account", "point", "valid_from_utc"),
    "meters": ("meter", "point", "public_key", "valid_from_utc"),
    "agreements": ("agreement", "version", "account", "retailer", "tariff", "valid_from_utc"),
    "tariffs": ("tariff", "version", "retailer", "supply_neur_per_wh", "feed_in_neur_per_wh", "valid_from_utc"),
    "ends": ("term", "name", "account", "end_mtu"),
}
"""What each list of the registry shows."""


@register_app.command("term")
@acting
def register_term(
    who: Acting,
    file: Annotated[Path, typer.Argument(help="A participant, meter, agreement, tariff or end, fully signed.")],
    as_json: JsonOption = False,
) -> None:
    """Hand a term in, once `dominoes sign term` gave it all its signatures: as the registrar, or an end as its party.

    Keep the receipt: it proves that the term was recorded. `--json` prints it as `dominoes receipt` reads it.
    """
    term = read_signed(file)
    if type(term) not in PATHS:
        raise typer.BadParameter(f"a {type(term).__name__} is not the registrar's to hand in: `dominoes sign policy`")
    with who.open() as http:
        path, body = PATHS[type(term)], noun_json(term)
        hand_in_receipted(who, who.client(http), path, body, as_json=as_json, title="registered")


@register_app.command("key")
@acting
def register_key(
    who: Acting,
    device: Annotated[str, typer.Argument(help="Address of the key that is to sign your orders.")],
    valid_from: Annotated[str, typer.Option("--from", help="From this MTU or time on; the key before ends there.")],
    point: Annotated[str | None, typer.Option(help="The metering point it trades for; none for a retailer.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Register the key of your device, signed with your account's own key. Keep the receipt."""
    key, order_key, mtu = who.key(), address_of(device), mtu_typed(valid_from)
    out = errors if as_json else console
    shown = {"device": device, "point": point or "none, at the transformer", "from": mtu_in_words(mtu)}
    show_words(out, "this key signs your orders from then on", shown)
    require_agreed(out, "sign this?", yes=yes)
    values = {
        "account": key.address,
        "orderKey": order_key,
        "point": bytes(HASH_BYTES) if point is None else text_id(point),
        "validFromMtu": mtu,
    }
    body = {
        "account": to_hex(key.address),
        "order_key": to_hex(order_key),
        "point": point,
        "valid_from_mtu": mtu,
        "signature": to_hex(key.sign(who.domain(KEY_REGISTRATION).digest(KEY_REGISTRATION, values))),
    }
    with who.open() as http:
        hand_in_receipted(who, who.client(http), "/v1/keys", body, as_json=as_json, title="registered")


@register_app.command("list")
@acting
def register_list(
    who: Acting,
    what: Annotated[str, typer.Argument(help=f"One of {', '.join(LISTS)}.")],
    as_json: JsonOption = False,
) -> None:
    """What the registry holds of one kind."""
    if what not in LISTS:
        raise typer.BadParameter(f"{what!r} is no list of the registry: {', '.join(LISTS)}")
    with who.open() as http:
        items = who.client(http).items(f"/v1/{what}")
    rows = items if as_json else [{name: item[name] for name in LISTS[what]} for item in items]
    show_rows(rows, as_json=as_json, title=what)
