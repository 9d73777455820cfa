"""What will go says so: in the document, and in the headers of every answer to whoever uses it."""

from __future__ import annotations

import time
from datetime import date
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Query, Request
from starlette.responses import Response
from starlette.testclient import TestClient

from edge.answers import model_answer
from edge.application import equip, routed
from edge.context import Edge
from edge.declaring import Declaring
from edge.deprecation import deprecated
from edge.examples import Examples
from edge.limits import Limiter
from edge.middleware import Metrics
from edge.models import Answer
from edge.openapi import Document
from edge.policy import anyone
from edge.problems import NoSuchThing

pytestmark = pytest.mark.unit

SINCE, ENDS = date(2027, 3, 1), date(2028, 3, 1)
GOING = deprecated(since=SINCE, ends=ENDS, instead="GET /houses")
COLOUR_GOES = deprecated(since=SINCE, ends=ENDS, instead="`paint`", parameter="colour")
ABOUT = Document(
    title="A street", version="1", description="", path="/openapi.json", tags=[{"name": "street"}], login=""
)


class House(Answer):
    """A house."""

    number: int


def _client() -> TestClient:
    declaring = Declaring(example_of=Examples(samples={"number": 7}, ids={}).of)
    router = APIRouter(tags=["street"])

    @router.get("/house", **declaring.reads(House, failing=(NoSuchThing,)))
    def house(request: Request, _: Annotated[None, anyone()], __: Annotated[None, GOING], number: int = 7) -> Response:
        """The one house there was."""
        if number != 7:
            raise NoSuchThing(what="house")
        return model_answer(House(number=number))

    @router.get("/houses", **declaring.reads(House))
    def houses(
        request: Request,
        _: Annotated[None, anyone()],
        __: Annotated[None, COLOUR_GOES],
        colour: Annotated[str, Query(description="Its colour")] = "",
        paint: Annotated[str, Query(description="Its paint")] = "",
    ) -> Response:
        """Any house."""
        return model_answer(House(number=7))

    async def nobody(_: Request) -> Any:
        raise AssertionError("no route here asks who it is")

    app = routed((router,), about=ABOUT)
    edge = Edge(
        authenticate=nobody,
        limiter=Limiter(monotonic=time.monotonic),
        answers=None,  # type: ignore[arg-type]
        wall_clock=lambda: 0,
        metrics=Metrics(),
    )
    return TestClient(equip(app, edge, origins=["https://app.example"]))


def _told(answer: Any) -> tuple[str | None, str | None]:
    return answer.headers.get("deprecation"), answer.headers.get("sunset")


def test_route__that_will_go__says_so_in_every_answer() -> None:
    client = _client()

    for answer in (client.get("/house"), client.head("/house"), client.get("/house?number=8")):
        assert _told(answer) == ("@1803859200", "Wed, 01 Mar 2028 00:00:00 GMT")
    assert client.get("/house?number=8").status_code == 404
    assert _told(client.get("/houses")) == _told(client.get("/nothing")) == (None, None)


def test_parameter__that_will_go__says_so_where_it_is_used() -> None:
    client = _client()

    assert _told(client.get("/houses?colour=red"))[0] == _told(client.get("/houses?colour="))[0] == "@1803859200"
    assert _told(client.get("/houses?paint=red")) == (None, None)


def test_document__what_will_go__is_marked() -> None:
    paths = _client().get("/openapi.json").json()["paths"]
    house, houses = paths["/house"]["get"], paths["/houses"]["get"]
    colour, paint = houses["parameters"]

    assert house["deprecated"] is True and "deprecated" not in houses
    assert house["description"].endswith("Deprecated since 2027-03-01, ends 2028-03-01; use GET /houses.")
    assert colour["deprecated"] is True and "deprecated" not in paint
    assert {"Deprecation", "Sunset"} <= set(house["responses"]["200"]["headers"])


def test_other_origins__may_read_the_headers() -> None:
    answer = _client().get("/house", headers={"Origin": "https://app.example"})

    assert {"Deprecation", "Sunset"} <= set(answer.headers["access-control-expose-headers"].split(", "))


def test_deprecated__with_less_than_a_years_notice__refused() -> None:
    with pytest.raises(ValueError, match="less than a year"):
        deprecated(since=SINCE, ends=date(2028, 2, 28), instead="nothing")
