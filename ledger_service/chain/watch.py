"""Watching blocks that hold transactions of ours or on our contracts: undone when one vanishes, else final one day."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from sqlalchemy import Connection, delete, insert, select, update

from contracts.rpc import Rpc
from domain.facts import ChainRewound
from domain.hashing import ZERO_HASH
from ledger_service.chain import observing, stored_transactions
from ledger_service.chain.errors import FinalityBroken, NodeBehind
from ledger_service.chain.finality import final_block
from ledger_service.chain.observing import ObservedPlace, ObservedTransaction
from ledger_service.chain.profile import ChainProfile
from ledger_service.chain.stored_transactions import StoredTransaction
from ledger_service.chain.tables import chain_block
from ledger_service.chain.transaction_receipts import MinedTransaction
from ledger_service.record import Record, Transaction

_log = structlog.get_logger(__name__)


class Watch:
    """Compares the blocks that hold what is in the record with the chain as it is now."""

    def __init__(self, *, record: Record, rpc: Rpc, profile: ChainProfile, genesis_hash: bytes) -> None:
        self._record, self._rpc, self._profile, self._genesis_hash = record, rpc, profile, genesis_hash

    def note(self, tx: Transaction, mined: Sequence[MinedTransaction | ObservedTransaction]) -> None:
        """Remember the blocks that these transactions came into."""
        fresh = {transaction.block: transaction for transaction in mined}
        tx.connection.execute(delete(chain_block).where(chain_block.c.number.in_(list(fresh))))
        rows = [
            {"number": item.block, "hash": item.block_hash, "timestamp": item.block_time, "is_final": False}
            for item in fresh.values()
        ]
        tx.connection.execute(insert(chain_block), rows)

    def rewind(self) -> int:
        """Put ours of vanished blocks back on their way, forget those of others (`chain.rewound`); returns how many.

        Raises FinalityBroken where another block stands in the place of the newest final one: then nothing may be
        settled on this chain; NodeBehind where the node does not have that block yet.
        """
        with self._record.read() as connection:
            last_final = _newest_final(connection)
            watched: list[StoredTransaction | ObservedPlace] = [
                *stored_transactions.unsettled(connection),
                *observing.unsettled(connection),
            ]
        numbers = sorted({item.block_number for item in watched if item.block_number is not None})
        if last_final is not None:
            numbers.append(last_final[0])
        headers = dict(zip(numbers, self._rpc.headers(numbers), strict=True))
        if last_final is not None:
            now = headers[last_final[0]]
            if now is None:
                raise NodeBehind(url=self._rpc.url, number=last_final[0])
            if now.hash != last_final[1]:
                raise FinalityBroken(number=last_final[0], expected=last_final[1], found=now.hash)
        gone: list[StoredTransaction | ObservedPlace] = []
        for item in watched:
            header = None if item.block_number is None else headers.get(item.block_number)
            if header is None or header.hash != item.block_hash:
                gone.append(item)
        if gone:
            self._withdraw(gone)
        return len(gone)

    def _withdraw(self, gone: Sequence[StoredTransaction | ObservedPlace]) -> None:
        with self._record.begin() as tx:
            for item in gone:
                if isinstance(item, ObservedPlace):
                    observing.withdraw(tx, item)
                    continue
                tx.append(
                    ChainRewound(
                        key=item.key,
                        contract=item.contract,
                        function=item.function,
                        about=stored_transactions.subject_of(tx, item.key),
                        tx_hash=item.tx_hash,
                        block=item.block_number or 0,
                        block_hash=item.block_hash or ZERO_HASH,
                    )
                )
                stored_transactions.withdraw(tx, item.key)
            tx.connection.execute(
                delete(chain_block).where(chain_block.c.number.in_([item.block_number for item in gone]))
            )
        _log.warning("chain.block_gone", transactions=len(gone))

    def finalise(self) -> int:
        """Mark what has become final; returns the number of the newest final block.

        The chain may have moved since blocks were noted: only those that still stand in it, looked at after the final
        block was found, become final.
        """
        reached = final_block(rpc=self._rpc, profile=self._profile, genesis_hash=self._genesis_hash)
        query = select(chain_block.c.number, chain_block.c.hash)
        with self._record.read() as connection:
            due = connection.execute(query.where(chain_block.c.number <= reached, chain_block.c.is_final.is_(False)))
            noted = {row.number: row.hash for row in due}
        if not noted:
            return reached
        headers = self._rpc.headers(sorted(noted))
        standing = [header.number for header in headers if header is not None and header.hash == noted[header.number]]
        with self._record.begin() as tx:
            stored_transactions.finalise(tx, blocks=standing)
            observing.finalise(tx, blocks=standing)
            tx.connection.execute(update(chain_block).where(chain_block.c.number.in_(standing)).values(is_final=True))
        return reached


def _newest_final(connection: Connection) -> tuple[int, bytes] | None:
    query = select(chain_block.c.number, chain_block.c.hash).where(chain_block.c.is_final.is_(True))
    row = connection.execute(query.order_by(chain_block.c.number.desc()).limit(1)).first()
    return None if row is None else (row.number, row.hash)
