"""Whether a DSO's signing policy allows a program: what its client signs without asking anybody, and what never."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from clearing.shown import ShownProgram
from clearing.shown_report import ShownGridState
from domain.errors import DominoesError
from domain.policies import SigningPolicy

BREACHES_NAMED = 3
"""Breaches named in an error's text and in a refusal; the attribute holds all."""


@dataclass(frozen=True, slots=True)
class Breach:
    """Something in a program that a policy does not allow: what, the bound, the value it has; `mtu` None: of all."""

    what: str
    mtu: int | None
    bound: str
    value: str

    def __str__(self) -> str:
        at = "" if self.mtu is None else f" in MTU {self.mtu}"
        return f"{self.what}{at}: {self.value}, allowed {self.bound}"


class BeyondPolicy(DominoesError):
    """The DSO's own signing policy does not allow the program: nothing was signed."""

    code = "beyond-policy"

    def __init__(self, *, policy: SigningPolicy, breaches: Sequence[Breach]) -> None:
        self.policy, self.breaches = policy, tuple(breaches)
        more = len(self.breaches) - BREACHES_NAMED
        named = "; ".join(map(str, self.breaches[:BREACHES_NAMED])) + (f"; and {more} more" if more > 0 else "")
        self.reason = f"version {policy.version} of the signing policy does not allow it: {named}"
        super().__init__(f"nothing was signed: {self.reason}; refuse it, or publish a version for later programs")


def check_policy(policy: SigningPolicy, shown: ShownProgram) -> None:
    """Raises BeyondPolicy where the policy does not allow the program, which passed `inspect`."""
    breaches = [
        *_of_program(policy, shown),
        *(found for state in shown.report.mtus for found in _of_mtu(policy, state)),
    ]
    if breaches:
        raise BeyondPolicy(policy=policy, breaches=breaches)


def _of_program(policy: SigningPolicy, shown: ShownProgram) -> Iterable[Breach]:
    report = shown.report
    listed = (
        ("market", shown.market in policy.markets, shown.market),
        ("version of the rule for ties", shown.rules.ties in policy.ties_rules, shown.rules.ties),
        ("version of the rule for forecasts", shown.rules.forecast in policy.forecast_rules, shown.rules.forecast),
    )
    for what, is_allowed, found in listed:
        if not is_allowed:
            yield Breach(what, None, "those that it names", str(found))
    yield from _most("MTUs", None, policy.count_most, report.count)
    yield from _most("MTUs given up", None, policy.given_up_most, sum(state.given_up for state in report.mtus))
    yield from _most("failures of the solver", None, policy.fallbacks_most, len(report.fallbacks))


def _of_mtu(policy: SigningPolicy, state: ShownGridState) -> Iterable[Breach]:
    """Nothing is asked of the grid of an MTU that was given up: nothing trades there."""
    if state.given_up:
        return
    low, high = policy.voltage_lowest_micro_pu, policy.voltage_highest_micro_pu
    if state.voltage_lowest_micro_pu < low:
        yield Breach("voltage (1e-6 pu)", state.mtu, f"{low} and more", str(state.voltage_lowest_micro_pu))
    for what, most, value in (
        ("voltage (1e-6 pu)", high, state.voltage_highest_micro_pu),
        ("loading (1/1000)", policy.loading_highest_permille, state.loading_permille),
        ("points capped", policy.capped_points_most, state.capped_points),
        ("import held back (Wh)", policy.capped_import_wh_most, state.capped_import_wh),
        ("export held back (Wh)", policy.capped_export_wh_most, state.capped_export_wh),
        ("clearings", policy.rounds_most, state.rounds),
    ):
        yield from _most(what, state.mtu, most, value)


def _most(what: str, mtu: int | None, most: int, value: int) -> Iterable[Breach]:
    if value > most:
        yield Breach(what, mtu, f"at most {most}", str(value))
