"""From a closed gate to a cleared or void market: the program, the DSO's verdict, what is asked of the chain."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from domain.eip712 import PROGRAM, REFUSAL
from domain.facts import FACTS, ProgramValidated
from domain.hashing import from_hex, hash_json, text_id, to_hex
from domain.members import JsonDocument
from domain.programs import program_values
from domain.signing import SigningKey
from domain.words import Side
from grid.model import Bus, GridModel, Line, Point, Transformer
from ledger_service.market import queries as market_queries
from ledger_service.market.views import rebuild_views
from ledger_service.outbox import RETRY_SECONDS
from ledger_service.programs import ClearingStage, EndStage, PositionStage, ValidationStage, Verdicts
from ledger_service.programs.verdicts import (
    BadReason,
    NotTheDso,
    NotValidated,
    VerdictGiven,
    VerdictTooLate,
    refusal_values,
)
from ledger_service.record import Entry, Record
from ledger_service.stage import run_until_quiet
from tests import nominated
from tests.integration.ledger import town as towns
from tests.integration.ledger.told import program_recorded
from tests.integration.ledger.town import AREA, MARKET, MARKET_DOMAIN, Town, accepted
from tests.journal import append_fact, content_of

pytestmark = pytest.mark.integration

STREET = GridModel(
    code="street",
    source_bus="mv",
    source_micro_pu=1_025_000,
    buses=(Bus("mv", 20_000), Bus("near", 400), Bus("far", 400)),
    lines=(Line("cable", "near", "far", 400_000_000, 160_000_000, 250_000, 140_000),),
    transformers=(Transformer("trafo", "mv", "near", 20_000, 400, 50_000, 60_000, 600_000, 3_000, 200_000, 5),),
    points=tuple(Point(f"POINT-{n}", bus, 30_000, 60_000) for n, bus in enumerate(("near", "near", "far"))),
)


class Desk:
    """A closed market of three houses on a street, and the stages after the gate."""

    def __init__(self, town: Town) -> None:
        self.town, self.record, self.dso = town, town.record, SigningKey.generate()
        self.verdicts = Verdicts(
            self.record,
            clock=town.clock,
            domain=MARKET_DOMAIN,
            is_dso=lambda signer, area: signer == self.dso.address and area == AREA,
        )
        self.validation = ValidationStage(self.record, metered=lambda connection, point, mtus: {})

    def facts(self, kind: str) -> list[Entry]:
        return self.record.entries(kinds=[FACTS[kind]], limit=10_000)

    def requests(self, function: str) -> list[dict[str, Any]]:
        requested = map(content_of, self.facts("chain.requested"))
        return [request for request in requested if request["function"] == function]

    def validated(self) -> dict[str, Any]:
        while self.validation.run(self.town.clock.now()):
            pass
        return content_of(self.facts("program.validated")[0])

    def program(self) -> ProgramValidated:
        self.validated()
        return self.facts("program.validated")[0].as_a(ProgramValidated)

    def sign(self, key: SigningKey | None = None) -> Entry:
        digest = MARKET_DOMAIN.digest(PROGRAM, program_values(self.program()))
        return self.verdicts.sign(
            market=MARKET, session=self.town.session.session, signature=(key or self.dso).sign(digest)
        )

    def refuse(self, reason: str) -> Entry:
        digest = MARKET_DOMAIN.digest(REFUSAL, refusal_values(self.program(), reason=reason))
        signature = self.dso.sign(digest)
        session = self.town.session.session
        return self.verdicts.refuse(market=MARKET, session=session, reason=reason, signature=signature)

    def recorded(self) -> dict[str, Any]:
        """The chain's event that the program was recorded."""
        signature = self.dso.sign(MARKET_DOMAIN.digest(PROGRAM, program_values(self.program())))
        return program_recorded(self.program(), dso=self.dso.address, signature=signature)

    def include(self, key: str, *events: dict[str, Any]) -> None:
        payload = {"key": key, "block": 1, "events": list(events)}
        with self.record.begin() as tx:
            append_fact(tx, "chain.included", payload)

    def fail(self, key: str) -> None:
        with self.record.begin() as tx:
            append_fact(tx, "chain.failed", {"key": key, "reason": "MarketMtuNotClearable"})

    def sign_and_clear(self) -> ClearingStage:
        """The DSO signs, and once that is on chain it is asked to clear."""
        self.sign()
        self.include(f"recordProgram:{MARKET}:{self.town.session.session}", self.recorded())
        stage = ClearingStage(self.record)
        assert stage.run(0) is True
        return stage


