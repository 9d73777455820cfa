"""A real day as its evidence and its folder left it: facts, trust anchors, settings of its chain, everybody's keys."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from eth_account import Account

from contracts.transactions import UnsignedTransaction, decode_transaction
from domain.eip712 import Domain, Shape
from domain.hashing import from_hex, keccak, to_hex
from domain.signing import SigningKey
from ledger_service.chain.anvil import NodeSettings

Payload = dict[str, Any]

ACCOMPLICES = {"accomplice": SigningKey(keccak(b"accomplice"))}
"""Keys that the operator makes for itself: of accounts that look like somebody else's."""


@dataclass
class Step:
    """A fact of a day that is told again. `was` is the entry it had, None where there was none."""

    kind: str
    payload: Payload
    salt: str
    was: Payload | None = None


@dataclass(frozen=True)
class RealDay:
    """What was produced. Payloads are shared by all who tell it again: whoever changes one copies it first."""

    entries: list[Payload]
    receipts: list[Payload]
    chain: Payload
    anchors: Payload
    settings: NodeSettings
    keys: dict[str, SigningKey] = field(repr=False)

    @classmethod
    def of(cls, out: Path, others: Mapping[str, SigningKey] | None = None) -> RealDay:
        """The day that lies in this folder; `others` are keys that its folder does not hold, by party."""
        auditor, state = out / "bundles" / "auditor", out / "state"
        keys = _organisations(state / "keys") | _devices(state / "community.sqlite")
        return cls(
            entries=_lines(auditor / "journal.jsonl"),
            receipts=_lines(auditor / "receipts.jsonl"),
            chain=json.loads((auditor / "chain.json").read_text()),
            anchors=json.loads((out / "anchors.json").read_text()),
            settings=NodeSettings(**json.loads((state / "chain" / "settings.json").read_text())),
            keys=keys | ACCOMPLICES | dict(others or {}),
        )

    def steps(self) -> list[Step]:
        """The day as it was, to be changed."""
        return [Step(item["kind"], item["payload"], item["salt"], item) for item in self.entries]

    def domain(self, contract: str) -> Domain:
        """EIP-712 domain of a contract."""
        return Domain(self.chain["chain_id"], from_hex(self.chain["contracts"][contract]))

    def address(self, party: str) -> str:
        """Address of a party's key."""
        return to_hex(self.keys[party].address)

    @cached_property
    def party_of(self) -> dict[str, str]:
        """Who has an address."""
        return {to_hex(key.address): party for party, key in self.keys.items()}

    @cached_property
    def honest_calls(self) -> dict[str, tuple[list[Any], UnsignedTransaction, str]]:
        """What was asked, signed and sent by key: arguments, the transaction, its signed bytes."""
        asked = {e["payload"]["key"]: e["payload"]["args"] for e in self.entries if e["kind"] == "chain.requested"}
        signed = {e["payload"]["key"]: e["payload"]["raw"] for e in self.entries if e["kind"] == "chain.signed"}
        chain_id = self.settings.chain_id
        return {
            key: (asked.get(key, []), decode_transaction(from_hex(raw), chain_id=chain_id), raw)
            for key, raw in signed.items()
        }


def _lines(path: Path) -> list[Payload]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _organisations(folder: Path) -> dict[str, SigningKey]:
    """Keys of organisations and of the accounts that are no household."""
    return {
        place.name: SigningKey(
            bytes(Account.decrypt((place / "key.json").read_text(), (place / "password").read_text().strip()))
        )
        for place in folder.iterdir()
    }


def _devices(path: Path) -> dict[str, SigningKey]:
    """Account and order keys of all households."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        rows = db.execute("SELECT name, secret FROM device_key").fetchall()
    return {name: SigningKey(bytes(secret)) for name, secret in rows}


def sign(key: SigningKey, domain: Domain, shape: Shape, values: Payload) -> str:
    """A key's signature over a shape."""
    return to_hex(key.sign(domain.digest(shape, values)))
