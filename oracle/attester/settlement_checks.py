"""Why a proposed settlement is not signed: what the chain, and the attestations held, do not bear out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from domain.hashing import from_hex, text_id
from domain.parties import Replacement
from domain.words import settlement_words_hash
from oracle.attester.chain import MarketRules, PeriodOnChain, RecordedProgram
from settling.package import Package, PackagedProgram
from settling.unpacking import roots_of


def markets_of(package: Package) -> list[str]:
    """The markets a package is about: the running root binds those of its sessions, whatever it says of markets."""
    return sorted({item.market for item in package.sessions} | {item.market for item in package.markets})


def chain_objections(package: Package, on_chain: PeriodOnChain) -> Iterator[str]:
    """Why the chain does not bear a package out, one sentence each; none where it does."""
    if (package.first_mtu, package.count) != (on_chain.first_mtu, on_chain.count):
        yield "the period has other MTUs on chain"
    if on_chain.pending:
        yield "sessions of the period are not over"
    roots = roots_of(package)
    if (roots.clearing_root, roots.readings_root) != (on_chain.clearing_root, on_chain.readings_root):
        yield "its running roots are not the chain's"
    if tuple(settlement_words_hash(item.words) for item in package.earlier) != on_chain.words_hashes:
        yield "the words of its earlier revisions are not those that took effect on chain"
    if [item.market for item in package.markets] != markets_of(package):
        yield "it has not the rules of each of its markets once"
    for item in package.markets:
        if on_chain.markets[item.market] != MarketRules(text_id(package.area), item.lot_wh):
            yield f"market {item.market} has another lot or area on chain"
    yield from _replacement_objections(package, on_chain.replacements)
    shown = {(program.market, program.session): _recorded_of(program) for program in package.programs}
    if len(shown) != len(package.programs):
        yield "it names a program twice"
    for market, session in sorted(shown.keys() | on_chain.programs.keys()):
        name = f"program {session} of {market}"
        if (market, session) not in shown:
            yield f"{name} is recorded on chain and is left out"
        elif on_chain.programs.get((market, session)) != shown[market, session]:
            yield f"{name} is not the one recorded on chain"


def _replacement_objections(package: Package, on_chain: Iterable[Replacement]) -> Iterator[str]:
    """Accounts gave way just where the chain says so, whatever the service says; one whose successor is another
    participant's is still its own."""
    parties = {party.account for party in package.parties}
    accounts, end_mtu, due = set(parties), package.span.end_mtu, set[Replacement]()
    for item in on_chain:
        if item.account in accounts and item.successor not in parties and item.valid_from_mtu < end_mtu:
            due.add(item)
            accounts.add(item.successor)
    shown = set(package.replacements)
    if len(shown) != len(package.replacements):
        yield "it names a replacement twice"
    for item in sorted(shown - due, key=lambda item: item.account):
        yield f"the chain has not let {item.successor} replace {item.account} from MTU {item.valid_from_mtu} on"
    for item in sorted(due - shown, key=lambda item: item.account):
        yield f"{item.account} was replaced by {item.successor} on chain, and that is left out"


def _recorded_of(program: PackagedProgram) -> RecordedProgram:
    return RecordedProgram(
        results_root=program.results_root,
        traded_mask=program.traded_mask,
        emptied_mask=program.emptied_mask,
        grid_model_hash=program.grid_model_hash,
        report_hash=program.report_hash,
        dso=from_hex(program.dso),
    )


def readings_objections(package: Package, attested: Mapping[int, tuple[int, bytes]]) -> Iterator[str]:
    """Readings must be those this attester knows as attested: the package alone could leave some out.

    `attested` is (revision, root) of the last attestation held of each MTU.
    """
    for item in package.attestations:
        if item.readings is None:
            continue
        known = attested.get(item.mtu)
        if known is not None and known[0] < item.revision:
            continue  # a later correction this attester has not heard of yet carries m signatures on chain
        if known is None or known[1] != item.root:
            yield f"the readings of MTU {item.mtu} are not those attested here"
