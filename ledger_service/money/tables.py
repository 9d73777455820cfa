"""Views of money: movements in pairs, balances with credit lines, redemptions on their way and those that failed."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, String, Table

from ledger_service.record.tables import KEY_LENGTH_MAX, Integer64, metadata

AMOUNT_LENGTH_MAX = 32
"""Digits of an amount as text: the contract's bound of 2^79 nEUR has 24."""

money_movement = Table(
    "money_movement",
    metadata,
    Column("sequence", Integer64, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("key", String(KEY_LENGTH_MAX), nullable=False, index=True),
    Column("account", LargeBinary(20), nullable=False),
    Column("other", LargeBinary(20), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("amount_neur", String(AMOUNT_LENGTH_MAX), nullable=False),
    Column("area", String(128), nullable=True),
    Column("period", Integer64, nullable=True),
    Column("revision", Integer, nullable=True),
    Index("ix_money_movement_account_sequence", "account", "sequence"),
)

money_account = Table(
    "money_account",
    metadata,
    Column("account", LargeBinary(20), primary_key=True),
    Column("balance_neur", String(AMOUNT_LENGTH_MAX), nullable=False),
    Column("credit_neur", String(AMOUNT_LENGTH_MAX), nullable=False),  # the line that new orders count with
    Column("locked_neur", String(AMOUNT_LENGTH_MAX), nullable=False, server_default="0"),  # the line that stands
    Column("guarantor", LargeBinary(20), nullable=True),
    Column("guaranteed_sequence", Integer64, nullable=True),  # of the inclusion that gave the line as it is
    Column("nonce", Integer64, nullable=False, server_default="0"),  # the last one its guarantor used on chain
    Index("ix_money_account_guarantor_account", "guarantor", "account"),
)

money_redemption = Table(
    "money_redemption",
    metadata,
    Column("account", LargeBinary(20), primary_key=True),
    Column("ref", LargeBinary(32), primary_key=True),
    Column("key", String(KEY_LENGTH_MAX), nullable=False),
    Column("amount_neur", String(AMOUNT_LENGTH_MAX), nullable=False),
    Column("ready_at", Integer64, nullable=False),
    Column("sequence", Integer64, nullable=False, server_default="0"),  # of its inclusion
    Index("ix_money_redemption_key", "key"),
)

money_redemption_step = Table(
    "money_redemption_step",
    metadata,
    Column("key", String(KEY_LENGTH_MAX), primary_key=True),
    Column("step", Integer, primary_key=True, autoincrement=False, server_default="0"),  # its number in the transaction
    Column("account", LargeBinary(20), nullable=False),
    Column("ref", LargeBinary(32), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("amount_neur", String(AMOUNT_LENGTH_MAX), nullable=False),
    Index("ix_money_redemption_step_account_ref", "account", "ref"),
)
"""What took a redemption down, by transaction: `redeemed` in parts as money came, `cancelled` for what was left."""

money_suspense = Table(
    "money_suspense",
    metadata,
    Column("suspense", LargeBinary(20), primary_key=True),
    Column("account", LargeBinary(20), nullable=False),
    Column("area", String(128), nullable=False),
    Column("sequence", Integer64, nullable=False),  # of the last entry that moved it
)
"""The accounts at which amounts of an area wait for an account."""

money_uncovered = Table(
    "money_uncovered",
    metadata,
    Column("sequence", Integer64, primary_key=True, autoincrement=False),
    Column("key", String(KEY_LENGTH_MAX), nullable=False, index=True),
    Column("account", LargeBinary(20), primary_key=True),
    Column("lacking_neur", String(AMOUNT_LENGTH_MAX), nullable=False),
)
"""What an account that nobody guarantees for lacks, as the chain has counted it: of each account the last counts."""

money_failed = Table(
    "money_failed",
    metadata,
    # completions of redemptions that failed and were not asked for again, with the market time this view learned of it
    Column("key", String(KEY_LENGTH_MAX), primary_key=True),
    Column("account", LargeBinary(20), nullable=False),
    Column("ref", LargeBinary(32), nullable=False),
    Column("failed_at", Integer64, nullable=False),
)

money_replacement = Table(
    "money_replacement",
    metadata,
    Column("account", LargeBinary(20), primary_key=True),
    Column("key", String(KEY_LENGTH_MAX), primary_key=True, index=True),
    Column("successor", LargeBinary(20), nullable=False),
    Column("block_time", Integer64, nullable=False),
)
"""Moves from an account to its successor, by transaction: the first of an account replaced it, others collected."""

money_successor = Table(
    "money_successor",
    metadata,
    Column("account", LargeBinary(20), primary_key=True),
    Column("sequence", Integer64, primary_key=True, autoincrement=False),
    Column("key", String(KEY_LENGTH_MAX), nullable=False, index=True),
    Column("successor", LargeBinary(20), nullable=True),  # none: withdrawn
    Column("by", LargeBinary(20), nullable=True),
    Column("ready_at", Integer64, nullable=True),
)
"""Successors proposed for accounts whose key was lost, as the chain told of them: of each account the last counts."""

money_batch = Table(
    "money_batch",
    metadata,
    Column("sequence", Integer64, primary_key=True, autoincrement=False),
    Column("batch", LargeBinary(32), primary_key=True),
    Column("key", String(KEY_LENGTH_MAX), nullable=False, index=True),
    Column("area", String(128), nullable=False),
    Column("ended", Boolean, nullable=False),
)
"""Settlements of several pages, by each transaction that booked one of them, and by the one that ended it."""

TABLES = (
    money_movement,
    money_account,
    money_redemption,
    money_redemption_step,
    money_suspense,
    money_uncovered,
    money_failed,
    money_replacement,
    money_successor,
    money_batch,
)
"""Every view of this package."""
