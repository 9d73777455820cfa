"""Notice of a tariff's next version: whom it binds without having signed it has time to leave (ADR 77)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from sqlalchemy import Connection

from domain.mtu import mtu_of
from domain.terms import NOTICE_MTUS, Agreement, Tariff, agreement_in_force, ends_of
from domain.units import MTUS_PER_HOUR
from ledger_service.registry import queries
from ledger_service.registry.errors import NoticeMissing

SEEN_MTUS = 24 * MTUS_PER_HOUR
"""By how much longer notice is given than is due: the day in which a head is anchored and attesters see it."""


def earliest_with_notice(now: int) -> int:
    """The first MTU in which something recorded at `now` (market time) may bind whoever did not sign it."""
    return mtu_of(now) + 1 + NOTICE_MTUS + SEEN_MTUS


def check_notice(connection: Connection, tariff: Tariff, *, now: int) -> None:
    """A version binds nobody before notice is over who agreed to the tariff before. Raises NoticeMissing."""
    earliest_mtu = earliest_with_notice(now)
    if tariff.valid_from_mtu >= earliest_mtu:
        return
    bound = next(_bound_before(connection, tariff, earliest_mtu), None)
    if bound is not None:
        name, version, first_mtu = tariff.tariff, tariff.version, tariff.valid_from_mtu
        raise NoticeMissing(
            tariff=name, version=version, agreement=bound.agreement, valid_from_mtu=first_mtu, earliest_mtu=earliest_mtu
        )


def _bound_before(connection: Connection, tariff: Tariff, earliest_mtu: int) -> Iterator[Agreement]:
    """The agreements that put an account under this version before an MTU."""
    of_account: dict[str, list[Agreement]] = defaultdict(list)
    for agreement in queries.agreements(connection):
        of_account[agreement.account].append(agreement)
    ends = ends_of(queries.ends(connection))
    for account, agreements in of_account.items():
        for agreement in agreements:
            begins_mtu = max(agreement.valid_from_mtu, tariff.valid_from_mtu)
            if agreement.tariff != tariff.tariff or begins_mtu >= earliest_mtu:
                continue
            if agreement_in_force(agreements, ends, begins_mtu) == agreement:
                party = queries.participant_of(connection, account)
                if party is None or begins_mtu in queries.place_of(connection, party):
                    yield agreement
