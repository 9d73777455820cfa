"""The registry: what is registered, what is refused, what is asked of the chain, and what is valid when."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection

from domain.areas import Attester
from domain.errors import DominoesError, OutOfRange
from domain.hashing import text_id, to_hex
from domain.markets import MarketKind
from domain.mtu import MTU_SECONDS
from domain.parties import Meter, Participant, ParticipantKind
from domain.signed_terms import SignedTerm, TermNotSigned
from domain.signing import BadSignature, SigningKey
from ledger_service.record import Entry, Record, Transaction
from ledger_service.registry import consents, operations, queries, rebuild_views
from ledger_service.registry.errors import (
    AlreadyBegun,
    AlreadyRegistered,
    GatesTooClose,
    Malformed,
    NameAlike,
    NoAgreement,
    NotRegistered,
    TariffUnsafe,
    VersionOutOfOrder,
    WrongParty,
    WrongSigner,
)
from ledger_service.registry.tables import TABLES
from ledger_service.trading.state import TradingState
from tests.integration.ledger.tables import dump
from tests.integration.ledger.town import (
    AREA,
    BEFORE,
    MARKET,
    MARKET_DOMAIN,
    NOT_CHECKED,
    REGISTRAR,
    SETTLEMENT_DOMAIN,
    Resident,
    Town,
    area,
    define_area,
    market,
    participant,
    publish_tariff,
    register_key,
    sign_agreement,
    signed_key,
    tariff,
)
from tests.integration.ledger.writes import Write, refused, request, written
from tests.journal import content_of
from tests.terms import Makers, signed_agreement

pytestmark = pytest.mark.integration

RETAILER = SigningKey(b"\x0f" * 32)
"""A retailer that takes no part yet."""


def test_area__defined__fact_view_and_request(record: Record) -> None:
    entry = written(record, lambda tx: define_area(tx, area()))

    assert (entry.kind, entry.sequence, content_of(entry)["threshold"]) == ("area.defined", 1, 2)
    assert content_of(entry)["attesters"][0] == {"name": "a0", "address": "0x" + "01" * 20, "organisation": "org0"}
    with record.read() as connection:
        assert queries.area(connection, AREA) == area()
        assert queries.areas(connection) == [area()]
    asked = request(record, f"createArea:{AREA}")
    assert (asked["role"], asked["contract"], asked["function"]) == ("registrar", "Calendar", "createArea")
    assert asked["args"] == [to_hex(text_id(AREA)), [3_600, 86_400]]


def test_area__same_again_and_other_content__first_entry_and_refusal(record: Record) -> None:
    first = written(record, lambda tx: define_area(tx, area()))
    again = written(record, lambda tx: define_area(tx, area()))

    assert again.repeated and again.sequence == first.sequence
    refused(record, AlreadyRegistered, lambda tx: define_area(tx, area(threshold=3)))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"area": ""}, Malformed),
        ({"area": "é"}, Malformed),
        ({"area": "a" * 101}, Malformed),
        ({"area": "a "}, Malformed),
        ({"area": "a  b"}, Malformed),
        ({"zone": "Europe/Atlantis"}, Malformed),
        ({"zone": "../etc/passwd"}, Malformed),
        ({"attest_seconds": 0}, OutOfRange),
        ({"attest_seconds": True}, OutOfRange),
        ({"horizon_seconds": 3_599}, OutOfRange),
        ({"grid_model_hash": bytes(32)}, Malformed),
        ({"threshold": 1}, OutOfRange),
        ({"threshold": 4}, OutOfRange),
        ({"attesters": ()}, OutOfRange),
    ],
)
def test_area__bad_field__refused(record: Record, changes: dict[str, Any], error: type[DominoesError]) -> None:
    refused(record, error, lambda tx: define_area(tx, area(**changes)))


def test_area__one_organisation_reaches_the_threshold__refused(record: Record) -> None:
    attesters = tuple(Attester(f"a{n}", "0x" + f"{n + 1:02x}" * 20, "same" if n < 2 else "other") for n in range(3))

    refused(record, Malformed, lambda tx: define_area(tx, area(attesters=attesters)))


def test_area__organisations_that_look_alike__are_one(record: Record) -> None:
    names = ("Meters Ltd", "meters ltd", "other")
    attesters = tuple(Attester(f"a{n}", "0x" + f"{n + 1:02x}" * 20, name) for n, name in enumerate(names))

    refused(record, Malformed, lambda tx: define_area(tx, area(attesters=attesters)))


@pytest.mark.parametrize("name", ["HOUSEHOLD-0", "house hold-0"])
def test_participant__name_a_reader_cannot_tell_from_another__refused(town: Town, record: Record, name: str) -> None:
    newcomer = replace(participant(9, SigningKey.generate()), participant=name)

    error = refused(record, NameAlike, lambda tx: _register(tx, newcomer))

    assert (error.name, error.other) == (name, "household-0")


def test_names__that_look_alike__refused_for_every_kind(town: Town, record: Record) -> None:
    writes: list[Write] = [
        lambda tx: define_area(tx, area(area=AREA.lower())),
        lambda tx: operations.define_market(tx, market=market(market=f"{AREA}/da", gate_local="20:00")),
        lambda tx: publish_tariff(tx, town.tariff(tariff="HOME")),
        lambda tx: sign_agreement(tx, town.agreement(0, town.residents[0], agreement="Agreement-0")),
    ]
    for write in writes:
        refused(record, NameAlike, write)


def test_market__defined__request_carries_its_rules(record: Record) -> None:
    written(record, lambda tx: define_area(tx, area()))
    written(record, lambda tx: operations.define_market(tx, market=market()))

    params = [to_hex(text_id(AREA)), 0, 10, 100, -500_000, 4_000_000, 900, 7_200, 10_800]
    assert request(record, f"createMarket:{MARKET}")["args"] == [to_hex(text_id(MARKET)), params]
    with record.read() as connection:
        assert queries.market(connection, MARKET) == market()
        assert queries.markets(connection, area="ELSE") == []
        with pytest.raises(NotRegistered):
            queries.market(connection, "ELSE/DA")


def test_market__with_later_gates__kept_with_all_of_them(record: Record) -> None:
    written(record, lambda tx: define_area(tx, area()))
    several = market(gate_local="10:00", later_gates_local=("14:00", "18:00"))

    written(record, lambda tx: operations.define_market(tx, market=several))

    with record.read() as connection:
        assert queries.market(connection, MARKET) == several
    assert several.gates_local == ("10:00", "14:00", "18:00")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"area": "ELSE", "market": "ELSE/DA"}, NotRegistered),
        ({"market": "TEST/P2P/1"}, Malformed),
        ({"market": "TEST/"}, Malformed),
        ({"market": "TESTS/DA"}, Malformed),
        ({"kind": MarketKind.BILATERAL}, Malformed),
        ({"kind": MarketKind.FLEXIBILITY}, Malformed),
        ({"gate_local": "24:00"}, Malformed),
        ({"gate_local": "noon"}, Malformed),
        ({"later_gates_local": ("17:00", "25:00")}, Malformed),
        ({"later_gates_local": ("12:00",)}, Malformed),
        ({"later_gates_local": ("11:00",)}, Malformed),
        ({"gate_local": "06:00", "later_gates_local": ("16:00", "11:00")}, Malformed),
        ({"later_gates_local": ("15:59",)}, GatesTooClose),
        ({"later_gates_local": ("20:01",)}, OutOfRange),
        ({"lot_wh": 0}, OutOfRange),
        ({"lot_wh": 2**24}, OutOfRange),
        ({"tick_neur_per_wh": 0}, OutOfRange),
        ({"min_limit_neur_per_wh": -(2**31)}, OutOfRange),
        ({"min_limit_neur_per_wh": -50}, Malformed),
        ({"max_limit_neur_per_wh": -500_100}, OutOfRange),
        ({"sign_seconds": 899}, OutOfRange),
        ({"clear_seconds": 7_199}, OutOfRange),
        ({"gate_local": "21:00", "clear_seconds": 7_201}, OutOfRange),
    ],
)
def test_market__bad_field__refused(record: Record, changes: dict[str, Any], error: type[DominoesError]) -> None:
    written(record, lambda tx: define_area(tx, area()))

    refused(record, error, lambda tx: operations.define_market(tx, market=market(**changes)))


def test_tariff__versions__valid_from_their_mtu(record: Record) -> None:
    versions = [tariff(RETAILER), tariff(RETAILER, version=2, valid_from_mtu=100, vat_bp=700)]
    for version in versions:
        written(record, lambda tx, version=version: publish_tariff(tx, version))

    with record.read() as connection:
        assert queries.tariff_at(connection, tariff="home", mtu=99) == versions[0]
        assert queries.tariff_at(connection, tariff="home", mtu=100) == versions[1]
        assert queries.tariff_versions(connection, "home") == versions
        with pytest.raises(NoAgreement):
            queries.tariff_at(connection, tariff="other", mtu=100)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"version": 3, "valid_from_mtu": 200}, VersionOutOfOrder),
        ({"version": 2, "valid_from_mtu": 50}, VersionOutOfOrder),
        ({"version": 1, "valid_from_mtu": 60}, AlreadyRegistered),
        ({"version": 2, "valid_from_mtu": -1}, OutOfRange),
        ({"version": 2, "valid_from_mtu": 60, "levy_neur_per_wh": 2**31}, OutOfRange),
        ({"version": 2, "valid_from_mtu": 60, "vat_bp": 10_001}, OutOfRange),
        ({"version": 2, "valid_from_mtu": 60, "supply_neur_per_wh": 0.5}, OutOfRange),
    ],
)
def test_tariff__bad_version__refused(record: Record, changes: dict[str, Any], error: type[DominoesError]) -> None:
    written(record, lambda tx: publish_tariff(tx, tariff(RETAILER, valid_from_mtu=50)))

    refused(record, error, lambda tx: publish_tariff(tx, tariff(RETAILER, **changes)))


def key_at(connection: Connection, account: str, mtu: int) -> str | None:
    """The key that may sign an account's orders of an MTU, as order intake knows it."""
    return TradingState.load(connection, settled_before=lambda _area: 0).holders[account].key_at(mtu)


