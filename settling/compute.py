"""The settlement of one area and period: pure, the same result from the same facts whatever their order.

The service proposes what this gives, and every attester signs only what this gives from facts it has checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from domain.hashing import to_hex
from domain.statements import statement_hash, statements_root
from domain.words import Side, settlement_words, words_hash
from settling.columns import NO_CAP_WH, NO_TERMS, Columns, Ints, Prices, Sums, line_energies, sum_up
from settling.errors import MissingParty, MoneyMade, NoAgreement, PoolUnbalanced, UnknownAccount
from settling.inputs import Inputs, Party, PartyKind, Trade
from settling.kinds import KINDS, Kind, Other
from settling.statements import (
    NO_TERMS_HASH,
    Line,
    Openings,
    household_lines,
    household_openings,
    money_line,
    openings_of,
    statement_json,
    trade_lines,
    trade_openings,
    trades_by_account,
    vat_line,
    vat_lines,
)
from settling.terms import Terms, check_retailers, resolve_terms, terms_hash

FLOAT_EXACT = 2**53
"""Below this every whole number is a float64, so weighted counts of whole numbers are exact."""

Statement = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Settled:
    """A settlement before it is salted: a statement per account (+ amounts are credits of the account), the words
    that move the money, ascending by account, and the hash of the terms used."""

    statements: Mapping[bytes, Statement]
    words: tuple[int, ...]
    tariff_hash: bytes

    def due_neur(self) -> dict[bytes, int]:
        """What each account receives (+) or pays (-) with this revision."""
        return {account: int(statement["due_neur"]) for account, statement in self.statements.items()}


@dataclass(frozen=True, slots=True)
class Commitment:
    """The hashes of a settlement that attesters sign over, beside the chain's own roots."""

    words_hash: bytes
    statements_root: bytes
    tariff_hash: bytes


def settle(inputs: Inputs) -> Settled:
    """Compute one settlement.

    Raises NoAgreement, UnknownAccount, MissingParty, PoolUnbalanced where the facts do not add up, and MoneyMade if
    the amounts would not sum to zero.
    """
    households = _parties(inputs, PartyKind.HOUSEHOLD)
    terms = resolve_terms(
        accounts=[party.account for party in households],
        agreements=inputs.agreements,
        tariffs=inputs.tariffs,
        period=inputs.period,
    )
    check_retailers(terms, [party.account for party in _parties(inputs, PartyKind.RETAILER)])
    trades = trades_by_account(inputs)
    _check_accounts(inputs, trades)
    _check_pool(inputs.trades)
    columns = columns_of(inputs, households, terms)
    _check_terms(columns, households, inputs.period.first_mtu)
    prices = terms.prices(_clearing_prices(inputs))
    sums = sum_up(columns, prices)
    statements = _household_statements(inputs, households, terms, columns, prices, sums, trades)
    statements.update(_organisation_statements(inputs, terms, sums, statements, trades))
    return _settled(statements, terms_hash(terms, range(len(households))))


def commit(settled: Settled, *, period: int, revision: int, salts: Mapping[bytes, bytes]) -> Commitment:
    """The hashes to sign, under one random salt per account."""
    hashes = {
        account: statement_hash(salt=salts[account], statement=statement)
        for account, statement in settled.statements.items()
    }
    return Commitment(
        words_hash=words_hash(settled.words),
        statements_root=statements_root(period=period, revision=revision, hashes=hashes),
        tariff_hash=settled.tariff_hash,
    )


def trade_columns(
    *, size: tuple[int, int], household: Ints, mtu: Ints, is_ask: np.ndarray[Any, Any], energy_wh: Ints
) -> tuple[Ints, Ints]:
    """(bought, sold) per household and MTU in Wh, from one row per trade; indexes count from 0."""
    cells = size[0] * size[1]
    at = (household * size[1] + mtu) * 2 + is_ask
    if int(energy_wh.sum(dtype=object) if len(energy_wh) < 2**10 else energy_wh.sum()) < FLOAT_EXACT:
        both = np.bincount(at, weights=energy_wh, minlength=2 * cells).astype(np.int64)
    else:
        both = np.zeros(2 * cells, dtype=object)
        np.add.at(both, at, energy_wh.astype(object))
    split = both.reshape(size[0], size[1], 2)
    return np.ascontiguousarray(split[:, :, 0]), np.ascontiguousarray(split[:, :, 1])


