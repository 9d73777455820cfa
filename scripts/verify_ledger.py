#!/usr/bin/env python3
# fmt: off
# ruff: noqa: E701, E702
"""Verify a local energy market's ledger from its evidence, alone: verify_ledger.py BUNDLE [--anchors F] [--rpc URL] [--json]

BUNDLE is a directory in the format of docs/evidence.md (public, personal or auditor); shapes, hashes and signatures are those of docs/protocol.md.
This file shares no code with the service (it needs coincurve, PyNaCl and a keccak package), recomputes all it can, and never stops at the first
failure. It is laid out by hand, wide and dense: under 1,000 lines that one person can read at one go and trust. No float is used anywhere.

Exit status: 0 clean against anchors and chain, 3 wrong, 4 self-consistent only (no anchors or no chain), 2 usage.
Energy in Wh, prices in nEUR/Wh, money in nEUR; + is a credit of the account's holder.
"""
from __future__ import annotations

import argparse
import base64
import json
import re
import sys
import urllib.request
from collections import defaultdict, namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, reduce
from itertools import groupby
from pathlib import Path
from typing import Any

from coincurve import PublicKey
from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

try:
    from sha3 import keccak_256 as _keccak
except ImportError:
    from Crypto.Hash import keccak as _pycryptodome
    def _keccak(data: bytes) -> Any: return _pycryptodome.new(digest_bits=256, data=data)

CLEAN, USAGE, WRONG, SELF_CONSISTENT = 0, 2, 3, 4
VERDICTS = {CLEAN: "clean", WRONG: "wrong", SELF_CONSISTENT: "self-consistent only"}
MOST_FINDINGS = 200  # findings kept; further ones are only counted
BLOCK_SPAN = 5_000  # blocks asked for in one eth_getLogs, below the limits of usual nodes
PAGE_WORDS, NO_CAP, NO_PRICE, UNLIMITED, RESULT_BITS = 2_048, 2**24 - 1, -(2**31), 1 << 62, (2**48 - 1) << 24
ZERO, ZERO_HEX, LOW_S = bytes(32), "0x" + "00" * 32, 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
ROLES = {"operator": 1, "dso": 2, "attester": 3, "treasurer": 4, "registrar": 5, "security_admin": 6}
CONTRACTS = ("Anchors", "Calendar", "Market", "Readings", "Registry", "Roles", "Settlement")
UNREADABLE = (KeyError, StopIteration, TypeError, ValueError, IndexError, AttributeError, ArithmeticError, RecursionError)
FILES = {
    "auditor": "chain.json journal.jsonl receipts.jsonl", "public": "attestations.jsonl chain.json journal.jsonl programs.jsonl settlements.jsonl",
    "personal": "account.json chain.json messages.jsonl orders.jsonl readings.jsonl results.jsonl statements.jsonl terms.jsonl",
}
PUBLIC_KINDS = ("area.defined market.defined tariff.published period.declared program.opened book.closed program.signed program.refused"
                " mtu.cleared mtu.voided mtu.unread settlement.signed erasure.done")
SUPPORTS = {
    "auditor": "everything: orders, books, optimum, caps, readings, settlement to the nEUR, money on chain",
    "public": "the market's honesty: journal unbroken, books cleared unchanged and optimal, DSO and attesters signed; not that orders were"
              " signed, that caps follow from envelopes or that a single bill is right",
    "personal": "my orders stood in the book, my readings are attested, my bill follows from words, readings and terms",
}
SHAPES = """
Market Order(bytes32 market,uint32 mtu,uint8 side,int32 limitPriceNeurPerWh,uint32 quantityLots,address account,bytes16 orderId,uint32 revision,bytes32 salt)
Market Cancel(bytes32 market,uint32 mtu,bytes16 orderId,uint32 revision)
Market Schedule(bytes32 market,uint32 firstMtu,bytes32 point,bytes32 valuesHash,uint32 revision)
Market Receipt(bytes32 market,uint32 mtu,bytes16 tag,uint32 revision,uint8 kind,uint64 sequence,bytes32 journalHead,uint64 marketTime)
Market Program(bytes32 market,uint32 firstMtu,uint32 count,bytes32 resultsRoot,bytes32 gridModelHash,bytes32 reportHash,uint64 deadline)
Market Refusal(bytes32 market,uint32 firstMtu,uint32 count,bytes32 resultsRoot,string reason)
Readings Attestation(bytes32 area,uint32 mtu,uint32 revision,bytes32 root,uint32 count,uint64 importWh,uint64 exportWh)
Settlement Settlement(bytes32 area,uint32 period,uint32 revision,bytes32 wordsHash,bytes32 clearingRoot,bytes32 readingsRoot,bytes32 statementsRoot,bytes32 tariffHash)
Settlement KeyRegistration(address account,address orderKey,bytes32 point,uint32 validFromMtu)
Settlement Guarantee(address guarantor,address account,uint64 creditNeur,uint64 nonce)
Settlement Cover(address guarantor,address account,uint96 amountNeur,bytes32 ref)
Settlement Redemption(address account,uint96 amountNeur,bytes32 ref,uint64 deadline)
"""  # verifying contract and shape, as in protocol.md section 2
EVENTS = """
Anchors HeadAnchored(uint64* sequence,bytes32 head,bytes32 previousHead)
Calendar AreaCreated(bytes32* area,(uint32 attestSeconds,uint32 horizonSeconds))
Calendar PeriodDeclared(bytes32* area,uint32* period,uint32 firstMtu,uint32 count)
Market MarketCreated(bytes32* market,bytes32* area,uint32 firstPeriod,(bytes32 areaId,uint24 lot,uint24 tick,int32 least,int32 most,uint32 grace,uint32 sign,uint32 clear))
Market ProgramOpened(bytes32* market,uint32* program,uint32* period,uint32 firstMtu,uint32 count,uint64 gate)
Market BooksClosed(bytes32* market,uint32* program,uint32 firstMtu,bytes32[] chains,uint32[] counts)
Market ProgramRecorded(bytes32* market,uint32* program,bytes32 resultsRoot,bytes32 gridModelHash,bytes32 reportHash,uint64 deadline,address dso,bytes signature)
Market MtuCleared(bytes32* market,uint32* mtu,int32 priceNeurPerWh,uint64 tradedLots,bytes32 resultHash,bytes32 clearingRoot)
Market MtuVoided(bytes32* market,uint32* mtu,bytes32 clearingRoot)
Readings ReadingsAttested(bytes32* area,uint32* mtu,uint32* revision,bytes32 root,uint32 count,uint64 importWh,uint64 exportWh,bytes32 readingsRoot,bytes[] signatures)
Readings ReadingsUnread(bytes32* area,uint32* mtu,bytes32 readingsRoot)
Registry ContractRegistered(string name,uint32* version,address* at,bytes32 codeHash)
Roles RoleGranted(address* key,uint8* role,bytes32* organisation,bytes32 area)
Settlement PeriodSettled(bytes32* area,uint32* period,uint32* revision,bytes32 wordsHash,bytes32 clearingRoot,bytes32 readingsRoot,bytes32 statementsRoot,bytes32 tariffHash)
Settlement Deposited(address* account,uint256 amountNeur,bytes32* ref)
Settlement GuaranteeSet(address* guarantor,address* account,uint64 creditNeur,uint64 nonce)
Settlement DebtCovered(address* guarantor,address* account,uint256 amountNeur,bytes32* ref)
Settlement RedemptionRequested(address* account,uint256 amountNeur,bytes32* ref,uint64 readyAt)
Settlement Redeemed(address* account,uint256 amountNeur,bytes32* ref)
Settlement AccountReplaced(address* account,address* successor,int256 balanceNeur)
"""  # contract and event, * = indexed, as in contracts/src/interfaces
# What a signature, an event or a place in a table says all about. "x#" = id of a code (zero where null), "x$" = money.
# kind | shape, its signer, the struct's members | event, argument=member that name it | its other arguments | table, key
RULES = """
area.defined | | AreaCreated area=area# | attestSeconds=attest_seconds horizonSeconds=horizon_seconds | areas area#
market.defined | | MarketCreated market=market# | area=area# lot=lot_wh tick=tick_neur_per_wh least=min_limit_neur_per_wh most=max_limit_neur_per_wh grace=grace_seconds sign=sign_seconds clear=clear_seconds | markets market#
period.declared | | PeriodDeclared area=area# period=period | firstMtu=first_mtu count=count | periods area# period
program.opened | | ProgramOpened market=market# program=program | period=period firstMtu=first_mtu count=count gate=gate | gates market# program
tariff.published | | | | tariffs tariff
agreement.signed | | | | agreements account
participant.registered | | | | parties account
meter.registered | | | | meters meter
key.registered | KeyRegistration account account order_key point# valid_from_mtu | | | keys account
guarantee.given | Guarantee guarantor guarantor account credit_neur$ nonce | GuaranteeSet guarantor=guarantor account=account nonce=nonce | creditNeur=credit_neur$ |
cover.given | Cover guarantor guarantor account amount_neur$ ref | DebtCovered account=account ref=ref | guarantor=guarantor amountNeur=amount_neur$ |
redemption.requested | Redemption account account amount_neur$ ref deadline | RedemptionRequested account=account ref=ref | amountNeur=amount_neur$ |
deposit.booked | | Deposited ref=ref | account=account amountNeur=amount_neur$ |
mtu.voided | | MtuVoided market=market# mtu=mtu | |
mtu.unread | | ReadingsUnread area=area# mtu=mtu | |
"""
# Settlement lines (protocol.md section 8): kind, other side, the tariff's price (None: clearing price), sign for the
# account, whether its debits bear VAT
LINES = (
    ("local_purchase", "pool", None, -1, True), ("local_sale", "pool", None, 1, False), ("residual_supply", "retailer", "supply", -1, True),
    ("residual_feed_in", "retailer", "feed_in", 1, False), ("imbalance_surplus", "retailer", "imbalance_surplus", 1, False),
    ("imbalance_shortfall", "retailer", "imbalance_shortfall", -1, True), ("excess_export", "dso", "excess", -1, True),
    ("excess_import", "dso", "excess", -1, True), ("grid_fee_local", "dso", "grid_fee_local", -1, True),
    ("grid_fee", "dso", "grid_fee", -1, True), ("levy", "tax", "levy", -1, True), ("curtailment_compensation", "dso", "compensation", 1, False),
)

# ---------------------------------------------------------------- hashes, signatures, ABI
class Unusable(Exception):
    """Nothing can be said: no bundle, no readable anchors, or a node that does not answer."""
