"""Views of the chain's facts: transactions by request, signed attempts by hash, transactions of others, blocks seen."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, LargeBinary, String, Table, UniqueConstraint

from ledger_service.record.tables import KEY_LENGTH_MAX, Integer64, metadata

SIGNED, INCLUDED, FAILED = "signed", "included", "failed"
"""Where a transaction stands: stored and on its way; in a block; in a block but reverted (its key is spent)."""

chain_transaction = Table(
    "chain_transaction",
    metadata,
    Column("key", String(KEY_LENGTH_MAX), primary_key=True),
    Column("request", Integer64, nullable=False),
    Column("role", String(32), nullable=False),
    Column("sender", LargeBinary(20), nullable=False),
    Column("nonce", Integer64, nullable=False),
    Column("contract", String(32), nullable=False),
    Column("function", String(64), nullable=False),
    Column("tx_hash", LargeBinary(32), nullable=False),
    Column("gas_price_wei", Integer64, nullable=False),
    Column("status", String(16), nullable=False),
    Column("block_number", Integer64, nullable=True),
    Column("block_hash", LargeBinary(32), nullable=True),
    Column("is_final", Boolean, nullable=False),
    UniqueConstraint("sender", "nonce"),
    Index("ix_chain_transaction_status_is_final", "status", "is_final"),
)

chain_attempt = Table(
    "chain_attempt",
    metadata,
    Column("tx_hash", LargeBinary(32), primary_key=True),
    Column("key", String(KEY_LENGTH_MAX), nullable=False, index=True),
    Column("raw", LargeBinary, nullable=False),
)

chain_observed = Table(
    "chain_observed",
    metadata,
    Column("key", String(KEY_LENGTH_MAX), primary_key=True),
    Column("tx_hash", LargeBinary(32), nullable=False),
    Column("block_number", Integer64, nullable=False),
    Column("block_hash", LargeBinary(32), nullable=False),
    Column("is_final", Boolean, nullable=False),
    Index("ix_chain_observed_is_final_block_number", "is_final", "block_number"),
)
"""Transactions of others in the blocks of the chain as it was last seen."""

chain_block = Table(
    "chain_block",
    metadata,
    Column("number", Integer64, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary(32), nullable=False),
    Column("timestamp", Integer64, nullable=False),
    Column("is_final", Boolean, nullable=False),
)

chain_awaiting = Table(
    "chain_awaiting",
    metadata,
    Column("request", Integer64, primary_key=True, autoincrement=False),
    Column("key", String(KEY_LENGTH_MAX), nullable=False),
    Column("role", String(32), nullable=False),
    Column("nonce", Integer64, nullable=True),
    Column("gas_price_wei", Integer64, nullable=False),
    Index("ix_chain_awaiting_role_request", "role", "request"),
)
"""Calls whose sender is an organisation outside the service and has not signed yet; `nonce` where it must be that one
because the call was signed before and has to be signed at another price."""
