"""An area before it is defined: what no power flow can solve, or is not as it must be, is refused at the door."""

from __future__ import annotations

from dataclasses import dataclass

from domain.areas import Area
from domain.facts import AreaDefined
from domain.hashing import hash_json, to_hex
from domain.mtu import MTU_SECONDS
from domain.names import likeness
from domain.units import check_range
from grid.model import GridModel
from grid.powerflow import PowerFlow
from ledger_service.record import Prepared, prepare
from ledger_service.registry.checks import SECONDS_MAX, check_address, check_code, check_zone
from ledger_service.registry.errors import Malformed
from ledger_service.registry.grids import grid_model_text

HORIZON_SECONDS_MAX = 366 * 86_400
"""Longest time for corrections, as the contract takes it."""

THRESHOLD_LOWEST = 2
"""Fewest attesters that must agree: one alone would be trusted."""


@dataclass(frozen=True, slots=True)
class PreparedArea:
    """An area that was checked, its grid model solved, hashed and written out, before the write transaction."""

    area: Area
    fact: Prepared
    grid_model_text: str

    @classmethod
    def of(cls, area: Area) -> PreparedArea:
        """All that needs no look into the record. Raises Malformed, OutOfRange, BadGrid, GridUnsolvable."""
        _check_grid(area)
        check_code(field="area", value=area.area)
        check_zone(area.zone)
        check_range(field="challenge_seconds", value=area.challenge_seconds, lowest=1, highest=SECONDS_MAX)
        attest_s, horizon_s = area.attest_seconds, area.horizon_seconds
        check_range(field="attest_seconds", value=attest_s, lowest=MTU_SECONDS, highest=HORIZON_SECONDS_MAX)
        check_range(field="horizon_seconds", value=horizon_s, lowest=attest_s, highest=HORIZON_SECONDS_MAX)
        _check_attesters(area)
        return cls(area=area, fact=prepare(AreaDefined(area)), grid_model_text=grid_model_text(area))


def _check_grid(area: Area) -> None:
    """The hash is that of the model as it is and as it is read, and the model has a solution without load."""
    power_flow = PowerFlow(GridModel.from_document(area.grid_model.value))
    for found, expected in (
        (hash_json(area.grid_model.value), "the hash of grid_model"),
        (power_flow.grid.grid_model_hash, "the hash of grid_model, written with all its members"),
    ):
        if found != area.grid_model_hash:
            raise Malformed(field="grid_model_hash", value=to_hex(area.grid_model_hash), expected=expected)


def _check_attesters(area: Area) -> None:
    for attester in area.attesters:
        check_code(field="attester", value=attester.name)
        check_code(field="organisation", value=attester.organisation)
        check_address(field="attester address", value=attester.address)
    for field in ("name", "address"):
        values = [likeness(getattr(attester, field)) for attester in area.attesters]
        if len(set(values)) != len(values):
            raise Malformed(field=f"attester {field}", value=values, expected="a different one for each attester")
    check_range(field="threshold", value=area.threshold, lowest=THRESHOLD_LOWEST, highest=max(len(area.attesters), 1))
    organisations = [likeness(attester.organisation) for attester in area.attesters]
    if any(organisations.count(name) >= area.threshold for name in organisations):
        raise Malformed(
            field="attesters", value=organisations, expected="fewer keys per organisation than the threshold"
        )
