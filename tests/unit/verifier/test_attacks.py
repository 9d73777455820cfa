"""The verifier against a dishonest operator, who makes journal, receipts, manifest and anchored head fit, and against
attesters who sign what it wants; and against honest ledgers that look unusual.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable
from typing import Any, Self

import pytest

from domain.hashing import text_id, to_hex
from domain.members import noun_json
from domain.orders import schedule_digest
from domain.readings import Quality
from domain.statements import Statement
from domain.words import settlement_words
from settling.settlement import Settled
from tests.unit.verifier.bundles import auditor_bundle, jsonl, played, seal
from tests.unit.verifier.fake_chain import FIRST, GATE, MARKET, address, key_of, noise
from tests.unit.verifier.metering import MISSING, Registers, registers_of
from tests.unit.verifier.programs import REFUSED
from tests.unit.verifier.small_day import Day
from tests.unit.verifier.test_small_day import messages
from verifier.command import main
from verifier.verdict import USAGE, WRONG
from verifier.verify import verify

pytestmark = pytest.mark.unit


def verdict_of(day: Any) -> Any:
    """The auditor's verdict on a day as it was run."""
    return verify(day.auditor(), day.anchors(), day.chain.rpc)


def replayed(day: Any, change: Callable[[list[dict[str, Any]]], Any]) -> Any:
    """The verdict after the operator changed its journal and made all it can fit."""
    entries = json.loads(json.dumps(day.entries))
    change(entries)
    return verify(*played(day, entries))


@pytest.fixture(scope="module")
def day() -> Any:
    """A clean day."""
    return Day().run()


class Resurrected(Day):
    """A cancelled order is accepted again, with the signature it had."""

    def cancel(self, who: str, tag: str) -> None:
        """Withdraw, then bring it back."""
        order, body = self.orders[tag][0], dict(self.accepted[tag])
        super().cancel(who, tag)
        body["market_time"] += 20
        sequence = self.fact("order.accepted", body)
        self.receipt(sequence, order.mtu, tag, order.revision, 1, body["market_time"])
        self.orders[tag] = (order, body["point"])


class OldKeyNominates(Day):
    """Whoever found a household's old device nominates with a key that was replaced before."""

    def nominate(self, who: str, point: str, **given: Any) -> None:
        """After the household registered a new key."""
        old = self.devices[who]
        self.register_key(who, point, f"{who}'s new device", FIRST)
        new, self.devices[who] = self.devices[who], old
        super().nominate(who, point, **given)
        self.devices[who] = new


class LaterKeyNominates(Day):
    """A key that is valid later on nominates already."""

    def nominate(self, who: str, point: str, **given: Any) -> None:
        """With a key for the day after."""
        valid = self.devices[who]
        self.register_key(who, point, f"{who}'s later device", FIRST + 96)
        super().nominate(who, point, **given)
        self.devices[who] = valid


class FirstAtThree(Day):
    """Earlier revisions of an order are hidden."""

    def order(self, who: str, *args: Any, order_id: str, revision: int = 0) -> Any:
        """One order begins at revision 3."""
        return super().order(who, *args, order_id=order_id, revision=revision + 3 * ((who, order_id) == ("h3", "b")))


class ClearedTwice(Day):
    """An MTU is cleared twice in the journal, and attesters sign the double bill."""

    def record(self) -> None:
        """Tell one clearing again."""
        super().record()
        entry = next(e for e in self.entries if e["kind"] == "mtu.cleared" and e["payload"]["mtu"] == FIRST)
        self.fact("mtu.cleared", dict(entry["payload"]))

    def inputs(self, revision: int) -> Any:
        given = super().inputs(revision)
        trades = [t for t in given.trades for _ in range(1 + (t.mtu == FIRST))]
        return dataclasses.replace(given, trades=tuple(trades))


@dataclasses.dataclass(frozen=True)
class MovedStatement(Statement):
    """A statement that says another amount than its lines give."""

    moved_neur: int = 0

    @classmethod
    def of(cls, statement: Statement, moved_neur: int) -> Self:
        """The same lines, another sum."""
        same = {item.name: getattr(statement, item.name) for item in dataclasses.fields(Statement)}
        return cls(**same, moved_neur=moved_neur)

    @property
    def amount_neur(self) -> int:
        """Not the sum of the lines."""
        return sum(line.amount_neur for line in self.lines) + self.moved_neur


