"""How the registry's facts become its views, at once and when they are rebuilt."""

from __future__ import annotations

import json
from dataclasses import asdict, fields

from sqlalchemy import Connection, Table, delete, insert, update

from domain.areas import Area
from domain.facts import (
    AccountReplaced,
    AgreementSigned,
    AreaDefined,
    Fact,
    GuaranteeGiven,
    KeyRegistered,
    MandateGranted,
    MandateRevoked,
    MarketDefined,
    MeterRegistered,
    ParticipantRegistered,
    TariffPublished,
    TermEnded,
)
from domain.markets import Market
from domain.parties import Guarantee, Meter, OrderKey, Participant, Replacement
from domain.terms import Agreement, Tariff, TermEnd
from ledger_service.record import Entry, Transaction
from ledger_service.record.journal import walk_entries
from ledger_service.registry.grids import grid_model_text
from ledger_service.registry.mandates import show_granted, show_revoked
from ledger_service.registry.tables import (
    TABLES,
    registry_agreement,
    registry_area,
    registry_end,
    registry_guarantee,
    registry_key,
    registry_market,
    registry_meter,
    registry_participant,
    registry_replacement,
    registry_tariff,
)

_Noun = Market | Tariff | Agreement | Participant | Meter | OrderKey | Guarantee | Replacement | TermEnd

_NAMING = (
    registry_participant.c.account,
    registry_agreement.c.account,
    registry_agreement.c.retailer,
    registry_tariff.c.retailer,
    registry_guarantee.c.account,
    registry_guarantee.c.guarantor,
)
"""Where views name the present account of a participant; an order key stays that of the account which registered it."""

REGISTRY_FACTS: tuple[type[Fact], ...] = (
    AreaDefined,
    MarketDefined,
    TariffPublished,
    AgreementSigned,
    ParticipantRegistered,
    MeterRegistered,
    KeyRegistered,
    GuaranteeGiven,
    TermEnded,
    AccountReplaced,
    MandateGranted,
    MandateRevoked,
)
"""The facts that its views are made of; mandates come in through order intake."""


def fold(connection: Connection, entry: Entry) -> None:
    """Bring the views up to date with one of REGISTRY_FACTS; an erased one leaves no trace."""
    match entry.fact:
        case AreaDefined(area):
            show_area(connection, area, grid_model_text=grid_model_text(area), sequence=entry.sequence)
        case MarketDefined(market):
            _show(connection, registry_market, market, entry.sequence)
        case TariffPublished(tariff):
            _show(connection, registry_tariff, tariff, entry.sequence)
        case AgreementSigned(agreement):
            _show(connection, registry_agreement, agreement, entry.sequence)
        case ParticipantRegistered(participant):
            _show(connection, registry_participant, participant, entry.sequence)
        case MeterRegistered(meter):
            _show(connection, registry_meter, meter, entry.sequence)
        case KeyRegistered(order_key):
            _show(connection, registry_key, order_key, entry.sequence)
        case GuaranteeGiven(guarantee):
            _show(connection, registry_guarantee, guarantee, entry.sequence)
        case TermEnded(end):
            _show(connection, registry_end, end, entry.sequence)
        case AccountReplaced(replacement):
            _show(connection, registry_replacement, replacement, entry.sequence)
            for column in _NAMING:
                rename = update(column.table).where(column == replacement.account)
                connection.execute(rename.values({column: replacement.successor}))
        case MandateGranted() as granted:
            show_granted(connection, granted, entry.sequence)
        case MandateRevoked() as revoked:
            show_revoked(connection, revoked, entry.sequence)


def show_area(connection: Connection, area: Area, *, grid_model_text: str, sequence: int) -> None:
    """Show a defined area, with its grid model as text that was written before: it may be large."""
    row = {field.name: getattr(area, field.name) for field in fields(area)} | {"sequence": sequence}
    row["grid_model"] = grid_model_text
    row["attesters"] = json.dumps([asdict(attester) for attester in area.attesters], sort_keys=True)
    connection.execute(insert(registry_area), row)


def _show(connection: Connection, table: Table, noun: _Noun, sequence: int) -> None:
    row = {field.name: getattr(noun, field.name) for field in fields(noun)} | {"sequence": sequence}
    if isinstance(noun, Market):
        row["later_gates_local"] = json.dumps(noun.later_gates_local)
    connection.execute(insert(table), row)


def rebuild_views(tx: Transaction) -> None:
    """Empty the views and fold every fact again."""
    connection = tx.connection
    for table in TABLES:
        connection.execute(delete(table))
    for entry in walk_entries(connection, kinds=REGISTRY_FACTS):
        fold(connection, entry)