def cleared(session: int, mtu: int, result_hash: str) -> dict[str, Any]:
    """The chain's event that an MTU was cleared with this result."""
    args = {"market": to_hex(text_id(MARKET)), "session": session, "mtu": mtu, "resultHash": result_hash}
    return {"contract": "Market", "event": "MtuCleared", "args": args | {"priceNeurPerWh": 90_000, "tradedLots": 4}}


def done(session: int, cleared_mask: int) -> dict[str, Any]:
    """The chain's event that a session is over."""
    args = {"market": to_hex(text_id(MARKET)), "session": session, "clearedMask": str(cleared_mask)}
    return {"contract": "Market", "event": "SessionDone", "args": args | {"clearingRoot": "0x" + "00" * 32}}


@pytest.fixture
def make_desk(make_town: Callable[..., Town], monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Desk]:
    """One seller at the far end and one buyer, who trade in so many MTUs, and the gate closed."""
    grid = json.loads(STREET.to_json())
    plain = towns.area
    monkeypatch.setattr(towns, "area", lambda: plain(grid_model=JsonDocument(grid), grid_model_hash=hash_json(grid)))

    def make(mtus: int) -> Desk:
        town = make_town(households=3)
        program = town.open_session()
        buyer, _, seller = town.residents
        orders = [
            order
            for mtu in range(program.first_mtu, program.first_mtu + mtus)
            for order in (
                seller.order(mtu=mtu, side=Side.ASK, limit_neur_per_wh=90_000, quantity_lots=10),
                buyer.order(mtu=mtu, limit_neur_per_wh=110_000, quantity_lots=4),
            )
        ]
        outcomes = town.send(seller.schedule(program, [-100] * program.count), *orders)
        assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        town.clock.advance_to(program.session)
        town.gate.run(program.session)
        return Desk(town)

    return make


@pytest.fixture
def desk(make_desk: Callable[[int], Desk]) -> Desk:
    """Trade in the first MTU."""
    return make_desk(1)


def test_validation__closed_program__is_cleared_and_laid_before_the_dso_once(desk: Desk) -> None:
    validated = desk.validated()

    first = validated["results"][0]
    assert first["price_neur_per_wh"] == 90_000  # the ask is filled in part, so it sets both ends
    assert validated["results"][1]["price_neur_per_wh"] is None
    assert validated["schedules"]["POINT-2"][0] == -100 and validated["schedules"]["POINT-0"][0] == 0
    assert desk.validation.run(desk.town.clock.now()) is False
    assert len(desk.facts("program.validated")) == 1


def test_validation__nominated_for_some_mtus_at_earlier_gates__the_latest_counts_for_each(record: Record) -> None:
    town = Town(record, households=1)
    last = town.open_session()
    earlier = [last.session - 7_200, last.session - 3_600]
    with record.begin() as tx:
        for gate, net_wh in zip(earlier, nominated.EARLIER, strict=True):
            opened = {"market": MARKET, "area": AREA, "session": gate, "period": last.period}
            append_fact(tx, "session.opened", opened | {"first_mtu": last.first_mtu, "count": len(net_wh)})
        rebuild_views(tx)
    with record.read() as connection:
        sessions = market_queries.sessions(connection, market=MARKET)
    for session, net_wh in zip(sessions, nominated.EARLIER, strict=False):
        accepted(town, town.residents[0].schedule(session, net_wh))
    with record.begin() as tx:
        for gate in earlier:
            append_fact(tx, "session.done", {"market": MARKET, "session": gate})
    town.clock.advance_to(last.session)
    town.gate.run(last.session)

    run_until_quiet([ValidationStage(record, metered=lambda connection, point, mtus: {})], last.session)

    programs = [entry.as_a(ProgramValidated) for entry in record.entries(kinds=[ProgramValidated], limit=10)]
    (flows,) = (item.net_wh for item in programs[-1].schedules if item.point == "POINT-0")
    assert programs[-1].session == last.session
    assert dict(enumerate(flows[: len(nominated.FLOWS)])) == nominated.FLOWS and not any(flows[len(nominated.FLOWS) :])


