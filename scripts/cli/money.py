"""Money on the command line: the balance and what moved it, deposits, redemptions, guarantees, cover."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Annotated, Any

import typer

from domain.eip712 import COVER, GUARANTEE, REDEMPTION, Shape
from domain.errors import DominoesError
from domain.hashing import from_hex, keccak, to_hex
from domain.members import noun_of
from domain.parties import Guarantee
from domain.signing import SigningKey
from domain.units import NEUR_PER_EUR
from scripts.cli.amounts import eur_text, neur_from_eur, scaled
from scripts.cli.caller import Acting, acting, hand_in_receipted
from scripts.cli.common import JsonOption, address_of, console, errors, show, show_rows
from scripts.cli.sign import require_agreed, show_words
from scripts.cli.sign_term import NotYourPart
from scripts.serving.api_client import ApiClient

money_app = typer.Typer(help="Money: your balance, deposits, redemptions.", no_args_is_help=True)
guarantee_app = typer.Typer(
    help="Guarantees: lines that one account gives another, or itself, and what is paid under them.",
    no_args_is_help=True,
)

EurArgument = Annotated[str, typer.Argument(metavar="EUR", help="Amount in EUR.")]
AccountArgument = Annotated[str, typer.Argument(help="Address of the account.")]
FileArgument = Annotated[Path, typer.Argument(help="A guarantee as JSON, as the API takes it.")]
DaysOption = Annotated[int, typer.Option(min=1, help="For how many days the signature may be used.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

REF_BYTES = 32
DAY_SECONDS = 86_400


class GuaranteeUnreadable(DominoesError):
    """A file holds no guarantee."""

    code = "guarantee-unreadable"

    def __init__(self, *, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path} holds no guarantee: {reason}; `dominoes guarantee offer` writes one")


@money_app.command("balance")
@acting
def balance(who: Acting, as_json: JsonOption = False) -> None:
    """What you hold, how far below zero you may go, what open orders may cost, what is left, what may be paid out."""
    with who.open() as http:
        found = who.client(http).get("/v1/balance")
    show(found if as_json else _in_eur(found), as_json=as_json, title="balance")


@money_app.command("postings")
@acting
def postings(who: Acting, as_json: JsonOption = False) -> None:
    """What moved your balance: deposits, settlements, redemptions, cover; + is received."""
    columns = ("market_time_utc", "kind", "amount_eur", "other", "period", "revision")
    with who.open() as http:
        items = who.client(http).items("/v1/postings")
    rows = items if as_json else [{name: item[name] for name in columns} for item in items]
    show_rows(rows, as_json=as_json, title="postings")


@money_app.command("redeem")
@acting
def redeem(
    who: Acting, eur: EurArgument, days: DaysOption = 7, yes: YesOption = False, as_json: JsonOption = False
) -> None:
    """Ask for money to be paid out: after the challenge window, and no more than is free then."""
    with who.open() as http:
        client, key = who.client(http), who.key()
        values = {
            "account": to_hex(key.address),
            "amountNeur": neur_from_eur(eur),
            "ref": to_hex(secrets.token_bytes(REF_BYTES)),
            "deadline": _deadline(client, days),
        }
        told = _signed(who, key, REDEMPTION, values, title="money is to be paid out", yes=yes, as_json=as_json)
        done = client.hand_in("/v1/redemptions", told)
    show({**done.answer, "repeated": done.repeated}, as_json=as_json, title="asked for")


@money_app.command("redemptions")
@acting
def redemptions(who: Acting, as_json: JsonOption = False) -> None:
    """Your redemptions, and where each stands."""
    columns = ("recorded_at_utc", "amount_eur", "state", "ready_at_utc", "redeemed_eur", "ref")
    with who.open() as http:
        items = who.client(http).items("/v1/redemptions")
    rows = items if as_json else [{name: item.get(name) for name in columns} for item in items]
    show_rows(rows, as_json=as_json, title="redemptions")


@money_app.command("deposit")
@acting
def deposit(
    who: Acting,
    account: AccountArgument,
    eur: EurArgument,
    payment: Annotated[str, typer.Option(help="The bank's reference of the payment, under which it is booked once.")],
    as_json: JsonOption = False,
) -> None:
    """Book what came in by bank, as the treasurer. The same payment is booked once, however often it is sent."""
    body = {
        "account": to_hex(address_of(account)),
        "amount_neur": str(neur_from_eur(eur)),
        "ref": to_hex(keccak(payment.encode("utf-8"))),
    }
    with who.open() as http:
        done = who.client(http).hand_in("/v1/deposits", body)
    show({**done.answer, "repeated": done.repeated}, as_json=as_json, title="booked")


@money_app.command("deposits")
@acting
def deposits(who: Acting, as_json: JsonOption = False) -> None:
    """Deposits, and where each stands: your own, or as the treasurer all."""
    columns = ("recorded_at_utc", "account", "amount_eur", "state", "ref")
    with who.open() as http:
        items = who.client(http).items("/v1/deposits")
    rows = items if as_json else [{name: item[name] for name in columns} for item in items]
    show_rows(rows, as_json=as_json, title="deposits")


@guarantee_app.command("list")
@acting
def guarantees(who: Acting, as_json: JsonOption = False) -> None:
    """The lines that you give, what they lock, and what is called of them."""
    columns = ("account", "credit_neur", "locked_neur", "called_neur", "nonce", "recorded_at_utc")
    with who.open() as http:
        items = who.client(http).items("/v1/guarantees")
    rows = items if as_json else [_in_eur({name: item[name] for name in columns}) for item in items]
    show_rows(rows, as_json=as_json, title="guarantees")


@guarantee_app.command("offer")
@acting
def guarantee_offer(
    who: Acting,
    account: AccountArgument,
    eur: Annotated[str, typer.Argument(metavar="EUR", help="How far below zero it may go, in EUR; 0 ends it.")],
    file: Annotated[Path, typer.Option(help="File to write, for the account to sign.")],
    days: DaysOption = 30,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Sign a line for an account and write it into a file, which the account signs next; for oneself it is complete."""
    with who.open() as http:
        client, key = who.client(http), who.key()
        given = to_hex(address_of(account))
        values = {
            "guarantor": to_hex(key.address),
            "account": given,
            "creditNeur": scaled(eur, unit=NEUR_PER_EUR, what="amount in EUR"),
            "nonce": _next_nonce(client, given),
            "deadline": _deadline(client, days),
        }
    told = _signed(who, key, GUARANTEE, values, title="a guarantee is given", yes=yes, as_json=as_json)
    file.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    show({"file": str(file), **told}, as_json=as_json, title="offered")


