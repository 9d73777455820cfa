"""Double-entry postings: every line of a household's statement moves money between two accounts, never makes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from domain.hashing import from_hex
from settling.errors import MoneyMade
from settling.inputs import PartyKind
from settling.kinds import KINDS, VAT, Other

POOL = b"\x00" * 20
"""The clearing pool: the account between buyers and sellers of one area. It is always empty after a settlement."""

_OTHER = {kind.name: kind.other for kind in KINDS} | {VAT: Other.TAX}


@dataclass(frozen=True, slots=True)
class Posting:
    """Half of a pair: `amount_neur` > 0 is a credit of `account`, < 0 a debit; its twin has the opposite amount."""

    account: bytes
    other: bytes
    kind: str
    amount_neur: int


def postings_of(
    statements: Mapping[bytes, Mapping[str, Any]], *, retailer_of: Mapping[tuple[str, int], bytes]
) -> list[Posting]:
    """The pairs of one settlement, summed per (account, other side, kind), in ascending order.

    `retailer_of` gives the retailer of each agreement version. The pairs are those of the whole statement, earlier
    revisions included. Raises MoneyMade if the sum is not zero, before anything is written.
    """
    dso = _single(statements, PartyKind.DSO)
    tax = _single(statements, PartyKind.TAX)
    totals: dict[tuple[bytes, bytes, str], int] = {}
    for account, statement in statements.items():
        sides = {Other.POOL: POOL, Other.DSO: dso, Other.TAX: tax}
        agreement_at = {item["mtu"]: item for item in statement["opens"]}
        for line in statement["lines"]:
            if "tariff" in line or ("vat_bp" in line and account == tax):
                continue  # the mirror of a household's line, which has made this pair already
            side = _OTHER[line["kind"]]
            if side == Other.RETAILER:
                agreed = agreement_at[line["mtu"]]
                other = retailer_of[agreed["agreement"], agreed["agreement_version"]]
            else:
                other = sides[side]
            key = (account, other, line["kind"])
            totals[key] = totals.get(key, 0) + int(line["amount_neur"])
    return check_balanced(_pairs(totals))


def _pairs(totals: Mapping[tuple[bytes, bytes, str], int]) -> Iterable[Posting]:
    for (account, other, kind), amount in sorted(totals.items()):
        if amount != 0:
            yield Posting(account=account, other=other, kind=kind, amount_neur=amount)
            yield Posting(account=other, other=account, kind=kind, amount_neur=-amount)


def check_balanced(postings: Iterable[Posting]) -> list[Posting]:
    """The postings as a list. Raises MoneyMade unless they sum to zero."""
    listed = list(postings)
    total = sum(posting.amount_neur for posting in listed)
    if total != 0:
        raise MoneyMade(sum_neur=total)
    return listed


def _single(statements: Mapping[bytes, Mapping[str, Any]], kind: PartyKind) -> bytes:
    return next(from_hex(statement["account"]) for statement in statements.values() if statement["kind"] == kind)
