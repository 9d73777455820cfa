"""Guarantees: whose line an account has, who agreed to it, until when it counts, and what is asked of the chain."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.errors import OutOfRange
from domain.hashing import to_hex
from domain.parties import ParticipantKind
from ledger_service.record import Record
from ledger_service.registry import operations, queries
from ledger_service.registry.errors import (
    AlreadyRegistered,
    ConsentMissing,
    DeadlinePassed,
    NonceUsed,
    NotRegistered,
    WrongSigner,
)
from tests.integration.ledger.town import (
    BEFORE,
    CREDIT_NEUR,
    Resident,
    Town,
    give_guarantee,
    participant,
    signed_guarantee,
)
from tests.integration.ledger.writes import refused, request, written

pytestmark = pytest.mark.integration


def _second_retailer(town: Town, record: Record) -> Resident:
    other = Resident("other retailer", None)
    party = participant(0, other.account, participant="other", kind=ParticipantKind.RETAILER, point=None)
    party = replace(party, connection_import_w=0, connection_export_w=0)
    written(record, lambda tx: operations.register_participant(tx, participant=party, organisations=(), now=BEFORE))
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
        (signed_guarantee(town.retailer.account, account, credit_neur=5, nonce=2 + 2**32), OutOfRange),
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
