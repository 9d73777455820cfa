"""Writing the registry: each operation checks, appends one fact and brings its view up to date.

All happens in the caller's transaction. A repeat with the same content returns the first entry (`repeated` set); the
same id with other content raises AlreadyRegistered. What must exist on chain is asked for in the same transaction.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from dataclasses import asdict
from functools import partial
from itertools import pairwise

from sqlalchemy import Column

from contracts.bindings import Accounts, Calendar
from contracts.bindings import Market as MarketContract
from contracts.bindings.calendar import AreaParams
from contracts.bindings.market import MarketParams
from domain.facts import (
    AccountReplaced,
    AgreementSigned,
    Fact,
    FactMalformed,
    MarketDefined,
    MeterRegistered,
    ParticipantRegistered,
    Subject,
    TariffPublished,
    TermEnded,
)
from domain.hashing import from_hex, text_id, to_hex
from domain.markets import Market, MarketKind
from domain.mtu import mtu_of
from domain.parties import Meter, Participant, ParticipantKind, Replacement
from domain.roles import ChainRole
from domain.signed_terms import ENDED_BY, SignedTerm, name_of, parts_of
from domain.terms import Agreement, EndedTerm, Tariff, TermEnd
from domain.units import BASIS_POINTS, check_range
from ledger_service.outbox import request
from ledger_service.record import Entry, KeyReused, Prepared, Transaction
from ledger_service.registry import queries
from ledger_service.registry.areas import PreparedArea
from ledger_service.registry.checks import (
    SECONDS_MAX,
    check_address,
    check_code,
    check_gate_local,
    check_length,
    check_mtu,
    check_not_begun,
    check_safe,
    check_successor,
)
from ledger_service.registry.errors import (
    AlreadyRegistered,
    EndsTooSoon,
    GatesTooClose,
    Malformed,
    NameAlike,
    NotRegistered,
    TermOver,
    WrongParty,
)
from ledger_service.registry.grids import check_connection
from ledger_service.registry.notice import check_notice, earliest_with_notice
from ledger_service.registry.tables import (
    registry_agreement,
    registry_area,
    registry_market,
    registry_meter,
    registry_participant,
    registry_tariff,
)
from ledger_service.registry.views import fold, show_area

DAYLIGHT_SECONDS = 3_600
"""By how much a day may be shorter than 24 hours where the clock changes."""

CLEAR_SECONDS_MAX = 86_400
"""Longest time from a gate to the clearing deadline: the gate is on the day before delivery."""

CONNECTION_W_MAX = 10**9
"""Largest connection power in W: a gigawatt, beyond any low-voltage point and within the energy of an int32 per MTU."""

PRICE_MAX = 2**31 - 1
"""Largest price in nEUR/Wh of a tariff: about 2 EUR per Wh, the range of an order's limit."""

ONE_OF_AN_AREA = (ParticipantKind.DSO, ParticipantKind.TAX)
"""Kinds of which an area has one account, for good."""

UINT24_MAX = 2**24 - 1
"""Largest lot (Wh) and tick (nEUR/Wh) the Market contract takes."""


def _check_unlike(tx: Transaction, *, what: str, column: Column[str], name: str) -> None:
    """No other thing of this kind has a name that a reader can't tell from this one. Raises NameAlike."""
    other = queries.name_like(tx.connection, column, name)
    if other is not None:
        raise NameAlike(what=what, name=name, other=other)


def put(tx: Transaction, *, make: Callable[[], Fact], what: str, name: str, check: Callable[[], None]) -> Entry:
    """The one way in: repeat, or check, append and fold. `what` and `name` tell what is registered already."""
    try:
        fact = make()
    except FactMalformed:
        check()  # says in the registry's words what is wrong
        raise
    entry = _repeated(tx, fact, key=fact.journal_key, what=what, name=name)
    if entry is None:
        check()
        entry = tx.append(fact)
        fold(tx.connection, entry)
    return entry


