"""Watching blocks that hold our transactions: back to pending when one vanishes, final when it can't any more."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from sqlalchemy import Connection, delete, insert, select, update

from contracts.rpc import Rpc
from domain.hashing import to_hex
from ledger_service.chain import outbox
from ledger_service.chain.errors import FinalityBroken
from ledger_service.chain.finality import final_block
from ledger_service.chain.profile import ChainProfile
from ledger_service.chain.receipts import Outcome
from ledger_service.chain.tables import chain_block
from ledger_service.record import Record, Transaction

_log = structlog.get_logger(__name__)


class Watch:
    """Compares the blocks our transactions came into with the chain as it is now."""

    def __init__(self, *, record: Record, rpc: Rpc, profile: ChainProfile) -> None:
        self._record, self._rpc, self._profile = record, rpc, profile

    def note(self, tx: Transaction, outcomes: Sequence[Outcome]) -> None:
        """Remember the blocks that outcomes name."""
        fresh = {outcome.block: outcome for outcome in outcomes}
        tx.connection.execute(delete(chain_block).where(chain_block.c.number.in_(list(fresh))))
        rows = [
            {"number": item.block, "hash": item.block_hash, "timestamp": item.block_time, "is_final": False}
            for item in fresh.values()
        ]
        tx.connection.execute(insert(chain_block), rows)

    def rewind(self) -> int:
        """Put transactions of vanished blocks back on their way (`chain.rewound`); returns how many.

        Raises FinalityBroken where the newest final block has vanished: then nothing may be settled on this chain.
        """
        with self._record.read() as connection:
            last_final = _newest_final(connection)
            watched = outbox.unsettled(connection)
        numbers = sorted({item.block_number for item in watched if item.block_number is not None})
        if last_final is not None:
            numbers.append(last_final[0])
        headers = dict(zip(numbers, self._rpc.headers(numbers), strict=True))
        if last_final is not None:
            now = headers[last_final[0]]
            if now is None or now.hash != last_final[1]:
                found = None if now is None else now.hash
                raise FinalityBroken(number=last_final[0], expected=last_final[1], found=found)
        gone = []
        for item in watched:
            header = None if item.block_number is None else headers.get(item.block_number)
            if header is None or header.hash != item.block_hash:
                gone.append(item)
        if gone:
            self._withdraw(gone)
        return len(gone)

    def _withdraw(self, gone: Sequence[outbox.Stored]) -> None:
        with self._record.begin() as tx:
            for item in gone:
                payload = {
                    "key": item.key,
                    "tx_hash": to_hex(item.tx_hash),
                    "block": item.block_number,
                    "block_hash": to_hex(item.block_hash or b""),
                }
                tx.append("chain.rewound", payload)
                outbox.withdraw(tx, item.key)
            tx.connection.execute(
                delete(chain_block).where(chain_block.c.number.in_([item.block_number for item in gone]))
            )
        _log.warning("chain.rewound", transactions=len(gone))

    def finalise(self) -> int:
        """Mark what has become final; returns the number of the newest final block."""
        reached = final_block(rpc=self._rpc, profile=self._profile)
        with self._record.begin() as tx:
            outbox.finalise(tx, up_to_block=reached)
            tx.connection.execute(
                update(chain_block)
                .where(chain_block.c.number <= reached, chain_block.c.is_final.is_(False))
                .values(is_final=True)
            )
        return reached


def _newest_final(connection: Connection) -> tuple[int, bytes] | None:
    query = select(chain_block.c.number, chain_block.c.hash).where(chain_block.c.is_final.is_(True))
    row = connection.execute(query.order_by(chain_block.c.number.desc()).limit(1)).first()
    return None if row is None else (row.number, row.hash)
