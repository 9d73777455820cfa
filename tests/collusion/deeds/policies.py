"""Frauds with what a DSO published that it signs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from domain.hashing import hash_json, keccak, to_hex
from tests.collusion.coalitions import Coalition
from tests.collusion.day import Payload, Step
from tests.collusion.deeds.terms import SOMEBODY
from tests.collusion.deeds.trading import NOON, NOT_THE_DSO, capped, given_up, mtu_of
from tests.collusion.frauds import Kind, found, possible, tried
from tests.collusion.plot import Plot
from tests.collusion.programs import Programs

NOT_ITS_SIGNATURE = found("signers of a SigningPolicy")
NOT_IN_FORCE = "the version in force has"
LOADED_TWICE_PERMILLE = 2_000


def hash_of(step: Step) -> str:
    """The hash of a version, which reports name."""
    return to_hex(hash_json({name: value for name, value in step.payload.items() if name != "dso_signature"}))


def reported(plot: Plot, change: Callable[[Payload], None]) -> None:
    """The DSO signs the program with another report."""
    Programs(plot).again([], report=change)
    plot.settle()


def naming(policy_hash: str | None, *, loading_permille: int | None = None) -> Callable[[Payload], None]:
    """A report that names a version; and of noon another loading, where it is given."""

    def change(report: Payload) -> None:
        report["policy_hash"] = policy_hash
        if loading_permille is not None:
            report["mtus"][NOON]["loading_permille"] = loading_permille

    return change


def stricter(plot: Plot, **members: Any) -> Step:
    """The DSO had published less than it signs here."""
    step = plot.one("policy.published")
    plot.sign_term(step, **members)
    return step


def looser(plot: Plot, *, after: Step, **members: Any) -> Step:
    """A second version, under which it signs lines loaded twice."""
    first = plot.one("policy.published")
    second = {"version": 2, "loading_highest_permille": LOADED_TWICE_PERMILLE}
    return plot.further_term(first, after=after, **second | members)


@tried(
    Kind.POLICIES,
    "a cap beyond what the DSO had published that it signs",
    {Coalition.DSO: found("version 1 of the DSO's policy")},
)
def cap_beyond_policy(plot: Plot) -> None:
    """It had promised to cap nobody."""
    capped(plot, policy_hash=hash_of(stricter(plot, capped_points_most=0)))


@tried(
    Kind.POLICIES,
    "an MTU given up where the DSO had published that it gives up none",
    {Coalition.DSO: found("MTUs given up 1")},
)
def gives_up_beyond_policy(plot: Plot) -> None:
    """Nothing trades."""
    policy_hash = hash_of(stricter(plot, given_up_most=0))

    def report(told: Payload) -> None:
        naming(policy_hash)(told)
        told["mtus"][NOON] |= {"given_up": True, "rounds": 4}

    plot.change(plot.one("program.validated"), rounds=4)
    Programs(plot).again([mtu_of(plot)], twist=given_up, report=report, emptied=[mtu_of(plot)])
    plot.settle()


@tried(
    Kind.POLICIES,
    "a grid loaded beyond what the DSO had published",
    {Coalition.DSO: found("values beyond version 1 of the DSO's policy")},
)
def loaded_beyond_policy(plot: Plot) -> None:
    """It had promised to load it by a thousandth."""
    reported(plot, naming(hash_of(stricter(plot, loading_highest_permille=1))))


@tried(
    Kind.POLICIES,
    "a program of a market that the DSO's policy does not name",
    {Coalition.DSO: found("policy does not allow")},
)
def other_market(plot: Plot) -> None:
    """It had published that it signs another one's."""
    step = plot.one("policy.published")
    other = [f"{step.payload['area']}/OTHER"]
    reported(plot, naming(hash_of(stricter(plot, markets=other))))


@tried(
    Kind.POLICIES,
    "a report that names a policy never published",
    {
        Coalition.OPERATOR: NOT_THE_DSO,
        Coalition.FEW_ATTESTERS: NOT_THE_DSO,
        Coalition.ATTESTERS: NOT_THE_DSO,
        Coalition.DSO: found(NOT_IN_FORCE),
    },
)
def never_published(plot: Plot) -> None:
    """Under which anything goes."""
    reported(plot, naming(to_hex(keccak(b"anything")), loading_permille=LOADED_TWICE_PERMILLE))


@tried(
    Kind.POLICIES,
    "a report that names no policy though one is in force",
    {Coalition.OPERATOR: NOT_THE_DSO, Coalition.DSO: found(NOT_IN_FORCE)},
)
def none_named(plot: Plot) -> None:
    """As where there is none."""
    reported(plot, naming(None, loading_permille=LOADED_TWICE_PERMILLE))


@tried(
    Kind.POLICIES,
    "the policy kept back that reports name",
    dict.fromkeys((*SOMEBODY, Coalition.DSO, Coalition.RETAILER), found(NOT_IN_FORCE)),
)
def kept_back(plot: Plot) -> None:
    """Nobody can hold the DSO to it."""
    plot.remove(plot.one("policy.published"))


@tried(
    Kind.POLICIES,
    "two versions of the policy at once",
    dict.fromkeys((*SOMEBODY, Coalition.RETAILER), NOT_ITS_SIGNATURE)
    | {Coalition.DSO: found("versions before that begin no earlier")},
)
def two_at_once(plot: Plot) -> None:
    """Whichever suits it."""
    step = looser(plot, after=plot.one("policy.published"))
    if Coalition.DSO is plot.coalition:
        reported(plot, naming(hash_of(step), loading_permille=LOADED_TWICE_PERMILLE))


@tried(
    Kind.POLICIES,
    "a looser version of the policy, made with sight of the books",
    dict.fromkeys((*SOMEBODY, Coalition.RETAILER), NOT_ITS_SIGNATURE) | {Coalition.DSO: found("begun has already MTU")},
)
def after_the_books(plot: Plot) -> None:
    """It begins with the program."""
    step = looser(plot, after=plot.one("book.closed"), valid_from_mtu=mtu_of(plot, 0))
    if Coalition.DSO is plot.coalition:
        reported(plot, naming(hash_of(step), loading_permille=LOADED_TWICE_PERMILLE))


@tried(
    Kind.POLICIES,
    "the stricter version of two named, though the looser is in force",
    {Coalition.DSO: found(NOT_IN_FORCE)},
)
def older_named(plot: Plot) -> None:
    """A report under a version that was replaced."""
    looser(plot, after=plot.one("policy.published"), valid_from_mtu=mtu_of(plot, 0), loading_highest_permille=1)


@tried(
    Kind.POLICIES,
    "a policy of the DSO's that it never signed",
    dict.fromkeys((*SOMEBODY, Coalition.RETAILER), NOT_ITS_SIGNATURE),
)
def forged_policy(plot: Plot) -> None:
    """It seems to sign whatever loads its lines twice."""
    stricter(plot, loading_highest_permille=LOADED_TWICE_PERMILLE)


@tried(
    Kind.POLICIES,
    "a looser version of the policy, published before the day",
    {Coalition.DSO: possible("what it signs from an MTU to come on, published before")},
)
def looser_before(plot: Plot) -> None:
    """It had promised to cap nobody, says beforehand that it will, and does."""
    first = stricter(plot, capped_points_most=0)
    step = looser(plot, after=first, valid_from_mtu=mtu_of(plot, 0), capped_points_most=1)
    capped(plot, policy_hash=hash_of(step))
