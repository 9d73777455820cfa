"""Settlements: what is proposed, and what attesters signed."""

from __future__ import annotations

from dataclasses import dataclass

from domain.facts.base import Fact
from domain.members import Address, Code, Document, Hash, Natural, Number, RuleVersion, Signature, Word


@dataclass(frozen=True, slots=True)
class AccountStatement:
    """The lines of one account (a statement of `settling`) and the salt that keeps its leaf from being guessed."""

    account: Address
    salt: Hash
    statement: Document


@dataclass(frozen=True, slots=True)
class SettlementRules:
    """Versions of the rules by which a settlement was computed; the facts it rests on name theirs."""

    lines: RuleVersion


@dataclass(frozen=True)
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


@dataclass(frozen=True, slots=True)
class AttesterSignature:
    """One attester's signature."""

    attester: Address
    signature: Signature


@dataclass(frozen=True)
class SettlementSigned(Fact):
    """Enough attesters signed the newest proposal of this revision before it; signatures ascend by address."""

    KIND = "settlement.signed"
    area: Code
    period: Number
    revision: Natural
    signatures: tuple[AttesterSignature, ...]