def test_town__registered__found_by_account_point_and_key(town: Town, record: Record) -> None:
    resident = town.residents[1]
    with record.read() as connection:
        found = queries.participant_of(connection, resident.account_hex)
        assert found is not None and found == queries.participant_at(connection, "POINT-1")
        assert found.participant == "household-1"
        assert (found.import_limit_wh, found.export_limit_wh) == (4_250, 2_500)
        assert len(queries.participants(connection, area=AREA)) == 4
        device = to_hex(resident.device.address)
        assert key_at(connection, resident.account_hex, 0) == device
        assert queries.agreement_at(connection, account=resident.account_hex, mtu=7).agreement == "agreement-1"
        guarantee = queries.guarantee_of(connection, resident.account_hex)
        assert guarantee is not None and guarantee.guarantor == town.retailer.account_hex
        meters = queries.meters_at(connection, area=AREA, mtu=0)
        assert {point: meter.meter for point, meter in meters.items()} == {f"POINT-{n}": f"METER-{n}" for n in range(3)}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"participant": "household-0"}, AlreadyRegistered),
        ({"kind": "aggregator"}, Malformed),
        ({"point": None}, Malformed),
        ({"kind": ParticipantKind.RETAILER}, Malformed),
        ({"point": "POINT-0"}, AlreadyRegistered),
        ({"area": "ELSE"}, NotRegistered),
        ({"account": "0x" + "00" * 20}, Malformed),
        ({"account": "0x" + "AB" * 20}, Malformed),
        ({"connection_import_w": -1}, OutOfRange),
        ({"connection_export_w": 10**10}, OutOfRange),
        ({"connection_import_w": 100_001}, OutOfRange),
        ({"point": "POINT-200"}, Malformed),
    ],
)
def test_participant__bad_field__refused(
    town: Town, record: Record, changes: dict[str, Any], error: type[DominoesError]
) -> None:
    newcomer = participant(9, SigningKey.generate())

    refused(
        record,
        error,
        lambda tx: _register(tx, replace(newcomer, **changes)),
    )


