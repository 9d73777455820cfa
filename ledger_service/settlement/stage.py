"""The settlement stage: proposes what is due, asks the chain for what is signed, and ends corrections."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection, select

from contracts.bindings import Settlement
from contracts.bindings.settlement import SettlementSigned
from domain.errors import DominoesError
from domain.facts import AccountStatement, SettlementProposed, SettlementRules, Subject, requested_key
from domain.hashing import text_id, to_hex
from domain.mtu import MtuRange
from domain.roles import ChainRole
from domain.signing import recover
from ledger_service.chain.stored_transactions import is_provisional
from ledger_service.outbox import RETRY_SECONDS, request
from ledger_service.record import Cursor, Prepared, Record, StorageUnavailable, Transaction, follow, prepare
from ledger_service.record.journal import last_of, read_head
from ledger_service.record.keys import find_entries
from ledger_service.registry.tables import registry_area, registry_replacement
from ledger_service.registry.views import REGISTRY_FACTS
from ledger_service.settlement.gather import TERMS, FactMissing, gather
from ledger_service.settlement.operations import note_signed, retry_request, signed_key
from ledger_service.settlement.queries import (
    PeriodState,
    failed_requests,
    period_states,
    resolution,
    revisions_settled,
    settlement_keys,
    signed_on_chain,
)
from ledger_service.settlement.views import KINDS, fold
from settling.lines import LINES_RULE
from settling.package import Basis
from settling.settlement import commit, settle
from settling.unpacking import inputs_of, roots_of

SALT_BYTES = 32
"""Random bytes hashed with each statement, so that nobody can guess a bill from its hash."""

CURSOR = "settlement"

UNEXPECTED = "unexpected"
"""Code of a failure that is not one of ours."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Stuck:
    """A period whose settlement can't be computed as the record stands: `code` is that of the cause."""

    area: str
    period: int
    code: str


@dataclass(frozen=True, slots=True)
class Due:
    """A proposal that is due, computed from the record as it stood at entry `head` and written out: it is large."""

    head: int
    proposal: Prepared
    key: str


