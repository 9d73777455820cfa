"""What stages ask of the chain: `chain.requested` facts, which the chain gateway turns into transactions."""

from __future__ import annotations

from typing import Any

from domain.hashing import MAX_SAFE_INTEGER
from ledger_service.record import Entry, Transaction

REQUESTED = "chain.requested"


def abi_integer(value: int) -> int | str:
    """An integer argument as JSON carries it: beyond 2^53 as decimal text."""
    return value if abs(value) <= MAX_SAFE_INTEGER else str(value)


def request_transaction(
    tx: Transaction, *, key: str, role: str, contract: str, function: str, args: list[Any]
) -> Entry:
    """Ask for one transaction; `key` names it for good, so asking again changes nothing.

    `role` is the organisation key that sends it; `args` are in ABI order, bytes and addresses as 0x hex, structs as
    lists.
    """
    payload = {"key": key, "role": role, "contract": contract, "function": function, "args": args}
    return tx.append(REQUESTED, payload, key=f"chain:{key}")