def _repeated(tx: Transaction, fact: Fact | Prepared, *, key: str | None, what: str, name: str) -> Entry | None:
    """The first entry where this very fact was registered before. Raises AlreadyRegistered for another one."""
    try:
        return tx.append(fact) if key is not None and tx.find(key) is not None else None
    except KeyReused as error:
        raise AlreadyRegistered(what=what, name=name) from error


def define_area(tx: Transaction, *, prepared: PreparedArea) -> Entry:
    """Define a grid area and ask for it on chain. A large grid is a MiB: nothing here hashes or writes it out.

    Raises AlreadyRegistered, NameAlike.
    """
    area = prepared.area
    entry = _repeated(tx, prepared.fact, key=prepared.fact.key, what="area", name=area.area)
    if entry is None:
        _check_unlike(tx, what="area", column=registry_area.c.area, name=area.area)
        for attester in area.attesters:
            _check_no_party(tx, attester.address)
        entry = tx.append(prepared.fact)
        show_area(tx.connection, area, grid_model_text=prepared.grid_model_text, sequence=entry.sequence)
    params = AreaParams(attest_seconds=area.attest_seconds, horizon_seconds=area.horizon_seconds)
    call = Calendar.create_area(area=area.area_id, params=params)
    request(tx, call, key=f"createArea:{area.area}", role=ChainRole.REGISTRAR, about=Subject(area=area.area))
    return entry


def define_market(tx: Transaction, *, market: Market) -> Entry:
    """Define a market of a defined area and ask for it on chain.

    Raises Malformed, OutOfRange, NotRegistered, GatesTooClose, AlreadyRegistered.
    """

    def check() -> None:
        queries.area(tx.connection, market.area)
        check_code(field="market", value=market.market)
        _check_unlike(tx, what="market", column=registry_market.c.market, name=market.market)
        if not re.fullmatch(re.escape(market.area) + r"/[A-Za-z0-9-]+", market.market):
            raise Malformed(
                field="market", value=market.market, expected=f"the area's code and a name, such as {market.area}/DA"
            )
        if market.kind is not MarketKind.AUCTION:
            raise Malformed(field="kind", value=market.kind.value, expected="auction, the one kind there is so far")
        for gate in market.gates_local:
            check_gate_local(gate)
        if sorted(set(market.gates_local)) != list(market.gates_local):
            raise Malformed(field="later_gates_local", value=market.later_gates_local, expected="ascending gates")
        check_range(field="lot_wh", value=market.lot_wh, lowest=1, highest=UINT24_MAX)
        check_range(field="tick_neur_per_wh", value=market.tick_neur_per_wh, lowest=1, highest=UINT24_MAX)
        low, high = market.min_limit_neur_per_wh, market.max_limit_neur_per_wh
        check_range(field="min_limit_neur_per_wh", value=low, lowest=-PRICE_MAX, highest=PRICE_MAX)
        check_range(field="max_limit_neur_per_wh", value=high, lowest=low, highest=PRICE_MAX)
        if low % market.tick_neur_per_wh or high % market.tick_neur_per_wh:
            raise Malformed(field="limits", value=[low, high], expected=f"multiples of {market.tick_neur_per_wh}")
        check_range(field="grace_seconds", value=market.grace_seconds, lowest=1, highest=SECONDS_MAX)
        check_range(field="sign_seconds", value=market.sign_seconds, lowest=market.grace_seconds, highest=SECONDS_MAX)
        check_range(
            field="clear_seconds", value=market.clear_seconds, lowest=market.sign_seconds, highest=CLEAR_SECONDS_MAX
        )
        _check_time_after_gate(market)
        _check_gates_apart(tx, market)

    entry = put(tx, make=partial(MarketDefined, market), what="market", name=market.market, check=check)
    params = MarketParams(
        area=queries.area(tx.connection, market.area).area_id,
        kind=market.kind.number,
        lot_wh=market.lot_wh,
        tick_neur_per_wh=market.tick_neur_per_wh,
        min_limit_neur_per_wh=market.min_limit_neur_per_wh,
        max_limit_neur_per_wh=market.max_limit_neur_per_wh,
        grace_seconds=market.grace_seconds,
        sign_seconds=market.sign_seconds,
        clear_seconds=market.clear_seconds,
    )
    about = Subject(area=market.area, market=market.market)
    call = MarketContract.create_market(market=market.market_id, params=params)
    request(tx, call, key=created_key(market.market), role=ChainRole.REGISTRAR, about=about)
    return entry