def _register(tx: Transaction, party: Participant, organisations: Collection[str] = ()) -> Entry:
    return operations.register_participant(tx, participant=party, organisations=organisations, now=BEFORE)


def test_participant__account_or_device_key_again__refused(town: Town, record: Record) -> None:
    resident = town.residents[0]
    for key in (resident.account, resident.device):
        again = participant(9, key)
        refused(
            record,
            AlreadyRegistered,
            lambda tx, again=again: _register(tx, again),
        )


def test_agreement__changed_retailer_or_tariff__valid_from_its_mtu(town: Town, record: Record) -> None:
    resident = town.residents[0]
    written(record, lambda tx: publish_tariff(tx, town.tariff(tariff="green")))
    first = town.agreement(0, resident)
    second = town.agreement(0, resident, version=2, tariff="green", valid_from_mtu=50)
    written(record, lambda tx: sign_agreement(tx, second))

    with record.read() as connection:
        assert queries.agreement_at(connection, account=resident.account_hex, mtu=49) == first
        assert queries.agreement_at(connection, account=resident.account_hex, mtu=50) == second
        assert queries.agreements(connection, account=resident.account_hex) == [first, second]
        assert len(queries.agreements(connection, retailer=town.retailer.account_hex)) == 4
        with pytest.raises(NoAgreement):
            queries.agreement_at(connection, account=town.retailer.account_hex, mtu=50)


