"""Events of the contracts as `chain.included` and `chain.observed` hold them."""

from __future__ import annotations

from typing import Any

from domain.facts import PeriodDeclared, ProgramValidated, SessionOpened
from domain.hashing import text_id, to_hex
from ledger_service.record import Record

Told = dict[str, Any]

NO_HASH = "0x" + "00" * 32


def market_created(market: str) -> Told:
    """A market came into being."""
    params = dict.fromkeys(("kind", "lotWh", "tickNeurPerWh", "minLimitNeurPerWh", "maxLimitNeurPerWh"), 0)
    params |= dict.fromkeys(("graceSeconds", "signSeconds", "clearSeconds"), 0)
    args = {"market": to_hex(text_id(market)), "area": NO_HASH, "params": params | {"area": NO_HASH}}
    return {"contract": "Market", "event": "MarketCreated", "args": args}


def period_declared(area: str, period: int, *, first_mtu: int, count: int) -> Told:
    """A period was declared."""
    args = {"area": to_hex(text_id(area)), "period": period, "firstMtu": first_mtu, "count": count, "declaredAt": 0}
    return {"contract": "Calendar", "event": "PeriodDeclared", "args": args}


def session_opened(opened: SessionOpened) -> Told:
    """A session was opened as it was asked for."""
    place = {"period": opened.period, "firstMtu": opened.first_mtu, "count": opened.count}
    args = {"market": to_hex(text_id(opened.market)), "session": opened.session, **place}
    return {"contract": "Market", "event": "SessionOpened", "args": args}


def program_recorded(validated: ProgramValidated, *, dso: bytes, signature: bytes) -> Told:
    """A program was recorded as it was validated."""
    program = {
        "resultsRoot": to_hex(validated.results_root),
        "tradedMask": str(validated.traded_mask),
        "emptiedMask": str(validated.emptied_mask),
        "gridModelHash": to_hex(validated.grid_model_hash),
        "reportHash": to_hex(validated.report_hash),
        "deadline": validated.deadline,
    }
    args = {"market": to_hex(text_id(validated.market)), "session": validated.session, "program": program}
    args |= {"dso": to_hex(dso), "signature": to_hex(signature)}
    return {"contract": "Market", "event": "ProgramRecorded", "args": args}


def answer_to(record: Record, key: str) -> list[Told]:
    """What the contracts tell where the calendar's request of this key succeeded."""
    match key.split(":"):
        case ["createMarket", market]:
            return [market_created(market)]
        case ["declarePeriod", area, period]:
            facts = [entry.as_a(PeriodDeclared) for entry in record.entries(kinds=[PeriodDeclared])]
            (declared,) = (fact for fact in facts if fact.period == int(period))
            return [period_declared(area, int(period), first_mtu=declared.first_mtu, count=declared.count)]
        case ["openSession", market, session]:
            facts = [entry.as_a(SessionOpened) for entry in record.entries(kinds=[SessionOpened])]
            (opened,) = (fact for fact in facts if (fact.market, fact.session) == (market, int(session)))
            return [session_opened(opened)]
        case _:
            return []
