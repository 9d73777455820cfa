"""Findings and the verdict that follows from them (docs/evidence.md section 8)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

CLEAN, USAGE, WRONG, SELF_CONSISTENT = 0, 2, 3, 4
"""Exit statuses."""

VERDICTS = {CLEAN: "clean", WRONG: "wrong", SELF_CONSISTENT: "self-consistent only"}

MOST_FINDINGS = 200
"""Findings kept; further ones are only counted."""

SHOWN_LETTERS = 200
"""Letters of a value that a finding shows."""

SHOWN_DIFFERENCES = 3
"""Differing members or items that are told on each level of a value."""

SUPPORTS = {
    "auditor": "everything: orders, books, optimum, caps, readings, settlement to the nEUR, money and transactions on"
    " chain",
    "public": "the market's honesty: journal unbroken, books cleared unchanged and optimal, DSO and attesters signed;"
    " not that orders were signed, that caps follow from envelopes or that a single bill is right",
    "personal": "the orders shown stood in the book (whether one was left out, only my receipts tell), my readings are"
    " attested, I have every statement, and my bill follows from words, readings, signed envelopes and terms; of"
    " lines mirrored from others only the sums",
}
"""What a bundle of each kind can show."""

UNREADABLE = (
    KeyError,
    StopIteration,
    TypeError,
    ValueError,
    IndexError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
"""What reading a malformed record may raise: a finding about that record, never the end of the verification."""


class Unusable(Exception):
    """Nothing can be said: no bundle, no readable anchors, or a node that does not answer."""


@dataclass(frozen=True)
class Finding:
    """A failed check: the record, the check, and where another source holds the value, both values."""

    record: str
    check: str
    field: str
    found: str
    source: str
    expected: str

    @property
    def message(self) -> str:
        """In one sentence."""
        told = f"{self.field} {self.found}, but {self.source} {self.expected}" if self.source else self.found
        return f"{self.record} [{self.check}]: {told}"

    def as_json(self) -> dict[str, str]:
        """JSON form."""
        return {**asdict(self), "message": self.message}


@dataclass(frozen=True)
class Subject:
    """What findings are about at the moment."""

    record: str
    check: str


@dataclass
class Totals:
    """What was recomputed, over a whole bundle."""

    entries: int = 0
    """Entries of the journal, whose hashes form a chain."""
    orders: int = 0
    """Orders opened, each with a signature and a receipt."""
    mandates: int = 0
    """Mandates of agents, each signed by its account's key, with a receipt."""
    held_receipts: int = 0
    """Receipts that were given beside the bundle, and held against it."""
    books: int = 0
    """Results of single MTUs: order by order, optimum, price and shares."""
    programs_within: int = 0
    """Signed programs held against the DSO's signing policy."""
    power_flows: int = 0
    """MTUs whose grid was computed again."""
    traded_mtus: int = 0
    traded_wh: int = 0
    readings: int = 0
    """Readings of single meters in single MTUs, as first attested."""
    import_wh: int = 0
    export_wh: int = 0
    statements: int = 0
    """Bills of single accounts, recomputed line by line."""
    settlements: int = 0
    """Settlements on chain whose sum is zero."""
    moved_neur: int = 0
    """What they credited, which others were debited."""

    def as_json(self) -> dict[str, int | str]:
        """JSON form: money as decimal text."""
        return {**asdict(self), "moved_neur": str(self.moved_neur)}


@dataclass
class Unknown:
    """What is erased, and what hangs on it (docs/evidence.md section 2, "Erasure")."""

    tags: list[str] = field(default_factory=list)
    """Orders."""
    mtus: dict[str, list[int]] = field(default_factory=dict)
    """MTUs of which some energy, cap or schedule is hidden, by area."""
    most_neur: int = 0
    """What could be wrong of settlements because of that, at most."""
    unbounded: list[str] = field(default_factory=list)
    """Kinds of which something is erased that this amount does not hold."""

    def as_json(self) -> dict[str, Any]:
        """JSON form: money as decimal text."""
        return {**asdict(self), "most_neur": str(self.most_neur)}


@dataclass(frozen=True)
class Held:
    """What a bundle was held against, apart from what it says itself."""

    checkpoint_block: int | None = None
    """Of the trust anchors, where there are any."""
    checkpoint_sequence: int | None = None
    nodes: int = 1
    """How many answered alike, where any was asked."""
    chain_id: int | None = None
    """Of the chain that they were asked about."""
    block: int | None = None
    proven_block: int | None = None
    """Up to which blocks and events follow from the checkpoint's hash."""
    speed: int | None = None
    """Seconds of market time in a second of block time."""


