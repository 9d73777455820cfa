"""What is answered for a fact that a write recorded."""

from __future__ import annotations

from pydantic import BaseModel

from edge.writes import Created
from ledger_service.record import Entry
from ledger_service.record.errors import PayloadErased


def created(entry: Entry, shape: type[BaseModel]) -> Created:
    """The members of the fact that its answer shows, and its place in the journal. Raises PayloadErased."""
    fact = entry.fact
    if fact is None:
        raise PayloadErased(sequence=entry.sequence)
    payload = fact.payload()
    shown = {name: payload[name] for name in shape.model_fields if name in payload}
    return Created(shape.model_validate({"sequence": entry.sequence, **shown}), repeated=entry.repeated)
