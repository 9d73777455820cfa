"""Reaching m of n: one attester proposes the leaves of due MTUs, the others sign only what they derive themselves.

Messages between attesters need no trust: a proposal is recomputed, a fetched reading carries its meter's signature,
and a signature is recovered. Who proposes rotates with the oldest due MTU; after a time-out the next one takes over.
No I/O but the store: methods return what to publish, and `submission` is what the process hands to the service.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from domain.errors import DominoesError
from domain.hashing import from_hex, keccak, to_hex
from domain.meters import Registry
from domain.readings import Attestation, Quality, Reading, in_leaf_order
from domain.signing import BadSignature, SigningKey, recover
from oracle.attester.intake import Intake, Outgoing
from oracle.attester.planning import (
    Difference,
    Proposal,
    Situation,
    correctable_from,
    differences,
    has_ended,
    newest_due,
    plan,
)
from oracle.attester.standing import OnChain, Standing
from oracle.attester.store import Store
from oracle.bounds import whole
from oracle.topics import Topics
from settling.attestations import LEAVES_PER_PAGE, changes_nothing, leads_to

CUT_OFF_S = 120
"""Market seconds after an MTU's end until readings are proposed: time for a slow network, well before the deadline."""

PROPOSER_TIMEOUT_S = 5.0
"""Wall seconds without progress after which the next attester in turn proposes."""

RESEND_S = 2.0
"""Wall seconds after which an unanswered proposal is published again."""

HORIZON_LAG_S = 10.0
"""How many wall seconds a proposer's market time may lag behind: what was due here before that, a proposal must know.
An older horizon would leave out readings that came since, and so attest what they have already corrected."""

LOOK_UP_ALL_S = 600.0
"""Wall seconds between looking up on the node all that can still be corrected: a block may be taken back."""

FETCH_MAX = 2_000
"""Most readings asked for, or sent, in one message between attesters."""

STATES_MAX = 1_000
"""Most MTUs the service is asked about at once: ten days."""

MESSAGES_PER_PAYLOAD = 200
"""Most meter messages in one MQTT message between attesters."""


@dataclass
class _Flight:
    """A proposal of one's own that collects signatures: per entry, signature by organisation."""

    proposal: Proposal
    attestations: tuple[Attestation, ...]
    begun_at: float
    sent_at: float
    signatures: dict[str, tuple[bytes, list[bytes]]] = field(default_factory=dict)
    """organisation -> (address, one signature per entry)"""