class Moved(Day):
    """Attesters sign a settlement that moves 1 EUR from a household to the retailer, and something is erased."""

    erased_kind: tuple[str, Callable[[dict[str, Any]], bool]] = ("reading.attested", lambda body: True)

    def computed(self, revision: int) -> Settled:
        """Move money in the first settlement."""
        settled = super().computed(revision)
        if revision > 0:
            return settled
        statements = dict(settled.statements)
        for name, amount in (("h1", -(10**9)), ("retail", 10**9)):
            account = key_of(name).address
            statements[account] = MovedStatement.of(statements[account], amount)
        words = settlement_words({account: statement.due_neur for account, statement in statements.items()})
        return Settled(statements=statements, words=tuple(words), tariff_hash=settled.tariff_hash)

    ending = (*Day.ending, "forget")

    def forget(self) -> None:
        """Erase."""
        self.erase(*self.erased_kind)


class MovedBehindOrder(Moved):
    """The same behind an erased order of the period."""

    erased_kind = ("order.accepted", lambda body: body["order"]["mtu"] == FIRST and body["point"] == "p3")


class EarlyErasure(Day):
    """An order is erased before its period is Final."""

    ending = ("fund", "forget", "finalise")

    def forget(self) -> None:
        """Erase an order that traded."""
        self.erase("order.accepted", lambda body: body["order"]["mtu"] == FIRST)


class Backdated(Day):
    """A dearer tariff is published after delivery, valid from the first MTU."""

    def unread(self) -> None:
        """Publish it."""
        super().unread()
        dear = {"supply_neur_per_wh": 600_000, "imbalance_shortfall_neur_per_wh": 600_000}
        self.dear = self.priced(version=2, valid_from_mtu=FIRST, **dear)
        self.fact("tariff.published", noun_json(self.dear))

    def inputs(self, revision: int) -> Any:
        return dataclasses.replace(super().inputs(revision), tariffs=(self.tariff, self.dear))


class BackdatedAgreement(Day):
    """A household's agreement changes after its books closed, for MTUs in them."""

    def validate(self) -> None:
        """Sign it late."""
        late = self.agreed("h1", agreement="agr-h1", version=2, valid_from_mtu=FIRST)
        self.fact("agreement.signed", noun_json(late))
        self.agreements.append(late)
        super().validate()


class Withheld(Day):
    """Set-points of a signed program are never issued, and attesters settle as if there was no envelope."""

    def fact(self, kind: str, payload: dict[str, Any]) -> int:
        """Leave them out."""
        return 0 if kind == "setpoints.issued" else super().fact(kind, payload)

    def inputs(self, revision: int) -> Any:
        return dataclasses.replace(super().inputs(revision), limits=())


class NeverIssued(Day):
    """Set-points of a signed program are never issued, though everybody settles by its envelopes."""

    def fact(self, kind: str, payload: dict[str, Any]) -> int:
        """Leave them out."""
        return 0 if kind == "setpoints.issued" else super().fact(kind, payload)


class MadeUp(Day):
    """A transaction of a stranger is told that never was."""

    def validate(self) -> None:
        """Tell of a deposit."""
        super().validate()
        place = {"sender": OTHER, "tx_hash": NO_HASH, "block": 1, "block_hash": NO_HASH, "block_time": 1}
        args = {"account": OTHER, "amountNeur": 1, "ref": NO_HASH}
        event = {"contract": "Accounts", "event": "Deposited", "args": args}
        self.fact("chain.observed", {**place, "events": [event]})


class UnsignedSetpoints(Day):
    """Set-points of the refused program are issued."""

    def refuse(self) -> None:
        """Issue them."""
        super().refuse()
        self.fact("setpoints.issued", {"market": MARKET, "session": REFUSED, "envelopes": []})


class NoCorrection(Day):
    """Late readings change what is owed, and nothing corrects it."""

    def settle(self, revision: int) -> None:
        """Only once."""
        if revision == 0:
            super().settle(0)


