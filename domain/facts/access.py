"""Who read personal data, who audited it, and what was erased."""

from __future__ import annotations

from domain.facts.base import Fact, fact
from domain.members import Address, Code, Hash, Number, Seconds, Signature, Tag


@fact
class AccessLogged(Fact):
    """An auditor read personal data of an area (None: of all): recorded before it is shown."""

    KIND = "access.logged"
    auditor: Address
    what: str
    area: Code | None
    market_time: Seconds


@fact
class AuditSigned(Fact):
    """An auditor signed that it verified the auditor bundle up to this entry, with nothing erased that it had not seen
    before, and found it clean."""

    KIND = "audit.signed"
    auditor: Address
    sequence: Number
    head: Hash
    signature: Signature

    @property
    def journal_key(self) -> str:
        """An auditor signs each head once."""
        return f"audit.signed:{self.auditor}:{self.sequence}"


@fact
class ErasureDone(Fact):
    """The payloads of these entries were emptied for good, ascending; `tags` are orders whose openings went with them.

    It names nobody, and can't be erased itself.
    """

    KIND = "erasure.done"
    sequences: tuple[Number, ...]
    reason: str
    tags: tuple[Tag, ...]