@dataclass
class Agreement:
    """The agreement of one attester of one area. All times in `now` are market time, in `wall` seconds of any clock."""

    name: str
    key: SigningKey
    store: Store
    intake: Intake
    market_now: Callable[[], int]
    cut_off_s: int = CUT_OFF_S
    timeout_s: float = PROPOSER_TIMEOUT_S
    situation: Situation = field(init=False)
    standing: Standing = field(init=False)
    submission: dict[str, Any] | None = field(init=False, default=None)
    wants_sync: bool = field(init=False, default=True)
    """whether the service should be asked where MTUs stand; proposals wait for it"""
    refused: list[str] = field(init=False, default_factory=list)
    _flight: _Flight | None = field(init=False, default=None)
    _wall: float = field(init=False, default=0.0)
    _due_at: deque[tuple[float, int]] = field(init=False, default_factory=deque)
    """(wall time, newest due MTU) of the last HORIZON_LAG_S seconds"""
    _looked_up_at: float | None = field(init=False, default=None)
    _since: tuple[int, float] | None = field(init=False, default=None)
    _heard: dict[str, Proposal] = field(init=False, default_factory=dict)
    _deferred: set[str] = field(init=False, default_factory=set)
    """whose proposals came before market time, or the service's record, was known here"""
    _news: bool = field(init=False, default=False)
    _asking_since: tuple[int, float] | None = field(init=False, default=None)
    _synced_since: tuple[int, float] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        registry = self.intake.registry
        first = min((period.first_mtu for period in registry.periods), default=0)
        self.standing = Standing(self.store)
        self.situation = Situation(
            registry=registry, books=self.intake.books, attested=self.standing.attested, through_mtu=first - 1
        )
        self._move_through()
        for code in self.intake.books:
            self.situation.dirty[code] = first

    @property
    def registry(self) -> Registry:
        """The registry in use."""
        return self.situation.registry

    @property
    def topics(self) -> Topics:
        """The area's topics."""
        return self.intake.topics

    def use_registry(self, registry: Registry) -> None:
        """Take over a newer registry (the intake must have it already)."""
        had_periods = bool(self.registry.periods)
        self.situation.registry = registry
        if not had_periods and registry.periods:
            self.situation.through_mtu = min(period.first_mtu for period in registry.periods) - 1
        self._move_through()

    def changed(self, lowest: dict[str, int]) -> None:
        """Hear from which MTU on something new is known, per meter."""
        self._news = self._news or bool(lowest)
        for code, mtu in lowest.items():
            if mtu <= self.situation.through_mtu:
                self.situation.dirty[code] = min(mtu, self.situation.dirty.get(code, mtu))

    def _move_through(self) -> None:
        floor = correctable_from(registry=self.registry, market_time=self.market_now())
        through = max(self.situation.through_mtu, floor - 1)
        while (stands := self.situation.attested.get(through + 1)) is not None and stands.leaves is not None:
            through += 1
        self.situation.through_mtu = through

    # ---- proposing

    def tick(self, *, wall: float) -> list[Outgoing]:
        """Propose what is due if it is this attester's turn, or send an unanswered proposal again."""
        self._wall = wall
        self._note_due(wall)
        if self.submission is not None or self.wants_sync or not self.registry.periods:
            return []
        return self._reconsider() + self._take_turn(wall)

    def _note_due(self, wall: float) -> None:
        due = newest_due(registry=self.registry, market_time=self.market_now(), cut_off_s=self.cut_off_s)
        self._due_at.append((wall, due))
        while len(self._due_at) > 1 and self._due_at[1][0] <= wall - HORIZON_LAG_S:
            self._due_at.popleft()

    def _horizon_lowest(self) -> int:
        """The horizon a proposal must have: what was due here HORIZON_LAG_S ago."""
        if not self._due_at or self._due_at[0][0] > self._wall - HORIZON_LAG_S:
            return -1
        return self._due_at[0][1]

    def _reconsider(self) -> list[Outgoing]:
        """Look again at proposals that were heard too early, so that nobody waits for them to be sent again."""
        outgoing: list[Outgoing] = []
        for sender in sorted(self._deferred):
            proposal = self._heard.get(sender)
            if proposal is None or self._has_ended(proposal):
                self._deferred.discard(sender)
                if proposal is not None:
                    outgoing += self._consider(sender, proposal, again=True)
        return outgoing

    def _has_ended(self, proposal: Proposal) -> bool:
        return has_ended(proposal.horizon_mtu, market_time=self.market_now(), cut_off_s=self.cut_off_s)

    def _take_turn(self, wall: float) -> list[Outgoing]:
        now = self.market_now()
        horizon = newest_due(registry=self.registry, market_time=now, cut_off_s=self.cut_off_s)
        if horizon <= self.situation.through_mtu and not self.situation.dirty:
            self._since = self._flight = None
            return []
        self._drop_unchanged(horizon, now)
        oldest = min([self.situation.through_mtu + 1, *self.situation.dirty.values()])
        if self._since is None or self._since[0] != oldest:
            self._since = (oldest, wall)
        rank = self._rank(oldest)
        if wall - self._since[1] < rank * self.timeout_s:
            return []
        if rank > 0 and self._synced_since != self._since:
            # Others should have proposed: perhaps they did and it is recorded, so ask before taking over.
            self._asking_since, self.wants_sync = self._since, True
            return []
        if self._flight is not None and not self._news and wall - self._flight.sent_at < RESEND_S:
            return []
        self._news = False
        return self._propose(horizon, now, wall)

    def _drop_unchanged(self, horizon: int, now: int) -> None:
        """Forget what looked changed but gives the attested leaves again: whose turn it is must follow from the oldest
        MTU that really is due, or attesters would disagree on it and wait for each other."""
        if self._flight is not None or not self.situation.dirty:
            return
        floor = correctable_from(registry=self.registry, market_time=now)
        due = plan(self.situation, horizon_mtu=horizon, floor_mtu=floor)
        if due is None or due.entries[0].mtu > self.situation.through_mtu:
            self.situation.dirty.clear()

    def _rank(self, mtu: int) -> int:
        names = [entry.name for entry in self.registry.attesters]
        return (names.index(self.name) - mtu) % len(names) if self.name in names else len(names)

    def _propose(self, horizon: int, now: int, wall: float) -> list[Outgoing]:
        floor = correctable_from(registry=self.registry, market_time=now)
        proposal = plan(self.situation, horizon_mtu=horizon, floor_mtu=floor)
        if proposal is None:
            self.situation.dirty.clear()
            self._flight = None
            return []
        if proposal.entries[0].mtu > self.situation.through_mtu:
            self.situation.dirty.clear()  # entries ascend, so nothing that was attested before has changed
        if any(self._overdue(entry.mtu, entry.revision, now) for entry in proposal.entries):
            self.wants_sync = True  # revision 0 can't be recorded any more: learn whether the MTU is marked Unread
            return []
        if self._flight is None or self._flight.proposal.entries != proposal.entries:
            area_id = self.registry.area_id
            attestations = tuple(entry.attestation(area_id) for entry in proposal.entries)
            self._flight = _Flight(proposal=proposal, attestations=attestations, begun_at=wall, sent_at=wall)
            self._collect(self.name, self._sign(attestations))
            if self.submission is not None:
                return []
        elif wall - self._flight.sent_at < RESEND_S:
            return []
        elif wall - self._flight.begun_at > self.timeout_s:
            self.wants_sync = True  # nobody signs: perhaps another proposal is recorded already
            return []
        self._flight.sent_at = wall
        self._flight.proposal = proposal  # the same entries, seen from a later horizon
        return [Outgoing(self.topics.attest(self.name, "proposal"), orjson.dumps(self._flight.proposal.as_json()))]

    def _overdue(self, mtu: int, revision: int, now: int) -> bool:
        return revision == 0 and now > self.registry.attest_until(mtu)

    def _sign(self, attestations: Iterable[Attestation]) -> list[bytes]:
        domain = self.registry.readings_domain
        signatures = []
        with self.store.commit():
            for attestation in attestations:
                digest = attestation.digest(domain)
                key = f"{attestation.mtu}:{attestation.revision}"
                self.store.note_signed(kind="attestation", key=key, digest=digest, at=self.market_now())
                signatures.append(self.key.sign(digest))
        return signatures

    def _collect(self, name: str, signatures: list[bytes]) -> None:
        """Count another attester's signatures over the proposal in flight; with m of them it is ready to hand over."""
        flight, entry = self._flight, self.registry.attester_named(name)
        if flight is None or entry is None or len(signatures) != len(flight.attestations):
            return
        domain = self.registry.readings_domain
        for attestation, signature in zip(flight.attestations, signatures, strict=True):
            try:
                if recover(attestation.digest(domain), signature) != entry.address:
                    return
            except BadSignature:
                return
        flight.signatures[entry.organisation] = (entry.address, signatures)
        if len(flight.signatures) >= self.registry.threshold:
            self.submission = self._payload(flight)

    def _payload(self, flight: _Flight) -> dict[str, Any]:
        """The body of `reading.attested`, complete in itself: leaves, signatures and the messages of the meters."""
        signers = sorted(flight.signatures.values())[: self.registry.threshold]
        records = [
            _record(attestation, entry.readings, [signatures[index] for _, signatures in signers])
            for index, (entry, attestation) in enumerate(zip(flight.proposal.entries, flight.attestations, strict=True))
        ]
        return self._body(flight.proposal.period, records, [entry.readings for entry in flight.proposal.entries])

    def _hand_over_again(self, records: list[dict[str, Any]]) -> dict[str, Any] | None:
        """The body of attestations that m attesters signed and the service does not hold: of the first period."""
        period = self.registry.period_of(records[0]["mtu"])
        if period is None:
            return None
        page: list[dict[str, Any]] = []
        readings: list[list[Reading]] = []
        total = 0
        for record in records:
            total += len(record["readings"])
            if record["mtu"] not in period or (page and total > LEAVES_PER_PAGE):
                break
            page.append(record)
            readings.append([Reading.from_json(item) for item in record["readings"]])
        return self._body(period.number, page, readings)

    def _body(
        self, period: int, records: list[dict[str, Any]], readings: Iterable[Iterable[Reading]]
    ) -> dict[str, Any]:
        messages: dict[bytes, str] = {}
        for leaves in readings:
            for reading in leaves:
                self._add_messages(reading, messages)
        ordered = [messages[digest] for digest in sorted(messages)]
        return {"area": self.registry.area, "period": period, "attestations": records, "messages": ordered}

    def _add_messages(self, reading: Reading, messages: dict[bytes, str]) -> None:
        """Add what shows a leaf: its reading and the one before; for a substitute all that disputes the reading."""
        wanted = []
        if reading.quality is Quality.MEASURED:
            wanted.append((reading.sequence, reading.nonce))
        else:
            at = {"first_mtu": reading.mtu, "last_mtu": reading.mtu}
            held = self.intake.messages_between(reading.meter_code, **at)
            messages |= {keccak(message): message.decode("ascii") for message in held}
        before = self.situation.books[reading.meter_code].believed_before(reading.mtu)
        if before is not None and before.mtu == reading.mtu - 1:
            wanted.append((before.sequence, before.nonce))
        for sequence, nonce in wanted:
            jws = self.store.message_with(meter_code=reading.meter_code, sequence=sequence, nonce=nonce)
            if jws is not None:
                messages[keccak(jws)] = jws.decode("ascii")

    # ---- what the process reports

    def submitted(self, payload: dict[str, Any]) -> list[Outgoing]:
        """The service has recorded a submission: note it and tell the others."""
        self._accept(payload["attestations"])
        self.submission = None
        self._flight = None
        shared = {"attestations": payload["attestations"]}
        return [Outgoing(self.topics.attest(self.name, "attested"), orjson.dumps(shared))]

    def rejected(self, payload: dict[str, Any], reason: str) -> None:
        """The service refused a submission: learn what is recorded before proposing again."""
        self._refuse(reason)
        for record in payload["attestations"]:
            mtu, revision = record["mtu"], record["revision"]
            if self.standing.next_revision(mtu) == revision + 1 and not self.standing.attested[mtu].included:
                self._reopen(mtu, self.standing.forget(mtu, next_revision=revision))
        self.submission = None
        self._flight = None
        self.wants_sync = True

    def _accept(self, records: list[dict[str, Any]]) -> None:
        self.standing.keep(records, wall=self._wall)
        self._move_through()

    def _reopen(self, mtu: int, codes: Iterable[str]) -> None:
        """Plan an MTU again for these meters: what was attested of it is lost."""
        for code in set(codes) & self.intake.books.keys():
            self.situation.dirty[code] = min(mtu, self.situation.dirty.get(code, mtu))
        self.situation.through_mtu = min(self.situation.through_mtu, mtu - 1)

    def sync_range(self) -> tuple[int, int]:
        """(first MTU, count) about which the service is to be asked now: from the first doubtful one on."""
        self.standing.asking()
        horizon = newest_due(registry=self.registry, market_time=self.market_now(), cut_off_s=0)
        floor = correctable_from(registry=self.registry, market_time=self.market_now())
        open_mtus = [self.situation.through_mtu + 1, *self.situation.dirty.values(), *self.standing.doubted]
        first = max(floor, min(open_mtus))
        return first, max(0, min(horizon - first + 1, STATES_MAX))

    def synced(self, states: list[dict[str, Any]]) -> None:
        """Take over what the service has recorded, after checking m signatures over each attestation; drop what it
        does not hold and one's own node does not show."""
        missing: list[dict[str, Any]] = []
        for state in states:
            mtu, record = state["mtu"], state["attestation"]
            if self.standing.contradicted(state):
                kept = self.standing.kept(mtu)
                if kept is not None and kept["revision"] == state["next_revision"]:
                    missing.append(kept)
                    continue
                self._reopen(mtu, self.standing.forget(mtu, next_revision=state["next_revision"]))
            next_revision = self.standing.next_revision(mtu)
            if record is not None:
                unknown = self.standing.leaves(mtu) is None and record["revision"] + 1 == next_revision
                if unknown or record["revision"] >= next_revision:
                    self._take_record(record)
            elif state["next_revision"] > next_revision:
                self._reopen(mtu, self.standing.forget(mtu, next_revision=state["next_revision"]))
        self.standing.doubted.clear()
        self._move_through()
        self._flight = None
        if missing and self.submission is None:
            self.submission = self._hand_over_again(missing)
        self._synced_since = self._asking_since
        self.wants_sync = False

    def look_up(self, *, wall: float) -> list[int]:
        """MTUs whose attestation is to be looked up on one's own node."""
        everything = self._looked_up_at is None or wall - self._looked_up_at > LOOK_UP_ALL_S
        if everything:
            self._looked_up_at = wall
        floor = correctable_from(registry=self.registry, market_time=self.market_now())
        return self.standing.look_up(floor_mtu=floor, everything=everything)

    def look_up_everything(self) -> None:
        """Begin the next look-up with all that can still be corrected: after a new connection."""
        self._looked_up_at = None

    def shown(self, states: Mapping[int, OnChain]) -> None:
        """Take in what one's own node shows of MTUs."""
        for mtu, state in sorted(states.items()):
            lost = self.standing.compare(mtu, state, wall=self._wall)
            if lost:
                self._reopen(mtu, lost)
        if self.standing.doubted:
            self.wants_sync = True

    def _take_record(self, record: dict[str, Any]) -> bool:
        """Accept an attestation made by others if m attesters of distinct organisations signed it."""
        try:
            readings = [Reading.from_json(item) for item in record["readings"]]
            attestation = Attestation.of(
                area=self.registry.area_id,
                mtu=whole(record["mtu"]),
                revision=whole(record["revision"]),
                readings=readings,
            )
            digest = attestation.digest(self.registry.readings_domain)
            signed = {recover(digest, from_hex(item)): from_hex(item) for item in record["signatures"]}
            stated = from_hex(record["root"])
        except (KeyError, TypeError, ValueError, AttributeError, DominoesError):
            return False
        signers = {address: self.registry.attester_at(address) for address in sorted(signed)}
        by_organisation = {entry.organisation: address for address, entry in signers.items() if entry is not None}
        if stated != attestation.root or len(by_organisation) < self.registry.threshold:
            return False
        counted = [signed[address] for address in sorted(by_organisation.values())]
        self._accept([_record(attestation, in_leaf_order(readings), counted)])
        for code in {reading.meter_code for reading in readings} & self.intake.books.keys():
            self.situation.dirty[code] = min(attestation.mtu, self.situation.dirty.get(code, attestation.mtu))
        return True

    # ---- what other attesters say

    def receive(self, *, sender: str, kind: str, payload: bytes) -> list[Outgoing]:
        """Answer a message of another attester. Anything malformed or not meant for this one changes nothing."""
        if sender == self.name or self.registry.attester_named(sender) is None:
            return []
        try:
            data = orjson.loads(payload)
            if kind == "proposal":
                proposal = Proposal.from_json(data)
                self._heard[sender] = proposal
                return self._consider(sender, proposal)
            if kind == "attested":
                for record in data["attestations"]:
                    if whole(record["revision"]) >= self.standing.next_revision(whole(record["mtu"])):
                        self._take_record(record)
                self._heard.pop(sender, None)
                return []
            if data["to"] != self.name:
                return []
            if kind == "signature":
                self._collect(sender, [from_hex(item) for item in data["signatures"]])
                return []
            if kind == "fetch":
                wanted = [(str(code), whole(sequence)) for code, sequence in data["want"][:FETCH_MAX]]
                return self._messages(sender, self.store.messages_of(wanted))
            if kind == "messages":
                return self._ingest(sender, [str(item).encode("ascii") for item in data["messages"]])
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError, DominoesError) as error:
            self._refuse(f"{kind} of {sender}: {error}")
        return []

    def _ingest(self, sender: str, messages: list[bytes]) -> list[Outgoing]:
        outgoing, lowest = self.intake.take((None, message) for message in messages)
        self.changed(lowest)
        if sender in self._heard and lowest:
            outgoing.extend(self._consider(sender, self._heard[sender]))
        return outgoing

    def _consider(self, sender: str, proposal: Proposal, *, again: bool = False) -> list[Outgoing]:
        """Sign a proposal that equals one's own derivation; else fetch what is missing and send what it leaves out."""
        period = next((item for item in self.registry.periods if item.number == proposal.period), None)
        if period is None or not self._has_ended(proposal):
            self._deferred.add(sender)
            return []
        mtus = [entry.mtu for entry in proposal.entries]
        if not mtus or mtus != sorted({mtu for mtu in mtus if mtu in period}):
            self._refuse(f"proposal of {sender}: its MTUs do not ascend within period {period.number}")
            return []
        if any(entry.revision != self.standing.next_revision(entry.mtu) for entry in proposal.entries):
            self.wants_sync = True
            if not again:
                self._deferred.add(sender)
            return []
        found = differences(proposal, registry=self.registry, books=self.intake.books)
        if found:
            return self._differ(sender, found)
        reason = self._unjustified(proposal)
        if reason is not None:
            self._refuse(f"proposal of {sender}: {reason}")
            return []
        area_id = self.registry.area_id
        signatures = self._sign(entry.attestation(area_id) for entry in proposal.entries)
        body = {"to": sender, "signatures": [to_hex(item) for item in signatures]}
        return [Outgoing(self.topics.attest(self.name, "signature"), orjson.dumps(body))]

    def _unjustified(self, proposal: Proposal) -> str | None:
        """Why a proposal is not signed although its leaves can be derived; None where nothing speaks against it.

        The leaves follow from the horizon, so an old one would undo corrections; and of two leaves that share a
        register, one alone would make energy appear or vanish.
        """
        if proposal.horizon_mtu < max(self._horizon_lowest(), proposal.entries[-1].mtu):
            return f"its horizon {proposal.horizon_mtu} leaves out readings that are due"
        leaves = {e.mtu: {reading.meter_code: reading for reading in e.readings} for e in proposal.entries}
        total = sum(len(readings) for readings in leaves.values())
        for mtu, readings in leaves.items():
            if changes_nothing(readings, self.standing.leaves(mtu)):
                return f"it changes nothing of MTU {mtu}"
            after = self.standing.leaves(mtu + 1)
            own_page = mtu + 1 in leaves or self.registry.period_of(mtu + 1) != self.registry.period_of(mtu)
            if own_page or after is None or total + len(after) > LEAVES_PER_PAGE:
                continue
            code = leads_to(readings, after)
            if code is not None:
                return f"what is attested of meter {code!r} after MTU {mtu} does not go on from it"
        return None

    def _refuse(self, reason: str) -> None:
        self.refused.append(reason[:300])
        del self.refused[:-20]

    def _differ(self, sender: str, found: list[Difference]) -> list[Outgoing]:
        """Ask for readings only the proposer holds; hand over those on which one's own leaves rest."""
        want: list[tuple[str, int]] = []
        give: dict[bytes, bytes] = {}
        for item in found[:FETCH_MAX]:
            book = self.intake.books.get(item.meter_code)
            if item.proposed is not None and item.proposed.quality is Quality.MEASURED and item.own != item.proposed:
                want.append((item.meter_code, item.proposed.sequence))
            if book is None:
                continue
            around = [book.believed_before(item.mtu), book.believed_before(item.mtu + 1)]
            wanted = [(item.meter_code, reading.sequence) for reading in around if reading is not None]
            for jws in self.store.messages_of(wanted):
                give[keccak(jws)] = jws
            for jws in self.intake.messages_between(item.meter_code, first_mtu=item.mtu - 1, last_mtu=item.mtu):
                give[keccak(jws)] = jws
        outgoing = []
        if want:
            body = {"to": sender, "want": sorted(set(want))[:FETCH_MAX]}
            outgoing.append(Outgoing(self.topics.attest(self.name, "fetch"), orjson.dumps(body)))
        return outgoing + self._messages(sender, list(give.values()))

    def _messages(self, to: str, messages: list[bytes]) -> list[Outgoing]:
        topic = self.topics.attest(self.name, "messages")
        pages = [messages[at : at + MESSAGES_PER_PAYLOAD] for at in range(0, len(messages), MESSAGES_PER_PAYLOAD)]
        return [
            Outgoing(topic, orjson.dumps({"to": to, "messages": [jws.decode("ascii") for jws in page]}))
            for page in pages
        ]


def _record(attestation: Attestation, readings: Iterable[Reading], signatures: Iterable[bytes]) -> dict[str, Any]:
    """The member of `reading.attested` for one MTU; signatures ascend by signer."""
    return {
        "mtu": attestation.mtu,
        "revision": attestation.revision,
        "root": to_hex(attestation.root),
        "count": attestation.count,
        "import_wh": attestation.import_wh,
        "export_wh": attestation.export_wh,
        "signatures": [to_hex(item) for item in signatures],
        "readings": [reading.as_json() for reading in readings],
    }
