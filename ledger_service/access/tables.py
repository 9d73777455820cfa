"""The table of repeated requests: what was answered to an Idempotency-Key."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, String, Table

from ledger_service.record.tables import Integer64, metadata

IDEMPOTENCY_KEY_MAX = 64
"""Longest Idempotency-Key in characters: a UUID has 36."""

request_answer = Table(
    "request_answer",
    metadata,
    Column("principal", LargeBinary(20), primary_key=True),
    Column("key", String(IDEMPOTENCY_KEY_MAX), primary_key=True),
    Column("input_hash", LargeBinary(32), nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("answered_at", Integer64, nullable=False),
    Index("ix_request_answer_answered_at", "answered_at"),
)
