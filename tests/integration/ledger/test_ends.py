"""Terms that end: who may end them and when, what the registry refuses after, and what intake takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from domain.hashing import to_hex
from domain.mtu import mtu_of, mtu_start
from domain.parties import Meter, ParticipantKind
from domain.signed_terms import UNSIGNED, TermNotSigned, signed_by
from domain.signing import BadSignature, SigningKey
from domain.terms import NOTICE_MTUS, EndedTerm, TermEnd
from ledger_service.record import Record, Transaction
from ledger_service.registry import operations, queries, rebuild_views
from ledger_service.registry.errors import (
    AlreadyRegistered,
    EndsTooSoon,
    Malformed,
    NoAgreement,
    NotRegistered,
    TermOver,
    WrongParty,
)
from ledger_service.registry.notice import SEEN_MTUS
from ledger_service.stage import run_until_quiet
from ledger_service.trading import errors
from tests.integration.ledger.town import (
    AREA,
    BEFORE,
    DSO,
    NOT_CHECKED,
    SETTLEMENT_DOMAIN,
    SIGNING,
    Resident,
    Town,
    accepted,
    nominate,
    participant,
    publish_tariff,
    sign_agreement,
    tariff,
)
from tests.integration.ledger.town import refused as refused_order
from tests.integration.ledger.writes import refused, written
from tests.terms import signed_agreement

pytestmark = pytest.mark.integration

SOON = 10 * 96
"""An end that no session was opened for, days away and less than the notice: counted from the town's present MTU."""


def end_of(town: Town, term: EndedTerm, n: int, end_mtu: int, **keys: SigningKey) -> TermEnd:
    """The end of a term of household number n, signed by these parties."""
    names = {EndedTerm.AGREEMENT: "agreement", EndedTerm.PARTICIPATION: "household", EndedTerm.METER: "METER"}
    account = None if term is EndedTerm.METER else town.residents[n].account_hex
    retailer = town.retailer.account_hex if term is EndedTerm.AGREEMENT else None
    unsigned = TermEnd(term, f"{names[term]}-{n}", AREA, account, retailer, end_mtu, None, None, None)
    unsigned = replace(unsigned, **dict.fromkeys((f"{party}_signature" for party in keys), UNSIGNED))
    return signed_by(unsigned, keys, domain=SETTLEMENT_DOMAIN)


def end(tx: Transaction, town: Town, term: TermEnd) -> Any:
    """Hand it in."""
    return operations.end_term(tx, signed=SIGNING.check(term), now=town.clock.now())


def soon(town: Town) -> int:
    """An MTU in a few days."""
    return mtu_of(town.clock.now()) + SOON


def test_end__by_who_may__is_recorded_once_and_rebuilt(town: Town, record: Record) -> None:
    one, two = (resident.account for resident in town.residents[:2])
    ends = [
        end_of(town, EndedTerm.AGREEMENT, 0, soon(town), account=one),
        end_of(town, EndedTerm.AGREEMENT, 1, soon(town), account=two, retailer=town.retailer.account),
        end_of(town, EndedTerm.PARTICIPATION, 0, soon(town), account=one),
        end_of(town, EndedTerm.METER, 0, soon(town), dso=DSO),
    ]  # fmt: skip
    entries = [written(record, lambda tx, term=term: end(tx, town, term)) for term in ends]

    again = written(record, lambda tx: end(tx, town, ends[0]))
    assert (again.sequence, again.repeated) == (entries[0].sequence, True)
    other = end_of(town, EndedTerm.AGREEMENT, 0, soon(town) + 1, account=one)
    refused(record, AlreadyRegistered, lambda tx: end(tx, town, other))
    with record.begin() as tx:
        rebuild_views(tx)
        assert queries.ends(tx.connection, area=AREA) == ends


