"""What an attester asks of the service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from domain.attestations import AttestationSet
from domain.errors import DominoesError
from domain.metering_area import MeteringArea
from oracle.attester.consensus.attestations import RecordedMtu
from settling.package import Package, RegisteredTerms


class ServiceAway(DominoesError):
    """The service can't be reached or answers with a fault of its own."""

    code = "service-away"
    status = 503
    retryable = True

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the service does not answer: {reason}; it is asked again")


class ServiceRefused(DominoesError):
    """The service refuses what was sent; `http_status` and `problem` are its answer."""

    code = "service-refused"

    def __init__(self, *, http_status: int, problem: str) -> None:
        self.http_status, self.problem = http_status, problem
        super().__init__(f"the service refused with {http_status}: {problem}; compare with the recorded state")


class AreaSource(Protocol):
    """Market time and the area, as the service tells them. May raise ServiceAway or ServiceRefused."""

    def market_time(self) -> int:
        """Market time in unix seconds."""
        ...

    def metering_area(self, area: str) -> MeteringArea:
        """Meters, attesters, periods and deadlines of the area."""
        ...


class AttestationService(AreaSource, Protocol):
    """What the consensus on readings needs of the service. Every call may raise ServiceAway or ServiceRefused."""

    def submit_attestations(self, handed_in: AttestationSet) -> None:
        """Hand over attestations with the meters' messages behind them; doing so twice changes nothing."""
        ...

    def attestation_states(self, area: str, first_mtu: int, count: int) -> list[RecordedMtu]:
        """Where MTUs stand, ascending."""
        ...


@dataclass(frozen=True, slots=True)
class SettlementRef:
    """Names a settlement: the area's code, the period's number, and the revision (0, then one for each correction)."""

    area: str
    period: int
    revision: int

    def __str__(self) -> str:
        return f"settlement {self.revision} of period {self.period} of {self.area}"


class SettlementService(Protocol):
    """What co-signing settlements needs of the service. Every call may raise ServiceAway or ServiceRefused."""

    def terms(self, area: str) -> RegisteredTerms:
        """The registry facts money can rest on. May raise PackageMalformed."""
        ...

    def pending_settlements(self, area: str) -> list[SettlementRef]:
        """Settlements of the area that wait for signatures."""
        ...

    def settlement_package(self, settlement: SettlementRef) -> Package:
        """Everything from which it is to be recomputed. May raise PackageMalformed."""
        ...

    def submit_settlement_signature(self, settlement: SettlementRef, signature: bytes) -> None:
        """Hand over one's signature."""
        ...