def keccak(data: bytes) -> bytes: return bytes(_keccak(data).digest())
def tohex(data: bytes) -> str: return "0x" + data.hex()
def word32(number: int) -> bytes: return (number % 2**256).to_bytes(32, "big")  # ABI word, two's complement
def number_of(text: str) -> int: return int.from_bytes(unhex(text, 32), "big")
def merkle_node(a: bytes, b: bytes) -> bytes: return keccak(a + b if a <= b else b + a)
def chained(hashes: Iterable[bytes]) -> bytes: return reduce(lambda chain, item: keccak(chain + item), hashes, ZERO)
def schedule_hash(net_wh: Sequence[int]) -> bytes: return keccak(b"".join(wh.to_bytes(4, "big", signed=True) for wh in net_wh))
def hash_json(value: Any) -> str: return tohex(keccak(canonical(value)))
def unhex(text: Any, size: int | None = None) -> bytes:  # of lower-case 0x hex only, in its one spelling
    data = bytes.fromhex(text[2:])
    if tohex(data) != text or (size is not None and len(data) != size): raise ValueError(f"{text[:80]!r} is not lower-case 0x hex of {size or 'whole'} bytes")
    return data
def canonical(value: Any) -> bytes:  # canonical JSON (RFC 8785 without floats)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
def parse(data: bytes) -> Any:  # JSON that must be canonical
    value = json.loads(data)
    if canonical(value) != data: raise ValueError("it is not in canonical form")
    return value
def whole(value: Any, lowest: int = 0, highest: int = 2**256) -> int:  # the value, if it is an int within bounds
    if type(value) is not int or not lowest <= value <= highest: raise ValueError(f"{str(value)[:80]!r} is not a whole number from {lowest} to {highest}")
    return value
def ident(code: str | None) -> str:  # 32-byte id of a code, zero where there is none; an id already in hex stays
    known = ZERO_HEX if code is None else code; return known if known.startswith("0x") and len(known) == 66 else tohex(keccak(known.encode()))
def merkle_root(values: Iterable[bytes]) -> str:  # an odd node moves up unchanged; zero where there is no value
    level = [keccak(value) for value in values]
    while len(level) > 1: level = [merkle_node(*level[at : at + 2]) if at + 1 < len(level) else level[at] for at in range(0, len(level), 2)]
    return tohex(level[0] if level else ZERO)
def merkle_climb(value: bytes, proof: Sequence[str]) -> str:  # root that a value and its proof lead to
    return tohex(reduce(merkle_node, (unhex(sibling, 32) for sibling in proof), keccak(value)))
def words_hash(words: Sequence[int]) -> str:  # chain over the hashes of pages of words
    pages = [b"".join(map(word32, words[start : start + PAGE_WORDS])) for start in range(0, len(words), PAGE_WORDS)]
    return tohex(chained(map(keccak, pages)))
def reading_hash(reading: Mapping[str, Any]) -> bytes:  # value of a reading's leaf
    names = ("mtu", "import_register_wh", "export_register_wh", "import_wh", "export_wh", "sequence", "quality")
    numbers = b"".join(word32(whole(reading[name])) for name in names)
    return keccak(keccak(reading["meter"].encode()) + numbers + unhex(reading["nonce"], 32))
def statement_leaf(item: Mapping[str, Any]) -> bytes:  # salted hash of a statement with account, period and revision
    body = item["statement"]; head = abi_encode("address", body["account"]) + word32(body["period"]) + word32(body["revision"])
    return keccak(head + keccak(unhex(item["salt"], 32) + canonical(body)))
@lru_cache(maxsize=1)
def journal_entry(text: bytes) -> tuple[dict[str, Any], bytes]:  # a line and the hash of its payload; pure, so cacheable
    entry = parse(text); closed = "payload" not in entry
    return entry, unhex(entry["payload_hash"], 32) if closed else keccak(unhex(entry["salt"], 32) + canonical(entry["payload"]))
@lru_cache(maxsize=65_536)
def recover(digest: bytes, signature: str) -> str:  # address that signed; only the one accepted form of a signature counts
    raw = unhex(signature, 65)
    if raw[64] not in (27, 28) or not 0 < int.from_bytes(raw[32:64], "big") <= LOW_S: raise ValueError("signature has a wrong v or a high s")
    try:
        key = PublicKey.from_signature_and_message(raw[:64] + bytes([raw[64] - 27]), digest, hasher=None)
    except Exception as error:  # coincurve raises bare Exception
        raise ValueError("signature recovers to no key") from error
    return tohex(keccak(key.format(compressed=False)[1:])[-20:])
def jws_parts(jws: str) -> list[bytes]:  # header, payload and signature; nothing is verified yet
    parts = [base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True) for part in jws.split(".")]
    if ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) != jws or len(parts) != 3: raise ValueError("it is no compact JWS")
    return parts
@lru_cache(maxsize=65_536)
def open_jws(jws: str, public_key: str) -> Any:  # payload of a JWS that this Ed25519 key signed
    header, payload, signature = jws_parts(jws)
    try:
        VerifyKey(unhex(public_key, 32)).verify(jws.rpartition(".")[0].encode(), signature)
    except CryptoError as error:
        raise ValueError("the meter's key did not sign it") from error
    body = parse(payload)
    if json.loads(header) != {"alg": "EdDSA", "kid": body["meter"], "typ": "meter+jws"}: raise ValueError("its header names another algorithm, meter or type")
    return body
def abi_encode(kind: str, value: Any) -> bytes:  # one member of a signed struct
    if kind == "string": return keccak(str(value).encode())
    if kind == "address" or kind.startswith("bytes"):
        return unhex(value, 20).rjust(32, b"\0") if kind == "address" else unhex(value, int(kind[5:])).ljust(32, b"\0")
    bits, signed = int(kind.lstrip("uint")), kind[0] == "i"; return word32(whole(value, -(2 ** (bits - 1)) if signed else 0, 2 ** (bits - signed) - 1))
def abi_decode(kinds: Sequence[str], data: bytes) -> list[Any]:  # the few ABI types that events and views use
    values: list[Any] = []
    for at, kind in enumerate(kinds):
        head = data[32 * at : 32 * at + 32]; number = int.from_bytes(head, "big", signed=kind[0] == "i")
        if kind in ("bytes", "string") or kind.endswith("[]"):
            length, body = int.from_bytes(data[number : number + 32], "big"), data[number + 32 :]
            values.append(abi_decode([kind[:-2]] * length, body) if kind.endswith("[]") else tohex(body[:length]))
        elif kind == "address" or kind.startswith("bytes"): values.append(tohex(head[12:] if kind == "address" else head[: int(kind[5:])]))
        else: values.append(number)
    return values

class Signing:
    """EIP-712 digests under the domains of one deployment."""
    def __init__(self, chain_id: int, contracts: Mapping[str, str]) -> None:
        kind = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
        fixed = keccak(kind) + keccak(b"DOMINOES") + keccak(b"1") + word32(chain_id)
        self.shapes: dict[str, tuple[bytes, bytes, list[str]]] = {}
        for contract, shape in (text.split(" ", 1) for text in SHAPES.split("\n") if text):
            name, members = shape.rstrip(")").split("("); separator = keccak(fixed + abi_encode("address", contracts[contract]))
            self.shapes[name] = (b"\x19\x01" + separator, keccak(shape.encode()), [member.split()[0] for member in members.split(",")])
    def digest(self, shape: str, *values: Any) -> bytes:  # what is signed: the shape's members in their order
        prefix, type_hash, kinds = self.shapes[shape]; return keccak(prefix + keccak(type_hash + b"".join(map(abi_encode, kinds, values))))
    def signer(self, signature: str, shape: str, *values: Any) -> str: return recover(self.digest(shape, *values), signature)

# ---------------------------------------------------------------- order words, the optimum, settlement lines
Word = namedtuple("Word", "tag ask limit quantity cap accepted effective")  # of an order; in lots; effective = what may be traded
def unpack(word: int) -> Word:
    limit, quantity, cap = word >> 96 & 0xFFFFFFFF, word >> 72 & NO_CAP, word >> 48 & NO_CAP; limit -= 2**32 if limit >= 2**31 else 0
    return Word(f"0x{word >> 128:032x}", word & NO_CAP, limit, quantity, cap, word >> 24 & NO_CAP, min(quantity, cap))
def optimum(book: Sequence[Word]) -> tuple[int | None, list[int]]:
    """Price (None without a trade) and lots per order: most welfare, then most volume, ties pro rata, rest by tag."""
    lots, accepted, volume, supply = defaultdict[Any, int](int), [0] * len(book), 0, 0
    for word in book: lots[word.ask, word.limit] += word.effective
    demand = sum(word.effective for word in book if not word.ask)
    for limit in sorted({limit for _, limit in lots}):
        supply += lots[1, limit]; volume = max(volume, min(supply, demand))
        demand -= lots[0, limit]
    if volume == 0: return None, accepted
    (last_bid, next_bid), (last_ask, next_ask) = (allot(book, ask, volume, accepted) for ask in (0, 1))
    lowest = last_ask if next_bid is None else max(last_ask, next_bid)
    highest = last_bid if next_ask is None else min(last_bid, next_ask); return lowest + (highest - lowest) // 2, accepted
def allot(book: Sequence[Word], ask: int, left: int, accepted: list[int]) -> tuple[int, int | None]:
    """Give one side its volume: the worst limit accepted, and the best limit at which something is left."""
    mine, last = [at for at, word in enumerate(book) if word.ask == ask and word.effective], 0
    mine.sort(key=lambda at: book[at].limit if ask else -book[at].limit)  # stable, and books ascend by tag
    for limit, group in groupby(mine, key=lambda at: book[at].limit):
        if left == 0: return last, limit
        level = list(group); total = sum(book[at].effective for at in level)
        share = min(left, total)
        for at in level: accepted[at] = share * book[at].effective // total
        for at in level[: share - sum(accepted[at] for at in level)]: accepted[at] += 1
        last, left = limit, left - share
        if share < total: return last, limit
    return last, None
def line_energies(b: int, s: int, i: int, e: int, cap_i: int | None, cap_e: int | None, scheduled: int) -> list[int]:
    """Wh per line of LINES from bought, sold, imported, exported, envelopes and scheduled export."""
    most_i, most_e = (UNLIMITED if cap is None else cap for cap in (cap_i, cap_e))
    residual = [max(i - b, 0), max(min(e, most_e) - s, 0), max(b - i, 0), max(s - e, 0)]
    return [b, s, *residual, max(e - max(most_e, s), 0), max(i - most_i, 0), min(b, i), max(i - b, 0), i, max(scheduled - most_e, 0)]
