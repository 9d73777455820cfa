"""Alembic's entry point: migrates the connection that ledger_service.record.migrate hands over."""

from __future__ import annotations

from alembic import context

from ledger_service.record.tables import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, transaction_per_migration=False
)
with context.begin_transaction():
    context.run_migrations()