def test_agreement__bad_reference__refused(town: Town, record: Record) -> None:
    one, other = town.residents[:2]
    good = town.agreement(9, one)
    cases = [
        (replace(good, tariff="none"), NotRegistered),
        (replace(good, account="0x" + "99" * 20), NotRegistered),
        (replace(good, account=town.retailer.account_hex), WrongParty),
        (replace(good, retailer=other.account_hex), WrongParty),
        (replace(good, version=2), VersionOutOfOrder),
        (replace(good, agreement="agreement-1", version=2, valid_from_mtu=9), AlreadyRegistered),
    ]
    for agreement, error in cases:
        signed = SignedTerm(agreement)  # as if all parties had signed it
        refused(record, error, lambda tx, it=signed: operations.sign_agreement(tx, signed=it, now=BEFORE))


def test_tariff__not_as_its_makers_signed_it__refused(town: Town, record: Record) -> None:
    changes = {"tariff": "other", "valid_from_mtu": 50}
    good, other = town.tariff(**changes), tariff(RETAILER, **changes)
    elsewhere = Makers(town.retailer.account, RETAILER, REGISTRAR).tariff(domain=SETTLEMENT_DOMAIN, **changes)
    cases = [
        ("retailer", replace(good, supply_neur_per_wh=310_000)),
        ("retailer", replace(good, retailer_signature=other.retailer_signature)),
        ("dso", replace(good, grid_fee_neur_per_wh=71_000)),
        ("dso", replace(good, dso_signature=elsewhere.dso_signature)),
        ("registrar", replace(good, vat_bp=1_901)),
        ("registrar", replace(good, registrar_signature=good.dso_signature)),
    ]
    for party, altered in cases:
        assert refused(record, TermNotSigned, lambda tx, item=altered: publish_tariff(tx, item)).party == party
    written(record, lambda tx: publish_tariff(tx, good))


