"""What a deployment took over from the one before it: opening balances here are closing balances there.

Source: docs/evidence.md section 3 (`deployment.succeeded`), docs/protocol.md section 7 (handovers).
"""

from __future__ import annotations

from collections.abc import Mapping

from verifier.blocks import Known
from verifier.chain import CONTRACTS, Chain, Event
from verifier.evidence import Evidence
from verifier.hashes import ZERO, keccak, tohex
from verifier.party_facts import DeploymentSucceeded
from verifier.signatures import Signing, abi_encode

NONE = "0x" + "00" * 20

ALONG = ("account", "area", "creditNeur", "balanceNeur", "backingNeur")
"""What both deployments say alike of an account that went over."""


class Handover:
    """The handover of areas and accounts, read from both deployments on the same chain."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._report = evidence.report
        self._told: DeploymentSucceeded | None = None

    # ---- facts

    def succeeded(self, fact: DeploymentSucceeded) -> None:
        """Told once; the deployment before is that of the anchors."""
        self._report.none("deployments told before", [] if self._told is None else [self._told])
        self._told = fact
        contracts = _contracts(fact)
        self._report.same("contracts", sorted(contracts), sorted(CONTRACTS), "a deployment has")
        if self._evidence.anchors is not None:
            known = {name: anchored.address for name, anchored in (self._evidence.anchors.predecessor or {}).items()}
            self._report.same("contracts", contracts, known, "the trust anchors hold as predecessor")

    # ---- both deployments

    def check(self, chain: Chain) -> None:
        """All that came from the deployment before left it, by the agreement of its roles, and nothing else did."""
        report, address = self._report, tohex(chain.number("Handovers", "predecessor()").to_bytes(20, "big"))
        told = NONE if self._told is None else _contracts(self._told)["Handovers"]
        report.same("predecessor", told, address, "Handovers holds")
        if self._told is None:
            report.none("accounts taken over from nowhere", chain.named("AccountTakenOver"))
            return
        before = self._evidence.chain_of(_contracts(self._told))
        self._check_code(before)
        self._check_anchor(before, self._told)
        agreed = self._agreed(before, chain.contracts["Handovers"])
        for event in agreed.values():
            self._check_signed(before, chain, event)
            self._check_begin(before, chain, event)
        self._check_accounts(before, chain, agreed)

    def _check_code(self, before: Chain) -> None:
        """The contracts before hold the code that the anchors name, and said what the node tells of them."""
        anchors = self._evidence.anchors
        if anchors is None:
            return
        point = anchors.checkpoint
        proof = before.prove(Known(anchors.genesis_hash, point.block, point.block_hash))
        for fault in proof.faults:
            self._report.fail(f"the node contradicts the checkpoint: {fault}")
        if not proof.headers and self._report.held.proven_block is not None:
            self._report.fail("the node shows headers for this deployment and none for the one before")
        known = anchors.predecessor
        for name, anchored in (known or {}).items():
            held = before.code_hash(anchored.address)
            self._report.same(f"predecessor.{name}.code_hash", anchored.code_hash, held, "the node holds")

    def _check_anchor(self, before: Chain, told: DeploymentSucceeded) -> None:
        """The journal that this one goes on from was anchored there."""
        heads = [(args["sequence"], args["head"]) for args in before.all("HeadAnchored")]
        if (told.journal_sequence, told.journal_head) not in heads:
            self._report.fail(told.journal_head, name="journal_head", source="Anchors before hold", expected=heads[-1:])

    def _agreed(self, before: Chain, successor: str) -> dict[str, Event]:
        """The agreements with this deployment that stand, by area."""
        standing: dict[str, Event] = {}
        for event in before.named("HandoverAgreed", "HandoverWithdrawn"):
            standing.pop(event.args["area"], None)
            if event.name == "HandoverAgreed" and event.args["successor"] == successor:
                standing[event.args["area"]] = event
        return standing

    def _check_signed(self, before: Chain, chain: Chain, agreed: Event) -> None:
        """Operator, DSO and enough attesters of the area signed for these contracts with this code."""
        report, args, area = self._report, agreed.args, agreed.args["area"]
        report.same("codesHash", args["codesHash"], codes_hash(chain), "this deployment gives")
        signing = Signing(self._evidence.chain_id, before.contracts, self._evidence.cache)
        values = (area, args["period"], args["successor"], args["codesHash"], args["deadline"])
        digest = signing.digest("Handover", *values)
        found = before.find("HandoverSigned", {"area": area, "digest": tohex(digest)})
        if found is None:
            report.fail(tohex(digest), name="digest", source="HandoverSigned of the area holds", expected="another one")
            return
        signed = found.args
        for role in ("operator", "dso"):
            signer = signing.recover(digest, signed[f"{role}Signature"])
            report.none(f"signers that are no {role}", {signer} - before.holders(role, area))
        attesters = [signing.recover(digest, signature) for signature in signed["attesterSignatures"]]
        report.none("signers that are no attesters", set(attesters) - before.holders("attester", area))
        needed = before.number("Roles", "config()")
        if len(set(attesters)) < needed:
            report.fail(len(set(attesters)), name="signatures", source="needed are", expected=needed)

    def _check_begin(self, before: Chain, chain: Chain, agreed: Event) -> None:
        """The area begins here where it ended there."""
        there, here = (
            [args for args in each.all("PeriodDeclared") if args["area"] == agreed.args["area"]]
            for each in (before, chain)
        )
        self._report.same("period", agreed.args["period"], len(there), "periods before")
        if here and there:
            end = there[-1]["firstMtu"] + there[-1]["count"]
            self._report.same("firstMtu", here[0]["firstMtu"], end, "the deployment before ends at")

    def _check_accounts(self, before: Chain, chain: Chain, agreed: Mapping[str, Event]) -> None:
        """What accounts have here at first is what they had there at last, once all periods there were Final."""
        ours = chain.contracts["Handovers"]
        left = [_along(event) for event in before.named("AccountLeft") if event.args["successor"] == ours]
        taken = [_along(event) for event in chain.named("AccountTakenOver")]
        self._report.same("accounts taken over", taken, left, "the deployment before let go")
        areas = {event.args["area"] for event in chain.named("AccountTakenOver")}
        self._report.none("areas taken over without agreement", areas - agreed.keys())
        for area in areas:
            finals = [event for event in before.named("PeriodFinalised") if event.args["area"] == area]
            declared = [args for args in before.all("PeriodDeclared") if args["area"] == area]
            self._report.same("final periods", len(finals), len(declared), "periods before")


def codes_hash(chain: Chain) -> str:
    """What roles sign of a deployment: its contracts by name, and their code."""
    running = ZERO
    for name in sorted(CONTRACTS):
        address = chain.contracts[name]
        running = keccak(running + abi_encode("address", address) + bytes.fromhex(chain.code_hash(address)[2:]))
    return tohex(running)


def _contracts(fact: DeploymentSucceeded) -> dict[str, str]:
    return {item.name: item.address for item in fact.contracts}


def _along(event: Event) -> tuple[object, ...]:
    """An account that went over: in which transaction, and with what."""
    return (event.tx, *(event.args[name] for name in ALONG))
