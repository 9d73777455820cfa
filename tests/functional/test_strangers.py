"""UC3: a day in which the DSO, holders and a stranger send their calls to the chain themselves: nothing looks wrong.

The DSO gives its signature to nobody but a stranger, who records the program and clears it before the service does.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import ClassVar

import pytest

from clearing.inspection import inspect
from clearing.shown import ShownOrder, ShownProgram
from contracts.bindings import Call, Guarantees, Market, Redemptions
from contracts.bindings.market import Program
from contracts.rpc import Rpc
from domain.eip712 import GUARANTEE, REDEMPTION
from domain.facts import BookClosed, ProgramValidated, Subject, closed_key, validated_key
from domain.hashing import keccak, text_id
from domain.signing import SigningKey
from ledger_service.programs.clearing_calls import clear_one_by_one
from ledger_service.record import Record
from scripts.community.day import DayDriver, wait_for
from scripts.community.town import HOUSEHOLD_CREDIT_NEUR
from scripts.community.trading import Tally
from scripts.serving.embedded.demo_day import STATE_FOLDER, DayResult
from scripts.serving.embedded.evidence import chain_info
from scripts.serving.embedded.run_folder import RECORD_FILE, node_url
from tests.functional.later_gates import facts, later_day
from tests.strangers import Stranger

pytestmark = pytest.mark.functional

EUR = 1_000_000_000
LATE = 2**37


class StrangersDay(DayDriver):
    """A day whose rights are used on the chain alone."""

    state: ClassVar[Path]

    def stranger(self, key: SigningKey | None = None) -> Stranger:
        chain = chain_info(self._town)
        return Stranger(rpc=Rpc(node_url(self.state)), addresses=chain.contracts, chain_id=chain.chain_id, key=key)

    def send(self, stranger: Stranger, *calls: Call) -> None:
        sent = stranger.send(*calls)
        wait_for("what a stranger sent", lambda: all(stranger.succeeded(tx) is not None for tx in sent))
        assert all(stranger.succeeded(tx) for tx in sent)

    def trade(self) -> Tally:
        """Orders as ever; then a line is lowered, and two households ask for money, of whom one thinks again."""
        tally = super().trade()
        one, other = (house.account for house in self._town.households[:2])
        self.send(self.stranger(), self.lowered_line(one), self.redemption(one), self.redemption(other))
        self.send(self.stranger(other), Redemptions.cancel_redemption(account=other.address, ref=keccak(b"out")))
        return tally

    def redemption(self, holder: SigningKey) -> Call:
        values = {"account": holder.address, "amountNeur": EUR, "ref": keccak(b"out"), "deadline": LATE}
        signature = holder.sign(self._town.domain("Redemptions").digest(REDEMPTION, values))
        return Redemptions.request_redemption(
            account=holder.address, amount_neur=EUR, ref=keccak(b"out"), deadline=LATE, signature=signature
        )

    def lowered_line(self, holder: SigningKey) -> Call:
        retailer = self._town.organisations["retailer"]
        credit_neur = HOUSEHOLD_CREDIT_NEUR - EUR
        names = {"guarantor": retailer.address, "account": holder.address, "nonce": 2, "deadline": LATE}
        digest = self._town.domain("Guarantees").digest(GUARANTEE, names | {"creditNeur": credit_neur})
        return Guarantees.guarantee(
            **names, credit_neur=credit_neur, guarantor_signature=retailer.sign(digest), account_signature=b""
        )

    def _sign(self) -> None:
        """The DSO signs; a stranger records the program and clears it, all in one block."""
        dso, key = self._town.clients["dso"], self._town.organisations["dso"]
        for item in dso.items("/v1/dso/programs"):
            path = f"/v1/dso/programs/{item['market']}/{item['session']}"
            shown, orders = ShownProgram.read(dso.get(path)), ShownOrder.read_all(dso.get(f"{path}/orders"))
            signature = key.sign(inspect(shown, orders, self._pinned(item)))
            self.send(self.stranger(), *self.recorded_and_cleared(item["market"], item["session"], signature))

    def recorded_and_cleared(self, market: str, session: int, signature: bytes) -> list[Call]:
        record = Record.open(f"sqlite:///{self.state / RECORD_FILE}")
        try:
            found = [record.find(name(market=market, session=session)) for name in (validated_key, closed_key)]
        finally:
            record.close()
        validated, closed = (entry.fact for entry in found if entry is not None)
        assert isinstance(validated, ProgramValidated) and isinstance(closed, BookClosed)
        names = ("results_root", "traded_mask", "emptied_mask", "grid_model_hash", "report_hash", "deadline")
        program = Program(**{name: getattr(validated, name) for name in names})
        recorded = Market.record_program(market=text_id(market), session=session, program=program, signature=signature)
        about = Subject(market=market, session=session, first_mtu=validated.first_mtu, count=validated.count)
        cleared = clear_one_by_one(about, validated=validated, closed=closed)
        return [recorded, *(item.call for item in cleared)]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> tuple[DayResult, Path]:
    """A summer day of the smallest grid."""
    out = tmp_path_factory.mktemp("strangers") / "out"
    StrangersDay.state = out / STATE_FOLDER
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scripts.serving.embedded.demo_day.DayDriver", StrangersDay)
        result = later_day(out)
    return result, out


def test_strangers__whole_day__every_bundle_is_clean(day: tuple[DayResult, Path]) -> None:
    result, _ = day

    assert result.clean, {name: verdict.report for name, verdict in result.verdicts.items() if verdict.exit_code}


def test_strangers__what_they_sent__is_in_the_journal_once(day: tuple[DayResult, Path]) -> None:
    _, out = day

    observed = Counter(event["event"] for fact in facts(out, "chain.observed") for event in fact["events"])
    cleared = facts(out, "mtu.cleared")

    asked = {"GuaranteeSet": 1, "RedemptionRequested": 2, "RedemptionCancelled": 1, "ProgramRecorded": 1}
    assert {name: observed[name] for name in asked} == asked
    assert observed["MtuCleared"] == len(cleared) > 0
    included = Counter(event["event"] for fact in facts(out, "chain.included") for event in fact["events"])
    assert included["ProgramRecorded"] == included["MtuCleared"] == 0


def test_strangers__program_recorded_by_them__set_points_are_issued(day: tuple[DayResult, Path]) -> None:
    _, out = day

    (validated,), (issued,) = facts(out, "program.validated"), facts(out, "setpoints.issued")

    assert issued["envelopes"] == validated["envelopes"]
    assert len(facts(out, "program.signed")) == 1