def test_sign__by_the_dso__asks_the_chain_to_record_and_a_repeat_changes_nothing(desk: Desk) -> None:
    first = desk.sign()
    again = desk.sign()

    (request,) = desk.requests("recordProgram")
    assert again.repeated and again.sequence == first.sequence
    program, validated = request["args"][2], desk.validated()
    assert program[0] == validated["results_root"]
    assert [int(mask) for mask in program[1:3]] == [int(validated["traded_mask"], 16), 0]


@pytest.mark.parametrize("case", ["stranger", "late", "refused before", "not validated", "no reason"])
def test_verdict__that_may_not_be__is_refused_and_changes_nothing(desk: Desk, case: str) -> None:
    expected: dict[str, type[Exception]] = {
        "stranger": NotTheDso,
        "late": VerdictTooLate,
        "refused before": VerdictGiven,
        "not validated": NotValidated,
        "no reason": BadReason,
    }
    desk.validated()
    if case == "refused before":
        desk.refuse("line out for repair")
    if case == "late":
        desk.town.clock.advance_to(desk.validated()["deadline"] + 1)
    before = desk.record.head()

    with pytest.raises(expected[case]):
        if case == "not validated":
            desk.verdicts.sign(market=MARKET, session=2, signature=bytes(65))
        elif case == "no reason":
            desk.refuse("  ")
        else:
            desk.sign(SigningKey.generate() if case == "stranger" else None)

    assert desk.record.head() == before


def test_clearing__program_recorded_on_chain__one_clear_per_mtu_that_trades_and_set_points_go_out(desk: Desk) -> None:
    stage = desk.sign_and_clear()

    (request,) = desk.requests("clear")
    assert request["args"][1][1] == desk.town.session.first_mtu
    assert len(desk.facts("setpoints.issued")) == 1
    desk.include(f"recordProgram:{MARKET}:{desk.town.session.session}", desk.recorded())
    stage.run(0)
    assert len(desk.requests("clear")) == 1


def test_clearing__several_mtus_trade__go_together_and_one_by_one_where_that_fails(
    make_desk: Callable[[int], Desk],
) -> None:
    desk = make_desk(3)
    session = desk.town.session
    stage = desk.sign_and_clear()

    (request,) = desk.requests("clearMany")
    mtus = [result[0][1] for result in request["args"][1]]
    assert mtus == list(range(session.first_mtu, session.first_mtu + 3)) and not desk.requests("clear")

    desk.fail(request["key"])
    stage.run(0)
    stage.run(0)

    assert [item["args"][1][1] for item in desk.requests("clear")] == mtus
    assert len(desk.requests("clearMany")) == 1 and len(desk.facts("setpoints.issued")) == 1


def test_clearing__recorded_by_a_stranger__counts_as_signed_and_is_cleared(desk: Desk) -> None:
    desk.validated()
    with desk.record.begin() as tx:
        append_fact(tx, "chain.observed", {"events": [desk.recorded()]})

    run_until_quiet([ClearingStage(desk.record)], 0)

    (signed,), (issued,) = desk.facts("program.signed"), desk.facts("setpoints.issued")
    assert content_of(signed)["dso"] == to_hex(desk.dso.address)
    assert content_of(issued)["envelopes"] == desk.validated()["envelopes"]
    assert len(desk.requests("clear")) == 1


def test_clearing__other_results_than_validated__are_passed_over(desk: Desk) -> None:
    desk.validated()
    other = desk.recorded()
    other["args"]["program"]["resultsRoot"] = "0x" + "11" * 32
    with desk.record.begin() as tx:
        append_fact(tx, "chain.observed", {"events": [other]})

    run_until_quiet([ClearingStage(desk.record)], 0)

    assert desk.facts("setpoints.issued") == [] and desk.requests("clear") == []


def test_position__events_of_the_chain__become_a_fact_per_mtu_and_one_of_the_end(desk: Desk) -> None:
    validated = desk.validated()
    session, first = validated["session"], validated["first_mtu"]
    desk.include("any", cleared(session, first, validated["results"][0]["result_hash"]), done(session, 1))
    desk.include("again", done(session, 1))

    PositionStage(desk.record).run(0)

    (position,) = desk.facts("mtu.cleared")
    assert content_of(position)["words"] == validated["results"][0]["words"]
    (ended,) = desk.facts("session.done")
    assert content_of(ended)["cleared_mask"] == f"0x{1:032x}"


