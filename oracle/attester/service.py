"""What an attester asks of the service."""

from __future__ import annotations

from typing import Any, Protocol

from domain.errors import DominoesError
from domain.meters import Registry


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


class ServiceClient(Protocol):
    """What an attester needs of the service. Every call may raise ServiceAway or ServiceRefused."""

    def market_time(self) -> int:
        """Market time in unix seconds."""
        ...

    def registry(self, area: str) -> Registry:
        """Meters, attesters, periods and deadlines of the area."""
        ...

    def terms(self, area: str) -> dict[str, list[dict[str, Any]]]:
        """The registry facts money can rest on: `parties`, `meters`, `keys`, `tariffs`, `agreements`."""
        ...

    def submit_attestations(self, payload: dict[str, Any]) -> None:
        """Hand over a `reading.attested` payload; doing so twice changes nothing."""
        ...

    def attestation_states(self, area: str, first_mtu: int, count: int) -> list[dict[str, Any]]:
        """Per MTU `{"mtu", "next_revision", "attestation" (as in reading.attested) or null}`, ascending."""
        ...

    def pending_settlements(self, area: str) -> list[tuple[int, int]]:
        """(period, revision) of settlements that wait for signatures."""
        ...

    def settlement_package(self, area: str, period: int, revision: int) -> dict[str, Any]:
        """Everything from which the settlement is to be recomputed."""
        ...

    def submit_settlement_signature(self, area: str, period: int, revision: int, body: dict[str, Any]) -> None:
        """Hand over `{"signature"}`."""
        ...