def columns_of(inputs: Inputs, households: Sequence[Party], terms: Terms) -> Columns:
    """The facts of the households as columns; what is unread settles as traded."""
    size = (len(households), inputs.period.count)
    row_of = {party.account: row for row, party in enumerate(households)}
    point_row = {party.point: row for row, party in enumerate(households)}
    mine = [trade for trade in inputs.trades if trade.account in row_of]
    bought, sold = trade_columns(
        size=size,
        household=np.array([row_of[trade.account] for trade in mine], dtype=np.int64),
        mtu=np.array([trade.mtu - inputs.period.first_mtu for trade in mine], dtype=np.int64),
        is_ask=np.array([trade.side == Side.ASK for trade in mine], dtype=np.int64),
        energy_wh=np.array([trade.energy_wh for trade in mine], dtype=np.int64),
    )
    drawn, fed = bought.copy(), sold.copy()
    for reading in inputs.metered:
        at = (point_row.get(reading.point), reading.mtu - inputs.period.first_mtu)
        if at[0] is not None:
            drawn[at], fed[at] = reading.import_wh, reading.export_wh
    import_cap = np.full(size, NO_CAP_WH, dtype=np.int64)
    export_cap = np.full(size, NO_CAP_WH, dtype=np.int64)
    scheduled = np.zeros(size, dtype=np.int64)
    for limit in inputs.limits:
        at = (point_row.get(limit.point), limit.mtu - inputs.period.first_mtu)
        if at[0] is None:
            continue
        scheduled[at] = limit.scheduled_export_wh
        import_cap[at] = NO_CAP_WH if limit.import_cap_wh is None else limit.import_cap_wh
        export_cap[at] = NO_CAP_WH if limit.export_cap_wh is None else limit.export_cap_wh
    return Columns(bought, sold, drawn, fed, import_cap, export_cap, scheduled, terms.matrix)


def _parties(inputs: Inputs, kind: PartyKind) -> list[Party]:
    """Parties of a kind, ascending by account."""
    return sorted((party for party in inputs.parties if party.kind == kind), key=lambda party: party.account)


def _single(inputs: Inputs, kind: PartyKind) -> Party:
    found = _parties(inputs, kind)
    if len(found) != 1:
        raise MissingParty(party=kind.value)
    return found[0]


def _clearing_prices(inputs: Inputs) -> Ints:
    first = inputs.period.first_mtu
    prices = [inputs.price_neur_per_wh.get(first + at, 0) for at in range(inputs.period.count)]
    return np.array(prices, dtype=np.int64)


def _check_accounts(inputs: Inputs, trades: Mapping[bytes, list[Trade]]) -> None:
    """Trades only of households and retailers; earlier revisions only of accounts that have a statement now."""
    parties = {party.account: party.kind for party in inputs.parties}
    for account in trades:
        if parties.get(account) not in (PartyKind.HOUSEHOLD, PartyKind.RETAILER):
            raise UnknownAccount(account=to_hex(account))
    for account in inputs.settled_before_neur:
        if account not in parties:
            raise UnknownAccount(account=to_hex(account))


def _check_pool(trades: Sequence[Trade]) -> None:
    """The clearing pool keeps nothing: per MTU as much is sold as is bought."""
    totals: dict[int, list[int]] = {}
    for trade in trades:
        totals.setdefault(trade.mtu, [0, 0])[trade.side] += trade.energy_wh
    for mtu in sorted(totals):
        bought, sold = totals[mtu]
        if bought != sold:
            raise PoolUnbalanced(mtu=mtu, bought_wh=bought, sold_wh=sold)


def _check_terms(columns: Columns, households: Sequence[Party], first_mtu: int) -> None:
    without = columns.terms == NO_TERMS
    if not without.any():
        return
    for _, energy in line_energies(columns):
        rows, mtus = np.nonzero((energy != 0) & without)
        if len(rows):
            raise NoAgreement(account=to_hex(households[int(rows[0])].account), mtu=first_mtu + int(mtus[0]))


