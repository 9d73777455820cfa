"""Sets of attestations are recorded page by page, verified elsewhere where large, and go on where they ended."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from domain.errors import OutOfRange
from domain.facts import PeriodDeclared, ReadingAttested
from domain.mtu import mtu_end
from ledger_service.metering import intake, operations, verification
from ledger_service.metering.intake import AttestationIntake
from ledger_service.metering.operations import record_attestations
from ledger_service.metering.queries import attestation_states
from ledger_service.metering.verification import VerifiedAttestations, verify_attestations
from ledger_service.metering.views import rebuild_views
from ledger_service.record import Record
from settling.attestations import AttestationRefused
from tests.integration.metering.test_recording import (
    AREA,
    FIRST,
    METERS,
    READINGS,
    SETTLEMENT,
    accept,
    payload_of,
    set_in,
)
from tests.integration.metering.test_recording import record as record
from tests.journal import content_of

pytestmark = pytest.mark.integration

NOW = mtu_end(FIRST + 2) + 200


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """One MTU a page."""
    monkeypatch.setattr(verification, "LEAVES_PER_PAGE", len(METERS))


def facts(record: Record) -> list[dict[str, Any]]:
    return [content_of(entry) for entry in record.entries(kinds=[ReadingAttested])]


def verifying(record: Record, payload: dict[str, Any]) -> Callable[[], VerifiedAttestations]:
    given = set_in(json.dumps(payload).encode())

    def verify() -> VerifiedAttestations:
        with record.read() as connection:
            return verify_attestations(connection, given, now=NOW, readings=READINGS, settlement=SETTLEMENT)

    return verify


def test_accept__more_leaves_than_a_page__is_one_fact_per_page_with_its_messages(
    record: Record, small_pages: None
) -> None:
    payload = payload_of(FIRST, FIRST + 1, FIRST + 2)

    attested = accept(record, payload)

    pages = facts(record)
    assert [[item["mtu"] for item in page["attestations"]] for page in pages] == [[FIRST], [FIRST + 1], [FIRST + 2]]
    assert set(pages[0]["messages"]) < set(payload["messages"])
    assert attested.mtus == [FIRST, FIRST + 1, FIRST + 2]
    assert not attested.repeated
    assert accept(record, payload).repeated
    assert len(facts(record)) == 3


def test_accept__messages_that_several_pages_rest_on__stand_once(record: Record, small_pages: None) -> None:
    payload = payload_of(FIRST, FIRST + 1, FIRST + 2)

    accept(record, payload)

    kept = [message for page in facts(record) for message in page["messages"]]
    assert sorted(kept) == sorted(payload["messages"])


def test_accept__more_messages_than_a_page_takes__stand_ahead_of_its_attestations(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "MESSAGES_BYTES_PER_PAGE", 1)
    payload = payload_of(FIRST)

    attested = accept(record, payload)

    pages = facts(record)
    assert [message for page in pages for message in page["messages"]] == sorted(payload["messages"])
    assert [len(page["attestations"]) for page in pages] == [0] * (len(pages) - 1) + [1]
    assert attested.sequence == record.entries(kinds=[ReadingAttested])[-1].sequence
    assert accept(record, payload).repeated


def test_rebuild__pages_of_messages_alone__show_what_the_attestations_say(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "MESSAGES_BYTES_PER_PAGE", 1)
    accept(record, payload_of(FIRST))

    with record.begin() as tx:
        before = attestation_states(tx.connection, area=AREA, first_mtu=FIRST, count=1)
        rebuild_views(tx)
        after = attestation_states(tx.connection, area=AREA, first_mtu=FIRST, count=1)

    assert after == before
    assert after[0].attestation is not None


def test_accept__part_recorded_before_a_restart__records_the_rest(record: Record, small_pages: None) -> None:
    payload = payload_of(FIRST, FIRST + 1)
    verified = verifying(record, payload)()
    operations._record_page(record, verified, verified.pages[0], basis=verified.basis)

    attested = accept(record, payload)

    assert [[item["mtu"] for item in page["attestations"]] for page in facts(record)] == [[FIRST], [FIRST + 1]]
    assert not attested.repeated
    assert attested.sequence == record.entries(kinds=[ReadingAttested])[-1].sequence


def test_record__fact_of_the_registry_came_in_between__is_verified_again(record: Record) -> None:
    verify = verifying(record, payload_of(FIRST))
    verified = []

    def overtaken() -> VerifiedAttestations:
        verified.append(verify())
        if len(verified) == 1:
            with record.begin() as tx:
                tx.append(PeriodDeclared(area="elsewhere", period=1, first_mtu=1, count=96))
        return verified[-1]

    record_attestations(record, overtaken)

    assert len(verified) == 2
    assert len(facts(record)) == 1


def test_record__same_mtu_attested_in_between__is_found_recorded(record: Record) -> None:
    payload = payload_of(FIRST)
    verify = verifying(record, payload)
    first = verify()
    accept(record, payload)
    answers = [first]

    attested = record_attestations(record, lambda: answers.pop() if answers else verify())

    assert attested.repeated
    assert len(facts(record)) == 1


@pytest.fixture
def elsewhere(record: Record, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An intake that verifies every body in the other process."""
    monkeypatch.setattr(intake, "IN_PLACE_BYTES_MAX", 0)
    made = AttestationIntake(record, readings=READINGS, settlement=SETTLEMENT)
    yield made
    made.close()


def test_intake__large_body__is_verified_in_another_process_and_recorded_here(record: Record, elsewhere: Any) -> None:
    body = json.dumps(payload_of(FIRST, FIRST + 1)).encode()

    assert not elsewhere.accept(body, read=set_in, now=NOW).repeated

    with record.read() as connection:
        states = attestation_states(connection, area=AREA, first_mtu=FIRST, count=3)
    assert [state.next_revision for state in states] == [1, 1, 0]


def test_intake__large_body_that_does_not_hold__is_refused_as_ever(record: Record, elsewhere: Any) -> None:
    payload = payload_of(FIRST)
    payload["attestations"][0]["root"] = "0x" + "00" * 32

    with pytest.raises(AttestationRefused, match="root, count or sums") as caught:
        elsewhere.accept(json.dumps(payload).encode(), read=set_in, now=NOW)

    assert caught.value.mtu == FIRST
    assert facts(record) == []


def test_error__between_processes__keeps_its_facts() -> None:
    error = OutOfRange(field="n", value=7, lowest=1, highest=3)

    again = pickle.loads(pickle.dumps(error))

    assert (type(again), str(again), vars(again)) == (OutOfRange, str(error), vars(error))
