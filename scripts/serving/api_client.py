"""A client of the wallet API: logs in with a key, repeats what a busy service could not take."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import httpx
from eth_account.messages import encode_defunct
from eth_utils.crypto import keccak

from domain.errors import DominoesError
from domain.hashing import to_hex
from domain.signing import SigningKey

TIMEOUT_SECONDS = 180.0
"""Longest wait for one answer; advancing the market by hours takes a while."""

ATTEMPTS_MAX = 60
"""Tries of one request while the service is away or busy, half a second apart."""

PAUSE_SECONDS = 0.5
RETRY_STATUSES = (429, 502, 503, 504)
CREATED_STATUS = 201
LOGIN_AGAIN_STATUS = 401


class ApiRefused(DominoesError):
    """The API refused a request; `problem` holds its answer (RFC 9457)."""

    code = "api-refused"

    def __init__(self, *, method: str, path: str, status: int, problem: str) -> None:
        self.method, self.path, self.http_status, self.problem = method, path, status, problem
        super().__init__(f"{method} {path} was refused with {status}: {problem}")

    @property
    def detail(self) -> str:
        """What the problem document says to a person; the whole answer where it is none."""
        try:
            return str(json.loads(self.problem)["detail"])
        except (ValueError, TypeError, KeyError):
            return self.problem


class ApiAway(DominoesError):
    """The API does not answer."""

    code = "api-away"
    retryable = True

    def __init__(self, *, url: str, reason: str) -> None:
        self.url, self.reason = url, reason
        super().__init__(f"{url} does not answer: {reason}; is the service running (`dominoes doctor`)?")


def login_signature(key: SigningKey, text: str) -> str:
    """EIP-191 personal_sign of a login text, as 0x hex."""
    message = encode_defunct(text=text)
    digest = keccak(b"\x19" + message.version + message.header + message.body)
    return to_hex(key.sign(digest))


@dataclass(frozen=True, slots=True)
class HandedIn:
    """The answer to a POST, and whether the same had been recorded before."""

    answer: Mapping[str, Any]
    repeated: bool


class ApiClient:
    """Requests on behalf of one key; anonymous where the key is None. Connections are shared through `http`."""

    def __init__(self, *, http: httpx.Client, key: SigningKey | None = None) -> None:
        self._http, self.key = http, key
        self._token: str | None = None

    def of(self, key: SigningKey) -> ApiClient:
        """The same service and connections for another key."""
        return ApiClient(http=self._http, key=key)

    def log_in(self) -> str:
        """A fresh access token. Raises ApiRefused."""
        if self.key is None:
            raise ValueError("an anonymous client has no key to log in with")
        return self._log_in(self.key)

    def get(self, path: str, **params: Any) -> Any:
        """The JSON answer of a GET. Raises ApiRefused or ApiAway."""
        return self._ask("GET", path, params=params)

    def post(self, path: str, body: Any) -> Any:
        """The JSON answer of a POST. Raises ApiRefused or ApiAway."""
        return self._ask("POST", path, body=body)

    def hand_in(self, path: str, body: Any) -> HandedIn:
        """What a POST recorded, or had recorded before. Raises ApiRefused or ApiAway."""
        answer = self._send("POST", path, body=body)
        return HandedIn(answer=answer.json(), repeated=answer.status_code != CREATED_STATUS)

    def download(self, path: str, into: BinaryIO) -> None:
        """Write a file as it comes to `into`, which then stands at its beginning. Raises ApiRefused or ApiAway."""
        self._send("GET", path, into=into)
        into.seek(0)

    def items(self, path: str, **params: Any) -> list[Any]:
        """All items of a paged list, page after page."""
        found: list[Any] = []
        answer = self._send("GET", path, params=params)
        while True:
            found += answer.json()["items"]
            link = answer.links.get("next")
            if link is None:
                return found
            answer = self._send("GET", str(link["url"]), params=None)

    def _ask(self, method: str, path: str, *, body: Any = None, params: dict[str, Any] | None = None) -> Any:
        answer = self._send(method, path, body=body, params=params)
        return answer.json() if answer.content else None

    def _send(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: dict[str, Any] | None = None,
        into: BinaryIO | None = None,
    ) -> httpx.Response:
        reason = ""
        for _ in range(ATTEMPTS_MAX):
            try:
                with self._http.stream(method, path, json=body, params=params, headers=self._headers()) as answer:
                    _take(answer, into)
            except httpx.HTTPError as error:
                reason = f"{type(error).__name__}: {error}"
                time.sleep(PAUSE_SECONDS)
                continue
            if answer.status_code == LOGIN_AGAIN_STATUS and self._token is not None:
                self._token = None
                continue
            if answer.status_code in RETRY_STATUSES:
                reason = f"status {answer.status_code}"
                time.sleep(PAUSE_SECONDS)
                continue
            if answer.status_code >= 400:
                raise ApiRefused(method=method, path=path, status=answer.status_code, problem=answer.text[:500])
            return answer
        raise ApiAway(url=str(self._http.base_url), reason=reason)

    def _headers(self) -> dict[str, str]:
        if self.key is None:
            return {}
        if self._token is None:
            self._token = self._log_in(self.key)
        return {"Authorization": f"Bearer {self._token}"}

    def _log_in(self, key: SigningKey) -> str:
        asked = self._http.post("/v1/session/challenge", json={"account": to_hex(key.address)})
        asked.raise_for_status()
        challenge = asked.json()
        signature = login_signature(key, challenge["text"])
        answer = self._http.post("/v1/session", json={"nonce": challenge["nonce"], "signature": signature})
        if answer.status_code != CREATED_STATUS:
            raise ApiRefused(method="POST", path="/v1/session", status=answer.status_code, problem=answer.text[:500])
        return str(answer.json()["access_token"])


def _take(answer: httpx.Response, into: BinaryIO | None) -> None:
    """Receive the whole of an answer; a success into the file where there is one."""
    if into is None or answer.status_code >= 400:
        answer.read()
        return
    into.seek(0)  # an attempt before may have ended in the middle
    into.truncate()
    for part in answer.iter_bytes():
        into.write(part)


def open_http(base_url: str) -> httpx.Client:
    """Shared connections to the API."""
    return httpx.Client(base_url=base_url, timeout=TIMEOUT_SECONDS, limits=httpx.Limits(max_connections=16))