class Report:
    """All findings on one bundle, what was counted, and what could not be verified."""

    def __init__(self, *, anchored: bool, chain_asked: bool) -> None:
        self.anchored = anchored
        self.chain_asked = chain_asked
        self.flow_asked = False  # whether power flows are to be computed too
        self.kind = "unknown"
        self.findings: list[Finding] = []
        self.findings_total = 0
        self.counts: dict[str, int] = defaultdict(int)
        self.totals = Totals()
        self.held = Held()
        self.gaps: set[str] = set()
        self.unknown = Unknown()
        self._subject = Subject("bundle", "form")

    @property
    def subject(self) -> Subject:
        """What findings are about at the moment; `about` comes back to it."""
        return self._subject

    # ---- checks

    @contextmanager
    def on(self, record: str, check: str) -> Iterator[None]:
        """Findings inside are about this record; what can't be read there is a finding."""
        with self.about(Subject(record, check)):
            yield

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Findings inside are about a part of the record at hand; what can't be read there is a finding."""
        with self.about(replace(self._subject, record=f"{self._subject.record} {name}")):
            yield

    @contextmanager
    def about(self, subject: Subject) -> Iterator[None]:
        """Findings inside are about this; what can be malformed ends in a finding."""
        before, self._subject = self._subject, subject
        try:
            yield
        except UNREADABLE as error:
            missing = isinstance(error, KeyError)
            self.fail(f"{error} is missing or unknown" if missing else str(error) or repr(error))
        finally:
            self._subject = before

    def fail(self, found: Any, *, name: str = "", source: str = "", expected: Any = "") -> None:
        """A check failed; with a source: field `name` is `found`, but the source holds `expected`."""
        self.findings_total += 1
        if len(self.findings) < MOST_FINDINGS:
            subject = self._subject
            self.findings.append(Finding(subject.record, subject.check, name, short(found), source, short(expected)))

    def same(self, name: str, found: Any, expected: Any, source: str) -> None:
        """A field holds what another source says."""
        if found != expected or type(found) is not type(expected):
            for path, one, other in differences(found, expected, name):
                self.fail(one, name=path, source=source, expected=other)

    def none(self, name: str, found: Iterable[Any]) -> None:
        """Nothing of this name may be there."""
        items = sorted(found, key=str)
        if items:
            self.fail(items, name=name, source="there may be", expected="none")

    def ascending(self, name: str, found: Collection[Any]) -> None:
        """Items stand in ascending order, each once."""
        self.same(name, list(found), sorted(set(found)), "ascending and once each is")

    # ---- what is told beside the findings

    def gap(self, name: str) -> None:
        """Something could not be verified: the verdict holds in part only."""
        self.counts[name] += 1
        self.gaps.add(name)

    @property
    def exit_code(self) -> int:
        """Exit status of the verdict."""
        if self.findings_total:
            return WRONG
        return CLEAN if self.anchored and self.chain_asked else SELF_CONSISTENT

    @property
    def verdict(self) -> str:
        """The verdict in words."""
        partly = bool(self.gaps) and not self.findings_total
        return VERDICTS[self.exit_code] + (", in part" if partly else "")

    @property
    def supports(self) -> str:
        """What was shown: nothing, unless the verdict is clean."""
        return SUPPORTS.get(self.kind, "") if self.exit_code == CLEAN else ""

    def as_json(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            "kind": self.kind,
            "supports": self.supports,
            "against_anchors": self.anchored,
            "against_chain": self.chain_asked,
            "findings_total": self.findings_total,
            "findings": [finding.as_json() for finding in self.findings],
            "counts": dict(sorted(self.counts.items())),
            "totals": self.totals.as_json(),
            "held_against": asdict(self.held),
            "gaps": sorted(self.gaps),
            "unknown": self.unknown.as_json(),
        }


def short(value: Any) -> str:
    """A value as a finding shows it."""
    text = value if isinstance(value, str) else repr(value)
    if len(text) <= SHOWN_LETTERS:
        return text
    return f"{text[: SHOWN_LETTERS - 10]}… ({len(text)} characters)"


def differences(found: Any, expected: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """The innermost differences of two values, a few per level: (path, found, expected)."""
    if isinstance(found, dict) and isinstance(expected, dict) and found.keys() == expected.keys():
        pairs = [(f"{path}.{key}", found[key], expected[key]) for key in found]
    elif isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        items = enumerate(zip(found, expected, strict=True))
        pairs = [(f"{path}[{at}]", one, other) for at, (one, other) in items]
    else:
        yield path, found, expected
        return
    unlike = [pair for pair in pairs if pair[1] != pair[2] or type(pair[1]) is not type(pair[2])]
    for place, one, other in unlike[:SHOWN_DIFFERENCES]:
        yield from differences(one, other, place)


def not_settled(period: int, area: str) -> str:
    """A gap: of this time there are no bills to check."""
    return f"period {period} of {area}, which has ended: nobody settled it"