class LeftOut(Day):
    """One meter has no leaf all day; its household settles as traded."""

    def attest(self, mtu: int, revision: int, readings: list[Any]) -> Any:
        """Without p3."""
        return super().attest(mtu, revision, [r for r in readings if r.meter_code != "meter-p3"])


class NoBaseline(Day):
    """Baselines are not shown, and a first interval is invented."""

    def message(self, point: str, readings: list[Any]) -> str:
        """Without the baseline."""
        return str(super().message(point, [r for r in readings if r.mtu != FIRST - 1]))

    def read(self, point: str, mtu: int, *args: Any, **more: Any) -> Any:
        """9,999 Wh more."""
        leaf = super().read(point, mtu, *args, **more)
        return dataclasses.replace(leaf, import_wh=leaf.import_wh + 9_999) if (point, mtu) == ("p3", 0) else leaf


class Substituted(Day):
    """A substitute stands where the meter's signed reading is at hand."""

    def read(self, point: str, mtu: int, *args: Any, **more: Any) -> Any:
        """Flag one."""
        leaf = super().read(point, mtu, *args, **more)
        if (point, mtu) != ("p3", 1):
            return leaf
        self.true = leaf
        return dataclasses.replace(leaf, quality=Quality.SUBSTITUTE, sequence=0, nonce=noise("other"))

    def message(self, point: str, readings: list[Any]) -> str:
        """The meter's own, as it was."""
        true = self.true.nonce if point == "p3" else b""
        mine = [r._replace(sequence=3, nonce=true) if (point, r.mtu) == ("p3", FIRST + 1) else r for r in readings]
        return str(super().message(point, mine))


class Crossed(Day):
    """A meter's reading comes while attesters sign a substitute: both are shown, and the next revision corrects."""

    def read(self, point: str, mtu: int, *args: Any, **more: Any) -> Any:
        """Keep what the meter says where a substitute is signed."""
        leaf = super().read(point, mtu, *args, **more)
        if (point, mtu) == MISSING:
            values = {"quality": Quality.MEASURED, "sequence": mtu + 2, "nonce": noise("crossed")}
            self.substitute, self.true = leaf, dataclasses.replace(leaf, **values)
        return leaf

    def message(self, point: str, readings: list[Any]) -> str:
        """With the reading that had come too late for the signature."""
        crossed = [registers_of(self.true)] if point == MISSING[0] and len(readings) > 1 else []
        return str(super().message(point, sorted([*readings, *crossed])))

    def late(self) -> None:
        """The correction."""
        super().late()
        self.attest_again(1, self.true)

    def attest_again(self, revision: int, leaf: Any) -> None:
        """Attest the MTU again, with this leaf of the meter."""
        mtu = MISSING[1]
        leaves = [leaf if item.meter_code == leaf.meter_code else item for item in self.chosen[mtu]]
        made = self.attest(mtu, revision, leaves)
        self.tell_attested([made], [])
        self.carry_out(self.ask_to_attest([made]), self.attested(made))


class Uncorrected(Crossed):
    """No revision corrects it."""

    def attest_again(self, revision: int, leaf: Any) -> None:
        """Nothing."""


class SubstitutedAgain(Crossed):
    """After the correction attesters sign the substitute again."""

    def late(self) -> None:
        """Once more."""
        super().late()
        self.attest_again(2, self.substitute)


class Unsent(Crossed):
    """Attesters sign the correction, the operator tells it, and never sends it: what is settled is the substitute."""

    def attest_again(self, revision: int, leaf: Any) -> None:
        """Signed and told only."""
        mtu = MISSING[1]
        settled = self.chosen[mtu]
        leaves = [leaf if item.meter_code == leaf.meter_code else item for item in settled]
        self.tell_attested([self.attest(mtu, revision, leaves)], [])
        self.chosen[mtu] = settled


class Contradicted(Day):
    """A meter contradicts itself, and one of its words is taken as measured."""

    def fact(self, kind: str, payload: dict[str, Any]) -> int:
        """Two messages for one MTU."""
        if kind == "reading.attested" and payload["messages"] and payload["attestations"][0]["mtu"] == FIRST:
            leaf = next(r for r in payload["attestations"][1]["readings"] if r["meter"] == "meter-p3")
            more_wh, export_wh = leaf["import_register_wh"] + 5_000, leaf["export_register_wh"]
            other = Registers(FIRST + 1, 3, more_wh, export_wh, noise("o"))
            payload = {**payload, "messages": sorted([*payload["messages"], self.message("p3", [other])])}
        return int(super().fact(kind, payload))


