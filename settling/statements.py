"""The statements of a settlement, made of computed lines and of what these open to (docs/evidence.md section 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from domain.lines import Line
from domain.statements import Opening, Statement, TermsUsed
from settling.inputs import Inputs, Party, Trade
from settling.terms import Terms


def statement_of(
    inputs: Inputs, *, party: Party, terms_hash: bytes, lines: Sequence[Line], opens: Sequence[Opening]
) -> Statement:
    """The statement of a party in the settlement of these inputs."""
    return Statement(
        account=party.account,
        area=inputs.period.area,
        period=inputs.period.number,
        revision=inputs.revision,
        first_mtu=inputs.period.first_mtu,
        count=inputs.period.count,
        kind=party.kind,
        point=party.point,
        terms_hash=terms_hash,
        lines=tuple(lines),
        opens=tuple(opens),
        settled_before_neur=inputs.settled_before_neur.get(party.account, 0),
    )


def trade_openings(trades: Sequence[Trade]) -> list[Opening]:
    """What an account's trades open to, one element per MTU."""
    tags: dict[int, tuple[list[bytes], list[bytes]]] = {}
    for trade in sorted(trades, key=lambda item: item.tag):
        tags.setdefault(trade.mtu, ([], []))[trade.side].append(trade.tag)
    return [Opening(mtu, tuple(bids), tuple(asks)) for mtu, (bids, asks) in sorted(tags.items())]


def household_openings(
    terms: Terms,
    household: int,
    trades: Sequence[Trade],
    readings: Mapping[int, tuple[bytes, ...]],
    mtus: Sequence[int],
    first_mtu: int,
) -> list[Opening]:
    """What the lines of a household open to, one element per MTU with a line."""
    traded = {opening.mtu: opening for opening in trade_openings(trades)}
    spans = iter(terms.spans[household])
    span = next(spans, None)
    result = []
    for mtu in mtus:
        while span is not None and mtu - first_mtu >= span.stop:
            span = next(spans, None)
        if span is None:
            raise ValueError(f"MTU {mtu} has lines but no terms")  # excluded by the check for NoAgreement
        tariff = terms.classes[span.row].tariff
        used = TermsUsed(span.agreement.agreement, span.agreement.version, tariff.tariff, tariff.version)
        tags = traded.get(mtu, Opening(mtu, (), ()))
        result.append(Opening(mtu, tags.bids, tags.asks, tuple(readings.get(mtu, ())), used))
    return result


def trades_by_account(trades: Sequence[Trade]) -> dict[bytes, list[Trade]]:
    """The trades of each account."""
    grouped: dict[bytes, list[Trade]] = {}
    for trade in trades:
        grouped.setdefault(trade.account, []).append(trade)
    return grouped