def _household_statements(
    inputs: Inputs,
    households: Sequence[Party],
    terms: Terms,
    columns: Columns,
    prices: Prices,
    sums: Sums,
    trades: Mapping[bytes, list[Trade]],
) -> dict[bytes, Statement]:
    readings: dict[str | None, dict[int, tuple[str, ...]]] = {}
    for reading in inputs.metered:
        readings.setdefault(reading.point, {})[reading.mtu] = reading.readings
    first = inputs.period.first_mtu
    statements: dict[bytes, Statement] = {}
    for row, lines in enumerate(household_lines(columns, prices, first_mtu=first)):
        party = households[row]
        if not terms.spans[row]:
            continue
        openings = openings_of(trades.get(party.account, ()), readings.get(party.point, {}))
        opens = household_openings(terms, row, openings, sorted({line["mtu"] for line in lines}), first)
        lines += vat_lines({rate: int(base[row]) for rate, base in sums.vat_base_neur.items()})
        statements[party.account] = statement_json(
            inputs,
            party=party,
            terms_hash=to_hex(terms_hash(terms, [row])),
            lines=lines,
            opens=opens,
        )
    return statements


def _organisation_statements(
    inputs: Inputs,
    terms: Terms,
    sums: Sums,
    households: Mapping[bytes, Statement],
    trades: Mapping[bytes, list[Trade]],
) -> dict[bytes, Statement]:
    """Statements of retailers, DSO and tax: own trades, then the mirror of the households' lines per MTU."""
    statements = {}
    dso, tax = _single(inputs, PartyKind.DSO), _single(inputs, PartyKind.TAX)
    for party in [*_parties(inputs, PartyKind.RETAILER), dso, tax]:
        own = trades.get(party.account, [])
        lines = trade_lines(own, inputs.price_neur_per_wh)
        lines += mirror_lines(terms, sums, party, first_mtu=inputs.period.first_mtu)
        lines.sort(key=lambda line: line["mtu"])  # stable: own trades first, then kinds in their order
        if party.kind == PartyKind.TAX:
            lines += _vat_mirror(households)
        openings: Openings = openings_of(own, {})
        statements[party.account] = statement_json(
            inputs,
            party=party,
            terms_hash=NO_TERMS_HASH,
            lines=lines,
            opens=trade_openings(openings),
        )
    return statements


def mirror_lines(terms: Terms, sums: Sums, party: Party, *, first_mtu: int) -> list[Line]:
    """The other side of the households' lines: per kind, tariff and version, and MTU, with the opposite sign.

    Rows of one tariff version under several retailers are one line for the DSO and the tax account.
    """
    lines: list[Line] = []
    for kind in KINDS:
        if kind.price is None or kind.other.value != party.kind.value:
            continue
        for (tariff, version, mtu), (energy, price) in sorted(_mirror_cells(terms, sums, party, kind).items()):
            line = money_line(
                mtu=first_mtu + mtu, kind=kind.name, energy_wh=energy, price_neur_per_wh=price, sign=-kind.sign
            )
            lines.append({**line, "tariff": tariff, "version": version})
    return lines


def _mirror_cells(terms: Terms, sums: Sums, party: Party, kind: Kind) -> dict[tuple[str, int, int], tuple[int, int]]:
    """(energy, price) by (tariff, version, MTU counted from the first)."""
    cells: dict[tuple[str, int, int], tuple[int, int]] = {}
    mirror = sums.mirror_wh[kind.name]
    for row, item in enumerate(terms.classes):
        if kind.other == Other.RETAILER and item.retailer != party.account:
            continue
        price = int(getattr(item.tariff, str(kind.price)))
        for mtu in np.flatnonzero(mirror[row]).tolist():
            key = (item.tariff.tariff, item.tariff.version, mtu)
            energy = cells[key][0] if key in cells else 0
            cells[key] = (energy + int(mirror[row, mtu]), price)
    return cells


def _vat_mirror(households: Mapping[bytes, Statement]) -> list[Line]:
    """What the tax account receives as VAT: the sums of the households' VAT lines, one per rate ascending."""
    sums: dict[int, tuple[int, int]] = {}
    for statement in households.values():
        for line in statement["lines"]:
            if "vat_bp" in line:
                base, amount = sums.get(line["vat_bp"], (0, 0))
                sums[line["vat_bp"]] = (base + int(line["base_neur"]), amount - int(line["amount_neur"]))
    return [vat_line(vat_bp=rate, base_neur=sums[rate][0], amount_neur=sums[rate][1]) for rate in sorted(sums)]


def _settled(statements: dict[bytes, Statement], tariff_hash: bytes) -> Settled:
    due = {account: int(statement["due_neur"]) for account, statement in statements.items()}
    if sum(due.values()) != 0:
        raise MoneyMade(sum_neur=sum(due.values()))
    words = settlement_words(due)
    ordered = {account: statements[account] for account in sorted(statements)}
    return Settled(statements=ordered, words=tuple(words), tariff_hash=tariff_hash)
