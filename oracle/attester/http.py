"""The service over HTTP, for an attester that logs in with its own key."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import requests
from pydantic import ConfigDict

from domain.attestations import AttestationSet
from domain.hashing import to_hex
from domain.members import noun_json, noun_of
from domain.metering_area import MeteringArea
from domain.signing import SigningKey, personal_message_digest
from oracle.attester.consensus.attestations import RecordedMtu
from oracle.attester.service import ServiceAway, ServiceRefused, SettlementRef
from settling.package import Package, RegisteredTerms, read_strictly

PAGE_ITEMS = 500
"""Most MTUs asked about at once; the service gives no more in one answer."""

_log = logging.getLogger(__name__)

TIMEOUT_S = 30.0
"""Longest wait for one answer of the service."""

TOKEN_MARGIN_S = 60.0
"""A token is renewed this long before it expires."""


@dataclass(frozen=True, slots=True)
class PackageAnswer:
    """The service's answer about a settlement; what it says is to be signed is not looked at."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="ignore", strict=True)

    package: Package


@dataclass(frozen=True, slots=True)
class StatesAnswer:
    """A page of the service's answer about MTUs."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="ignore", strict=True)

    items: tuple[RecordedMtu, ...]


@dataclass(frozen=True, slots=True)
class Bearer(requests.auth.AuthBase):
    """A session's token, or none; so a `.netrc` of this machine is never asked."""

    token: str | None

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Name the token in the request."""
        if self.token is not None:
            request.headers["Authorization"] = f"Bearer {self.token}"
        return request


class HttpService:
    """Implements `AttestationService` and `SettlementService`, by the HTTP client that web3 brings along already: a
    second one would take 5 MB in every attester. Safe from several threads: each has a session of its own.

    `trusted`: the file of the authorities that certify the service; None for the public ones. `wall` is any clock in
    seconds.
    """

    def __init__(
        self, *, url: str, key: SigningKey, trusted: Path | None = None, wall: Callable[[], float] = time.monotonic
    ) -> None:
        self._url = url.rstrip("/")
        self._trusted = True if trusted is None else str(trusted)
        self._own = threading.local()
        self._key = key
        self._wall = wall
        self._token: tuple[str, float] | None = None

    @property
    def _session(self) -> requests.Session:
        """This thread's session."""
        if not hasattr(self._own, "session"):
            self._own.session = requests.Session()
        session: requests.Session = self._own.session
        return session

    def _send(
        self, method: str, path: str, *, token: str | None = None, body: Any = None, params: Any = None
    ) -> requests.Response:
        try:
            answer = self._session.request(
                method,
                self._url + path,
                json=body,
                params=params,
                auth=Bearer(token),
                verify=self._trusted,  # with each request: a session's own gives way to the environment's
                timeout=TIMEOUT_S,
            )
        except requests.RequestException as error:
            raise ServiceAway(reason=f"{type(error).__name__}: {error}") from error
        if answer.status_code >= 500 or answer.status_code == 429:
            raise ServiceAway(reason=f"status {answer.status_code}")
        return answer

    def _login(self) -> str:
        """A token that is good for a while; logs in where there is none."""
        if self._token is None or self._wall() > self._token[1]:
            account = {"account": to_hex(self._key.address)}
            challenge = self._open("POST", "/v1/session/challenge", body=account)
            signature = self._key.sign(personal_message_digest(challenge["text"]))
            answer = {"nonce": challenge["nonce"], "signature": to_hex(signature)}
            session = self._open("POST", "/v1/session", body=answer)
            self._token = session["access_token"], self._wall() + session["expires_in"] - TOKEN_MARGIN_S
        return self._token[0]

    def _open(self, method: str, path: str, *, body: Any = None, params: Any = None) -> Any:
        return _accepted(self._send(method, path, body=body, params=params)).json()

    def _ask(self, method: str, path: str, *, body: Any = None, params: Any = None) -> requests.Response:
        answer = self._send(method, path, token=self._login(), body=body, params=params)
        if answer.status_code == 401:
            self._token = None  # the service was restarted with another token key
            answer = self._send(method, path, token=self._login(), body=body, params=params)
        return _accepted(answer)

    def market_time(self) -> int:
        """Market time in unix seconds."""
        return int(self._open("GET", "/v1/clock")["market_time"])

    def metering_area(self, area: str) -> MeteringArea:
        """Meters, attesters, periods and deadlines of the area."""
        return MeteringArea.from_json(self._ask("GET", "/v1/attester/registry", params={"area": area}).json())

    def terms(self, area: str) -> RegisteredTerms:
        """The registry facts money can rest on. May raise PackageMalformed."""
        return RegisteredTerms.read(self._ask("GET", "/v1/attester/terms", params={"area": area}).content)

    def submit_attestations(self, handed_in: AttestationSet) -> None:
        """Hand over attestations with the meters' messages behind them."""
        self._ask("POST", "/v1/attestations", body=noun_json(handed_in))

    def attestation_states(self, area: str, first_mtu: int, count: int) -> list[RecordedMtu]:
        """Where MTUs stand; of an answer that can't be read nothing is known."""
        found: list[RecordedMtu] = []
        end = first_mtu + count
        for first in range(first_mtu, end, PAGE_ITEMS):
            span = {"from": first, "to": min(first + PAGE_ITEMS, end)}
            params = {"area": area, "limit": PAGE_ITEMS, **span}
            answer = self._ask("GET", "/v1/attestations", params=params).content
            try:
                found += noun_of(StatesAnswer, answer).items
            except ValueError as error:
                _log.warning("where MTUs from %s on stand can't be read: %s", first, error)
        return found

    def pending_settlements(self, area: str) -> list[SettlementRef]:
        """Settlements that wait for signatures."""
        found = self._ask("GET", "/v1/attester/settlements", params={"state": "proposed"}).json()["items"]
        refs = (SettlementRef(item["area"], int(item["period"]), int(item["revision"])) for item in found)
        return [ref for ref in refs if ref.area == area]

    def settlement_package(self, settlement: SettlementRef) -> Package:
        """Everything from which the settlement is to be recomputed. May raise PackageMalformed."""
        return read_strictly(PackageAnswer, self._ask("GET", _path_of(settlement)).content).package

    def submit_settlement_signature(self, settlement: SettlementRef, signature: bytes) -> None:
        """Hand over a signature."""
        self._ask("POST", f"{_path_of(settlement)}/signature", body={"signature": to_hex(signature)})


def _path_of(settlement: SettlementRef) -> str:
    return f"/v1/attester/settlements/{settlement.area}/{settlement.period}/{settlement.revision}"


def _accepted(answer: requests.Response) -> requests.Response:
    if answer.status_code >= 400:
        raise ServiceRefused(http_status=answer.status_code, problem=answer.text[:500])
    return answer