class Replayed(Day):
    """A superseded schedule is told again after the newer one."""

    def fact(self, kind: str, payload: dict[str, Any]) -> int:
        """Revision 0, 1, then 0 again."""
        if kind == "schedule.nominated":
            newer = [-800, -900, -50, -50, 0]
            values: dict[str, Any] = {"market": text_id(MARKET), "session": GATE, "first_mtu": FIRST}
            values["point"] = text_id("p1")
            digest = schedule_digest(domain=self.market_domain, **values, net_wh=newer, revision=1)
            signature = to_hex(key_of("h1-key").sign(digest))
            super().fact(kind, payload)
            super().fact(kind, {**payload, "net_wh": newer, "revision": 1, "signature": signature})
        return int(super().fact(kind, payload))


class SecondMarket(Day):
    """The area has a second market, whose program for the same MTUs has this gate on chain, whatever its label says."""

    gate: int

    def open(self) -> None:
        """Open its program too."""
        super().open()
        rules, opened = (first(self.entries, kind) for kind in ("market.defined", "session.opened"))
        self.fact("market.defined", {**rules, "market": f"{MARKET}2", "gate_local": "23:59"})
        self.fact("session.opened", {**opened, "market": f"{MARKET}2", "session": self.gate})


class EarlierByTheChain(SecondMarket):
    """A program is validated as if it were the first, while an earlier gate's is open."""

    gate = GATE - 3_600


class GatesAtOnce(SecondMarket):
    """Two markets of an area close at once, so that neither stands on what the other traded."""

    gate = GATE


class Bribed(Day):
    """A fact of a kind that nobody knows."""

    def unread(self) -> None:
        """Slip it in."""
        super().unread()
        self.fact("bribe.paid", {"to": "x"})


ATTACKS: list[tuple[type, str]] = [
    (Resurrected, "tags accepted before"),
    (FirstAtThree, "revision 3, but due is 0"),
    (ClearedTwice, "MTUs that are cleared twice"),
    (Moved, "statement.amount_neur"),
    (MovedBehindOrder, "statement.amount_neur"),
    (EarlyErasure, "was erased before period 1 was Final"),
    (Backdated, "begun has already MTU"),
    (BackdatedAgreement, "begun has already MTU"),
    (Withheld, "orders, readings and terms give"),
    (NeverIssued, "were never issued"),
    (MadeUp, "the node has no transaction 0x1212"),
    (UnsignedSetpoints, "set-points of a program that is not signed"),
    (NoCorrection, "no correction was settled"),
    (LeftOut, "registered are"),
    (NoBaseline, "the signed readings give Begin("),
    (Substituted, "a substitute stands where the meter's signed reading had come"),
    (Uncorrected, "a substitute stands where the meter's signed reading had come"),
    (SubstitutedAgain, "a substitute stands where the meter's signed reading had come"),
    (Unsent, "a substitute stands where the meter's signed reading had come"),
    (Unsent, "the chain has no ReadingsAttested"),
    (Contradicted, "signed readings that contradict each other"),
    (Replayed, "is not a whole number from 2"),
    (EarlierByTheChain, "sessions of earlier gates that are not over"),
    (GatesAtOnce, "sessions of the area's other markets with the same gate"),
    (Bribed, "bribe.paid"),
    (OldKeyNominates, f"valid for {address('h1')} in MTU {FIRST} is"),
    (LaterKeyNominates, f"valid for {address('h1')} in MTU {FIRST} is"),
]


@pytest.mark.parametrize(("attack", "told"), ATTACKS, ids=[attack.__name__ for attack, _ in ATTACKS])
def test_verify__dishonest_operator_and_attesters__are_found(attack: Any, told: str) -> None:
    report = verdict_of(attack().run())

    assert report.exit_code == WRONG
    assert told in messages(report)


def first(entries: list[dict[str, Any]], kind: str, at: int = 0) -> Any:
    """Payload of an entry of a kind."""
    return [entry for entry in entries if entry["kind"] == kind][at]["payload"]


