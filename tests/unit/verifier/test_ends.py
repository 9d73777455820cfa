"""Terms that end: who moves out, moves in and changes the supplier is billed so; ends that nobody may make are wrong.

Each fraud is what an operator with attesters would write and settle; it is made here by hand, from shapes and facts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from domain.eip712 import TERM_END
from domain.hashing import ZERO_ADDRESS
from domain.members import noun_json
from domain.parties import ParticipantKind
from domain.terms import EndedTerm, Ends, Tariff
from settling.inputs import Party
from tests.terms import Makers, signed_agreement
from tests.unit.verifier.bundles import Files
from tests.unit.verifier.fake_chain import AREA, COUNT, FIRST, address, domain_of, key_of, sign
from tests.unit.verifier.journal import Payload
from tests.unit.verifier.registering import TARIFF
from tests.unit.verifier.small_day import Day
from tests.unit.verifier.test_small_day import messages
from verifier.verdict import CLEAN, WRONG
from verifier.verify import verify

pytestmark = pytest.mark.unit

LEAVES = FIRST + 2
"""The MTU from which h3 is gone; it traded in the two before."""


class Ending(Day):
    """A day in which terms end, as `alter` says; the settlement knows it."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: Ends = {}
        self.newcomers: list[Party] = []
        self.more_tariffs: list[Tariff] = []

    def register(self) -> None:
        """Everybody, then what ends and begins."""
        super().register()
        self.alter()

    def alter(self) -> None:
        """What ends and begins."""

    def end(self, *args: Any, **members: Any) -> None:
        """The end of the day, or of a term."""
        if args:
            self.end_term(*args, **members)
        else:
            super().end()

    def end_term(self, term: str, name: str, end_mtu: int, *, by: dict[str, str], **told: str | None) -> None:
        """Whoever is named signs for each party: `by` gives keys by party."""
        members = {"account": address("h3"), "retailer": address("retail") if term == "agreement" else None} | told
        values = {"term": term, "name": name, "area": AREA, "endMtu": end_mtu}
        values |= {party: members[party] or ZERO_ADDRESS for party in ("account", "retailer")}
        payload: Payload = {"term": term, "name": name, "area": AREA, **members, "end_mtu": end_mtu}
        payload |= dict.fromkeys((f"{party}_signature" for party in ("account", "retailer", "dso")), None)
        payload |= {f"{party}_signature": sign(key, TERM_END, values, "Settlement") for party, key in by.items()}
        self.fact("term.ended", payload)
        self.ends = {**self.ends, (EndedTerm(term), name): end_mtu}

    def move_in(self, name: str, point: str, first_mtu: int, **powers: int) -> None:
        """A household comes to a point, with a key and an agreement of its own."""
        self.register_participant(name, "household", point, first_mtu, **powers)
        self.register_key(name, point, f"{name}-key", 0)
        agreement = self.agreed(name, agreement=f"agr-{name}", valid_from_mtu=first_mtu)
        self.fact("agreement.signed", noun_json(agreement))
        self.agreements.append(agreement)
        self.newcomers.append(Party(key_of(name).address, ParticipantKind.HOUSEHOLD, point, first_mtu))

    def agree_with_another(self, name: str, first_mtu: int) -> None:
        """A second retailer, its tariff, and an agreement with it."""
        self.register_participant("retail2", "retailer", None)
        self.newcomers.append(Party(key_of("retail2").address, ParticipantKind.RETAILER, None))
        makers = Makers(key_of("retail2"), key_of("dso"), key_of("registrar"))
        dear = {"area": AREA, **TARIFF, "tariff": "other", "supply_neur_per_wh": 310_000}
        tariff = makers.tariff(domain=domain_of("Settlement"), **dear)
        self.fact("tariff.published", noun_json(tariff))
        self.more_tariffs.append(tariff)
        members = {"agreement": f"new-{name}", "tariff": "other", "valid_from_mtu": first_mtu}
        agreement = signed_agreement(key_of(name), key_of("retail2"), domain=domain_of("Settlement"), **members)
        self.fact("agreement.signed", noun_json(agreement))
        self.agreements.append(agreement)

    def inputs(self, revision: int) -> Any:
        """All that a settlement depends on, with the ends."""
        tariffs = (self.tariff, *self.more_tariffs)
        return replace(super().inputs(revision), tariffs=tariffs, ends=self.ends)

    def _parties(self) -> Iterator[Party]:
        gone = self.ends.get((EndedTerm.PARTICIPATION, "h3"))
        for party in super()._parties():
            yield party if gone is None or party.account != key_of("h3").address else replace(party, end_mtu=gone)
        yield from self.newcomers

    def ends_for(self, name: str) -> list[Payload]:
        """What of an account ended."""
        return [payload for payload in self.payloads("term.ended") if payload["account"] == address(name)]

    def billed(self, name: str) -> dict[int, set[str]]:
        """Kinds of lines of an account's last statement, by MTU; VAT stands under none."""
        found: dict[int, set[str]] = {}
        for line in self.statements_of(name)[-1]["lines"]:
            found.setdefault(line.get("mtu", 0), set()).add(line["kind"])
        return found

    def statements_of(self, name: str) -> list[Payload]:
        """An account's statements, by revision."""
        rows = [row["statement"] for row in self.statements]
        return [row for row in rows if row["account"] == address(name)]


