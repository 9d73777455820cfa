"""Who may use a route: declared in the route's own signature, denied where nothing is declared."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.routing import Route

from edge.limits import Limiter
from ledger_service.access.directory import Directory, Principal, UnknownAccount
from ledger_service.access.roles import NotAllowed, Role
from ledger_service.access.tokens import Claims, TokenRefused
from wallet_api.disclosure import Disclosure
from wallet_api.services import services_of

PRINCIPAL_SECONDS = 1.0
"""How long a looked-up role is believed: a role that is taken away ends within this."""

PRINCIPALS_MAX = 4_096
"""Looked-up principals remembered at once."""

_BEARER = "bearer "


class PrincipalCache:
    """Roles as the directory gave them at most PRINCIPAL_SECONDS ago."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._known: OrderedDict[bytes, tuple[float, Principal]] = OrderedDict()

    async def find(self, claims: Claims) -> Principal:
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


async def authenticate(request: Request) -> Principal:
    """The principal whose valid token the request carries. Raises TokenRefused."""
    header = request.headers.get("authorization", "")
    if not header.lower().startswith(_BEARER):
        raise TokenRefused(reason="there is none in the Authorization header")
    services = services_of(request)
    claims = services.tokens.verify(header[len(_BEARER) :].strip(), now=services.wall_clock())
    cache: PrincipalCache = request.app.state.principals
    return await cache.find(claims)


class Allow:
    """A route's policy as a dependency: lets the named roles in and hands the route its principal.

    Where the route discloses personal data, an auditor's reading is logged before the route answers.
    """

    def __init__(self, *roles: Role, discloses: Disclosure | None = None) -> None:
        self.roles, self.discloses = frozenset(roles), discloses

    async def __call__(self, request: Request) -> Principal:
        """The principal, if its role is allowed. Raises TokenRefused, TooManyRequests, NotAllowed."""
        principal = await authenticate(request)
        limiter: Limiter = request.app.state.limiter
        limiter.take(principal.address)
        if principal.role not in self.roles:
            raise NotAllowed(role=principal.role, allowed=tuple(sorted(self.roles)))
        if self.discloses is not None and principal.role is Role.AUDITOR:
            await run_in_threadpool(self.discloses.log, request, principal)
        return principal


class Public:
    """The policy of a route that anyone may use, said on purpose."""

    roles: frozenset[Role] = frozenset()

    async def __call__(self) -> None:
        """Let everyone in."""


def allow(*roles: Role, discloses: Disclosure | None = None) -> Any:
    """Declare who may use the route, at least one role, and what it tells an auditor of persons."""
    if not roles:
        raise ValueError("name at least one role, or declare the route public")
    return Depends(Allow(*roles, discloses=discloses))


def anyone() -> Any:
    """Declare a route public."""
    return Depends(Public())


TRADERS = (Role.PROSUMER, Role.RETAILER)
"""Who places orders and holds a balance."""

EVERYBODY = tuple(Role)
"""Any principal that is logged in."""


class PolicyMissing(Exception):
    """A route without a declared policy: a mistake in this code, found when the application is built."""


def api_routes(app: FastAPI) -> Iterator[APIRoute]:
    """Every route of the application that runs our code."""
    for route in app.routes:
        if isinstance(route, APIRoute):
            yield route
        elif type(route) is not Route:
            # A mount, or a router included lazily: its routes would pass the policy check unseen.
            raise PolicyMissing(f"{route!r} hides routes; add them to the application one by one")


def methods_of(route: APIRoute) -> list[str]:
    """The HTTP methods of a route."""
    return sorted(route.methods or ())


def policy_of(route: APIRoute) -> Allow | Public:
    """The policy a route declares. Raises PolicyMissing."""
    found = [d.call for d in route.dependant.dependencies if isinstance(d.call, Allow | Public)]
    if len(found) != 1:
        raise PolicyMissing(f"{methods_of(route)} {route.path} declares {len(found)} policies; declare exactly one")
    return found[0]


def require_policies(app: FastAPI) -> None:
    """Refuse to build an application in which some route declares no policy."""
    for route in api_routes(app):
        policy_of(route)