def test_end__by_the_other_party_alone__takes_notice(town: Town, record: Record) -> None:
    due = mtu_of(town.clock.now()) + 1 + NOTICE_MTUS + SEEN_MTUS
    for term, keys in (
        (EndedTerm.AGREEMENT, {"retailer": town.retailer.account}),
        (EndedTerm.PARTICIPATION, {"dso": DSO}),
    ):
        early, late = (end_of(town, term, 0, mtu, **keys) for mtu in (due - 1, due))
        found = refused(record, EndsTooSoon, lambda tx, item=early: end(tx, town, item))
        assert found.earliest_mtu == due
        written(record, lambda tx, item=late: end(tx, town, item))


def test_end__while_orders_may_stand__refused(town: Town, record: Record, first_mtu: int) -> None:
    session, key = town.session, {"account": town.residents[0].account}
    first_free = session.first_mtu + session.count

    found = end_of(town, EndedTerm.AGREEMENT, 0, first_free - 1, **key)
    assert refused(record, EndsTooSoon, lambda tx: end(tx, town, found)).earliest_mtu == first_free
    written(record, lambda tx: end(tx, town, end_of(town, EndedTerm.AGREEMENT, 0, first_free, **key)))


def test_end__not_by_whom_it_binds__refused(town: Town, record: Record) -> None:
    one, other, at = town.residents[0].account, town.residents[1].account, soon(town)
    agreement = end_of(town, EndedTerm.AGREEMENT, 0, at, account=one)
    refused(record, TermNotSigned, lambda tx: end(tx, town, end_of(town, EndedTerm.AGREEMENT, 0, at, account=other)))
    refused(record, BadSignature, lambda tx: end(tx, town, end_of(town, EndedTerm.AGREEMENT, 0, at)))
    refused(record, TermNotSigned, lambda tx: end(tx, town, replace(agreement, end_mtu=at + 1)))
    by_dso = end_of(town, EndedTerm.AGREEMENT, 0, at, dso=DSO)
    refused(record, Malformed, lambda tx: end(tx, town, by_dso))
    missing = replace(agreement, name="none", account_signature=UNSIGNED)
    missing = signed_by(missing, {"account": one}, domain=SETTLEMENT_DOMAIN)
    refused(record, NotRegistered, lambda tx: end(tx, town, missing))
    theirs = replace(agreement, account=to_hex(other.address), account_signature=UNSIGNED)
    theirs = signed_by(theirs, {"account": other}, domain=SETTLEMENT_DOMAIN)
    refused(record, WrongParty, lambda tx: end(tx, town, theirs))


def test_agreement__ended__no_version_brings_it_back_and_another_retailer_follows(town: Town, record: Record) -> None:
    one, at, rival = town.residents[0], soon(town), Resident("rival", None)
    nobodys = {"kind": ParticipantKind.RETAILER, "point": None, "connection_import_w": 0, "connection_export_w": 0}
    newcomer = participant(8, rival.account, **nobodys)
    written(record, lambda tx: operations.register_participant(tx, participant=newcomer, organisations=(), now=BEFORE))
    written(record, lambda tx: publish_tariff(tx, tariff(rival.account, tariff="theirs")))
    written(record, lambda tx: end(tx, town, end_of(town, EndedTerm.AGREEMENT, 0, at, account=one.account)))

    later = town.agreement(0, one, version=2, valid_from_mtu=at)
    assert refused(record, TermOver, lambda tx: sign_agreement(tx, later)).end_mtu == at
    members = {"agreement": "new", "tariff": "theirs", "valid_from_mtu": at + 4}
    moved = signed_agreement(one.account, rival.account, domain=SETTLEMENT_DOMAIN, **members)
    written(record, lambda tx: sign_agreement(tx, moved))

    with record.read() as connection:
        for mtu, name in ((at - 1, "agreement-0"), (at + 4, "new")):
            assert queries.agreement_at(connection, account=one.account_hex, mtu=mtu).agreement == name
        with pytest.raises(NoAgreement):
            queries.agreement_at(connection, account=one.account_hex, mtu=at)


