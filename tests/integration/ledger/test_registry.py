"""The registry: what is registered, what is refused, what is asked of the chain, and what is valid when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection

from domain.areas import Attester
from domain.errors import DominoesError, OutOfRange
from domain.hashing import text_id, to_hex
from domain.markets import MarketKind
from domain.mtu import MTU_SECONDS
from domain.parties import Meter, ParticipantKind
from domain.signing import BadSignature, SigningKey
from domain.terms import Agreement
from ledger_service.record import Record, Transaction
from ledger_service.registry import consents, operations, queries, rebuild_views
from ledger_service.registry.errors import (
    AlreadyBegun,
    AlreadyRegistered,
    ConsentMissing,
    DeadlinePassed,
    Malformed,
    NoAgreement,
    NonceUsed,
    NotRegistered,
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
    CREDIT_NEUR,
    MARKET,
    Resident,
    Town,
    area,
    define_area,
    give_guarantee,
    market,
    participant,
    register_key,
    signed_guarantee,
    signed_key,
    tariff,
)
from tests.journal import content_of

pytestmark = pytest.mark.integration

Write = Callable[[Transaction], Any]


def refused(record: Record, error: type[DominoesError], write: Write) -> Any:
    """The refusal of a write, which must leave nothing."""
    head = record.head()
    with pytest.raises(error) as refusal, record.begin() as tx:
        write(tx)
    assert type(refusal.value) is error
    assert record.head() == head
    return refusal.value


def written(record: Record, write: Write) -> Any:
    """What a write returns."""
    with record.begin() as tx:
        return write(tx)


def request(record: Record, key: str) -> dict[str, Any]:
    with record.begin() as tx:
        found = tx.find(f"chain:{key}")
    assert found is not None
    return content_of(found)


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


def test_market__defined__request_carries_its_rules(record: Record) -> None:
    written(record, lambda tx: define_area(tx, area()))
    written(record, lambda tx: operations.define_market(tx, market=market()))

    params = [to_hex(text_id(AREA)), 10, 100, -500_000, 4_000_000, 900, 7_200, 10_800]
    assert request(record, f"createMarket:{MARKET}")["args"] == [to_hex(text_id(MARKET)), params]
    with record.read() as connection:
        assert queries.market(connection, MARKET) == market()
        assert queries.markets(connection, area="ELSE") == []
        with pytest.raises(NotRegistered):
            queries.market(connection, "ELSE/DA")


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
    versions = [tariff(), tariff(version=2, valid_from_mtu=100, vat_bp=700)]
    for version in versions:
        written(record, lambda tx, version=version: operations.publish_tariff(tx, tariff=version, now=BEFORE))

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
    written(record, lambda tx: operations.publish_tariff(tx, tariff=tariff(valid_from_mtu=50), now=BEFORE))

    refused(record, error, lambda tx: operations.publish_tariff(tx, tariff=tariff(**changes), now=BEFORE))


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
        lambda tx: operations.register_participant(tx, participant=replace(newcomer, **changes), organisations=()),
    )


def test_participant__account_or_device_key_again__refused(town: Town, record: Record) -> None:
    resident = town.residents[0]
    for key in (resident.account, resident.device):
        again = participant(9, key)
        refused(
            record,
            AlreadyRegistered,
            lambda tx, again=again: operations.register_participant(tx, participant=again, organisations=()),
        )


def test_agreement__changed_retailer_or_tariff__valid_from_its_mtu(town: Town, record: Record) -> None:
    resident = town.residents[0]
    written(record, lambda tx: operations.publish_tariff(tx, tariff=tariff(tariff="green"), now=BEFORE))
    first = Agreement("agreement-0", 1, resident.account_hex, town.retailer.account_hex, "home", 0)
    second = replace(first, version=2, tariff="green", valid_from_mtu=50)
    written(record, lambda tx: operations.sign_agreement(tx, agreement=second, now=BEFORE))

    with record.read() as connection:
        assert queries.agreement_at(connection, account=resident.account_hex, mtu=49) == first
        assert queries.agreement_at(connection, account=resident.account_hex, mtu=50) == second
        assert queries.agreements(connection, account=resident.account_hex) == [first, second]
        assert len(queries.agreements(connection, retailer=town.retailer.account_hex)) == 4
        with pytest.raises(NoAgreement):
            queries.agreement_at(connection, account=town.retailer.account_hex, mtu=50)


def test_agreement__bad_reference__refused(town: Town, record: Record) -> None:
    one, other = town.residents[:2]
    good = Agreement("agreement-9", 1, one.account_hex, town.retailer.account_hex, "home", 0)
    cases = [
        (replace(good, tariff="none"), NotRegistered),
        (replace(good, account="0x" + "99" * 20), NotRegistered),
        (replace(good, account=town.retailer.account_hex), WrongParty),
        (replace(good, retailer=other.account_hex), WrongParty),
        (replace(good, version=2), VersionOutOfOrder),
        (replace(good, agreement="agreement-1", version=2, valid_from_mtu=9), AlreadyRegistered),
    ]
    for agreement, error in cases:
        refused(record, error, lambda tx, item=agreement: operations.sign_agreement(tx, agreement=item, now=BEFORE))


def test_meter__replaced__counts_from_its_mtu(town: Town, record: Record) -> None:
    swap = Meter("METER-NEW", "POINT-0", b"\x77" * 32, AREA, 40)
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
    meter = Meter("METER-NEW", "POINT-0", b"\x77" * 32, AREA, 40)

    refused(record, error, lambda tx: operations.register_meter(tx, meter=replace(meter, **changes), now=BEFORE))


def test_meter__key_of_another_meter__refused(town: Town, record: Record) -> None:
    with record.read() as connection:
        taken = queries.meters(connection)[1].public_key
    meter = Meter("METER-NEW", "POINT-0", taken, AREA, 40)

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
            lambda tx, item=newcomer: operations.register_participant(tx, participant=item, organisations={operator}),
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
    meter = Meter("METER-NEW", "POINT-0", b"\x77" * 32, AREA, 0)
    for mtu, allowed in ((99, False), (100, False), (101, True)):
        writes: list[Write] = [
            lambda tx, at=mtu: operations.publish_tariff(tx, tariff=tariff(version=2, valid_from_mtu=at), now=now),
            lambda tx, at=mtu: operations.sign_agreement(
                tx, agreement=town.agreement(0, resident, version=2, valid_from_mtu=at), now=now
            ),
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
        lambda tx: operations.publish_tariff(tx, tariff=tariff(), now=now),
        lambda tx: operations.sign_agreement(tx, agreement=town.agreement(0, resident), now=now),
    ]
    assert all(written(record, write).repeated for write in repeats)


def test_agreement__before_its_tariff_is_valid__refused(town: Town, record: Record) -> None:
    written(record, lambda tx: operations.publish_tariff(tx, tariff=tariff(tariff="green", valid_from_mtu=50), now=0))
    early = town.agreement(0, town.residents[0], version=2, tariff="green", valid_from_mtu=49)

    refused(record, NoAgreement, lambda tx: operations.sign_agreement(tx, agreement=early, now=0))
    written(record, lambda tx: operations.sign_agreement(tx, agreement=replace(early, valid_from_mtu=50), now=0))


def test_meter__before_the_household_has_an_agreement__refused(town: Town, record: Record) -> None:
    newcomer = Resident("newcomer", "POINT-9")
    meter = Meter("METER-9", "POINT-9", b"\x77" * 32, AREA, 39)
    written(
        record,
        lambda tx: operations.register_participant(tx, participant=participant(9, newcomer.account), organisations=()),
    )
    agreement = town.agreement(9, newcomer, valid_from_mtu=40)
    written(record, lambda tx: operations.sign_agreement(tx, agreement=agreement, now=0))

    refused(record, NoAgreement, lambda tx: operations.register_meter(tx, meter=meter, now=0))
    written(record, lambda tx: operations.register_meter(tx, meter=replace(meter, valid_from_mtu=40), now=0))


def _second_retailer(town: Town, record: Record) -> Resident:
    other = Resident("other retailer", None)
    party = participant(0, other.account, participant="other", kind=ParticipantKind.RETAILER, point=None)
    party = replace(party, connection_import_w=0, connection_export_w=0)
    written(record, lambda tx: operations.register_participant(tx, participant=party, organisations=()))
    return other


def test_guarantee__by_one_whom_the_account_did_not_choose__refused(town: Town, record: Record) -> None:
    """Nobody takes over, or ends, the credit of another one's customer."""
    resident, stranger = town.residents[0], _second_retailer(town, record)
    for credit_neur in (0, 5, 2**60):
        given = signed_guarantee(stranger.account, resident.account.address, credit_neur=credit_neur)
        refused(record, ConsentMissing, lambda tx, item=given: give_guarantee(tx, item, now=0))
    forged = signed_guarantee(stranger.account, resident.account.address, credit_neur=5, agreed_by=stranger.account)
    refused(record, WrongSigner, lambda tx: give_guarantee(tx, forged, now=0))

    with record.read() as connection:
        counting = queries.guarantee_of(connection, resident.account_hex)
    assert counting is not None and counting.guarantor == town.retailer.account_hex


