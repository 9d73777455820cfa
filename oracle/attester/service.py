"""What an attester asks of the service and of the chain, and the HTTP client that asks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from domain.errors import DominoesError
from ledger_service.metering.registry import Registry

TIMEOUT_S = 30.0
"""Longest wait for one answer of the service."""


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
        """Hand over `{"attester", "signature"}`."""
        ...


@dataclass(frozen=True)
class HttpService:
    """The service over HTTP. `authorise` gives the headers of a logged-in attester."""

    client: httpx.Client
    authorise: Callable[[], dict[str, str]]

    def _ask(self, method: str, path: str, *, body: Any = None, params: dict[str, Any] | None = None) -> Any:
        try:
            answer = self.client.request(
                method, path, json=body, params=params, headers=self.authorise(), timeout=TIMEOUT_S
            )
        except httpx.HTTPError as error:
            raise ServiceAway(reason=f"{type(error).__name__}: {error}") from error
        if answer.status_code >= 500:
            raise ServiceAway(reason=f"status {answer.status_code}")
        if answer.status_code >= 400:
            raise ServiceRefused(http_status=answer.status_code, problem=answer.text[:500])
        return answer.json() if answer.content else None

    def market_time(self) -> int:
        """Market time in unix seconds."""
        return int(self._ask("GET", "/v1/attester/market-time")["market_time"])

    def registry(self, area: str) -> Registry:
        """Meters, attesters, periods and deadlines of the area."""
        return Registry.from_json(self._ask("GET", "/v1/attester/registry", params={"area": area}))

    def submit_attestations(self, payload: dict[str, Any]) -> None:
        """Hand over a `reading.attested` payload."""
        self._ask("POST", "/v1/attestations", body=payload)

    def attestation_states(self, area: str, first_mtu: int, count: int) -> list[dict[str, Any]]:
        """Where MTUs stand."""
        params = {"area": area, "first_mtu": first_mtu, "count": count}
        states: list[dict[str, Any]] = self._ask("GET", "/v1/attestations", params=params)["states"]
        return states

    def pending_settlements(self, area: str) -> list[tuple[int, int]]:
        """Settlements that wait for signatures."""
        found = self._ask("GET", "/v1/attester/settlements", params={"area": area})["settlements"]
        return [(int(item["period"]), int(item["revision"])) for item in found]

    def settlement_package(self, area: str, period: int, revision: int) -> dict[str, Any]:
        """Everything from which the settlement is to be recomputed."""
        path = f"/v1/attester/settlements/{area}/{period}/{revision}"
        package: dict[str, Any] = self._ask("GET", path)
        return package

    def submit_settlement_signature(self, area: str, period: int, revision: int, body: dict[str, Any]) -> None:
        """Hand over a signature."""
        self._ask("POST", f"/v1/attester/settlements/{area}/{period}/{revision}/signature", body=body)
