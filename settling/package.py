"""The package of a proposed settlement: all facts it follows from, as typed values, and their one JSON form.

The service makes packages (`ledger_service.settlement.gather`), attesters fetch, verify (`settling.verification`) and
sign what they give. The JSON form is the object of the members; nouns and facts in it have the forms of docs/facts.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from itertools import pairwise
from typing import Any, ClassVar, Self, TypeVar

from pydantic import ConfigDict, ValidationError

from domain.eip712 import SETTLEMENT, Domain
from domain.errors import DominoesError
from domain.facts import (
    MandateGranted,
    MandateRevoked,
    OrderAccepted,
    PointEnvelope,
    ProgramSigned,
    ProgramValidated,
    SettlementProposed,
    SettlementRules,
)
from domain.facts.programs import Schedules, check_int32
from domain.facts.settlement import settlement_values
from domain.hashing import canonical_json, text_id
from domain.markets import Market
from domain.members import (
    Address,
    Code,
    Document,
    Hash,
    Mask,
    MeteredWh,
    Mtu,
    Natural,
    Number,
    PriceNeurPerWh,
    Seconds,
    Session,
    Signature,
    Word,
    first_fault,
    noun_json,
    noun_of,
)
from domain.mtu import MtuRange
from domain.parties import Meter, OrderKey, Participant, Replacement
from domain.periods import Period
from domain.readings import Attestation, MeterReading
from domain.sessions import DoneSession, mtus_of
from domain.statements import statement_hash
from domain.terms import Agreement, Tariff, TermEnd


class PackageMalformed(DominoesError):
    """Text is not the form of a package: a member is missing, unknown, of another type, or out of its order."""

    code = "package-malformed"

    def __init__(self, *, member: str, reason: str) -> None:
        self.member, self.reason = member, reason
        super().__init__(f"the package is malformed at {member}: {reason}; refuse it and ask for it again")


T = TypeVar("T")


def read_strictly(cls: type[T], text: bytes) -> T:
    """A value of this class from its JSON text. Raises PackageMalformed, naming the first member that is wrong."""
    try:
        return noun_of(cls, text)
    except ValidationError as error:
        place, reason = first_fault(error)
        raise PackageMalformed(member=".".join(place) or "its whole", reason=reason) from error


@dataclass(frozen=True, slots=True)
class RegisteredTerms:
    """Registry facts of an area on which money rests, each kind in order of registration."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    parties: tuple[Participant, ...]
    meters: tuple[Meter, ...]
    keys: tuple[OrderKey, ...]
    tariffs: tuple[Tariff, ...]
    agreements: tuple[Agreement, ...]
    markets: tuple[Market, ...]
    replacements: tuple[Replacement, ...]
    ends: tuple[TermEnd, ...]

    @classmethod
    def read(cls, text: bytes) -> Self:
        """Read the JSON form, strictly. Raises PackageMalformed."""
        return read_strictly(cls, text)

    def parts(self) -> Iterator[bytes]:
        """Its canonical JSON, piece by piece: no more than one item is held in two forms at once."""
        return _canonical_parts(self)

    def write(self) -> bytes:
        """Its canonical JSON."""
        return b"".join(self.parts())


@dataclass(frozen=True, slots=True)
class PackagedProgram:
    """A program that the chain recorded: what of it settles, and what the DSO's signature binds it to.

    Its members are those of `ProgramValidated` and `ProgramSigned`.
    """

    market: Code
    session: Session
    first_mtu: Mtu
    count: Natural
    books_root: Hash
    results_root: Hash
    traded_mask: Mask
    emptied_mask: Mask
    grid_model_hash: Hash
    report_hash: Hash
    report: Document
    deadline: Seconds
    envelopes: tuple[PointEnvelope, ...]
    schedules: Schedules
    dso: Address
    signature: Signature

    def __post_init__(self) -> None:
        mtus = MtuRange(first=self.first_mtu, count=self.count)
        if any(envelope.mtu not in mtus for envelope in self.envelopes):
            raise ValueError("an envelope is of an MTU outside the program")
        check_int32(self.schedules)

    @classmethod
    def of(cls, validated: ProgramValidated, signed: ProgramSigned) -> PackagedProgram:
        """The package's part of a program."""
        names = [item.name for item in fields(cls) if item.name not in ("dso", "signature")]
        shown = {name: getattr(validated, name) for name in names}
        return cls(**shown, dso=signed.dso, signature=signed.signature)


@dataclass(frozen=True, slots=True)
class PackagedClearing:
    """What the chain cleared of one MTU in a session."""

    mtu: Mtu
    price_neur_per_wh: PriceNeurPerWh | None
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class PackagedSession:
    """A session that is over, as the chain chained it: roots and masks are zero where it did not get so far.

    `results` are all result hashes that the DSO signed, by MTU; `clearings` those of the cleared mask, ascending.
    """

    market: Code
    session: Session
    first_mtu: Mtu
    count: Natural
    books_root: Hash
    results_root: Hash
    traded_mask: Mask
    emptied_mask: Mask
    cleared_mask: Mask
    results: tuple[Hash, ...]
    clearings: tuple[PackagedClearing, ...]

    def __post_init__(self) -> None:
        cleared = mtus_of(self.cleared_mask, session=self.mtus)
        if self.cleared_mask >> self.count or [item.mtu for item in self.clearings] != cleared:
            raise ValueError("a session has not one clearing for each MTU of its cleared mask")

    @property
    def mtus(self) -> MtuRange:
        """Its MTUs."""
        return MtuRange(first=self.first_mtu, count=self.count)

    @property
    def done(self) -> DoneSession:
        """What the clearing root chains of it."""
        return DoneSession(
            market_id=text_id(self.market),
            session=self.session,
            books_root=self.books_root,
            results_root=self.results_root,
            traded_mask=self.traded_mask,
            emptied_mask=self.emptied_mask,
            cleared_mask=self.cleared_mask,
        )