def test_guarantee__by_one_whom_the_account_chose__takes_over(town: Town, record: Record) -> None:
    resident, new, old = town.residents[0], _second_retailer(town, record), town.retailer
    account = resident.account
    taken_on = signed_guarantee(new.account, account.address, credit_neur=CREDIT_NEUR, agreed_by=account)
    written(record, lambda tx: give_guarantee(tx, taken_on, now=0))
    raised = signed_guarantee(new.account, account.address, credit_neur=CREDIT_NEUR + 1, nonce=2)
    written(record, lambda tx: give_guarantee(tx, raised, now=0))
    ended = signed_guarantee(old.account, account.address, credit_neur=0, nonce=2)
    refused(record, ConsentMissing, lambda tx: give_guarantee(tx, ended, now=0))


def test_guarantee__for_oneself__needs_nobody_else(town: Town, record: Record) -> None:
    own = town.residents[0].account
    kept = signed_guarantee(own, own.address, credit_neur=5)
    written(record, lambda tx: give_guarantee(tx, kept, now=0))
    with record.read() as connection:
        assert queries.guarantee_of(connection, to_hex(own.address)) == kept


def test_guarantee__after_its_deadline__refused(town: Town, record: Record) -> None:
    account = town.residents[0].account.address
    late = signed_guarantee(town.retailer.account, account, credit_neur=5, nonce=2, deadline=100)
    refused(record, DeadlinePassed, lambda tx: give_guarantee(tx, late, now=100))
    written(record, lambda tx: give_guarantee(tx, late, now=99))