def changing(kind: str, change: Callable[[Any], Any], at: int = 0) -> Callable[[list[dict[str, Any]]], Any]:
    """A change of one payload."""
    return lambda entries: change(first(entries, kind, at))


def without(kind: str, chosen: Callable[[Any], bool] = lambda body: True) -> Callable[[list[dict[str, Any]]], Any]:
    """All entries of a kind left out that are chosen."""

    def change(entries: list[dict[str, Any]]) -> None:
        entries[:] = [e for e in entries if e["kind"] != kind or not chosen(e["payload"])]

    return change


def _false_statement(body: dict[str, Any]) -> None:
    false = copy.deepcopy(body["statements"][0])
    false["statement"]["amount_neur"] = "1"
    body["statements"].insert(0, false)


def _event(body: dict[str, Any], **args: Any) -> None:
    body["events"][0]["args"].update(args)


OTHER = "0x" + "77" * 20
NO_HASH = "0x" + "12" * 32
EARLIER = {"point": "p1", "mtu": FIRST, "net_wh": -100, "import_cap_wh": None, "export_cap_wh": None}
REPLAYS: list[tuple[str, Callable[[list[dict[str, Any]]], Any], str]] = [
    ("attester", changing("settlement.signed", lambda b: b["signatures"][0].update(attester=OTHER)), "signed by"),
    ("market", changing("order.accepted", lambda b: b.update(market="test/2/DA")), "the order is for"),
    ("session", changing("mtu.cleared", lambda b: b.update(session=REFUSED)), "no signed program has a result"),
    ("earlier", changing("program.validated", lambda b: b["earlier"].append(EARLIER)), "hash of earlier"),
    ("tx", changing("mtu.cleared", lambda b: b.update(tx_hash="0x" + "11" * 32)), "it was cleared by"),
    ("done", changing("session.done", lambda b: b.update(cleared_mask=f"0x{1:032x}")), "mtu.cleared holds"),
    ("masks", changing("program.validated", lambda b: b.update(emptied_mask=f"0x{0:032x}")), "books and results give"),
    ("traded", changing("program.validated", lambda b: b.update(traded_mask=f"0x{1:032x}")), "the results give"),
    ("ref", changing("deposit.booked", lambda b: b.update(ref="0x" + "99" * 32)), "the chain has no Deposited"),
    ("account", changing("schedule.nominated", lambda b: b.update(account=OTHER)), "in MTU"),
    ("order key", changing("schedule.nominated", lambda b: b.update(order_key=OTHER)), "Schedule is signed by"),
    ("late", changing("schedule.nominated", lambda b: b.update(market_time=GATE)), "took orders until"),
    ("organisation", changing("area.defined", lambda b: b["attesters"][0].update(organisation="x")), "Roles on chain"),
    ("rounds", changing("program.validated", lambda b: b.update(rounds=2)), "the signed report holds 1"),
    ("member", changing("book.closed", lambda b: b.update(note="x")), "are not those of the format"),
    ("inner member", changing("book.closed", lambda b: b["books"][0].update(note="x")), "are not those of the format"),
    ("statement", changing("settlement.proposed", _false_statement), "ascending and once each"),
    ("period", changing("reading.attested", lambda b: b.update(period=2)), "period.declared holds 1"),
    ("holder", changing("order.cancelled", lambda b: b.update(account=OTHER)), "the order's is"),
    ("gas", changing("chain.included", lambda b: b.update(gas_used=1)), "the node holds"),
    ("time", changing("chain.included", lambda b: b.update(block_time=1)), "the node holds"),
    ("event", changing("chain.included", lambda b: _event(b, location=OTHER)), "the chain has"),
    ("key", changing("chain.included", lambda b: b.update(key="other"), at=3), "chain.signed holds"),
    ("failure", changing("chain.failed", lambda b: b.update(gas_used=1)), "the node holds"),
    ("nonce", changing("chain.signed", lambda b: b.update(nonce=9), at=2), "the node holds"),
    ("sender", changing("chain.signed", lambda b: b.update(sender=OTHER), at=2), "the node holds"),
    ("role", changing("chain.requested", lambda b: b.update(role="treasurer")), "chain.requested holds"),
    ("block", changing("block.mined", lambda b: b.update(timestamp=1)), "the node holds"),
    ("no deposits", without("deposit.booked"), "without an entry"),
    ("no inclusion", without("chain.included", lambda b: b["key"].startswith("clear:")), "without an entry"),
    ("no clearing", without("mtu.cleared", lambda b: b["mtu"] == FIRST + 1), "MtuCleared"),
    ("no settlement", without("settlement.signed"), "PeriodSettled"),
    ("no end", without("session.done"), "SessionDone"),
]


