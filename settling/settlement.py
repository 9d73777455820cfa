"""The settlement of one area and period: pure, the same result from the same facts whatever their order.

The service proposes what this gives, and every attester signs only what this gives from facts it has checked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from domain.errors import DominoesError
from domain.hashing import ZERO_HASH, to_hex
from domain.lines import Line, MtuLine
from domain.parties import ParticipantKind
from domain.statements import Statement, statement_hash, statements_root
from domain.words import settlement_words, settlement_words_hash
from settling.columns import NO_CAP_WH, NO_TERMS, Columns, Prices, Sums, exact, sum_up
from settling.inputs import Inputs, Party, Trade
from settling.lines import LINES_RULE, mirror_lines, position_lines, trade_lines, vat_lines, vat_mirror
from settling.positions import TradeColumns, own_prices, positions, trade_columns
from settling.postings import MoneyMade
from settling.statements import household_openings, statement_of, trade_openings, trades_by_account
from settling.terms import MissingParty, Terms, check_retailers, resolve_terms, terms_hash

NO_TERMS_HASH = ZERO_HASH
"""`terms_hash` of accounts that have no agreement: retailers, the DSO and the tax account."""


class NoAgreementAtMtu(DominoesError):
    """A household has traded in a MTU in which it takes no part, or under no agreement with a tariff valid then."""

    code = "no-agreement"

    def __init__(self, *, account: str, mtu: int) -> None:
        self.account, self.mtu = account, mtu
        super().__init__(
            f"account {account} has traded in MTU {mtu} but has no agreement with a tariff valid there; "
            "registry and intake refuse what leads here, so compare the registry's facts with what was delivered"
        )


class AccountTakesNoPart(DominoesError):
    """A trade or an earlier settlement names an account that is neither household nor retailer of the area."""

    code = "unknown-account"

    def __init__(self, *, account: str) -> None:
        self.account = account
        super().__init__(f"account {account} takes no part in this area; register it before settling")


class PoolUnbalanced(DominoesError):
    """What was bought and what was sold in a market's MTU differ: the words can't be those of a cleared book."""

    code = "pool-unbalanced"

    def __init__(self, *, market: str, mtu: int, bought_wh: int, sold_wh: int) -> None:
        self.market, self.mtu, self.bought_wh, self.sold_wh = market, mtu, bought_wh, sold_wh
        super().__init__(
            f"MTU {mtu} of {market} has {bought_wh} Wh bought but {sold_wh} Wh sold; check its cleared words"
        )


@dataclass(frozen=True, slots=True)
class Settled:
    """A settlement before it is salted: a statement per account (+ amounts are credits of the account), the words
    that move the money, ascending by account, and the hash of the terms used."""

    statements: Mapping[bytes, Statement]
    words: tuple[int, ...]
    tariff_hash: bytes

    def due_neur(self) -> dict[bytes, int]:
        """What each account receives (+) or pays (-) with this revision."""
        return {account: statement.due_neur for account, statement in self.statements.items()}


@dataclass(frozen=True, slots=True)
class Commitment:
    """The hashes of a settlement that attesters sign over, beside the chain's own roots; `statement_hashes` (salted, by
    account) are those under the statements root."""

    words_hash: bytes
    statement_hashes: Mapping[bytes, bytes]
    statements_root: bytes
    tariff_hash: bytes


def settle(inputs: Inputs) -> Settled:
    """Compute one settlement.

    Raises NoAgreementAtMtu, AccountTakesNoPart, MissingParty, PoolUnbalanced where the facts do not add up, and
    MoneyMade if the amounts would not sum to zero.
    """
    households = _parties(inputs, ParticipantKind.HOUSEHOLD)
    terms = resolve_terms(
        households=households,
        agreements=inputs.agreements,
        tariffs=inputs.tariffs,
        period=inputs.period,
        successors=inputs.successors,
        ends=inputs.ends,
    )
    check_retailers(terms, [party.account for party in _parties(inputs, ParticipantKind.RETAILER)])
    by_account = trades_by_account(inputs.trades)
    _check_accounts(inputs, by_account)
    _check_pools(inputs.trades)
    row_of, first_mtu = {party.account: row for row, party in enumerate(households)}, inputs.period.first_mtu
    trades = trade_columns(inputs.trades, row_of, first_mtu=first_mtu)
    columns = columns_of(inputs, households, terms, trades)
    _check_terms(terms, trades, households, first_mtu)
    prices = terms.prices(own_prices(inputs.trades, row_of, first_mtu=first_mtu))
    columns, trades, prices = exact(columns, trades, prices)
    sums = sum_up(columns, trades, prices)
    statements = _household_statements(inputs, households, terms, columns, prices, sums, by_account)
    statements.update(_organisation_statements(inputs, terms, sums, statements, by_account))
    return _settled(statements, terms_hash(terms, range(len(households))))


SETTLE_BY_LINES_RULE: Mapping[int, Callable[[Inputs], Settled]] = {LINES_RULE: settle}
"""What computes a settlement, by the version of the rule for lines that it names."""


def commit(settled: Settled, *, period: int, revision: int, salts: Mapping[bytes, bytes]) -> Commitment:
    """The hashes to sign, under one random salt per account."""
    hashes = {
        account: statement_hash(salt=salts[account], statement=statement.as_json())
        for account, statement in settled.statements.items()
    }
    return Commitment(
        words_hash=settlement_words_hash(settled.words),
        statement_hashes=hashes,
        statements_root=statements_root(period=period, revision=revision, hashes=hashes),
        tariff_hash=settled.tariff_hash,
    )


def columns_of(inputs: Inputs, households: Sequence[Party], terms: Terms, trades: TradeColumns) -> Columns:
    """The facts of the households as columns; what is unread settles as traded, and the tightest cap holds.

    What flows where nobody stands, or under no agreement, is settled with nobody: it is the DSO's, as losses are.
    """
    size, first = (len(households), inputs.period.count), inputs.period.first_mtu
    rows = _PointRows(households, terms, first)
    bought, sold = positions(trades, size=size)
    drawn, fed = bought.copy(), sold.copy()
    balancing = np.zeros(size, dtype=np.int64)
    for reading in inputs.metered:
        row, at_mtu = rows.at(reading.point, reading.mtu), reading.mtu - first
        if row is not None:
            drawn[row, at_mtu], fed[row, at_mtu] = reading.import_wh, reading.export_wh
            if households[row].first_mtu < reading.mtu:  # what was metered before is of whoever stood there then
                balancing[row, at_mtu] = reading.balancing_wh
    import_cap = np.full(size, NO_CAP_WH, dtype=np.int64)
    export_cap = np.full(size, NO_CAP_WH, dtype=np.int64)
    scheduled = np.zeros(size, dtype=np.int64)
    for limit in inputs.limits:
        row = rows.at(limit.point, limit.mtu)
        if row is None:
            continue
        at = (row, limit.mtu - first)
        scheduled[at] = limit.scheduled_export_wh
        if limit.import_cap_wh is not None:
            import_cap[at] = min(int(import_cap[at]), limit.import_cap_wh)
        if limit.export_cap_wh is not None:
            export_cap[at] = min(int(export_cap[at]), limit.export_cap_wh)
    return Columns(bought, sold, drawn, fed, import_cap, export_cap, scheduled, balancing, terms.matrix)


class _PointRows:
    """Whose row a point is in an MTU: that of the household which stands there and has terms then."""

    def __init__(self, households: Sequence[Party], terms: Terms, first_mtu: int) -> None:
        self._rows: dict[str | None, list[int]] = {}
        for row, party in enumerate(households):
            self._rows.setdefault(party.point, []).append(row)
        self._has_terms, self._first_mtu = terms.matrix != NO_TERMS, first_mtu

    def at(self, point: str, mtu: int) -> int | None:
        """The row, None where there is none."""
        at = mtu - self._first_mtu
        return next((row for row in self._rows.get(point, ()) if self._has_terms[row, at]), None)


def _parties(inputs: Inputs, kind: ParticipantKind) -> list[Party]:
    """Parties of a kind, ascending by account."""
    return sorted((party for party in inputs.parties if party.kind == kind), key=lambda party: party.account)


def _single(inputs: Inputs, kind: ParticipantKind) -> Party:
    found = _parties(inputs, kind)
    if len(found) != 1:
        raise MissingParty(party=kind.value)
    return found[0]


def _check_accounts(inputs: Inputs, trades: Mapping[bytes, list[Trade]]) -> None:
    """Trades only of households and retailers; earlier revisions only of accounts that have a statement now."""
    parties = {party.account: party.kind for party in inputs.parties}
    for account in trades:
        if parties.get(account) not in (ParticipantKind.HOUSEHOLD, ParticipantKind.RETAILER):
            raise AccountTakesNoPart(account=to_hex(account))
    for account in inputs.settled_before_neur:
        if account not in parties:
            raise AccountTakesNoPart(account=to_hex(account))


def _check_pools(trades: Sequence[Trade]) -> None:
    """The clearing pool keeps nothing: per session and MTU as much is sold as is bought, at one price."""
    totals: dict[tuple[int, str, int, int], list[int]] = {}
    for trade in trades:
        at = (trade.mtu, trade.market, trade.session, trade.price_neur_per_wh)
        totals.setdefault(at, [0, 0])[trade.side] += trade.energy_wh
    for (mtu, market, _, _), (bought, sold) in sorted(totals.items()):
        if bought != sold:
            raise PoolUnbalanced(market=market, mtu=mtu, bought_wh=bought, sold_wh=sold)


def _check_terms(terms: Terms, trades: TradeColumns, households: Sequence[Party], first_mtu: int) -> None:
    """Whoever traded has terms: registry and intake take no order that would trade without."""
    without = terms.matrix[trades.household, trades.mtu] == NO_TERMS
    if without.any():
        at = int(np.argmax(without))
        account, mtu = households[int(trades.household[at])].account, first_mtu + int(trades.mtu[at])
        raise NoAgreementAtMtu(account=to_hex(account), mtu=mtu)


def _household_statements(
    inputs: Inputs,
    households: Sequence[Party],
    terms: Terms,
    columns: Columns,
    prices: Prices,
    sums: Sums,
    trades: Mapping[bytes, list[Trade]],
) -> dict[bytes, Statement]:
    readings: dict[str | None, dict[int, tuple[bytes, ...]]] = {}
    for reading in inputs.metered:
        readings.setdefault(reading.point, {})[reading.mtu] = reading.readings
    first = inputs.period.first_mtu
    statements: dict[bytes, Statement] = {}
    for row, of_positions in enumerate(position_lines(columns, prices, first_mtu=first)):
        party = households[row]
        if not terms.spans[row]:
            continue
        own = trades.get(party.account, [])
        lines = _by_mtu([*trade_lines(own), *of_positions])
        mtus = sorted({line.mtu for line in lines})
        opens = household_openings(terms, row, own, readings.get(party.point, {}), mtus, first)
        vat = vat_lines({rate: int(base[row]) for rate, base in sums.vat_base_neur.items()})
        statements[party.account] = statement_of(
            inputs,
            party=party,
            terms_hash=terms_hash(terms, [row]),
            lines=[*lines, *vat],
            opens=opens,
        )
    return statements


def _by_mtu(lines: list[MtuLine]) -> list[MtuLine]:
    """By MTU; stable, so that the order within one stays: trades, then kinds in their order."""
    return sorted(lines, key=lambda line: line.mtu)


def _organisation_statements(
    inputs: Inputs,
    terms: Terms,
    sums: Sums,
    households: Mapping[bytes, Statement],
    trades: Mapping[bytes, list[Trade]],
) -> dict[bytes, Statement]:
    """Statements of retailers, DSO and tax: own trades, then the mirror of the households' lines per MTU."""
    statements = {}
    dso, tax = _single(inputs, ParticipantKind.DSO), _single(inputs, ParticipantKind.TAX)
    for party in [*_parties(inputs, ParticipantKind.RETAILER), dso, tax]:
        own = trades.get(party.account, [])
        of_mtus = _by_mtu([*trade_lines(own), *mirror_lines(terms, sums, party, first_mtu=inputs.period.first_mtu)])
        vat = vat_mirror(households.values()) if party.kind == ParticipantKind.TAX else []
        lines: list[Line] = [*of_mtus, *vat]
        statements[party.account] = statement_of(
            inputs, party=party, terms_hash=NO_TERMS_HASH, lines=lines, opens=trade_openings(own)
        )
    return statements


def _settled(statements: dict[bytes, Statement], tariff_hash: bytes) -> Settled:
    due = {account: statement.due_neur for account, statement in statements.items()}
    if sum(due.values()) != 0:
        raise MoneyMade(sum_neur=sum(due.values()))
    words = settlement_words(due)
    ordered = {account: statements[account] for account in sorted(statements)}
    return Settled(statements=ordered, words=tuple(words), tariff_hash=tariff_hash)
