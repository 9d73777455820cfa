"""Transactions as the record keeps them: stored before they are sent, found again by key, nonce or hash."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update

from contracts.transactions import SignedTransaction
from domain.facts import ChainRequested, ChainSigned, Subject, requested_key
from domain.hashing import to_hex
from ledger_service.chain.tables import FAILED, INCLUDED, SIGNED, chain_attempt, chain_observed, chain_transaction
from ledger_service.record import Transaction

HASHES_PER_QUERY = 500
"""Hashes looked up by one statement: below the 999 parameters every SQLite takes."""


@dataclass(frozen=True, slots=True)
class StoredTransaction:
    """A transaction of the outbox. `raw` is the newest signed form."""

    key: str
    role: str
    sender: bytes
    nonce: int
    contract: str
    function: str
    tx_hash: bytes
    raw: bytes
    gas_price_wei: int
    status: str
    block_number: int | None
    block_hash: bytes | None


def store(
    tx: Transaction,
    *,
    key: str,
    request: int,
    role: str,
    contract: str,
    function: str,
    about: Subject,
    signed: SignedTransaction,
) -> None:
    """Append `chain.signed` and bring the views up to date: a new transaction, or a new attempt of one.

    The same signed bytes again, as after a start that was cut short, change nothing.
    """
    fact = ChainSigned(
        key=key,
        role=role,
        sender=to_hex(signed.sender),
        nonce=signed.transaction.nonce,
        contract=contract,
        function=function,
        about=about,
        tx_hash=signed.hash,
        raw=signed.raw,
        gas_price_wei=signed.transaction.gas_price_wei,
    )
    if tx.append(fact).repeated:
        return
    values: dict[str, Any] = {
        "sender": signed.sender,
        "nonce": signed.transaction.nonce,
        "tx_hash": signed.hash,
        "gas_price_wei": signed.transaction.gas_price_wei,
    }
    table = chain_transaction
    changed = tx.connection.execute(update(table).where(table.c.key == key).values(**values))
    if changed.rowcount == 0:
        fresh = {"key": key, "request": request, "role": role, "contract": contract, "function": function}
        state = {"status": SIGNED, "block_number": None, "block_hash": None, "is_final": False}
        tx.connection.execute(insert(table).values(**fresh, **values, **state))
    tx.connection.execute(insert(chain_attempt).values(tx_hash=signed.hash, key=key, raw=signed.raw))


def subject_of(tx: Transaction, key: str) -> Subject:
    """What the request of this key was about; nothing for a transaction that nobody asked for, or an erased one."""
    asked = tx.find(requested_key(key))
    return asked.fact.about if asked is not None and isinstance(asked.fact, ChainRequested) else Subject()


def next_nonce(connection: Connection, sender: bytes) -> int | None:
    """The nonce after the highest one used; None where the sender has not sent yet."""
    highest = connection.execute(
        select(func.max(chain_transaction.c.nonce)).where(chain_transaction.c.sender == sender)
    ).scalar()
    return None if highest is None else int(highest) + 1


def holds(connection: Connection, *, sender: bytes, nonce: int) -> bool:
    """Whether a transaction of this sender has this nonce."""
    table = chain_transaction
    query = select(table.c.key).where(table.c.sender == sender, table.c.nonce == nonce)
    return connection.execute(query).first() is not None


def pending(connection: Connection) -> list[StoredTransaction]:
    """All transactions that are signed and in no block, in the order in which they must be sent."""
    query = _select().where(chain_transaction.c.status == SIGNED)
    order = (chain_transaction.c.request, chain_transaction.c.sender, chain_transaction.c.nonce)
    return [_stored(row) for row in connection.execute(query.order_by(*order))]


def request_of(connection: Connection, key: str) -> int:
    """The sequence of the `chain.requested` fact behind a stored transaction; 0 where there was none."""
    query = select(chain_transaction.c.request).where(chain_transaction.c.key == key)
    return int(connection.execute(query).scalar_one())


def statuses(connection: Connection, keys: Sequence[str]) -> dict[str, str]:
    """Where these transactions stand (SIGNED, INCLUDED, FAILED) by key; those not signed yet are left out."""
    table = chain_transaction
    found: dict[str, str] = {}
    for start in range(0, len(keys), HASHES_PER_QUERY):
        query = select(table.c.key, table.c.status).where(table.c.key.in_(keys[start : start + HASHES_PER_QUERY]))
        found.update((row.key, row.status) for row in connection.execute(query))
    return found


def attempts(connection: Connection, keys: Sequence[str]) -> dict[bytes, str]:
    """Every hash under which these transactions were signed, with its key."""
    found: dict[bytes, str] = {}
    for start in range(0, len(keys), HASHES_PER_QUERY):
        query = select(chain_attempt).where(chain_attempt.c.key.in_(keys[start : start + HASHES_PER_QUERY]))
        found.update((row.tx_hash, row.key) for row in connection.execute(query))
    return found


def keys_of(connection: Connection, hashes: Sequence[bytes]) -> dict[bytes, str]:
    """The key of each of these transactions that this record signed, by hash; others are left out."""
    found: dict[bytes, str] = {}
    for start in range(0, len(hashes), HASHES_PER_QUERY):
        part = hashes[start : start + HASHES_PER_QUERY]
        query = select(chain_attempt.c.tx_hash, chain_attempt.c.key).where(chain_attempt.c.tx_hash.in_(part))
        found.update((row.tx_hash, row.key) for row in connection.execute(query))
    return found


def unsettled(connection: Connection) -> list[StoredTransaction]:
    """Transactions in blocks that are not final yet."""
    table = chain_transaction
    query = _select().where(table.c.status.in_((INCLUDED, FAILED)), table.c.is_final.is_(False))
    return [_stored(row) for row in connection.execute(query.order_by(table.c.block_number))]


def raw_by_hash(connection: Connection, hashes: Iterable[bytes]) -> dict[bytes, bytes]:
    """Signed bytes of transactions by hash."""
    wanted = list(hashes)
    found: dict[bytes, bytes] = {}
    for start in range(0, len(wanted), HASHES_PER_QUERY):
        query = select(chain_attempt).where(chain_attempt.c.tx_hash.in_(wanted[start : start + HASHES_PER_QUERY]))
        found.update((row.tx_hash, row.raw) for row in connection.execute(query))
    return found


@dataclass(frozen=True, slots=True)
class Placed:
    """A transaction and the block it came into, under the attempt that won."""

    key: str
    status: str
    tx_hash: bytes
    block_number: int
    block_hash: bytes


def place_all(tx: Transaction, placed: Sequence[Placed]) -> None:
    """Note the blocks that transactions came into."""
    table = chain_transaction
    query = (
        update(table)
        .where(table.c.key == bindparam("wanted"))
        .values(
            status=bindparam("new_status"),
            tx_hash=bindparam("new_hash"),
            block_number=bindparam("new_number"),
            block_hash=bindparam("new_block"),
        )
    )
    rows = [
        {
            "wanted": item.key,
            "new_status": item.status,
            "new_hash": item.tx_hash,
            "new_number": item.block_number,
            "new_block": item.block_hash,
        }
        for item in placed
    ]
    tx.connection.execute(query, rows)


def withdraw(tx: Transaction, key: str) -> None:
    """Put a transaction whose block vanished back on its way."""
    values = {"status": SIGNED, "block_number": None, "block_hash": None}
    tx.connection.execute(update(chain_transaction).where(chain_transaction.c.key == key).values(**values))


def finalise(tx: Transaction, *, blocks: Sequence[int]) -> None:
    """Mark what is in these blocks as final."""
    table = chain_transaction
    query = update(table).where(table.c.is_final.is_(False), table.c.block_number.in_(blocks))
    tx.connection.execute(query.values(is_final=True))


def is_provisional(connection: Connection, key: str) -> bool:
    """Whether what happened under this key, by our own transaction or by that of somebody else, is not final yet."""
    return any(
        connection.execute(select(table.c.key).where(table.c.key == key, table.c.is_final.is_(False))).first()
        is not None
        for table in (chain_transaction, chain_observed)
    )


def _select() -> Any:
    join = chain_transaction.join(chain_attempt, chain_attempt.c.tx_hash == chain_transaction.c.tx_hash)
    return select(chain_transaction, chain_attempt.c.raw).select_from(join)


def _stored(row: Row[Any]) -> StoredTransaction:
    return StoredTransaction(
        key=row.key,
        role=row.role,
        sender=row.sender,
        nonce=row.nonce,
        contract=row.contract,
        function=row.function,
        tx_hash=row.tx_hash,
        raw=row.raw,
        gas_price_wei=row.gas_price_wei,
        status=row.status,
        block_number=row.block_number,
        block_hash=row.block_hash,
    )
