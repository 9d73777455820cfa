#!/usr/bin/env python3
# fmt: off
# ruff: noqa: E701, E702, I001, SIM905
"""Verify a local energy market's ledger from its evidence, alone: verify_ledger.py BUNDLE [--anchors F] [--rpc URL] [--block N] [--json]

BUNDLE is a directory in the format of docs/evidence.md (public, personal or auditor); shapes, hashes and signatures are those of docs/protocol.md. This file shares no code
with the service (it needs coincurve, PyNaCl and a keccak package), recomputes all it can, and never stops at the first failure. It is laid out by hand, wide and dense: under
1,000 lines that one person can read at one go and trust. Exit status: 0 clean against anchors and chain (the verdict says "in part" where erased or late facts left gaps), 3 wrong,
4 self-consistent only (no anchors or no chain), 2 usage. No float is used. Energy in Wh, prices in nEUR/Wh, money in nEUR; + is a credit of the account's holder.
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
CLEAN, USAGE, WRONG, SELF_CONSISTENT = 0, 2, 3, 4; VERDICTS = {CLEAN: "clean", WRONG: "wrong", SELF_CONSISTENT: "self-consistent only"}
MOST_FINDINGS, BLOCK_SPAN = 200, 5_000  # findings kept, further ones are only counted; blocks asked for in one eth_getLogs, below the limits of usual nodes
GRACE_SECONDS = 3_600  # market time within which the operator journals what the chain did, and settles what readings changed
PAGE_WORDS, NO_CAP, NO_PRICE, UNLIMITED, RESULT_BITS = 2_048, 2**24 - 1, -(2**31), 1 << 62, (2**48 - 1) << 24
ZERO, ZERO_HEX, LOW_S = bytes(32), "0x" + "00" * 32, 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
ROLES = {"operator": 1, "dso": 2, "attester": 3, "treasurer": 4, "registrar": 5, "security_admin": 6}; SENDERS = ("operator", "treasurer", "registrar")  # whose transactions the journal must hold
CONTRACTS = ("Anchors", "Calendar", "Market", "Readings", "Registry", "Roles", "Settlement")
UNREADABLE = (KeyError, StopIteration, TypeError, ValueError, IndexError, AttributeError, ArithmeticError, RecursionError)
FILES = {
    "auditor": "chain.json journal.jsonl receipts.jsonl", "public": "attestations.jsonl chain.json journal.jsonl programs.jsonl settlements.jsonl",
    "personal": "account.json chain.json messages.jsonl orders.jsonl programs.jsonl readings.jsonl results.jsonl statements.jsonl terms.jsonl",
}
PUBLIC_KINDS = set("area.defined market.defined tariff.published period.declared program.opened book.closed program.signed program.refused mtu.cleared mtu.voided mtu.unread settlement.signed erasure.done".split())
# What names or describes a person may be erased; everything else stays open.
ERASABLE = set("participant.registered key.registered order.accepted order.cancelled schedule.nominated program.validated setpoints.issued reading.attested settlement.proposed".split())
SUPPORTS = {
    "auditor": "everything: orders, books, optimum, caps, readings, settlement to the nEUR, money and transactions on chain",
    "public": "the market's honesty: journal unbroken, books cleared unchanged and optimal, DSO and attesters signed; not that orders were signed, that caps follow from envelopes or that a single bill is right",
    "personal": "the orders shown stood in the book (whether one was left out, only my receipts tell), my readings are attested, I have every statement, and my bill follows from words, readings,"
                " signed envelopes and terms; of lines mirrored from others only the sums"}
SHAPES = """
Market Order(bytes32 market,uint32 mtu,uint8 side,int32 limitPriceNeurPerWh,uint32 quantityLots,address account,bytes16 orderId,uint32 revision,bytes32 salt)
Market Cancel(bytes32 market,uint32 mtu,bytes16 orderId,uint32 revision); Market Schedule(bytes32 market,uint32 firstMtu,bytes32 point,bytes32 valuesHash,uint32 revision)
Market Receipt(bytes32 market,uint32 mtu,bytes16 tag,uint32 revision,uint8 kind,uint64 sequence,bytes32 journalHead,uint64 marketTime)
Market Program(bytes32 market,uint32 firstMtu,uint32 count,bytes32 resultsRoot,bytes32 gridModelHash,bytes32 reportHash,uint64 deadline)
Market Refusal(bytes32 market,uint32 firstMtu,uint32 count,bytes32 resultsRoot,string reason); Readings Attestation(bytes32 area,uint32 mtu,uint32 revision,bytes32 root,uint32 count,uint64 importWh,uint64 exportWh)
Settlement Settlement(bytes32 area,uint32 period,uint32 revision,bytes32 wordsHash,bytes32 clearingRoot,bytes32 readingsRoot,bytes32 statementsRoot,bytes32 tariffHash)
Settlement KeyRegistration(address account,address orderKey,bytes32 point,uint32 validFromMtu); Settlement Guarantee(address guarantor,address account,uint64 creditNeur,uint64 nonce)
Settlement Cover(address guarantor,address account,uint96 amountNeur,bytes32 ref); Settlement Redemption(address account,uint96 amountNeur,bytes32 ref,uint64 deadline)
"""  # verifying contract and shape, as in protocol.md section 2
EVENTS = """
Anchors HeadAnchored(uint64* sequence,bytes32 head,bytes32 previousHead); Calendar AreaCreated(bytes32* area,(uint32 attestSeconds,uint32 horizonSeconds))
Calendar PeriodDeclared(bytes32* area,uint32* period,uint32 firstMtu,uint32 count)
Market MarketCreated(bytes32* market,bytes32* area,uint32 firstPeriod,(bytes32 area,uint24 lotWh,uint24 tickNeurPerWh,int32 minLimitNeurPerWh,int32 maxLimitNeurPerWh,uint32 graceSeconds,uint32 signSeconds,uint32 clearSeconds))
Market ProgramOpened(bytes32* market,uint32* program,uint32* period,uint32 firstMtu,uint32 count,uint64 gate); Market BooksClosed(bytes32* market,uint32* program,uint32 firstMtu,bytes32[] chains,uint32[] counts)
Market ProgramRecorded(bytes32* market,uint32* program,bytes32 resultsRoot,bytes32 gridModelHash,bytes32 reportHash,uint64 deadline,address dso,bytes signature)
Market PageVerified(bytes32* market,uint32* mtu,bytes32* resultHash,uint32 page); Market MtuCleared(bytes32* market,uint32* mtu,int32 priceNeurPerWh,uint64 tradedLots,bytes32 resultHash,bytes32 clearingRoot)
Market MtuVoided(bytes32* market,uint32* mtu,bytes32 clearingRoot)
Readings ReadingsAttested(bytes32* area,uint32* mtu,uint32* revision,bytes32 root,uint32 count,uint64 importWh,uint64 exportWh,bytes32 readingsRoot,bytes[] signatures)
Readings ReadingsUnread(bytes32* area,uint32* mtu,bytes32 readingsRoot); Registry ContractRegistered(string name,uint32* version,address* location,bytes32 codeHash)
Roles RoleGranted(address* key,uint8* role,bytes32* organisation,bytes32 area); Settlement SettlementPageBooked(bytes32* area,uint32* period,uint32* revision,uint32 page,bytes32 id)
Settlement SettlementSigned(bytes32* area,uint32* period,uint32* revision,bytes32 digest,bytes[] signatures)
Settlement PeriodSettled(bytes32* area,uint32* period,uint32* revision,bytes32 wordsHash,bytes32 clearingRoot,bytes32 readingsRoot,bytes32 statementsRoot,bytes32 tariffHash)
Settlement PeriodFinalised(bytes32* area,uint32* period); Settlement Deposited(address* account,uint256 amountNeur,bytes32* ref)
Settlement GuaranteeSet(address* guarantor,address* account,uint64 creditNeur,uint64 nonce); Settlement GuaranteeCalled(address* account,address* guarantor,uint256 excessNeur)
Settlement DebtCovered(address* guarantor,address* account,uint256 amountNeur,bytes32* ref); Settlement RedemptionRequested(address* account,uint256 amountNeur,bytes32* ref,uint64 readyAt)
Settlement Redeemed(address* account,uint256 amountNeur,bytes32* ref); Settlement AccountReplaced(address* account,address* successor,int256 balanceNeur)
Settlement SettlementAbandoned(bytes32* id); Settlement AccountBound(address* account,bytes32* area); Settlement RedemptionCancelled(address* account,uint256 amountNeur,bytes32* ref); Roles ProposalCancelled(address* key)
Roles RoleRevoked(address* key,uint8* role,bytes32* organisation,bytes32 area); Roles GrantProposed(address* key,uint8* role,bytes32* organisation,bytes32 area,uint64 readyAt); Roles GrantConfirmed(address* key,address* by)
Roles RevocationProposed(address* key,uint64 readyAt); Roles ReplacementProposed(address* key,address* newKey,uint64 readyAt); Roles Paused(address* by,uint64 until); Roles Unpaused(address* by)
"""  # contract and event, * = indexed, as in contracts/src/interfaces
# What is known of each kind of fact before its handler looks at it; any other kind or member is an error. "x?" = may be missing, "x[..]" = members of x or of each of its items, "x#" = id of a code, "x$" = money.
# kind | members | shape, its signer, the struct's members | event (? = may follow later), argument=member that name it | its other arguments | table, key
FACTS = """
area.defined | area zone attest_seconds horizon_seconds challenge_seconds grid_model grid_model_hash attesters[name address organisation] threshold | | AreaCreated? area=area# | attestSeconds=attest_seconds horizonSeconds=horizon_seconds | areas area#
market.defined | market area lot_wh tick_neur_per_wh min_limit_neur_per_wh max_limit_neur_per_wh grace_seconds sign_seconds clear_seconds gate_local | | MarketCreated? market=market# | area=area# lotWh=lot_wh tickNeurPerWh=tick_neur_per_wh minLimitNeurPerWh=min_limit_neur_per_wh maxLimitNeurPerWh=max_limit_neur_per_wh graceSeconds=grace_seconds signSeconds=sign_seconds clearSeconds=clear_seconds | markets market#
tariff.published | tariff version valid_from_mtu supply_neur_per_wh feed_in_neur_per_wh imbalance_surplus_neur_per_wh imbalance_shortfall_neur_per_wh excess_neur_per_wh grid_fee_neur_per_wh grid_fee_local_neur_per_wh levy_neur_per_wh compensation_neur_per_wh vat_bp | | | | tariffs tariff
agreement.signed | agreement version account retailer tariff valid_from_mtu | | | | agreements account
participant.registered | participant kind area account point connection_import_w connection_export_w | | | | parties account ; meter.registered | meter point public_key area valid_from_mtu | | | | meters meter
key.registered | account order_key point valid_from_mtu signature | KeyRegistration account account order_key point# valid_from_mtu | | | keys account
guarantee.given | guarantor account credit_neur nonce signature | Guarantee guarantor guarantor account credit_neur$ nonce | GuaranteeSet? guarantor=guarantor account=account nonce=nonce | creditNeur=credit_neur$
cover.given | guarantor account amount_neur ref signature | Cover guarantor guarantor account amount_neur$ ref | DebtCovered? guarantor=guarantor account=account ref=ref | amountNeur=amount_neur$
redemption.requested | account amount_neur ref deadline signature | Redemption account account amount_neur$ ref deadline | RedemptionRequested? account=account ref=ref | amountNeur=amount_neur$
deposit.booked | account amount_neur ref | | Deposited? ref=ref | account=account amountNeur=amount_neur$
period.declared | area period first_mtu count | | PeriodDeclared? area=area# period=period | firstMtu=first_mtu count=count | periods area# period
program.opened | market area program period first_mtu count gate | | ProgramOpened? market=market# program=program | period=period firstMtu=first_mtu count=count gate=gate | gates market# program
order.accepted | order[market mtu side limitPriceNeurPerWh quantityLots account orderId revision salt] signature order_key tag market point market_time
order.cancelled | market mtu order_id revision account order_key tag signature market_time ; schedule.nominated | market first_mtu point net_wh revision account order_key signature market_time
book.closed | market program first_mtu count gate books[mtu tags chain book_hash] | | BooksClosed? market=market# program=program
program.validated | market program first_mtu count results[mtu price_neur_per_wh words result_hash given_up] envelopes[point mtu import_cap_wh export_cap_wh] report report_hash grid_model_hash results_root deadline schedules rounds
program.signed | market program dso signature | | ProgramRecorded? market=market# program=program | dso=dso signature=signature ; program.refused | market program dso reason signature
setpoints.issued | market program envelopes ; mtu.cleared | market mtu program price_neur_per_wh result_hash words tx_hash | | MtuCleared market=market# mtu=mtu | resultHash=result_hash
mtu.voided | market mtu program | | MtuVoided market=market# mtu=mtu ; reading.attested | area period attestations[mtu revision root count import_wh export_wh signatures readings] messages | | ReadingsAttested
mtu.unread | area period mtu | | ReadingsUnread area=area# mtu=mtu
settlement.proposed | area period revision words words_hash clearing_root readings_root statements_root tariff_hash statements[account salt statement]
settlement.signed | area period revision signatures[attester signature] | | PeriodSettled ; erasure.done | sequences reason tags? ; access.logged | auditor what area market_time ; chain.requested | key role contract function args
chain.signed | key role sender nonce contract function tx_hash raw gas_price_wei ; chain.included | key tx_hash block block_hash block_time gas_used events[contract event args]
chain.failed | key reason tx_hash? block? block_hash? block_time? gas_used? ; chain.rewound | key tx_hash block block_hash ; block.mined | number timestamp transactions
"""
READING = "meter mtu import_register_wh export_register_wh import_wh export_wh sequence quality nonce"
# Settlement lines (protocol.md section 8): kind, other side, the tariff's price (None: clearing price), sign for the account, whether its debits bear VAT
LINES = (
    ("local_purchase", "pool", None, -1, True), ("local_sale", "pool", None, 1, False), ("residual_supply", "retailer", "supply", -1, True),
    ("residual_feed_in", "retailer", "feed_in", 1, False), ("imbalance_surplus", "retailer", "imbalance_surplus", 1, False), ("imbalance_shortfall", "retailer", "imbalance_shortfall", -1, True),
    ("excess_export", "dso", "excess", -1, True), ("excess_import", "dso", "excess", -1, True), ("grid_fee_local", "dso", "grid_fee_local", -1, True),
    ("grid_fee", "dso", "grid_fee", -1, True), ("levy", "tax", "levy", -1, True), ("curtailment_compensation", "dso", "compensation", 1, False),
)
# ---------------------------------------------------------------- hashes, signatures, ABI
class Unusable(Exception): """Nothing can be said: no bundle, no readable anchors, or a node that does not answer."""
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
def canonical(value: Any) -> bytes: return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()  # canonical JSON (RFC 8785 without floats)
def parse(data: bytes) -> Any:  # JSON that must be canonical
    value = json.loads(data)
    if canonical(value) != data: raise ValueError("it is not in canonical form")
    return value
def form(value: Any, members: str) -> None:  # an object, or each of a list, has exactly these members; "?" = may be missing, [..] = theirs
    for item in value if isinstance(value, list) else (): form(item, members)
    if isinstance(value, list) or set(value) == set(members.split()): return
    known = {name: (optional, inner) for name, optional, inner in re.findall(r"(\w+)(\??)(?:\[([^]]*)\])?", members)}; missing = {name for name, (optional, _) in known.items() if not optional} - set(value)
    if missing or set(value) - set(known): raise ValueError(f"members {sorted(value)} are not those of the format: {members}")
    for name, (_, inner) in known.items():
        if inner and name in value: form(value[name], inner)
def whole(value: Any, lowest: int = 0, highest: int = 2**256) -> int:  # the value, if it is an int within bounds
    if type(value) is not int or not lowest <= value <= highest: raise ValueError(f"{str(value)[:80]!r} is not a whole number from {lowest} to {highest}")
    return value
def ident(code: str | None) -> str:  # 32-byte id of a code, zero where there is none; an id already in hex stays
    known = ZERO_HEX if code is None else code; return known if known.startswith("0x") and len(known) == 66 else tohex(keccak(known.encode()))
def merkle_root(values: Iterable[bytes]) -> str:  # an odd node moves up unchanged; zero where there is no value
    level = [keccak(value) for value in values]
    while len(level) > 1: level = [merkle_node(*level[at : at + 2]) if at + 1 < len(level) else level[at] for at in range(0, len(level), 2)]
    return tohex(level[0] if level else ZERO)
def merkle_climb(value: bytes, proof: Sequence[str]) -> str: return tohex(reduce(merkle_node, (unhex(sibling, 32) for sibling in proof), keccak(value)))  # root that a value and its proof lead to
def words_hash(words: Sequence[int]) -> str:  # chain over the hashes of pages of words
    pages = [b"".join(map(word32, words[start : start + PAGE_WORDS])) for start in range(0, len(words), PAGE_WORDS)]; return tohex(chained(map(keccak, pages)))
def reading_hash(reading: Mapping[str, Any]) -> bytes:  # value of a reading's leaf
    names = ("mtu", "import_register_wh", "export_register_wh", "import_wh", "export_wh", "sequence", "quality"); numbers = b"".join(word32(whole(reading[name])) for name in names)
    return keccak(keccak(reading["meter"].encode()) + numbers + unhex(reading["nonce"], 32))
def statement_leaf(item: Mapping[str, Any]) -> bytes:  # salted hash of a statement with account, period and revision
    body = item["statement"]; head = abi_encode("address", body["account"]) + word32(body["period"]) + word32(body["revision"]); return keccak(head + keccak(unhex(item["salt"], 32) + canonical(body)))
@lru_cache(maxsize=1)
def journal_entry(text: bytes) -> tuple[dict[str, Any], bytes]:  # a line and the hash of its payload; pure, so cacheable
    entry = parse(text); closed = "payload" not in entry; return entry, unhex(entry["payload_hash"], 32) if closed else keccak(unhex(entry["salt"], 32) + canonical(entry["payload"]))
@lru_cache(maxsize=65_536)
def recover(digest: bytes, signature: str) -> str:  # address that signed; only the one accepted form of a signature counts
    raw = unhex(signature, 65)
    if raw[64] not in (27, 28) or not 0 < int.from_bytes(raw[32:64], "big") <= LOW_S: raise ValueError("signature has a wrong v or a high s")
    try: key = PublicKey.from_signature_and_message(raw[:64] + bytes([raw[64] - 27]), digest, hasher=None)
    except Exception as error: raise ValueError("signature recovers to no key") from error  # coincurve raises bare Exception
    return tohex(keccak(key.format(compressed=False)[1:])[-20:])
def jws_parts(jws: str) -> list[bytes]:  # header, payload and signature; nothing is verified yet
    parts = [base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True) for part in jws.split(".")]
    if ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) != jws or len(parts) != 3: raise ValueError("it is no compact JWS")
    return parts
@lru_cache(maxsize=65_536)
def open_jws(jws: str, public_keys: tuple[str, ...]) -> tuple[Any, str]:  # payload of a JWS, and the Ed25519 key that signed it
    header, payload, signature = jws_parts(jws)
    for key in public_keys:
        try: VerifyKey(unhex(key, 32)).verify(jws.rpartition(".")[0].encode(), signature); break
        except CryptoError: continue
    else: raise ValueError("no key of the meter signed it")
    body = parse(payload)
    if json.loads(header) != {"alg": "EdDSA", "kid": body["meter"], "typ": "meter+jws"}: raise ValueError("its header names another algorithm, meter or type")
    return body, key
def abi_encode(kind: str, value: Any) -> bytes:  # one member of a signed struct
    if kind == "string": return keccak(str(value).encode())
    if kind == "address" or kind.startswith("bytes"): return unhex(value, 20).rjust(32, b"\0") if kind == "address" else unhex(value, int(kind[5:])).ljust(32, b"\0")
    bits, signed = int(kind.lstrip("uint")), kind[0] == "i"; return word32(whole(value, -(2 ** (bits - 1)) if signed else 0, 2 ** (bits - signed) - 1))
def abi_decode(kinds: Sequence[str], data: bytes) -> list[Any]:  # the few ABI types that events and views use
    values: list[Any] = []
    for at, kind in enumerate(kinds):
        head = data[32 * at : 32 * at + 32]; number = int.from_bytes(head, "big", signed=kind[0] == "i")
        if kind in ("bytes", "string") or kind.endswith("[]"):
            length, body = int.from_bytes(data[number : number + 32], "big"), data[number + 32 :]
            values.append(abi_decode([kind[:-2]] * length, body) if kind.endswith("[]") else body[:length].decode() if kind == "string" else tohex(body[:length]))
        elif kind == "address" or kind.startswith("bytes"): values.append(tohex(head[12:] if kind == "address" else head[: int(kind[5:])]))
        else: values.append(number)
    return values
class Signing:  # EIP-712 digests under the domains of one deployment.
    def __init__(self, chain_id: int, contracts: Mapping[str, str]) -> None:
        kind = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"; fixed = keccak(kind) + keccak(b"DOMINOES") + keccak(b"1") + word32(chain_id)
        self.shapes: dict[str, tuple[bytes, bytes, list[str]]] = {}
        for contract, shape in (text.split(" ", 1) for text in re.split(r"\n|; ", SHAPES.strip())):
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
def optimum(book: Sequence[Word]) -> tuple[int | None, list[int]]:  # Price (None without a trade) and lots per order: most welfare, then most volume, ties pro rata, rest by tag
    lots, accepted, volume, supply = defaultdict[Any, int](int), [0] * len(book), 0, 0
    for word in book: lots[word.ask, word.limit] += word.effective
    demand = sum(word.effective for word in book if not word.ask)
    for limit in sorted({limit for _, limit in lots}): supply += lots[1, limit]; volume = max(volume, min(supply, demand)); demand -= lots[0, limit]
    if volume == 0: return None, accepted
    (last_bid, next_bid), (last_ask, next_ask) = (allot(book, ask, volume, accepted) for ask in (0, 1)); lowest = last_ask if next_bid is None else max(last_ask, next_bid)
    highest = last_bid if next_ask is None else min(last_bid, next_ask); return lowest + (highest - lowest) // 2, accepted
def allot(book: Sequence[Word], ask: int, left: int, accepted: list[int]) -> tuple[int, int | None]:  # Give one side its volume: the worst limit accepted, and the best limit at which something is left
    mine, last = [at for at, word in enumerate(book) if word.ask == ask and word.effective], 0; mine.sort(key=lambda at: book[at].limit if ask else -book[at].limit)  # stable, and books ascend by tag
    for limit, group in groupby(mine, key=lambda at: book[at].limit):
        if left == 0: return last, limit
        level = list(group); total = sum(book[at].effective for at in level); share = min(left, total)
        for at in level: accepted[at] = share * book[at].effective // total
        for at in level[: share - sum(accepted[at] for at in level)]: accepted[at] += 1
        last, left = limit, left - share
        if share < total: return last, limit
    return last, None
def line_energies(b: int, s: int, i: int, e: int, cap_i: int | None, cap_e: int | None, scheduled: int) -> list[int]:  # Wh per line of LINES from bought, sold, imported, exported, envelopes and scheduled export
    most_i, most_e = (UNLIMITED if cap is None else cap for cap in (cap_i, cap_e)); residual = [max(i - b, 0), max(min(e, most_e) - s, 0), max(b - i, 0), max(s - e, 0)]
    return [b, s, *residual, max(e - max(most_e, s), 0), max(i - most_i, 0), min(b, i), max(i - b, 0), i, max(scheduled - most_e, 0)]
def line(mtu: int, at: int, energy: int, price: int, sign: int, **more: Any) -> dict[str, Any]:  # as a statement shows it
    fixed = {"mtu": mtu, "kind": LINES[at][0], "energy_wh": energy, "price_neur_per_wh": price}; return {**fixed, "amount_neur": str(sign * energy * price), **more}
def vat_line(rate: int, base: int, amount: int) -> dict[str, Any]: return {"kind": "vat", "vat_bp": rate, "base_neur": str(base), "amount_neur": str(amount)}
def half_even(base: int, rate_bp: int) -> int: amount, rest = divmod(base * rate_bp, 10_000); return amount + (rest > 5_000 or (rest == 5_000 and amount % 2 == 1))  # a percentage, rounded once
def valid_at(versions: Iterable[dict[str, Any]], mtu: int) -> dict[str, Any] | None:  # tariff or agreement of an MTU
    begun = [(item["valid_from_mtu"], item["version"], item.get("agreement", ""), item) for item in versions]; return max((item for item in begun if item[0] <= mtu), key=lambda item: item[:3], default=(None,))[-1]
def terms_hash(terms: Iterable[dict[str, Any]]) -> str:  # over versions by id, version, tariffs first
    ranked = {(item.get("agreement") or item["tariff"], item["version"], "agreement" in item): item for item in terms}; return hash_json([ranked[rank] for rank in sorted(ranked)])
# ---------------------------------------------------------------- report
class Report:  # All findings and what was counted; inside `with report.on(record, check)` they belong to that record
    def __init__(self, *, anchored: bool, chain_asked: bool) -> None:
        self.anchored, self.chain_asked, self.kind, self.findings_total = anchored, chain_asked, "unknown", 0; self.findings: list[dict[str, str]] = []  # record, check, field, found, source, expected, message
        self.counts: dict[str, int] = defaultdict(int); self.gaps: set[str] = set()  # counts of what could not be verified: the verdict holds in part only
        self.notes: list[str] = []; self.at: list[tuple[str, str]] = [("bundle", "form")]
    def fail(self, found: Any, *, name: str = "", source: str = "", expected: Any = "") -> None:  # record a failed check
        self.findings_total += 1
        if len(self.findings) < MOST_FINDINGS:
            (record, check), told, held = self.at[-1], short(found), short(expected); message = f"{record} [{check}]: " + (f"{name} {told}, but {source} {held}" if source else told)
            item = {"record": record, "check": check, "field": name, "found": told, "source": source, "expected": held}; self.findings.append({**item, "message": message})
    def gap(self, name: str) -> None: self.counts[name] += 1; self.gaps.add(name)
    def same(self, name: str, found: Any, expected: Any, source: str) -> None:  # a field holds what another source says
        for path, one, other in differences(found, expected, name) if found != expected or type(found) is not type(expected) else (): self.fail(one, name=path, source=source, expected=other)
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
    @property
    def verdict(self) -> str: return VERDICTS[self.exit_code] + (", in part" if self.gaps and not self.findings_total else "")
    def as_json(self) -> dict[str, Any]:
        head = {"verdict": self.verdict, "exit_code": self.exit_code, "kind": self.kind, "supports": SUPPORTS.get(self.kind, "")}
        head |= {"against_anchors": self.anchored, "against_chain": self.chain_asked, "findings_total": self.findings_total, "findings": self.findings}
        return {**head, "counts": dict(sorted(self.counts.items())), "gaps": sorted(self.gaps), "notes": self.notes}
def short(value: Any) -> str: text = value if isinstance(value, str) else repr(value); return text if len(text) <= 200 else f"{text[:190]}… ({len(text)} characters)"
def differences(found: Any, expected: Any, path: str) -> Iterator[tuple[str, Any, Any]]:  # the innermost ones, three per level
    if isinstance(found, dict) and isinstance(expected, dict) and found.keys() == expected.keys(): pairs = [(f"{path}.{key}", found[key], expected[key]) for key in found]
    elif isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected): pairs = [(f"{path}[{at}]", one, other) for at, (one, other) in enumerate(zip(found, expected, strict=True))]
    else: yield path, found, expected; return
    for place, one, other in [pair for pair in pairs if pair[1] != pair[2] or type(pair[1]) is not type(pair[2])][:3]: yield from differences(one, other, place)
# ---------------------------------------------------------------- chain
Rpc = Callable[[str, list[Any]], Any]
Event = namedtuple("Event", "name args block tx contract")  # one log: numbers as int, bytes and addresses as hex
def http_rpc(url: str) -> Rpc:  # JSON-RPC; the callable raises Unusable where the node does not answer properly
    def ask(method: str, params: list[Any]) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        try:
            request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310
            with urllib.request.urlopen(request, timeout=60) as response: return json.loads(response.read())["result"]  # noqa: S310
        except (OSError, ValueError, KeyError, TypeError) as error: raise Unusable(f"the node at {url} gave no answer to {method} ({error!r}); check --rpc") from error
    return ask
def plain(args: Mapping[str, Any]) -> dict[str, Any]:  # an event's arguments as the journal has them, in the form of Event
    def number(item: Any) -> Any: return int(item) if isinstance(item, str) and item.lstrip("-").isdigit() else item
    inner = args.get("params", {}); twice = {f"params.{key}": item for key, item in inner.items() if args.get(key, item) != item}
    flat = {**{key: item for key, item in args.items() if key != "params"}, **inner, **twice}; return {key: [number(part) for part in item] if isinstance(item, list) else number(item) for key, item in flat.items()}
class Events:  # What contracts said, in the order of its happening: told by the chain, or by the journal where no chain is asked.
    def __init__(self, events: Iterable[Event]) -> None: self.events, self.index = list(events), dict[tuple[str, ...], dict[tuple[Any, ...], Event]]()
    def find(self, name: str, keys: Mapping[str, Any]) -> Event | None:  # the last such event
        if (name, *keys) not in self.index: self.index[name, *keys] = {tuple(event.args[key] for key in keys): event for event in self.events if event.name == name}
        return self.index[name, *keys].get(tuple(keys.values()))
    def all(self, name: str) -> list[dict[str, Any]]: return [event.args for event in self.events if event.name == name]
class Chain(Events):  # What one node says about the contracts at one block.
    def __init__(self, ask: Rpc, contracts: Mapping[str, str], height: int | None) -> None:
        self.ask, self.contracts = ask, contracts; self.height = int(ask("eth_blockNumber", []), 16) if height is None else height; self.forms: dict[tuple[str, str], tuple[str, str, list[list[str]]]] = {}
        for contract, event in (text.split(" ", 1) for text in re.split(r"\n|; ", EVENTS.strip())):
            members = [part.strip("()").split() for part in event.split("(", 1)[1].split(",")]
            self.forms[contracts[contract], tohex(keccak(re.sub(r"\*? \w+", "", event).encode()))] = (contract, event.split("(")[0], members)
        super().__init__(event for start in range(0, self.height + 1, BLOCK_SPAN) for event in self.logs(start)); self.blocks: dict[int, Any] = {}
    def logs(self, start: int) -> Iterator[Event]:  # from a block on, over one span, in the order of their happening
        span = {"fromBlock": hex(start), "toBlock": hex(min(start + BLOCK_SPAN - 1, self.height))}; logs = self.ask("eth_getLogs", [{**span, "address": sorted(set(self.contracts.values()))}])
        for log in sorted(logs, key=lambda log: (int(log["blockNumber"], 16), int(log["logIndex"], 16))):
            contract, name, members = self.forms.get((log["address"].lower(), log["topics"][0]), ("", "", []))
            indexed = [member for member in members if member[0].endswith("*")]; rest = [member for member in members if member not in indexed]
            values = abi_decode([kind[:-1] for kind, _ in indexed], b"".join(map(unhex, log["topics"][1:]))); values += abi_decode([kind for kind, _ in rest], unhex(log["data"]))
            args = dict(zip([key for _, key in indexed + rest], values, strict=True)); yield Event(name, args, int(log["blockNumber"], 16), log["transactionHash"], contract)
    def number(self, contract: str, function: str, *words: bytes) -> int:  # first number that a view answers
        call = {"to": self.contracts[contract], "data": tohex(keccak(function.encode())[:4] + b"".join(words))}; return int.from_bytes(unhex(self.ask("eth_call", [call, hex(self.height)]))[:32], "big", signed=True)
    def holders(self, role: str, area: str = ZERO_HEX) -> set[str]:  # keys ever granted a role for an area or for all
        return {args["key"] for args in self.all("RoleGranted") if args["role"] == ROLES[role] and args["area"] in (area, ZERO_HEX)}
    def block(self, number: int) -> Any:  # header and transactions
        if number not in self.blocks: self.blocks[number] = self.ask("eth_getBlockByNumber", [hex(number), True]) or {"hash": "no such block", "timestamp": "0x0", "transactions": []}
        return self.blocks[number]
    def sent(self, number: int, tx: str) -> Any: return next((item for item in self.block(number)["transactions"] if item["hash"] == tx), {"from": "nobody"})  # a transaction of a block
    def seconds(self, earlier: int, later: int) -> int:  # of market time between two blocks
        return (int(self.block(later)["timestamp"], 16) - int(self.block(earlier)["timestamp"], 16)) * self.number("Calendar", "speed()")
# ---------------------------------------------------------------- what all bundles share
def trusted(keys: Any) -> set[str]: return {keys} if isinstance(keys, str) else set(keys)  # of trust anchors: one key, or all that were ever valid
def usable(anchors: Any) -> dict[str, Any]:  # trust anchors in their form; raises Unusable
    try:
        form(anchors, "format chain_id genesis_hash speed origin_seconds start_seconds contracts roles[operator treasurer registrar security_admin] areas checkpoint[block block_hash journal_sequence journal_head]")
        form([anchors["contracts"][name] for name in CONTRACTS], "address code_hash"); form([*anchors["areas"].values()], "grid_model_hash dso attesters threshold"); return dict(anchors)
    except UNREADABLE as error: raise Unusable(f"the trust anchors are not those of docs/evidence.md section 7 ({error!r}); give the anchors.json that you keep") from error
class Verification:  # Files, manifest, trust anchors, chain and keys of one bundle, and the checks that several kinds of it need
    chain: Chain | None = None
    def __init__(self, files: Mapping[str, bytes], anchors: dict[str, Any] | None, rpc: Rpc | None, height: int | None = None) -> None:
        self.files, self.anchors, self.rpc, self.height, self.operators = files, anchors, rpc, height, set[str](); self.report = report = Report(anchored=anchors is not None, chain_asked=rpc is not None)
        self.on, self.same, self.fail, self.none, self.counts, self.gap = report.on, report.same, report.fail, report.none, report.counts, report.gap
        self.told, self.seen = set[int](), Events([])  # told: events that a fact repeats, by identity
    def manifest(self) -> str:  # manifest and files agree; the bundle's kind
        with self.on("manifest.json", "manifest"):
            manifest = parse(self.files["manifest.json"]); self.report.kind = kind = str(manifest["kind"]); files = {name: data for name, data in self.files.items() if name != "manifest.json"}
            self.same("files", sorted(files), FILES[kind].split(), f"a bundle of kind {kind} has"); sealed = {name: {"bytes": len(data), "keccak": tohex(keccak(data))} for name, data in files.items()}
            self.same("manifest", manifest, {"files": sealed, "format": "dominoes-evidence/1", "kind": kind}, "the files give")
        return self.report.kind
    def lines(self, name: str) -> list[tuple[str, bytes]]:  # (record name, line) of a file
        data = self.files.get(name, b"")
        if data and not data.endswith(b"\n"): self.fail(f"the last line of {name} has no end")
        return [(f"{name} line {at}", text) for at, text in enumerate(data.removesuffix(b"\n").split(b"\n"), 1)] if data else []
    def rows(self, name: str, *forms: str) -> list[tuple[str, dict[str, Any]]]:  # lines with the members of one of the forms
        lines, rows = self.lines(name), []; self.same(f"lines of {name}", len({text for _, text in lines}), len(lines), "once each there are")
        for record, text in lines:
            with self.on(record, "form"): row = parse(text); form(row, next((members for members in forms if set(re.sub(r"\[[^]]*\]", "", members).split()) == set(row)), forms[0])); rows.append((record, row))
        return rows
    def connect(self) -> None:  # hold chain.json against the anchors and the node's chain
        deployed, anchors = parse(self.files["chain.json"]), self.anchors; contracts = {name: tohex(unhex(deployed["contracts"][name], 20)) for name in CONTRACTS}
        self.same("chain.json", deployed, {"chain_id": whole(deployed["chain_id"]), "contracts": contracts}, "docs")
        if anchors is not None:
            contracts = {name: anchors["contracts"][name]["address"] for name in CONTRACTS}; known = {"chain_id": anchors["chain_id"], "contracts": contracts}
            self.same("chain.json", deployed, known, "the trust anchors hold"); deployed, self.operators = known, trusted(anchors["roles"]["operator"])
        self.sign = Signing(deployed["chain_id"], contracts)
        if self.rpc is None: return
        self.same("chain_id", deployed["chain_id"], int(self.rpc("eth_chainId", []), 16), "the node answers")
        self.chain = self.seen = chain = Chain(self.rpc, contracts, self.height); self.operators = self.operators or chain.holders("operator")
        listed = [contracts["Registry"], *(args["location"] for args in chain.all("ContractRegistered"))]; self.none("contracts that the Registry on chain does not list", set(contracts.values()).difference(listed))
        self.report.notes.append(f"market time runs at {chain.number('Calendar', 'speed()')} × block time; the chain was read at block {chain.height}")
        if anchors is None: return
        with self.on("anchors.json", "chain"):  # genesis, checkpoint, clock, code and keys
            point = anchors["checkpoint"]
            for name, number, hashed in (("genesis_hash", 0, anchors["genesis_hash"]), ("checkpoint.block_hash", point["block"], point["block_hash"])): self.same(name, hashed, chain.block(number)["hash"], "the node holds")
            for name, function in (("speed", "speed()"), ("origin_seconds", "origin()"), ("start_seconds", "start()")): self.same(name, anchors[name], chain.number("Calendar", function), "Calendar holds")
            for name, entry in anchors["contracts"].items(): code = unhex(chain.ask("eth_getCode", [entry["address"], hex(chain.height)])); self.same(f"contracts.{name}.code_hash", entry["code_hash"], tohex(keccak(code)), "the node holds")
            keys = anchors["roles"].items(); self.none("keys never granted their role on chain", ((role, key) for role, held in keys for key in trusted(held) - chain.holders(role)))
    def on_chain(self, name: str, keys: Mapping[str, Any], values: Mapping[str, Any], *, later: bool = False) -> Event | None:
        """The chain has an event of this name and keys, holding these values; `later`: it may not be there yet."""
        found = self.chain.find(name, keys) if self.chain else None
        if found is None and self.chain and not later: self.fail(f"the chain has no {name} of {dict(keys)}")
        for key, value in values.items() if found else (): self.same(key, value, found.args[key], f"{name} on chain holds")  # type: ignore[union-attr]
        self.told.add(id(found)); return found
    def receipt(self, signature: str, *values: Any) -> None:  # by the operator; if none is known, by the first receipt's signer
        signer = self.sign.signer(signature, "Receipt", *values); self.operators = self.operators or {signer}; self.same("receipt signer", signer, signer if signer in self.operators else min(self.operators), "the operator is")
    def quorum(self, code: str, signatures: Sequence[str], attesters: set[str], threshold: int, *signed: Any) -> list[str]:
        """Enough distinct attesters of an area signed; no one else did. Anchors, then the chain, say who they are."""
        if self.anchors is not None: attesters, threshold = trusted(self.anchors["areas"][code]["attesters"]), self.anchors["areas"][code]["threshold"]
        elif self.chain is not None: attesters, threshold = self.chain.holders("attester", ident(code)), self.chain.number("Roles", "config()")
        signers = [self.sign.signer(signature, *signed) for signature in signatures]
        self.none("signers that are no attesters", set(signers) - attesters if attesters else ()); self.same("signers", signers, sorted(set(signers)), "ascending and once each is")
        if len(set(signers)) < max(threshold, 1): self.fail(len(set(signers)), name="signatures", source="needed are", expected=threshold)
        return signers
    def attestation(self, code: str, item: Mapping[str, Any], attesters: set[str], threshold: int) -> None:  # signed; as on chain
        values = dict(zip(("root", "count", "importWh", "exportWh"), (item[n] for n in ("root", "count", "import_wh", "export_wh")), strict=True))
        keys = {"area": ident(code), "mtu": item["mtu"], "revision": item["revision"]}; self.quorum(code, item["signatures"], attesters, threshold, "Attestation", *keys.values(), *values.values())
        self.on_chain("ReadingsAttested", keys, {**values, "signatures": item["signatures"]}, later=True)
    def settlement(self, code: str, item: Mapping[str, Any], signatures: list[str], attesters: set[str], m: int) -> tuple[bool, list[str]]:
        """A settlement is signed; whether it is the one on chain (one that reverted is signed again), and who signed."""
        body, names = item.get("statement", item), ("words_hash", "clearing_root", "readings_root", "statements_root", "tariff_hash")
        keys = {"area": ident(code), "period": body["period"], "revision": body["revision"]}; events = ("wordsHash", "clearingRoot", "readingsRoot", "statementsRoot", "tariffHash")
        values = {event: item[name] for event, name in zip(events, names, strict=True)}; signers = self.quorum(code, signatures, attesters, m, "Settlement", *keys.values(), *values.values())
        found = self.seen.find("PeriodSettled", keys); held = found is not None and all(found.args[key] == value for key, value in values.items())
        if held: self.told.add(id(found))
        return held, signers
    def dso(self, code: str, body: Mapping[str, Any], *signed: Any) -> None:  # a signature of the area's DSO
        signer = self.sign.signer(body["signature"], *signed); known = self.chain.holders("dso", ident(code)) if self.chain else {signer}; known = trusted(self.anchors["areas"][code]["dso"]) if self.anchors else known
        self.same("dso", body["dso"], signer, f"{signed[0]} is signed by"); self.none("signers that are not the area's DSO", {signer} - known)
    def result(self, market: str, mtu: int, body: Mapping[str, Any], rules: Mapping[str, Any]) -> tuple[list[int], str]:
        """Words and hash of one result, after checking order, fields, optimum, price and shares among ties."""
        words, price = [number_of(text) for text in body["words"]], body["price_neur_per_wh"]; book, tick = [unpack(word) for word in words], rules.get("tick_neur_per_wh", 1)
        least, most = rules.get("min_limit_neur_per_wh", NO_PRICE + 1), rules.get("max_limit_neur_per_wh", 2**31 - 1)
        tags = [word.tag for word in book]; self.same("tags of words", tags, sorted(set(tags)), "ascending and once each is")
        self.none("words with impossible flags, quantity or limit", [word for word in book if word.ask > 1 or not 1 <= word.quantity < NO_CAP or word.limit % tick or not least <= word.limit <= most])
        best, lots = optimum(book); self.same("price_neur_per_wh", price, best, "the rule at the optimum gives")
        self.same("accepted lots by word", [word.accepted for word in book], lots, "the optimum with its shares gives")
        self.counts["words"] += len(book); number = NO_PRICE if price is None else whole(price, NO_PRICE + 1, 2**31 - 1)
        head = unhex(market, 32) + word32(mtu) + word32(number) + unhex(words_hash(words)); return words, tohex(keccak(head + word32(len(words))))
class Order:  # A signed order: who signed it, its tag, and its word before clearing.
    def __init__(self, sign: Signing, order: Mapping[str, Any], signature: str) -> None:
        values = [order[name] for name in "market mtu side limitPriceNeurPerWh quantityLots account orderId revision salt".split()]
        self.market, self.mtu, self.ask, limit, lots, self.account, self.id, self.revision, _ = values; digest = sign.digest("Order", *values); self.tag, self.signer = tohex(digest[:16]), recover(digest, signature)
        self.word = int(self.tag, 16) << 128 | limit % 2**32 << 96 | whole(lots, 1, NO_CAP - 1) << 72 | whole(self.ask, 0, 1)
# ---------------------------------------------------------------- auditor and public bundles
class Ledger(Verification):  # One pass over the journal; each fact is held against what came before it and against the chain
    def __init__(self, *given: Any) -> None:
        super().__init__(*given); kept: list[defaultdict[Any, list[Any]]] = [defaultdict(list) for _ in range(13)]  # facts by key, oldest first
        self.areas, self.markets, self.periods, self.gates, self.parties, self.meters, self.keys, self.tariffs, self.agreements = kept[:9]
        self.trades, self.registers, self.numbers, self.points = kept[9:]; tables: list[dict[Any, Any]] = [{} for _ in range(23)]  # registers and numbers: signed readings by (meter, MTU) and (meter, sequence)
        self.live, self.opened, self.last, self.schedules, self.books, self.programs, self.signed, self.results = tables[:8]
        self.envelopes, self.scheduled, self.leaves, self.attested, self.resolved, self.proposals, self.settled, self.before = tables[8:16]
        self.requests, self.sent, self.outcomes, self.excused, self.final, self.begun, self.receipts = tables[16:]; self.prices = dict[int, int]()
        self.fact, self.auditor = (0, ""), self.report.kind != "public"; self.erased, self.erased_by, self.gone = dict[int, str](), dict[int, int](), set[str]()  # fact: sequence and hash at hand
        self.waiting, self.needed, self.blind, self.lost = list[Any](), set[Any](), set[Any](), set[Any]()
        columns = [[*(column.strip() for column in text.split("|")), *[""] * 5] for text in re.split(r"\n| ; ", FACTS.strip())]
        self.facts = {kind: (members, [column.split() for column in rest[:4]]) for kind, members, *rest in columns}
    def run(self) -> None:
        self.receipts = {row["sequence"]: row["signature"] for _, row in self.rows("receipts.jsonl", "sequence signature")}
        self.same("sequences in receipts.jsonl", [*self.receipts], sorted(self.receipts), "ascending is"); programs = self.rows("programs.jsonl", "market program first_mtu count results report deadline")
        self.shown = {(row["market"], row["program"]): row for _, row in programs}; settlements = self.rows("settlements.jsonl", "area period revision words statements_root tariff_hash")
        self.settlements = {(row["area"], row["period"], row["revision"]): row for _, row in settlements}
        members = "area mtu revision root count import_wh export_wh signatures"; attestations = self.rows("attestations.jsonl", members, "area mtu unread")
        self.read = [(ident(row["area"]), row["mtu"], row.get("revision")) for _, row in attestations]; facts = self.journal(); self.seen = self.chain or Events(self.repeated(facts))
        for sequence, kind, body, hashed in facts:
            self.fact = (sequence, hashed)
            with self.on(f"journal.jsonl entry {sequence} {kind}", "fact"):
                if body is None: self.closed(kind); continue
                members, rule = self.facts[kind]; form(body, members); self.rule(kind, body, *rule); getattr(self, "on_" + kind.replace(".", "_"), lambda body: None)(body)
            self.counts[kind] += 1
        for record, row in attestations:
            with self.on(record, "attestation"):
                if "unread" not in row: self.attestation(row["area"], row, *self.attesters(row["area"])); continue
                self.same("unread", row["unread"], True, "it can only be"); self.on_chain("ReadingsUnread", {"area": ident(row["area"]), "mtu": row["mtu"]}, {})
        self.none("lines of other files without an entry in the journal", [*self.receipts, *self.shown, *self.settlements]); self.fact = (len(facts) + 1, "")
        happened = [(event.args["area"], event.args["mtu"], event.args.get("revision")) for event in self.seen.events if event.contract == "Readings"]
        if self.chain: self.same("order of attestations.jsonl", self.read, happened[: len(self.read)], "the chain has")
        with self.on("the journal", "completeness"): self.erasures(); self.corrections()
        for part in (self.transactions, self.unjournalled, self.balances) if self.chain else ():
            with self.on("the journal", part.__name__): part(self.chain)  # type: ignore[arg-type]
    def journal(self) -> list[tuple[int, str, Any, str]]:  # recompute the hash chain and hold it against what chain and checkpoint anchor
        previous, heads, facts, closed = ZERO, {0: ZERO_HEX}, list[Any](), {}
        for number, (record, text) in enumerate(self.lines("journal.jsonl"), 1):
            with self.on(record, "journal"):
                entry, payload_hash = journal_entry(text); kind, is_open = str(entry["kind"]), "payload" in entry; form(entry, "hash kind payload salt sequence" if is_open else "hash kind payload_hash sequence")
                self.same("sequence", entry["sequence"], number, "its place gives"); given = tohex(keccak(number.to_bytes(8, "big") + keccak(kind.encode()) + payload_hash + previous))
                self.same(f"hash of {kind}", entry["hash"], given, "entry and predecessor give")
                heads[number], previous = entry["hash"], unhex(entry["hash"], 32); facts.append((number, kind, entry.get("payload"), entry["hash"]))
                if not is_open: closed[number] = kind
                elif not self.auditor and kind not in PUBLIC_KINDS: self.fail(f"{kind} is open in a public bundle")
        for number, _, body, _ in (fact for fact in facts if fact[1] == "erasure.done"): self.erased_by |= {n: number for n in body["sequences"] if n < number}; self.gone |= set(body.get("tags", []))
        self.erased = {n: kind for n, kind in closed.items() if n in self.erased_by and kind in ERASABLE}; self.counts["erased"] = len(self.erased)
        with self.on("journal.jsonl", "anchor"):
            hidden = [n for n, kind in closed.items() if n not in self.erased and (self.auditor or kind in PUBLIC_KINDS)]; self.none("entries that are closed without an erasure", hidden)
            anchored = {args["sequence"]: args["head"] for args in self.chain.all("HeadAnchored")} if self.chain else {}; last = len(heads) - 1
            if anchored and last not in anchored: self.fail(f"the last entry {last} is not anchored on chain")
            if max(anchored, default=0) > last: self.fail(f"incomplete: the journal here ends at entry {last}, Anchors on chain holds entry {max(anchored)}; ask for the bundle up to it, or use --block to read the chain as it was")
            point = self.anchors["checkpoint"] if self.anchors else {"journal_sequence": 0, "journal_head": ZERO_HEX}
            for number, head in [*anchored.items(), (point["journal_sequence"], point["journal_head"])]:
                if number <= last or number == point["journal_sequence"]: self.same(f"hash of entry {number}", heads.get(number, "missing"), head, "anchored is")
        return facts
    def repeated(self, facts: Iterable[Any]) -> Iterator[Event]:  # events as chain.included repeats them; the later one of a key counts
        included = {body["key"]: (body["block"], number, body) for number, kind, body, _ in facts if kind == "chain.included" and body}
        for block, _, body in sorted(included.values(), key=lambda item: item[:2]):
            for event in body["events"]: yield Event(event["event"], plain(event["args"]), block, body["tx_hash"], event["contract"])
    def rule(self, kind: str, body: dict[str, Any], signed: Any, event: Any, others: Any, keep: Any) -> None:  # what FACTS says of a kind
        def value(member: str) -> Any: item = body[member.rstrip("#$")]; return ident(item) if member.endswith("#") else int(item) if member.endswith("$") else item
        if signed: signer = self.sign.signer(body["signature"], signed[0], *map(value, signed[2:])); self.same(signed[1], body[signed[1]], signer, f"{signed[0]} is signed by")
        if len(event) > 1:
            (name, later), (keys, values) = (event[0].rstrip("?"), event[0].endswith("?")), ({k: value(m) for k, m in (p.split("=") for p in ps)} for ps in (event[1:], others))
            found = self.chain.find(name, keys) if self.chain else None; self.none("facts told twice", [keys] if (kind, *keys.values()) in self.resolved else []); self.resolved[kind, *keys.values()] = body
            self.on_chain(name, keys, values, later=later)
            if self.chain and not found and later: self.waiting.append((self.fact[0], name, keys))
        if keep: getattr(self, keep[0])[value(keep[1]) if len(keep) == 2 else tuple(map(value, keep[1:]))].append(body)
    def excuse(self, kind: str, what: Any, period: Any = None) -> bool:  # A check that needed an erased entry is passed over: one for each such entry before the fact at hand, and counted
        if (kind, what) not in self.excused:
            free = [n for n, erased in self.erased.items() if erased == kind and n < self.fact[0] and n not in self.excused.values()]
            if not free: return False
            self.excused[kind, what] = max(free); self.gap(f"not verified because erased: {kind}")
        self.needed.add((self.excused[kind, what], period)); return True
    def closed(self, kind: str) -> None:  # an erased entry: which periods' trading it belonged to
        if self.fact[0] in self.erased and kind in ("order.accepted", "order.cancelled", "schedule.nominated"):
            self.needed |= {(self.fact[0], (ident(g[-1]["area"]), g[-1]["period"])) for key, g in self.gates.items() if ("book.closed", *key) not in self.resolved}
    def erasures(self) -> None:  # nothing may go before the period that needs it is Final
        for sequence, period in sorted((need for need in self.needed if need[1]), key=str) if self.auditor or self.chain else ():
            final = self.final.get(period) or (0 if self.chain and self.chain.find("PeriodFinalised", dict(zip(("area", "period"), period, strict=True))) else None)
            if final is None or final > self.erased_by[sequence]: self.fail(f"entry {sequence} {self.erased[sequence]} was erased before period {period[1]} was Final")
    def on_erasure_done(self, body: dict[str, Any]) -> None:
        for name in ("sequences", "tags"): self.same(name, body.get(name, []), sorted(set(body.get(name, []))), "ascending and once each is")
    def where(self, body: Mapping[str, Any]) -> tuple[str, str]: return ident(body["market"]), ident(self.markets[ident(body["market"])][-1]["area"])  # market id and area id that a fact is about
    def mtus(self, body: Mapping[str, Any], most: int) -> range: return range(whole(body["first_mtu"]), body["first_mtu"] + whole(body["count"], 1, most))
    def attesters(self, code: str) -> tuple[set[str], int]: known = self.areas[ident(code)][-1]; return {item["address"] for item in known["attesters"]}, known["threshold"]
    def period_of(self, area: str, mtu: int) -> int | None: return next((p for (where, p), items in self.periods.items() if where == area and mtu in self.mtus(items[-1], 3_200)), None)
    def program_of(self, market: str, mtu: int) -> int | None: return next((p for (m, p), items in self.gates.items() if m == market and mtu in self.mtus(items[-1], 128)), None)
    # ---- who takes part; orders and books
    def on_area_defined(self, body: dict[str, Any]) -> None:  # grid model and attesters; deadlines are in FACTS
        area, mine = ident(body["area"]), {item["address"]: ident(item["organisation"]) for item in body["attesters"]}; self.same("grid_model_hash", body["grid_model_hash"], hash_json(body["grid_model"]), "grid_model gives")
        if self.anchors is not None:
            known = self.anchors["areas"][body["area"]]; self.none("attesters unknown to the trust anchors", mine.keys() - trusted(known["attesters"]))
            self.same("area", {name: body[name] for name in ("grid_model_hash", "threshold")}, {name: known[name] for name in ("grid_model_hash", "threshold")}, "the trust anchors hold")
        if self.chain is None: return
        made = self.chain.find("AreaCreated", {"area": area}); begun = made.block if made else self.chain.height
        granted = [event.args for event in self.chain.events if event.name == "RoleGranted" and event.block <= begun and event.args["role"] == ROLES["attester"] and event.args["area"] in (area, ZERO_HEX)]
        self.same("attesters", mine, {args["key"]: args["organisation"] for args in granted}, "Roles on chain holds")
        held = {"threshold": self.chain.number("Roles", "config()"), "challenge_seconds": self.chain.number("Settlement", "challengeSeconds()")}
        self.same("area", {name: body[name] for name in held}, held, "the chain holds")
    def terms(self, body: Mapping[str, Any], areas: Iterable[str]) -> None:  # a version comes before the books of the MTUs that it covers close
        for area in (area for area in areas if body["valid_from_mtu"] <= self.begun.get(area, -1)): self.fail(body["valid_from_mtu"], name="valid_from_mtu", source="begun has already MTU", expected=self.begun[area])
    def on_tariff_published(self, body: dict[str, Any]) -> None:
        users = [account for account, items in self.agreements.items() if any(item["tariff"] == body["tariff"] for item in items)]
        self.terms(body, {ident(party["area"]) for account in users for party in self.parties[account]})
    def on_agreement_signed(self, body: dict[str, Any]) -> None: self.terms(body, {ident(party["area"]) for party in self.parties[body["account"]]})
    def on_program_opened(self, body: dict[str, Any]) -> None: self.same("area", ident(body["area"]), self.where(body)[1], "market.defined holds")
    def on_meter_registered(self, body: dict[str, Any]) -> None: self.points[body["point"]].append(body)
    def on_key_registered(self, body: dict[str, Any]) -> None:
        if self.parties[body["account"]] or not self.excuse("participant.registered", body["account"]): self.same("point", body["point"], self.parties[body["account"]][-1]["point"], "participant.registered holds")
    def key_at(self, account: str, mtu: int) -> dict[str, Any] | None: return next((key for key in reversed(self.keys[account]) if key["valid_from_mtu"] <= mtu), None)  # the last registration that is valid at an MTU
    def signed_by(self, body: Mapping[str, Any], order: Order, signer: str) -> dict[str, Any] | None:  # an order or cancel: by the key that is valid for the order's account
        key = self.key_at(order.account, order.mtu); self.same("order_key", body["order_key"], signer, "it is signed by")
        if not key and self.excuse("key.registered", order.account): return None
        key = key or {"order_key": "none", "point": "none"}; self.same("order_key", body["order_key"], key["order_key"], f"valid for {order.account} in MTU {order.mtu} is"); return key
    def in_time(self, body: Mapping[str, Any], market: str, mtu: int) -> None:  # before the gate (a personal bundle does not show it)
        gates = [g[-1]["gate"] for (m, _), g in self.gates.items() if m == market and mtu in self.mtus(g[-1], 128)]
        if (market, mtu) in self.books or (not isinstance(self, Personal) and body["market_time"] >= min(gates, default=0)):
            self.fail(body["market_time"], name="market_time", source=f"MTU {mtu} took orders until", expected=gates)
    def received(self, body: Mapping[str, Any], market: str, mtu: int, tag: str, revision: int, kind: int) -> None:  # and the operator gave a receipt for it
        self.in_time(body, market, mtu)
        with self.on(f"receipts.jsonl sequence {self.fact[0]}", "receipt"): self.receipt(self.receipts.pop(self.fact[0]), market, mtu, tag, revision, kind, *self.fact, body["market_time"])
    def revision(self, place: tuple[Any, ...], found: int) -> None:  # of an order or its cancel: one more than the last, whatever became of that
        due = self.last.get(place, -1) + 1; self.last[place] = found; missing = [(*place, number) for number in range(due, min(found, due + 100))]
        if not missing or not all(self.excuse("order.accepted", item) or self.excuse("order.cancelled", item) for item in missing): self.same("revision", found, due, "due is")
    def on_order_accepted(self, body: dict[str, Any]) -> None:  # signed by the key that is valid for its account
        order = Order(self.sign, body["order"], body["signature"])
        self.same("tag", body["tag"], order.tag, "the order gives")
        self.same("market", ident(body["market"]), order.market, "the order is for"); self.none("tags accepted before", {order.tag} & self.opened.keys())
        if key := self.signed_by(body, order, order.signer): self.same("point", body["point"], key["point"], "the key's registration holds")
        self.received(body, order.market, order.mtu, order.tag, order.revision, 1); self.revision((order.market, order.mtu, order.account, order.id), order.revision)
        self.live.setdefault((order.market, order.mtu), {})[order.account, order.id] = order.tag; self.opened[order.tag] = (order, body["point"], self.fact[0])
    def on_order_cancelled(self, body: dict[str, Any]) -> None:  # signed by the order's key; withdraws its last revision
        market, mtu, identity, revision = values = (ident(body["market"]), body["mtu"], body["order_id"], body["revision"]); self.received(body, market, mtu, body["tag"], revision, 2)
        if body["tag"] not in self.opened and self.excuse("order.accepted", body["tag"]): return
        order = self.opened[body["tag"]][0]; self.revision((market, mtu, order.account, identity), revision); self.same("account", body["account"], order.account, "the order's is")
        self.signed_by(body, order, self.sign.signer(body["signature"], "Cancel", *values))
        last = self.live[market, mtu].pop((order.account, identity), None); self.same("tag", body["tag"], last, "the order's last revision has")
    def on_schedule_nominated(self, body: dict[str, Any]) -> None:  # signed by a key of the account; rising revisions until the gate
        place = (market, first, _) = (ident(body["market"]), body["first_mtu"], ident(body["point"])); self.in_time(body, market, first)
        signer = self.sign.signer(body["signature"], "Schedule", *place, tohex(schedule_hash(body["net_wh"])), body["revision"])
        self.same("order_key", body["order_key"], signer, "Schedule is signed by"); mine = (body["order_key"], body["point"]); known = [(key["order_key"], key["point"]) for key in self.keys[body["account"]]]
        if mine not in known and not self.excuse("key.registered", body["account"]): self.fail(mine, name="key", source=f"registered for {body['account']} are", expected=known)
        before = self.schedules.get((market, first, body["point"]), (-1, []))[0]; whole(body["revision"], before + 1); self.schedules[market, first, body["point"]] = (body["revision"], body["net_wh"])
    def on_book_closed(self, body: dict[str, Any]) -> None:  # the live orders, none left out, none added; committed on chain
        (market, area), opened = self.where(body), self.gates[ident(body["market"]), body["program"]][-1]; period = (area, opened["period"])
        for mtu, book in zip(self.mtus(body, 128), body["books"], strict=True):
            with self.on(f"mtu {mtu} market {body['market']}"):
                tags, live = book["tags"], set(self.live.get((market, mtu), {}).values())
                for tag in (tag for tag in sorted(live - set(tags)) if not self.excuse("order.cancelled", tag, period)): self.fail(f"order {tag}, accepted in entry {self.opened[tag][2]} and never withdrawn, is left out")
                self.none("tags that open to no live order", [tag for tag in sorted(set(tags) - live) if self.auditor and (tag not in self.gone or not self.excuse("order.accepted", tag, period))])
                if self.auditor and live >= set(tags): self.same("chain", book["chain"], words_hash([self.opened[tag][0].word for tag in tags]), "the opened orders give")
                hashed = tohex(keccak(unhex(book["chain"], 32) + word32(len(tags)))); self.same("book", book, {**book, "mtu": mtu, "book_hash": hashed, "tags": sorted(set(tags))}, "due is")
                self.books[market, mtu] = book; self.begun[area] = max(mtu, self.begun.get(area, 0))
        mine = {name: body[name] for name in ("first_mtu", "count", "gate")}; self.same("program", mine, {name: opened[name] for name in mine}, "program.opened holds")
        self.on_chain("BooksClosed", {"market": market, "program": body["program"]}, {"chains": [book["chain"] for book in body["books"]], "counts": [len(book["tags"]) for book in body["books"]]}, later=True)
    # ---- programs and clearings
    def program(self, body: Mapping[str, Any]) -> dict[str, Any]:  # results of a program, and what the DSO signs over them
        (market, area), results, mtus = self.where(body), {}, self.mtus(body, 128)
        for mtu, item, told in zip(mtus, body["results"], body["report"]["mtus"], strict=True):
            with self.on(f"mtu {mtu} market {body['market']}"):
                self.same("mtu", item["mtu"], mtu, "its place gives"); words, hashed = self.result(market, mtu, item, self.markets[market][-1])
                if words or not told["given_up"]:
                    book = self.books[market, mtu]; self.same("tags of words", [text[:34] for text in item["words"]], book["tags"], "the committed book holds")
                    committed = words_hash([word & ~RESULT_BITS for word in words]); self.same("chain of masked words", committed, book["chain"], "the committed book holds")
                results[mtu] = (item, words, hashed)
        root = merkle_root(unhex(results[mtu][2]) for mtu in mtus); hashes = (hash_json(self.areas[area][-1]["grid_model"]), hash_json(body["report"]))
        return {"results": results, "signed": (market, mtus[0], len(mtus), root, *hashes, body["deadline"]), "body": body}
    def on_program_validated(self, body: dict[str, Any]) -> None:  # results, caps and schedules; the DSO signs all of them
        (market, area), program, report = self.where(body), self.program(body), body["report"]
        for at, name in ((3, "results_root"), (4, "grid_model_hash"), (5, "report_hash")): self.same(name, body[name], program["signed"][at], "results, grid model and report give")
        due = self.gates[market, body["program"]][-1]["gate"] + self.markets[market][-1]["sign_seconds"]; self.same("deadline", body["deadline"], due, "gate and sign_seconds give")
        self.same("rounds", body["rounds"], max(entry["rounds"] for entry in report["mtus"]), "the signed report holds")
        points, caps = [point["code"] for point in self.areas[area][-1]["grid_model"]["points"]], defaultdict[str, list[Any]](list)
        for item in body["envelopes"]: caps[item["point"]].append(item)
        rank = [(item["mtu"], points.index(item["point"])) for item in body["envelopes"]]; self.same("order of envelopes", rank, sorted(set(rank)), "ascending and once each is")
        for name, hashes in (("envelopes", [unhex(hash_json(caps[point])) for point in points]), ("schedules", [schedule_hash(body["schedules"][point]) for point in points])):
            self.same(f"hash of {name}", tohex(keccak(b"".join(hashes))), report[f"{name}_hash"], "the signed report holds")
        program["caps"] = {(item["mtu"], item["point"]): (item["import_cap_wh"], item["export_cap_wh"]) for item in body["envelopes"]}
        for entry, result in zip(report["mtus"], body["results"], strict=True):
            with self.on(f"mtu {result['mtu']} market {body['market']}"):
                _, words, hashed = program["results"][result["mtu"]]; self.same("given_up", result["given_up"], entry["given_up"], "the signed report holds")
                self.same("result_hash", result["result_hash"], hashed, "price and words give"); self.caps(self.markets[market][-1]["lot_wh"], result["mtu"], words, program["caps"])
        self.none("schedules of unknown points", body["schedules"].keys() - set(points))
        for point, net in body["schedules"].items(): nominated = self.schedules.get((market, body["first_mtu"], point), (0, net))[1]; self.same(f"schedule of point {point}", net, nominated, "schedule.nominated holds")
        self.programs[market, body["program"]] = program
    def caps(self, lot: int, mtu: int, words: Sequence[int], caps: Mapping[Any, Any]) -> None:  # The cap of each word follows from the envelope of its order's point: best limit first, then ascending tag
        groups = defaultdict[Any, list[Any]](list)
        for at, word in ((at, word) for at, word in enumerate(map(unpack, words)) if word.tag in self.opened): groups[self.opened[word.tag][1], word.ask].append((word.limit if word.ask else -word.limit, word.tag, at, word))
        for (point, ask), members in groups.items():
            envelope = caps.get((mtu, point), (None, None))[ask]; left = NO_CAP if envelope is None else envelope // lot
            for _, _, at, word in sorted(members):
                expected = NO_CAP if envelope is None else min(word.quantity, left); self.same(f"word {at} cap", word.cap, expected, f"the envelope of point {point}, {envelope} Wh, leaves"); left -= expected
    def on_program_signed(self, body: dict[str, Any]) -> None:  # signed by the DSO over this very program; on chain it binds everybody
        market, area = self.where(body); key, opening = (market, body["program"]), (body["market"], body["program"]); gate = self.gates[key][-1]; period, mtus = (area, gate["period"]), self.mtus(gate, 128)
        if not self.auditor and opening in self.shown: self.programs[key] = self.program(self.shown.pop(opening))
        self.signed[key] = body
        if key not in self.programs and self.excuse("program.validated", key, period): self.blind |= {(market, mtu) for mtu in mtus}; return
        program, names = self.programs[key], ("resultsRoot", "gridModelHash", "reportHash", "deadline")
        self.dso(self.areas[area][-1]["area"], body, "Program", *program["signed"]); values = dict(zip(names, program["signed"][3:], strict=True))
        recorded = self.on_chain("ProgramRecorded", {"market": market, "program": body["program"]}, values, later=True); self.results |= {(market, mtu): result for mtu, result in program["results"].items()}
        if self.auditor and (recorded or self.seen.find("ProgramRecorded", {"market": market, "program": body["program"]})):
            self.envelopes |= program["caps"]
            for point, net in program["body"]["schedules"].items(): self.scheduled |= {(mtus[at], point): max(-wh, 0) for at, wh in enumerate(net)}
    def on_program_refused(self, body: dict[str, Any]) -> None:  # signed over a program that public bundles do not show
        key, area = (self.where(body)[0], body["program"]), self.where(body)[1]
        if not self.auditor or (key not in self.programs and self.excuse("program.validated", key, (area, self.gates[key][-1]["period"]))): return
        self.dso(self.areas[area][-1]["area"], body, "Refusal", *self.programs[key]["signed"][:4], body["reason"])
    def on_setpoints_issued(self, body: dict[str, Any]) -> None:  # controllers got the envelopes that were signed
        key = (self.where(body)[0], body["program"]); self.none("set-points of a program that is not signed", {key} - self.signed.keys())
        if key in self.programs: self.same("envelopes", body["envelopes"], self.programs[key]["body"]["envelopes"], "the program holds")
    def on_mtu_cleared(self, body: dict[str, Any]) -> None:  # exactly the signed result; on chain under this hash
        (market, _), mtu = self.where(body), body["mtu"]
        item, words, hashed = self.results.get((market, mtu)) or ((body, *self.result(market, mtu, body, self.markets[market][-1])) if (market, mtu) in self.blind else None)  # type: ignore[misc]
        mine = {name: body[name] for name in ("price_neur_per_wh", "words", "result_hash", "program")}
        signed = {"price_neur_per_wh": item["price_neur_per_wh"], "words": item["words"], "result_hash": hashed, "program": self.program_of(market, mtu)}
        self.same(f"mtu {mtu} market {body['market']}", mine, signed, "the signed result holds"); traded, price = [word for word in map(unpack, words) if word.accepted], item["price_neur_per_wh"]
        values = {"priceNeurPerWh": NO_PRICE if price is None else price, "tradedLots": sum(word.accepted for word in traded if not word.ask)}
        found = self.on_chain("MtuCleared", {"market": market, "mtu": mtu}, values) or self.seen.find("MtuCleared", {"market": market, "mtu": mtu})
        if found: self.same("tx_hash", body["tx_hash"], found.tx, "it was cleared by")
        if not self.once(market, mtu): return
        for word in traded:
            self.prices[mtu] = price; owner = self.opened[word.tag][0].account if word.tag in self.opened else "erased"; self.trades[owner, mtu].append((word, word.accepted * self.markets[market][-1]["lot_wh"], price))
    def once(self, market: str, mtu: int) -> bool:  # an MTU ends once, cleared or void
        again = ("end", market, mtu) in self.resolved; self.resolved["end", market, mtu] = True; self.none("MTUs that end twice", [mtu] if again else []); return not again
    def on_mtu_voided(self, body: dict[str, Any]) -> None:
        (market, area), mtu = self.where(body), body["mtu"]; self.once(market, mtu); self.begun[area] = max(mtu, self.begun.get(area, 0))
        self.same("program", body["program"], self.program_of(market, mtu), "program.opened holds")
    # ---- transactions and blocks
    def on_chain_requested(self, body: dict[str, Any]) -> None: self.none("keys requested twice", {body["key"]} & self.requests.keys()); self.requests[body["key"]] = (self.fact[0], body)
    def on_chain_signed(self, body: dict[str, Any]) -> None:  # its fields are held against the block in `transactions`
        self.same("tx_hash", body["tx_hash"], tohex(keccak(unhex(body["raw"]))), "raw gives"); self.sent[body["tx_hash"]] = (self.fact[0], body)
        if body["function"] not in ("", "constructor"):  # a deployment, and the filling of a gap of nonces, is asked for by nobody
            asked = self.requests[body["key"]][1]; self.same("request", {name: body[name] for name in asked if name in body}, {name: asked[name] for name in asked if name in body}, "chain.requested holds")
    def on_chain_included(self, body: dict[str, Any]) -> None:  # the last outcome of a key counts
        if "tx_hash" in body: self.same("key", body["key"], self.sent[body["tx_hash"]][1]["key"], "chain.signed holds")
        self.outcomes[body["key"]] = (self.fact[0], body)
        self.final |= {(event["args"]["area"], event["args"]["period"]): self.fact[0] for event in body.get("events", []) if event["event"] == "PeriodFinalised"}
    on_chain_failed = on_chain_included
    def on_chain_rewound(self, body: dict[str, Any]) -> None: self.outcomes.pop(body["key"])
    def on_block_mined(self, body: dict[str, Any]) -> None:
        if self.chain is None or body["number"] > self.chain.height: return
        block = self.chain.block(body["number"])
        self.same("block", body, {"number": body["number"], "timestamp": int(block["timestamp"], 16), "transactions": [tx["hash"] for tx in block["transactions"]]}, "the node holds")
    def transactions(self, chain: Chain) -> None:  # signed ones and their outcomes are those of the chain
        logs = defaultdict[str, list[Any]](list)
        for event in chain.events: logs[event.tx] += [[event.contract, event.name, event.args]] if event.name else []
        for number, body in (outcome for outcome in self.outcomes.values() if "tx_hash" in outcome[1]):
            with self.on(f"journal.jsonl entry {number} {'chain.included' if 'events' in body else 'chain.failed'}", "transaction"):
                receipt, block = chain.ask("eth_getTransactionReceipt", [body["tx_hash"]]), chain.block(body["block"])
                there = {"block": int(receipt["blockNumber"], 16), "block_hash": receipt["blockHash"], "gas_used": int(receipt["gasUsed"], 16), "block_time": int(block["timestamp"], 16)}
                self.same("outcome", {**{name: body[name] for name in there}, "success": "events" in body}, {**there, "success": int(receipt["status"], 16) == 1}, "the node holds")
                sent, found = self.sent[body["tx_hash"]][1], chain.sent(body["block"], body["tx_hash"]); mine = (sent["nonce"], int(sent["gas_price_wei"]), sent["sender"], chain.contracts.get(sent["contract"], sent["sender"]))
                self.same("nonce, gas price, sender and contract", mine, (int(found["nonce"], 16), int(found["gasPrice"], 16), found["from"], found["to"]), "the node holds")
                self.same("events", [[item["contract"], item["event"], plain(item["args"])] for item in body.get("events", [])], logs[body["tx_hash"]], "the chain has")
    def unjournalled(self, chain: Chain) -> None:  # all that the chain did until the bundle's anchor stands in the journal, and what was asked of it was done
        late = list[str](); anchors = [event for event in chain.events if event.name == "HeadAnchored" and event.args["sequence"] < self.fact[0]]; end = anchors[-1].block if anchors else chain.height
        shown = max((body["block"] for _, body in self.outcomes.values() if "block" in body), default=0)
        kinds = {rule[1][0].rstrip("?"): kind for kind, (_, rule) in self.facts.items() if rule[1] and (self.auditor or kind in PUBLIC_KINDS)}
        ours, covered = {key for role in SENDERS for key in chain.holders(role)}, {body["tx_hash"] for _, body in self.outcomes.values() if "tx_hash" in body}
        def miss(block: int, what: str) -> None:  # a block before the last that the journal shows, or an hour before its anchor, is due
            if block < end and (block < shown or chain.seconds(block, end) > GRACE_SECONDS): late.append(f"block {block}: {what}")
            elif block < end: self.gap("events not in the journal yet")
        for event in chain.events:
            kind = kinds.get(event.name)
            if kind and id(event) not in self.told and not (self.unread_back(event.tx) if kind == "reading.attested" else self.excuse(kind, event.tx)): miss(event.block, f"{event.name} {event.args}")
            if self.auditor and kind and event.tx not in covered and chain.sent(event.block, event.tx)["from"] in ours: miss(event.block, f"transaction {event.tx}")
        self.none("events and transactions on chain without an entry", late); requests = sorted((number, key) for key, (number, _) in self.requests.items())
        for number, name, keys in self.waiting:
            key = next((key for at, key in requests if at > number), ""); outcome = self.outcomes.get(key, (0, {}))[1]
            if "reason" in outcome: self.counts[f"failed on chain: {name}"] += 1
            elif "events" in outcome or any(event.args["sequence"] >= number and chain.seconds(event.block, end) > GRACE_SECONDS for event in anchors): self.fail(f"entry {number}: the chain has no {name} of {keys}")
            else: self.counts[f"not on chain yet: {name}"] += 1
    # ---- readings
    def on_reading_attested(self, body: dict[str, Any]) -> None:  # messages, the leaves that follow from them, attestations
        area, fresh = ident(body["area"]), dict[Any, Any]()
        for name, items in (("mtu", [item["mtu"] for item in body["attestations"]]), ("messages", body["messages"])): self.same(name, items, sorted(set(items)), "ascending and once each is")
        for at, jws in enumerate(body["messages"]):
            with self.on(f"message {at}"): self.message(jws)
        for item in body["attestations"]:
            mtu = item["mtu"]
            with self.on(f"mtu {mtu} area {body['area']}"):
                form(item["readings"], READING); leaves = [(reading, tohex(reading_hash(reading))) for reading in item["readings"]]
                sums = {name: sum(leaf[name] for leaf, _ in leaves) for name in ("import_wh", "export_wh")}; due = {"root": merkle_root(unhex(hashed) for _, hashed in leaves), "count": len(leaves), **sums}
                self.same("attestation", {name: item[name] for name in due}, due, "its readings give"); self.same("period", body["period"], self.period_of(area, mtu), "period.declared holds")
                meters = [code for code in sorted(self.meters, key=ident) if (now := self.meter_at(code, mtu)) and now["area"] == body["area"]]
                self.same("meters", [leaf["meter"] for leaf, _ in leaves], meters, "registered are"); self.attestation(body["area"], item, *self.attesters(body["area"]))
                fresh |= {(leaf["meter"], mtu): leaf for leaf, _ in leaves}
                for leaf, _ in leaves:
                    with self.on(f"meter {leaf['meter']}"): self.leaf(leaf, mtu, [fresh.get((leaf["meter"], mtu - 1)) or self.leaves.get((leaf["meter"], mtu - 1))])
                self.attested[area, mtu, item["revision"]] = leaves; self.counts["readings"] += len(leaves); self.begun[area] = max(mtu, self.begun.get(area, 0))
        self.leaves |= fresh
    def on_mtu_unread(self, body: dict[str, Any]) -> None:
        area = ident(body["area"]); self.same("period", body["period"], self.period_of(area, body["mtu"]), "period.declared holds"); self.begun[area] = max(body["mtu"], self.begun.get(area, 0))
    def unread_back(self, tx: str, period: Any = None) -> bool:  # whether a transaction was asked for by a reading.attested that is erased
        asked = self.requests.get(self.sent.get(tx, (0, {"key": ""}))[1]["key"], (0,))[0]; numbers = {number for number, _ in self.requests.values()}
        source = max((n for n, kind in self.erased.items() if kind == "reading.attested" and n < asked), default=None)
        return source is not None and numbers >= {*range(source + 1, asked + 1)} and self.excuse("reading.attested", source, period)
    def meter_at(self, code: str, mtu: int) -> dict[str, Any] | None:  # valid until a later key of the meter, or another meter at its point, begins
        found = max((item for item in self.meters[code] if item["valid_from_mtu"] <= mtu), key=lambda item: item["valid_from_mtu"], default=None)
        return None if found and any(found["valid_from_mtu"] < other["valid_from_mtu"] <= mtu for other in self.points[found["point"]]) else found
    def message(self, jws: str) -> None:  # registers that a meter signed, under a key valid for each of them
        code = json.loads(jws_parts(jws)[0])["kid"]; body, signer = open_jws(jws, tuple(item["public_key"] for item in self.meters[code]))
        for item in body["readings"]:
            form(item, "mtu sequence import_wh export_wh nonce"); held = [key and key["public_key"] for key in (self.meter_at(code, item["mtu"]), self.meter_at(code, item["mtu"] + 1))]
            if signer not in held: self.fail(f"the key that signed it is not valid for MTU {item['mtu']}")
            for table, place in ((self.registers, item["mtu"]), (self.numbers, item["sequence"])): table[code, place] += [item] if item not in table[code, place] else []
    def leaf(self, leaf: Mapping[str, Any], mtu: int, before: list[Any]) -> None:  # A measured reading is what its meter signed and nothing contradicts; interval energy is the difference of registers
        meter, ways, signed = leaf["meter"], ("import_wh", "export_wh"), self.registers[leaf["meter"], mtu]
        registers = {way: leaf[way.replace("_", "_register_")] for way in ways}; self.same("mtu", leaf["mtu"], mtu, "the attestation is of")
        disputed = [item for item in signed for other in (*signed, *self.numbers[meter, item["sequence"]]) if any(item[way] != other[way] for way in ways) or item["mtu"] != other["mtu"]]
        back = next(((at, items) for at in range(mtu - 1, mtu - 97, -1) if (items := self.registers.get((meter, at)))), None)
        if leaf["quality"] == 0:
            told = {**registers, "sequence": leaf["sequence"], "nonce": leaf["nonce"], "mtu": mtu}
            if told not in signed: self.same("reading", told, signed[0] if signed else "nothing", "the meter's signed message holds")
            self.none("signed readings that contradict each other", disputed)
            if back and not any(1 <= leaf["sequence"] - item["sequence"] <= mtu - back[0] for item in back[1]): self.fail(leaf["sequence"], name="sequence", source=f"MTU {back[0]} had", expected=back[1][0]["sequence"])
        else:
            self.same("quality and sequence", (leaf["quality"], leaf["sequence"]), (1, 0), "a substitute has"); self.counts["substitutes"] += 1
            held = {items[-1]["point"]: items[-1] for items in self.parties.values() if items}.get((self.meter_at(meter, mtu) or {}).get("point"), {}) if len(signed) == 1 and not disputed and back else {}
            most = {way: -(-held.get(f"connection_{way[:6]}_w", 0) * 3 * (mtu - back[0]) // 8) if back else 0 for way in ways}  # 1.5 times the connection's power, as attesters believe at most
            if len(signed) == 1 and not disputed and all(0 <= signed[0][way] - back[1][0][way] <= most[way] for way in ways if back): self.fail("a substitute stands where the meter's signed reading had come")
        bases = [{way: item[way.replace("_", "_register_")] for way in ways} for item in before if item] or self.registers[meter, mtu - 1] or [registers]
        given = [{way: registers[way] - base[way] for way in ways} for base in bases]; mine = {way: leaf[way] for way in ways}
        area = (self.meter_at(meter, mtu) or {}).get("area"); lost = None if any(before) or not self.erased else self.seen.find("ReadingsAttested", {"area": ident(area), "mtu": mtu - 1, "revision": 0})
        if mine not in given and not (lost and self.unread_back(lost.tx)): self.same("energy", mine, given[-1], "the registers give")
        self.none("registers that fall", (way for way in ways if leaf[way] < 0))
    # ---- settlement and money
    def running(self, area: str, mtus: range, wanted: str) -> tuple[str, str, dict[int, int | None]]:
        """Clearing root and readings root of a period, and the revision of each MTU's readings (None: Unread) under the readings root `wanted`, or under the last one where that was never reached."""
        clearing, readings, revisions, chosen = ZERO, ZERO, dict[int, int | None](), None
        for name, args, *_ in self.seen.events:
            mtu = word32(args["mtu"]) if args.get("mtu") in mtus else b""
            if mtu and name in ("MtuCleared", "MtuVoided") and self.where(args)[1] == area: clearing = keccak(clearing + unhex(args["market"]) + mtu + unhex(args.get("resultHash", ZERO_HEX)))
            elif mtu and name in ("ReadingsAttested", "ReadingsUnread") and args["area"] == area:
                numbers = [word32(args.get(key, 0)) for key in ("revision", "count", "importWh", "exportWh")]; readings = keccak(readings + mtu + numbers[0] + unhex(args.get("root", ZERO_HEX)) + b"".join(numbers[1:]))
                revisions[args["mtu"]] = None if name == "ReadingsUnread" else args["revision"]; chosen = (wanted, dict(revisions)) if tohex(readings) == wanted else chosen
        return tohex(clearing), *(chosen or (tohex(readings), revisions))
    def on_settlement_proposed(self, body: dict[str, Any]) -> None:  # recomputed line by line
        area, period = ident(body["area"]), body["period"]; mtus = self.mtus(self.periods[area, period][-1], 3_200); clearing, readings, revisions = self.running(area, mtus, body["readings_root"])
        self.same("clearing_root", body["clearing_root"], clearing, "clearings in their order give"); self.same("readings_root", body["readings_root"], readings, "attestations in their order give")
        markets = [market for market, rules in self.markets.items() if ident(rules[-1]["area"]) == area]
        self.none("MTUs that are neither cleared nor void", (mtu for mtu in mtus for m in markets if ("end", m, mtu) not in self.resolved))
        given = {item["account"]: item for item in body["statements"]}; self.same("accounts with a statement", [item["account"] for item in body["statements"]], sorted(given), "ascending and once each is")
        for account, item in given.items():  # whose registration is erased is what the statement says
            if (area, period) in self.lost: self.before[area, period, account] = int(item["statement"]["settled_before_neur"])
            if not self.parties[account] and self.excuse("participant.registered", account, (area, period)): self.parties[account].append({**item["statement"], "area": body["area"]})
        expected, used = self.statements(body, area, mtus, revisions, {account: item["statement"] for account, item in given.items()})
        self.same("tariff_hash", body["tariff_hash"], terms_hash(used), "the versions used give"); self.same("accounts with a statement", sorted(given), sorted(expected), "due are")
        for account in sorted(given.keys() & expected.keys()):
            with self.on(f"account {account} period {period}"): self.same("statement", given[account]["statement"], expected[account], "orders, readings and terms give")
            self.counts["statement lines"] += len(expected[account]["lines"])
        dues = {account: int(statement["due_neur"]) for account, statement in expected.items()}; root = merkle_root(statement_leaf(given[account]) for account in sorted(given))
        self.same("statements_root", body["statements_root"], root, "statements and salts give"); words = [int(account, 16) << 96 | due % 2**96 for account, due in sorted(dues.items()) if due]
        self.same("words", body["words"], [tohex(word32(word)) for word in words], "the statements give")
        self.same("words_hash", body["words_hash"], words_hash(words), "the statements give"); self.proposals[area, period, body["revision"]] = body
    def traded(self, account: str, mtu: int) -> tuple[list[list[str]], list[int], int]:  # tags, Wh (bought, sold), price
        words = self.trades.get((account, mtu), []); tags = [[word.tag for word, _, _ in words if word.ask == ask] for ask in (0, 1)]
        return tags, [sum(wh for word, wh, _ in words if word.ask == ask) for ask in (0, 1)], words[0][2] if words else self.prices.get(mtu, 0)
    def statements(self, body: Any, area: str, mtus: range, revisions: Any, told: Mapping[str, Any]) -> tuple[dict[str, Any], list[Any]]:
        """All statements of a settlement, and the tariff and agreement versions they use. Where an opening is erased, the energies of
        the lines touched are those `told`; prices, amounts, VAT, mirrors and sums are recomputed, and totals must be those on chain."""
        mirrors, vat, used, result = defaultdict[Any, int](int), defaultdict[int, Any](lambda: [0, 0]), list[Any](), dict[str, Any]()
        parties, period = [items[-1] for _, items in sorted(self.parties.items()) if items and ident(items[-1]["area"]) == area], (area, body["period"])
        measured, hidden, sums = defaultdict[Any, list[Any]](list), {mtu for market, mtu in self.blind if market in self.markets}, dict[Any, int]()
        for mtu in mtus:
            event = self.seen.find("ReadingsAttested", {"area": area, "mtu": mtu, "revision": revisions.get(mtu)})
            if event and (area, mtu, revisions[mtu]) not in self.attested and self.unread_back(event.tx, period): hidden.add(mtu); sums[mtu, "levy"] = event.args["importWh"]
            elif not isinstance(self, Personal): self.none("MTUs without an end of readings", [mtu] if revisions.get(mtu, -1) is not None and (area, mtu, revisions.get(mtu)) not in self.attested else [])
            for leaf in self.attested.get((area, mtu, revisions.get(mtu)), []): measured[(self.meter_at(leaf[0]["meter"], mtu) or {})["point"], mtu].append(leaf)
            for ask in (0, 1): sums |= {(mtu, LINES[ask][0]): sum(wh for (_, at), words in self.trades.items() if at == mtu for word, wh, _ in words if word.ask == ask)} if ("erased", mtu) in self.trades else {}
        def says(account: str, mtu: int) -> tuple[Any, list[int]] | None:  # what a statement opens to and its energies, where that can't be recomputed
            if mtu not in hidden and ("erased", mtu) not in self.trades: return None
            opening = {"bids": [], "asks": [], "readings": [], **next((item for item in told.get(account, {}).get("opens", []) if item["mtu"] == mtu), {})}
            lost = [tag for tag in opening["bids"] + opening["asks"] if tag not in self.opened and self.excuse("order.accepted", tag, period)]
            if mtu not in hidden and not lost: return None
            wh = {item["kind"]: item["energy_wh"] for item in told.get(account, {}).get("lines", []) if item.get("mtu") == mtu and "tariff" not in item}; return opening, [wh.get(kind, 0) for kind, *_ in LINES]
        for party in (party for party in parties if party["kind"] == "household"):
            lines, opens, terms, bases = list[Any](), list[Any](), list[Any](), defaultdict[int, int](int)
            for mtu in mtus:
                (tags, energy, price), seen, place = self.traded(party["account"], mtu), measured[party["point"], mtu], (mtu, party["point"])
                flows = [sum(leaf[name] for leaf, _ in seen) for name in ("import_wh", "export_wh")] if seen else energy
                opening = {"mtu": mtu, "bids": tags[0], "asks": tags[1], "readings": [hashed for _, hashed in seen]}
                energies = line_energies(*energy, *flows, *self.envelopes.get(place, (None, None)), self.scheduled.get(place, 0))  # type: ignore[call-arg]
                if given := says(party["account"], mtu): opening, energies = {**opening, **given[0]}, given[1]
                agreement = valid_at(self.agreements.get(party["account"], ()), mtu) or {"tariff": None}; tariff = valid_at(self.tariffs.get(agreement["tariff"], ()), mtu)
                if tariff is None: self.none(f"energies of {party['account']} in MTU {mtu} without an agreement", filter(None, energies)); continue
                version = {"tariff": tariff["tariff"], "version": tariff["version"]}
                for at, (_, other, name, sign, taxed) in enumerate(LINES):
                    charged = tariff[f"{name}_neur_per_wh"] if name else price
                    if energies[at]:
                        lines.append(line(mtu, at, energies[at], charged, sign)); bases[tariff["vat_bp"]] += max(-sign * energies[at] * charged, 0) if taxed else 0
                        mirrors[agreement["retailer"] if other == "retailer" else other, mtu, at, *version.values(), charged] += energies[at]
                if any(energies): opens.append({**opening, **version, "agreement": agreement["agreement"], "agreement_version": agreement["version"]})
                terms += [tariff, agreement]
            for rate, base in sorted(bases.items()):
                if half_even(base, rate): lines.append(vat_line(rate, base, -half_even(base, rate))); vat[rate] = [vat[rate][0] + base, vat[rate][1] + half_even(base, rate)]
            if terms: self.statement(result, body, party, mtus, terms_hash(terms), lines, opens)
            used += terms
        for party in (party for party in parties if party["kind"] != "household"):
            other, rows, opens = party["account"] if party["kind"] == "retailer" else party["kind"], list[Any](), list[Any]()
            for mtu in mtus:
                (bids, asks), energy, price = self.traded(party["account"], mtu)
                if given := says(party["account"], mtu): (bids, asks), energy = (given[0]["bids"], given[0]["asks"]), given[1]
                rows += [((mtu, side), line(mtu, side, energy[side], price, LINES[side][3])) for side in (0, 1) if energy[side]]; opens += [{"mtu": mtu, "bids": bids, "asks": asks}] if bids or asks else []
            rows += [((mtu, at, name, number), line(mtu, at, wh, price, -LINES[at][3], tariff=name, version=number)) for (owner, mtu, at, name, number, price), wh in mirrors.items() if owner == other]
            taxes = [vat_line(rate, *pair) for rate, pair in sorted(vat.items())] if party["kind"] == "tax" else []; lines = [row for _, row in sorted(rows, key=lambda row: row[0])]
            self.statement(result, body, party, mtus, ZERO_HEX, lines + taxes, opens)
        for (mtu, kind), wh in sums.items():
            mine = sum(item["energy_wh"] for made in result.values() for item in made["lines"] if (item.get("mtu"), item["kind"]) == (mtu, kind) and "tariff" not in item)
            self.same(f"sum of {kind} in MTU {mtu}", mine, wh, "words and attestation on chain give")
        return result, used
    def statement(self, result: Any, body: Any, party: Any, mtus: range, terms: str, lines: Any, opens: Any) -> None:
        amount, before = sum(int(item["amount_neur"]) for item in lines), self.before.get((ident(body["area"]), body["period"], party["account"]), 0)
        head = {name: body[name] for name in ("area", "period", "revision")} | {name: party[name] for name in ("account", "kind", "point")}
        sums = {"amount_neur": str(amount), "settled_before_neur": str(before), "due_neur": str(amount - before)}; rest = {"first_mtu": mtus[0], "count": len(mtus), "terms_hash": terms, "lines": lines, "opens": opens}
        result[party["account"]] = {**head, **rest, **sums}
    def on_settlement_signed(self, body: dict[str, Any]) -> None:  # by m attesters; the one whose hashes are on chain counts
        area, period, revision = key = (ident(body["area"]), body["period"], body["revision"]); shown = (body["area"], period, revision)
        if not self.auditor and shown in self.settlements:
            row, mtus = self.settlements.pop(shown), self.mtus(self.periods[area, period][-1], 3_200); event = self.seen.find("PeriodSettled", {"area": area, "period": period, "revision": revision})
            clearing, readings, revisions = self.running(area, mtus, event.args["readingsRoot"] if event else "")
            self.none("MTUs that attestations.jsonl does not show", (mtu for mtu, at in revisions.items() if (area, mtu, at) not in self.read)); hashed = words_hash([number_of(word) for word in row["words"]])
            self.proposals[key] = {**row, "words_hash": hashed, "clearing_root": clearing, "readings_root": readings}
        if key not in self.proposals and self.excuse("settlement.proposed", key, (area, period)):
            event = self.seen.find("PeriodSettled", {"area": area, "period": period, "revision": revision}); self.told.add(id(event)); self.lost.add((area, period)); return
        counts, item = not self.chain, self.proposals[key]
        if self.auditor or self.chain is not None:  # the chain knows which readings a settlement saw
            counts, signers = self.settlement(body["area"], item, [item["signature"] for item in body["signatures"]], *self.attesters(body["area"]))
            self.same("attesters", [item["attester"] for item in body["signatures"]], signers, "Settlement is signed by")
        raw = [unhex(word, 32) for word in item["words"]]; amounts = [(tohex(word[:20]), int.from_bytes(word[20:], "big", signed=True)) for word in raw]
        self.same("accounts of words", [a for a, _ in amounts], sorted({a for a, _ in amounts}), "ascending and once each is")
        self.same("sum of words", sum(amount for _, amount in amounts), 0, "money is moved, never made:")
        if not counts: self.counts["settlements signed that did not come on chain"] += 1; return
        for account, amount in amounts if key not in self.settled else (): self.before[area, period, account] = self.before.get((area, period, account), 0) + amount
        self.settled[key] = (amounts, item)
    def corrections(self) -> None:  # what was attested after the last settlement of a period
        for (area, period), declared in self.periods.items():
            mine = [revision for (where, number, revision) in self.settled if (where, number) == (area, period)]; mtus = self.mtus(declared[-1], 3_200)
            if not mine: self.counts["periods not settled"] += 1; continue
            _, readings, revisions = self.running(area, mtus, "")
            if readings == self.settled[area, period, max(mine)][1]["readings_root"] or not (self.auditor or self.chain): continue
            code = declared[-1]["area"]; due = self.statements({"area": code, "period": period, "revision": max(mine) + 1}, area, mtus, revisions, {})[0] if self.auditor else {}
            wrong = {account for account, body in due.items() if body["due_neur"] != "0"}
            changed = [event for event in self.seen.events if event.name == "ReadingsAttested" and event.args["area"] == area and event.args["mtu"] in mtus]
            overdue = self.chain and self.chain.seconds(changed[-1].block, max(event.block for event in self.chain.events if event.name == "HeadAnchored")) > GRACE_SECONDS
            if wrong and (overdue or (area, period) in self.final): self.fail(f"period {period} of {code}: later readings change what {len(wrong)} accounts owe, and no correction was settled")
            else: self.gap("readings attested after the last settlement of their period")
    def balances(self, chain: Chain) -> None:  # balances and supply are those on chain
        balances = defaultdict[str, int](int)
        for name, args, *_ in chain.events:
            amount = args.get("amountNeur", 0)
            if name == "PeriodSettled":
                if (key := (args["area"], args["period"], args["revision"])) not in self.settled: self.gap("balances not compared: a settlement is not shown"); return
                for account, due in self.settled[key][0]: balances[account] += due
            elif name == "AccountReplaced": balances[args["successor"]] += balances.pop(args["account"], 0)
            elif name in ("Deposited", "DebtCovered", "Redeemed"): balances[args["account"]] += -amount if name == "Redeemed" else amount; balances[args.get("guarantor", "nobody")] -= amount
        balances.pop("nobody", None)
        for account, balance in balances.items(): held = chain.number("Settlement", "balanceOf(address)", abi_encode("address", account)); self.same(f"balance of {account}", balance, held, "Settlement holds")
        self.same("supply", sum(balances.values()), chain.number("Settlement", "supply()"), "Settlement holds")
