"""Bills on the command line: what settled, line by line; for retailers their customers and what each settled."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from domain.mtu import isoformat_utc, mtu_start
from scripts.cli.amounts import eur_text, kwh_text, price_text
from scripts.cli.caller import Acting, acting
from scripts.cli.common import JsonOption, show, show_rows

PeriodArgument = Annotated[int, typer.Argument(help="The period, by its number.")]

statements_app = typer.Typer(help="Your statements: what settled, line by line.", no_args_is_help=True)
retail_app = typer.Typer(help="A retailer's customers and what each settled.", no_args_is_help=True)


@statements_app.command("list")
@acting
def statements_list(who: Acting, as_json: JsonOption = False) -> None:
    """Your statements, with what each is about and moves; + is received."""
    columns = ("period", "revision", "starts", "count", "amount_eur", "due_eur", "state")
    with who.open() as http:
        items = who.client(http).items("/v1/statements")
    rows = items if as_json else [{name: item[name] for name in columns} for item in items]
    show_rows(rows, as_json=as_json, title="statements")


@statements_app.command("show")
@acting
def statements_show(
    who: Acting,
    period: PeriodArgument,
    revision: Annotated[int, typer.Argument(help="The revision of its settlement.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """One statement with all its lines; + is received."""
    with who.open() as http:
        found = who.client(http).get(f"/v1/statements/{period}/{revision}")
    if as_json:
        show(found, as_json=True)
        return
    statement = found["statement"]
    show_rows([_line(line) for line in statement["lines"]], as_json=False, title="lines")
    totals = {
        "amount (EUR)": eur_text(int(statement["amount_neur"])),
        "settled before (EUR)": eur_text(int(statement["settled_before_neur"])),
        "due (EUR)": eur_text(int(statement["due_neur"])),
        "state": found["state"],
    }
    show(totals, as_json=False, title=f"period {period}, revision {revision}")


@retail_app.command("customers")
@acting
def customers(who: Acting, as_json: JsonOption = False) -> None:
    """Accounts under an agreement with you, now or later."""
    with who.open() as http:
        items = who.client(http).items("/v1/retailer/customers")
    rows = items if as_json else [_customer(item) for item in items]
    show_rows(rows, as_json=as_json, title="customers")


@retail_app.command("settlements")
@acting
def settlements(
    who: Acting,
    period: PeriodArgument,
    as_json: JsonOption = False,
) -> None:
    """What each customer settled in a period, by kind of line; + was credited to the customer."""
    columns = ("account", "period", "revision", "kind", "energy_wh", "amount_eur", "state")
    with who.open() as http:
        items = who.client(http).items("/v1/retailer/settlements", period=period)
    rows = items if as_json else [{name: item[name] for name in columns} for item in items]
    show_rows(rows, as_json=as_json, title="settlements")


@retail_app.command("export")
@acting
def export(
    who: Acting,
    period: PeriodArgument,
    out: Annotated[Path, typer.Option(help="File to write.")],
    as_json: JsonOption = False,
) -> None:
    """The same as CSV."""
    partial = out.with_name(f"{out.name}.partial")
    with who.open() as http, partial.open("w+b") as file:
        who.client(http).download(f"/v1/retailer/settlements/{period}/export.csv", file)
    partial.replace(out)
    show({"file": str(out)}, as_json=as_json, title="written")


def _line(line: dict[str, Any]) -> dict[str, Any]:
    """A line as people read it; VAT has no MTU, and a base in the place of energy and price."""
    mtu = line.get("mtu")
    return {
        "starts": "" if mtu is None else isoformat_utc(mtu_start(mtu)),
        "kind": line["kind"],
        "kwh": kwh_text(line["energy_wh"]) if "energy_wh" in line else "",
        "ct_per_kwh": price_text(line["price_neur_per_wh"]) if "price_neur_per_wh" in line else "",
        "of": f"{line['vat_bp'] / 100:g} % of {eur_text(int(line['base_neur']))} EUR" if "vat_bp" in line else "",
        "eur": eur_text(int(line["amount_neur"])),
    }


def _customer(item: dict[str, Any]) -> dict[str, Any]:
    agreement = item["agreement"]
    return {
        "participant": item["participant"],
        "account": item["account"],
        "point": item["point"],
        "agreement": agreement["agreement"],
        "version": agreement["version"],
        "tariff": agreement["tariff"],
        "valid_from": agreement["valid_from_utc"],
        "state": item["state"],
    }
