"""Logged in by an access token: whose it is, and the role as it is now."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from ledger_service.access.directory import Directory, Principal, UnknownAccount
from ledger_service.access.tokens import Claims, TokenIssuer, TokenRefused

PRINCIPAL_SECONDS = 1.0
"""How long a looked-up role is believed: a role that is taken away ends within this."""

PRINCIPALS_MAX = 4_096
"""Looked-up principals remembered at once."""

_BEARER = "bearer "


class Login:
    """Reads the token of a request; roles are as the directory gave them at most PRINCIPAL_SECONDS ago."""

    def __init__(self, *, tokens: TokenIssuer, directory: Directory, wall_clock: Callable[[], int]) -> None:
        self._tokens, self._directory, self._wall_clock = tokens, directory, wall_clock
        self._known: OrderedDict[bytes, tuple[float, Principal]] = OrderedDict()

    async def authenticate(self, request: Request) -> Principal:
        """The principal whose valid token the request carries. Raises TokenRefused."""
        header = request.headers.get("authorization", "")
        if not header.lower().startswith(_BEARER):
            raise TokenRefused(reason="there is none in the Authorization header")
        return await self._find(self._tokens.verify(header[len(_BEARER) :].strip(), now=self._wall_clock()))

    async def _find(self, claims: Claims) -> Principal:
        """The principal now; TokenRefused where the account or its role is no longer what the token says."""
        known = self._known.get(claims.address)
        moment = time.monotonic()
        if known is None or moment - known[0] > PRINCIPAL_SECONDS:
            try:
                if self._directory.needs_record(claims.address):
                    principal = await run_in_threadpool(self._directory.find, claims.address)
                else:
                    principal = self._directory.find(claims.address)
            except UnknownAccount as error:
                self._known.pop(claims.address, None)
                raise TokenRefused(reason="its account is no longer registered") from error
            self._known[claims.address] = (moment, principal)
            while len(self._known) > PRINCIPALS_MAX:
                self._known.popitem(last=False)
        else:
            principal = known[1]
        if principal.role is not claims.role:
            raise TokenRefused(reason="the account's role has changed")
        return principal
