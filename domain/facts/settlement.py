"""Settlements: what is proposed, and what attesters signed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from pydantic import PlainSerializer, PlainValidator

from domain.eip712 import SETTLEMENT, Domain
from domain.facts.base import Fact, fact
from domain.hashing import text_id
from domain.members import Address, Code, Hash, Natural, Number, RuleVersion, Says, Signature, Word
from domain.statements import Statement


def _read_statement(value: object) -> Statement:
    """A statement from its JSON; one that Python code made is held to what its JSON says."""
    try:
        written = Statement.as_json(value) if isinstance(value, Statement) else value
        if not isinstance(written, Mapping):
            raise ValueError("expected a statement")
        return Statement.from_json(written)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a statement: {error}") from error


AnyStatement = Annotated[
    Statement, PlainValidator(_read_statement), PlainSerializer(Statement.as_json), Says("members of a Statement")
]


@dataclass(frozen=True, slots=True)
class AccountStatement:
    """The statement of one account, and the salt that keeps its leaf from being guessed."""

    account: Address
    salt: Hash
    statement: AnyStatement


@dataclass(frozen=True, slots=True)
class SettlementRules:
    """Versions of the rules by which a settlement was computed; the facts it rests on name theirs."""

    lines: RuleVersion


class ProposedRevision(Protocol):
    """What attesters sign of a proposed revision."""

    @property
    def area(self) -> str: ...
    @property
    def period(self) -> int: ...
    @property
    def revision(self) -> int: ...
    @property
    def words_hash(self) -> bytes: ...
    @property
    def clearing_root(self) -> bytes: ...
    @property
    def readings_root(self) -> bytes: ...
    @property
    def statements_root(self) -> bytes: ...
    @property
    def tariff_hash(self) -> bytes: ...


def settlement_values(proposed: ProposedRevision) -> dict[str, Any]:
    """The members of the struct that attesters sign."""
    return {
        "area": text_id(proposed.area),
        "period": proposed.period,
        "revision": proposed.revision,
        "wordsHash": proposed.words_hash,
        "clearingRoot": proposed.clearing_root,
        "readingsRoot": proposed.readings_root,
        "statementsRoot": proposed.statements_root,
        "tariffHash": proposed.tariff_hash,
    }


@fact
class SettlementProposed(Fact):
    """A revision of a period's settlement: one word per account whose money moves, and the roots it rests on."""

    KIND = "settlement.proposed"
    area: Code
    period: Number
    revision: Natural
    words: tuple[Word, ...]
    words_hash: Hash
    clearing_root: Hash
    readings_root: Hash
    statements_root: Hash
    tariff_hash: Hash
    statements: tuple[AccountStatement, ...]
    rules: SettlementRules

    def digest(self, domain: Domain) -> bytes:
        """What an attester signs (domain: the Settlement contract)."""
        return domain.digest(SETTLEMENT, settlement_values(self))


@dataclass(frozen=True, slots=True)
class AttesterSignature:
    """One attester's signature."""

    attester: Address
    signature: Signature


@fact
class SettlementSigned(Fact):
    """Enough attesters signed the newest proposal of this revision before it; signatures ascend by address."""

    KIND = "settlement.signed"
    area: Code
    period: Number
    revision: Natural
    signatures: tuple[AttesterSignature, ...]