def test_tariff__of_another_retailer__neither_changed_nor_agreed_to(town: Town, record: Record) -> None:
    theirs = tariff(RETAILER, version=2, valid_from_mtu=50)
    refused(record, AlreadyRegistered, lambda tx: publish_tariff(tx, theirs))
    written(record, lambda tx: publish_tariff(tx, tariff(RETAILER, tariff="theirs")))
    moved = town.agreement(0, town.residents[0], version=2, tariff="theirs", valid_from_mtu=50)
    refused(record, WrongParty, lambda tx: sign_agreement(tx, moved))


@pytest.mark.parametrize(
    ("changes", "lower"),
    [
        ({"imbalance_surplus_neur_per_wh": 80_001}, "imbalance_surplus_neur_per_wh"),
        ({"feed_in_neur_per_wh": 300_001}, "feed_in_neur_per_wh"),
        ({"imbalance_shortfall_neur_per_wh": 299_999}, "supply_neur_per_wh"),
        ({"excess_neur_per_wh": -1}, "0"),
    ],
)
def test_tariff__under_which_deviating_pays__refused(record: Record, changes: dict[str, int], lower: str) -> None:
    found = refused(record, TariffUnsafe, lambda tx: publish_tariff(tx, tariff(RETAILER, **changes)))

    assert found.lower == lower


def test_agreement__not_as_both_signed_it__refused(town: Town, record: Record) -> None:
    one, other, retailer = town.residents[0], town.residents[1].account, town.retailer.account
    members = {"agreement": "agreement-0", "version": 2, "valid_from_mtu": 50}
    good = town.agreement(0, one, **members)
    stranger = signed_agreement(other, retailer, domain=SETTLEMENT_DOMAIN, **members)
    elsewhere = signed_agreement(one.account, retailer, domain=MARKET_DOMAIN, **members)
    cases = [
        ("account", replace(good, account_signature=stranger.account_signature)),
        ("account", replace(good, account_signature=good.retailer_signature)),
        ("retailer", replace(good, retailer_signature=good.account_signature)),
        ("account", replace(good, valid_from_mtu=51)),
        ("account", replace(good, account_signature=elsewhere.account_signature)),
    ]
    for party, agreement in cases:
        assert refused(record, TermNotSigned, lambda tx, item=agreement: sign_agreement(tx, item)).party == party
    written(record, lambda tx: sign_agreement(tx, good))


def test_meter__replaced__counts_from_its_mtu(town: Town, record: Record) -> None:
    swap = Meter("METER-NEW", "POINT-0", b"\x77" * 32, AREA, 40, NOT_CHECKED)
    written(record, lambda tx: operations.register_meter(tx, meter=swap, now=BEFORE))

    with record.read() as connection:
        assert queries.meters_at(connection, area=AREA, mtu=39)["POINT-0"].meter == "METER-0"
        assert queries.meters_at(connection, area=AREA, mtu=40)["POINT-0"] == swap
        assert len(queries.meters(connection, area=AREA)) == 4


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"point": "NOWHERE"}, NotRegistered),
        ({"meter": "a/b"}, Malformed),
        ({"meter": "a b"}, Malformed),
        ({"public_key": b"\x12"}, Malformed),
        ({"valid_from_mtu": 0}, AlreadyRegistered),
        ({"meter": "METER-1"}, AlreadyRegistered),
    ],
)
def test_meter__bad_field__refused(
    town: Town, record: Record, changes: dict[str, Any], error: type[DominoesError]
) -> None:
    meter = Meter("METER-NEW", "POINT-0", b"\x77" * 32, AREA, 40, NOT_CHECKED)

    refused(record, error, lambda tx: operations.register_meter(tx, meter=replace(meter, **changes), now=BEFORE))


def test_meter__key_of_another_meter__refused(town: Town, record: Record) -> None:
    with record.read() as connection:
        taken = queries.meters(connection)[1].public_key
    meter = Meter("METER-NEW", "POINT-0", taken, AREA, 40, NOT_CHECKED)

    refused(record, AlreadyRegistered, lambda tx: operations.register_meter(tx, meter=meter, now=BEFORE))


