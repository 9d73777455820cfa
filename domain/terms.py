"""Terms of supply: tariffs, and the agreements that put an account under one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from domain.members import Address, BasisPoints, Code, Mtu, Natural, PriceNeurPerWh, Signature
from domain.mtu import MTU_END
from domain.units import MTUS_PER_HOUR

NOTICE_MTUS = 14 * 24 * MTUS_PER_HOUR
"""Notice before a term ends that its account did not sign: two weeks, in which it can look for another retailer."""


@dataclass(frozen=True, slots=True)
class Tariff:
    """One version of a tariff, valid from an MTU until the next version. Prices in nEUR/Wh, VAT in basis points.

    A positive price is paid by the household for supply, shortfall, excess, grid fees and levy, and to it for
    feed-in, surplus and compensation. Each party signed the prices of lines whose other side it is
    (`domain.signed_terms`): the retailer, whose tariff it is, the area's DSO, and the registrar levy and VAT.
    """

    tariff: Code
    version: Natural
    area: Code
    retailer: Address
    valid_from_mtu: Mtu
    supply_neur_per_wh: PriceNeurPerWh
    feed_in_neur_per_wh: PriceNeurPerWh
    imbalance_surplus_neur_per_wh: PriceNeurPerWh
    imbalance_shortfall_neur_per_wh: PriceNeurPerWh
    excess_neur_per_wh: PriceNeurPerWh
    grid_fee_neur_per_wh: PriceNeurPerWh
    grid_fee_local_neur_per_wh: PriceNeurPerWh
    levy_neur_per_wh: PriceNeurPerWh
    compensation_neur_per_wh: PriceNeurPerWh
    vat_bp: BasisPoints
    retailer_signature: Signature
    dso_signature: Signature
    registrar_signature: Signature


@dataclass(frozen=True, slots=True)
class Agreement:
    """One version of a supply agreement: which retailer supplies an account under which tariff.

    Valid from an MTU until the account's next agreement, its end, or that of the account's part. `account` and
    `retailer` are addresses as facts carry them, lower-case 0x hex. Both signed all that stands before their signatures
    (`domain.signed_terms`).
    """

    agreement: Code
    version: Natural
    account: Address
    retailer: Address
    tariff: Code
    valid_from_mtu: Mtu
    account_signature: Signature
    retailer_signature: Signature


class EndedTerm(StrEnum):
    """What ends."""

    AGREEMENT = "agreement"
    """A supply agreement, in all its versions: moving out, change of supplier."""

    PARTICIPATION = "participation"
    """A household's part and its place at its point: moving out."""

    METER = "meter"
    """A meter at its point, where none takes its place."""


@dataclass(frozen=True, slots=True)
class TermEnd:
    """The end of a term, for good: `end_mtu` is the first MTU in which it decides nothing any more.

    `name` is that of the agreement, participant or meter. An agreement is ended by its account, its retailer or both;
    a participation by its account, the area's DSO or both; a meter by the DSO. Whoever else signed has None. `account`
    is None for a meter, `retailer` for all but an agreement (`domain.signed_terms`).
    """

    term: EndedTerm
    name: Code
    area: Code
    account: Address | None
    retailer: Address | None
    end_mtu: Mtu
    account_signature: Signature | None
    retailer_signature: Signature | None
    dso_signature: Signature | None

    @property
    def notice_mtus(self) -> int:
        """How many MTUs before its end it must be known: none where the account agreed, or where it binds nobody."""
        given = self.term is not EndedTerm.METER and self.account_signature is None
        return NOTICE_MTUS if given else 0


Ends = Mapping[tuple[EndedTerm, str], int]
"""First MTU after the end of each term that has one, by kind and name."""


def ends_of(ends: Iterable[TermEnd]) -> Ends:
    """The ends by what they end."""
    return {(end.term, end.name): end.end_mtu for end in ends}


def agreement_in_force(agreements: Iterable[Agreement], ends: Ends, mtu: int) -> Agreement | None:
    """Which of an account's agreement versions is in force at an MTU.

    Of the versions that began by then, and before their agreement ended, the latest (of these the highest version, then
    the last id); none where its agreement has ended. So nothing that was agreed before comes back.
    """
    ended = {name: end for (term, name), end in ends.items() if term is EndedTerm.AGREEMENT}
    begun = (
        item
        for item in agreements
        if item.valid_from_mtu <= mtu and item.valid_from_mtu < ended.get(item.agreement, MTU_END)
    )
    latest = max(begun, key=lambda item: (item.valid_from_mtu, item.version, item.agreement), default=None)
    return None if latest is None or ended.get(latest.agreement, MTU_END) <= mtu else latest
