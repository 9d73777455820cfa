"""The verifier against honest ledgers that look unusual, and against the personal bundles of dishonest ones."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any, Self

import pytest

from domain.eip712 import KEY_REGISTRATION
from domain.hashing import canonical_json, keccak, text_id, to_hex
from tests import nominated
from tests.unit.verifier.bundles import seal
from tests.unit.verifier.fake_chain import CONTRACTS, FIRST, GATE, address, sign
from tests.unit.verifier.journal import Emits, Payload
from tests.unit.verifier.small_day import Day
from tests.unit.verifier.test_attacks import Crossed, verdict_of
from tests.unit.verifier.test_small_day import messages
from verifier.verify import verify

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def day() -> Any:
    """A clean day."""
    return Day().run()


class Reverted(Day):
    """A settlement reverts because readings came late, and is signed again over the new state."""

    def run(self) -> Self:
        """Settle in vain, then again."""
        self.begin()
        before, statements, balances = dict(self.before), list(self.statements), dict(self.chain.balances)
        self.reverts = True
        self.settle(0)
        self.reverts = False
        self.before, self.statements, self.chain.balances = before, statements, balances
        self.late()
        self.settle(0)
        self.end()
        return self

    reverts = False

    def send(self, role: str, contract: str, function: str, args: list[Any], *events: Emits) -> str:
        """Without an event a transaction reverts."""
        return super().send(role, contract, function, args, *(() if self.reverts else events))


class CrossedJustNow(Crossed):
    """The bundle is made before attesters could correct the substitute."""

    steps = tuple(step for step in Crossed.steps if step != "unread")

    def run(self) -> Self:
        """Up to the readings."""
        self.begin()
        self.chain.views["supply"] = 0
        self.anchor_last()
        return self


class NoMoney(Day):
    """Nobody deposits, covers or redeems."""

    def fund(self) -> None:
        """Nothing."""
        self.chain.now += 7_200
        self.chain.views["supply"] = 0


class SentBefore(Day):
    """An attester sends the first attestation itself, with signatures of its own choice; the operator's batch passes it
    over, as it stands."""

    waits = True

    def carry_out(self, asked: Payload, *events: Emits) -> str:
        """Let the attester be first, once."""
        if asked["function"] == "attestMany" and self.waits:
            self.waits = False
            made = self.chain.mine("a1", to=CONTRACTS["Readings"], data=b"attest")
            first, *rest = events
            self.chain.emit("Readings", first.name, first.types, [*first.values[:-1], [bytes(65)]], made["tx_hash"])
            area, mtu, _, root = first.values[:4]
            kept = Emits("ReadingsPassedOver", "bytes32*,uint32*,uint32,bool,bytes32", [area, mtu, 1, False, root])
            events = (kept, *rest)
        return super().carry_out(asked, *events)


class PartlyOverlapping(Day):
    """Sessions of two earlier gates share some of the day's MTUs, and p2 is nominated for these alone."""

    gates = (GATE - 7_200, GATE - 3_600)

    def __init__(self) -> None:
        super().__init__()
        for mtu, net_wh in nominated.FLOWS.items():
            self.schedules["p2"][mtu] = net_wh

    def open(self) -> None:
        """Open all three."""
        super().open()
        for gate, net_wh in zip(self.gates, nominated.EARLIER, strict=True):
            self.open_another(gate, 1, FIRST, len(net_wh))

    def trade(self) -> None:
        """Nominate for the earlier ones, which nobody signs, and go on."""
        for gate, net_wh in zip(self.gates, nominated.EARLIER, strict=True):
            self.nominate("h2", "p2", session=gate, net_wh=net_wh)
            self.close_session(gate, FIRST, [self.empty_book(gate, FIRST + mtu) for mtu in range(len(net_wh))])
            self.end_session(gate)
        super().trade()


class EarliestAlone(PartlyOverlapping):
    """The operator passes over what was nominated last."""

    def __init__(self) -> None:
        super().__init__()
        self.schedules["p2"][: len(nominated.EARLIER[0])] = nominated.EARLIER[0]


class NewMeterKey(Day):
    """A meter gets a new key, valid later."""

    def unread(self) -> None:
        """Register it."""
        super().unread()
        meter = next(e["payload"] for e in self.entries if e["kind"] == "meter.registered")
        self.register_meter(meter["meter"], meter["point"], "0x" + "11" * 32, FIRST + 5_000)


class LaterKeyFirst(Day):
    """A key for later is registered; orders for the day are signed with the one that is valid then."""

    def open(self) -> None:
        """Register one for a far MTU."""
        values: dict[str, Any] = {"account": address("h1"), "orderKey": address("later"), "point": text_id("p1")}
        values["validFromMtu"] = FIRST + 5_000
        signature = sign("h1", KEY_REGISTRATION, values, "Settlement")
        body = {"account": address("h1"), "order_key": address("later"), "point": "p1"}
        self.fact("key.registered", {**body, "valid_from_mtu": FIRST + 5_000, "signature": signature})
        super().open()