# ---------------------------------------------------------------- personal bundles
class Personal(Ledger):  # One account's bundle: own orders, readings, envelopes and terms give the own bill, whose hash attesters signed
    def run(self) -> None:
        own = self.own = parse(self.files["account.json"]); form(own, "account area kind point grid_model meters[meter public_key valid_from_mtu]"); self.none("meters told twice", [meter for meter in own["meters"] if own["meters"].count(meter) > 1])
        self.area, self.code, self.used = ident(own["area"]), own["area"], list[Any](); self.parties[own["account"]].append(own)
        for meter in own["meters"]:
            for table, key in ((self.meters, meter["meter"]), (self.points, own["point"])): table[key].append({**meter, "point": own["point"], "area": own["area"]})
        if self.anchors: self.same("hash of grid_model", hash_json(own["grid_model"]), self.anchors["areas"][self.code]["grid_model_hash"], "the trust anchors hold")
        for args in self.seen.all("MarketCreated"): self.markets[args["market"]].append({"area": args["area"], "lot_wh": args["lotWh"]})
        tail, hashes = "sequence journal_head market_time receipt", "clearing_root readings_root statements_root tariff_hash"; forms = {
            "orders": (f"order signature key[order_key valid_from_mtu signature] {tail}", f"cancel[market mtu orderId revision] tag signature key[order_key valid_from_mtu signature] {tail}"),
            "programs": ("market program first_mtu count results_root deadline dso signature report net_wh schedule_hashes envelopes envelope_hashes",),
            "messages": ("jws",), "results": ("market mtu lot_wh price_neur_per_wh words",), "readings": ("area reading proof revision root count import_wh export_wh signatures",),
            "terms": tuple(self.facts[kind][0] for kind in ("tariff.published", "agreement.signed")), "statements": (f"statement salt proof words_hash {hashes} signatures page page_hashes",)}
        for name, members in forms.items():
            rows, ranks = self.rows(f"{name}.jsonl", *members), []; self.every = [row["reading"] for _, row in rows] if name == "readings" else []
            for record, row in rows:
                with self.on(record, name):
                    getattr(self, f"own_{name}")(row); body = row.get("statement", {})
                    ranks.append((row.get("sequence", row.get("mtu", row.get("first_mtu", 0)) if name != "terms" else 0), body.get("period", 0), body.get("revision", 0)))
            self.same(f"order of the lines of {name}.jsonl", ranks, sorted(ranks), "docs")
        kept = [item for items in [*self.tariffs.values(), *self.agreements.values()] for item in items]; self.none("terms that no statement needs", (item for item in kept if item not in self.used))
        with self.on("statements.jsonl", "completeness"): self.complete(self.chain) if self.chain else None
    def complete(self, chain: Chain) -> None:  # what the chain settled, cleared and recorded for this account is all here
        last = self.anchors["checkpoint"]["block"] if self.anchors else 1 << 62
        spans = {args["period"]: self.mtus({"first_mtu": args["firstMtu"], "count": args["count"]}, 3_200) for args in chain.all("PeriodDeclared") if args["area"] == self.area}
        began = min((meter["valid_from_mtu"] for meter in self.own["meters"]), default=0 if self.own["kind"] != "household" else 1 << 62)
        due = {args["program"] for args in chain.all("ProgramOpened") if self.where(args)[1] == self.area and any(args["firstMtu"] in span for span in spans.values())}
        for event in chain.events:
            if event.block > last or id(event) in self.told or self.area not in (event.args.get("area"), (self.markets.get(event.args.get("market")) or [{}])[-1].get("area")): continue
            if event.name == "PeriodSettled" and began <= spans[event.args["period"]][-1]: self.fail(f"there is no statement for period {event.args['period']}, revision {event.args['revision']}")
            if event.name == "ProgramRecorded" and self.own["meters"] and event.args["program"] in due: self.fail(f"programs.jsonl does not show program {event.args['program']}")
            if event.name == "MtuCleared" and self.live.get((event.args["market"], event.args["mtu"])): self.fail(f"there is no result for MTU {event.args['mtu']}, in which I have an order")
    def own_orders(self, row: dict[str, Any]) -> None:  # as the journal has them
        self.fact, self.receipts = (row["sequence"], row["journal_head"]), {row["sequence"]: row["receipt"]}
        key = {**row["key"], "account": self.own["account"], "point": self.own["point"]}; self.keys[self.own["account"]] = []; self.rule("key.registered", key, *self.facts["key.registered"][1])
        if "cancel" in row: self.on_order_cancelled({**row, **row["cancel"], "order_id": row["cancel"]["orderId"], "account": self.own["account"], "order_key": key["order_key"]}); return
        order = Order(self.sign, row["order"], row["signature"]); self.on_order_accepted({**row, "tag": order.tag, "market": order.market, "order_key": key["order_key"], "point": self.own["point"]})
    def own_programs(self, row: dict[str, Any]) -> None:  # own schedule and envelopes, as the DSO signed them
        own, market, mtus, report = self.own, ident(row["market"]), self.mtus(row, 128), row["report"]; at = [point["code"] for point in own["grid_model"]["points"]].index(own["point"])
        for name, mine in (("schedule", tohex(schedule_hash(row["net_wh"]))), ("envelope", hash_json(row["envelopes"]))):
            hashes = row[f"{name}_hashes"]; self.same(f"hash of the own {name}", mine, hashes[at], f"{name}_hashes hold")
            self.same(f"{name}_hashes", tohex(keccak(b"".join(unhex(item, 32) for item in hashes))), report[f"{name}s_hash"], "the signed report holds")
        self.none("envelopes of another point or MTU", [item for item in row["envelopes"] if item["point"] != own["point"] or item["mtu"] not in mtus])
        hashes = (row["results_root"], hash_json(own["grid_model"]), hash_json(report)); self.dso(self.code, row, "Program", market, mtus[0], len(mtus), *hashes, row["deadline"])
        values = dict(zip(("resultsRoot", "gridModelHash", "reportHash", "deadline", "dso", "signature"), (*hashes, row["deadline"], row["dso"], row["signature"]), strict=True))
        self.on_chain("ProgramRecorded", {"market": market, "program": row["program"]}, values)
        self.envelopes |= {(item["mtu"], item["point"]): (item["import_cap_wh"], item["export_cap_wh"]) for item in row["envelopes"]}
        self.scheduled |= {(mtu, own["point"]): max(-net, 0) for mtu, net in zip(mtus, row["net_wh"], strict=True)}
    def own_results(self, row: dict[str, Any]) -> None:  # as cleared on chain; own words are those of the own orders
        market, mtu = ident(row["market"]), row["mtu"]; words, hashed = self.result(market, mtu, row, {})
        self.on_chain("MtuCleared", {"market": market, "mtu": mtu}, {"resultHash": hashed}); self.on_chain("MarketCreated", {"market": market}, {"lotWh": row["lot_wh"]})
        book = {word.tag: (word, number) for word, number in zip(map(unpack, words), words, strict=True)}
        for word, number in (book[tag] for tag in sorted(self.live.get((market, mtu), {}).values())):
            self.same(f"word of {word.tag}", number & ~RESULT_BITS, self.opened[word.tag][0].word, "the order gives")
            if word.accepted: self.trades[self.own["account"], mtu].append((word, word.accepted * row["lot_wh"], row["price_neur_per_wh"]))
    def own_messages(self, row: dict[str, Any]) -> None: self.message(row["jws"])
    def own_readings(self, row: dict[str, Any]) -> None:
        leaf, hashed = row["reading"], reading_hash(row["reading"]); form(leaf, READING); self.same("root", row["root"], merkle_climb(hashed, row["proof"]), "reading and proof give")
        self.same("area", row["area"], self.code, "account.json holds"); self.attestation(row["area"], {**row, "mtu": leaf["mtu"]}, set(), 1)
        self.leaf(leaf, leaf["mtu"], [item for item in self.every if (item["meter"], item["mtu"]) == (leaf["meter"], leaf["mtu"] - 1)])
        self.attested.setdefault((self.area, leaf["mtu"], row["revision"]), []).append((leaf, tohex(hashed)))
    def own_terms(self, row: dict[str, Any]) -> None: kind = "agreement.signed" if "agreement" in row else "tariff.published"; self.rule(kind, row, *self.facts[kind][1])
    def own_statements(self, row: dict[str, Any]) -> None:
        body, party, due = row["statement"], self.own, int(row["statement"]["due_neur"]); mtus = self.mtus(body, 3_200)
        self.same("statements_root", row["statements_root"], merkle_climb(statement_leaf(row), row["proof"]), "statement and proof give")
        self.same("words_hash", row["words_hash"], tohex(chained(unhex(h, 32) for h in row["page_hashes"])), "page_hashes give")
        held, _ = self.settlement(self.code, row, row["signatures"], set(), 1); self.none("hashes that the chain did not settle", [row["words_hash"]] if self.chain and not held else [])
        words = [number_of(word) for word in row["page"] or []]; page = tohex(keccak(b"".join(map(word32, words))))
        self.same("page", [row["page"] is not None, not due or page in row["page_hashes"]], [bool(due), True], "due_neur and page_hashes give")
        self.same("own word", not due or int(party["account"], 16) << 96 | due % 2**96 in words, True, "that it is on the page must be")
        hashes = {hashed: key[2] for key, leaves in self.attested.items() for _, hashed in leaves}; opened = {item["mtu"]: [hashes[hashed] for hashed in item.get("readings", [])] for item in body["opens"]}
        revisions: dict[int, int | None] = {mtu: found[0] if found else None for mtu, found in opened.items()}
        if self.chain is not None:
            _, readings, revisions = self.running(self.area, mtus, row["readings_root"]); codes = {meter["meter"] for meter in self.own["meters"]}
            self.same("readings_root", row["readings_root"], readings, "the chain's attestations give")
            self.none("attested MTUs without my reading", (mtu for mtu, at in revisions.items() if at is not None and any(self.meter_at(code, mtu) for code in codes) and (self.area, mtu, at) not in self.attested))
        result, used = self.statements(body, self.area, mtus, revisions, {})
        if party["kind"] != "household":  # others' lines are mirrored here: only their products and sums can be checked
            mirrored, opens = [item for item in body["lines"] if "tariff" in item or item["kind"] == "vat"], result[party["account"]]["opens"]; own = [item for item in body["lines"] if item not in mirrored]
            self.same("own trades", own, result[party["account"]]["lines"], "the words give")
            for item in (item for item in mirrored if item["kind"] != "vat"):
                sign = -next(sign for kind, _, _, sign, _ in LINES if kind == item["kind"]); self.same("line", int(item["amount_neur"]), sign * item["energy_wh"] * item["price_neur_per_wh"], "energy and price give")
            self.counts["lines mirrored from others"] += len(mirrored); self.statement(result, body, party, mtus, ZERO_HEX, body["lines"], opens)
        self.same("statement", body, result[party["account"]], "orders, readings and terms give")
        place = (self.area, body["period"], party["account"]); self.before[place], self.used = self.before.get(place, 0) + due, self.used + used
