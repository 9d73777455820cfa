"""`dominoes`, the command line. Exit 0 done, 2 unusable input or state, 3 failed verification, 4 no anchors."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer

from scripts.commands import demo_day, verify

app = typer.Typer(
    name="dominoes",
    help="A local energy market whose ledger proves itself.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)
app.command("demo-day")(demo_day.demo_day)
app.command("verify")(verify.verify)


@app.callback()
def about() -> None:
    """A local energy market whose ledger proves itself."""


def main() -> None:
    """Entry point: node tools that came as Python packages are found beside this interpreter."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    app()


if __name__ == "__main__":
    main()
