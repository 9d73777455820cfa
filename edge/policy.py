"""Who may use a route: declared in the route's own signature, denied where nothing is declared."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final
from weakref import WeakKeyDictionary

from fastapi import Depends, FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.routing import Route

from edge.context import Caller, edge_of
from edge.problems import InvalidFields
from edge.turns import weighed
from ledger_service.access.roles import NotAllowed

Before = Callable[[Request, Any], None]
"""What happens once a caller is let in, before its route answers: blocking work, whose errors refuse the request."""

WHILE_WORKING: Final = "function"
"""A turn ends before the answer is sent: a slow reader keeps nobody waiting."""

_QUERIES: WeakKeyDictionary[Any, frozenset[str]] = WeakKeyDictionary()
"""The query parameters of each endpoint, looked up once."""


class Allow:
    """A route's policy as a dependency: lets the named roles in and hands the route its caller."""

    def __init__(self, *roles: str, before: Before | None = None) -> None:
        self.roles, self.before = frozenset(roles), before

    async def __call__(self, request: Request) -> AsyncIterator[Caller]:
        """The caller, if its role is allowed, once it is its turn.

        Raises NotAllowed, TooManyRequests, TooManyAtOnce, InvalidFields and what 401 means.
        """
        edge = edge_of(request)
        caller = await edge.authenticate(request)
        edge.limiter.take(caller.address)
        if caller.role not in self.roles:
            raise NotAllowed(role=caller.role, allowed=tuple(sorted(self.roles)))
        refuse_unknown_parameters(request)
        async with edge.turns_for(request).turn(caller.address):
            if self.before is not None:
                await run_in_threadpool(weighed(self.before), request, caller)
            yield caller


class Public:
    """The policy of a route that anyone may use, said on purpose."""

    roles: frozenset[str] = frozenset()

    def __init__(self, *, at_once: bool) -> None:
        self.at_once = at_once

    async def __call__(self, request: Request) -> AsyncIterator[None]:
        """Let everyone in, once it is the turn of their address. Raises TooManyAtOnce, InvalidFields."""
        refuse_unknown_parameters(request)
        if self.at_once:
            yield
            return
        address = request.client.host if request.client else ""
        async with edge_of(request).turns_for(request).turn(address.encode()):
            yield


def refuse_unknown_parameters(request: Request) -> None:
    """A parameter that a route doesn't know is a mistake to be told, not to be passed over. Raises InvalidFields."""
    if not request.scope["query_string"]:
        return
    route: APIRoute = request.scope["route"]
    if route.endpoint not in _QUERIES:
        _QUERIES[route.endpoint] = query_names(route)
    known, given = _QUERIES[route.endpoint], request.query_params
    detail = f"unknown parameter; this route takes {', '.join(sorted(known)) or 'none'}"
    findings = [{"pointer": f"/query/{name}", "detail": detail} for name in given if name not in known]
    twice = {name for name in given if len(given.getlist(name)) > 1}
    findings += [{"pointer": f"/query/{name}", "detail": "given more than once"} for name in sorted(twice)]
    if findings:
        raise InvalidFields(findings=findings)


def query_names(route: APIRoute) -> frozenset[str]:
    """The names of the query parameters of a route, as they are sent."""
    return frozenset(parameter.alias for one in _dependants(route.dependant) for parameter in one.query_params)


def _dependants(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for below in dependant.dependencies:
        yield from _dependants(below)


def allow(*roles: str, before: Before | None = None) -> Any:
    """Declare who may use the route, at least one role, and what happens before it answers them."""
    if not roles:
        raise ValueError("name at least one role, or declare the route public")
    return Depends(Allow(*roles, before=before), scope=WHILE_WORKING)


def anyone(*, at_once: bool = False) -> Any:
    """Declare a route public; with `at_once` its callers wait for no turn, for it costs next to nothing."""
    return Depends(Public(at_once=at_once), scope=WHILE_WORKING)


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
    """Refuse to build an application in which some route declares no policy; where one does, ask it first.

    So nobody who isn't logged in learns what is wrong with the rest of a request: 401 comes before 400.
    """
    for route in api_routes(app):
        policy_of(route)
        route.dependant.dependencies.sort(key=lambda one: not isinstance(one.call, Allow | Public))