# ---------------------------------------------------------------- edge
def verify(bundle: Path | Mapping[str, bytes], anchors: Any = None, rpc: Rpc | None = None, height: int | None = None) -> Report:
    """Verify a bundle (a directory, or its files by name), the chain as of block `height` (None: the newest). Raises Unusable without a bundle, with anchors that are none, or where the node is silent."""
    sys.setrecursionlimit(1_000)  # whatever the caller's: deep nesting must end in an error, not in the interpreter's stack
    try: files = bundle if isinstance(bundle, Mapping) else {f.name: f.read_bytes() if f.is_file() else b"" for f in bundle.iterdir()}
    except OSError as error: raise Unusable(f"{bundle} is no bundle ({error}); give the directory that holds manifest.json") from error
    given = (files, None if anchors is None else usable(anchors), rpc, height); kind = Verification(*given).manifest(); verification = (Personal if kind == "personal" else Ledger)(*given)
    verification.auditor = verification.manifest() != "public"
    with verification.on("chain.json", "deployment"):
        verification.connect()
        with verification.on("bundle", "form"): verification.run() if kind in FILES else None
    return verification.report
def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Verify a ledger from its evidence, alone."); add = parser.add_argument
    add("bundle", type=Path, help="directory of a public, personal or auditor bundle"); add("--anchors", type=Path, help="trust anchors, from a place you trust")
    add("--rpc", help="JSON-RPC endpoint of a node of the chain"); add("--block", type=int, help="read the chain as of this block, to verify an older bundle (default: the newest)")
    add("--json", action="store_true", help="print the report as JSON"); options = parser.parse_args(arguments)
    try:
        anchors = usable(json.loads(options.anchors.read_bytes())) if options.anchors else None; report = verify(options.bundle, anchors, http_rpc(options.rpc) if options.rpc else None, options.block)
    except (Unusable, OSError, ValueError) as error:
        text = f"{error} (--anchors {options.anchors})" if options.anchors else str(error); print(json.dumps({"verdict": "unusable", "error": text}) if options.json else f"error: {text}", file=sys.stderr); return USAGE
    if options.json: print(json.dumps(report.as_json(), indent=1, ensure_ascii=False)); return report.exit_code
    counts = (f"{name}: {count}" for name, count in sorted(report.counts.items())); print(*(finding["message"] for finding in report.findings), *counts, *report.notes, sep="\n")
    print(f"{report.kind} bundle: {report.verdict}, {report.findings_total} findings. Supports {SUPPORTS.get(report.kind)}"); return report.exit_code
if __name__ == "__main__": sys.exit(main())