def test_position__result_nobody_validated__is_said_once_and_that_session_alone_waits(desk: Desk) -> None:
    validated = desk.validated()
    session, other = validated["session"], validated["session"] + 86_400
    desk.include("strange", cleared(session, validated["first_mtu"], "0x" + "00" * 32))
    desk.include("unknown", done(session, 1) | {"args": done(session, 1)["args"] | {"market": "0x" + "77" * 32}})
    desk.include("end", done(session, 1))
    desk.include("other", done(other, 0))
    stage = PositionStage(desk.record)

    with capture_logs() as logs:
        assert [stage.run(0), stage.run(0)] == [True, False]

    assert [content_of(entry)["session"] for entry in desk.facts("session.done")] == [other]
    assert desk.facts("mtu.cleared") == []
    assert [log["event"] for log in logs] == ["position.stuck"] * 2
    with capture_logs() as again:
        PositionStage(desk.record).run(0)
    assert len(again) == 2 and len(desk.facts("session.done")) == 1


@pytest.mark.parametrize("verdict", ["refused", "silent"])
def test_end__without_a_signature_by_the_deadline__session_is_ended_once(desk: Desk, verdict: str) -> None:
    desk.validated()
    if verdict == "refused":
        desk.refuse("transformer in maintenance")
    stage, session = EndStage(desk.record), desk.town.session.session
    due = session + towns.market().sign_seconds

    assert stage.run(due) is False
    assert stage.run(due + 1) is True

    (request,) = desk.requests("endSession")
    assert request["args"][1:] == [session]
    assert EndStage(desk.record).run(due + 1) is False


def test_end__signed_program__has_until_the_last_clearing(desk: Desk) -> None:
    desk.sign()
    stage, due = EndStage(desk.record), desk.town.session.session + towns.market().clear_seconds

    assert stage.run(due) is False
    assert stage.run(due + 1) is True


def test_end__refused_by_the_chain__is_asked_again_until_it_is_over(desk: Desk) -> None:
    desk.validated()
    desk.refuse("and signed for the chain alone, or a pause moved the deadline")
    stage, due = EndStage(desk.record), desk.town.session.session + towns.market().sign_seconds
    stage.run(due + 1)
    desk.fail(desk.requests("endSession")[0]["key"])

    asked = [stage.run(due + after) for after in (RETRY_SECONDS, RETRY_SECONDS + 1, RETRY_SECONDS + 2)]
    desk.include("any", done(desk.town.session.session, 0))
    PositionStage(desk.record).run(0)

    assert asked == [False, True, False]
    first, second = (request["key"] for request in desk.requests("endSession"))
    assert second == f"{first}#2"
    assert stage.run(due + 10 * RETRY_SECONDS) is False


def test_end__session_that_is_over__nothing_is_asked_for(desk: Desk) -> None:
    desk.include("any", done(desk.town.session.session, 0))
    PositionStage(desk.record).run(0)

    assert EndStage(desk.record).run(desk.town.session.session + towns.market().clear_seconds + 1) is False


def test_end__session_opened_after_others_were_over__is_ended_as_well(desk: Desk) -> None:
    first = desk.town.session
    desk.include("any", done(first.session, 0))
    PositionStage(desk.record).run(0)
    stage, later = EndStage(desk.record), first.session + 86_400
    assert stage.run(later - 1) is False
    opened = {"market": MARKET, "area": first.area, "session": later, "period": first.period + 1}
    with desk.record.begin() as tx:
        append_fact(tx, "session.opened", opened | {"first_mtu": first.first_mtu + 96, "count": 96})
        rebuild_views(tx)
    desk.town.opened()

    assert stage.run(later + towns.market().grace_seconds) is False
    assert stage.run(later + towns.market().grace_seconds + 1) is True
    assert [request["args"][1] for request in desk.requests("endSession")] == [later]


def test_program_values__signed_struct__names_every_root(desk: Desk) -> None:
    values = program_values(desk.program())

    assert values["gridModelHash"] == STREET.grid_model_hash
    assert values["resultsRoot"] == from_hex(desk.validated()["results_root"])
