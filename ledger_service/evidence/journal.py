"""The journal as lines of a bundle, open or closed, straight from the stored text."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator
from typing import Any

from sqlalchemy import Connection, Row

from domain.hashing import to_hex
from ledger_service.evidence.recorded import ChainInfo
from ledger_service.record.journal import READ_BATCH_ENTRIES, select_entries
from ledger_service.record.tables import journal_entry


def chain_json(chain: ChainInfo) -> dict[str, Any]:
    """`chain.json` of a bundle."""
    return {
        "chain_id": chain.chain_id,
        "contracts": {name: to_hex(address) for name, address in chain.contracts.items()},
    }


def journal_lines(connection: Connection, *, through: int, opened: Container[str] | None) -> Iterator[bytes]:
    """Entries 1 to `through` as canonical JSON, payloads open for the kinds in `opened` (None: all that are there).

    The stored payload text is canonical JSON already, so it is put into the line as it is.
    """
    after = 0
    while after < through:
        query = select_entries().where(journal_entry.c.sequence > after, journal_entry.c.sequence <= through)
        rows = connection.execute(query.order_by(journal_entry.c.sequence).limit(READ_BATCH_ENTRIES)).all()
        for row in rows:
            yield _line(row, is_open=row.payload is not None and (opened is None or row.kind in opened))
        after = rows[-1].sequence


def _line(row: Row[Any], *, is_open: bool) -> bytes:
    """Members in the order of their names, as canonical JSON wants them."""
    kind = json.dumps(row.kind, ensure_ascii=False)
    head = f'{{"hash":"{to_hex(row.hash)}","kind":{kind},'
    if is_open:
        body = f'"payload":{row.payload},"salt":"{to_hex(row.salt)}",'
    else:
        body = f'"payload_hash":"{to_hex(row.payload_hash)}",'
    return f'{head}{body}"sequence":{row.sequence}}}'.encode()
