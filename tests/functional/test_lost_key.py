"""UC4: one household loses its key and one changes it while a day is traded: both go on, and nothing looks wrong.

The first loses it while its orders lie in an open session: registrar and retailer propose a successor, which takes over
before the gate's trades are settled. The second signs its replacement itself, once the first session has cleared. Both
trade in the second session under their successors, and have one bill each.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from contracts.bindings import Call, Successions
from contracts.rpc import Rpc
from domain.eip712 import ACCOUNT_REPLACEMENT, REDEMPTION
from domain.hashing import keccak, to_hex
from domain.mtu import mtu_start
from domain.signing import SigningKey
from ledger_service.evidence.stage import ANCHOR_SECONDS
from scripts.community.day import DayDriver
from scripts.community.town import Household
from scripts.community.trading import Tally
from scripts.community.waiting import wait_for
from scripts.serving.api_client import ApiClient, ApiRefused
from scripts.serving.embedded.demo_day import STATE_FOLDER, DayResult
from scripts.serving.embedded.evidence import chain_info
from scripts.serving.embedded.run_folder import node_url
from tests.functional.later_gates import LATER_GATE, check_clean, facts, later_day, statements
from tests.strangers import Stranger

pytestmark = pytest.mark.functional

EUR = 1_000_000_000
LATE = 2**37
LOST, CHANGED, KEPT = 0, 1, 2
"""Households: whose key is lost, who changes it, and whose key another one tried to take."""


def new_key(house: Household) -> SigningKey:
    return SigningKey(keccak(b"successor of " + house.account.address))


def new_device(house: Household) -> SigningKey:
    return SigningKey(keccak(b"device of the successor of " + house.account.address))


class LostKeyDay(DayDriver):
    """A day in which three households' accounts are to be replaced."""

    state: ClassVar[Path]
    seen: ClassVar[dict[str, Any]]

    def signed(self, house: Household, *keys: SigningKey) -> dict[str, Any]:
        """A replacement, with the signatures of these keys under `signatures`."""
        values = {"account": house.account.address, "successor": new_key(house).address, "deadline": LATE}
        digest = self._town.domain("Successions").digest(ACCOUNT_REPLACEMENT, values)
        shown = {name: to_hex(item) if isinstance(item, bytes) else item for name, item in values.items()}
        return shown | {"signatures": [to_hex(key.sign(digest)) for key in keys]}

    def propose(self, house: Household) -> dict[str, Any]:
        """Registrar and retailer propose a successor; how it stands once the chain has it."""
        body = self.signed(house, self._town.organisations["retailer"], new_key(house))
        guarantor, successor = body.pop("signatures")
        signed = {"guarantor_signature": guarantor, "successor_signature": successor}
        self._town.clients["registrar"].post("/v1/successors", body | signed)
        wait_for("the proposal on chain", lambda: self.proposed(house) is not None)
        found = self.proposed(house)
        assert found is not None
        return found

    def proposed(self, house: Household) -> dict[str, Any] | None:
        """What the household itself sees of it."""
        return next(iter(self._town.client_of(house).items("/v1/successors")), None)

    def trade(self) -> Tally:
        """Orders as ever; then successors are proposed for two accounts, of which one is there and objects."""
        tally = super().trade()
        lost, changed, kept = self._town.households[:3]
        type(self).seen["houses"] = {LOST: lost, CHANGED: changed, KEPT: kept}
        type(self).seen["proposed"] = self.propose(lost)
        self.propose(kept)
        self.send(kept.account, Successions.cancel_successor(account=kept.account.address))
        wait_for("the proposal to be withdrawn", lambda: self.proposed(kept) is None)
        return tally

    def send(self, key: SigningKey, call: Call) -> None:
        """A transaction of a holder's own, on whatever node."""
        chain = chain_info(self._town)
        rpc = Rpc(node_url(self.state))
        stranger = Stranger(rpc=rpc, addresses=chain.contracts, chain_id=chain.chain_id, key=key)
        (sent,) = stranger.send(call)
        wait_for("what a holder sent", lambda: stranger.succeeded(sent) is not None)
        assert stranger.succeeded(sent)

    def trade_later(self) -> Tally:
        """The successors register keys of their own, and trade on."""
        lost, changed = self._town.households[:2]
        body = self.signed(changed, changed.account, new_key(changed))
        by_account, by_successor = body.pop("signatures")
        signed = {"account_signature": by_account, "successor_signature": by_successor}
        self._town.client_of(changed).post("/v1/replacements", body | signed)
        for house in (lost, changed):
            self.go_on(house)
        old = self._town.public.of(lost.account)
        with pytest.raises(ApiRefused) as refusal:
            old.get("/v1/balance")
        type(self).seen["old login"] = refusal.value
        return super().trade_later()

    def go_on(self, house: Household) -> None:
        """The household under its successor, as soon as the service knows it."""
        account, device = new_key(house), new_device(house)
        client = self._town.public.of(account)
        wait_for("the successor to be known", lambda: self.is_known(client))
        self._town.clients[house.point.code] = client
        self._town.households[house.at] = replace(house, account=account, device=device)
        names = {"account": account, "device": device, "point": house.point.code}
        self._town._register_key(client, **names, valid_from_mtu=self.plan.mtus.first)

    def is_known(self, client: ApiClient) -> bool:
        try:
            client.get("/v1/balance")
        except ApiRefused:
            return False
        return True

    def settle(self) -> dict[str, Any]:
        """Once all is settled, a successor asks for money, and gets it."""
        state = super().settle()
        house = self._town.households[LOST]
        values = {"account": house.account.address, "amountNeur": EUR, "ref": keccak(b"out"), "deadline": LATE}
        signature = house.account.sign(self._town.domain("Redemptions").digest(REDEMPTION, values))
        client = self._town.client_of(house)
        body = {"account": to_hex(house.account.address), "amount_neur": str(EUR), "ref": to_hex(keccak(b"out"))}
        client.post("/v1/redemptions", body | {"deadline": LATE, "signature": to_hex(signature)})
        wait_for("the redemption on chain", lambda: self.redemption(client)["ready_at"] is not None)
        self.advance(self.redemption(client)["ready_at"] + 1)
        wait_for("the redemption to be paid", lambda: self.redemption(client)["state"] == "redeemed")
        self.see_anchored()
        type(self).seen["redeemed"] = self.redemption(client)
        type(self).seen["statements"] = [
            client.get(f"/v1/statements/{item['period']}/{item['revision']}")["statement"]
            for item in client.items("/v1/statements")
        ]
        type(self).seen["orders"] = client.items("/v1/orders")
        return state

    def see_anchored(self) -> None:
        """What is recorded by now is anchored, so that bundles show it, and no anchor is due while they are made."""
        head = self._town.public.get("/v1/ledger")["journal"]["sequence"]
        self.advance(self.market_time() + ANCHOR_SECONDS)  # anchors what is waiting for it
        self._town.clients["auditor"].get("/v1/attester/terms", area=self._town.config.area)  # anchored if nothing was
        wait_for("the anchor", lambda: self._town.public.get("/v1/ledger")["last_anchor"]["sequence"] >= head)

    def redemption(self, client: ApiClient) -> dict[str, Any]:
        (found,) = client.items("/v1/redemptions")
        return dict(found)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> tuple[DayResult, Path]:
    """A summer day of the smallest grid, with a second session over the same MTUs."""
    out = tmp_path_factory.mktemp("lost") / "out"
    LostKeyDay.state, LostKeyDay.seen = out / STATE_FOLDER, {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scripts.serving.embedded.demo_day.DayDriver", LostKeyDay)
        result = later_day(out, second_session_gate_local=LATER_GATE)
    return result, out


def address_of(house: int) -> str:
    """The account with which a household began the day."""
    return to_hex(LostKeyDay.seen["houses"][house].account.address)


def successor_of(house: int) -> str:
    """The account that is proposed, or agreed, to take a household's place."""
    return to_hex(new_key(LostKeyDay.seen["houses"][house]).address)


def happened(out: Path, event: str) -> list[dict[str, Any]]:
    """What the chain told under this name, whoever sent the transaction, as the journal has it."""
    told = [fact for kind in ("chain.included", "chain.observed") for fact in facts(out, kind)]
    return [item["args"] for fact in told for item in fact["events"] if item["event"] == event]


def orders_of(out: Path, account: str) -> dict[str, int]:
    """Sessions of the orders in an account's name, by order id."""
    orders = [item["order"] for item in facts(out, "order.accepted")]
    return {item["orderId"]: item["session"] for item in orders if item["account"] == account}


def test_lost_key__whole_day__every_bundle_is_clean(day: tuple[DayResult, Path]) -> None:
    check_clean(*day)


def test_lost_key__two_accounts_replaced_one_kept__the_record_follows_the_chain(day: tuple[DayResult, Path]) -> None:
    _, out = day
    gave_way = [(address_of(house), successor_of(house)) for house in (LOST, CHANGED)]
    proposed = {address_of(house): successor_of(house) for house in (LOST, KEPT)}

    assert [(item["account"], item["successor"]) for item in facts(out, "account.replaced")] == gave_way
    assert [(item["account"], item["successor"]) for item in happened(out, "AccountReplaced")] == gave_way
    assert {item["account"]: item["successor"] for item in happened(out, "SuccessorProposed")} == proposed
    assert [item["account"] for item in happened(out, "SuccessorCancelled")] == [address_of(KEPT)]


def test_lost_key__successor_proposed__takes_over_after_its_delay(day: tuple[DayResult, Path]) -> None:
    """The orders were there before it was proposed."""
    _, out = day
    first = orders_of(out, address_of(LOST))
    accepted_at = [item["market_time"] for item in facts(out, "order.accepted") if item["order"]["orderId"] in first]
    proposal, (by_proposal, _) = LostKeyDay.seen["proposed"], facts(out, "account.replaced")

    assert proposal["successor"] == successor_of(LOST)
    assert max(accepted_at) < proposal["ready_at"] < mtu_start(by_proposal["valid_from_mtu"])


def test_lost_key__old_key_afterwards__is_nobodys(day: tuple[DayResult, Path]) -> None:
    refusal = LostKeyDay.seen["old login"]

    assert refusal.path == "/v1/session"
    assert "unknown-account" in refusal.problem


def test_lost_key__each_session__is_traded_under_the_key_of_the_time(day: tuple[DayResult, Path]) -> None:
    _, out = day
    first, second = sorted(item["session"] for item in facts(out, "session.opened"))

    for house in (LOST, CHANGED):
        assert set(orders_of(out, address_of(house)).values()) == {first}
        assert set(orders_of(out, successor_of(house)).values()) == {second}
    assert set(orders_of(out, address_of(KEPT)).values()) == {first, second}


def test_lost_key__trades_of_both_sessions__are_one_bill_in_the_successors_name(day: tuple[DayResult, Path]) -> None:
    _, out = day
    sessions = {item["session"] for item in facts(out, "session.opened")}
    billed = {LOST: successor_of(LOST), CHANGED: successor_of(CHANGED), KEPT: address_of(KEPT)}

    for house, account in billed.items():
        point = LostKeyDay.seen["houses"][house].point.code
        (bill,) = (item for item in statements(out) if item["point"] == point)
        assert bill["account"] == account
        assert {line["session"] for line in bill["lines"] if "session" in line} == sessions
    gave_way = {address_of(LOST), address_of(CHANGED)}
    assert not gave_way & {item["account"] for item in statements(out)}


def test_lost_key__successor__sees_all_and_is_paid_out(day: tuple[DayResult, Path]) -> None:
    """It is shown its bill and the orders of both its accounts."""
    _, out = day
    account, seen = successor_of(LOST), LostKeyDay.seen
    (bill,) = (item for item in statements(out) if item["account"] == account)
    orders = orders_of(out, address_of(LOST)) | orders_of(out, account)

    assert seen["statements"] == [bill]
    assert {item["order_id"]: item["session"] for item in seen["orders"]} == orders
    assert seen["redeemed"]["state"] == "redeemed"
    assert [(item["account"], item["amountNeur"]) for item in happened(out, "Redeemed")] == [(account, EUR)]