@guarantee_app.command("accept")
@acting
def guarantee_accept(who: Acting, file: FileArgument, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Sign a line that was offered to your account, and write the signature into its file for the guarantor."""
    offered, key = _read(file), who.key()
    if to_hex(key.address) != offered["account"]:
        raise NotYourPart(party="account", bound=offered["account"])
    values = {
        "guarantor": offered["guarantor"],
        "account": offered["account"],
        "creditNeur": int(offered["credit_neur"]),
        "nonce": offered["nonce"],
        "deadline": offered["deadline"],
    }
    told = _signed(who, key, GUARANTEE, values, title="a guarantee is accepted", yes=yes, as_json=as_json)
    accepted = offered | {"account_signature": told["signature"]}
    file.write_text(json.dumps(accepted, indent=1) + "\n", encoding="utf-8")
    show({"file": str(file), **accepted}, as_json=as_json, title="accepted")


@guarantee_app.command("give")
@acting
def guarantee_give(who: Acting, file: FileArgument, as_json: JsonOption = False) -> None:
    """Hand in, as the guarantor, a line that both have signed. Keep the receipt."""
    body = _read(file)
    with who.open() as http:
        whole = {"account_signature": None, **body}  # as its fact has it, where one guarantees for oneself
        hand_in_receipted(who, who.client(http), "/v1/guarantees", whole, as_json=as_json, title="given")


@guarantee_app.command("cover")
@acting
def guarantee_cover(
    who: Acting,
    account: AccountArgument,
    eur: EurArgument,
    debt: Annotated[str, typer.Option(help="All that the account owes, in EUR: the debt that this is for.")],
    days: DaysOption = 7,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Pay debt of an account that you guarantee for, from your own balance."""
    with who.open() as http:
        client, key = who.client(http), who.key()
        values = {
            "guarantor": to_hex(key.address),
            "account": to_hex(address_of(account)),
            "amountNeur": neur_from_eur(eur),
            "debtNeur": neur_from_eur(debt),
            "ref": to_hex(secrets.token_bytes(REF_BYTES)),
            "deadline": _deadline(client, days),
        }
        told = _signed(who, key, COVER, values, title="debt is paid", yes=yes, as_json=as_json)
        done = client.hand_in("/v1/cover", told)
    show({**done.answer, "repeated": done.repeated}, as_json=as_json, title="covered")


MEMBERS = {"amountNeur": "amount_neur", "debtNeur": "debt_neur", "creditNeur": "credit_neur"}
"""Signed members that the API names otherwise, and takes as decimal text."""


def _signed(
    who: Acting, key: SigningKey, shape: Shape, values: dict[str, Any], *, title: str, yes: bool, as_json: bool
) -> dict[str, Any]:
    """Show what is signed, ask, and sign it: the body as the API takes it."""
    out = errors if as_json else console
    body = {MEMBERS.get(name, name): str(value) if name in MEMBERS else value for name, value in values.items()}
    show_words(out, title, {name: str(value) for name, value in _in_eur(body).items()})
    require_agreed(out, "sign this?", yes=yes)
    return body | {"signature": to_hex(key.sign(who.domain(shape).digest(shape, _packed(values))))}


def _packed(values: dict[str, Any]) -> dict[str, Any]:
    return {name: from_hex(value) if isinstance(value, str) else value for name, value in values.items()}


def _in_eur(members: dict[str, Any]) -> dict[str, Any]:
    """Amounts in EUR in the place of those in nEUR, exact."""
    told: dict[str, Any] = {}
    for name, value in members.items():
        if name.endswith("_neur"):
            told.setdefault(name.removesuffix("_neur") + "_eur", eur_text(int(value)))
        else:
            told[name] = value
    return told


def _deadline(client: ApiClient, days: int) -> int:
    """So many days after the market's time."""
    return int(client.get("/v1/clock")["market_time"]) + days * DAY_SECONDS


def _next_nonce(client: ApiClient, account: str) -> int:
    """One above the last guarantee of the account that you gave; 1 for the first."""
    given = [item["nonce"] for item in client.items("/v1/guarantees") if item["account"] == account]
    return max(given, default=0) + 1


def _read(file: Path) -> dict[str, Any]:
    """The guarantee in a file, as the API takes it, whoever has signed it so far. Raises GuaranteeUnreadable."""
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        noun_of(Guarantee, json.dumps(found))
    except (OSError, ValueError, TypeError) as error:
        raise GuaranteeUnreadable(path=file, reason=str(error).replace("\n", " ")) from error
    return found