@dataclass(frozen=True, slots=True)
class PackagedAttestation:
    """What the chain recorded of one MTU's readings: an attestation, or that it is unread.

    `readings` (in leaf order) are there for the last attestation of each MTU.
    """

    mtu: Mtu
    revision: Natural
    unread: bool
    root: Hash
    count: Natural
    import_wh: MeteredWh
    export_wh: MeteredWh
    readings: tuple[MeterReading, ...] | None

    def of_area(self, area: str) -> Attestation:
        """What attesters of the area signed; of an unread MTU all is zero."""
        return Attestation(
            area=text_id(area),
            mtu=self.mtu,
            revision=self.revision,
            root=self.root,
            count=self.count,
            import_wh=self.import_wh,
            export_wh=self.export_wh,
        )


@dataclass(frozen=True, slots=True)
class EarlierSettlement:
    """The words of a revision before, as they took effect."""

    revision: Natural
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Basis(RegisteredTerms):
    """The facts that one revision of a settlement follows from, none more.

    Sessions and attestations stand in the chain's order, orders (one for every word) ascend by tag. Mandates are those
    that orders name, with their revocations, each in order of recording.
    """

    area: Code
    period: Number
    revision: Natural
    first_mtu: Mtu
    count: Natural
    grid_model: Document
    programs: tuple[PackagedProgram, ...]
    sessions: tuple[PackagedSession, ...]
    orders: tuple[OrderAccepted, ...]
    mandates: tuple[MandateGranted, ...]
    revocations: tuple[MandateRevoked, ...]
    attestations: tuple[PackagedAttestation, ...]
    earlier: tuple[EarlierSettlement, ...]

    def __post_init__(self) -> None:
        period = self.span
        cleared = {item.mtu for session in self.sessions for item in session.clearings}
        mtus = cleared | {item.mtu for item in self.attestations}
        if any(mtu not in period for mtu in mtus):
            raise ValueError("a clearing or attestation is of an MTU outside the period")
        if any(first.tag >= second.tag for first, second in pairwise(self.orders)):
            raise ValueError("orders do not ascend by tag")

    @property
    def span(self) -> Period:
        """The period it is about."""
        return Period(area=self.area, number=self.period, first_mtu=self.first_mtu, count=self.count)


@dataclass(frozen=True, slots=True)
class HashedStatement:
    """What a proposal commits of one account's statement: whoever computes the statement finds the same hash."""

    account: Address
    salt: Hash
    statement_hash: Hash


@dataclass(frozen=True, slots=True)
class PackagedProposal:
    """What the service says the facts give: its words and roots, and of each statement the salted hash.

    Its members are those of `SettlementProposed`, but for the statements' texts, which attesters compute themselves.
    """

    area: Code
    period: Number
    revision: Natural
    words: tuple[Word, ...]
    words_hash: Hash
    clearing_root: Hash
    readings_root: Hash
    statements_root: Hash
    tariff_hash: Hash
    statements: tuple[HashedStatement, ...]
    rules: SettlementRules

    @classmethod
    def of(cls, proposed: SettlementProposed) -> PackagedProposal:
        """The package's part of a proposal."""
        shown = {item.name: getattr(proposed, item.name) for item in fields(cls) if item.name != "statements"}
        statements = tuple(
            HashedStatement(
                account=item.account,
                salt=item.salt,
                statement_hash=statement_hash(salt=item.salt, statement=item.statement.as_json()),
            )
            for item in proposed.statements
        )
        return cls(**shown, statements=statements)

    def digest(self, domain: Domain) -> bytes:
        """What an attester signs (domain: the Settlement contract)."""
        return domain.digest(SETTLEMENT, settlement_values(self))


@dataclass(frozen=True, slots=True)
class Package(Basis):
    """The facts of a settlement, and the proposal that the service says they give."""

    proposal: PackagedProposal

    def __post_init__(self) -> None:
        Basis.__post_init__(self)
        if any(first.account >= second.account for first, second in pairwise(self.proposal.statements)):
            raise ValueError("the proposal's statements do not ascend by account")

    @classmethod
    def of(cls, basis: Basis, proposal: PackagedProposal) -> Package:
        """The package of a proposal that these facts give."""
        return cls(**{item.name: getattr(basis, item.name) for item in fields(Basis)}, proposal=proposal)


def _canonical_parts(noun: Any) -> Iterator[bytes]:
    large = {item.name: value for item in fields(noun) if _is_large(value := getattr(noun, item.name))}
    small = noun_json(noun, exclude=large.keys())
    for at, name in enumerate(sorted([*small, *large])):
        yield (b"," if at else b"{") + canonical_json(name) + b":"
        if name in small:
            yield canonical_json(small[name])
        else:
            for place, item in enumerate(large[name]):
                yield (b"," if place else b"[") + canonical_json(noun_json(item))
            yield b"]"
    yield b"}"


def _is_large(value: object) -> bool:
    """Whether a member is written item by item: nouns in a row."""
    return isinstance(value, tuple) and any(map(is_dataclass, value[:1]))
