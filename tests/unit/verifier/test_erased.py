"""Erased data frees only itself: all that follows from it, every bound and everybody else stay checked.

Operator, attesters and whoever else is named sign what they are asked to; the auditor is honest unless it is said.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from settling.inputs import Inputs
from settling.settlement import Settled
from tests.unit.verifier.fake_chain import FIRST, key_of
from tests.unit.verifier.journal import Payload
from tests.unit.verifier.small_day import Day
from tests.unit.verifier.test_small_day import messages
from verifier.telling import lines
from verifier.verdict import WRONG
from verifier.verify import verify

pytestmark = pytest.mark.unit

MUCH_WH = 40_000_000


def verdict_of(day: Any) -> Any:
    """The auditor's verdict on a day as it was run."""
    return verify(day.auditor(), day.anchors(), day.chain.rpc)


def _order_at(mtu: int, point: str | None) -> Callable[[Payload], bool]:
    return lambda body: body["order"]["mtu"] == FIRST + mtu and body["point"] == point


class Forgotten(Day):
    """Something is erased after Final and an audit."""

    ending = (*Day.ending, "forget")
    what: tuple[str, Callable[[Payload], bool]] = ("reading.attested", lambda body: True)

    def forget(self) -> None:
        """Erase it."""
        self.erase(*self.what)

    def metered(self, inputs: Inputs, point: str, **energy: int) -> Inputs:
        """Other energy of a point in the first MTU, as operator and attesters bill it."""
        rows = (
            dataclasses.replace(item, **energy) if (item.point, item.mtu) == (point, FIRST) else item
            for item in inputs.metered
        )
        return dataclasses.replace(inputs, metered=tuple(rows))


class OrderForgotten(Forgotten):
    """A household's order that traded is erased."""

    what = ("order.accepted", _order_at(0, "p3"))


# ---- 40 MWh behind erased readings


class FedIn(Forgotten):
    """40 MWh are billed as fed in behind erased readings."""

    def inputs(self, revision: int) -> Inputs:
        """Of the first MTU."""
        return self.metered(super().inputs(revision), "p1", export_wh=MUCH_WH)


class FedInAndAttested(FedIn):
    """The same, and attesters sign a total that holds them."""

    def attest(self, mtu: int, revision: int, readings: list[Any]) -> Payload:
        """Rows without the leaves that give their sum."""
        made = super().attest(mtu, revision, readings)
        return made | {"export_wh": MUCH_WH + 180} if mtu == 0 else made


class Drawn(Forgotten):
    """Import is passed from one household to another, beyond what its connection carries, behind erased readings."""

    def inputs(self, revision: int) -> Inputs:
        """Of the first MTU."""
        given = self.metered(super().inputs(revision), "p2", import_wh=0)
        return self.metered(given, "p3", import_wh=311)


# ---- behind erased orders


class Deviated(OrderForgotten):
    """A surplus is billed behind one erased order, against readings that are open."""

    def inputs(self, revision: int) -> Inputs:
        """Less import than was metered."""
        return self.metered(super().inputs(revision), "p3", import_wh=100)


class OtherDeviated(OrderForgotten):
    """The same with a household whose orders are open."""

    def inputs(self, revision: int) -> Inputs:
        """Less export than was metered."""
        return self.metered(super().inputs(revision), "p2", export_wh=0)


class Unsigned(OrderForgotten):
    """An order that nobody signed is booked, cleared and billed, and then erased before anybody looks."""

    def order(self, who: str, mtu: int, *args: Any, **named: Any) -> str:
        """The operator signs in the household's place, with a key of its own."""
        if (who, mtu) != ("h3", 0):
            return super().order(who, mtu, *args, **named)
        own, self.devices[who] = self.devices[who], "operator"
        tag = super().order(who, mtu, *args, **named)
        self.devices[who] = own
        return tag

    def forget(self) -> None:
        """Without an audit: an honest auditor would have seen it."""
        self.erase_unseen(*self.what)


