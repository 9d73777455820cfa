"""The DSO's verdict on a validated program: its signature, or its refusal with a reason, given once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from contracts.bindings import Market
from contracts.bindings.market import Program
from domain.eip712 import PROGRAM, REFUSAL, Domain
from domain.errors import DominoesError
from domain.facts import ProgramRefused, ProgramSigned, ProgramValidated, Subject, validated_key
from domain.hashing import to_hex
from domain.programs import SignedProgram, program_values
from domain.roles import ChainRole
from domain.signing import recover
from ledger_service.clock import MarketClock
from ledger_service.outbox import request
from ledger_service.record import Entry, Record, Transaction
from ledger_service.registry import queries as registry

REASON_LENGTH_MAX = 500
"""Characters of a refusal's reason; it is signed and shown to everyone."""


class NotValidated(DominoesError):
    """There is no validated program to decide on."""

    status = 404
    code = "program-not-validated"
    remedy = "Wait until the program has been validated; the list shows what awaits a verdict."
    retryable = True

    def __init__(self, *, market: str, session: int) -> None:
        self.market, self.session = market, session
        super().__init__(
            f"session {session} of {market} awaits no verdict; list the ones that do with /v1/dso/programs"
        )


class NotTheDso(DominoesError):
    """The verdict is signed by a key that is not the area's DSO."""

    status = 403
    code = "not-the-dso"
    remedy = "Let the DSO of the program's area sign."

    def __init__(self, *, signer: bytes, area: str) -> None:
        self.signer, self.area = to_hex(signer), area
        super().__init__(
            f"{self.signer} is not the DSO of {area}; sign exactly the typed data shown, with the DSO's key"
        )


class VerdictTooLate(DominoesError):
    """The time to decide is over; the program is void."""

    status = 409
    code = "verdict-too-late"
    remedy = "Nothing can be done: the program's deadline is over and its MTUs become void."

    def __init__(self, *, deadline: int, now: int) -> None:
        self.deadline, self.now = deadline, now
        super().__init__(f"the verdict was due at {deadline} and it is {now} in market time; these MTUs become void")


class VerdictGiven(DominoesError):
    """Another verdict on the same program stands already."""

    status = 409
    code = "verdict-given"
    remedy = "Read the verdict that stands; it is not changed any more."

    def __init__(self, *, market: str, session: int, verdict: str) -> None:
        self.market, self.session, self.verdict = market, session, verdict
        super().__init__(f"session {session} of {market} is {verdict} already; a verdict is given once")


class BadReason(DominoesError):
    """A refusal needs a reason people can read."""

    code = "bad-reason"
    remedy = "Say in a sentence why the program is refused."

    def __init__(self) -> None:
        super().__init__(f"give a reason of 1 to {REASON_LENGTH_MAX} characters")


def refusal_values(validated: SignedProgram, *, reason: str) -> dict[str, Any]:
    """Members of the `Refusal` struct."""
    values = program_values(validated)
    return {name: values[name] for name in ("market", "session", "firstMtu", "count", "resultsRoot")} | {
        "reason": reason
    }


class Verdicts:
    """Where verdicts are checked and recorded. `is_dso(address, area code)` says whether a key is that area's DSO."""

    def __init__(
        self, record: Record, *, clock: MarketClock, domain: Domain, is_dso: Callable[[bytes, str], bool]
    ) -> None:
        self._record, self._clock, self._domain, self._is_dso = record, clock, domain, is_dso

    def sign(self, *, market: str, session: int, signature: bytes) -> Entry:
        """Record the DSO's signature and ask the chain to record the program.

        Raises NotValidated, NotTheDso, VerdictTooLate, VerdictGiven, BadSignature.
        """
        validated = self._validated(market=market, session=session)
        values = program_values(validated)
        dso = self._dso(market, recover(self._domain.digest(PROGRAM, values), signature))
        verdict = ProgramSigned(market=market, session=session, dso=to_hex(dso), signature=signature)
        signed = Program(
            results_root=validated.results_root,
            traded_mask=validated.traded_mask,
            emptied_mask=validated.emptied_mask,
            grid_model_hash=validated.grid_model_hash,
            report_hash=validated.report_hash,
            deadline=validated.deadline,
        )
        call = Market.record_program(market=values["market"], session=session, program=signed, signature=signature)
        with self._record.begin() as tx:
            given = _given(tx, verdict)
            if given is not None:
                return given
            self._require_in_time(validated)
            entry = tx.append(verdict)
            about = Subject(market=market, session=session, first_mtu=validated.first_mtu, count=validated.count)
            request(tx, call, key=f"recordProgram:{market}:{session}", role=ChainRole.OPERATOR, about=about)
            return entry

    def refuse(self, *, market: str, session: int, reason: str, signature: bytes) -> Entry:
        """Record the DSO's refusal: no trade in these MTUs. Raises what `sign` raises, and BadReason."""
        if not 1 <= len(reason.strip()) <= REASON_LENGTH_MAX:
            raise BadReason
        validated = self._validated(market=market, session=session)
        digest = self._domain.digest(REFUSAL, refusal_values(validated, reason=reason))
        dso = self._dso(market, recover(digest, signature))
        verdict = ProgramRefused(market=market, session=session, dso=to_hex(dso), reason=reason, signature=signature)
        with self._record.begin() as tx:
            given = _given(tx, verdict)
            if given is not None:
                return given
            self._require_in_time(validated)
            return tx.append(verdict)

    def _validated(self, *, market: str, session: int) -> ProgramValidated:
        """What the verdict is on: recorded once under its key, so that it still holds when the verdict is."""
        entry = self._record.find(validated_key(market=market, session=session))
        if entry is None:
            raise NotValidated(market=market, session=session)
        return entry.as_a(ProgramValidated)

    def _dso(self, market: str, signer: bytes) -> bytes:
        with self._record.read() as connection:
            area = registry.market(connection, market).area
        if not self._is_dso(signer, area):
            raise NotTheDso(signer=signer, area=area)
        return signer

    def _require_in_time(self, validated: ProgramValidated) -> None:
        now = self._clock.now()
        if now > validated.deadline:
            raise VerdictTooLate(deadline=validated.deadline, now=now)


def _given(tx: Transaction, verdict: ProgramSigned | ProgramRefused) -> Entry | None:
    """The verdict that stands, repeated, where it is this very one. Raises VerdictGiven for any other."""
    standing = tx.find(verdict.journal_key)
    if standing is None:
        return None
    if standing.fact != verdict:
        given = "signed" if standing.kind == ProgramSigned.KIND else "refused"
        raise VerdictGiven(market=verdict.market, session=verdict.session, verdict=given)
    return tx.append(verdict)
