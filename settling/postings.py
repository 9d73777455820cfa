"""Double-entry postings: every line of a household's statement moves money between two accounts, never makes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from domain.errors import DominoesError
from domain.hashing import to_hex
from domain.lines import VAT, MirrorLine, OtherSide, PositionLine, VatLine
from domain.parties import ParticipantKind
from domain.statements import Statement

POOL = b"\x00" * 20
"""The clearing pool: the account between buyers and sellers of one area. It is always empty after a settlement."""


class MoneyMade(DominoesError):
    """Amounts of a settlement do not sum to zero."""

    status = 500
    code = "money-made"

    def __init__(self, *, sum_neur: int) -> None:
        self.sum_neur = sum_neur
        super().__init__(f"settlement amounts sum to {sum_neur} nEUR instead of zero; nothing was written, report this")


@dataclass(frozen=True, slots=True)
class Posting:
    """Half of a pair: `amount_neur` > 0 is a credit of `account`, < 0 a debit; its twin has the opposite amount."""

    account: bytes
    other: bytes
    kind: str
    amount_neur: int


def postings_of(
    statements: Mapping[bytes, Statement], *, retailer_of: Mapping[tuple[str, int], bytes]
) -> list[Posting]:
    """The pairs of one settlement, summed per (account, other side, kind), in ascending order.

    `retailer_of` gives the retailer of each agreement version. The pairs are those of the whole statement, earlier
    revisions included. Raises MoneyMade if the sum is not zero, before anything is written.
    """
    dso = _single(statements, ParticipantKind.DSO)
    tax = _single(statements, ParticipantKind.TAX)
    totals: dict[tuple[bytes, bytes, str], int] = {}
    for account, statement in statements.items():
        sides = {OtherSide.POOL: POOL, OtherSide.DSO: dso, OtherSide.TAX: tax}
        terms_at = {opening.mtu: opening.terms for opening in statement.opens}
        for line in statement.lines:
            if isinstance(line, MirrorLine) or (isinstance(line, VatLine) and account == tax):
                continue  # the mirror of a household's line, which has made this pair already
            side, name = (OtherSide.TAX, VAT) if isinstance(line, VatLine) else (line.kind.other, line.kind.name)
            if side == OtherSide.RETAILER and isinstance(line, PositionLine):
                used = terms_at[line.mtu]
                if used is None:
                    raise ValueError(f"MTU {line.mtu} of {to_hex(account)} has lines but no terms")
                other = retailer_of[used.agreement, used.agreement_version]
            else:
                other = sides[side]
            key = (account, other, name)
            totals[key] = totals.get(key, 0) + line.amount_neur
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


def _single(statements: Mapping[bytes, Statement], kind: ParticipantKind) -> bytes:
    return next(account for account, statement in statements.items() if statement.kind == kind)
