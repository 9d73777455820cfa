"""Who read personal data, and what was erased."""

from __future__ import annotations

from domain.facts.base import Fact, fact
from domain.members import Address, Code, Number, Seconds, Tag


@fact
class AccessLogged(Fact):
    """An auditor read personal data of an area (None: of all): recorded before it is shown."""

    KIND = "access.logged"
    auditor: Address
    what: str
    area: Code | None
    market_time: Seconds


@fact
class ErasureDone(Fact):
    """The payloads of these entries were emptied for good, ascending; `tags` are orders whose openings went with them.

    It names nobody, and can't be erased itself.
    """

    KIND = "erasure.done"
    sequences: tuple[Number, ...]
    reason: str
    tags: tuple[Tag, ...]