class MovesOut(Ending):
    """h3 leaves its point, by its own signature alone; nobody comes."""

    def alter(self) -> None:
        self.end("participation", "h3", LEAVES, by={"account": "h3"})


class MovesIn(MovesOut):
    """An MTU after h3 has left, h4 comes to the same point and the same meter."""

    def alter(self) -> None:
        super().alter()
        self.move_in("h4", "p3", LEAVES + 1)


class ChangesSupplier(Ending):
    """h3 leaves its retailer for another one, by its own signature alone."""

    def alter(self) -> None:
        self.end("agreement", "agr-h3", LEAVES, by={"account": "h3"})
        self.agree_with_another("h3", LEAVES)


class LeavesRetailer(Ending):
    """h3 ends its agreement with its retailer, both sign, and it has none after that."""

    def alter(self) -> None:
        self.end("agreement", "agr-h3", LEAVES, by={"account": "h3", "retailer": "retail"})


class NextVersionToo(ChangesSupplier):
    """Before it left, h3 had signed the next version of its old agreement: that takes nobody back."""

    def alter(self) -> None:
        version = self.agreed("h3", agreement="agr-h3", version=2, valid_from_mtu=LEAVES + 1)
        self.fact("agreement.signed", noun_json(version))
        self.agreements.append(version)
        super().alter()


HONEST = (MovesOut, MovesIn, ChangesSupplier, LeavesRetailer, NextVersionToo)


@pytest.mark.parametrize("kind", HONEST)
def test_verify__terms_that_ended_in_time__are_clean(kind: type[Ending]) -> None:
    day = kind().run()

    for files in (day.auditor(), day.public()):
        report = verify(files, day.anchors(), day.chain.rpc)
        assert (messages(report), report.exit_code) == ("", CLEAN)


def test_settlement__after_the_part_ended__the_point_is_the_next_ones_and_nobodys_between() -> None:
    day = MovesIn().run()

    assert set(day.billed("h3")) - {0} == {FIRST, FIRST + 1}
    assert set(day.billed("h4")) - {0} == {FIRST + 3, FIRST + 4}
    assert day.billed("h4")[FIRST + 3] == {"residual_supply", "grid_fee", "levy"}


def test_settlement__changed_supplier__each_has_the_mirror_of_its_mtus() -> None:
    day = NextVersionToo().run()

    opened = {item["mtu"]: item["agreement"] for item in day.statements_of("h3")[-1]["opens"]}
    assert opened == {FIRST + at: "agr-h3" if at < 2 else "new-h3" for at in range(COUNT)}
    assert min(day.billed("retail2")) == LEAVES


def personal(day: Ending, name: str) -> Files:
    """What one household is given: only what is of its own time at the point."""
    return day.personal(name, "household", "p3")


# ---- frauds


class OldRetailerGoesOn(ChangesSupplier):
    """Attesters settle with the old retailer as if the end did not stand there."""

    def inputs(self, revision: int) -> Any:
        return replace(super().inputs(revision), ends={}, agreements=tuple(self.agreements[:3]))


class Late(Ending):
    """h3's part ends after the books were closed and its readings were known, from an MTU before."""

    def meter(self) -> None:
        self.end("participation", "h3", LEAVES, by={"account": "h3"})
        super().meter()


class AfterSessionsOpened(Ending):
    """The same while a session is open for orders."""

    def open(self) -> None:
        super().open()
        self.end("participation", "h3", LEAVES, by={"account": "h3"})


