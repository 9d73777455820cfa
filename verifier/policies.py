"""The DSO's signing policies: which version was in force, and whether what the DSO signed is within it.

Source: docs/evidence.md section 3 (`policy.published`, "Program").
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from verifier.evidence import Evidence
from verifier.form import as_json
from verifier.hashes import hash_json, ident
from verifier.participants import Participants
from verifier.party_facts import PolicyPublished
from verifier.report import ProgramReport, ReportedMtu

POLICY = "policy"
"""What a version is recorded as among terms."""


@dataclass(frozen=True, slots=True)
class SignedUnder:
    """What a policy says something of, beside the report: market and rules of a signed program; a public bundle does
    not name the rule for forecasts (None)."""

    market: str
    mtus: range
    ties: int
    forecast: int | None


class Policies:
    """Versions of all areas (their ids), each in order."""

    def __init__(self, evidence: Evidence, participants: Participants) -> None:
        self._evidence, self._participants = evidence, participants
        self._versions = defaultdict[str, list[PolicyPublished]](list)

    def published(self, fact: PolicyPublished) -> None:
        """Signed by the area's DSO, the next version, which begins later, before any MTU that it covers has begun."""
        report, versions = self._evidence.report, self._versions[ident(fact.area)]
        values = (fact.area, fact.version, fact.valid_from_mtu, policy_hash(fact))
        self._evidence.check_any_dso(fact.area, fact.dso_signature, "SigningPolicy", *values)
        report.same("version", fact.version, len(versions) + 1, "the next one is")
        earlier = [item.version for item in versions if item.valid_from_mtu >= fact.valid_from_mtu]
        report.none("versions before that begin no earlier", earlier)
        self._participants.record_term((POLICY, fact.area, fact.version), fact.valid_from_mtu, fact.area)
        versions.append(fact)

    def check(self, area: str, program: SignedUnder, told: ProgramReport) -> None:
        """A signed program of an area (its id) names the version in force at its first MTU and is within it; the
        version was anchored before that MTU began."""
        report, first = self._evidence.report, program.mtus[0]
        begun = [item for item in self._versions[area] if item.valid_from_mtu <= first]
        policy = begun[-1] if begun else None
        due = None if policy is None else policy_hash(policy)
        report.same("report.policy_hash", told.policy_hash, due, "the version in force has")
        if policy is None:
            report.counts["programs signed under no policy of the DSO"] += 1
            return
        report.totals.programs_within += 1
        self._participants.check_in_time((POLICY, policy.area, policy.version), first)
        of_program = [*_beyond_lists(policy, program), *_beyond_counts(policy, told)]
        report.none(f"things that version {policy.version} of the DSO's policy does not allow", of_program)
        for item in told.mtus:
            beyond = [] if item.given_up else list(_beyond_limits(policy, item))
            with report.part(f"report of MTU {item.mtu}"):
                report.none(f"values beyond version {policy.version} of the DSO's policy", beyond)


def policy_hash(policy: PolicyPublished) -> str:
    """What the DSO signs of it: all but the signature itself."""
    told = dict(as_json(policy))
    del told["dso_signature"]
    return hash_json(told)


def _beyond_lists(policy: PolicyPublished, program: SignedUnder) -> Iterator[str]:
    if program.market not in map(ident, policy.markets):
        yield "market"
    if program.ties not in policy.ties_rules:
        yield f"rule for ties {program.ties}"
    if program.forecast is not None and program.forecast not in policy.forecast_rules:
        yield f"rule for forecasts {program.forecast}"


def _beyond_counts(policy: PolicyPublished, told: ProgramReport) -> Iterator[str]:
    given_up = sum(item.given_up for item in told.mtus)
    return _more(
        (
            ("MTUs", told.count, policy.count_most),
            ("MTUs given up", given_up, policy.given_up_most),
            ("fallbacks", len(told.fallbacks), policy.fallbacks_most),
        )
    )


def _beyond_limits(policy: PolicyPublished, item: ReportedMtu) -> Iterator[str]:
    if item.voltage_lowest_micro_pu < policy.voltage_lowest_micro_pu:
        yield f"voltage_lowest_micro_pu {item.voltage_lowest_micro_pu}"
    yield from _more(
        (
            ("voltage_highest_micro_pu", item.voltage_highest_micro_pu, policy.voltage_highest_micro_pu),
            ("loading_permille", item.loading_permille, policy.loading_highest_permille),
            ("capped_points", item.capped_points, policy.capped_points_most),
            ("capped_import_wh", item.capped_import_wh, policy.capped_import_wh_most),
            ("capped_export_wh", item.capped_export_wh, policy.capped_export_wh_most),
            ("rounds", item.rounds, policy.rounds_most),
        )
    )


def _more(bounds: Sequence[tuple[str, int, int]]) -> Iterator[str]:
    return (f"{name} {value}" for name, value, most in bounds if value > most)
