"""Bringing a database's tables up to date with Alembic, inside one write transaction."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from ledger_service.record.engine import begin_write

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent.parent / "migrations"
"""Where the revisions are: one branch per package, each from its own base."""


def alembic_config() -> Config:
    """Alembic's settings without a file, for this package and for `alembic` on the command line."""
    from alembic.config import Config  # with its templates 14 MB, which readers of a record in hand do not need

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))  # a sign of its files of settings
    return config


@cache
def _newest() -> frozenset[str]:
    """The last revision of each branch."""
    from alembic.script import ScriptDirectory

    return frozenset(ScriptDirectory.from_config(alembic_config()).get_heads())


def migrate_to_head(engine: Engine) -> None:
    """Run every migration that the database lacks; two processes starting at once run them one after the other.

    Where it lacks none, nothing is written and no writer is waited for.
    """
    from alembic import command
    from alembic.migration import MigrationContext

    with engine.connect() as connection:
        if frozenset(MigrationContext.configure(connection).get_current_heads()) == _newest():
            return
    config = alembic_config()
    with engine.connect() as connection, begin_write(connection):
        config.attributes["connection"] = connection
        command.upgrade(config, "heads")
