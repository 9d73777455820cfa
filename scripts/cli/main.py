"""`dominoes`, the command line. Exit 0 done, 1 work that failed, 2 unusable input or state, 3 failed verification,
4 no anchors."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer

from scripts.cli import (
    accounts,
    anchors,
    area,
    backups,
    clients,
    demo_day,
    doctor,
    erase,
    handover,
    mandates,
    money,
    orders,
    register,
    roles,
    serving,
    sign,
    sign_term,
    statements,
    up,
    verify,
)

app = typer.Typer(
    name="dominoes",
    help="A local energy market whose ledger proves itself.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)
app.command("demo-day")(demo_day.demo_day)
app.command("verify")(verify.verify)
app.command("anchors")(anchors.anchors)
app.command("up")(up.up)
app.command("reset")(up.reset)
app.command("doctor")(doctor.doctor)
app.command("backup")(backups.backup)
app.command("restore")(backups.restore)
app.command("erase")(erase.erase)
app.command("receipt")(clients.receipt)
app.command("serve")(serving.serve)
app.command("attester")(serving.attester)
app.command("deploy")(serving.deploy)
app.command("broker")(serving.broker)
app.command("key")(serving.key)
app.add_typer(serving.signer_app, name="signer")
app.add_typer(roles.roles_app, name="roles")
app.add_typer(handover.handover_app, name="handover")
app.add_typer(accounts.account_app, name="account")
app.add_typer(orders.orders_app, name="orders")
app.command("trades")(orders.trades)
app.add_typer(statements.statements_app, name="statements")
app.add_typer(money.money_app, name="money")
app.add_typer(money.guarantee_app, name="guarantee")
app.add_typer(statements.retail_app, name="retail")
app.add_typer(register.register_app, name="register")
app.add_typer(area.area_app, name="area")
app.add_typer(mandates.mandate_app, name="mandate")
app.add_typer(serving.config_app, name="config")
app.add_typer(clients.market_app, name="market")
app.add_typer(clients.meter_app, name="meter")
app.add_typer(clients.chain_app, name="chain")
sign.sign_app.command("term")(sign_term.sign_term)
sign.sign_app.command("mandate")(mandates.sign_mandate)
app.add_typer(sign.sign_app, name="sign")


@app.callback()
def about() -> None:
    """A local energy market whose ledger proves itself."""


def main() -> None:
    """Entry point: node tools that came as Python packages are found beside this interpreter."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    app()


if __name__ == "__main__":
    main()