def erasing(kind: str, chosen: Callable[[dict[str, Any]], bool] = lambda body: True) -> Any:
    """A day of which an opening is erased after Final."""

    class Forgotten(Day):
        """With an erasure."""

        ending = (*Day.ending, "forget")

        def forget(self) -> None:
            """Erase."""
            self.erase(kind, chosen)

    return Forgotten


HONEST = {
    "settlement reverted": (Reverted, "clean"),
    "reading crossed its substitute": (Crossed, "clean"),
    "reading crosses its substitute": (CrossedJustNow, "clean, in part"),
    "attestation sent before by an attester": (SentBefore, "clean"),
    "no money": (NoMoney, "clean"),
    "nominated for some MTUs at earlier gates": (PartlyOverlapping, "clean"),
    "new meter key": (NewMeterKey, "clean"),
    "later order key": (LaterKeyFirst, "clean"),
    "readings erased": (erasing("reading.attested"), "clean, in part"),
    "program erased": (erasing("program.validated"), "clean, in part"),
    "order erased": (erasing("order.accepted", lambda b: b["order"]["mtu"] == FIRST), "clean, in part"),
    "retailer's order erased": (erasing("order.accepted", lambda b: b["point"] is None), "clean, in part"),
    "cancel erased": (erasing("order.cancelled"), "clean, in part"),
    "participant erased": (erasing("participant.registered"), "clean, in part"),
    "key erased": (erasing("key.registered"), "clean, in part"),
    "proposal erased": (erasing("settlement.proposed"), "clean, in part"),
}


@pytest.mark.parametrize(("kind", "verdict"), HONEST.values(), ids=HONEST.keys())
def test_verify__honest_ledger_that_looks_unusual__is_not_wrong(kind: Any, verdict: str) -> None:
    report = verdict_of(kind().run())

    assert (messages(report), report.verdict) == ("", verdict)


def test_verify__erasure_of_a_fact_that_names_nobody__is_found() -> None:
    report = verdict_of(erasing("agreement.signed")().run())

    assert "closed without an erasure" in messages(report)


def test_verify__second_operator_key__counts_once_the_trust_anchors_name_both() -> None:
    class Rotated(Day):
        """The operator's key is replaced while orders come in."""

        def cancel(self, who: str, tag: str) -> None:
            """From here on the second key signs."""
            super().cancel(who, tag)
            made_tx = self.chain.mine("security_admin", to=CONTRACTS["Roles"], data=b"")
            values = [address("operator2"), 1, to_hex(text_id("operator")), to_hex(bytes(32))]
            self.chain.emit("Roles", "RoleGranted", "address*,uint8*,bytes32*,bytes32", values, made_tx["tx_hash"])
            self.tell_block()
            self.operator = "operator2"

    day = Rotated().run()
    both = day.anchors()
    both["roles"]["operator"] = [address("operator"), address("operator2")]

    assert "receipt signer" in messages(verdict_of(day))
    assert messages(verify(day.auditor(), both, day.chain.rpc)) == ""


# ---- personal bundles
def test_verify__another_area_settles_a_period_of_its_own__personal_bundle_is_clean() -> None:
    class Neighbour(Day):
        """The chain settles a period under a number that this area never had."""

        def finalise(self) -> None:
            """The other area's settlement."""
            made = self.chain.mine("other", to=CONTRACTS["Settlement"], data=b"")
            hashes = [keccak(bytes([at])) for at in range(5)]
            types = "bytes32*,uint32*,uint32*,bytes32,bytes32,bytes32,bytes32,bytes32"
            self.chain.emit("Settlement", "PeriodSettled", types, [text_id("other/1"), 77, 0, *hashes], made["tx_hash"])
            self.tell_block()
            super().finalise()

    day = Neighbour().run()

    assert messages(verify(day.personal("h1", "household", "p1"), day.anchors(), day.chain.rpc)) == ""


def test_verify__substitute_that_a_revision_corrects__is_clean_in_the_personal_bundle() -> None:
    day = Crossed().run()

    assert messages(verify(day.personal("h2", "household", "p2"), day.anchors(), day.chain.rpc)) == ""


def personal(day: Any, name: str, point: str, **files: bytes) -> Any:
    """The verdict on a household's bundle of which some files are replaced."""
    held = {k: v for k, v in day.personal(name, "household", point).items() if k not in ("manifest.json", "chain.json")}
    replaced = {f"{key}.jsonl": data for key, data in files.items()}
    return verify(seal("personal", {**held, **replaced}), day.anchors(), day.chain.rpc)


