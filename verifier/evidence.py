"""One bundle held against trust anchors and chain: its files, who may sign, and the checks that every kind needs.

Sources: docs/evidence.md sections 1 (files), 3 (signatures), 7 (anchors).
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from verifier.anchors import Anchors
from verifier.blocks import Known
from verifier.cache import Cache
from verifier.chain import CONTRACTS, GRACE_SECONDS, MTU_SECONDS, ROLES, Chain, Event, Events
from verifier.facts import Attestation
from verifier.form import Json, form_of, parse, record, unhex, whole
from verifier.hashes import ZERO_HEX, ident, keccak, tohex
from verifier.lines import AttestationLine, OwnReading
from verifier.node import Rpc
from verifier.party_facts import AgreementSigned, TariffPublished
from verifier.powerflow import PowerFlow
from verifier.signatures import Signing
from verifier.verdict import Held, Report, Unusable, short

MANIFEST = "manifest.json"
FORMAT = "dominoes-evidence/1"

FILES = {
    "auditor": ("chain.json", "journal.jsonl", "receipts.jsonl"),
    "public": ("attestations.jsonl", "chain.json", "journal.jsonl", "programs.jsonl", "settlements.jsonl"),
    "personal": (
        "account.json",
        "chain.json",
        "messages.jsonl",
        "orders.jsonl",
        "programs.jsonl",
        "readings.jsonl",
        "results.jsonl",
        "statements.jsonl",
        "terms.jsonl",
    ),
}
"""Files of a bundle of each kind, ascending; the manifest lists them all."""


@dataclass(frozen=True)
class Place:
    """An entry of the journal: its sequence and its hash."""

    sequence: int
    hash: str


@dataclass(frozen=True)
class Attesters:
    """Who may attest and settle in an area, and how many must sign; nobody: it is not known."""

    addresses: frozenset[str]
    threshold: int


MOST_SEQUENCE = 2**64
"""Above every sequence of an entry."""

UNKNOWN_ATTESTERS = Attesters(frozenset(), 1)


@dataclass(frozen=True)
class SettledHashes:
    """What attesters sign of a settlement (protocol.md section 2)."""

    words_hash: str
    clearing_root: str
    readings_root: str
    statements_root: str
    tariff_hash: str

    def as_event(self) -> dict[str, str]:
        """As the contract's event names them."""
        return {
            "wordsHash": self.words_hash,
            "clearingRoot": self.clearing_root,
            "readingsRoot": self.readings_root,
            "statementsRoot": self.statements_root,
            "tariffHash": self.tariff_hash,
        }


