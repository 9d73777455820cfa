"""Behind erased orders caps and earlier positions stay bounded, in whatever order the orders came."""

from __future__ import annotations

import random

import pytest

from domain.words import OrderWord
from tests.unit.verifier.fake_chain import FIRST
from tests.unit.verifier.programs import CAPPED
from tests.unit.verifier.test_erased import Forgotten, _order_at, verdict_of
from tests.unit.verifier.test_small_day import messages
from verifier.caps import UNLIMITED, Caps, HiddenTrades, Place, check_caps, check_left
from verifier.facts import EarlierPosition
from verifier.verdict import WRONG, Report
from verifier.words import NO_CAP, Word

pytestmark = pytest.mark.unit

POINTS = ("p", "q", "r", "s")
MTU = 1_000


class CappedForgotten(Forgotten):
    """The capped household's order is erased."""

    what = ("order.accepted", _order_at(CAPPED, "p1"))


class CapLifted(CappedForgotten):
    """Operator and DSO let a household sell beyond its envelope; its orders are erased, the auditor saw nothing."""

    cap_wh = 105

    def _cleared(self, mtu: int) -> tuple[list[OrderWord], int | None]:
        kept, self.envelopes = self.envelopes, []
        cleared = super()._cleared(mtu)
        self.envelopes = kept
        return cleared

    def forget(self) -> None:
        """Each of its orders of that MTU."""
        kind, chosen = self.what
        orders = [tag for tag, (order, point) in self.orders.items() if (order.mtu, point) == (FIRST + CAPPED, "p1")]
        for tag in orders:
            self.erase(kind, lambda body, tag=tag: chosen(body) and body["tag"] == tag)  # type: ignore[misc]


def test_verify__capped_order_erased__is_clean_in_part() -> None:
    report = verdict_of(CappedForgotten().run())

    assert (messages(report), report.verdict) == ("", "clean, in part")


def test_verify__sold_beyond_the_cap_behind_an_erasure__is_wrong() -> None:
    report = verdict_of(CapLifted().run())

    assert report.exit_code == WRONG
    assert "with erased orders" in messages(report)


# ---- what earlier gates left


def position(point: str, net_wh: int, caps: Caps = UNLIMITED) -> EarlierPosition:
    return EarlierPosition(point, MTU, net_wh, *caps)


def findings(
    told: list[EarlierPosition], due: dict[Place, tuple[int, Caps]], hidden: HiddenTrades, blind: bool = False
) -> int:
    report = Report(anchored=True, chain_asked=True)
    with report.on("entry", "fact"):
        check_left(report, told, due, {MTU: hidden}, {MTU} if blind else ())
    return report.findings_total


@pytest.mark.parametrize("seed", range(200))
def test_check_left__erased_orders_at_any_points__pass_and_no_wh_more(seed: int) -> None:
    """Of orders at random points some are erased: what is told is what all of them give."""
    rng = random.Random(seed)
    orders = [(rng.choice(POINTS), rng.choice((1, -1)) * rng.randrange(1, 500)) for _ in range(rng.randrange(1, 12))]
    erased = [order for order in orders if rng.random() < 0.5]
    shown = {point: sum(wh for at, wh in orders if at == point) for point in POINTS}
    known = {point: shown[point] - sum(wh for at, wh in erased if at == point) for point in POINTS}
    hidden = HiddenTrades(sum(wh for _, wh in erased if wh > 0), -sum(wh for _, wh in erased if wh < 0))
    told = [position(point, shown[point]) for point in POINTS if shown[point]]
    due = {(MTU, point): (wh, UNLIMITED) for point, wh in known.items() if wh}

    assert findings(told, due, hidden) == 0

    # beyond all that is erased: sold at one point, bought at another, out of nothing
    beyond = {**shown, "p": known["p"] - hidden.sold_wh - 1, "q": known["q"] + hidden.bought_wh + 1}
    forged = [position(point, wh) for point, wh in beyond.items() if wh]
    assert findings(forged, due, hidden) == 1


def test_check_left__cap_changed_behind_an_erased_order__is_found_unless_the_program_is_erased() -> None:
    capped, wider = (None, 255), (None, 256)
    due: dict[Place, tuple[int, Caps]] = {(MTU, "p"): (0, capped)}
    hidden = HiddenTrades(10, 10)

    assert findings([position("p", -10, capped)], due, hidden) == 0
    assert findings([position("p", -10, wider)], due, hidden) == 1
    assert findings([], due, hidden) == 1
    assert findings([position("p", -10, wider)], due, hidden, blind=True) == 0
    assert findings([position("p", -11, capped)], due, hidden) == 1


# ---- caps of the words at one gate


def word(tag: int, cap: int, quantity: int = 50, side: int = 1) -> Word:
    return Word(f"0x{tag:032x}", side, 100, quantity, cap, 0, min(cap, quantity))


def capped(words: list[Word], known: dict[int, str], left: int) -> int:
    report = Report(anchored=True, chain_asked=True)
    with report.on("entry", "fact"):
        points = {f"0x{tag:032x}": point for tag, point in known.items()}
        check_caps(report, words, points, {("p", 1): left})
    return report.findings_total


def test_check_caps__one_of_a_points_orders_erased__the_rest_may_have_what_it_left_and_no_less() -> None:
    honest = [word(1, 40), word(2, 20)]

    assert capped(honest, {1: "p", 2: "p"}, left=60) == 1  # 50 and 10 is the rule
    assert capped([word(1, 50), word(2, 10)], {2: "p"}, left=60) == 0
    assert capped([word(1, 50), word(2, 0)], {2: "p"}, left=60) == 0  # the erased one may have been elsewhere
    assert capped([word(1, 9), word(2, 10)], {2: "p"}, left=60) == 1  # 40 lots less, the erased one has 9
    assert capped([word(1, NO_CAP), word(2, 10)], {2: "p"}, left=60) == 1  # it has no cap at all
    assert capped([word(1, 50), word(2, 60, quantity=70)], {2: "p"}, left=59) == 1