def created_key(market: str) -> str:
    """Key of the request that creates a market on chain."""
    return f"createMarket:{market}"


def _check_time_after_gate(market: Market) -> None:
    """The program must be cleared before its first MTU, also on the night when the clock loses an hour."""
    left = 86_400 - market.gates_seconds[-1] - DAYLIGHT_SECONDS
    check_range(field="clear_seconds", value=market.clear_seconds, lowest=1, highest=max(left, 1))


def _check_gates_apart(tx: Transaction, market: Market) -> None:
    """Of two gates of an area the earlier one's session is over at the later one, which stands on its trades.

    Also on the night when the clock loses an hour.
    """
    others = [other for other in queries.markets(tx.connection, area=market.area) if other.market != market.market]
    gates = sorted(
        ((gate, each.clear_seconds, each) for each in (market, *others) for gate in each.gates_seconds),
        key=lambda item: item[0],
    )
    for (first, clear_seconds, one), (second, _, other) in pairwise(gates):
        apart = clear_seconds + DAYLIGHT_SECONDS
        if first + apart > second and market.market in (one.market, other.market):
            rival = other if one.market == market.market else one
            raise GatesTooClose(market=market.market, other=rival.market, apart_seconds=apart)


def publish_tariff(tx: Transaction, *, signed: SignedTerm[Tariff], now: int) -> Entry:
    """Publish the next version of a retailer's tariff in an area, to begin after `now` (market time).

    Raises Malformed, OutOfRange, TariffUnsafe, AlreadyBegun, VersionOutOfOrder, NoticeMissing, AlreadyRegistered.
    """
    tariff = signed.term

    def check() -> None:
        check_code(field="tariff", value=tariff.tariff)
        _check_unlike(tx, what="tariff", column=registry_tariff.c.tariff, name=tariff.tariff)
        check_mtu(field="valid_from_mtu", value=tariff.valid_from_mtu)
        gated = queries.gated_until_mtu(tx.connection, now=now, area=tariff.area)
        name, first = tariff.tariff, tariff.valid_from_mtu
        check_not_begun(what="tariff", name=name, valid_from_mtu=first, now=now, gated_until_mtu=gated)
        for name, value in asdict(tariff).items():
            if name.endswith("_neur_per_wh"):
                check_range(field=name, value=value, lowest=-PRICE_MAX, highest=PRICE_MAX)
        check_range(field="vat_bp", value=tariff.vat_bp, lowest=0, highest=BASIS_POINTS)
        check_safe(tariff)
        versions = queries.tariff_versions(tx.connection, tariff.tariff)
        if versions and (versions[0].retailer, versions[0].area) != (tariff.retailer, tariff.area):
            raise AlreadyRegistered(what="tariff", name=tariff.tariff)
        last = (versions[-1].version, versions[-1].valid_from_mtu) if versions else None
        check_successor(
            what="tariff",
            name=tariff.tariff,
            version=tariff.version,
            valid_from_mtu=tariff.valid_from_mtu,
            last=last,
        )
        check_notice(tx.connection, tariff, now=now)

    name = f"{tariff.tariff}:{tariff.version}"
    return put(tx, make=partial(TariffPublished, tariff), what="tariff", name=name, check=check)


