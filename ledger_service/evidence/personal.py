"""Personal bundles: what one account needs to check its own bill (docs/evidence.md section 6)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection

from domain.errors import DominoesError
from domain.facts import MandateGranted, MandateRevoked, OrderAccepted, OrderCancelled
from domain.parties import Meter, Participant
from ledger_service.evidence.contents import Openings
from ledger_service.evidence.form import BundleWriter
from ledger_service.evidence.openings import read_openings
from ledger_service.evidence.recorded import Anchor, ChainInfo, ReceiptSource, last_anchor
from ledger_service.evidence.shown import (
    AccountShown,
    CancelMembers,
    CancelShown,
    KeyShown,
    MandateShown,
    MessageShown,
    OrderShown,
    OwnProgramShown,
    ReceivedShown,
    RevocationMembers,
    RevocationShown,
)
from ledger_service.record import Record


class OpeningsErased(DominoesError):
    """Orders of the account that traded are erased: its bill opens to nothing that could be shown."""

    status = 410
    code = "openings-erased"
    remedy = "Use the bundle that was made before; what is left, lists and statements show."

    def __init__(self) -> None:
        super().__init__("orders of this account that traded are erased; no bundle opens to them")


def export_personal(
    record: Record, directory: Path, *, account: str, chain: ChainInfo, receipts: ReceiptSource
) -> Anchor:
    """Write the bundle of one present account (0x hex), and of those it replaced, up to the last anchor.

    Raises NothingAnchored, NotABundle, OpeningsErased.
    """
    with record.read() as connection:
        anchor = last_anchor(connection)
        openings = read_openings(connection, through=anchor.sequence)
        _write(connection, directory, openings=openings, account=account, chain=chain, receipts=receipts)
    return anchor


def export_all_personal(record: Record, directory: Path, *, chain: ChainInfo, receipts: ReceiptSource) -> list[str]:
    """Write `<directory>/<n>` for every account, n from 1 in ascending order, and return the accounts in that order.

    The record is read once for all of them.
    """
    with record.read() as connection:
        openings = read_openings(connection, through=last_anchor(connection).sequence)
        accounts = sorted(openings.parties)
        for number, account in enumerate(accounts, start=1):
            place = directory / str(number)
            _write(connection, place, openings=openings, account=account, chain=chain, receipts=receipts)
    return accounts


def _write(
    connection: Connection,
    directory: Path,
    *,
    openings: Openings,
    account: str,
    chain: ChainInfo,
    receipts: ReceiptSource,
) -> None:
    if openings.has_erased(account):
        raise OpeningsErased
    party = openings.parties[account]
    meters = [meter for meter in openings.meters if party.point is not None and meter.point == party.point]
    codes, place = {meter.meter for meter in meters}, openings.place_of(account)
    known = range(place.start - 1, place.stop)  # from the registers with which the place was taken over
    with BundleWriter(directory, kind="personal") as bundle:
        bundle.value("chain.json", chain)
        bundle.value("account.json", _account(openings, party, meters, codes))
        bundle.lines("orders.jsonl", _orders(openings, account, receipts))
        bundle.lines("programs.jsonl", _programs(openings, party, place))
        bundle.raw_lines("results.jsonl", _results(openings, account))
        bundle.lines(
            "readings.jsonl", (line for leaves in openings.attestations for line in leaves.shown_to(codes, place))
        )
        bundle.lines("messages.jsonl", map(MessageShown, dict.fromkeys(openings.messages_of(codes, known))))
        bundle.lines("terms.jsonl", openings.terms_of(account))
        bundle.lines("statements.jsonl", openings.statements_of(account))


def _account(openings: Openings, party: Participant, meters: Iterable[Meter], codes: set[str]) -> AccountShown:
    """The party as it was registered, how its accounts gave way since, and what of it ended."""
    replaced = openings.replacements.get(party.account, ())
    return AccountShown(
        participant=replace(party, account=replaced[0].account) if replaced else party,
        grid_model=openings.areas[party.area].grid_model,
        meters=tuple(meters),
        replacements=replaced,
        ends=openings.ends_for(party.account, codes),
    )


def _programs(openings: Openings, party: Participant, place: range) -> Iterable[OwnProgramShown]:
    """Own schedule and envelopes of every signed program of the area in whose MTUs the party takes part, with what
    leads from them to the signed report.

    Of other points it holds hashes only. A party without a point has none.
    """
    if party.point is None:
        return
    for program in openings.programs:
        first_mtu = program.validated.first_mtu
        meets = first_mtu < place.stop and place.start < first_mtu + program.validated.count
        if program.area == party.area and meets:
            yield program.shown_to(party.point)


def _orders(
    openings: Openings, account: str, receipts: ReceiptSource
) -> Iterable[OrderShown | CancelShown | MandateShown | RevocationShown]:
    """Own orders, cancels and mandates by sequence, each with the operator's receipt."""
    for entry, fact in openings.orders_of(account):
        mandate = fact.mandate if isinstance(fact, OrderAccepted | OrderCancelled) else None
        key = openings.keys[fact.order_key if mandate is None else openings.granted_by[mandate]]
        received = ReceivedShown(
            signature=fact.signature,
            key=KeyShown(key.order_key, key.valid_from_mtu, key.signature),
            sequence=entry.sequence,
            journal_head=entry.hash,
            market_time=fact.market_time,
            receipt=receipts(entry),
            rules=fact.rules,
            mandate=mandate,
        )
        match fact:
            case OrderAccepted():
                yield OrderShown(received, fact.order)
            case OrderCancelled():
                cancel = CancelMembers(fact.market, fact.session, fact.mtu, fact.order_id, fact.revision)
                yield CancelShown(received, cancel, fact.tag)
            case MandateGranted():
                yield MandateShown(received, fact.mandate, fact.tag)
            case MandateRevoked():
                yield RevocationShown(received, RevocationMembers(fact.account, fact.agent, fact.mandate), fact.tag)


def _results(openings: Openings, account: str) -> Iterable[bytes]:
    """The complete words of every MTU in which the account has one, by MTU and market."""
    mine = set(openings.accounts_of(account))
    return (result.line for result in openings.results if mine & result.accounts)
