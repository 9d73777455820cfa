"""The service's side: attestations recorded once, refused where they do not hold, and what the chain answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from nacl.signing import SigningKey as MeterKeyPair

from domain.attestations import AttestationSet
from domain.eip712 import Domain
from domain.facts import FACTS, ChainRequested, MtuUnread, ReadingAttested
from domain.hashing import canonical_json, text_id, to_hex
from domain.members import noun_json, noun_of
from domain.messages import make_message
from domain.mtu import mtu_end
from domain.readings import Attestation, Quality, Reading, in_leaf_order
from domain.registers import RegisterReading
from domain.signing import SigningKey
from ledger_service.metering.operations import RecordedAttestation, record_attestations
from ledger_service.metering.queries import attestation_states, leaves_at, metering_area_of, point_readings
from ledger_service.metering.stage import MeteringStage
from ledger_service.metering.tables import TABLES
from ledger_service.metering.verification import VerifiedAttestations, verify_attestations
from ledger_service.metering.views import rebuild_views
from ledger_service.record import Record
from ledger_service.registry.views import REGISTRY_FACTS, fold
from settling.attestations import AttestationRefused, RevisionTaken
from tests.journal import append_fact, content_of, fact_of

pytestmark = pytest.mark.integration

FIRST, COUNT = 1_900_000, 4
AREA = "TEST/LV1"
READINGS = Domain(chain_id=31_337, verifying_contract=b"\x11" * 20)
SETTLEMENT = Domain(chain_id=31_337, verifying_contract=b"\x22" * 20)
ATTESTERS = [SigningKey(text_id(f"attester {number}")) for number in range(3)]
NOT_CHECKED = "0x" + "00" * 65
"""A signature that nobody looks at here."""

METERS = {code: MeterKeyPair(text_id(code)) for code in ("M0", "M1")}
ATTEST_SECONDS = 3_600
HORIZON_SECONDS = 864_000


def facts() -> Iterator[tuple[str, dict[str, Any]]]:
    yield (
        "area.defined",
        {
            "area": AREA,
            "zone": "Europe/Berlin",
            "attest_seconds": ATTEST_SECONDS,
            "horizon_seconds": HORIZON_SECONDS,
            "challenge_seconds": 3_600,
            "grid_model": {},
            "grid_model_hash": "0x" + "00" * 32,
            "attesters": [
                {"name": f"A{number}", "address": to_hex(key.address), "organisation": f"org {min(number, 1)}"}
                for number, key in enumerate(ATTESTERS)
            ],
            "threshold": 2,
        },
    )
    for number, (code, key) in enumerate(METERS.items()):
        yield (
            "participant.registered",
            {
                "participant": f"household {code}",
                "kind": "household",
                "area": AREA,
                "account": "0x" + f"{number + 1:040x}",
                "point": f"P-{code}",
                "connection_import_w": 10_000,
                "connection_export_w": 10_000,
                "valid_from_mtu": 0,
                "account_signature": NOT_CHECKED,
                "dso_signature": NOT_CHECKED,
            },
        )
        yield (
            "meter.registered",
            {
                "meter": code,
                "point": f"P-{code}",
                "public_key": to_hex(bytes(key.verify_key)),
                "area": AREA,
                "valid_from_mtu": FIRST,
                "dso_signature": NOT_CHECKED,
            },
        )
    yield "period.declared", {"area": AREA, "period": 1, "first_mtu": FIRST, "count": COUNT}


@pytest.fixture
def record(record_url: str) -> Iterator[Record]:
    """A record with an area of two meters and one period."""
    opened = Record.open(record_url)
    with opened.begin() as tx:
        for kind, payload in facts():
            entry = tx.append(fact_of(kind, payload))
            if FACTS[kind] in REGISTRY_FACTS:
                fold(tx.connection, entry)
    yield opened
    opened.close()


def register(code: str, mtu: int, *, extra_wh: int = 0) -> RegisterReading:
    steps = mtu - FIRST + 1
    return RegisterReading(mtu, 100 * steps + extra_wh, 10 * steps, steps + 1, text_id(f"{code} {mtu} {extra_wh}"))


def measured(code: str, mtu: int, *, extra_wh: int = 0) -> Reading:
    item = register(code, mtu, extra_wh=extra_wh)
    return Reading(
        meter_code=code,
        mtu=mtu,
        import_register_wh=item.import_register_wh,
        export_register_wh=item.export_register_wh,
        import_wh=100 + extra_wh,
        export_wh=10,
        sequence=item.sequence,
        quality=Quality.MEASURED,
        nonce=item.nonce,
    )


def payload_of(
    *mtus: int, revision: int = 0, signers: tuple[int, ...] = (0, 1), extra_wh: int = 0, baseline: bool = True
) -> dict[str, Any]:
    """What honest attesters hand in for these MTUs."""
    attestations, messages = [], []
    for mtu in mtus:
        readings = in_leaf_order([measured(code, mtu, extra_wh=extra_wh) for code in METERS])
        attestation = Attestation.of(area=text_id(AREA), mtu=mtu, revision=revision, readings=readings)
        digest = attestation.digest(READINGS)
        keys = sorted((ATTESTERS[number] for number in signers), key=lambda key: key.address)
        attestations.append(
            {
                "mtu": mtu,
                "revision": revision,
                "root": to_hex(attestation.root),
                "count": attestation.count,
                "import_wh": attestation.import_wh,
                "export_wh": attestation.export_wh,
                "signatures": [to_hex(key.sign(digest)) for key in keys],
                "readings": [reading.as_json() for reading in readings],
            }
        )
        for code, key in METERS.items():
            items = [register(code, mtu, extra_wh=extra_wh)]
            if baseline:
                items.insert(0, register(code, mtu - 1))
            messages.append(make_message(meter_code=code, readings=items, key=key).decode())
    return {"area": AREA, "period": 1, "attestations": attestations, "messages": messages}


def set_in(text: bytes) -> AttestationSet:
    """The set in JSON text."""
    return noun_of(AttestationSet, text)


def accept(record: Record, payload: dict[str, Any], *, now: int | None = None) -> RecordedAttestation:
    if now is None:
        now = mtu_end(max(item["mtu"] for item in payload["attestations"])) + 200
    at, given = now, set_in(canonical_json(payload))

    def verify() -> VerifiedAttestations:
        with record.read() as connection:
            return verify_attestations(connection, given, now=at, readings=READINGS, settlement=SETTLEMENT)

    return record_attestations(record, verify)


def kinds(record: Record) -> list[str]:
    return [entry.kind for entry in record.entries(after=6)]


def answer(record: Record, kind: str, payload: dict[str, Any]) -> None:
    with record.begin() as tx:
        append_fact(tx, kind, payload)


def test_accept_attestation__holds__is_recorded_shown_and_asked_of_the_chain(record: Record) -> None:
    accept(record, payload_of(FIRST, FIRST + 1))

    requested = record.entries(kinds=[ChainRequested])
    with record.read() as connection:
        shown = point_readings(connection, point="P-M0", first_mtu=FIRST, count=4)
        states = attestation_states(connection, area=AREA, first_mtu=FIRST, count=3)
    assert [content_of(item)["function"] for item in requested] == ["attestMany"]
    assert [(item.mtu, item.import_wh, item.export_wh, item.substitutes) for item in shown] == [
        (FIRST, 100, 10, 0),
        (FIRST + 1, 100, 10, 0),
    ]
    assert [state.next_revision for state in states] == [1, 1, 0]
    kept = states[0].attestation
    assert kept is not None and states[2].attestation is None
    assert noun_json(kept.read()) == kept.as_json() == payload_of(FIRST)["attestations"][0]


def test_accept_attestation__repeated__is_the_first_fact(record: Record) -> None:
    payload = payload_of(FIRST, FIRST + 1)
    first = accept(record, payload)
    before = record.head()

    again = accept(record, payload)

    assert again.repeated and again.sequence == first.sequence
    assert record.head() == before


def test_accept_attestation__another_for_the_same_revision__conflicts(record: Record) -> None:
    accept(record, payload_of(FIRST))

    with pytest.raises(RevisionTaken):
        accept(record, payload_of(FIRST, extra_wh=1))


def test_accept_attestation__correction__becomes_the_latest(record: Record) -> None:
    accept(record, payload_of(FIRST))

    accept(record, payload_of(FIRST, revision=1, extra_wh=5))

    with record.read() as connection:
        (shown,) = point_readings(connection, point="P-M0", first_mtu=FIRST, count=1)
    assert (shown.import_wh, shown.revision) == (105, 1)


def _strip_signature(payload: dict[str, Any]) -> None:
    payload["attestations"][0]["signatures"].pop()


def _foreign_signature(payload: dict[str, Any]) -> None:
    payload["attestations"][0]["signatures"][0] = to_hex(SigningKey(b"\x07" * 32).sign(b"\x00" * 32))


def _swap_signatures(payload: dict[str, Any]) -> None:
    payload["attestations"][0]["signatures"].reverse()


def _change_register(payload: dict[str, Any]) -> None:
    payload["attestations"][0]["readings"][0]["import_register_wh"] += 1


def _change_total(payload: dict[str, Any]) -> None:
    payload["attestations"][0]["import_wh"] += 1


def _drop_meter(payload: dict[str, Any]) -> None:
    payload["attestations"][0]["readings"].pop()


def _drop_messages(payload: dict[str, Any]) -> None:
    payload["messages"] = []


def _forge_message(payload: dict[str, Any]) -> None:
    key = MeterKeyPair(b"\x08" * 32)
    payload["messages"].append(make_message(meter_code="M0", readings=[register("M0", FIRST)], key=key).decode())


def _other_area(payload: dict[str, Any]) -> None:
    payload["period"] = 7


@pytest.mark.parametrize(
    "spoil",
    [
        _strip_signature,
        _foreign_signature,
        _swap_signatures,
        _change_register,
        _change_total,
        _drop_meter,
        _drop_messages,
        _forge_message,
        _other_area,
    ],
)
def test_accept_attestation__one_thing_wrong__is_refused_and_changes_nothing(record: Record, spoil: Any) -> None:
    payload = payload_of(FIRST)
    spoil(payload)
    before = record.head()

    with pytest.raises(AttestationRefused):
        accept(record, payload, now=mtu_end(FIRST) + 200)

    assert record.head() == before


def test_accept_attestation__two_keys_of_one_organisation__are_refused(record: Record) -> None:
    with pytest.raises(AttestationRefused, match="1 organisations signed"):
        accept(record, payload_of(FIRST, signers=(1, 2)))


def test_accept_attestation__interval_is_not_the_difference__is_refused(record: Record) -> None:
    accept(record, payload_of(FIRST, extra_wh=5))

    with pytest.raises(AttestationRefused, match="difference of its registers"):
        accept(record, payload_of(FIRST + 1))


@pytest.mark.parametrize("now", [mtu_end(FIRST) - 1, mtu_end(FIRST) + ATTEST_SECONDS + 1])
def test_accept_attestation__too_early_or_too_late__is_refused(record: Record, now: int) -> None:
    with pytest.raises(AttestationRefused):
        accept(record, payload_of(FIRST), now=now)


def test_stage__nobody_attested_in_time__is_marked_unread_then_takes_revision_one(record: Record) -> None:
    stage = MeteringStage(record)
    now = mtu_end(FIRST + 1) + ATTEST_SECONDS + 1
    accept(record, payload_of(FIRST))

    assert stage.run(now)
    assert not stage.run(now)
    (request,) = [content_of(item) for item in record.entries(kinds=[ChainRequested])][1:]
    event = {
        "contract": "Readings",
        "event": "ReadingsUnread",
        "args": {"area": to_hex(text_id(AREA)), "mtu": FIRST + 1, "readingsRoot": "0x" + "00" * 32},
    }
    answer(record, "chain.included", {"key": request["key"], "events": [event]})
    assert stage.run(now)
    assert not stage.run(now)

    assert request["args"] == [to_hex(text_id(AREA)), 1, FIRST + 1, 1]
    assert [content_of(item) for item in record.entries(kinds=[MtuUnread])] == [
        {"area": AREA, "period": 1, "mtu": FIRST + 1}
    ]
    accept(record, payload_of(FIRST + 1, revision=1), now=now)


def marks(record: Record) -> list[str]:
    keys = [content_of(item)["key"] for item in record.entries(kinds=[ChainRequested])]
    return [key for key in keys if key.startswith("unread:")]


def test_stage__chain_refuses_a_mark__it_is_asked_for_again_later_and_rarer(record: Record) -> None:
    stage = MeteringStage(record)
    deadline = mtu_end(FIRST + COUNT - 1) + ATTEST_SECONDS
    asked = []
    for wait_s in (1, 30, 61, 100, 241):
        now = deadline + wait_s
        while stage.run(now):
            pass
        asked.append(len(marks(record)))
        pending = marks(record)[-1]
        if wait_s in (1, 61):
            answer(record, "chain.failed", {"key": pending, "reason": "ReadingsTooEarly"})

    assert asked == [1, 1, 2, 2, 3]
    assert len(set(marks(record))) == 3


def test_stage__mark_included_while_an_attestation_waits__the_attestation_is_gone(record: Record) -> None:
    stage = MeteringStage(record)
    accept(record, payload_of(FIRST))
    args = {"area": to_hex(text_id(AREA)), "mtu": FIRST, "readingsRoot": "0x" + "00" * 32}
    event = {"contract": "Readings", "event": "ReadingsUnread", "args": args}
    (request,) = [content_of(item) for item in record.entries(kinds=[ChainRequested])]

    answer(record, "chain.included", {"key": "by anybody", "events": [event]})
    stage.run(mtu_end(FIRST))
    answer(record, "chain.failed", {"key": request["key"], "reason": "ReadingsRevisionWrong"})
    while stage.run(mtu_end(FIRST)):
        pass

    with record.read() as connection:
        (state,) = attestation_states(connection, area=AREA, first_mtu=FIRST, count=1)
    assert (state.next_revision, state.unread, state.attestation) == (1, True, None)


def test_stage__chain_refuses_an_attestation__it_is_gone_and_can_be_sent_again(record: Record) -> None:
    stage = MeteringStage(record)
    accept(record, payload_of(FIRST))
    (request,) = [content_of(item) for item in record.entries(kinds=[ChainRequested])]

    answer(record, "chain.failed", {"key": request["key"], "reason": "ReadingsTooLate"})
    assert stage.run(mtu_end(FIRST))
    accept(record, payload_of(FIRST))

    keys = [content_of(item)["key"] for item in record.entries(kinds=[ChainRequested])]
    assert len(set(keys)) == 2


def passed_over(mtu: int, *, revisions: int, unread: bool, root: str) -> dict[str, Any]:
    args = {"area": to_hex(text_id(AREA)), "mtu": mtu, "revisions": revisions, "unread": unread, "root": root}
    return {"contract": "Readings", "event": "ReadingsPassedOver", "args": args}


@pytest.mark.parametrize(
    ("revisions", "same_root", "stands"),
    [(1, True, True), (1, False, False), (0, False, False), (2, False, True)],
    ids=["sent before", "something else stands", "too late", "corrected since"],
)
def test_stage__batch_passes_an_attestation_over__what_stands_is_shown(
    record: Record, revisions: int, same_root: bool, stands: bool
) -> None:
    stage = MeteringStage(record)
    accept(record, payload_of(FIRST, FIRST + 1))
    (request,) = [content_of(item) for item in record.entries(kinds=[ChainRequested])]
    root = payload_of(FIRST)["attestations"][0]["root"] if same_root else "0x" + "07" * 32

    event = passed_over(FIRST, revisions=revisions, unread=False, root=root)
    answer(record, "chain.included", {"key": request["key"], "events": [event]})
    while stage.run(mtu_end(FIRST + 1)):
        pass

    with record.read() as connection:
        one, other = attestation_states(connection, area=AREA, first_mtu=FIRST, count=2)
        shown = point_readings(connection, point="P-M0", first_mtu=FIRST, count=1)
    assert (one.next_revision == 1, one.attestation is not None, len(shown) == 1) == (stands, stands, stands)
    assert other.next_revision == 1


def test_stage__marked_unread_in_an_area_that_is_not_ours__passes_by(record: Record) -> None:
    args = {"area": to_hex(text_id("ELSEWHERE/LV1")), "mtu": FIRST, "readingsRoot": "0x" + "00" * 32}
    event = {"contract": "Readings", "event": "ReadingsUnread", "args": args}

    answer(record, "chain.included", {"key": "elsewhere", "events": [event]})
    while MeteringStage(record).run(mtu_end(FIRST)):
        pass

    assert record.entries(kinds=[MtuUnread]) == []


def test_stage__marked_unread_by_somebody_else__is_recorded_once(record: Record) -> None:
    stage = MeteringStage(record)
    now = mtu_end(FIRST) + ATTEST_SECONDS + 1
    while stage.run(now):
        pass
    (pending,) = marks(record)

    event = passed_over(FIRST, revisions=1, unread=True, root="0x" + "00" * 32)
    answer(record, "chain.included", {"key": pending, "events": [event]})
    while stage.run(now):
        pass

    told = [content_of(item) for item in record.entries(kinds=[MtuUnread])]
    assert told == [{"area": AREA, "period": 1, "mtu": FIRST}]
    assert marks(record) == [pending]


def test_accept_attestation__period_declared_late__has_its_time_from_then(record: Record) -> None:
    stage, late = MeteringStage(record), mtu_end(FIRST + 2 * COUNT) + HORIZON_SECONDS
    record.timed_by(lambda: late)
    answer(record, "period.declared", {"area": AREA, "period": 2, "first_mtu": FIRST + COUNT, "count": COUNT})
    payload = payload_of(FIRST + COUNT) | {"period": 2}

    stage.run(late + ATTEST_SECONDS)
    asked = [key for key in marks(record) if f":2:{FIRST + COUNT}:" in key]
    with pytest.raises(AttestationRefused, match="deadline"):
        accept(record, payload, now=late + ATTEST_SECONDS)
    accept(record, payload, now=late + ATTEST_SECONDS - 300)

    assert asked == []


def test_accept_attestation__correction__comes_until_the_horizon_after_all_was_resolved(record: Record) -> None:
    late = mtu_end(FIRST + COUNT) + 2 * HORIZON_SECONDS
    for mtu in range(FIRST, FIRST + COUNT - 1):
        accept(record, payload_of(mtu))
    accept(record, payload_of(FIRST + 2, revision=1, extra_wh=1), now=late)
    record.timed_by(lambda: late)
    answer(record, "mtu.unread", {"area": AREA, "period": 1, "mtu": FIRST + COUNT - 1})
    with record.begin() as tx:
        rebuild_views(tx)

    with pytest.raises(AttestationRefused, match="corrections"):
        accept(record, payload_of(FIRST + 2, revision=2), now=late + HORIZON_SECONDS + 1)
    accept(record, payload_of(FIRST + 2, revision=2), now=late + HORIZON_SECONDS)


def test_rebuild_views__after_everything__shows_the_same(record: Record) -> None:
    stage = MeteringStage(record)
    accept(record, payload_of(FIRST, FIRST + 1))
    accept(record, payload_of(FIRST + 1, revision=1, extra_wh=3))
    stage.run(mtu_end(FIRST + 2) + ATTEST_SECONDS + 1)

    def rows() -> list[list[Any]]:
        with record.read() as connection:
            return [sorted(map(tuple, connection.execute(table.select()))) for table in TABLES]

    before = rows()
    with record.begin() as tx:
        rebuild_views(tx)

    assert rows() == before


def test_rebuild_views__attestation_erased__leaves_no_trace(record: Record) -> None:
    accept(record, payload_of(FIRST))
    (entry,) = record.entries(kinds=[ReadingAttested])
    record.erase([entry.sequence], "end of retention")

    with record.begin() as tx:
        rebuild_views(tx)
    with record.read() as connection:
        kept = leaves_at(connection, area=AREA, mtu=FIRST)

    assert kept is None


def test_metering_area_of__facts_registered__gives_keys_powers_and_periods(record: Record) -> None:
    with record.read() as connection:
        area = metering_area_of(connection, area=AREA, readings=READINGS, settlement=SETTLEMENT)
        none = leaves_at(connection, area=AREA, mtu=FIRST)

    assert [entry.meter_code for entry in area.meters_at(FIRST)] == sorted(METERS, key=text_id)
    assert {key.connection_import_w for meter in area.meters for key in area.keys_of(meter.meter)} == {10_000}
    assert [(period.first_mtu, period.count) for period in area.periods] == [(FIRST, COUNT)]
    assert none is None
