"""What attesters signed of meter readings, and what nobody attested in time."""

from __future__ import annotations

from dataclasses import dataclass

from domain.attestations import SignedAttestation
from domain.facts.base import Fact, fact
from domain.members import Code, Mtu, Number, RuleVersion


@dataclass(frozen=True, slots=True)
class ReadingRules:
    """Versions of the rules by which readings were believed."""

    substitutes: RuleVersion


@fact
class ReadingAttested(Fact):
    """Readings of an area that m attesters signed, with the meters' messages (compact JWS) behind them, ascending.

    A message may stand in an earlier fact of the area instead, which may hold messages alone.
    """

    KIND = "reading.attested"
    area: Code
    period: Number
    attestations: tuple[SignedAttestation, ...]
    messages: tuple[str, ...]
    rules: ReadingRules


@fact
class MtuUnread(Fact):
    """Nobody attested this MTU by its deadline, and the chain says so: it settles as traded until corrected."""

    KIND = "mtu.unread"
    area: Code
    period: Number
    mtu: Mtu

    @property
    def journal_key(self) -> str:
        """An MTU is marked once."""
        return f"{self.KIND}:{self.area}:{self.mtu}"
