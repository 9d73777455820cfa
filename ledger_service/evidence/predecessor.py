"""The deployment that this one takes over from, as the journal says it."""

from __future__ import annotations

from collections.abc import Mapping

from domain.facts import DeployedContract, DeploymentSucceeded
from domain.hashing import to_hex
from ledger_service.evidence.recorded import Anchor
from ledger_service.record import Record


def succeed(record: Record, *, contracts: Mapping[str, bytes], anchor: Anchor) -> None:
    """Say once which contracts this deployment takes over from, and the last head that was anchored there by now."""
    stands = tuple(DeployedContract(name, to_hex(contracts[name])) for name in sorted(contracts))
    fact = DeploymentSucceeded(contracts=stands, journal_sequence=anchor.sequence, journal_head=anchor.head)
    with record.begin() as tx:
        if tx.find(fact.journal_key) is None:
            tx.append(fact)