class AuditedByOperator(Unsigned):
    """The operator signs the audit as well."""

    def forget(self) -> None:
        """With a key that is no auditor's."""
        self.audit("operator")
        self.erase_unseen(*self.what)


class AuditedBefore(Unsigned):
    """What the auditor signed ends before the order."""

    def trade(self) -> None:
        """After an audit."""
        self.audit()
        super().trade()


class BilledTwice(OrderForgotten):
    """Two statements open to the same erased order."""

    def computed(self, revision: int) -> Settled:
        """Another household's statement opens to it as well."""
        return self.opened(super().computed(revision), "h2", lambda mine, bids: (*mine, *bids))

    def opened(
        self, settled: Settled, name: str, change: Callable[[tuple[bytes, ...], tuple[bytes, ...]], tuple[bytes, ...]]
    ) -> Settled:
        """A statement that opens to other bids in the first MTU, given its own and the erased one's."""
        h3, account = settled.statements[key_of("h3").address], key_of(name).address
        bids = next(item.bids for item in h3.opens if item.mtu == FIRST)
        statement = settled.statements[account]
        opens = (
            dataclasses.replace(item, bids=change(item.bids, bids)) if item.mtu == FIRST else item
            for item in statement.opens
        )
        other = dataclasses.replace(statement, opens=tuple(opens))
        return dataclasses.replace(settled, statements=dict(settled.statements) | {account: other})


class BilledToNobody(BilledTwice):
    """No statement opens to the erased order, whose energy is billed all the same."""

    def computed(self, revision: int) -> Settled:
        """Nor the household's own."""
        return self.opened(super(BilledTwice, self).computed(revision), "h3", lambda mine, bids: ())


FRAUDS = [
    (FedIn, "but the attestation on chain holds"),
    (FedInAndAttested, "but the connection carries"),
    (Drawn, "but the attestation on chain holds"),
    (Deviated, "orders, readings and terms give"),
    (OtherDeviated, "orders, readings and terms give"),
    (Unsigned, "was erased before an auditor had found all up to entry"),
    (AuditedByOperator, "auditors unknown to the trust anchors"),
    (AuditedBefore, "was erased before an auditor had found all up to entry"),
    (BilledTwice, "erased words that statements open to"),
    (BilledToNobody, "erased words that statements open to"),
]


@pytest.mark.parametrize(("fraud", "told"), FRAUDS, ids=[fraud.__name__ for fraud, _ in FRAUDS])
def test_verify__fraud_behind_an_erasure__is_wrong(fraud: type[Day], told: str) -> None:
    report = verdict_of(fraud().run())

    assert report.exit_code == WRONG
    assert told in messages(report)


# ---- what honest erasures leave


class ReadingsForgotten(Forgotten):
    """The readings of the first two MTUs are erased."""


class ProgramForgotten(Forgotten):
    """The program is erased."""

    what = ("program.validated", lambda body: True)


@pytest.mark.parametrize(
    ("kind", "mtus"),
    [(OrderForgotten, [FIRST]), (ReadingsForgotten, [FIRST, FIRST + 1]), (ProgramForgotten, range(FIRST, FIRST + 5))],
    ids=["order", "readings", "program"],
)
def test_verify__honest_erasure__names_orders_mtus_and_the_most_money(kind: type[Day], mtus: Any) -> None:
    day = kind().run()

    report = verdict_of(day)

    assert (messages(report), report.verdict) == ("", "clean, in part")
    assert report.unknown.mtus == {"test/1": list(mtus)}
    assert report.unknown.tags == [tag for tags in day.payloads("erasure.done") for tag in tags["tags"]]
    assert report.unknown.most_neur > 0


def test_lines__honest_erasure__tells_orders_mtus_and_money() -> None:
    report = verdict_of(OrderForgotten().run())

    told = "\n".join(lines(report))

    assert f"1 erased order, by tag, whose owner only the bills tell: {report.unknown.tags[0]}" in told
    assert f"1 MTU of test/1 with something erased, read off the bills: {FIRST}" in told
    assert "at most could be wrong" in told