class SettlementStage:
    """Settles each period once it has ended and is resolved, and again where later readings change it.

    A period that can't be computed holds up nothing else: it is logged, listed in `stuck`, and looked at again once
    the record has new facts that could change it.
    """

    name = "settlement"

    def __init__(self, record: Record, *, salt: Callable[[], bytes] = lambda: secrets.token_bytes(SALT_BYTES)) -> None:
        self._record = record
        self._cursor = Cursor(CURSOR)
        self._salt = salt
        self._folded = 0  # rises with every fact seen
        self._registered = 0  # sequence of the last registry fact seen
        self._looked: dict[tuple[str, int], tuple[int, int]] = {}  # what was seen when a period last needed nothing
        self._stuck: dict[tuple[str, int], Stuck] = {}
        self._others: dict[str, int] = {}  # what was folded when a settlement on chain was not one proposed here

    @property
    def stuck(self) -> list[Stuck]:
        """Periods that can't be settled for now, by area and number."""
        return [stuck for _, stuck in sorted(dict(self._stuck).items())]

    def run(self, now: int) -> bool:
        """Fold new facts; then propose and finalise what is due at market time `now`, and ask again what failed."""
        if self._fold(now):
            return True
        with self._record.read() as connection:
            due = [state for state in period_states(connection) if not state.is_final]
            horizons = connection.execute(select(registry_area.c.area, registry_area.c.horizon_seconds))
            horizon = {row.area: row.horizon_seconds for row in horizons}
            # a fact of the registry can give a settlement what it lacked
            self._registered = last_of(connection, *REGISTRY_FACTS, after=self._registered)
        done = False
        for state in due:
            done |= self._note_signed(state)
            done |= self._retry(state, now - RETRY_SECONDS)
            ends_at = None if state.settled_at is None else state.settled_at + horizon[state.area]
            if ends_at is not None and now > ends_at:
                done |= self._finalise(state)
            elif now >= MtuRange(first=state.first_mtu, count=state.count).end:
                done |= self._look(state)
        return done

    def _note_signed(self, state: PeriodState) -> bool:
        """Take over the attesters' signatures of a settlement that somebody else brought on chain, once that is final.

        Where the service brought it itself, they are in the record already, and no proposal is read.
        """
        if not state.settled:
            return False
        area, period = state.area, state.period
        with self._record.read() as connection:
            fresh = self._unknown_signatures(connection, state)
            settled = revisions_settled(connection, area=area, period=period) if fresh else set()
        self._others |= {key: self._folded for key, event in fresh.items() if event.revision not in settled}
        done = False
        for event in (event for event in fresh.values() if event.revision in settled):
            signed = {recover(event.digest, signature): signature for signature in event.signatures}
            with self._record.begin() as tx:
                done |= note_signed(
                    tx, area=area, period=period, revision=event.revision, digest=event.digest, signed=signed
                )
        return done

    def _unknown_signatures(self, connection: Connection, state: PeriodState) -> dict[str, SettlementSigned]:
        """What final blocks say that attesters signed and no fact does, by its key; without what was looked at already
        and was not proposed here, until there are new facts."""
        area, period = state.area, state.period
        found = {
            signed_key(area=area, period=period, revision=event.revision, digest=event.digest): (transaction, event)
            for transaction, event in signed_on_chain(connection, area=area, period=period)
        }
        known = find_entries(connection, found)
        return {
            key: event
            for key, (transaction, event) in found.items()
            if key not in known
            and self._others.get(key) != self._folded
            and not is_provisional(connection, transaction)
        }

    def _look(self, state: PeriodState) -> bool:
        """Propose where that is due; what needed nothing is not looked at again before there are new facts."""
        key, seen = (state.area, state.period), (self._folded, self._registered)
        if self._looked.get(key) == seen:
            return False
        due = self._computed(state)
        done = due is not None and self._propose(state, due)
        if not done:
            self._looked[key] = seen
        return done

    def _computed(self, state: PeriodState) -> Due | None:
        """The proposal that is due, computed outside the write transaction; None where none is, or none can be."""
        key = (state.area, state.period)
        try:
            due = self._compute(state)
        except StorageUnavailable:
            raise  # the disk's trouble, not the period's
        except Exception as error:
            code = error.code if isinstance(error, DominoesError) else UNEXPECTED
            self._stuck[key] = Stuck(area=state.area, period=state.period, code=code)
            about = {"area": state.area, "period": state.period, "code": code, "reason": str(error)}
            _log.warning("settlement.stuck", **about, exc_info=code == UNEXPECTED)
            return None
        self._stuck.pop(key, None)
        return due

    def _fold(self, now: int) -> bool:
        folded = False
        for batch in follow(self._record, self._cursor, KINDS):
            for entry in batch.entries:
                _ = entry.fact  # read here, not in the transaction: one with readings is large
            with batch.begin() as tx:
                for entry in batch.entries:
                    fold(tx.connection, entry, now=now)
            self._folded += len(batch.entries)
            folded = True
        return folded

    def _finalise(self, state: PeriodState) -> bool:
        """Ask for the end of corrections, once the last settlement stands in a final block."""
        key = f"finalise:{state.area}:{state.period}"
        with self._record.read() as connection:
            if find_entries(connection, [requested_key(key)]) or _is_unsettled(connection, state):
                return False
        with self._record.begin() as tx:
            if _is_unsettled(tx.connection, state):
                return False
            call = Settlement.finalise(area=text_id(state.area), period=state.period)
            about = Subject(area=state.area, period=state.period)
            return not request(tx, call, key=key, role=ChainRole.OPERATOR, about=about).repeated

    def _retry(self, state: PeriodState, failed_before: int) -> bool:
        """Ask again for what the chain refused (a pause, another settlement between its pages) while it is wanted.

        A settlement that another reading overtook is not wanted any more: a new proposal takes its place.
        """
        with self._record.read() as connection:
            failed = failed_requests(connection, area=state.area, period=state.period, failed_before=failed_before)
        if not failed:
            return False
        asked = False
        with self._record.begin() as tx:
            for key in failed:
                asked |= retry_request(tx, state=state, failed_key=key)
        return asked

    def _propose(self, state: PeriodState, due: Due) -> bool:
        """Write a proposal, unless a registry fact came since it was computed: then it is computed once more."""
        with self._record.begin() as tx:
            if tx.entries(after=due.head, kinds=TERMS, limit=1):
                return True
            return _append_proposal(tx, due)

    def _compute(self, state: PeriodState) -> Due | None:
        with self._record.read() as connection:
            head = read_head(connection).sequence
            resolved = resolution(connection, area=state.area, period=state.period)
            roots = resolved.roots.clearing_root + resolved.roots.readings_root
            replaced = _replaced_since(connection, state)
            if not resolved.complete(count=state.count) or not _is_due(state, roots, replaced=replaced):
                return None
            try:
                basis = gather(connection, area=state.area, period=state.period, revision=state.next_revision)
            except FactMissing:
                return None  # a stage before this one has not caught up
        proposal = proposal_of(basis, salt=self._salt)
        if proposal.clearing_root + proposal.readings_root != roots:
            raise RootsDiffer(area=state.area, period=state.period)
        key = _proposal_key(proposal, after=state.proposal_sequence)
        return Due(head=head, proposal=prepare(proposal), key=key)