class Evidence:
    """A bundle, what it is held against, and its report."""

    sign: Signing
    contracts: Mapping[str, str]
    """Addresses by name."""
    chain_id: int

    def __init__(
        self,
        files: Mapping[str, bytes],
        anchors: Anchors | None,
        rpc: Rpc | None,
        height: int | None,
        cache: Cache,
        power_flow: PowerFlow | None = None,
    ) -> None:
        self.files = files
        self.anchors = anchors
        self.cache = cache
        self.power_flow = power_flow
        self.chain: Chain | None = None
        self.seen = Events([])  # what contracts said: by the chain, or by the journal where no chain is asked
        self.operators: set[str] = set()
        self.at = Place(0, "")  # the entry of the journal at hand
        self.report = Report(anchored=anchors is not None, chain_asked=rpc is not None)
        self.report.flow_asked = power_flow is not None
        self._rpc = rpc
        self.asked_height = height
        self._told: set[int] = set()
        self._in_office: dict[tuple[str, str, str], int] = {}  # the last entry in which a key's signature counts
        self._heads: list[tuple[int, int]] | None = None  # market time and sequence of each anchor, once asked for

    # ---- files

    def check_manifest(self) -> str:
        """Manifest and files agree; returns the bundle's kind (evidence.md section 1)."""
        report = self.report
        with report.on(MANIFEST, "manifest"):
            manifest = parse(self.files[MANIFEST])
            report.kind = kind = short(manifest["kind"])
            inside = {name: data for name, data in self.files.items() if name != MANIFEST}
            report.same("files", sorted(inside), list(FILES[kind]), f"a bundle of kind {kind} has")
            sealed = {name: {"bytes": len(data), "keccak": tohex(keccak(data))} for name, data in inside.items()}
            report.same("manifest", manifest, {"files": sealed, "format": FORMAT, "kind": kind}, "the files give")
        return report.kind

    @property
    def opened(self) -> bool:
        """Whether the bundle shows openings of orders and readings; a public one does not."""
        return self.report.kind != "public"

    def lines(self, name: str) -> Iterator[tuple[str, bytes]]:
        """(record name, line) of a file, each line without its end."""
        for at, line in enumerate(io.BytesIO(self.files.get(name, b"")), 1):
            if not line.endswith(b"\n"):
                self.report.fail(f"the last line of {name} has no end")
            yield f"{name} line {at}", line.removesuffix(b"\n")

    def rows(self, name: str, *kinds: type, shared: bool = False) -> list[tuple[str, Any]]:
        """(record name, record) of each line of a file, in one of the forms; `shared`: other bundles of the day may
        have the same lines."""
        rows, seen, count = [], set[bytes](), 0
        for place, text in self.lines(name):
            seen.add(text)
            count += 1
            with self.report.on(place, "form"):
                rows.append((place, self.cache.of(read_line, text, kinds) if shared else read_line(text, kinds)))
        self.report.same(f"lines of {name}", len(seen), count, "once each there are")
        return rows

    # ---- the deployment

    def connect(self) -> None:
        """Hold chain.json against the anchors, and take up the node's chain (evidence.md sections 1 and 7)."""
        deployed, anchors, report = parse(self.files["chain.json"]), self.anchors, self.report
        contracts = {name: tohex(unhex(deployed["contracts"][name], 20)) for name in CONTRACTS}
        chain_id = whole(deployed["chain_id"])
        report.same("chain.json", deployed, {"chain_id": chain_id, "contracts": contracts}, "docs")
        if anchors is not None:
            chain_id, contracts = anchors.chain_id, {name: anchors.contracts[name].address for name in CONTRACTS}
            known = {"chain_id": chain_id, "contracts": contracts}
            report.same("chain.json", deployed, known, "the trust anchors hold")
            self.operators = set(anchors.roles.operator)
            seen = anchors.checkpoint
            report.held = Held(checkpoint_block=seen.block, checkpoint_sequence=seen.journal_sequence)
        self.contracts = contracts
        self.chain_id = chain_id
        self.sign = Signing(chain_id, contracts, self.cache)
        if self._rpc is not None:
            report.same("chain_id", chain_id, int(self._rpc("eth_chainId", []), 16), "the node answers")
            self._take_up(self.cache.of(read_chain, self._rpc, tuple(contracts.items()), self.asked_height))

    def chain_of(self, contracts: Mapping[str, str]) -> Chain:
        """What the same node says about other contracts at the same block. Raises Unusable where no chain is asked."""
        if self._rpc is None or self.chain is None:
            raise Unusable("no chain is asked; give --rpc")
        return self.cache.of(read_chain, self._rpc, tuple(contracts.items()), self.chain.height)

    def _take_up(self, chain: Chain) -> None:
        """Its contracts are those the Registry lists; what it says counts from here on (evidence.md section 1)."""
        self.chain = self.seen = chain
        self.operators = self.operators or chain.holders("operator")
        contracts = set(chain.contracts.values())
        listed = [chain.contracts["Registry"], *(args["location"] for args in chain.all("ContractRegistered"))]
        self.report.none("contracts that the Registry on chain does not list", contracts.difference(listed))
        speed = chain.number("Calendar", "speed()")
        self.report.held = replace(self.report.held, chain_id=self.sign.chain_id, block=chain.height, speed=speed)
        if self.anchors is not None:
            with self.report.on("anchors.json", "chain"):
                self._check_anchors(chain, self.anchors)

    def _check_anchors(self, chain: Chain, anchors: Anchors) -> None:
        """Genesis, checkpoint, clock, code and keys of the chain are those of the anchors (evidence.md section 7)."""
        report, point = self.report, anchors.checkpoint
        report.same("genesis_hash", anchors.genesis_hash, chain.block(0).hash, "the node holds")
        report.same("checkpoint.block_hash", point.block_hash, chain.block(point.block).hash, "the node holds")
        proof = chain.prove(Known(anchors.genesis_hash, point.block, point.block_hash))
        for fault in proof.faults:
            report.fail(f"the node contradicts the checkpoint: {fault}")
        if proof.headers and not proof.faults:
            report.held = replace(report.held, proven_block=proof.block)
        clock = {"speed()": anchors.speed, "origin()": anchors.origin_seconds, "start()": anchors.start_seconds}
        for function, value in clock.items():
            report.same(function.removesuffix("()"), value, chain.number("Calendar", function), "Calendar holds")
        for name, contract in anchors.contracts.items():
            report.same(
                f"contracts.{name}.code_hash", contract.code_hash, chain.code_hash(contract.address), "the node holds"
            )
        roles = anchors.roles
        held = {
            "operator": roles.operator,
            "treasurer": roles.treasurer,
            "registrar": roles.registrar,
            "security_admin": roles.security_admin,
        }
        never = [(role, key) for role, keys in held.items() for key in keys - chain.holders(role)]
        report.none("keys never granted their role on chain", never)

    # ---- events

    def on_chain(
        self, name: str, keys: Mapping[str, Any], values: Mapping[str, Any], *, later: bool = False
    ) -> Event | None:
        """The chain has an event of this name and keys, holding these values; `later`: it may not be there yet."""
        if self.chain is None:
            return None
        found = self.chain.find(name, keys)
        if found is None:
            if not later:
                self.report.fail(f"the chain has no {name} of {dict(keys)}")
            return None
        for key, value in values.items():
            self.report.same(key, value, found.args[key], f"{name} on chain holds")
        self.mark_told(found)
        return found

    def anchored_before(self, mtu: int) -> int:
        """Sequence of the last head that was anchored when an MTU began."""
        return self.anchored_by(mtu * MTU_SECONDS)

    def anchored_by(self, seconds: int) -> int:
        """Sequence of the last head that was anchored at a market time.

        Above every sequence where nothing tells: where no chain is asked, and in a personal bundle, without a journal.
        """
        heads = self._anchored()
        if heads is None:
            return MOST_SEQUENCE
        at = bisect_right(heads, (seconds, MOST_SEQUENCE))
        return heads[at - 1][1] if at else 0

    def _anchored_next(self, seconds: int) -> int:
        """Sequence of the first head after a market time, if anchored within the hour, else of the last one before."""
        heads = self._anchored() or []
        at = bisect_right(heads, (seconds, MOST_SEQUENCE))
        soon = at < len(heads) and heads[at][0] <= seconds + GRACE_SECONDS
        return heads[at][1] if soon else self.anchored_by(seconds)

    def _anchored(self) -> list[tuple[int, int]] | None:
        """Market time and sequence of each anchored head, ascending; None where nothing tells."""
        chain = self.chain
        if chain is None or self.report.kind == "personal":
            return None
        if self._heads is None:
            found = [(chain.market_time(event.block), event.args["sequence"]) for event in chain.named("HeadAnchored")]
            self._heads = sorted(found)
        return self._heads

    def mark_told(self, event: Event) -> None:
        """A fact of this bundle tells this event."""
        self._told.add(id(event))

    def is_told(self, event: Event) -> bool:
        """Whether a fact of this bundle tells this event."""
        return id(event) in self._told

    # ---- signatures

    def check_receipt(self, signature: str, *values: Any) -> None:
        """Signed by the operator; where none is known, by whoever signed the first receipt."""
        signer = self.sign.signer(signature, "Receipt", *values)
        self.operators = self.operators or {signer}
        expected = signer if signer in self.operators else min(self.operators)
        self.report.same("receipt signer", signer, expected, "the operator is")

    def check_quorum(
        self, area: str, signatures: Sequence[str], attesters: Attesters, shape: str, *values: Any
    ) -> list[str]:
        """Enough distinct attesters of an area signed, and no one else; who did. Anchors, then the chain, say who they
        are, only then the journal."""
        if self.anchors is not None:
            known = self.anchors.areas[area]
            attesters = Attesters(known.attesters, known.threshold)
        elif self.chain is not None:
            holders = self.chain.holders("attester", ident(area))
            attesters = Attesters(frozenset(holders), self.chain.number("Roles", "config()"))
        digest = self.sign.digest(shape, *values)
        signers = [self.sign.recover(digest, signature) for signature in signatures]
        strangers = set(signers) - attesters.addresses if attesters.addresses else set()
        self.report.none("signers that are no attesters", strangers)
        self.report.ascending("signers", signers)
        if len(set(signers)) < max(attesters.threshold, 1):
            self.report.fail(len(set(signers)), name="signatures", source="needed are", expected=attesters.threshold)
        return signers

    def check_attestation(
        self, area: str, item: Attestation | AttestationLine | OwnReading, attesters: Attesters
    ) -> dict[str, Any]:
        """Signed by enough attesters; on chain with these values (evidence.md section 3, `reading.attested`). Returns
        what names its event, which may still come."""
        keys = {"area": ident(area), "mtu": item.mtu, "revision": item.revision}
        values = {"root": item.root, "count": item.count, "importWh": item.import_wh, "exportWh": item.export_wh}
        self.check_quorum(area, item.signatures, attesters, "Attestation", *keys.values(), *values.values())
        # Whoever sent it first may have sent it with signatures of other attesters.
        self.on_chain("ReadingsAttested", keys, values, later=True)
        return keys

    def check_settlement(
        self,
        area: str,
        period: int,
        revision: int,
        hashes: SettledHashes,
        signatures: Sequence[str],
        attesters: Attesters,
    ) -> tuple[bool, list[str]]:
        """Signed by enough attesters. Whether it is the one on chain (one that reverted is signed again), and who
        signed (evidence.md section 3, `settlement.signed`)."""
        keys = {"area": ident(area), "period": period, "revision": revision}
        values = hashes.as_event()
        signers = self.check_quorum(area, signatures, attesters, "Settlement", *keys.values(), *values.values())
        found = self.seen.find("PeriodSettled", keys)
        held = found is not None and all(found.args[key] == value for key, value in values.items())
        if found is not None and held:
            self.mark_told(found)
        return held, signers

    def check_dso(self, area: str, dso: str, signature: str, shape: str, *values: Any) -> None:
        """Signed by the area's DSO, who is the one named."""
        signer = self.check_any_dso(area, signature, shape, *values)
        self.report.same("dso", dso, signer, f"{shape} is signed by")

    def check_any_dso(self, area: str, signature: str, shape: str, *values: Any) -> str:
        """Signed by a key that is, or was, the area's DSO (its code); returns who signed."""
        signer = self.sign.signer(signature, shape, *values)
        known = self._dso_keys(area) or {signer}
        self.report.none(f"signers of a {shape} that are not the area's DSO", {signer}.difference(known))
        self._check_in_office(signer, "dso", ident(area))
        return signer

    def _check_in_office(self, key: str, role: str, area: str) -> None:
        """What a key signed for its role counts where it stands under the first head anchored after the role's end, if
        that was within the hour; what it signs later binds nobody (`area`: its id)."""
        place = (key, role, area)
        if self.chain is not None and place not in self._in_office:
            changes = [
                event
                for event in self.chain.named("RoleGranted", "RoleRevoked")
                if (event.args["key"], event.args["role"]) == (key, ROLES[role])
                and event.args["area"] in (area, ZERO_HEX)
            ]
            ended = bool(changes) and changes[-1].name == "RoleRevoked"
            self._in_office[place] = (
                self._anchored_next(self.chain.market_time(changes[-1].block)) if ended else MOST_SEQUENCE
            )
        last = self._in_office.get(place, MOST_SEQUENCE)
        if self.at.sequence > last:
            name = f"entry with a signature of {key}, which lost its role of {role},"
            self.report.fail(self.at.sequence, name=name, source="anchored by then was", expected=last)

    def _dso_keys(self, area: str) -> Collection[str]:
        """All keys that the DSO of an area ever had; none where neither trust anchors nor chain tell."""
        if self.anchors is not None:
            return self.anchors.areas[area].dso
        return self.chain.holders("dso", ident(area)) if self.chain is not None else ()

    def _registrar_keys(self) -> Collection[str]:
        """The same of the registrar."""
        if self.anchors is not None:
            return self.anchors.roles.registrar
        return self.chain.holders("registrar") if self.chain is not None else ()

    # ---- terms

    def check_tariff(self, fact: TariffPublished) -> None:
        """Each part is signed by who makes its prices (evidence.md section 3, `tariff.published`)."""
        version, first = (fact.tariff, fact.version, fact.area), fact.valid_from_mtu
        supply = (
            fact.supply_neur_per_wh,
            fact.feed_in_neur_per_wh,
            fact.imbalance_surplus_neur_per_wh,
            fact.imbalance_shortfall_neur_per_wh,
        )
        grid = (
            fact.excess_neur_per_wh,
            fact.grid_fee_neur_per_wh,
            fact.grid_fee_local_neur_per_wh,
            fact.compensation_neur_per_wh,
        )
        taxes = (fact.levy_neur_per_wh, fact.vat_bp)
        retailer, sign = fact.retailer, self.sign
        self.report.same(
            "retailer",
            retailer,
            sign.signer(fact.retailer_signature, "SupplyPrices", *version, retailer, first, *supply),
            "SupplyPrices is signed by",
        )
        for role, name, shape, signature, known, prices in (
            ("dso", "the area's DSO", "GridPrices", fact.dso_signature, self._dso_keys(fact.area), grid),
            ("registrar", "the registrar", "Taxes", fact.registrar_signature, self._registrar_keys(), taxes),
        ):
            signer = sign.signer(signature, shape, *version, first, *prices)
            self.report.none(f"signers of {shape} who are not {name}", {signer}.difference(known or {signer}))
            self._check_in_office(signer, role, ident(fact.area))

    def check_agreement(self, fact: AgreementSigned) -> None:
        """Account and retailer signed it (evidence.md section 3, `agreement.signed`)."""
        values = (fact.agreement, fact.version, fact.account, fact.retailer, fact.tariff, fact.valid_from_mtu)
        for party, due, signature in (
            ("account", fact.account, fact.account_signature),
            ("retailer", fact.retailer, fact.retailer_signature),
        ):
            signer = self.sign.signer(signature, "Agreement", *values)
            self.report.same(party, due, signer, "Agreement is signed by")


def read_line(text: bytes, kinds: tuple[type, ...]) -> Any:
    """A line in the one of the forms that has its members, else in the first. Raises ValueError."""
    row: Json = parse(text)
    kind = next((kind for kind in kinds if form_of(kind).needed <= set(row) <= form_of(kind).names), kinds[0])
    return record(kind, row)


def read_chain(ask: Rpc, contracts: tuple[tuple[str, str], ...], height: int | None) -> Chain:
    """The chain of a node as of a block (None: the newest)."""
    return Chain(ask, dict(contracts), height)