def sign_agreement(tx: Transaction, *, signed: SignedTerm[Agreement], now: int) -> Entry:
    """Record the next version of an agreement that a household and a retailer of its area signed, to begin after `now`.

    Its tariff must be valid from the agreement's first MTU, so that whatever it covers can be settled. Raises
    Malformed, AlreadyBegun, NotRegistered, WrongParty, NoAgreement, VersionOutOfOrder, TermOver, AlreadyRegistered.
    """
    agreement = signed.term

    def check() -> None:
        check_code(field="agreement", value=agreement.agreement)
        _check_unlike(tx, what="agreement", column=registry_agreement.c.agreement, name=agreement.agreement)
        check_mtu(field="valid_from_mtu", value=agreement.valid_from_mtu)
        household = require_participant(tx, account=agreement.account, kind=ParticipantKind.HOUSEHOLD)
        retailer = require_participant(tx, account=agreement.retailer, kind=ParticipantKind.RETAILER)
        if household.area != retailer.area:
            raise WrongParty(account=agreement.retailer, expected=f"a retailer of area {household.area}")
        gated = queries.gated_until_mtu(tx.connection, now=now, area=household.area)
        first = agreement.valid_from_mtu
        check_not_begun(
            what="agreement", name=agreement.agreement, valid_from_mtu=first, now=now, gated_until_mtu=gated
        )
        tariffs = queries.tariff_versions(tx.connection, agreement.tariff)
        if not tariffs:
            raise NotRegistered(what="tariff", name=agreement.tariff)
        if (tariffs[0].retailer, tariffs[0].area) != (agreement.retailer, household.area):
            raise WrongParty(account=agreement.retailer, expected=f"a tariff of its own in area {household.area}")
        queries.tariff_at(tx.connection, tariff=agreement.tariff, mtu=agreement.valid_from_mtu)
        same = queries.agreement_versions(tx.connection, agreement.agreement)
        if same and same[0].account != agreement.account:
            raise AlreadyRegistered(what="agreement", name=agreement.agreement)
        _check_goes_on(tx, EndedTerm.AGREEMENT, agreement.agreement, agreement.valid_from_mtu)
        _check_goes_on(tx, EndedTerm.PARTICIPATION, household.participant, agreement.valid_from_mtu)
        last = (same[-1].version, same[-1].valid_from_mtu) if same else None
        check_successor(
            what="agreement",
            name=agreement.agreement,
            version=agreement.version,
            valid_from_mtu=agreement.valid_from_mtu,
            last=last,
        )

    name = f"{agreement.agreement}:{agreement.version}"
    return put(tx, make=partial(AgreementSigned, agreement), what="agreement", name=name, check=check)


def end_term(tx: Transaction, *, signed: SignedTerm[TermEnd], now: int) -> Entry:
    """Record that a term ends, once and for good.

    It ends after `now` (market time) and after all that the area's sessions were opened for, so that no order stands
    in what it ends; where the account did not sign, with notice. Raises Malformed, NotRegistered, WrongParty,
    EndsTooSoon, AlreadyRegistered.
    """
    end = signed.term

    def check() -> None:
        check_code(field="name", value=end.name)
        check_mtu(field="end_mtu", value=end.end_mtu)
        for part in parts_of(end):
            if part.party not in ENDED_BY[end.term]:
                field = f"{part.party}_signature"
                raise Malformed(field=field, value=to_hex(part.signature), expected=f"none: it can't end a {end.term}")
        _check_bound(tx, end)
        earliest_mtu = max(mtu_of(now) + 1, queries.opened_until_mtu(tx.connection, area=end.area))
        if end.notice_mtus:
            earliest_mtu = max(earliest_mtu, earliest_with_notice(now))
        if end.end_mtu < earliest_mtu:
            raise EndsTooSoon(name=name_of(end), end_mtu=end.end_mtu, earliest_mtu=earliest_mtu)

    name = f"of {end.term} {end.name}"
    return put(tx, make=partial(TermEnded, end), what="the end", name=name, check=check)


def _check_bound(tx: Transaction, end: TermEnd) -> None:
    """What ends is there, and the end names those whom it binds. Raises NotRegistered, WrongParty."""
    due: tuple[str, str | None, str | None] | None = None
    match end.term:
        case EndedTerm.AGREEMENT:
            agreed = queries.agreement_versions(tx.connection, end.name)
            if agreed:
                area = require_participant(tx, account=agreed[0].account, kind=ParticipantKind.HOUSEHOLD).area
                due = area, agreed[0].account, agreed[0].retailer
        case EndedTerm.PARTICIPATION:
            party = queries.participant(tx.connection, end.name)
            if party is not None:
                due = (
                    require_participant(tx, account=party.account, kind=ParticipantKind.HOUSEHOLD).area,
                    party.account,
                    None,
                )
        case EndedTerm.METER:
            meters = [meter for meter in queries.meters(tx.connection, area=end.area) if meter.meter == end.name]
            if meters:
                due = end.area, None, None
    if due is None:
        raise NotRegistered(what=end.term.value, name=end.name)
    if (end.area, end.account, end.retailer) != due:
        raise WrongParty(account=f"{end.account}", expected=f"area, account and retailer of {end.term} {end.name}")


