"""An account that gave way: one holder's history across it is clean, whatever else is told of it is wrong."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from domain.hashing import canonical_json, from_hex
from settling.inputs import Inputs
from tests.unit.verifier.bundles import jsonl, seal
from tests.unit.verifier.fake_chain import FIRST, address
from tests.unit.verifier.journal import Emits, Payload
from tests.unit.verifier.small_day import Day
from tests.unit.verifier.test_attacks import verdict_of
from verifier.verify import verify

pytestmark = pytest.mark.unit

OLD, NEW = "h1", "h1 again"

TRADED = Day.steps.index("trade") + 1
"""How many steps of the day there are up to its orders."""


class Replaced(Day):
    """The first household's key is lost after it ordered; what it traded is its successor's."""

    steps = (*Day.steps[:TRADED], "replace", *Day.steps[TRADED:])
    on_chain = True
    told = True
    shift = 0
    at = FIRST * 900 - 100  # an MTU before delivery

    def replace(self) -> None:
        """The holder sends its replacement to the contract itself; the service follows."""
        if self.on_chain:
            now, self.chain.now = self.chain.now, self.at
            event = Emits("AccountReplaced", "address*,address*,int256", [address(OLD), address(NEW), 0])
            self.observe(OLD, "Accounts", event)
            self.chain.now = now
        if self.told:
            self.fact("account.replaced", self.replacement)

    @property
    def replacement(self) -> Payload:
        """What is told of it."""
        since = (self.at + 1) // 900 + 1 + self.shift
        return {"account": address(OLD), "successor": address(NEW), "valid_from_mtu": since}

    def inputs(self, revision: int) -> Inputs:
        """The successor has the account's place."""
        base = super().inputs(revision)
        if not self.told or self.replacement["valid_from_mtu"] >= base.period.end_mtu:
            return base
        old, new = from_hex(address(OLD)), from_hex(address(NEW))

        def moved(items: Any) -> tuple[Any, ...]:
            return tuple(dataclasses.replace(i, account=new) if i.account == old else i for i in items)

        return dataclasses.replace(base, parties=moved(base.parties), trades=moved(base.trades), successors={old: new})

    def own(self) -> dict[str, bytes]:
        """The successor's personal bundle."""
        files = {name: data for name, data in self.personal(OLD, "household", "p1").items() if name != "manifest.json"}
        (told,) = self.payloads("account.replaced")
        head = json.loads(files["account.json"]) | {"replacements": [told]}
        mine = (address(OLD), address(NEW))
        rows = [row for row in self.statements if row["statement"]["account"] in mine]
        return seal("personal", files | {"account.json": canonical_json(head), "statements.jsonl": jsonl(rows)})


class ReplacedAfterwards(Replaced):
    """The period had ended: its bill is the account's, whose money follows."""

    at = (FIRST + 5) * 900 + 100


@pytest.mark.parametrize(("kind", "billed"), [(Replaced, NEW), (ReplacedAfterwards, OLD)])
def test_verify__account_replaced_by_its_own_transaction__all_bundles_are_clean(kind: Any, billed: str) -> None:
    day = kind().run()

    accounts = {row["statement"]["account"] for row in day.statements}
    assert accounts & {address(OLD), address(NEW)} == {address(billed)}
    for files in (day.auditor(), day.public(), day.own()):
        verdict = verify(files, day.anchors(), day.chain.rpc)
        assert verdict.exit_code == 0, verdict.findings


class Invented(Replaced):
    """The operator sends a household's money elsewhere, and attesters sign it."""

    on_chain = False


class Hidden(Replaced):
    """The chain replaced the account, and the journal goes on as if it had not."""

    told = False


class Backdated(Replaced):
    """The replacement is told from an earlier MTU on than its block gives."""

    shift = -1


class ToAnother(Replaced):
    """The chain let another successor take the account's place."""

    def observe(self, sender: str, contract: str, *events: Emits) -> None:
        """Somebody else's address."""
        other = [Emits("AccountReplaced", event.types, [address(OLD), address("other"), 0]) for event in events]
        super().observe(sender, contract, *(other if contract == "Accounts" else events))


class TradingOn(Replaced):
    """An order of the replaced account is accepted afterwards."""

    steps = (*Day.steps[: TRADED - 1], "replace", *Day.steps[TRADED - 1 :])


@pytest.mark.parametrize(
    ("kind", "finding"),
    [
        (Invented, "the chain has no AccountReplaced"),
        (Hidden, "and no entry says so"),
        (Backdated, "valid_from_mtu"),
        (ToAnother, "the chain has no AccountReplaced"),
        (TradingOn, "orders of an account that was replaced before"),
    ],
    ids=lambda item: item.__name__ if isinstance(item, type) else "",
)
def test_verify__replacement_that_is_not_the_chains__is_wrong(kind: Any, finding: str) -> None:
    verdict = verdict_of(kind().run())

    assert verdict.exit_code == 3
    assert finding in "\n".join(item.message for item in verdict.findings)


def test_verify__personal_bundle_with_an_invented_replacement__is_wrong() -> None:
    made = Invented().run()

    verdict = verify(made.own(), made.anchors(), made.chain.rpc)

    assert verdict.exit_code == 3
    assert "the chain has no AccountReplaced" in "\n".join(item.message for item in verdict.findings)
