"""Write `tests/golden/vectors.json`: digests, words, roots and hashes that Python and Solidity must agree on.

`python -m scripts.tools.golden_vectors` rewrites the file; a test shows that `domain` still gives it, another that the
contracts do. Everything is derived from text labels, so that the file is the same on every run.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from domain.eip712 import SHAPES, Domain
from domain.facts import BlockMined, OrderAccepted
from domain.hashing import ZERO_HASH, canonical_json, chain_hash, keccak, text_id, to_hex
from domain.merkle import merkle_proofs, merkle_root, places_proofs, places_root
from domain.orders import Order, tag_of
from domain.readings import Attestation, Quality, Reading, chain_readings_root, in_leaf_order
from domain.sessions import DoneSession, chain_clearing_root
from domain.signing import SigningKey
from domain.statements import statement_hash, statement_leaf, statements_root
from domain.units import MAX_LOTS, NO_PRICE
from domain.words import (
    OrderWord,
    Side,
    book_hash,
    mask_word,
    page_hashes,
    result_hash,
    settlement_words,
    settlement_words_hash,
    word_bytes,
    words_hash,
)
from ledger_service.record.journal import entry_hash, payload_hash

VECTORS_FILE = Path(__file__).parents[2] / "tests" / "golden" / "vectors.json"
"""Where the vectors lie; Solidity tests read the same file."""

CHAIN_ID = 31_337
MARKET, AREA = text_id("DE/LV1/DA"), text_id("DE/LV1")
FIRST_MTU = 1_629_000
SESSION = FIRST_MTU * 900 - 43_200
"""Gate of the session that the vectors are of."""

DOMAIN = Domain(chain_id=CHAIN_ID, verifying_contract=keccak(b"contract")[12:])
MERKLE_SIZES = (0, 1, 2, 3, 5, 8, 9)
"""Tree sizes that have every kind of odd level."""


def _address(label: str) -> bytes:
    return keccak(label.encode("utf-8"))[12:]


def _sample(kind: str, name: str) -> Any:
    """A value of a Solidity type, drawn from the member's name; signed ones are negative."""
    seed = keccak(f"{kind} {name}".encode())
    if kind == "string[]":
        return ["Leitung 7 überlastet", name]
    if kind == "string":
        return "Leitung 7 überlastet"
    if kind == "address":
        return seed[12:]
    if kind.startswith("bytes"):
        return seed[: int(kind.removeprefix("bytes"))]
    bits = int(kind.removeprefix("uint").removeprefix("int"))
    value = int.from_bytes(seed[: max(bits // 8, 1)], "big")
    return value if kind.startswith("uint") else -(value % 2 ** (bits - 1)) - 1


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return to_hex(value)
    return str(value) if isinstance(value, int) else value


def _typed() -> list[dict[str, Any]]:
    key = SigningKey(keccak(b"signer"))
    found = []
    for shape in SHAPES.values():
        values = {name: _sample(kind, name) for kind, name in shape.fields}
        digest = DOMAIN.digest(shape, values)
        found.append(
            {
                "shape": shape.name,
                "type": shape.type_string,
                "typeHash": to_hex(shape.type_hash),
                "values": {name: _plain(value) for name, value in values.items()},
                "structHash": to_hex(shape.struct_hash(values)),
                "digest": to_hex(digest),
                "signer": to_hex(key.address),
                "signature": to_hex(key.sign(digest)),
            }
        )
    return found


def _orders() -> list[dict[str, Any]]:
    rows = (
        ("one lot bid", Side.BID, 250_000, 1),
        ("ask below zero", Side.ASK, -100_000, 250),
        ("largest quantity", Side.ASK, 2**31 - 1, MAX_LOTS),
        ("lowest limit", Side.BID, NO_PRICE + 1, 1_000),
    )
    found: list[dict[str, Any]] = []
    for name, side, limit, quantity in rows:
        order = Order(
            market=MARKET,
            session=SESSION,
            mtu=FIRST_MTU,
            side=side,
            limit_neur_per_wh=limit,
            quantity_lots=quantity,
            account=_address("account " + name),
            order_id=keccak(b"id " + name.encode())[:16],
            revision=len(found),
            salt=keccak(b"salt " + name.encode()),
        )
        digest = order.digest(DOMAIN)
        word = order.word(tag=tag_of(digest)).pack()
        found.append(
            {
                "name": name,
                **{key: _plain(value) for key, value in order.values().items()},
                "digest": to_hex(digest),
                "tag": to_hex(tag_of(digest)),
                "word": to_hex(word_bytes(word)),
            }
        )
    return found


def _words(count: int) -> list[int]:
    tags = sorted(int.from_bytes(keccak(b"tag %d" % at)[:16], "big") for at in range(count))
    return [
        OrderWord(
            tag=tag,
            side=Side(at % 2),
            limit_neur_per_wh=(at - 2) * 10_000,
            quantity_lots=100 + at,
            cap_lots=50 + at,
            accepted_lots=at,
        ).pack()
        for at, tag in enumerate(tags)
    ]


def _books() -> list[dict[str, Any]]:
    found = []
    for count, price in ((0, None), (1, None), (2, -10_000), (7, 123_456)):
        words, mtu = _words(count), FIRST_MTU + count
        found.append(
            {
                "market": to_hex(MARKET),
                "session": str(SESSION),
                "mtu": str(mtu),
                "count": str(count),
                "price": str(NO_PRICE if price is None else price),
                "words": [to_hex(word_bytes(word)) for word in words],
                "pageHashes": [to_hex(item) for item in page_hashes(words)],
                "maskedChain": to_hex(words_hash([mask_word(word) for word in words])),
                "bookHash": to_hex(book_hash(session=SESSION, mtu=mtu, market=MARKET, words=words)),
                "resultHash": to_hex(
                    result_hash(market=MARKET, session=SESSION, mtu=mtu, price_neur_per_wh=price, words=words)
                ),
            }
        )
    return found


def _merkle() -> list[dict[str, Any]]:
    found = []
    for size in MERKLE_SIZES:
        values = [keccak(b"leaf %d" % at) for at in range(size)]
        found.append(
            {
                "values": [to_hex(value) for value in values],
                "root": to_hex(merkle_root(values)),
                "proofs": [[to_hex(node) for node in proof] for proof in merkle_proofs(values, range(size))],
            }
        )
    return found


def _places() -> list[dict[str, Any]]:
    found = []
    for size in MERKLE_SIZES:
        values = [keccak(b"place %d" % at) for at in range(size)]
        found.append(
            {
                "values": [to_hex(value) for value in values],
                "root": to_hex(places_root(values)),
                "proofs": [[to_hex(node) for node in proof] for proof in places_proofs(values, range(size))],
            }
        )
    return found


def _readings() -> dict[str, Any]:
    readings = in_leaf_order(
        [
            Reading(
                meter_code=f"DE/LV1/M{at}",
                mtu=FIRST_MTU,
                import_register_wh=1_000_000 + at,
                export_register_wh=2_000 * at,
                import_wh=250 * at,
                export_wh=17 * at,
                sequence=0 if at == 3 else 40 + at,
                quality=Quality.SUBSTITUTE if at == 3 else Quality.MEASURED,
                nonce=keccak(b"nonce %d" % at),
            )
            for at in range(1, 4)
        ]
    )
    attested = Attestation.of(area=AREA, mtu=FIRST_MTU, revision=0, readings=readings)
    unread = Attestation(area=AREA, mtu=FIRST_MTU + 1, revision=0, root=bytes(32), count=0, import_wh=0, export_wh=0)
    first = chain_readings_root(bytes(32), attested)
    return {
        "readings": [
            {**reading.as_json(), "meterId": to_hex(reading.meter_id), "readingHash": to_hex(reading.hash())}
            for reading in readings
        ],
        "attestation": {name: _plain(value) for name, value in attested.values().items()},
        "digest": to_hex(attested.digest(DOMAIN)),
        "readingsRoots": [to_hex(first), to_hex(chain_readings_root(first, unread))],
    }


def _clearing_roots() -> list[dict[str, Any]]:
    found, root = [], bytes(32)
    for at, (traded, emptied, cleared) in enumerate(((0b1011, 0b0100, 0b0011), (2**96 - 1, 0, 2**95), (0, 0, 0))):
        voided = traded == 0
        done = DoneSession(
            market_id=MARKET,
            session=SESSION + at,
            books_root=bytes(32) if voided else keccak(b"books %d" % at),
            results_root=bytes(32) if voided else keccak(b"results %d" % at),
            traded_mask=traded,
            emptied_mask=emptied,
            cleared_mask=cleared,
        )
        root = chain_clearing_root(root, done)
        found.append(
            {
                "market": to_hex(MARKET),
                "session": str(done.session),
                "booksRoot": to_hex(done.books_root),
                "resultsRoot": to_hex(done.results_root),
                "tradedMask": str(traded),
                "emptiedMask": str(emptied),
                "clearedMask": str(cleared),
                "root": to_hex(root),
            }
        )
    return found


def _settlement() -> dict[str, Any]:
    amounts = {_address("a"): -5_000_000_000, _address("b"): 4_999_999_999, _address("c"): 1, _address("d"): 0}
    words = settlement_words(amounts)
    statements = {
        account: {"account": to_hex(account), "period": 7, "lines": [], "total_neur": str(amount)}
        for account, amount in amounts.items()
    }
    hashes = {
        account: statement_hash(salt=keccak(b"salt" + account), statement=statement)
        for account, statement in statements.items()
    }
    return {
        "amounts": [{"account": to_hex(item), "amountNeur": str(amounts[item])} for item in sorted(amounts)],
        "words": [to_hex(word_bytes(word)) for word in words],
        "wordsHash": to_hex(settlement_words_hash(words)),
        "period": "7",
        "revision": "1",
        "statements": [
            {
                "account": to_hex(account),
                "salt": to_hex(keccak(b"salt" + account)),
                "statement": statements[account],
                "bytes": to_hex(canonical_json(statements[account])),
                "statementHash": to_hex(hashes[account]),
                "leaf": to_hex(statement_leaf(account=account, period=7, revision=1, hashed=hashes[account])),
            }
            for account in sorted(statements)
        ],
        "statementsRoot": to_hex(statements_root(period=7, revision=1, hashes=hashes)),
    }


def _journal() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    previous = ZERO_HASH
    for sequence, kind in ((1, OrderAccepted.KIND), (2, BlockMined.KIND)):
        salt, payload = keccak(kind.encode()), canonical_json({"kind": kind, "umlaut": "ü", "n": sequence})
        hashed = payload_hash(salt=salt, payload_text=payload)
        previous = entry_hash(sequence=sequence, kind=kind, payload_hash=hashed, previous=previous)
        found.append(
            {
                "sequence": str(sequence),
                "kind": kind,
                "salt": to_hex(salt),
                "payload": to_hex(payload),
                "payloadHash": to_hex(hashed),
                "hash": to_hex(previous),
            }
        )
    return found


def _tariffs() -> dict[str, Any]:
    used = [{"tariff": "home", "version": 1}, {"tariff": "home", "version": 2}]
    text = canonical_json(used)
    return {"bytes": to_hex(text), "tariffHash": to_hex(keccak(text))}


def vectors() -> dict[str, Any]:
    """All vectors as JSON: numbers are decimal text, bytes 0x hex."""
    pages = [keccak(b"page %d" % at) for at in range(3)]
    return {
        "domain": {
            "chainId": str(DOMAIN.chain_id),
            "verifyingContract": to_hex(DOMAIN.verifying_contract),
            "separator": to_hex(DOMAIN.separator),
        },
        "typed": _typed(),
        "orders": _orders(),
        "books": _books(),
        "chain": {"hashes": [to_hex(page) for page in pages], "chained": to_hex(chain_hash(pages))},
        "merkle": _merkle(),
        "places": _places(),
        "readings": _readings(),
        "clearing": _clearing_roots(),
        "settlement": _settlement(),
        "journal": _journal(),
        "tariffs": _tariffs(),
    }


def text() -> str:
    """The vectors as the text of their file."""
    return json.dumps(vectors(), indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    """Rewrite the file."""
    VECTORS_FILE.parent.mkdir(parents=True, exist_ok=True)
    VECTORS_FILE.write_text(text(), "utf-8")
    sys.stdout.write(f"{VECTORS_FILE.name}: {VECTORS_FILE.stat().st_size} bytes\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
