"""What a DSO signs without asking anybody: its signing policy, a document with versions whose hash it signs."""

from __future__ import annotations

from dataclasses import dataclass

from domain.hashing import hash_json
from domain.members import Code, MeteredWh, Mtu, Natural, Number, RuleVersion, Signature, noun_json

SIGNATURE = "dso_signature"
"""The member that the hash is not over."""


@dataclass(frozen=True, slots=True)
class SigningPolicy:
    """One version of an area's policy: the programs that its DSO signs, from an MTU on until the next version begins.

    It binds each signature of the DSO: a program beyond it is refused. `markets`: those it signs for. Of a program:
    at most `count_most` MTUs, `given_up_most` of them given up, `fallbacks_most` failures of the solver. Of each MTU
    that is not given up: voltages within the band (1e-6 of nominal), loading (1/1000 of the rating) at most so high, at
    most so many points capped, at most so many scheduled Wh held back in each direction, at most `rounds_most`
    clearings. `ties_rules`, `forecast_rules`: versions of the rules by which a program may be made.
    """

    area: Code
    version: Number
    valid_from_mtu: Mtu
    markets: tuple[Code, ...]
    count_most: Natural
    given_up_most: Natural
    fallbacks_most: Natural
    voltage_lowest_micro_pu: Natural
    voltage_highest_micro_pu: Natural
    loading_highest_permille: Natural
    capped_points_most: Natural
    capped_import_wh_most: MeteredWh
    capped_export_wh_most: MeteredWh
    rounds_most: Natural
    ties_rules: tuple[RuleVersion, ...]
    forecast_rules: tuple[RuleVersion, ...]
    dso_signature: Signature

    @property
    def policy_hash(self) -> bytes:
        """keccak of the canonical JSON of all members but the signature: what is signed, and what programs name."""
        return hash_json(noun_json(self, exclude=(SIGNATURE,)))


def policy_at(versions: tuple[SigningPolicy, ...], mtu: int) -> SigningPolicy | None:
    """Of an area's versions, ascending, the one in force at an MTU; None before the first."""
    return next((item for item in reversed(versions) if item.valid_from_mtu <= mtu), None)
