"""Personal data shown to an auditor: each reading is a fact before it is answered, which those concerned can list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Request
from pydantic import TypeAdapter, ValidationError

from domain.facts import AccessLogged
from edge.problems import InvalidFields, findings_of
from ledger_service.access.directory import Principal
from ledger_service.access.roles import Role
from wallet_api.fields import Code
from wallet_api.lookup import market_named
from wallet_api.services import services_of

_CODE: TypeAdapter[str] = TypeAdapter(Code)


def everywhere(_: Request) -> None:
    """The data of every area."""


def area_asked(request: Request) -> str | None:
    """The data of the area in the query; of every area where none is named. Raises InvalidFields."""
    given = request.query_params.get("area")
    return None if given is None else _code(given)


def area_in_path(request: Request) -> str | None:
    """The data of the area in the path. Raises InvalidFields."""
    return _code(request.path_params["area"])


def area_of_market(request: Request) -> str | None:
    """The data of the area of the market in the path. Raises InvalidFields, NoSuchThing."""
    name = _code(request.path_params["market"])
    with services_of(request).record.read() as connection:
        return market_named(connection, name).area


def _code(given: str) -> str:
    try:
        return _CODE.validate_python(given)
    except ValidationError as error:
        raise InvalidFields(findings=findings_of(error.errors(include_url=False, include_input=False))) from error


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What personal data a route shows: `what` names it in the fact, `area_of` finds whose it is."""

    what: str
    area_of: Callable[[Request], str | None]

    def __call__(self, request: Request, who: Principal) -> None:
        """Append the fact where an auditor asks; blocking work.

        Raises what `area_of` does, and then the route shows nothing either.
        """
        if who.role is not Role.AUDITOR:
            return
        services = services_of(request)
        area = self.area_of(request)
        fact = AccessLogged(auditor=who.account, what=self.what, area=area, market_time=services.clock.now())
        with services.record.begin() as tx:
            tx.append(fact)