def test_key__bad_registration__refused(town: Town, record: Record) -> None:
    one, other = town.residents[:2]
    device = SigningKey.generate().address
    good = signed_key(one.account, device, point=one.point, valid_from_mtu=5)
    cases = [
        (replace(good, valid_from_mtu=6), WrongSigner),
        (replace(good, signature=signed_key(other.account, device, point=one.point).signature), WrongSigner),
        (replace(good, signature=bytes(65)), BadSignature),
        (replace(good, signature=bytes(1)), Malformed),
        (replace(good, account="0x" + "99" * 20), NotRegistered),
        (signed_key(one.account, device, point=other.point, valid_from_mtu=5), WrongParty),
        (signed_key(one.account, device, point=one.point, valid_from_mtu=2**32 - 1), OutOfRange),
        (signed_key(one.account, other.account.address, point=one.point, valid_from_mtu=5), AlreadyRegistered),
        (signed_key(one.account, other.device.address, point=one.point, valid_from_mtu=5), AlreadyRegistered),
    ]
    for key, error in cases:
        refused(record, error, lambda tx, key=key: register_key(tx, key))
    written(record, lambda tx: register_key(tx, good))
    with record.read() as connection:
        assert key_at(connection, one.account_hex, 4) == to_hex(one.device.address)
        assert key_at(connection, one.account_hex, 5) == good.order_key


def test_key__pending_change_then_one_at_once__the_last_registered_counts(town: Town, record: Record) -> None:
    resident = town.residents[0]
    now = 100 * MTU_SECONDS
    keys = [
        signed_key(resident.account, SigningKey.generate().address, point=resident.point, valid_from_mtu=mtu)
        for mtu in (150, 100, 200)
    ]
    for key in keys:
        written(record, lambda tx, key=key: register_key(tx, key, now=now))

    with record.read() as connection:
        for mtu, expected in ((99, None), (100, keys[1]), (150, keys[1]), (199, keys[1]), (200, keys[2])):
            found = key_at(connection, resident.account_hex, mtu)
            assert found == (to_hex(resident.device.address) if expected is None else expected.order_key)


@pytest.mark.parametrize(
    ("offset", "error"),
    [(-1, AlreadyBegun), (0, None), (consents.KEY_AHEAD_MTUS, None), (consents.KEY_AHEAD_MTUS + 1, OutOfRange)],
)
def test_key__first_mtu__from_the_current_one_to_a_year_ahead(
    town: Town, record: Record, offset: int, error: type[DominoesError] | None
) -> None:
    resident, now = town.residents[0], 100 * MTU_SECONDS + 899
    device = SigningKey.generate().address
    key = signed_key(resident.account, device, point=resident.point, valid_from_mtu=100 + offset)

    if error is not None:
        refused(record, error, lambda tx: register_key(tx, key, now=now))
        return
    first = written(record, lambda tx: register_key(tx, key, now=now))
    again = written(record, lambda tx: register_key(tx, key, now=now + 10**9))
    assert (again.sequence, again.repeated) == (first.sequence, True)


def test_key__of_an_organisation_or_attester__refused(town: Town, record: Record) -> None:
    resident, operator = town.residents[0], to_hex(SigningKey.generate().address)
    for taken in (operator, area().attesters[0].address):
        key = signed_key(resident.account, bytes.fromhex(taken[2:]), point=resident.point)
        refused(
            record,
            AlreadyRegistered,
            lambda tx, key=key: consents.register_key(
                tx, signer=key.account, key=key, organisations={operator}, now=BEFORE
            ),
        )


def test_participant__with_the_key_of_an_organisation_or_attester__refused(town: Town, record: Record) -> None:
    operator = to_hex(SigningKey.generate().address)
    for taken in (operator, area().attesters[0].address):
        newcomer = replace(participant(9, SigningKey.generate()), account=taken)
        refused(
            record,
            AlreadyRegistered,
            lambda tx, item=newcomer: _register(tx, item, {operator}),
        )


