"""Reaching m of n: one attester proposes the leaves of due MTUs, the others sign only what they derive themselves.

Messages between attesters need no trust: a proposal is recomputed, a fetched reading carries its meter's signature,
and a signature is recovered. Who proposes rotates with the oldest due MTU; after a time-out the next one takes over.
No I/O but the store: methods return what to publish, and `submission` is what the process hands to the service.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

from domain.errors import DominoesError
from domain.hashing import from_hex, keccak, to_hex
from domain.mtu import mtu_end
from domain.readings import Attestation, Quality, Reading
from domain.signing import BadSignature, SigningKey, recover
from ledger_service.metering.registry import Registry
from oracle.attester.intake import Intake, Outgoing
from oracle.attester.planning import (
    AttestedMtu,
    Difference,
    Proposal,
    Situation,
    correctable_from,
    differences,
    has_ended,
    newest_due,
    plan,
)
from oracle.attester.store import Store
from oracle.topics import Topics

CUT_OFF_S = 120
"""Market seconds after an MTU's end until readings are proposed: time for a slow network, well before the deadline."""

PROPOSER_TIMEOUT_S = 5.0
"""Wall seconds without progress after which the next attester in turn proposes."""

RESEND_S = 2.0
"""Wall seconds after which an unanswered proposal is published again."""