def proposal_of(basis: Basis, *, salt: Callable[[], bytes]) -> SettlementProposed:
    """The settlement that these facts give, each statement under a salt of its own."""
    settled = settle(inputs_of(basis))
    salts = {account: salt() for account in settled.statements}
    commitment = commit(settled, period=basis.period, revision=basis.revision, salts=salts)
    roots = roots_of(basis)
    return SettlementProposed(
        area=basis.area,
        period=basis.period,
        revision=basis.revision,
        words=settled.words,
        words_hash=commitment.words_hash,
        clearing_root=roots.clearing_root,
        readings_root=roots.readings_root,
        statements_root=commitment.statements_root,
        tariff_hash=commitment.tariff_hash,
        statements=tuple(
            AccountStatement(account=to_hex(account), salt=salts[account], statement=statement)
            for account, statement in settled.statements.items()
        ),
        rules=SettlementRules(lines=LINES_RULE),
    )


class RootsDiffer(RuntimeError):
    """The running roots recomputed from the record are not the chain's: the order of events was misread."""

    def __init__(self, *, area: str, period: int) -> None:
        self.area, self.period = area, period
        super().__init__(
            f"roots of period {period} of {area} differ from the chain's; rebuild the views and report this"
        )


def _is_unsettled(connection: Connection, state: PeriodState) -> bool:
    """Whether a settlement of the period stands in a block that can still be undone."""
    keys = settlement_keys(connection, area=state.area, period=state.period)
    return any(is_provisional(connection, key) for key in keys)


def _is_due(state: PeriodState, roots: bytes, *, replaced: bool) -> bool:
    """Whether this state of the chain asks for a proposal that is not made yet."""
    if state.settled and roots[32:] == state.settled_readings_root:
        return False  # in effect already, and no later reading
    return state.proposal_revision != state.next_revision or state.proposal_roots != roots or replaced


def _replaced_since(connection: Connection, state: PeriodState) -> bool:
    """Whether an account was found replaced only after the proposal that pays it, which attesters then refuse."""
    table = registry_replacement
    late = (table.c.sequence > (state.proposal_sequence or 0), table.c.valid_from_mtu < state.first_mtu + state.count)
    return connection.execute(select(table.c.account).where(*late).limit(1)).first() is not None


def _proposal_key(fact: SettlementProposed, *, after: int | None) -> str:
    """The key of a proposal that follows the one at sequence `after`; roots may come back once a block is given up."""
    state = fact.clearing_root[:8].hex() + fact.readings_root[:8].hex()
    return f"{fact.KIND}:{fact.area}:{fact.period}:{fact.revision}:{state}:{after or 0}"


def _append_proposal(tx: Transaction, due: Due) -> bool:
    if tx.find(due.key) is not None:
        return False  # made before, under other salts
    tx.append(due.proposal, key=due.key)
    return True
