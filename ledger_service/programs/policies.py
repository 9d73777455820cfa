"""The DSO's signing policy: published in versions, each before the MTUs it decides on are gated."""

from __future__ import annotations

from functools import partial

from sqlalchemy import Connection

from domain.facts import PolicyPublished, policy_key
from domain.policies import SigningPolicy
from domain.signed_terms import SignedTerm
from ledger_service.record import Entry, Transaction
from ledger_service.record.keys import find_entries
from ledger_service.registry import queries as registry
from ledger_service.registry.checks import check_mtu, check_not_begun, check_successor
from ledger_service.registry.errors import Malformed, NotRegistered
from ledger_service.registry.operations import put

VERSIONS_READ = 64
"""Versions looked up at once: few DSOs ever have more."""


def policies(connection: Connection, area: str) -> tuple[SigningPolicy, ...]:
    """All versions of an area's policy, ascending."""
    found: list[SigningPolicy] = []
    while True:
        keys = [policy_key(area=area, version=len(found) + 1 + at) for at in range(VERSIONS_READ)]
        entries = find_entries(connection, keys)
        found += [entries[key].as_a(PolicyPublished).policy for key in keys if key in entries]
        if len(entries) < len(keys):
            return tuple(found)


def publish_policy(tx: Transaction, *, signed: SignedTerm[SigningPolicy], now: int) -> Entry:
    """Publish the next version of an area's policy, to begin after `now` (market time) and after what has been gated.

    Raises NotRegistered, Malformed, OutOfRange, AlreadyBegun, VersionOutOfOrder, AlreadyRegistered.
    """
    policy = signed.term

    def check() -> None:
        registry.area(tx.connection, policy.area)
        _check_members(tx, policy)
        name, first = policy.area, policy.valid_from_mtu
        gated = registry.gated_until_mtu(tx.connection, now=now, area=policy.area)
        check_not_begun(what="signing policy of", name=name, valid_from_mtu=first, now=now, gated_until_mtu=gated)
        versions = policies(tx.connection, policy.area)
        last = (versions[-1].version, versions[-1].valid_from_mtu) if versions else None
        check_successor(what="signing policy of", name=name, version=policy.version, valid_from_mtu=first, last=last)

    name = f"{policy.area}:{policy.version}"
    return put(tx, make=partial(PolicyPublished, policy), what="signing policy", name=name, check=check)


def _check_members(tx: Transaction, policy: SigningPolicy) -> None:
    """Lists ascend without a repeat, markets are of the area, the band has an inside."""
    check_mtu(field="valid_from_mtu", value=policy.valid_from_mtu)
    for field in ("markets", "ties_rules", "forecast_rules"):
        value = getattr(policy, field)
        if list(value) != sorted(set(value)):
            raise Malformed(field=field, value=list(value), expected="each once, ascending")
    of_area = {market.market for market in registry.markets(tx.connection, area=policy.area)}
    for market in policy.markets:
        if market not in of_area:
            raise NotRegistered(what="market of the area", name=market)
    if policy.voltage_lowest_micro_pu > policy.voltage_highest_micro_pu:
        low = policy.voltage_lowest_micro_pu
        raise Malformed(field="voltage_lowest_micro_pu", value=low, expected="no more than voltage_highest_micro_pu")
