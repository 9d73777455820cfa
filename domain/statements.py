"""Statements: what a settlement account is told, and the root under which attesters sign all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.hashing import canonical_json, keccak, to_hex
from domain.lines import Line, VatLine, line_of
from domain.merkle import merkle_root
from domain.mtu import MtuRange
from domain.orders import ACCOUNT_BYTES, HASH_BYTES, TAG_BYTES
from domain.parties import ParticipantKind
from domain.strictness import decimal, hex_bytes, text, whole


@dataclass(frozen=True, slots=True)
class TermsUsed:
    """The versions under which an MTU of a household was settled."""

    agreement: str
    agreement_version: int
    tariff: str
    version: int


@dataclass(frozen=True, slots=True)
class Opening:
    """What the lines of one MTU open to: tags of bids and asks ascending over all markets, reading hashes, terms.

    An account without a point has no readings and no `terms`.
    """

    mtu: int
    bids: tuple[bytes, ...]
    asks: tuple[bytes, ...]
    readings: tuple[bytes, ...] = ()
    terms: TermsUsed | None = None

    def as_json(self) -> dict[str, Any]:
        """JSON form, as it is hashed."""
        head = {"mtu": self.mtu, "bids": list(map(to_hex, self.bids)), "asks": list(map(to_hex, self.asks))}
        if self.terms is None:
            return head
        return {
            **head,
            "readings": list(map(to_hex, self.readings)),
            "agreement": self.terms.agreement,
            "agreement_version": self.terms.agreement_version,
            "tariff": self.terms.tariff,
            "version": self.terms.version,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Opening:
        """Read the JSON form, strictly. Raises KeyError, TypeError or ValueError."""
        terms = None
        if "agreement" in data:
            terms = TermsUsed(
                agreement=text(data["agreement"]),
                agreement_version=whole(data["agreement_version"]),
                tariff=text(data["tariff"]),
                version=whole(data["version"]),
            )
        opening = cls(
            mtu=whole(data["mtu"]),
            bids=tuple(hex_bytes(tag, length=TAG_BYTES) for tag in data["bids"]),
            asks=tuple(hex_bytes(tag, length=TAG_BYTES) for tag in data["asks"]),
            readings=tuple(hex_bytes(item, length=HASH_BYTES) for item in data.get("readings", ())),
            terms=terms,
        )
        if opening.as_json() != data:
            raise ValueError(f"what the lines of MTU {opening.mtu} open to has other members")
        return opening


def _listed(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("not a list")
    return value


@dataclass(frozen=True, slots=True)
class Statement:
    """What one account is told of a period's settlement, whole: earlier revisions are deducted from the amount due.

    `area` and `point` are codes; amounts in nEUR, + = the account receives.
    """

    account: bytes
    area: str
    period: int
    revision: int
    first_mtu: int
    count: int
    kind: ParticipantKind
    point: str | None
    terms_hash: bytes
    lines: tuple[Line, ...]
    opens: tuple[Opening, ...]
    settled_before_neur: int

    @property
    def amount_neur(self) -> int:
        """Sum of all lines."""
        return sum(line.amount_neur for line in self.lines)

    @property
    def due_neur(self) -> int:
        """The amount of the account's settlement word: what this revision moves."""
        return self.amount_neur - self.settled_before_neur

    def as_json(self) -> dict[str, Any]:
        """JSON form, as it is hashed under its salt."""
        return self._head() | {
            "lines": [line.as_json() for line in self.lines],
            "opens": [opening.as_json() for opening in self.opens],
        }

    def _head(self) -> dict[str, Any]:
        """The JSON form less lines and what they open to."""
        amount = self.amount_neur
        return {
            "account": to_hex(self.account),
            "area": self.area,
            "period": self.period,
            "revision": self.revision,
            "first_mtu": self.first_mtu,
            "count": self.count,
            "kind": self.kind.value,
            "point": self.point,
            "terms_hash": to_hex(self.terms_hash),
            "amount_neur": str(amount),
            "settled_before_neur": str(self.settled_before_neur),
            "due_neur": str(amount - self.settled_before_neur),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Statement:
        """Read the JSON form, strictly. Raises KeyError, TypeError or ValueError where it is no statement.

        Lines ascend by MTU, then VAT; openings ascend, one per MTU; nothing of an MTU outside its period is in it.
        """
        statement = cls(
            account=hex_bytes(data["account"], length=ACCOUNT_BYTES),
            area=text(data["area"]),
            period=whole(data["period"], lowest=1),
            revision=whole(data["revision"]),
            first_mtu=whole(data["first_mtu"]),
            count=whole(data["count"]),
            kind=ParticipantKind(data["kind"]),
            point=None if data["point"] is None else text(data["point"]),
            terms_hash=hex_bytes(data["terms_hash"], length=HASH_BYTES),
            lines=tuple(map(line_of, _listed(data["lines"]))),
            opens=tuple(map(Opening.from_json, _listed(data["opens"]))),
            settled_before_neur=decimal(data["settled_before_neur"]),
        )
        # Each line and opening is held to its own form where it is read.
        if statement._head() != {name: item for name, item in data.items() if name not in ("lines", "opens")}:
            raise ValueError(f"the statement of {data['account']} does not add up, or has other members")
        statement._check_order()
        return statement

    def _check_order(self) -> None:
        name, period = to_hex(self.account), MtuRange(first=self.first_mtu, count=self.count)
        listed = [line.mtu for line in self.lines if not isinstance(line, VatLine)]
        if any(isinstance(line, VatLine) for line in self.lines[: len(listed)]):
            raise ValueError(f"the statement of {name} has VAT before other lines")
        opened = [opening.mtu for opening in self.opens]
        for what, mtus, ascending in (("lines", listed, sorted(listed)), ("openings", opened, sorted(set(opened)))):
            if mtus != ascending:
                raise ValueError(f"the {what} of the statement of {name} do not ascend by MTU")
            if mtus and not (mtus[0] in period and mtus[-1] in period):
                raise ValueError(f"the {what} of the statement of {name} are of MTUs outside its period")


def statement_hash(*, salt: bytes, statement: Mapping[str, Any]) -> bytes:
    """Salted hash of a statement in its JSON form; without the salt the statement can't be guessed from it."""
    return keccak(salt + canonical_json(statement))


def statement_leaf(*, account: bytes, period: int, revision: int, hashed: bytes) -> bytes:
    """The value under the statements root for one account."""
    return keccak(account.rjust(32, b"\x00") + period.to_bytes(32, "big") + revision.to_bytes(32, "big") + hashed)


def statements_root(*, period: int, revision: int, hashes: Mapping[bytes, bytes]) -> bytes:
    """Root over the statement hashes by account, accounts ascending."""
    return merkle_root(
        [
            statement_leaf(account=account, period=period, revision=revision, hashed=hashes[account])
            for account in sorted(hashes)
        ]
    )
