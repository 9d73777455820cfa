"""What is answered for a fact that a write recorded."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from edge.writes import Created
from ledger_service.record import Entry
from ledger_service.record.errors import PayloadErased
from wallet_api.schemas.trading import ReceiptedFact
from wallet_api.services import Services


def receipted(entry: Entry, shape: type[ReceiptedFact], services: Services) -> Created:
    """As `created`, with the operator's receipt. After the commit: nobody holds a receipt for what was rolled back."""
    return created(entry, shape, receipt=services.intake.receipt_of(entry).as_json())


def created(entry: Entry, shape: type[BaseModel], **more: Any) -> Created:
    """The members of the fact that its answer shows, and its place in the journal. Raises PayloadErased."""
    fact = entry.fact
    if fact is None:
        raise PayloadErased(sequence=entry.sequence)
    payload = fact.payload()
    shown = {name: payload[name] for name in shape.model_fields if name in payload}
    return Created(shape.model_validate({"sequence": entry.sequence, **shown, **more}), repeated=entry.repeated)