class NobodySigned(Ending):
    """The operator signs that h3 is gone: what it draws is not billed to it."""

    def alter(self) -> None:
        self.end("participation", "h3", LEAVES, by={"account": "operator"})


class NotSignedAtAll(Ending):
    """Nobody signed."""

    def alter(self) -> None:
        self.end("participation", "h3", LEAVES, by={})


class RetailerWithoutNotice(Ending):
    """The retailer ends the agreement alone, with hours' notice."""

    def alter(self) -> None:
        self.end("agreement", "agr-h3", LEAVES, by={"retailer": "retail"})


class DsoWithoutNotice(Ending):
    """The DSO alone sends a household away, with hours' notice."""

    def alter(self) -> None:
        self.end("participation", "h3", LEAVES, by={"dso": "dso"})


class DsoEndsAgreement(Ending):
    """The DSO ends an agreement, which is not its own."""

    def alter(self) -> None:
        self.end("agreement", "agr-h3", LEAVES, by={"dso": "dso"})


class AnotherRetailersAgreement(Ending):
    """A retailer ends what another one agreed."""

    def alter(self) -> None:
        self.end("agreement", "agr-h3", LEAVES, by={"account": "h2"}, account=address("h2"))


class TwoAtOnePoint(MovesOut):
    """The next household comes to the point, by the DSO's signature, an MTU before h3 leaves it."""

    def alter(self) -> None:
        super().alter()
        self.move_in("h4", "p3", LEAVES - 1)


class OtherConnection(MovesOut):
    """The next household's connection carries a thousandth: what is read at it is implausible."""

    def alter(self) -> None:
        super().alter()
        self.move_in("h4", "p3", LEAVES, connection_import_w=20)


class EndsTwice(MovesOut):
    """A second end, later, which the DSO signs."""

    def alter(self) -> None:
        super().alter()
        self.end("participation", "h3", LEAVES + 9_600, by={"dso": "dso"})


class OrdersWhenGone(Ending):
    """The operator takes an order for an MTU in which h3 is gone."""

    def alter(self) -> None:
        self.end("participation", "h3", FIRST + 1, by={"account": "h3"})
        self.ends = {}


FRAUDS: dict[str, tuple[Callable[[], Ending], str]] = {
    "old retailer bills after the end": (OldRetailerGoesOn, "statement"),
    "end after its MTU": (Late, "decided or open for orders is MTU"),
    "end under open sessions": (AfterSessionsOpened, "decided or open for orders is MTU"),
    "end signed by the operator": (NobodySigned, "TermEnd is signed by"),
    "end signed by nobody": (NotSignedAtAll, "whether somebody signed the end"),
    "retailer without notice": (RetailerWithoutNotice, "anchored before MTU"),
    "DSO without notice": (DsoWithoutNotice, "anchored before MTU"),
    "agreement ended by the DSO": (DsoEndsAgreement, "parties that can't end a agreement"),
    "agreement ended by another account": (AnotherRetailersAgreement, "area, account and retailer of the end"),
    "two households at one point": (TwoAtOnePoint, "accounts that stand at the point already"),
    "connection changed with the household": (OtherConnection, "other connections of the point"),
    "part ended twice": (EndsTwice, "terms that end twice"),
    "order of one who is gone": (OrdersWhenGone, "without an agreement"),
}
"""What was done, and what the verifier says."""


@pytest.mark.parametrize("name", FRAUDS)
def test_verify__ends_that_nobody_may_make__are_wrong(name: str) -> None:
    kind, told = FRAUDS[name]
    day = kind().run()

    report = verify(day.auditor(), day.anchors(), day.chain.rpc)

    assert report.exit_code == WRONG
    assert told in messages(report)


@pytest.mark.parametrize("kind", [MovesIn, ChangesSupplier, LeavesRetailer])
def test_verify__own_bundle_of_who_left__is_clean(kind: type[Ending]) -> None:
    day = kind().run()

    report = verify(personal(day, "h3"), day.anchors(), day.chain.rpc)

    assert (messages(report), report.exit_code) == ("", CLEAN)


def test_verify__own_end_left_out_of_a_personal_bundle__is_wrong() -> None:
    day = LeavesRetailer().run()
    day.ends_for = lambda name: []  # type: ignore[method-assign]

    report = verify(personal(day, "h3"), day.anchors(), day.chain.rpc)

    assert report.exit_code == WRONG
    assert "statement" in messages(report)
