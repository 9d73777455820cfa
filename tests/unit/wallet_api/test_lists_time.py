"""Lists by time and through an index: every list of the document, as the database is asked for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event

from domain.mtu import MTU_END, MTU_SECONDS
from ledger_service.record.spans import MtuSpan, recorded_in
from tests.unit.wallet_api.crowd import HOLDER
from tests.unit.wallet_api.routes import filled
from tests.unit.wallet_api.test_paging import LISTS
from tests.unit.wallet_api.test_style import TIMELESS
from tests.unit.wallet_api.world import FIRST_MTU, MARKET_SECONDS, World, address

pytestmark = pytest.mark.unit

NOW_MTU = MARKET_SECONDS // MTU_SECONDS
BY_RECORDING = ("/v1/areas", "/v1/deposits", "/v1/guarantees", "/v1/journal", "/v1/markets", "/v1/participants")
BY_RECORDING += ("/v1/redemptions",)
"""Lists whose time is that of recording, with several items in the crowded market."""

WHOLE_BY_KEY = {
    "registry_area",
    "registry_market",
    "registry_tariff",
    "registry_agreement",
    "registry_participant",
    "registry_meter",
    "registry_end",
    "journal_entry",
    "overview_deposit",
    "money_successor",
}
"""What a list shows all of to whoever may see all: read along its key, as far as the page reaches."""


@contextmanager
def asked(world: World) -> Iterator[list[tuple[str, Any]]]:
    """The queries that the record's database is asked in the block, with their parameters."""
    queries: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        if statement.startswith("SELECT"):
            queries.append((statement, parameters))

    event.listen(world.services.record.engine, "before_cursor_execute", note)
    try:
        yield queries
    finally:
        event.remove(world.services.record.engine, "before_cursor_execute", note)


def plan(world: World, statement: str, parameters: Any) -> list[str]:
    """How SQLite answers a query, step by step."""
    with world.services.record.engine.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return [str(row[-1]) for row in rows]


def scans(steps: list[str]) -> list[str]:
    """The steps that read a table from end to end: without an index, or along one where a search was due."""
    found = []
    for step in steps:
        match = re.fullmatch(r"SCAN (?:TABLE )?(\w+)( USING (?:COVERING )?INDEX \w+)?.*", step)
        if match is not None and match[1] not in ("CONSTANT", "anon_1"):
            along_its_key = match[1] in WHOLE_BY_KEY and (match[2] is not None or match[1] in BY_ROWID)
            found += [] if along_its_key else [step]
    return found


BY_ROWID = {"journal_entry", "overview_deposit"}
"""Tables that SQLite keeps in the order of their key, so that a walk along it names no index."""


@pytest.mark.parametrize("spanned", [False, True])
@pytest.mark.parametrize("path", LISTS)
def test_list__any_page_of_it__scans_no_table(crowded: World, path: str, spanned: bool) -> None:
    name, query = LISTS[path]
    span = f"&from={FIRST_MTU - 200}&to={FIRST_MTU + 200}"
    query = query.partition("&from")[0] + (span if spanned and path not in TIMELESS else "")
    crowded.headers(name)
    first = crowded.get(name, f"{filled(path)}?limit=1{query}")
    after = first.headers.get("link", "").partition(">")[0].removeprefix("<")
    urls = [f"{filled(path)}?limit=1&order={order}{query}" for order in ("asc", "desc")] + ([after] if after else [])

    with asked(crowded) as queries:
        for url in urls:
            assert crowded.get(name, url).status_code == 200
    plans = {statement: plan(crowded, statement, given) for statement, given in queries}

    assert plans
    assert {step: statement for statement, steps in plans.items() for step in scans(steps)} == {}
    if not spanned:  # what lies in a span may have to be sorted, a whole list never
        paged = {statement: steps for statement, steps in plans.items() if "LIMIT" in statement}
        assert [statement for statement, steps in paged.items() if "USE TEMP B-TREE FOR ORDER BY" in steps] == []


@pytest.mark.parametrize("path", LISTS)
def test_list__page_of_many__asks_the_database_no_more_often_than_page_of_one(crowded: World, path: str) -> None:
    name, query = LISTS[path]
    crowded.headers(name)

    counts = []
    for limit in (1, 100):
        with asked(crowded) as queries:
            assert crowded.get(name, f"{filled(path)}?limit={limit}{query}").status_code == 200
        counts.append(len(queries))

    assert counts[1] <= counts[0]


def one_mtu_apart(world: World) -> None:
    """Let each entry of the journal have been recorded one MTU after the entry before."""
    with world.services.record.engine.begin() as connection:
        given = f"UPDATE journal_entry SET recorded_at = {MARKET_SECONDS} + sequence * {MTU_SECONDS}"
        connection.exec_driver_sql(given)


@pytest.mark.parametrize("path", BY_RECORDING)
def test_list__from_and_to_a_time_of_recording__parts_it_there(crowded: World, path: str) -> None:
    one_mtu_apart(crowded)
    name, query = LISTS[path]
    url = f"{filled(path)}?limit=500{query}"
    whole = crowded.get(name, url).json()["items"]
    middle = sorted(item["recorded_at"] for item in whole)[len(whole) // 2]
    iso = datetime.fromtimestamp(middle, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    later = crowded.get(name, f"{url}&from={iso}").json()["items"]
    earlier = crowded.get(name, f"{url}&to={middle // MTU_SECONDS}").json()["items"]
    both = crowded.get(name, f"{url}&from={iso}&to={iso}").json()["items"]

    assert later == [item for item in whole if item["recorded_at"] >= middle] != []
    assert earlier == [item for item in whole if item["recorded_at"] < middle] != []
    assert both == []
    assert {item["recorded_at_utc"] for item in whole} >= {iso}


def test_customers__by_time__are_those_whose_agreement_begins_then(crowded: World) -> None:
    members = {"agreement": "agreement 1", "version": 2, "valid_from_mtu": FIRST_MTU + 960}
    agreement = crowded.agreement_body(HOLDER, "retailer 1", **members)
    assert crowded.post("registry office", "/v1/agreements", agreement).status_code == 201

    whole = crowded.get("retailer 1", "/v1/retailer/customers").json()["items"]
    coming = crowded.get("retailer 1", "/v1/retailer/customers", from_=FIRST_MTU).json()["items"]
    there = crowded.get("retailer 1", "/v1/retailer/customers", to=FIRST_MTU).json()["items"]

    assert [one["account"] for one in coming] == [address(HOLDER)]
    assert len(coming) + len(there) == len(whole) > 1


def test_record__clock_that_steps_back__times_do_not(market: World) -> None:
    record, before = market.services.record, market.services.record.head()
    record.timed_by(lambda: MARKET_SECONDS - 86_400)

    market.fact("period.declared", {"area": "DE-LV1", "period": 9, "first_mtu": FIRST_MTU + 960, "count": 96})

    assert record.head().sequence == before.sequence + 1
    assert record.head().recorded_at == before.recorded_at > 0


def test_recorded_in__before_the_first_and_after_the_last_entry__is_empty(market: World) -> None:
    with market.services.record.read() as connection:
        late = recorded_in(connection, MtuSpan(first=NOW_MTU + 1_000, end=MTU_END))
        early = recorded_in(connection, MtuSpan(first=0, end=1))
        all_of_it = recorded_in(connection, MtuSpan())

    assert (late.end, early.first, early.end, all_of_it.end) == (0, 1, 1, None)