def test_area__attester_with_the_key_of_a_party__refused(town: Town, record: Record) -> None:
    resident = town.residents[0]
    for taken in (resident.account_hex, to_hex(resident.device.address)):
        attesters = (replace(area().attesters[0], address=taken), *area().attesters[1:])
        refused(
            record,
            AlreadyRegistered,
            lambda tx, item=attesters: define_area(tx, area(area="OTHER", attesters=item)),
        )


def test_versions__first_mtu_has_begun__refused_but_repeats_answered(town: Town, record: Record) -> None:
    resident, now = town.residents[0], 100 * MTU_SECONDS
    meter = Meter("METER-NEW", "POINT-0", b"\x77" * 32, AREA, 0, NOT_CHECKED)
    for mtu, allowed in ((99, False), (100, False), (101, True)):
        writes: list[Write] = [
            lambda tx, at=mtu: publish_tariff(tx, town.tariff(tariff="other", valid_from_mtu=at), now=now),
            lambda tx, at=mtu: sign_agreement(tx, town.agreement(0, resident, version=2, valid_from_mtu=at), now=now),
            lambda tx, at=mtu: operations.register_meter(tx, meter=replace(meter, valid_from_mtu=at), now=now),
        ]
        for write in writes:
            if not allowed:
                assert refused(record, AlreadyBegun, write).earliest_mtu == 101
                continue
            written(record, write)
            head = record.head()
            assert written(record, write).repeated
            assert record.head() == head
    repeats: list[Write] = [
        lambda tx: publish_tariff(tx, town.tariff(), now=now),
        lambda tx: sign_agreement(tx, town.agreement(0, resident), now=now),
    ]
    assert all(written(record, write).repeated for write in repeats)


def test_agreement__before_its_tariff_is_valid__refused(town: Town, record: Record) -> None:
    written(record, lambda tx: publish_tariff(tx, town.tariff(tariff="green", valid_from_mtu=50), now=0))
    early, in_time = (
        town.agreement(0, town.residents[0], version=2, tariff="green", valid_from_mtu=at) for at in (49, 50)
    )

    refused(record, NoAgreement, lambda tx: sign_agreement(tx, early, now=0))
    written(record, lambda tx: sign_agreement(tx, in_time, now=0))


def test_meter__before_the_household_has_an_agreement__refused(town: Town, record: Record) -> None:
    newcomer = Resident("newcomer", "POINT-9")
    meter = Meter("METER-9", "POINT-9", b"\x77" * 32, AREA, 39, NOT_CHECKED)
    written(
        record,
        lambda tx: _register(tx, participant(9, newcomer.account)),
    )
    agreement = town.agreement(9, newcomer, valid_from_mtu=40)
    written(record, lambda tx: sign_agreement(tx, agreement, now=0))

    refused(record, NoAgreement, lambda tx: operations.register_meter(tx, meter=meter, now=0))
    written(record, lambda tx: operations.register_meter(tx, meter=replace(meter, valid_from_mtu=40), now=0))


def test_rebuild__whole_town__same_tables(town: Town, record: Record) -> None:
    before = dump(record, TABLES)
    written(record, rebuild_views)

    assert dump(record, TABLES) == before
    empty = [name for name, rows in before.items() if not rows]
    assert empty == ["registry_end", "registry_replacement", "registry_mandate"]  # nothing ended, nothing changed hands


def test_terms__gate_has_passed__begin_only_with_what_is_still_to_be_traded(record: Record, make_town: Any) -> None:
    town = make_town()
    program = town.open_session()
    resident, end = town.residents[0], program.first_mtu + program.count

    def writes(at: int, now: int) -> list[Write]:
        return [
            lambda tx: publish_tariff(tx, town.tariff(tariff="other", valid_from_mtu=at), now=now),
            lambda tx: sign_agreement(tx, town.agreement(0, resident, version=2, valid_from_mtu=at), now=now),
        ]

    for write in writes(end - 1, program.session):
        assert refused(record, AlreadyBegun, write).earliest_mtu == end
    for write in writes(end - 1, program.session - 1):
        written(record, write)