def line(mtu: int, at: int, energy: int, price: int, sign: int, **more: Any) -> dict[str, Any]:  # as a statement shows it
    fixed = {"mtu": mtu, "kind": LINES[at][0], "energy_wh": energy, "price_neur_per_wh": price}
    return {**fixed, "amount_neur": str(sign * energy * price), **more}
def vat_line(rate: int, base: int, amount: int) -> dict[str, Any]: return {"kind": "vat", "vat_bp": rate, "base_neur": str(base), "amount_neur": str(amount)}
def half_even(base: int, rate_bp: int) -> int:  # a percentage, rounded once
    amount, rest = divmod(base * rate_bp, 10_000); return amount + (rest > 5_000 or (rest == 5_000 and amount % 2 == 1))
def valid_at(versions: Iterable[dict[str, Any]], mtu: int) -> dict[str, Any] | None:  # tariff or agreement of an MTU
    begun = [(item["valid_from_mtu"], item["version"], item.get("agreement", ""), item) for item in versions]
    return max((item for item in begun if item[0] <= mtu), key=lambda item: item[:3], default=(None,))[-1]
def terms_hash(terms: Iterable[dict[str, Any]]) -> str:  # over versions by id, version, tariffs first
    ranked = {(item.get("agreement") or item["tariff"], item["version"], "agreement" in item): item for item in terms}
    return hash_json([ranked[rank] for rank in sorted(ranked)])

# ---------------------------------------------------------------- report
class Report:
    """All findings and what was counted; inside `with report.on(record, check)` they belong to that record."""
    def __init__(self, *, anchored: bool, chain_asked: bool) -> None:
        self.anchored, self.chain_asked, self.kind, self.findings_total = anchored, chain_asked, "unknown", 0
        self.findings: list[dict[str, str]] = []  # record, check, field, found, source, expected, message
        self.counts: dict[str, int] = defaultdict(int)
        self.notes: list[str] = []
        self.at: list[tuple[str, str]] = [("bundle", "form")]
    def fail(self, found: Any, *, name: str = "", source: str = "", expected: Any = "") -> None:  # record a failed check
        self.findings_total += 1
        if len(self.findings) < MOST_FINDINGS:
            (record, check), told, held = self.at[-1], short(found), short(expected)
            message = f"{record} [{check}]: " + (f"{name} {told}, but {source} {held}" if source else told)
            item = {"record": record, "check": check, "field": name, "found": told, "source": source, "expected": held}
            self.findings.append({**item, "message": message})
    def same(self, name: str, found: Any, expected: Any, source: str) -> None:  # a field holds what another source says
        if found != expected or type(found) is not type(expected):
            for path, one, other in differences(found, expected, name): self.fail(one, name=path, source=source, expected=other)
    def none(self, name: str, found: Iterable[Any]) -> None:  # nothing of this name may be there
        items = sorted(found, key=str)
        if items: self.fail(items, name=name, source="there may be", expected="none")
    def on(self, record: str, check: str = "") -> Report:  # what findings are about; without a check: a part of the record
        self.at.append((record, check) if check else (f"{self.at[-1][0]} {record}", self.at[-1][1])); return self
    def __enter__(self) -> None: return None
    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:  # what can't be read is a finding
        unreadable = isinstance(error, UNREADABLE)
        if unreadable: self.fail(f"{error} is missing or unknown" if isinstance(error, KeyError) else str(error) or repr(error))
        self.at.pop(); return unreadable
    @property
    def exit_code(self) -> int: return WRONG if self.findings_total else CLEAN if self.anchored and self.chain_asked else SELF_CONSISTENT
    def as_json(self) -> dict[str, Any]:
        head = {"verdict": VERDICTS[self.exit_code], "exit_code": self.exit_code, "kind": self.kind, "supports": SUPPORTS.get(self.kind, "")}
        head |= {"against_anchors": self.anchored, "against_chain": self.chain_asked, "findings_total": self.findings_total}
        return {**head, "findings": self.findings, "counts": dict(sorted(self.counts.items())), "notes": self.notes}
def short(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value); return text if len(text) <= 200 else f"{text[:190]}… ({len(text)} characters)"
def differences(found: Any, expected: Any, path: str) -> Iterator[tuple[str, Any, Any]]:  # the innermost ones, three per level
    if isinstance(found, dict) and isinstance(expected, dict) and found.keys() == expected.keys():
        pairs = [(f"{path}.{key}", found[key], expected[key]) for key in found]
    elif isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        pairs = [(f"{path}[{at}]", one, other) for at, (one, other) in enumerate(zip(found, expected, strict=True))]
    else:
        yield path, found, expected; return
    for place, one, other in [pair for pair in pairs if pair[1] != pair[2] or type(pair[1]) is not type(pair[2])][:3]: yield from differences(one, other, place)