def _check_goes_on(tx: Transaction, term: EndedTerm, name: str, mtu: int) -> None:
    """A term has not ended by an MTU. Raises TermOver."""
    end = queries.term_end(tx.connection, term=term, name=name)
    if end is not None and end.end_mtu <= mtu:
        raise TermOver(what=term.value, name=name, end_mtu=end.end_mtu)


def require_participant(tx: Transaction, *, account: str, kind: ParticipantKind) -> Participant:
    """The participant with this account, if it is of this kind. Raises NotRegistered, WrongParty."""
    participant = queries.participant_of(tx.connection, account)
    if participant is None:
        raise NotRegistered(what="account", name=account)
    if participant.kind != kind:
        raise WrongParty(account=account, expected=f"kind {kind}, it is {participant.kind}")
    return participant


def check_unclaimed(tx: Transaction, *, address: str, organisations: Container[str]) -> None:
    """An address plays one part: settlement account, order key, agent or organisation's key. Raises AlreadyRegistered.

    `organisations` are the addresses (0x hex) that the service knows as organisations' keys; attesters are in the
    record besides.
    """
    _check_no_party(tx, address)
    if address in organisations or queries.is_attester(tx.connection, address):
        raise AlreadyRegistered(what="address", name=f"{address} (as an organisation's key)")


def _check_no_party(tx: Transaction, address: str) -> None:
    if queries.participant_of(tx.connection, address) is not None:
        raise AlreadyRegistered(what="address", name=f"{address} (as a settlement account)")
    if queries.order_key(tx.connection, address) is not None:
        raise AlreadyRegistered(what="address", name=f"{address} (as an order key)")
    if queries.replacement_of(tx.connection, address) is not None:
        raise AlreadyRegistered(what="address", name=f"{address} (as an account that was replaced)")
    if queries.is_agent(tx.connection, address):
        raise AlreadyRegistered(what="address", name=f"{address} (as an agent of a mandate)")


def register_participant(
    tx: Transaction, *, participant: Participant, organisations: Container[str], now: int
) -> Entry:
    """Register a party and its settlement account, which is nobody else's key, and ask to bind it to its area on chain.

    Its signatures were checked before (`domain.signed_terms`); it takes part after `now` (market time).
    `organisations` as in `check_unclaimed`. Raises Malformed, OutOfRange, NotRegistered, AlreadyBegun,
    AlreadyRegistered, NameAlike.
    """

    def check() -> None:
        check_code(field="participant", value=participant.participant)
        column = registry_participant.c.participant
        _check_unlike(tx, what="participant", column=column, name=participant.participant)
        check_address(field="account", value=participant.account)
        area = queries.area(tx.connection, participant.area)
        if (participant.kind is ParticipantKind.HOUSEHOLD) != (participant.point is not None):
            raise Malformed(field="point", value=participant.point, expected="a point for a household, none for others")
        for name in ("connection_import_w", "connection_export_w"):
            check_range(field=name, value=getattr(participant, name), lowest=0, highest=CONNECTION_W_MAX)
        check_mtu(field="valid_from_mtu", value=participant.valid_from_mtu)
        name, first = participant.participant, participant.valid_from_mtu
        check_not_begun(what="participant", name=name, valid_from_mtu=first, now=now)
        check_unclaimed(tx, address=participant.account, organisations=organisations)
        if participant.kind in ONE_OF_AN_AREA:
            _check_alone(tx, participant)
        if participant.point is not None:
            check_code(field="point", value=participant.point)
            check_connection(area, participant)
            _check_vacant(tx, participant, participant.point)

    make = partial(ParticipantRegistered, participant)
    entry = put(tx, make=make, what="participant", name=participant.participant, check=check)
    about = Subject(area=participant.area, account=participant.account)
    call = Accounts.bind_account(account=from_hex(participant.account), area=text_id(participant.area))
    request(tx, call, key=f"bindAccount:{participant.account}", role=ChainRole.REGISTRAR, about=about)
    return entry


