"""The verdict in plain words, for an auditor who is no developer: what was recomputed, from what, and what was not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from verifier.verdict import CLEAN, SELF_CONSISTENT, WRONG, Report, Unknown

WH_IN_KWH = 1_000
NEUR_IN_EUR = 10**9

OPERATOR_SAYS = "the operator: when orders and schedules came, where no receipt is held against it"
DSO_SAYS = "the DSO: that its power flow is right; its signature was checked, the flow not computed again"
DSO_SAYS_OF_GRID = "the DSO: that its grid is as its model says, and which caps were the least"
METERS_SAY = "the meters: what they signed, here as m of n attesters saw it"
NODE_SAYS = "the nodes that were asked: {what}, who sent what, and what contracts hold now"
"""On whose word rests what no check of a bundle can show."""

PUBLIC_HIDES = "that orders were signed and bills are right: public evidence does not open them"
PERSONAL_HIDES = "whether an order of mine was left out (only receipts tell), and what others trade and owe"
NO_ANCHORS = "that keys and contracts are those all parties agreed on: no trust anchors were given"
NO_SCHEDULES = "the power flow, although it was asked for: only an auditor's bundle opens the schedules it needs"
NO_NODE = "that the chain holds any of this: no node was asked"
"""What was not verified, by what the bundle is or was held against."""

SHOWN_TAGS, SHOWN_RUNS = 10, 20
"""Erased orders, and runs of MTUs, that are named; `--json` names all."""

NOTHING_SHOWN = {
    CLEAN: "nothing: its kind is not known",
    SELF_CONSISTENT: "that the bundle agrees with itself, no more",
    WRONG: "nothing that one could rely on",
}
"""What a verdict shows where it shows nothing of what its kind could."""


def lines(report: Report, *, title: str = "") -> Iterator[str]:
    """The whole report line by line, the verdict last."""
    yield from _part(f"{title}{report.kind} bundle held against", _held(report))
    yield from _part("recomputed", _recomputed(report))
    yield from _part("rests on the word of", _rests(report))
    yield from _part("not verified", _missing(report))
    beside = ((name, count) for name, count in sorted(report.counts.items()) if name not in report.gaps)
    yield from _part("counted", (f"{name}: {count:,}" for name, count in beside))
    yield from _part("findings", _findings(report))
    yield verdict_line(report, title=title)


def verdict_line(report: Report, *, title: str = "") -> str:
    """The verdict in one line."""
    verdict = f"{title}{report.kind} bundle: {report.verdict}, {report.findings_total} findings"
    told = (("trust anchors (--anchors)", report.anchored), ("a node (--rpc)", report.chain_asked))
    absent = [name for name, given in told if not given]
    against = f", not held against {' or '.join(absent)}" if absent else ""
    return f"{verdict}{against}. Shows {report.supports or NOTHING_SHOWN[report.exit_code]}"


def _part(name: str, items: Iterator[str]) -> Iterator[str]:
    """A heading with indented lines; nothing where there are none."""
    for at, item in enumerate(items):
        if at == 0:
            yield f"{name}:"
        yield f"  {item}"


def _held(report: Report) -> Iterator[str]:
    held = report.held
    if held.checkpoint_block is not None:
        place = f"block {held.checkpoint_block:,} and journal entry {held.checkpoint_sequence:,}"
        yield f"trust anchors, and {place} as they were seen before"
    if held.block is not None:
        speed = "at real speed" if held.speed == 1 else f"{held.speed} times as fast as its blocks"
        nodes = "one node" if held.nodes == 1 else f"{held.nodes} nodes that agree,"
        if held.proven_block is not None:
            yield f"headers and receipts of blocks 0 to {held.proven_block:,}, linked to the checkpoint"
        yield f"{nodes} of chain {held.chain_id}, as of block {held.block:,}; market time runs {speed}"
    if held.checkpoint_block is None and held.block is None:
        yield "nothing but itself"


def _recomputed(report: Report) -> Iterator[str]:
    totals, counts = report.totals, report.counts
    if totals.entries:
        yield f"{_many(totals.entries, 'journal entry')}: one chain of hashes"
    if totals.orders:
        yield f"{_many(totals.orders, 'order')}: signature, key of the account, receipt"
    if totals.mandates:
        yield f"{_many(totals.mandates, 'mandate')}: signed by the account's key; its agent kept to it"
    if totals.held_receipts and not report.findings_total:
        yield f"{_many(totals.held_receipts, 'receipt')} that somebody holds: the operator kept what it signed"
    if totals.books:
        words = _many(counts["words"], "order word")
        yield f"{_many(totals.books, 'book')} with {words}: most welfare, then volume; price; shares"
    if totals.programs_within:
        yield f"{_many(totals.programs_within, 'program')}: what the DSO signed is within its published policy"
    if totals.power_flows:
        yield f"{_many(totals.power_flows, 'power flow')}: voltages and loadings of the grid under the caps"
    if totals.traded_mtus:
        traded = f"{_many(totals.traded_mtus, 'MTU')} with trade, {_kwh(totals.traded_wh)}"
        yield f"{traded}: books committed before, results signed by the DSO"
    if totals.readings:
        energy = f"import {_kwh(totals.import_wh)}, export {_kwh(totals.export_wh)}"
        yield f"{_many(totals.readings, 'reading')}, {energy}: as attested"
    if totals.statements:
        yield f"{_many(totals.statements, 'bill')}: line by line, to the nEUR"
    if totals.settlements:
        moved = f"{_many(totals.settlements, 'settlement')}, {_eur(totals.moved_neur)} moved"
        yield f"{moved}: what some are credited, others are debited"


def _rests(report: Report) -> Iterator[str]:
    yield OPERATOR_SAYS
    yield DSO_SAYS_OF_GRID if report.totals.power_flows else DSO_SAYS
    yield METERS_SAY
    if report.chain_asked:
        proven = report.held.proven_block
        yield NODE_SAYS.format(what="all blocks" if proven is None else f"blocks after {proven:,}")


def _missing(report: Report) -> Iterator[str]:
    if not report.anchored:
        yield NO_ANCHORS
    if not report.chain_asked:
        yield NO_NODE
    if report.flow_asked and not report.totals.power_flows:
        yield NO_SCHEDULES
    if report.kind == "public":
        yield PUBLIC_HIDES
    if report.kind == "personal":
        yield PERSONAL_HIDES
    yield from (f"{gap} ({report.counts[gap]:,})" for gap in sorted(report.gaps))
    yield from _erased(report.unknown)


def _erased(unknown: Unknown) -> Iterator[str]:
    """What is erased, where, and how much money hangs on it."""
    if unknown.tags:
        shown = ", ".join(unknown.tags[:SHOWN_TAGS]) + (", …" if len(unknown.tags) > SHOWN_TAGS else "")
        yield f"{_many(len(unknown.tags), 'erased order')}, by tag, whose owner only the bills tell: {shown}"
    for area, mtus in sorted(unknown.mtus.items()):
        yield f"{_many(len(mtus), 'MTU')} of {area} with something erased, read off the bills: {_runs(mtus)}"
    if unknown.mtus:
        yield f"of these bills {_eur(unknown.most_neur)} at most could be wrong"
    if unknown.unbounded:
        yield f"no amount is known for what hangs on erased {', '.join(unknown.unbounded)}"


def _runs(mtus: Sequence[int]) -> str:
    """`3, 5 to 9`: ascending MTUs, those that follow each other together."""
    known = frozenset(mtus)
    ends = [mtu for mtu in mtus if mtu + 1 not in known]
    firsts = [mtu for mtu in mtus if mtu - 1 not in known]
    runs = [f"{first}" if first == end else f"{first} to {end}" for first, end in zip(firsts, ends, strict=True)]
    return ", ".join(runs[:SHOWN_RUNS]) + (", …" if len(runs) > SHOWN_RUNS else "")


def _findings(report: Report) -> Iterator[str]:
    yield from (finding.message for finding in report.findings)
    more = report.findings_total - len(report.findings)
    if more:
        yield f"and {more:,} more"


def _many(count: int, what: str) -> str:
    """`1 order`, `2 orders`, `3 journal entries`."""
    plural = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{count:,} {what if count == 1 else plural}"


def _kwh(energy_wh: int) -> str:
    return f"{energy_wh // WH_IN_KWH:,}.{energy_wh % WH_IN_KWH:03} kWh"


def _eur(amount_neur: int) -> str:
    return f"{amount_neur // NEUR_IN_EUR:,}.{amount_neur % NEUR_IN_EUR:09} EUR"