# ---------------------------------------------------------------- chain
Rpc = Callable[[str, list[Any]], Any]
Event = namedtuple("Event", "name args block tx")  # one log: numbers as int, bytes and addresses as hex
def http_rpc(url: str) -> Rpc:  # JSON-RPC; the callable raises Unusable where the node does not answer properly
    def ask(method: str, params: list[Any]) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        try:
            request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310
            with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
                return json.loads(response.read())["result"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Unusable(f"the node at {url} gave no answer to {method} ({error!r}); check --rpc") from error
    return ask

class Chain:
    """What one node says about the contracts at one block."""
    def __init__(self, ask: Rpc, contracts: Mapping[str, str]) -> None:
        self.ask, self.contracts, self.height = ask, contracts, int(ask("eth_blockNumber", []), 16)
        self.forms: dict[tuple[str, str], tuple[str, list[list[str]]]] = {}
        for contract, event in (text.split(" ", 1) for text in EVENTS.split("\n") if text):
            members = [part.strip("()").split() for part in event.split("(", 1)[1].split(",")]
            self.forms[contracts[contract], tohex(keccak(re.sub(r"\*? \w+", "", event).encode()))] = (event.split("(")[0], members)
        self.events = [event for start in range(0, self.height + 1, BLOCK_SPAN) for event in self.logs(start)]
        self.index: dict[tuple[str, ...], dict[tuple[Any, ...], dict[str, Any]]] = {}
    def logs(self, start: int) -> Iterator[Event]:  # from a block on, over one span, in the order of their happening
        span = {"fromBlock": hex(start), "toBlock": hex(min(start + BLOCK_SPAN - 1, self.height))}
        logs = self.ask("eth_getLogs", [{**span, "address": sorted(set(self.contracts.values()))}])
        for log in sorted(logs, key=lambda log: (int(log["blockNumber"], 16), int(log["logIndex"], 16))):
            name, members = self.forms.get((log["address"].lower(), log["topics"][0]), ("", []))
            indexed = [member for member in members if member[0].endswith("*")]; plain = [member for member in members if member not in indexed]
            values = abi_decode([kind[:-1] for kind, _ in indexed], b"".join(map(unhex, log["topics"][1:])))
            values += abi_decode([kind for kind, _ in plain], unhex(log["data"]))
            args = dict(zip([key for _, key in indexed + plain], values, strict=True))
            yield Event(name, args, int(log["blockNumber"], 16), log["transactionHash"])
    def find(self, name: str, keys: Mapping[str, Any]) -> dict[str, Any] | None:  # the last such event's arguments
        if (name, *keys) not in self.index: self.index[name, *keys] = {tuple(args[key] for key in keys): args for args in self.all(name)}
        return self.index[name, *keys].get(tuple(keys.values()))
    def all(self, name: str) -> list[dict[str, Any]]: return [event.args for event in self.events if event.name == name]
    def number(self, contract: str, function: str, *words: bytes) -> int:  # first number that a view answers
        call = {"to": self.contracts[contract], "data": tohex(keccak(function.encode())[:4] + b"".join(words))}
        return int.from_bytes(unhex(self.ask("eth_call", [call, hex(self.height)]))[:32], "big", signed=True)
    def holders(self, role: str, area: str = ZERO_HEX) -> set[str]:  # keys ever granted a role for an area or for all
        return {args["key"] for args in self.all("RoleGranted") if args["role"] == ROLES[role] and args["area"] in (area, ZERO_HEX)}

# ---------------------------------------------------------------- what all bundles share
class Verification:
    """Files, manifest, trust anchors, chain and keys of one bundle, and the checks that several kinds of it need."""
    chain: Chain | None = None
    def __init__(self, files: Mapping[str, bytes], anchors: dict[str, Any] | None, rpc: Rpc | None) -> None:
        self.files, self.anchors, self.rpc, self.operators = files, anchors, rpc, set[str]()
        self.report = report = Report(anchored=anchors is not None, chain_asked=rpc is not None)
        self.on, self.same, self.fail, self.none, self.counts = report.on, report.same, report.fail, report.none, report.counts
    def manifest(self) -> str:  # manifest and files agree; the bundle's kind
        with self.on("manifest.json", "manifest"):
            manifest = parse(self.files["manifest.json"]); self.report.kind = kind = str(manifest["kind"])
            files = {name: data for name, data in self.files.items() if name != "manifest.json"}
            self.same("files", sorted(files), FILES[kind].split(), f"a bundle of kind {kind} has")
            sealed = {name: {"bytes": len(data), "keccak": tohex(keccak(data))} for name, data in files.items()}
            self.same("manifest", manifest, {"files": sealed, "format": "dominoes-evidence/1", "kind": kind}, "the files give")
        return self.report.kind
    def lines(self, name: str) -> list[tuple[str, bytes]]:  # (record name, line) of a file
        data = self.files.get(name, b"")
        if data and not data.endswith(b"\n"): self.fail(f"the last line of {name} has no end")
        return [(f"{name} line {at}", text) for at, text in enumerate(data.removesuffix(b"\n").split(b"\n"), 1)] if data else []
    def rows(self, name: str, *forms: str) -> list[tuple[str, dict[str, Any]]]:  # lines with the members of one of the forms
        lines, rows = self.lines(name), []; self.same(f"lines of {name}", len({text for _, text in lines}), len(lines), "once each there are")
        for record, text in lines:
            with self.on(record, "form"):
                row = parse(text)
                if sorted(row) not in [sorted(form.split()) for form in forms or (" ".join(row),)]:
                    raise ValueError(f"members {sorted(row)} are not those of the format")
                rows.append((record, row))
        return rows
    def connect(self) -> None:  # hold chain.json against the anchors and the node's chain
        deployed, anchors = parse(self.files["chain.json"]), self.anchors
        contracts = {name: tohex(unhex(deployed["contracts"][name], 20)) for name in CONTRACTS}
        self.same("chain.json", deployed, {"chain_id": whole(deployed["chain_id"]), "contracts": contracts}, "docs")
        if anchors is not None:
            contracts = {name: anchors["contracts"][name]["address"] for name in CONTRACTS}
            known = {"chain_id": anchors["chain_id"], "contracts": contracts}
            self.same("chain.json", deployed, known, "the trust anchors hold"); deployed, self.operators = known, {anchors["roles"]["operator"]}
        self.sign = Signing(deployed["chain_id"], contracts)
        if self.rpc is None: return
        self.same("chain_id", deployed["chain_id"], int(self.rpc("eth_chainId", []), 16), "the node answers")
        self.chain = chain = Chain(self.rpc, contracts); self.operators = self.operators or chain.holders("operator")
        listed = {contracts["Registry"], *(args["at"] for args in chain.all("ContractRegistered"))}
        self.none("contracts that the Registry on chain does not list", (name for name in CONTRACTS if contracts[name] not in listed))
        self.report.notes.append(f"market time runs at {chain.number('Calendar', 'speed()')} × block time")
        if anchors is None: return
        with self.on("anchors.json", "chain"):  # genesis, checkpoint, clock, code and keys
            point = anchors["checkpoint"]
            blocks = ("genesis_hash", 0, anchors["genesis_hash"]), ("checkpoint.block_hash", point["block"], point["block_hash"])
            for name, number, hashed in blocks:
                block = chain.ask("eth_getBlockByNumber", [hex(number), False]) or {"hash": "no such block"}
                self.same(name, hashed, block["hash"], "the node holds")
            for name, function in (("speed", "speed()"), ("origin_seconds", "origin()"), ("start_seconds", "start()")):
                self.same(name, anchors[name], chain.number("Calendar", function), "Calendar holds")
            for name, entry in anchors["contracts"].items():
                code = tohex(keccak(unhex(chain.ask("eth_getCode", [entry["address"], hex(chain.height)]))))
                self.same(f"contracts.{name}.code_hash", entry["code_hash"], code, "the node holds")
            keys = anchors["roles"].items()
            self.none("roles whose key was never granted them on chain", (role for role, key in keys if key not in chain.holders(role)))
    def on_chain(self, name: str, keys: Mapping[str, Any], values: Mapping[str, Any], *, later: bool = False) -> None:
        """The chain has an event of this name and keys, holding these values; `later`: it may not be there yet."""
        args = self.chain.find(name, keys) if self.chain else {}
        if args is None and later: self.counts[f"not on chain yet: {name}"] += 1
        elif args is None: self.fail(f"the chain has no {name} of {dict(keys)}")
        for key, value in values.items() if args else (): self.same(key, value, (args or {})[key], f"{name} on chain holds")
    def receipt(self, signature: str, *values: Any) -> None:  # by the operator; if none is known, by the first receipt's signer
        signer = self.sign.signer(signature, "Receipt", *values); self.operators = self.operators or {signer}
        self.same("receipt signer", signer, signer if signer in self.operators else min(self.operators), "the operator is")
    def quorum(self, code: str, signatures: Sequence[str], attesters: set[str], threshold: int, *signed: Any) -> None:
        """Enough distinct attesters of an area signed; no one else did. Anchors, then the chain, say who they are."""
        if self.anchors is not None: attesters, threshold = set(self.anchors["areas"][code]["attesters"]), self.anchors["areas"][code]["threshold"]
        elif self.chain is not None: attesters, threshold = self.chain.holders("attester", ident(code)), self.chain.number("Roles", "config()")
        signers = [self.sign.signer(signature, *signed) for signature in signatures]
        strangers = (signer for signer in signers if (attesters and signer not in attesters) or signers.count(signer) > 1)
        self.none("signers that are no attesters or sign twice", strangers)
        if len(set(signers)) < max(threshold, 1): self.fail(len(set(signers)), name="signatures", source="needed are", expected=threshold)
    def attestation(self, code: str, item: Mapping[str, Any], attesters: set[str], threshold: int) -> None:  # signed; as on chain
        values = dict(zip(("root", "count", "importWh", "exportWh"), (item[n] for n in ("root", "count", "import_wh", "export_wh")), strict=True))
        keys = {"area": ident(code), "mtu": item["mtu"], "revision": item["revision"]}
        self.quorum(code, item["signatures"], attesters, threshold, "Attestation", *keys.values(), *values.values())
        self.on_chain("ReadingsAttested", keys, {**values, "signatures": item["signatures"]}, later=True)
    def settlement(self, code: str, item: Mapping[str, Any], signatures: list[str], attesters: set[str], m: int) -> None:  # the same
        body, names = item.get("statement", item), ("words_hash", "clearing_root", "readings_root", "statements_root", "tariff_hash")
        keys = {"area": ident(code), "period": body["period"], "revision": body["revision"]}
        events = ("wordsHash", "clearingRoot", "readingsRoot", "statementsRoot", "tariffHash")
        values = {event: item[name] for event, name in zip(events, names, strict=True)}
        self.quorum(code, signatures, attesters, m, "Settlement", *keys.values(), *values.values())
        self.on_chain("PeriodSettled", keys, values, later=True)
    def result(self, market: str, mtu: int, body: Mapping[str, Any], rules: Mapping[str, Any]) -> tuple[list[int], str]:
        """Words and hash of one result, after checking order, fields, optimum, price and shares among ties."""
        words, price = [number_of(text) for text in body["words"]], body["price_neur_per_wh"]
        book, tick = [unpack(word) for word in words], rules.get("tick_neur_per_wh", 1)
        least, most = rules.get("min_limit_neur_per_wh", NO_PRICE + 1), rules.get("max_limit_neur_per_wh", 2**31 - 1)
        tags = [word.tag for word in book]; self.same("tags of words", tags, sorted(set(tags)), "ascending and once each is")
        self.none("words with impossible flags, quantity or limit", (f"word {at}: {word}" for at, word in enumerate(book) if
                  word.ask > 1 or not 1 <= word.quantity < NO_CAP or word.limit % tick or not least <= word.limit <= most))
        best, lots = optimum(book); self.same("price_neur_per_wh", price, best, "the rule at the optimum gives")
        self.same("accepted lots by word", [word.accepted for word in book], lots, "the optimum with its shares gives")
        self.counts["words"] += len(book); number = NO_PRICE if price is None else whole(price, NO_PRICE + 1, 2**31 - 1)
        head = unhex(market, 32) + word32(mtu) + word32(number) + unhex(words_hash(words)); return words, tohex(keccak(head + word32(len(words))))

class Order:
    """A signed order: who signed it, its tag, and its word before clearing."""
    def __init__(self, sign: Signing, order: Mapping[str, Any], signature: str) -> None:
        values = [order[name] for name in "market mtu side limitPriceNeurPerWh quantityLots account orderId revision salt".split()]  # noqa: SIM905
        self.market, self.mtu, self.ask, limit, lots, self.account, self.id, self.revision, _ = values
        digest = sign.digest("Order", *values); self.tag, self.signer = tohex(digest[:16]), recover(digest, signature)
        self.word = int(self.tag, 16) << 128 | limit % 2**32 << 96 | whole(lots, 1, NO_CAP - 1) << 72 | whole(self.ask, 0, 1)

# ---------------------------------------------------------------- auditor and public bundles
class Ledger(Verification):
    """One pass over the journal; each fact is held against what came before it and against the chain."""
    def __init__(self, files: Mapping[str, bytes], anchors: dict[str, Any] | None, rpc: Rpc | None) -> None:
        super().__init__(files, anchors, rpc)
        kept: list[defaultdict[Any, list[Any]]] = [defaultdict(list) for _ in range(10)]  # facts by key, oldest first
        self.areas, self.markets, self.periods, self.gates, self.parties, self.meters, self.keys, self.tariffs = kept[:8]
        self.agreements, self.trades = kept[8:]
        tables: list[dict[Any, Any]] = [{} for _ in range(16)]
        self.live, self.opened, self.schedules, self.books, self.programs, self.results, self.envelopes, self.scheduled = tables[:8]
        self.registers, self.leaves, self.attested, self.included, self.proposals, self.settled, self.before, self.receipts = tables[8:]
        self.fact, self.auditor, self.gone = (0, ""), self.report.kind != "public", set[str]()  # fact: sequence and hash at hand
        self.resolved, self.erased = set[tuple[str, int]](), set[str]()
        self.rules = {k[0]: rest for k, *rest in ([c.split() for c in t.split("|")] for t in RULES.split("\n") if t)}
    def run(self) -> None:
        self.receipts = {row["sequence"]: row["signature"] for _, row in self.rows("receipts.jsonl", "sequence signature")}
        self.same("sequences in receipts.jsonl", [*self.receipts], sorted(self.receipts), "ascending is")
        programs = self.rows("programs.jsonl", "market program first_mtu count results report deadline")
        self.shown = {(row["market"], row["program"]): row for _, row in programs}
        settlements = self.rows("settlements.jsonl", "area period revision words statements_root tariff_hash")
        self.settlements = {(row["area"], row["period"], row["revision"]): row for _, row in settlements}
        form = "area mtu revision root count import_wh export_wh signatures"; attestations = self.rows("attestations.jsonl", "area mtu unread", form)
        self.read = {(ident(row["area"]), row["mtu"], row.get("revision")) for _, row in attestations}
        for sequence, kind, body, hashed in self.journal():
            with self.on(f"journal.jsonl entry {sequence} {kind}", "fact"):
                self.fact = (sequence, hashed); self.rule(kind, body)
                getattr(self, "on_" + kind.replace(".", "_"), lambda body: None)(body)
            self.counts[kind] += 1
        for record, row in attestations:
            with self.on(record, "attestation"):
                if "unread" in row:
                    self.same("unread", row["unread"], True, "it can only be")
                    self.on_chain("ReadingsUnread", {"area": ident(row["area"]), "mtu": row["mtu"]}, {})
                else: self.attestation(row["area"], row, *self.attesters(row["area"]))
        with self.on("the journal", "completeness"): self.after()
    def journal(self) -> list[tuple[int, str, dict[str, Any], str]]:  # recompute the hash chain and hold it against what chain and checkpoint anchor; the open entries
        previous, heads, facts, closed = ZERO, {0: ZERO_HEX}, [], {}
        for number, (record, text) in enumerate(self.lines("journal.jsonl"), 1):
            with self.on(record, "journal"):
                entry, payload_hash = journal_entry(text)
                kind, members = str(entry["kind"]), "hash kind payload salt sequence" if "payload" in entry else "hash kind payload_hash sequence"
                self.same("members and sequence", [*sorted(entry), entry["sequence"]], [*members.split(), number], "form and place give")
                given = tohex(keccak(number.to_bytes(8, "big") + keccak(kind.encode()) + payload_hash + previous))
                self.same(f"hash of {kind}", entry["hash"], given, "entry and predecessor give")
                heads[number], previous = entry["hash"], unhex(entry["hash"], 32)
                if "payload" in entry: facts.append((number, kind, entry["payload"], entry["hash"]))
                else: closed[number] = kind
        erasures = [body for _, kind, body, _ in facts if kind == "erasure.done"]
        gone = {sequence for body in erasures for sequence in body["sequences"]} & closed.keys()
        self.gone = {tag for body in erasures for tag in body.get("tags", body.get("details", {}).get("tags", []))}
        self.erased, self.counts["erased"] = {closed[number] for number in gone}, len(gone)
        with self.on("journal.jsonl", "anchor"):
            hidden = [n for n, kind in closed.items() if n not in gone and (self.auditor or kind in PUBLIC_KINDS.split())]
            self.none("entries that are closed without an erasure", hidden); events = self.chain.all("HeadAnchored") if self.chain else []
            anchored = {args["sequence"]: args["head"] for args in events if args["sequence"] in heads}
            if self.chain is not None and len(heads) - 1 not in anchored: self.fail(f"the last entry {len(heads) - 1} is not anchored on chain")
            point = self.anchors["checkpoint"] if self.anchors else {"journal_sequence": 0, "journal_head": ZERO_HEX}
            for number, head in [*anchored.items(), (point["journal_sequence"], point["journal_head"])]:
                self.same(f"hash of entry {number}", heads.get(number, "missing"), head, "anchored is")
        return facts
    def rule(self, kind: str, body: dict[str, Any]) -> None:  # signature, event and place of a fact that RULES describes
        def value(member: str) -> Any:
            item = body[member.rstrip("#$")]; return ident(item) if member.endswith("#") else int(item) if member.endswith("$") else item
        signed, event, others, keep = self.rules.get(kind, ([], [], [], []))
        if signed:
            signer = self.sign.signer(body["signature"], signed[0], *map(value, signed[2:]))
            self.same(signed[1], body[signed[1]], signer, f"{signed[0]} is signed by")
        if event:
            keys, values = ({key: value(name) for key, name in (p.split("=") for p in ps)} for ps in (event[1:], others))
            self.on_chain(event[0], keys, values, later=bool(signed) or kind == "deposit.booked")
        if keep: getattr(self, keep[0])[value(keep[1]) if len(keep) == 2 else tuple(map(value, keep[1:]))].append(body)
    def where(self, body: Mapping[str, Any]) -> tuple[str, str]:  # market id and area id that a fact is about
        return ident(body["market"]), ident(self.markets[ident(body["market"])][-1]["area"])
    def mtus(self, body: Mapping[str, Any], most: int) -> range: return range(whole(body["first_mtu"]), body["first_mtu"] + whole(body["count"], 1, most))
    def attesters(self, code: str) -> tuple[set[str], int]:
        known = self.areas[ident(code)][-1]; return {item["address"] for item in known["attesters"]}, known["threshold"]
    # ---- who takes part; orders and books
    def on_area_defined(self, body: dict[str, Any]) -> None:  # grid model and attesters; deadlines are in RULES
        keys, grid = sorted(item["address"] for item in body["attesters"]), hash_json(body["grid_model"])
        self.same("grid_model_hash", body["grid_model_hash"], grid, "grid_model gives")
        if self.anchors is not None:
            known = self.anchors["areas"][body["area"]]
            mine = {"grid_model_hash": grid, "dso": known["dso"], "attesters": keys, "threshold": body["threshold"]}
            self.same("area", mine, known, "the trust anchors hold")
        if self.chain is not None:
            self.none("attesters without that role on chain", set(keys) - self.chain.holders("attester", ident(body["area"])))
            for name, view in (("threshold", ("Roles", "config()")), ("challenge_seconds", ("Settlement", "challengeSeconds()"))):
                self.same(name, body[name], self.chain.number(*view), f"{view[0]} holds")
    def on_key_registered(self, body: dict[str, Any]) -> None:
        self.same("point", body["point"], self.parties[body["account"]][-1]["point"], "participant.registered holds")
    def received(self, body: Mapping[str, Any], market: str, mtu: int, tag: str, revision: int, kind: int) -> None:
        """The write came before the gate (a personal bundle does not show it), and the operator gave a receipt for it."""
        gates = [g[-1]["gate"] for (m, _), g in self.gates.items() if m == market and mtu in self.mtus(g[-1], 128)]
        if (market, mtu) in self.books or (not isinstance(self, Personal) and body["market_time"] >= min(gates, default=0)):
            self.fail(body["market_time"], name="market_time", source=f"MTU {mtu} took orders until", expected=gates)
        with self.on(f"receipts.jsonl sequence {self.fact[0]}", "receipt"):
            self.receipt(self.receipts.pop(self.fact[0]), market, mtu, tag, revision, kind, *self.fact, body["market_time"])
    def key(self, body: Mapping[str, Any], order: Order, signer: str) -> Any:  # the last registered of those that begin by the MTU
        begun = [key for key in self.keys[order.account] if key["valid_from_mtu"] <= order.mtu] or [{"order_key": "none", "point": "none"}]
        self.same("order_key", body["order_key"], signer, "it is signed by")
        self.same("order_key", body["order_key"], begun[-1]["order_key"], f"valid for {order.account} in MTU {order.mtu} is"); return begun[-1]
    def on_order_accepted(self, body: dict[str, Any]) -> None:  # signed by the key that is valid for its account
        order = Order(self.sign, body["order"], body["signature"]); self.same("tag", body["tag"], order.tag, "the order gives")
        self.same("point", body["point"], self.key(body, order, order.signer)["point"], "the key's registration holds")
        self.received(body, order.market, order.mtu, order.tag, order.revision, 1)
        book = self.live.setdefault((order.market, order.mtu), {}); before = self.opened.get(book.get((order.account, order.id)))
        if before is not None: self.same("order.revision", order.revision, before[0].revision + 1, "due is")
        book[order.account, order.id] = order.tag; self.opened[order.tag] = (order, body["point"], self.fact[0])
    def on_order_cancelled(self, body: dict[str, Any]) -> None:  # signed by the account's key; withdraws the order's last revision
        values = (ident(body["market"]), body["mtu"], body["order_id"], body["revision"])
        self.received(body, values[0], values[1], body["tag"], body["revision"], 2)
        if body["tag"] not in self.gone:
            order = self.opened[body["tag"]][0]
            self.key(body, order, self.sign.signer(body["signature"], "Cancel", *values))
            self.same("revision", body["revision"], order.revision + 1, "due is")
            last = self.live[values[:2]].pop((order.account, body["order_id"]), None)
            self.same("tag", body["tag"], last, "the order's last revision has")
    def on_schedule_nominated(self, body: dict[str, Any]) -> None:  # signed by a key registered for the point
        place = (ident(body["market"]), body["first_mtu"], ident(body["point"]))
        signer = self.sign.signer(body["signature"], "Schedule", *place, tohex(schedule_hash(body["net_wh"])), body["revision"])
        keys = [key["order_key"] for keys in self.keys.values() for key in keys if key["point"] == body["point"]]
        self.none(f"signers without a key registered for {body['point']}", {signer} - set(keys))
        self.schedules[place[0], place[1], body["point"]] = body["net_wh"]
    def on_book_closed(self, body: dict[str, Any]) -> None:  # the live orders, none left out, none added; committed on chain
        (market, _), opened = self.where(body), self.gates[ident(body["market"]), body["program"]][-1]
        for mtu, book in zip(self.mtus(body, 128), body["books"], strict=True):
            with self.on(f"mtu {mtu} market {body['market']}"):
                tags, live = book["tags"], set(self.live.get((market, mtu), {}).values())
                for tag in sorted(live - set(tags)): self.fail(f"order {tag}, accepted in entry {self.opened[tag][2]} and never withdrawn, is left out")
                self.none("tags that open to no live order", set(tags) - live - self.gone if self.auditor else ())
                if self.auditor and live >= set(tags):
                    self.same("chain", book["chain"], words_hash([self.opened[tag][0].word for tag in tags]), "the opened orders give")
                hashed = tohex(keccak(unhex(book["chain"], 32) + word32(len(tags))))
                self.same("book", book, {**book, "mtu": mtu, "book_hash": hashed, "tags": sorted(set(tags))}, "due is")
                self.books[market, mtu] = book
        mine = {name: body[name] for name in ("first_mtu", "count", "gate")}
        self.same("program", mine, {name: opened[name] for name in mine}, "program.opened holds")
        values = {"chains": [book["chain"] for book in body["books"]], "counts": [len(book["tags"]) for book in body["books"]]}
        self.on_chain("BooksClosed", {"market": market, "program": body["program"]}, values, later=True)
    # ---- programs and clearings
    def program(self, body: Mapping[str, Any]) -> dict[str, Any]:  # results of a program, and what the DSO signs over them
        (market, area), results, mtus = self.where(body), {}, self.mtus(body, 128)
        for mtu, item, told in zip(mtus, body["results"], body["report"]["mtus"], strict=True):
            with self.on(f"mtu {mtu} market {body['market']}"):
                self.same("mtu", item["mtu"], mtu, "its place gives"); words, hashed = self.result(market, mtu, item, self.markets[market][-1])
                if words or not told["given_up"]:
                    book = self.books[market, mtu]
                    self.same("tags of words", [text[:34] for text in item["words"]], book["tags"], "the committed book holds")
                    committed = words_hash([word & ~RESULT_BITS for word in words])
                    self.same("chain of masked words", committed, book["chain"], "the committed book holds")
                results[mtu] = (item, words, hashed)
        root = merkle_root(unhex(results[mtu][2]) for mtu in mtus)
        hashes = (hash_json(self.areas[area][-1]["grid_model"]), hash_json(body["report"]))
        return {"results": results, "signed": (market, mtus[0], len(mtus), root, *hashes, body["deadline"]), "body": body}
    def on_program_validated(self, body: dict[str, Any]) -> None:  # results, caps and schedules; the DSO signs all of them
        (market, area), program, report = self.where(body), self.program(body), body["report"]
        for at, name in ((3, "results_root"), (4, "grid_model_hash"), (5, "report_hash")):
            self.same(name, body[name], program["signed"][at], "results, grid model and report give")
        self.same("hash of envelopes", hash_json(body["envelopes"]), report["envelopes_hash"], "the signed report holds")
        program["caps"] = {(item["mtu"], item["point"]): (item["import_cap_wh"], item["export_cap_wh"]) for item in body["envelopes"]}
        for entry, result in zip(report["mtus"], body["results"], strict=True):
            with self.on(f"mtu {result['mtu']} market {body['market']}"):
                _, words, hashed = program["results"][result["mtu"]]
                self.same("given_up", result["given_up"], entry["given_up"], "the signed report holds")
                self.same("result_hash", result["result_hash"], hashed, "price and words give")
                self.caps(self.markets[market][-1]["lot_wh"], result["mtu"], words, program["caps"])
        hashes = (schedule_hash(body["schedules"][point["code"]]) for point in self.areas[area][-1]["grid_model"]["points"])
        self.same("hash of schedules", tohex(keccak(b"".join(hashes))), report["schedules_hash"], "the signed report holds")
        for point, net in body["schedules"].items():
            nominated = self.schedules.get((market, body["first_mtu"], point), net)
            self.same(f"schedule of point {point}", net, nominated, "schedule.nominated holds")
        self.programs[market, body["program"]] = program
    def caps(self, lot: int, mtu: int, words: Sequence[int], caps: Mapping[Any, Any]) -> None:
        """The cap of each word follows from the envelope of its order's point: best limit first, then ascending tag."""
        groups = defaultdict[Any, list[Any]](list)
        for at, word in enumerate(map(unpack, words)):
            if word.tag in self.opened: groups[self.opened[word.tag][1], word.ask].append((word.limit if word.ask else -word.limit, word.tag, at, word))
        for (point, ask), members in groups.items():
            envelope = caps.get((mtu, point), (None, None))[ask]; left = NO_CAP if envelope is None else envelope // lot
            for _, _, at, word in sorted(members):
                expected = NO_CAP if envelope is None else min(word.quantity, left)
                self.same(f"word {at} cap", word.cap, expected, f"the envelope of point {point}, {envelope} Wh, leaves"); left -= expected
    def on_program_signed(self, body: dict[str, Any]) -> None:  # signed by the DSO over this very program
        market, _ = key = (self.where(body)[0], body["program"]); opening: Any = "program.validated" if self.auditor else (body["market"], body["program"])
        if opening in self.erased or (not self.auditor and opening not in self.shown and "program.validated" in self.erased): return
        if not self.auditor: self.programs[key] = self.program(self.shown.pop(opening))
        program, names = self.programs[key], ("resultsRoot", "gridModelHash", "reportHash", "deadline")
        self.dso(body, "Program", *program["signed"]); values = {"dso": body["dso"], **dict(zip(names, program["signed"][3:], strict=True))}
        self.on_chain("ProgramRecorded", {"market": market, "program": body["program"]}, values, later=True)
        self.results |= {(market, mtu): result for mtu, result in program["results"].items()}
    def on_program_refused(self, body: dict[str, Any]) -> None:  # signed over a program that public bundles do not show
        if self.auditor: self.dso(body, "Refusal", *self.programs[self.where(body)[0], body["program"]]["signed"][:4], body["reason"])
    def dso(self, body: Mapping[str, Any], *signed: Any) -> None:  # a signature of the area's DSO
        (_, area), signer = self.where(body), self.sign.signer(body["signature"], *signed)
        known = self.chain.holders("dso", area) if self.chain else {signer}
        known = {self.anchors["areas"][self.areas[area][-1]["area"]]["dso"]} if self.anchors else known
        self.same("dso", body["dso"], signer, f"{signed[0]} is signed by"); self.none("signers that are not the area's DSO", {signer} - known)
    def on_setpoints_issued(self, body: dict[str, Any]) -> None:  # controllers got the envelopes that were signed
        program = self.programs[self.where(body)[0], body["program"]]
        self.same("envelopes", body.get("envelopes", program["body"]["envelopes"]), program["body"]["envelopes"], "the program holds")
        self.envelopes |= program["caps"]
        for point, net in program["body"]["schedules"].items():
            self.scheduled |= {(program["signed"][1] + at, point): max(-value, 0) for at, value in enumerate(net)}
    def on_mtu_cleared(self, body: dict[str, Any]) -> None:  # exactly the signed result; on chain under this hash
        (market, _), mtu = self.where(body), body["mtu"]; item, words, hashed = self.results[market, mtu]
        mine = {name: body[name] for name in ("price_neur_per_wh", "words", "result_hash")}
        signed = {"price_neur_per_wh": item["price_neur_per_wh"], "words": item["words"], "result_hash": hashed}
        self.same(f"mtu {mtu} market {body['market']}", mine, signed, "the signed result holds")
        traded, price = [word for word in map(unpack, words) if word.accepted], item["price_neur_per_wh"]
        lots = sum(word.accepted for word in traded if not word.ask)
        values = {"resultHash": hashed, "priceNeurPerWh": NO_PRICE if price is None else price, "tradedLots": lots}
        self.on_chain("MtuCleared", {"market": market, "mtu": mtu}, values)
        for word in traded:
            owner = self.opened[word.tag][0].account if word.tag in self.opened else "erased"
            self.trades[owner, mtu].append((word, word.accepted * self.markets[market][-1]["lot_wh"], price))
        self.resolved.add((market, mtu))
    def on_mtu_voided(self, body: dict[str, Any]) -> None: self.resolved.add((self.where(body)[0], body["mtu"]))
    def on_chain_included(self, body: dict[str, Any]) -> None: self.included[body["key"]] = (body["block"], self.fact[0], body)
    # ---- readings
    def on_reading_attested(self, body: dict[str, Any]) -> None:  # messages, the leaves that follow from them, attestations
        area, batch = ident(body["area"]), dict[Any, Any]()
        for at, jws in enumerate(body["messages"]):
            with self.on(f"message {at}"):
                meter = self.meters[json.loads(jws_parts(jws)[0])["kid"]][-1]
                self.same("area of the meter", meter["area"], body["area"], "the attestation is of"); self.message(open_jws(jws, meter["public_key"]))
        for item in body["attestations"]:
            with self.on(f"mtu {item['mtu']} area {body['area']}"):
                leaves = [(reading, tohex(reading_hash(reading))) for reading in item["readings"]]
                names, sent = [leaf["meter"] for leaf, _ in leaves], {m for m, mtu in self.registers if mtu == item["mtu"]}
                sums = {name: sum(leaf[name] for leaf, _ in leaves) for name in ("import_wh", "export_wh")}
                due = {"root": merkle_root(unhex(hashed) for _, hashed in leaves), "count": len(leaves), **sums}
                self.same("attestation", {name: item[name] for name in due}, due, "its readings give")
                self.same("order of meters", names, sorted(set(names), key=ident), "ascending and once each is")
                mine = {m for m in sent - set(names) if self.meters[m][-1]["area"] == body["area"]}
                self.none("meters left out though they sent a reading", mine); self.attestation(body["area"], item, *self.attesters(body["area"]))
                batch |= {(leaf["meter"], item["mtu"]): leaf for leaf, _ in leaves}
                for leaf, _ in leaves:
                    with self.on(f"meter {leaf['meter']}"): self.leaf(leaf, item["mtu"], batch)
                self.attested[area, item["mtu"], item["revision"]] = leaves; self.counts["readings"] += len(leaves)
    def message(self, body: Mapping[str, Any]) -> None:  # registers of one meter: sequence + 1 each MTU, never falling
        for item in body["readings"]:
            before = self.registers.get((body["meter"], item["mtu"] - 1), {**item, "sequence": item["sequence"] - 1})
            self.same("sequence", item["sequence"], before["sequence"] + 1, "after the MTU before it is due")
            self.none("registers that fall", (name for name in ("import_wh", "export_wh") if item[name] < before[name]))
            self.registers.setdefault((body["meter"], item["mtu"]), item)
    def leaf(self, leaf: Mapping[str, Any], mtu: int, batch: Mapping[Any, Any]) -> None:
        """A measured reading is what its meter signed; interval energy is the difference of registers."""
        meter, ways, sent = leaf["meter"], ("import", "export"), self.registers.get((leaf["meter"], mtu - 1))
        self.same("mtu", leaf["mtu"], mtu, "the attestation is of")
        if leaf["quality"] == 0:
            signed = self.registers[meter, mtu]
            told = {name: signed[name.replace("_register", "")] for name in ("import_register_wh", "export_register_wh", "sequence", "nonce")}
            self.same("reading", {name: leaf[name] for name in told}, told, "the meter's signed message holds")
        else:
            self.same("quality and sequence", (leaf["quality"], leaf["sequence"]), (1, 0), "a substitute has"); self.counts["substitutes"] += 1
        before = batch.get((meter, mtu - 1)) or self.leaves.get((meter, mtu - 1))
        for way in ways if before or sent else ():
            base = before[f"{way}_register_wh"] if before else (sent or {})[f"{way}_wh"]
            self.same(f"{way}_wh", leaf[f"{way}_wh"], leaf[f"{way}_register_wh"] - base, "the registers give")
        self.leaves[meter, mtu] = leaf
    # ---- settlement and money
    def running(self, area: str, mtus: range, wanted: str) -> tuple[str, str, dict[int, int | None]]:
        """Clearing root and readings root of a period, and the revision of each MTU's readings (None: Unread) under
        the readings root that a settlement names, or under the last one where no such root was ever reached."""
        happened = [(name, args) for name, args, _, _ in self.chain.events] if self.chain else [
            (event["event"], {k: int(v) if isinstance(v, str) and v.isdigit() else v for k, v in event["args"].items()})
            for _, _, body in sorted(self.included.values(), key=lambda item: item[:2]) for event in body["events"]]
        clearing, readings, revisions, chosen = ZERO, ZERO, dict[int, int | None](), None
        for name, args in happened:
            mtu = word32(args["mtu"]) if args.get("mtu") in mtus else b""
            if mtu and name in ("MtuCleared", "MtuVoided") and self.where(args)[1] == area:
                clearing = keccak(clearing + unhex(args["market"]) + mtu + unhex(args.get("resultHash", ZERO_HEX)))
            elif mtu and name in ("ReadingsAttested", "ReadingsUnread") and args["area"] == area:
                numbers = [word32(args.get(key, 0)) for key in ("revision", "count", "importWh", "exportWh")]
                readings = keccak(readings + mtu + numbers[0] + unhex(args.get("root", ZERO_HEX)) + b"".join(numbers[1:]))
                revisions[args["mtu"]] = None if name == "ReadingsUnread" else args["revision"]
                chosen = (wanted, dict(revisions)) if tohex(readings) == wanted else chosen
        return tohex(clearing), *(chosen or (tohex(readings), revisions))
    def on_settlement_proposed(self, body: dict[str, Any]) -> None:  # recomputed line by line
        area, period = ident(body["area"]), body["period"]; mtus = self.mtus(self.periods[area, period][-1], 3_200)
        clearing, readings, revisions = self.running(area, mtus, body["readings_root"])
        self.same("clearing_root", body["clearing_root"], clearing, "clearings in their order give")
        self.same("readings_root", body["readings_root"], readings, "attestations in their order give")
        markets = [market for market, rules in self.markets.items() if ident(rules[-1]["area"]) == area]
        told = {(mtu, revision) for where, mtu, revision in self.attested if where == area} | {(mtu, None) for mtu in mtus}
        self.none("MTUs that are neither cleared nor void", (mtu for mtu in mtus for m in markets if (m, mtu) not in self.resolved))
        self.none("MTUs without an end of readings", (mtu for mtu in mtus if (mtu, revisions.get(mtu, -1)) not in told))
        given = {item["account"]: item for item in body["statements"]}; expected = {account: item["statement"] for account, item in given.items()}
        if any(("erased", mtu) in self.trades for mtu in mtus) or "reading.attested" in self.erased:
            self.counts["settlements not recomputed because openings are erased"] += 1
        else:
            expected, used = self.statements(body, area, mtus, revisions)
            self.same("tariff_hash", body["tariff_hash"], terms_hash(used), "the versions used give")
        self.same("accounts with a statement", sorted(given), sorted(expected), "due are")
        for account in sorted(given.keys() & expected.keys()):
            with self.on(f"account {account} period {period}"):
                self.same("statement", given[account]["statement"], expected[account], "orders, readings and terms give")
            self.counts["statement lines"] += len(expected[account]["lines"])
        dues = {account: int(statement["due_neur"]) for account, statement in expected.items()}
        root = merkle_root(statement_leaf(given[account]) for account in sorted(given))
        self.same("statements_root", body["statements_root"], root, "statements and salts give")
        words = [int(account, 16) << 96 | due % 2**96 for account, due in sorted(dues.items()) if due]
        self.same("words", body["words"], [tohex(word32(word)) for word in words], "the statements give")
        self.same("words_hash", body["words_hash"], words_hash(words), "the statements give"); self.proposals[area, period, body["revision"]] = body
    def traded(self, account: str, mtu: int) -> tuple[list[list[str]], list[int], int]:  # tags, Wh (bought, sold), price
        words = self.trades.get((account, mtu), []); tags = [[word.tag for word, _, _ in words if word.ask == ask] for ask in (0, 1)]
        return tags, [sum(wh for word, wh, _ in words if word.ask == ask) for ask in (0, 1)], words[0][2] if words else 0
    def flows(self, seen: list[Any], energy: list[int]) -> list[int]:  # import and export: as metered, else as traded
        return [sum(leaf[name] for leaf, _ in seen) for name in ("import_wh", "export_wh")] if seen else energy
    def statements(self, body: Any, area: str, mtus: range, revisions: Any) -> tuple[dict[str, Any], list[Any]]:
        """All statements of a settlement, and the tariff and agreement versions they use."""
        mirrors, vat, used, result = defaultdict[Any, int](int), defaultdict[int, Any](lambda: [0, 0]), list[Any](), dict[str, Any]()
        parties = [items[-1] for _, items in sorted(self.parties.items()) if ident(items[-1]["area"]) == area]
        measured = defaultdict[Any, list[Any]](list)
        for mtu, revision in revisions.items():
            for leaf in self.attested.get((area, mtu, revision), []): measured[self.meters[leaf[0]["meter"]][-1]["point"], mtu].append(leaf)
        for party in (party for party in parties if party["kind"] == "household"):
            lines, opens, terms, bases = list[Any](), list[Any](), list[Any](), defaultdict[int, int](int)
            for mtu in mtus:
                (tags, energy, price), seen, place = self.traded(party["account"], mtu), measured[party["point"], mtu], (mtu, party["point"])
                caps, scheduled = self.envelopes.get(place, (None, None)), self.scheduled.get(place, 0)
                energies = line_energies(*energy, *self.flows(seen, energy), *caps, scheduled)  # type: ignore[call-arg]
                agreement = valid_at(self.agreements.get(party["account"], ()), mtu) or {"tariff": None}
                tariff = valid_at(self.tariffs.get(agreement["tariff"], ()), mtu)
                if tariff is None:
                    self.none(f"energies of {party['account']} in MTU {mtu} without an agreement", filter(None, energies)); continue
                version = {"tariff": tariff["tariff"], "version": tariff["version"]}
                for at, (_, other, name, sign, taxed) in enumerate(LINES):
                    charged = tariff[f"{name}_neur_per_wh"] if name else price
                    if energies[at]:
                        lines.append(line(mtu, at, energies[at], charged, sign))
                        bases[tariff["vat_bp"]] += max(-sign * energies[at] * charged, 0) if taxed else 0
                        mirrors[agreement["retailer"] if other == "retailer" else other, mtu, at, *version.values(), charged] += energies[at]
                if any(energies):
                    opening = {"mtu": mtu, "bids": tags[0], "asks": tags[1], "readings": [hashed for _, hashed in seen], **version}
                    opens.append({**opening, "agreement": agreement["agreement"], "agreement_version": agreement["version"]})
                terms += [tariff, agreement]
            for rate, base in sorted(bases.items()):
                if half_even(base, rate):
                    lines.append(vat_line(rate, base, -half_even(base, rate)))
                    vat[rate] = [vat[rate][0] + base, vat[rate][1] + half_even(base, rate)]
            if terms: self.statement(result, body, party, mtus, terms_hash(terms), lines, opens)
            used += terms
        for party in (party for party in parties if party["kind"] != "household"):
            other, rows, opens = party["account"] if party["kind"] == "retailer" else party["kind"], list[Any](), list[Any]()
            for mtu in mtus:
                (bids, asks), energy, price = self.traded(party["account"], mtu)
                rows += [((mtu, side), line(mtu, side, energy[side], price, LINES[side][3])) for side in (0, 1) if energy[side]]
                opens += [{"mtu": mtu, "bids": bids, "asks": asks}] if bids or asks else []
            for (owner, mtu, at, name, number, price), wh in mirrors.items():
                if owner == other: rows.append(((mtu, at, name, number), line(mtu, at, wh, price, -LINES[at][3], tariff=name, version=number)))
            taxes = [vat_line(rate, *sums) for rate, sums in sorted(vat.items())] if party["kind"] == "tax" else []
            lines = [row for _, row in sorted(rows, key=lambda row: row[0])]
            self.statement(result, body, party, mtus, ZERO_HEX, lines + taxes, opens)
        return result, used
    def statement(self, result: Any, body: Any, party: Any, mtus: range, terms: str, lines: Any, opens: Any) -> None:
        amount, before = sum(int(item["amount_neur"]) for item in lines), self.before.get((ident(body["area"]), body["period"], party["account"]), 0)
        head = {name: body[name] for name in ("area", "period", "revision")} | {name: party[name] for name in ("account", "kind", "point")}
        sums = {"amount_neur": str(amount), "settled_before_neur": str(before), "due_neur": str(amount - before)}
        rest = {"first_mtu": mtus[0], "count": len(mtus), "terms_hash": terms, "lines": lines, "opens": opens}
        result[party["account"]] = {**head, **rest, **sums}
    def on_settlement_signed(self, body: dict[str, Any]) -> None:  # by m attesters; settled on chain under this words hash
        area, period, revision = key = (ident(body["area"]), body["period"], body["revision"])
        if not self.auditor and (body["area"], period, revision) not in self.settlements and "settlement.proposed" in self.erased: return
        if not self.auditor:
            row, mtus = self.settlements.pop((body["area"], period, revision)), self.mtus(self.periods[area, period][-1], 3_200)
            event = self.chain.find("PeriodSettled", {"area": area, "period": period, "revision": revision}) if self.chain else {}
            clearing, readings, revisions = self.running(area, mtus, (event or {}).get("readingsRoot", ""))
            self.none("MTUs that attestations.jsonl does not show", (mtu for mtu, at in revisions.items() if (area, mtu, at) not in self.read))
            hashed = words_hash([number_of(word) for word in row["words"]])
            self.proposals[key] = {**row, "words_hash": hashed, "clearing_root": clearing, "readings_root": readings}
        if self.auditor or self.chain is not None:  # the chain knows which readings a settlement saw
            signatures = [item["signature"] for item in body["signatures"]]
            self.settlement(body["area"], self.proposals[key], signatures, *self.attesters(body["area"]))
        raw = [unhex(word, 32) for word in self.proposals[key]["words"]]
        amounts = [(tohex(word[:20]), int.from_bytes(word[20:], "big", signed=True)) for word in raw]
        self.same("accounts of words", [a for a, _ in amounts], sorted({a for a, _ in amounts}), "ascending and once each is")
        self.same("sum of words", sum(amount for _, amount in amounts), 0, "money is moved, never made:")
        for account, amount in amounts if key not in self.settled else ():
            self.before[area, period, account] = self.before.get((area, period, account), 0) + amount
        self.settled[key] = amounts
    def after(self) -> None:  # nothing is left over; inclusions and balances are those on chain
        self.none("lines of other files without an entry in the journal", [*self.receipts, *self.shown, *self.settlements])
        if self.chain is None: return
        known, seen = {event.name for event in self.chain.events} - {""}, defaultdict[str, list[Event]](list)
        for event in self.chain.events: seen[event.tx].append(event)
        for block, sequence, body in self.included.values():
            mine = [(block, event["event"]) for event in body["events"] if event["event"] in known]
            there = [(event.block, event.name) for event in seen[body["tx_hash"]] if event.name]
            self.same(f"events of entry {sequence} chain.included", mine, there, "on chain are")
        balances = defaultdict[str, int](int)
        for name, args, _, _ in self.chain.events:
            amount = args.get("amountNeur", 0)
            if name == "PeriodSettled":
                if (args["area"], args["period"], args["revision"]) not in self.settled:
                    self.report.notes.append("the chain has a settlement that this bundle has not: balances were not compared"); return
                for account, due in self.settled[args["area"], args["period"], args["revision"]]: balances[account] += due
            elif name == "AccountReplaced": balances[args["successor"]] += balances.pop(args["account"], 0)
            elif name in ("Deposited", "DebtCovered", "Redeemed"):
                balances[args["account"]] += -amount if name == "Redeemed" else amount; balances[args.get("guarantor", "nobody")] -= amount
        del balances["nobody"]
        for account, balance in balances.items():
            held = self.chain.number("Settlement", "balanceOf(address)", abi_encode("address", account))
            self.same(f"balance of {account}", balance, held, "Settlement holds")
        self.same("supply", sum(balances.values()), self.chain.number("Settlement", "supply()"), "Settlement holds")

# ---------------------------------------------------------------- personal bundles
class Personal(Ledger):
    """One account's bundle: own orders, readings and terms give the own bill, whose hash attesters signed."""
    def run(self) -> None:
        own = self.own = parse(self.files["account.json"]); self.area, self.code, self.used = ident(own["area"]), own["area"], list[Any]()
        meters = [{"meter": meter["meter"], "public_key": meter["public_key"]} for meter in own["meters"]]
        form = {name: own[name] for name in ("account", "area", "kind", "point")}
        self.same("account.json", own, {**form, "meters": meters}, "docs"); self.parties[own["account"]].append(own)
        for meter in meters:
            self.none("meters named twice", [meter["meter"]] if self.meters[meter["meter"]] else [])
            self.meters[meter["meter"]].append({**meter, "point": own["point"]})
        for args in self.chain.all("MarketCreated") if self.chain else []: self.markets[args["market"]].append({"area": args["area"], "lot_wh": args["lot"]})
        tail, hashes = "sequence journal_head market_time receipt", "clearing_root readings_root statements_root tariff_hash"
        forms = {
            "orders": (f"order signature key {tail}", f"cancel tag signature key {tail}"), "messages": ("jws",),
            "results": ("market mtu price_neur_per_wh words",), "readings": ("area reading proof revision root count import_wh export_wh signatures",),
            "terms": (), "statements": (f"statement salt proof words_hash {hashes} signatures page page_hashes",),
        }
        for name, members in forms.items():
            rows, ranks = self.rows(f"{name}.jsonl", *members), []
            for record, row in rows:
                with self.on(record, name):
                    getattr(self, f"own_{name}")(row); body = row.get("statement", {})
                    ranks.append((row.get("sequence", row.get("mtu", 0)), body.get("period", 0), body.get("revision", 0)))
            self.same(f"order of the lines of {name}.jsonl", ranks, sorted(ranks), "docs")
        kept = [item for items in [*self.tariffs.values(), *self.agreements.values()] for item in items]
        self.none("terms that no statement needs", (item for item in kept if item not in self.used))
    def own_orders(self, row: dict[str, Any]) -> None:  # as the journal has them
        self.fact, self.receipts = (row["sequence"], row["journal_head"]), {row["sequence"]: row["receipt"]}
        key = row["key"]; self.keys[self.own["account"]] = []
        self.rule("key.registered", {**key, "account": self.own["account"], "point": self.own["point"]})
        if "cancel" in row:
            self.on_order_cancelled({**row, **row["cancel"], "order_id": row["cancel"]["orderId"], "order_key": key["order_key"]}); return
        order = Order(self.sign, row["order"], row["signature"])
        self.on_order_accepted({**row, "tag": order.tag, "order_key": key["order_key"], "point": self.own["point"]})
    def own_results(self, row: dict[str, Any]) -> None:  # as cleared on chain; own words are those of the own orders
        market, mtu = ident(row["market"]), row["mtu"]; words, hashed = self.result(market, mtu, row, {})
        self.on_chain("MtuCleared", {"market": market, "mtu": mtu}, {"resultHash": hashed})
        book = {word.tag: (word, number) for word, number in zip(map(unpack, words), words, strict=True)}
        for word, number in (book[tag] for tag in sorted(self.live.get((market, mtu), {}).values())):
            self.same(f"word of {word.tag}", number & ~RESULT_BITS, self.opened[word.tag][0].word, "the order gives")
            if word.accepted:
                mine = [own.accepted for own, _ in book.values() if own.tag in self.opened and own.ask == word.ask]
                lot = self.markets[market][-1]["lot_wh"] if self.markets[market] else self.told_lot(mtu, word.ask, sum(mine))
                self.trades[self.own["account"], mtu].append((word, word.accepted * lot, row["price_neur_per_wh"]))
    def told_lot(self, mtu: int, ask: int, lots: int) -> int:  # without a chain the first statement tells the lot
        lines = parse(self.lines("statements.jsonl")[0][1])["statement"]["lines"]
        return int(next(i["energy_wh"] for i in lines if i.get("mtu") == mtu and i["kind"] == LINES[ask][0])) // lots
    def own_messages(self, row: dict[str, Any]) -> None:
        self.message(open_jws(row["jws"], self.meters[json.loads(jws_parts(row["jws"])[0])["kid"]][-1]["public_key"]))
    def own_readings(self, row: dict[str, Any]) -> None:
        leaf, hashed = row["reading"], reading_hash(row["reading"])
        self.same("root", row["root"], merkle_climb(hashed, row["proof"]), "reading and proof give")
        self.same("area", row["area"], self.code, "account.json holds")
        self.attestation(row["area"], {**row, "mtu": leaf["mtu"]}, set(), 1); self.leaf(leaf, leaf["mtu"], {})
        self.attested.setdefault((self.area, leaf["mtu"], row["revision"]), []).append((leaf, tohex(hashed)))
    def own_terms(self, row: dict[str, Any]) -> None: self.rule("agreement.signed" if "agreement" in row else "tariff.published", row)
    def own_statements(self, row: dict[str, Any]) -> None:
        body, party, due = row["statement"], self.own, int(row["statement"]["due_neur"])
        mtus, told = self.mtus(body, 3_200), {(item.get("mtu"), item["kind"]): item.get("energy_wh") for item in body["lines"]}
        self.same("statements_root", row["statements_root"], merkle_climb(statement_leaf(row), row["proof"]), "statement and proof give")
        self.same("words_hash", row["words_hash"], tohex(chained(unhex(h, 32) for h in row["page_hashes"])), "page_hashes give")
        self.settlement(self.code, row, row["signatures"], set(), 1)
        words = [number_of(word) for word in row["page"] or []]; page = tohex(keccak(b"".join(map(word32, words))))
        self.same("page", [row["page"] is not None, not due or page in row["page_hashes"]], [bool(due), True], "due_neur and page_hashes give")
        self.same("own word", not due or int(party["account"], 16) << 96 | due % 2**96 in words, True, "that it is on the page must be")
        hashes = {hashed: key[2] for key, leaves in self.attested.items() for _, hashed in leaves}
        opened = {item["mtu"]: [hashes[hashed] for hashed in item.get("readings", [])] for item in body["opens"]}
        revisions: dict[int, int | None] = {mtu: found[0] if found else None for mtu, found in opened.items()}
        if self.chain is not None:
            _, readings, revisions = self.running(self.area, mtus, row["readings_root"])
            self.same("readings_root", row["readings_root"], readings, "the chain's attestations give")
        for mtu in mtus:  # a personal bundle shows no envelopes: the lines that they cause tell them
            energy = self.traded(party["account"], mtu)[1]
            drawn, fed = self.flows(self.attested.get((self.area, mtu, revisions.get(mtu)), []), energy)
            above, below, lost = (told.get((mtu, kind), 0) for kind in ("excess_export", "excess_import", "curtailment_compensation"))
            cap = fed - above if above else max(fed, energy[1]) if lost else None
            self.envelopes[mtu, party["point"]] = (drawn - below if below else None, cap); self.scheduled[mtu, party["point"]] = (cap or 0) + lost
        result, used = self.statements(body, self.area, mtus, revisions)
        if party["kind"] != "household":  # others' lines are mirrored here: only their products and sums can be checked
            mirrored, opens = [item for item in body["lines"] if "tariff" in item or item["kind"] == "vat"], result[party["account"]]["opens"]
            own = [item for item in body["lines"] if item not in mirrored]
            self.same("own trades", own, result[party["account"]]["lines"], "the words give")
            for item in (item for item in mirrored if item["kind"] != "vat"):
                sign = -next(sign for kind, _, _, sign, _ in LINES if kind == item["kind"])
                self.same("line", int(item["amount_neur"]), sign * item["energy_wh"] * item["price_neur_per_wh"], "energy and price give")
            self.statement(result, body, party, mtus, ZERO_HEX, body["lines"], opens)
        self.same("statement", body, result[party["account"]], "orders, readings and terms give")
        place = (self.area, body["period"], party["account"]); self.before[place], self.used = self.before.get(place, 0) + due, self.used + used

# ---------------------------------------------------------------- edge
def verify(bundle: Path | Mapping[str, bytes], anchors: dict[str, Any] | None = None, rpc: Rpc | None = None) -> Report:
    """Verify a bundle (a directory, or its files by name). Raises Unusable where there is none or the node is silent."""
    sys.setrecursionlimit(1_000)  # whatever the caller's: deep nesting must end in an error, not in the interpreter's stack
    try:
        files = bundle if isinstance(bundle, Mapping) else {f.name: f.read_bytes() for f in bundle.iterdir() if f.is_file()}
    except OSError as error:
        raise Unusable(f"{bundle} is no bundle ({error}); give the directory that holds manifest.json") from error
    kind = Verification(files, anchors, rpc).manifest(); verification = (Personal if kind == "personal" else Ledger)(files, anchors, rpc)
    verification.auditor = verification.manifest() != "public"
    with verification.on("chain.json", "deployment"):
        verification.connect()
        with verification.on("bundle", "form"):
            if kind in FILES: verification.run()
    return verification.report

def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Verify a ledger from its evidence, alone.")
    parser.add_argument("bundle", type=Path, help="directory of a public, personal or auditor bundle")
    parser.add_argument("--anchors", type=Path, help="trust anchors, from a place you trust")
    parser.add_argument("--rpc", help="JSON-RPC endpoint of a node of the chain")
    parser.add_argument("--json", action="store_true", help="print the report as JSON"); options = parser.parse_args(arguments)
    try:
        anchors = json.loads(options.anchors.read_bytes()) if options.anchors else None
        report = verify(options.bundle, anchors, http_rpc(options.rpc) if options.rpc else None)
    except (Unusable, OSError, ValueError) as error:
        print(json.dumps({"verdict": "unusable", "error": str(error)}) if options.json else f"error: {error}", file=sys.stderr); return USAGE
    if options.json:
        print(json.dumps(report.as_json(), indent=1, ensure_ascii=False)); return report.exit_code
    counts = (f"{name}: {count}" for name, count in sorted(report.counts.items()))
    print(*(finding["message"] for finding in report.findings), *counts, *report.notes, sep="\n")
    print(f"{report.kind} bundle: {VERDICTS[report.exit_code]}, {report.findings_total} findings. Supports {SUPPORTS.get(report.kind)}")
    return report.exit_code
if __name__ == "__main__": sys.exit(main())