def test_guarantee__raised__last_one_counts_and_is_asked_of_the_chain(town: Town, record: Record) -> None:
    resident, retailer = town.residents[0], town.retailer
    raised = signed_guarantee(retailer.account, resident.account.address, credit_neur=2**60, nonce=7)
    written(record, lambda tx: give_guarantee(tx, raised))

    with record.read() as connection:
        assert queries.guarantee_of(connection, resident.account_hex) == raised
    asked = request(record, f"guarantee:{raised.guarantor}:{raised.account}:7")
    signed = [to_hex(raised.signature), "0x"]
    assert asked["args"] == [raised.guarantor, raised.account, str(2**60), 7, 2**37, *signed]
    assert (asked["role"], asked["contract"], asked["function"]) == ("operator", "Guarantees", "guarantee")


def test_guarantee__bad_ones__refused(town: Town, record: Record) -> None:
    one, other = town.residents[:2]
    account = one.account.address
    good = signed_guarantee(town.retailer.account, account, credit_neur=5, nonce=2)
    cases = [
        (replace(good, credit_neur=6), WrongSigner),
        (signed_guarantee(town.retailer.account, account, credit_neur=5, nonce=1), AlreadyRegistered),
        (signed_guarantee(town.retailer.account, account, credit_neur=5, nonce=0), OutOfRange),
        (signed_guarantee(town.retailer.account, account, credit_neur=2**63, nonce=2), OutOfRange),
        (signed_guarantee(other.account, account, credit_neur=5, nonce=2), ConsentMissing),
        (signed_guarantee(town.retailer.account, b"\x99" * 20, credit_neur=5, nonce=2), NotRegistered),
    ]
    for guarantee, error in cases:
        refused(
            record,
            error,
            lambda tx, item=guarantee: give_guarantee(tx, item),
        )
    later = signed_guarantee(town.retailer.account, account, credit_neur=5, nonce=9)
    written(record, lambda tx: give_guarantee(tx, later))
    refused(record, NonceUsed, lambda tx: give_guarantee(tx, good))


def test_rebuild__whole_town__same_tables(town: Town, record: Record) -> None:
    before = dump(record, TABLES)
    written(record, rebuild_views)

    assert dump(record, TABLES) == before
    assert all(before.values())


def test_terms__gate_has_passed__begin_only_with_what_is_still_to_be_traded(record: Record, make_town: Any) -> None:
    town = make_town()
    program = town.open_program()
    resident, end = town.residents[0], program.first_mtu + program.count

    def writes(at: int, now: int) -> list[Write]:
        return [
            lambda tx: operations.publish_tariff(tx, tariff=tariff(version=2, valid_from_mtu=at), now=now),
            lambda tx: operations.sign_agreement(
                tx, agreement=town.agreement(0, resident, version=2, valid_from_mtu=at), now=now
            ),
        ]

    for write in writes(end - 1, program.gate):
        assert refused(record, AlreadyBegun, write).earliest_mtu == end
    for write in writes(end - 1, program.gate - 1):
        written(record, write)