def test_point__left__is_the_next_households_from_then_on(town: Town, record: Record) -> None:
    at, next_one = soon(town), Resident("next", "POINT-0")
    gone = end_of(town, EndedTerm.PARTICIPATION, 0, at, account=town.residents[0].account)
    newcomer = participant(8, next_one.account, point="POINT-0", valid_from_mtu=at)

    def register(tx: Transaction, party: Any) -> Any:
        return operations.register_participant(tx, participant=party, organisations=(), now=town.clock.now())

    refused(record, AlreadyRegistered, lambda tx: register(tx, newcomer))
    written(record, lambda tx: end(tx, town, gone))
    refused(record, AlreadyRegistered, lambda tx: register(tx, replace(newcomer, valid_from_mtu=at - 1)))
    refused(record, Malformed, lambda tx: register(tx, replace(newcomer, connection_import_w=16_999)))
    written(record, lambda tx: register(tx, newcomer))

    agreement = town.agreement(8, next_one, valid_from_mtu=at)
    written(record, lambda tx: sign_agreement(tx, agreement))
    with record.read() as connection:
        for mtu, party in ((at - 1, "household-0"), (at, "household-8")):
            found = queries.participant_at(connection, "POINT-0", mtu=mtu)
            assert found is not None and found.participant == party
    again = town.agreement(0, town.residents[0], version=2, valid_from_mtu=at)
    refused(record, TermOver, lambda tx: sign_agreement(tx, again))
    meter = Meter("METER-0", "POINT-0", b"\x09" * 32, AREA, at, NOT_CHECKED)
    written(record, lambda tx: operations.register_meter(tx, meter=meter, now=town.clock.now()))


def test_meter__ended_or_at_a_point_that_was_left__refused(town: Town, record: Record) -> None:
    at = soon(town)
    written(record, lambda tx: end(tx, town, end_of(town, EndedTerm.METER, 0, at, dso=DSO)))
    gone = end_of(town, EndedTerm.PARTICIPATION, 1, at, account=town.residents[1].account)
    written(record, lambda tx: end(tx, town, gone))

    for code, error in (("METER-0", TermOver), ("METER-1", NotRegistered)):
        meter = Meter(code, f"POINT-{code[-1]}", b"\x09" * 32, AREA, at, NOT_CHECKED)
        refused(record, error, lambda tx, one=meter: operations.register_meter(tx, meter=one, now=town.clock.now()))


@pytest.mark.parametrize("again", [False, True], ids=["running", "loaded"])
@pytest.mark.parametrize("term", [EndedTerm.AGREEMENT, EndedTerm.PARTICIPATION])
def test_order__after_the_end__refused_until_something_new_begins(
    town: Town, term: EndedTerm, again: bool, first_mtu: int
) -> None:
    session, one = town.session, town.residents[0]
    end_mtu = session.first_mtu + session.count
    with town.record.begin() as tx:
        end(tx, town, end_of(town, term, 0, end_mtu, account=one.account))
    open_next(town)
    if again:
        town.intake = town.make_intake()
    following = town.session
    assert following.first_mtu == end_mtu

    refused_order(town, one.order(mtu=end_mtu), NoAgreement)
    accepted(town, town.residents[1].order(mtu=end_mtu))
    if term is EndedTerm.PARTICIPATION:
        refused_order(town, one.schedule(following, [0] * following.count), errors.WrongPoint)
        return
    nominate(town, one, 0, session=following)
    with town.record.begin() as tx:
        sign_agreement(tx, town.agreement(9, one, valid_from_mtu=end_mtu))
    accepted(town, one.order(mtu=end_mtu))


def open_next(town: Town) -> None:
    """Let the calendar open the day after, once the first has begun."""
    town.clock.advance_to(mtu_start(town.session.first_mtu))
    run_until_quiet([town.calendar], town.clock.now())
    town.include(f"declarePeriod:{AREA}:2")
    run_until_quiet([town.calendar], town.clock.now())
    town.opened()