FETCH_MAX = 2_000
"""Most readings asked for, or sent, in one message between attesters."""

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
    submission: dict[str, Any] | None = field(init=False, default=None)
    wants_sync: bool = field(init=False, default=True)
    """whether the service should be asked where MTUs stand; proposals wait for it"""
    refused: list[str] = field(init=False, default_factory=list)
    _flight: _Flight | None = field(init=False, default=None)
    _nonces: dict[tuple[str, int], bytes] = field(init=False, default_factory=dict)
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
        self.situation = Situation(registry=registry, books=self.intake.books, attested={}, through_mtu=first - 1)
        for record in self.store.attested():
            self._note(record)
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

    def _note(self, record: dict[str, Any]) -> None:
        readings = [Reading.from_json(item) for item in record["readings"]]
        self.situation.attested[record["mtu"]] = AttestedMtu(
            next_revision=record["revision"] + 1, leaves={reading.meter_code: reading for reading in readings}
        )

    def _move_through(self) -> None:
        floor = correctable_from(registry=self.registry, market_time=self.market_now())
        through = max(self.situation.through_mtu, floor - 1)
        while (stands := self.situation.attested.get(through + 1)) is not None and stands.leaves is not None:
            through += 1
        self.situation.through_mtu = through

    # ---- proposing

    def tick(self, *, wall: float) -> list[Outgoing]:
        """Propose what is due if it is this attester's turn, or send an unanswered proposal again."""
        if self.submission is not None or self.wants_sync or not self.registry.periods:
            return []
        return self._reconsider() + self._take_turn(wall)

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
        due = plan(self.situation, horizon_mtu=horizon, floor_mtu=floor, nonce_of=self._nonce)
        if due is None or due.entries[0].mtu > self.situation.through_mtu:
            self.situation.dirty.clear()

    def _rank(self, mtu: int) -> int:
        names = [entry.name for entry in self.registry.attesters]
        return (names.index(self.name) - mtu) % len(names) if self.name in names else len(names)

    def _nonce(self, code: str, mtu: int) -> bytes:
        return self._nonces.setdefault((code, mtu), secrets.token_bytes(32))

    def _propose(self, horizon: int, now: int, wall: float) -> list[Outgoing]:
        floor = correctable_from(registry=self.registry, market_time=now)
        proposal = plan(self.situation, horizon_mtu=horizon, floor_mtu=floor, nonce_of=self._nonce)
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
        return [Outgoing(self.topics.attest(self.name, "proposal"), orjson.dumps(self._flight.proposal.as_json()))]

    def _overdue(self, mtu: int, revision: int, now: int) -> bool:
        return revision == 0 and now > mtu_end(mtu) + self.registry.attest_seconds

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
        attestations = []
        messages: dict[bytes, str] = {}
        for index, (entry, attestation) in enumerate(zip(flight.proposal.entries, flight.attestations, strict=True)):
            attestations.append(
                {
                    "mtu": entry.mtu,
                    "revision": entry.revision,
                    "root": to_hex(attestation.root),
                    "count": attestation.count,
                    "import_wh": attestation.import_wh,
                    "export_wh": attestation.export_wh,
                    "signatures": [to_hex(signatures[index]) for _, signatures in signers],
                    "readings": [reading.as_json() for reading in entry.readings],
                }
            )
            for reading in entry.readings:
                self._add_messages(reading, messages)
        ordered = [messages[digest] for digest in sorted(messages)]
        return {
            "area": self.registry.area,
            "period": flight.proposal.period,
            "attestations": attestations,
            "messages": ordered,
        }

    def _add_messages(self, reading: Reading, messages: dict[bytes, str]) -> None:
        wanted = []
        if reading.quality is Quality.MEASURED:
            wanted.append((reading.sequence, reading.nonce))
        before = self.situation.books[reading.meter_code].believed_before(reading.mtu)
        if before is not None and before.mtu == reading.mtu - 1:
            wanted.append((before.sequence, before.nonce))
        for sequence, nonce in wanted:
            jws = self.store.message_with(meter_code=reading.meter_code, sequence=sequence, nonce=nonce)
            if jws is not None:
                messages[keccak(jws)] = jws.decode("ascii")

    # ---- what the process reports

    def submitted(self) -> list[Outgoing]:
        """The service has recorded the submission: note it and tell the others."""
        payload = self.submission
        if payload is None:
            return []
        self._accept(payload["attestations"])
        self.submission = None
        self._flight = None
        shared = {"attestations": payload["attestations"]}
        return [Outgoing(self.topics.attest(self.name, "attested"), orjson.dumps(shared))]

    def rejected(self, reason: str) -> None:
        """The service refused the submission: learn what is recorded before proposing again."""
        self.refused.append(reason)
        del self.refused[:-20]
        self.submission = None
        self._flight = None
        self.wants_sync = True

    def _accept(self, records: list[dict[str, Any]]) -> None:
        with self.store.commit():
            self.store.add_attested(records)
        for record in records:
            self._note(record)
            for reading in record["readings"]:
                self._nonces.pop((reading["meter"], record["mtu"]), None)
        self._move_through()

    def sync_range(self) -> tuple[int, int]:
        """(first MTU, count) about which the service is to be asked: from the first not attested one on."""
        horizon = newest_due(registry=self.registry, market_time=self.market_now(), cut_off_s=0)
        first = self.situation.through_mtu + 1
        if self.situation.dirty:
            floor = correctable_from(registry=self.registry, market_time=self.market_now())
            first = max(floor, min(first, *self.situation.dirty.values()))
        return first, max(0, min(horizon - first + 1, 1_000))

    def synced(self, states: list[dict[str, Any]]) -> None:
        """Take over what the service has recorded, after checking m signatures over each attestation."""
        for state in states:
            record, stands = state["attestation"], self.situation.attested.get(state["mtu"])
            if record is not None:
                if stands is None or record["revision"] >= stands.next_revision:
                    self._take_record(record)
            elif stands is None or stands.next_revision != state["next_revision"]:
                self.situation.attested[state["mtu"]] = AttestedMtu(next_revision=state["next_revision"], leaves=None)
                self.situation.through_mtu = min(self.situation.through_mtu, state["mtu"] - 1)
        self._move_through()
        self._flight = None
        self._synced_since = self._asking_since
        self.wants_sync = False

    def _take_record(self, record: dict[str, Any]) -> bool:
        """Accept an attestation made by others if m attesters of distinct organisations signed it."""
        try:
            readings = [Reading.from_json(item) for item in record["readings"]]
            attestation = Attestation.of(
                area=self.registry.area_id, mtu=record["mtu"], revision=record["revision"], readings=readings
            )
            digest = attestation.digest(self.registry.readings_domain)
            signers = {recover(digest, from_hex(item)) for item in record["signatures"]}
        except (KeyError, TypeError, ValueError, AttributeError, DominoesError):
            return False
        entries = [self.registry.attester_at(address) for address in signers]
        if len({entry.organisation for entry in entries if entry is not None}) < self.registry.threshold:
            return False
        self._accept([record])
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
                    stands = self.situation.attested.get(record["mtu"])
                    if stands is None or record["revision"] >= stands.next_revision:
                        self._take_record(record)
                self._heard.pop(sender, None)
                return []
            if data["to"] != self.name:
                return []
            if kind == "signature":
                self._collect(sender, [from_hex(item) for item in data["signatures"]])
                return []
            if kind == "fetch":
                wanted = [(str(code), int(sequence)) for code, sequence in data["want"][:FETCH_MAX]]
                return self._messages(sender, self.store.messages_of(wanted))
            if kind == "messages":
                return self._ingest(sender, [str(item).encode("ascii") for item in data["messages"]])
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError, DominoesError) as error:
            self.refused.append(f"{kind} of {sender}: {error}"[:300])
            del self.refused[:-20]
        return []

    def _ingest(self, sender: str, messages: list[bytes]) -> list[Outgoing]:
        outgoing, lowest = self.intake.take((None, message) for message in messages)
        self.changed(lowest)
        if sender in self._heard and lowest:
            outgoing.extend(self._consider(sender, self._heard[sender]))
        return outgoing

    def _consider(self, sender: str, proposal: Proposal, *, again: bool = False) -> list[Outgoing]:
        """Sign a proposal that equals one's own derivation; else fetch what is missing and send what it leaves out."""
        if not proposal.entries:
            return []
        if not self._has_ended(proposal):
            self._deferred.add(sender)
            return []
        for entry in proposal.entries:
            stands = self.situation.attested.get(entry.mtu)
            if entry.mtu > proposal.horizon_mtu or entry.revision != (stands.next_revision if stands else 0):
                self.wants_sync = True
                if not again:
                    self._deferred.add(sender)
                return []
        found = differences(proposal, registry=self.registry, books=self.intake.books)
        if found:
            return self._differ(sender, found)
        area_id = self.registry.area_id
        signatures = self._sign(entry.attestation(area_id) for entry in proposal.entries)
        body = {"to": sender, "signatures": [to_hex(item) for item in signatures]}
        return [Outgoing(self.topics.attest(self.name, "signature"), orjson.dumps(body))]

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
