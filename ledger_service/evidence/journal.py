"""The journal as lines of a bundle, open or closed, straight from the stored text."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any

from sqlalchemy import Connection, Row

from domain.facts import Fact
from domain.hashing import to_hex
from ledger_service.record.journal import READ_BATCH_ENTRIES, kinds_of, select_entries
from ledger_service.record.tables import journal_entry


def journal_lines(
    connection: Connection, *, through: int, opened: Collection[type[Fact]] | None, after: int = 0
) -> Iterator[bytes]:
    """Entries behind `after` up to `through` as canonical JSON, payloads open for the kinds in `opened` (None: all that
    are there).

    The stored payload text is canonical JSON already, so it is put into the line as it is.
    """
    names = None if opened is None else frozenset(kinds_of(opened))
    while after < through:
        query = select_entries().where(journal_entry.c.sequence > after, journal_entry.c.sequence <= through)
        rows = connection.execute(query.order_by(journal_entry.c.sequence).limit(READ_BATCH_ENTRIES)).all()
        for row in rows:
            yield _line(row, is_open=row.payload is not None and (names is None or row.kind in names))
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