@pytest.mark.parametrize(("change", "told"), [item[1:] for item in REPLAYS], ids=[item[0] for item in REPLAYS])
def test_verify__field_that_no_signature_covers__is_held_against_another_source(
    day: Any, change: Callable[[list[dict[str, Any]]], Any], told: str
) -> None:
    report = replayed(day, change)

    assert report.exit_code == WRONG
    assert told in messages(report)


def test_verify__journal_cut_at_an_earlier_anchor__is_incomplete(day: Any) -> None:
    """The chain holds a newer anchor than the bundle's end; as of the older block the bundle is whole."""
    cut = next(e["sequence"] for e in day.entries if e["kind"] == "program.signed")
    chain, earlier = copy.copy(day.chain), day.anchors()
    log = chain.logs[-1]
    number = next(n for n, block in enumerate(chain.blocks) if int(block["timestamp"], 16) > GATE + 1)
    sequence = to_hex(cut.to_bytes(32, "big"))
    old = {**log, "topics": [log["topics"][0], sequence], "blockNumber": hex(number), "transactionHash": "0x00"}
    old["data"] = day.entries[cut - 1]["hash"] + "00" * 32
    chain.logs = [*chain.logs, old]
    earlier["checkpoint"] |= {"journal_sequence": 5, "journal_head": day.entries[4]["hash"]}
    files = auditor_bundle(day.entries[:cut], [r for r in day.receipts if r["sequence"] <= cut], [])

    report = verify(files, earlier, chain.rpc)

    assert report.exit_code == WRONG
    assert f"incomplete: the journal here ends at entry {cut}" in messages(report)
    assert "--block" in messages(report)


def test_verify__public_bundle_without_two_settlements_of_which_one_is_erased__is_found() -> None:
    class OneErased(Day):
        """The first proposal is erased after Final."""

        ending = (*Day.ending, "forget")

        def forget(self) -> None:
            """Erase it."""
            self.erase("settlement.proposed")

    day = OneErased().run()
    files = {k: v for k, v in day.public().items() if k not in ("manifest.json", "chain.json")}
    lines = files["settlements.jsonl"].splitlines(keepends=True)

    whole = verify(seal("public", files), day.anchors(), day.chain.rpc)
    less = verify(seal("public", {**files, "settlements.jsonl": b""}), day.anchors(), day.chain.rpc)

    assert len(lines) == 1
    assert (messages(whole), whole.verdict) == ("", "clean, in part")
    assert less.exit_code == WRONG


def test_verify__public_bundle_with_an_open_private_payload__is_found(day: Any) -> None:
    files = {k: v for k, v in day.public().items() if k not in ("manifest.json", "chain.json")}
    files["journal.jsonl"] = jsonl(day.entries)

    report = verify(seal("public", files), day.anchors(), day.chain.rpc)

    assert "participant.registered is open in a public bundle" in messages(report)


@pytest.mark.parametrize("anchors", [{}, [], {"format": "dominoes-anchors/1"}, "x", 7])
def test_main__trust_anchors_that_are_none__exits_two_and_names_the_file(
    day: Any, tmp_path: Any, anchors: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bundle").mkdir()
    for name, data in day.auditor().items():
        (tmp_path / "bundle" / name).write_bytes(data)
    (tmp_path / "anchors.json").write_text(json.dumps(anchors))

    status = main([str(tmp_path / "bundle"), "--anchors", str(tmp_path / "anchors.json")])

    assert status == USAGE
    assert "anchors.json" in capsys.readouterr().err


def test_verify__folder_inside_a_bundle__is_found(day: Any, tmp_path: Any) -> None:
    for name, data in day.auditor().items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "more").mkdir()

    assert "more" in messages(verify(tmp_path, day.anchors(), day.chain.rpc))