def _check_vacant(tx: Transaction, participant: Participant, point: str) -> None:
    """Whoever stood at a point before has left it by then, and its connection stays as it was.

    Raises AlreadyRegistered, Malformed.
    """
    before = queries.participant_at(tx.connection, point)
    if before is None:
        return
    if participant.valid_from_mtu < queries.place_of(tx.connection, before).end:
        raise AlreadyRegistered(what="point", name=point)
    if participant.connection != before.connection:
        field, powers = "connection_import_w", participant.connection
        raise Malformed(field=field, value=powers, expected=f"{before.connection} W, the connection of {point}")


def _check_alone(tx: Transaction, participant: Participant) -> None:
    """The area has no account of this kind yet, which receives for all of it."""
    for other in queries.participants(tx.connection, area=participant.area):
        if other.kind is participant.kind:
            raise AlreadyRegistered(what=f"{participant.kind} account of area", name=participant.area)


def replace_account(tx: Transaction, *, replacement: Replacement) -> bool:
    """Record that the chain let an account give way to another, once; whether it was recorded now.

    Where nobody here has the account, or the successor is another participant's, nothing is recorded: money goes there
    all the same.
    """
    held, taken = (queries.participant_of(tx.connection, of) for of in (replacement.account, replacement.successor))
    if held is None or taken is not None:
        return False
    put(
        tx,
        make=partial(AccountReplaced, replacement),
        what="replacement",
        name=replacement.account,
        check=lambda: None,
    )
    return True


def register_meter(tx: Transaction, *, meter: Meter, now: int) -> Entry:
    """Register a meter at a household's point, or a new key of it, to count after `now` (market time).

    The DSO's signature was checked before (`domain.signed_terms`). The household must stand there by then, and have an
    agreement: energy that is metered must be settled with somebody. Raises Malformed, AlreadyBegun, NotRegistered,
    NoAgreement, TermOver, AlreadyRegistered.
    """

    def check() -> None:
        check_code(field="meter", value=meter.meter)
        if any(sign in meter.meter for sign in "/+# "):
            raise Malformed(
                field="meter", value=meter.meter, expected="no / or space: the code is part of an MQTT topic"
            )
        _check_unlike(tx, what="meter", column=registry_meter.c.meter, name=meter.meter)
        check_length(field="public_key", value=meter.public_key, length=32)
        check_mtu(field="valid_from_mtu", value=meter.valid_from_mtu)
        first = meter.valid_from_mtu
        holder = queries.participant_at(tx.connection, meter.point, mtu=first)
        if holder is None or holder.area != meter.area or first not in queries.place_of(tx.connection, holder):
            raise NotRegistered(what="point", name=f"{meter.point} of area {meter.area} at MTU {meter.valid_from_mtu}")
        for other in queries.meters(tx.connection, area=meter.area):
            if other.meter == meter.meter and other.point != meter.point:
                raise AlreadyRegistered(what="meter", name=meter.meter)
            if other.point == meter.point and other.valid_from_mtu >= meter.valid_from_mtu:
                raise AlreadyRegistered(what="meter of point", name=f"{meter.point} at MTU {meter.valid_from_mtu}")
            if other.public_key == meter.public_key:
                raise AlreadyRegistered(what="meter key", name=to_hex(meter.public_key))
        _check_goes_on(tx, EndedTerm.METER, meter.meter, first)
        check_not_begun(what="meter", name=meter.meter, valid_from_mtu=meter.valid_from_mtu, now=now)
        queries.agreement_at(tx.connection, account=holder.account, mtu=meter.valid_from_mtu)

    name = f"{meter.meter}:{meter.valid_from_mtu}"
    return put(tx, make=partial(MeterRegistered, meter), what="meter", name=name, check=check)
