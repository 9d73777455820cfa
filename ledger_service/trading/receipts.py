"""Receipts: the operator's signature that an order was accepted or withdrawn, a mandate granted or ended, or that a
term or key stands in the journal.

They make an omission provable.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from domain.eip712 import RECEIPT, Domain
from domain.facts import (
    AgreementSigned,
    GuaranteeGiven,
    KeyRegistered,
    MandateGranted,
    MandateRevoked,
    MeterRegistered,
    OrderAccepted,
    OrderCancelled,
    ParticipantRegistered,
    PolicyPublished,
    ScheduleNominated,
    TariffPublished,
    TermEnded,
)
from domain.hashing import ZERO_HASH, text_id, to_hex
from domain.receipts import KIND_RECORDED, recorded_tag
from domain.rules import rule_of
from domain.signing import Signer
from ledger_service.record import Entry, PayloadErased

RECEIPT_RULE = 1
"""Version of the rule by which a receipt follows from an entry; its fact names it."""

KIND_ACCEPTED = 1
"""The order with this tag is in the book unless a later receipt says otherwise."""

KIND_CANCELLED = 2
"""The order with this tag was withdrawn."""

KIND_GRANTED = 3
"""The mandate with this tag counts for what is recorded after it."""

KIND_REVOKED = 4
"""The revocation with this tag ended its mandate: what the agent signed counts no more where it is recorded later."""

RECEIPTED = (OrderAccepted, OrderCancelled, MandateGranted, MandateRevoked)
"""What devices send that is receipted; these receipts stand in bundles too."""

ANSWERED = (*RECEIPTED, ScheduleNominated)
"""What devices send that is answered with a receipt; that of a schedule stands in no bundle (ADR 82)."""

Receipted: TypeAlias = OrderAccepted | OrderCancelled | MandateGranted | MandateRevoked
"""One of them."""

Recorded: TypeAlias = (
    AgreementSigned
    | GuaranteeGiven
    | KeyRegistered
    | MeterRegistered
    | ParticipantRegistered
    | PolicyPublished
    | ScheduleNominated
    | TariffPublished
    | TermEnded
)
"""What parties signed and handed in that binds the operator once it is recorded (ADR 82)."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the operator signed. `sequence` and `journal_head` are those of the entry that holds what was sent."""

    market: bytes
    session: int
    mtu: int
    tag: bytes
    revision: int
    kind: int
    sequence: int
    journal_head: bytes
    market_time: int
    signature: bytes

    def values(self) -> dict[str, Any]:
        """The members of the signed struct."""
        return {
            "market": self.market,
            "session": self.session,
            "mtu": self.mtu,
            "tag": self.tag,
            "revision": self.revision,
            "kind": self.kind,
            "sequence": self.sequence,
            "journalHead": self.journal_head,
            "marketTime": self.market_time,
        }

    def as_json(self) -> dict[str, Any]:
        """The signed members and `signature`, bytes as hex."""
        plain = {name: to_hex(item) if isinstance(item, bytes) else item for name, item in self.values().items()}
        return plain | {"signature": to_hex(self.signature)}


class ReceiptSigner:
    """Signs receipts with the operator's key, under the Market contract's domain.

    A receipt follows from its journal entry alone and signatures are deterministic: asking again gives the same bytes.
    """

    def __init__(self, *, key: Signer, domain: Domain) -> None:
        self._key, self._domain = key, domain

    @property
    def operator(self) -> bytes:
        """Address of the signing key."""
        return self._key.address

    def receipt(self, entry: Entry) -> Receipt:
        """The receipt of an entry whose fact is one of RECEIPTED, by the rule that it names, or one of Recorded.

        Raises PayloadErased, UnknownRule.
        """
        match entry.fact:
            case OrderAccepted() | OrderCancelled() | MandateGranted() | MandateRevoked() as fact:
                return rule_of("receipts", _BY_RECEIPT_RULE, fact.rules.receipts)(self, entry, fact)
            case (
                AgreementSigned()
                | GuaranteeGiven()
                | KeyRegistered()
                | MeterRegistered()
                | ParticipantRegistered()
                | PolicyPublished()
                | ScheduleNominated()
                | TariffPublished()
                | TermEnded()
            ) as recorded:
                return self._recorded(entry, recorded)
            case None:
                raise PayloadErased(sequence=entry.sequence)
            case other:
                raise TypeError(f"a {other.KIND} fact has no receipt")

    def _receipt(self, entry: Entry, fact: Receipted) -> Receipt:
        tag, market_time = fact.tag, fact.market_time
        market, session, mtu, revision = ZERO_HASH, 0, 0, 0  # a mandate has none of them
        match fact:
            case OrderAccepted(order=order):
                market, session, mtu, revision = order.market, order.session, order.mtu, order.revision
                kind = KIND_ACCEPTED
            case OrderCancelled():
                market, session, mtu, revision = text_id(fact.market), fact.session, fact.mtu, fact.revision
                kind = KIND_CANCELLED
            case MandateGranted():
                kind = KIND_GRANTED
            case MandateRevoked():
                kind = KIND_REVOKED
        place = {"market": market, "session": session, "mtu": mtu, "revision": revision}
        return self._signed(entry, **place, tag=tag, kind=kind, market_time=market_time)

    def _recorded(self, entry: Entry, fact: Recorded) -> Receipt:
        """By the only rule there is. The market time is when the entry was recorded, which no term says (ADR 40)."""
        nowhere = {"market": ZERO_HASH, "session": 0, "mtu": 0, "revision": 0}
        tag = recorded_tag(fact.payload())
        market_time = fact.market_time if isinstance(fact, ScheduleNominated) else entry.recorded_at
        return self._signed(entry, **nowhere, tag=tag, kind=KIND_RECORDED, market_time=market_time)

    def _signed(self, entry: Entry, **told: Any) -> Receipt:
        """A receipt of an entry that says this of it."""
        unsigned = Receipt(sequence=entry.sequence, journal_head=entry.hash, signature=b"", **told)
        return replace(unsigned, signature=self._key.sign(self._domain.digest(RECEIPT, unsigned.values())))


_BY_RECEIPT_RULE = {RECEIPT_RULE: ReceiptSigner._receipt}
"""What makes a receipt, by the version of its rule."""