def test_verify__programs_of_a_personal_bundle_not_by_session__is_found(day: Any) -> None:
    line = json.loads(day.personal("h1", "household", "p1")["programs.jsonl"])
    swapped = [line | {"session": line["session"] + 60}, line]
    rows = b"".join(canonical_json(row) + b"\n" for row in swapped)

    assert "order of the lines of programs.jsonl" in messages(personal(day, "h1", "p1", programs=rows))


def test_verify__personal_bundle_without_a_revision__is_found(day: Any) -> None:
    first_line = day.personal("h1", "household", "p1")["statements.jsonl"].splitlines(keepends=True)[0]

    assert "no statement for period 1, revision 1" in messages(personal(day, "h1", "p1", statements=first_line))


def test_verify__personal_bundle_with_empty_files__is_found(day: Any) -> None:
    names = ("statements", "terms", "orders", "results", "readings", "messages", "programs")

    assert "no statement for period 1, revision 0" in messages(personal(day, "h1", "p1", **dict.fromkeys(names, b"")))


def test_verify__personal_bundle_without_a_result__is_found(day: Any) -> None:
    lines = day.personal("h1", "household", "p1")["results.jsonl"].splitlines(keepends=True)

    assert "there is no result for MTU" in messages(personal(day, "h1", "p1", results=b"".join(lines[1:])))


def without_first(day: Any, file: str) -> dict[str, bytes]:
    """The bundle of a household that leaves out the first line of a file."""
    held = day.personal("h1", "household", "p1")
    kept = {k: v for k, v in held.items() if k not in ("manifest.json", "chain.json")}
    return seal("personal", kept | {file: b"".join(held[file].splitlines(keepends=True)[1:])})


def test_verify__personal_bundle_that_leaves_out_what_came_before__is_wrong_without_anchors_too(day: Any) -> None:
    assert "there is no result for MTU" in messages(verify(without_first(day, "results.jsonl"), None, day.chain.rpc))


def test_verify__personal_bundle_older_than_the_chain__is_not_verifiable_without_anchors() -> None:
    class Aged(Day):
        """Keeps a household's bundle as it was after the first settlement."""

        def late(self) -> None:
            self.older = self.personal("h1", "household", "p1")
            super().late()

    day = Aged().run()
    without, held = verify(day.older, None, day.chain.rpc), verify(day.older, day.anchors(), day.chain.rpc)

    assert (messages(without), without.exit_code) == ("", 4)
    assert any("not verifiable without trust anchors" in gap for gap in without.gaps)
    assert "no statement for period 1, revision 1" in messages(held) and held.exit_code == 3


def test_verify__personal_bundle_without_its_program__is_found(day: Any) -> None:
    assert "programs.jsonl does not show" in messages(personal(day, "h1", "p1", programs=b""))


def test_verify__attested_reading_withheld_and_billed_as_traded__is_found() -> None:
    class AsTraded(Day):
        """Attesters settle one MTU of p3 as traded."""

        def inputs(self, revision: int) -> Any:
            given = super().inputs(revision)
            kept = [m for m in given.metered if (m.point, m.mtu) != ("p3", FIRST)]
            return dataclasses.replace(given, metered=tuple(kept))

    day = AsTraded().run()
    lines = day.personal("h3", "household", "p3")["readings.jsonl"].splitlines(keepends=True)
    kept = b"".join(line for line in lines if json.loads(line)["reading"]["mtu"] != FIRST)

    assert "attested MTUs without my reading" in messages(personal(day, "h3", "p3", readings=kept))


def test_verify__excess_without_an_envelope__is_found_by_its_holder() -> None:
    class Invented(Day):
        """Attesters charge h2 for import beyond an envelope that never was."""

        def inputs(self, revision: int) -> Any:
            given = super().inputs(revision)
            limits = [dataclasses.replace(l, import_cap_wh=0) if l.point == "p2" else l for l in given.limits]  # noqa: E741
            return dataclasses.replace(given, limits=tuple(limits))

    assert "orders, readings and terms give" in messages(personal(Invented().run(), "h2", "p2"))


def test_verify__envelope_or_schedule_that_the_dso_did_not_sign__is_found(day: Any) -> None:
    row = json.loads(day.personal("h1", "household", "p1")["programs.jsonl"])
    other = {**row, "net_wh": [0, *row["net_wh"][1:]]}
    more = {**row, "envelopes": [], "envelope_hashes": [to_hex(keccak(b"[]"))] * 3}

    assert "schedule_hashes hold" in messages(personal(day, "h1", "p1", programs=canonical_json(other) + b"\n"))
    assert "the signed report holds" in messages(personal(day, "h1", "p1", programs=canonical_json(more) + b"\n"))


def test_verify__schedule_of_an_earlier_gate_alone__names_what_the_later_one_holds() -> None:
    found = messages(verdict_of(EarliestAlone().run()))

    assert "schedule of point p2" in found and "schedule.nominated holds" in found
