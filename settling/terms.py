"""Which agreement and which tariff version apply to an account at each MTU, and the hashes that commit to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from domain.errors import DominoesError
from domain.hashing import from_hex, hash_json, to_hex
from domain.members import noun_json
from domain.periods import Period
from domain.terms import Agreement, Ends, Tariff, agreement_in_force
from settling.columns import NO_TERMS, Prices
from settling.inputs import Party
from settling.positions import Ints, OwnPrices

PRICE_FIELDS = tuple(item.name for item in fields(Tariff) if item.name.endswith("_neur_per_wh"))
"""The prices of a tariff version, in nEUR/Wh."""


class MissingParty(DominoesError):
    """The area lacks the one account that receives grid fees or taxes, or a retailer that agreements name."""

    code = "missing-party"

    def __init__(self, *, party: str) -> None:
        self.party = party
        super().__init__(f"the area has no single {party} account; register exactly one before settling")


@dataclass(frozen=True, slots=True)
class Class:
    """What households of one retailer under one tariff version have in common."""

    retailer: bytes
    tariff: Tariff


@dataclass(frozen=True, slots=True)
class Span:
    """MTUs [first, stop), counted from the period's first, in which one agreement and one tariff version apply."""

    first: int
    stop: int
    agreement: Agreement
    row: int


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms of all households: `classes` are the rows of the price tables, `spans` per household, `matrix` the row
    per household and MTU (NO_TERMS where none applies)."""

    classes: tuple[Class, ...]
    spans: tuple[tuple[Span, ...], ...]
    matrix: Ints

    def prices(self, own: OwnPrices) -> Prices:
        """Price tables by row; one row of zeros where no terms apply to anybody."""
        tariffs = [item.tariff for item in self.classes]
        table = {
            name: np.array([getattr(tariff, name) for tariff in tariffs] or [0], dtype=np.int64)
            for name in PRICE_FIELDS
        }
        rates = np.array([tariff.vat_bp for tariff in tariffs] or [0], dtype=np.int64)
        return Prices(tariff=table, vat_bp=rates, own=own)


def resolve_terms(
    *,
    households: Sequence[Party],
    agreements: Iterable[Agreement],
    tariffs: Iterable[Tariff],
    period: Period,
    successors: Mapping[bytes, bytes],
    ends: Ends,
) -> Terms:
    """The terms of each account in each MTU of the period: the newest version valid at delivery, where it takes part.

    `successors` as in `Inputs`: what a replaced account signed, or was named by, is its successor's.
    """
    by_account: dict[bytes, list[Agreement]] = {}
    for agreement in agreements:
        account = from_hex(agreement.account)
        by_account.setdefault(successors.get(account, account), []).append(agreement)
    by_tariff: dict[str, list[Tariff]] = {}
    for tariff in tariffs:
        by_tariff.setdefault(tariff.tariff, []).append(tariff)
    rows: dict[tuple[bytes, str, int], int] = {}
    classes: list[Class] = []
    matrix = np.full((len(households), period.count), NO_TERMS, dtype=np.int64)
    all_spans = []
    for index, party in enumerate(households):
        spans = []
        for first, stop, agreement, tariff in _spans(party, by_account.get(party.account, []), by_tariff, period, ends):
            named = from_hex(agreement.retailer)
            retailer = successors.get(named, named)
            key = (retailer, tariff.tariff, tariff.version)
            if key not in rows:
                rows[key] = len(classes)
                classes.append(Class(retailer=retailer, tariff=tariff))
            spans.append(Span(first=first, stop=stop, agreement=agreement, row=rows[key]))
            matrix[index, first:stop] = rows[key]
        all_spans.append(tuple(spans))
    return Terms(classes=tuple(classes), spans=tuple(all_spans), matrix=matrix)


def _spans(
    party: Party, agreements: list[Agreement], by_tariff: dict[str, list[Tariff]], period: Period, ends: Ends
) -> Iterable[tuple[int, int, Agreement, Tariff]]:
    """(first, stop, agreement, tariff) over the period, cut wherever a version begins or a term ends."""
    cuts = {period.first_mtu, party.first_mtu, party.end_mtu}
    mine = {item.agreement for item in agreements}
    cuts.update(end_mtu for (_, name), end_mtu in ends.items() if name in mine)
    for agreement in agreements:
        cuts.add(agreement.valid_from_mtu)
        cuts.update(tariff.valid_from_mtu for tariff in by_tariff.get(agreement.tariff, []))
    inside = sorted(cut for cut in cuts if cut in period)
    for at, stop in zip(inside, [*inside[1:], period.end_mtu], strict=True):
        if not party.first_mtu <= at < party.end_mtu:
            continue
        agreement_now = agreement_in_force(agreements, ends, at)
        tariff_now = None if agreement_now is None else _newest(by_tariff.get(agreement_now.tariff, []), at)
        if agreement_now is not None and tariff_now is not None:
            yield at - period.first_mtu, stop - period.first_mtu, agreement_now, tariff_now


def _newest(versions: list[Tariff], mtu: int) -> Tariff | None:
    """The latest version that began by then, of these the highest."""
    valid = [version for version in versions if version.valid_from_mtu <= mtu]
    return max(valid, key=lambda item: (item.valid_from_mtu, item.version), default=None)


def terms_list(terms: Terms, households: Iterable[int]) -> list[dict[str, Any]]:
    """The agreement and tariff versions that apply to these households, sorted by id, version, tariffs first."""
    found: dict[tuple[str, int, int], dict[str, Any]] = {}
    for household in households:
        for span in terms.spans[household]:
            agreement, tariff = span.agreement, terms.classes[span.row].tariff
            found[tariff.tariff, tariff.version, 0] = noun_json(tariff)
            found[agreement.agreement, agreement.version, 1] = noun_json(agreement)
    return [found[key] for key in sorted(found)]


def terms_hash(terms: Terms, households: Iterable[int]) -> bytes:
    """`tariffHash` over all households, `terms_hash` of a statement over its own."""
    return hash_json(terms_list(terms, households))


def check_retailers(terms: Terms, retailers: Iterable[bytes]) -> None:
    """Raise MissingParty where an agreement names a retailer that takes no part in the area."""
    known = set(retailers)
    for item in terms.classes:
        if item.retailer not in known:
            raise MissingParty(party=f"retailer {to_hex(item.retailer)}")
