"""A small market day as evidence, made with the domain's own shapes and the service's settlement: what a clean bundle is.

Three households, a retailer, five MTUs: a tie that is rationed, a cap that binds, a change, a cancel, an MTU given up and
voided, one that is Unread at first and corrected later. The chain is a stub that answers JSON-RPC.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any

from eth_abi import encode
from nacl.signing import SigningKey as MeterKey

from clearing.auction import clear
from clearing.book import Book
from clearing.caps import NO_POINT, Envelope, apply_caps
from domain.eip712 import CANCEL, KEY_REGISTRATION, PROGRAM, RECEIPT, SETTLEMENT, Domain, Shape
from domain.hashing import ZERO_HASH, canonical_json, hash_json, keccak, text_id, to_hex
from domain.merkle import merkle_proof, merkle_root
from domain.orders import Order, schedule_digest, schedule_hash, tag_of
from domain.readings import Attestation, Quality, Reading, chain_clearing_root, chain_readings_root
from domain.signing import SigningKey
from domain.statements import statement_hash, statement_leaf
from domain.words import OrderWord, Side, book_hash, page_hashes, pages_of, result_hash, word_bytes, words_hash
from ledger_service.settlement.compute import commit, settle
from ledger_service.settlement.inputs import Agreement, Inputs, Limit, Metered, Party, PartyKind, Period, Tariff, Trade

CHAIN_ID = 31_337
AREA, MARKET = "test/1", "test/1/DA"
FIRST, COUNT, LOT, TICK = 1_865_000, 5, 10, 1_000
GATE = FIRST * 900 - 43_200
POINTS = ("p1", "p2", "p3")
NAMES = ("Anchors", "Calendar", "Market", "Readings", "Registry", "Roles", "Settlement")
CONTRACTS = {name: to_hex(keccak(name.encode())[-20:]) for name in NAMES}
GENESIS, BLOCK_HASH, CODE = to_hex(keccak(b"genesis")), to_hex(keccak(b"block")), "0x6001"
ROLE = {"operator": 1, "dso": 2, "attester": 3, "treasurer": 4, "registrar": 5, "security_admin": 6}


def key_of(name: str) -> SigningKey:
    """A key that is the same in every run."""
    return SigningKey(hashlib.sha256(name.encode()).digest())


def noise(name: str) -> bytes:
    """32 bytes that look random and are the same in every run."""
    return hashlib.sha256(b"noise" + name.encode()).digest()


def address(name: str) -> str:
    """Address of a named key."""
    return to_hex(key_of(name).address)


def sign(name: str, shape: Shape, values: dict[str, Any], contract: str) -> str:
    """A named key's signature over a shape."""
    domain = Domain(CHAIN_ID, bytes.fromhex(CONTRACTS[contract][2:]))
    return to_hex(key_of(name).sign(domain.digest(shape, values)))


class FakeChain:
    """Logs and views of the contracts, answered as a node would."""

    def __init__(self) -> None:
        self.logs: list[dict[str, Any]] = []
        self.views: dict[str, int] = {}
        self.balances: dict[str, int] = {}
        self.chain_id = CHAIN_ID

    def emit(self, contract: str, name: str, types: str, values: list[Any], tx: str) -> None:
        """Add a log; indexed types end in *."""
        kinds = _split(types)
        plain = [kind.rstrip("*") for kind in kinds]
        values = [
            bytes.fromhex(v[2:]) if isinstance(v, str) and k.startswith("bytes") else v for k, v in zip(plain, values)
        ]
        pairs = list(zip(kinds, plain, values, strict=True))
        topics = [to_hex(encode([kind], [value])) for mark, kind, value in pairs if mark.endswith("*")]
        rest = [(kind, value) for mark, kind, value in pairs if not mark.endswith("*")]
        log = {
            "address": CONTRACTS[contract],
            "topics": [to_hex(keccak(f"{name}({','.join(plain)})".encode())), *topics],
            "data": to_hex(encode([kind for kind, _ in rest], [value for _, value in rest])),
            "blockNumber": hex(len(self.logs) + 1),
            "logIndex": "0x0",
            "transactionHash": to_hex(keccak(tx.encode())),
        }
        self.logs.append(log)

    def rpc(self, method: str, params: list[Any]) -> Any:
        """Answer one call."""
        if method == "eth_getLogs":
            low, high = int(params[0]["fromBlock"], 16), int(params[0]["toBlock"], 16)
            inside = [log for log in self.logs if low <= int(log["blockNumber"], 16) <= high]
            return [log for log in inside if log["address"] in params[0]["address"]]
        if method == "eth_call":
            data = bytes.fromhex(params[0]["data"][2:])
            if data[:4] == keccak(b"balanceOf(address)")[:4]:
                return to_hex(encode(["int256"], [self.balances.get(to_hex(data[16:36]), 0)]))
            names = {keccak(f"{name}()".encode())[:4]: value for name, value in self.views.items()}
            return to_hex(encode(["uint256"], [names[data[:4]]]))
        if method == "eth_getBlockByNumber":
            return {"hash": GENESIS if params[0] == "0x0" else BLOCK_HASH}
        return {"eth_chainId": hex(self.chain_id), "eth_blockNumber": hex(len(self.logs)), "eth_getCode": CODE}[method]


def _split(types: str) -> list[str]:
    """Types of a signature, keeping what stands in brackets together."""
    parts, depth = [""], 0
    for letter in types:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


class Day:
    """Builds the journal step by step, as the stages would, and the chain beside it."""

    def __init__(self) -> None:
        self.chain = FakeChain()
        self.entries: list[dict[str, Any]] = []
        self.devices: dict[str, str] = {}
        self.head = ZERO_HASH
        self.receipts: list[dict[str, Any]] = []
        self.orders: dict[str, tuple[Order, str | None]] = {}
        self.accepted: dict[str, dict[str, Any]] = {}
        self.clearing_root = self.readings_root = ZERO_HASH
        self.market_domain = Domain(CHAIN_ID, bytes.fromhex(CONTRACTS["Market"][2:]))
        self.before: dict[bytes, int] = {}
        self.registers = dict.fromkeys(POINTS, (1_000, 500))
        self.chosen: dict[int, list[Reading]] = {}
        self.messages: dict[str, list[str]] = {point: [] for point in POINTS}
        self.statements: list[dict[str, Any]] = []
        self.personal_readings: list[dict[str, Any]] = []

    def fact(self, kind: str, payload: dict[str, Any]) -> int:
        """Append an entry; its sequence."""
        sequence = len(self.entries) + 1
        salt = noise(f"salt{sequence}")
        payload_hash = keccak(salt + canonical_json(payload))
        self.head = keccak(sequence.to_bytes(8, "big") + keccak(kind.encode()) + payload_hash + self.head)
        entry = {
            "sequence": sequence,
            "kind": kind,
            "salt": to_hex(salt),
            "payload": payload,
            "hash": to_hex(self.head),
        }
        self.entries.append(entry)
        return sequence

    # ---- who takes part
    def register(self) -> None:
        """Area, market, parties, keys, terms."""
        grid = {"code": "grid", "points": [{"code": point, "bus": "b"} for point in POINTS]}
        attesters = [{"name": f"a{n}", "address": address(f"a{n}"), "organisation": f"org{n}"} for n in (1, 2, 3)]
        self.area = {
            "area": AREA, "zone": "Europe/Berlin", "attest_seconds": 3_600, "horizon_seconds": 86_400,
            "challenge_seconds": 60, "grid_model": grid, "grid_model_hash": to_hex(hash_json(grid)),
            "attesters": attesters, "threshold": 2,
        }  # fmt: skip
        for name in NAMES:
            values = [name, 1, CONTRACTS[name], to_hex(ZERO_HASH)]
            self.chain.emit("Registry", "ContractRegistered", "string,uint32*,address*,bytes32", values, "registry")
        for role, keys in {**{r: [r] for r in ROLE if r != "attester"}, "attester": ["a1", "a2", "a3"]}.items():
            for key in keys:
                values = [address(key), ROLE[role], to_hex(text_id(key)), to_hex(ZERO_HASH)]
                self.chain.emit("Roles", "RoleGranted", "address*,uint8*,bytes32*,bytes32", values, "roles")
        self.chain.views = {"speed": 1, "origin": 5, "start": 5, "config": 2, "challengeSeconds": 60}
        area = text_id(AREA)
        self.chain.emit("Calendar", "AreaCreated", "bytes32*,(uint32,uint32)", [area, (3_600, 86_400)], "area")
        self.fact("area.defined", self.area)
        limits = (-500_000, 900_000, 600, 7_200, 14_400)
        names = ("min_limit_neur_per_wh", "max_limit_neur_per_wh", "grace_seconds", "sign_seconds", "clear_seconds")
        rules = dict(zip(names, limits, strict=True))
        self.fact("market.defined", {"market": MARKET, "area": AREA, "lot_wh": LOT, "tick_neur_per_wh": TICK, **rules})
        kinds = "bytes32*,bytes32*,uint32,(bytes32,uint24,uint24,int32,int32,uint32,uint32,uint32)"
        values = [text_id(MARKET), area, 1, (area, LOT, TICK, *limits)]
        self.chain.emit("Market", "MarketCreated", kinds, values, "market")
        self.tariff = Tariff(
            "basic", 1, 0, 300_000, 80_000, 20_000, 350_000, 400_000, 90_000, 30_000, 20_500, 60_000, 1_900
        )
        self.fact("tariff.published", {name: getattr(self.tariff, name) for name in self.tariff.__dataclass_fields__})
        self.agreements = []
        parties = [("h1", "household", "p1"), ("h2", "household", "p2"), ("h3", "household", "p3")]
        for name, kind, point in [*parties, ("retail", "retailer", None), ("net", "dso", None), ("tax", "tax", None)]:
            self._party(name, kind, point)

    def _party(self, name: str, kind: str, point: str | None) -> None:
        watts = {"connection_import_w": 20_000, "connection_export_w": 20_000}
        base = {"participant": name, "kind": kind, "area": AREA, "account": address(name), "point": point}
        self.fact("participant.registered", {**base, **watts})
        if kind in ("household", "retailer"):
            self.register_key(name, point, f"{name}-key", 0)
        if kind == "household":
            agreement = Agreement(f"agr-{name}", 1, key_of(name).address, key_of("retail").address, "basic", 0)
            self.agreements.append(agreement)
            self.fact("agreement.signed", {
                "agreement": agreement.agreement, "version": 1, "account": address(name), "retailer": address("retail"),
                "tariff": "basic", "valid_from_mtu": 0,
            })  # fmt: skip
            public = to_hex(bytes(MeterKey(noise(f"meter-{point}")).verify_key))
            body = {"meter": f"meter-{point}", "point": point, "public_key": public, "area": AREA, "valid_from_mtu": 0}
            self.fact("meter.registered", body)

    def register_key(self, name: str, point: str | None, device: str, valid_from_mtu: int) -> None:
        """A device's key; from then on the party signs with it."""
        self.devices[name] = device
        point_id = ZERO_HASH if point is None else text_id(point)
        values = {
            "account": address(name),
            "orderKey": address(device),
            "point": point_id,
            "validFromMtu": valid_from_mtu,
        }
        signature = sign(name, KEY_REGISTRATION, values, "Settlement")
        body = {"account": address(name), "order_key": address(device), "point": point}
        self.fact("key.registered", {**body, "valid_from_mtu": valid_from_mtu, "signature": signature})

    # ---- trading
    def open(self) -> None:
        """Period and program."""
        area = text_id(AREA)
        self.fact("period.declared", {"area": AREA, "period": 1, "first_mtu": FIRST, "count": COUNT})
        self.chain.emit(
            "Calendar", "PeriodDeclared", "bytes32*,uint32*,uint32,uint32", [area, 1, FIRST, COUNT], "period"
        )
        program = {"market": MARKET, "area": AREA, "program": 1, "period": 1}
        self.fact("program.opened", {**program, "first_mtu": FIRST, "count": COUNT, "gate": GATE})
        values = [text_id(MARKET), 1, 1, FIRST, COUNT, GATE]
        kinds = "bytes32*,uint32*,uint32*,uint32,uint32,uint64"
        self.chain.emit("Market", "ProgramOpened", kinds, values, "program")

    def order(self, who: str, mtu: int, side: Side, limit: int, lots: int, *, order_id: str, revision: int = 0) -> str:
        """Accept an order; its tag."""
        order = Order(
            market=text_id(MARKET), mtu=FIRST + mtu, side=side, limit_neur_per_wh=limit, quantity_lots=lots,
            account=key_of(who).address, order_id=noise(f"id{who}{order_id}")[:16], revision=revision,
            salt=noise(f"order{who}{order_id}{revision}"),
        )  # fmt: skip
        digest = order.digest(self.market_domain)
        tag, point = to_hex(tag_of(digest)), {"h1": "p1", "h2": "p2", "h3": "p3"}.get(who)
        body = {
            "order": order.as_json(), "signature": to_hex(key_of(self.devices[who]).sign(digest)), "market": MARKET,
            "order_key": address(self.devices[who]), "tag": tag, "point": point, "market_time": GATE - 1_000 + len(self.entries),
        }  # fmt: skip
        self._receipt(self.fact("order.accepted", body), FIRST + mtu, tag, revision, 1, body["market_time"])
        for other in [t for t, (o, _) in self.orders.items() if o.order_id == order.order_id]:
            del self.orders[other]
        self.orders[tag] = (order, point)
        self.accepted[tag] = body
        return tag

    def cancel(self, who: str, tag: str) -> None:
        """Withdraw an order."""
        order, _ = self.orders.pop(tag)
        values = {"market": order.market, "mtu": order.mtu, "orderId": order.order_id, "revision": order.revision + 1}
        body = {
            "market": MARKET, "mtu": order.mtu, "order_id": to_hex(order.order_id), "revision": order.revision + 1,
            "account": address(who), "order_key": address(self.devices[who]), "tag": tag,
            "signature": sign(self.devices[who], CANCEL, values, "Market"), "market_time": GATE - 1_000 + len(self.entries),
        }  # fmt: skip
        self._receipt(self.fact("order.cancelled", body), order.mtu, tag, order.revision + 1, 2, body["market_time"])

    def _receipt(self, sequence: int, mtu: int, tag: str, revision: int, kind: int, time: int) -> None:
        values = {
            "market": text_id(MARKET), "mtu": mtu, "tag": tag, "revision": revision, "kind": kind, "sequence": sequence,
            "journalHead": self.head, "marketTime": time,
        }  # fmt: skip
        self.receipts.append({"sequence": sequence, "signature": sign("operator", RECEIPT, values, "Market")})

    def trade(self) -> None:
        """Orders, schedules and the book."""
        bid, ask = Side.BID, Side.ASK
        self.order("h1", 0, ask, 100_000, 30, order_id="a")
        self.order("h2", 0, ask, 100_000, 20, order_id="a")
        self.order("h3", 0, bid, 150_000, 33, order_id="a")
        self.order("retail", 0, ask, 300_000, 500, order_id="a")
        self.order("retail", 0, bid, 80_000, 500, order_id="b")
        self.order("h1", 1, ask, 90_000, 20, order_id="b")
        self.order("h1", 1, ask, 110_000, 20, order_id="c")
        self.order("h3", 1, bid, 200_000, 10, order_id="b")
        self.order("h3", 1, bid, 200_000, 12, order_id="b", revision=1)
        self.order("retail", 1, bid, 95_000, 500, order_id="c")
        stolen = self.order("h2", 1, ask, 50_000, 7, order_id="c")
        self.register_key("h2", "p2", "h2-announced", FIRST + 3)
        self.register_key("h2", "p2", "h2-fresh", FIRST)  # takes the place of both, the announced one too
        self.cancel("h2", stolen)
        self.order("h2", 2, bid, 120_000, 9, order_id="d")
        self.order("h1", 3, ask, 70_000, 5, order_id="d")
        self.order("h2", 3, bid, 170_000, 5, order_id="e")
        self.schedules = {"p1": [-400, -300, -50, -50, 0], "p2": [-200, 0, 90, 60, 10], "p3": [330, 120, 40, 20, 10]}
        values = {"market": text_id(MARKET), "first_mtu": FIRST, "point": text_id("p1")}
        digest = schedule_digest(domain=self.market_domain, **values, net_wh=self.schedules["p1"], revision=0)
        self.fact("schedule.nominated", {
            "market": MARKET, "first_mtu": FIRST, "point": "p1", "net_wh": self.schedules["p1"], "revision": 0,
            "account": address("h1"), "order_key": address("h1-key"), "signature": to_hex(key_of("h1-key").sign(digest)),
            "market_time": GATE - 500,
        })  # fmt: skip
        books = []
        for mtu in range(COUNT):
            tags = self.tags(mtu)
            words = [
                self.orders[tag][0].word(tag=bytes.fromhex(tag[2:])).pack() & ~(0xFFFFFFFFFFFF << 24) for tag in tags
            ]
            chain = to_hex(words_hash(words))
            books.append({"mtu": FIRST + mtu, "tags": tags, "chain": chain, "book_hash": to_hex(book_hash(words))})
        body = {"market": MARKET, "program": 1, "first_mtu": FIRST, "count": COUNT, "gate": GATE, "books": books}
        self.fact("book.closed", body)
        chains, counts = [bytes.fromhex(b["chain"][2:]) for b in books], [len(b["tags"]) for b in books]
        kinds = "bytes32*,uint32*,uint32,bytes32[],uint32[]"
        self.chain.emit("Market", "BooksClosed", kinds, [text_id(MARKET), 1, FIRST, chains, counts], "books")

    def tags(self, mtu: int) -> list[str]:
        """Tags of the book of an MTU."""
        return sorted(tag for tag, (order, _) in self.orders.items() if order.mtu == FIRST + mtu)

    # ---- clearing
    def validate(self) -> None:
        """Results under the caps, report, DSO's signature."""
        self.envelopes = [{"point": "p1", "mtu": FIRST + 1, "import_cap_wh": None, "export_cap_wh": 255}]
        self.results, hashes = [], []
        for mtu in range(COUNT):
            given_up = mtu == 3
            words = [] if given_up else self._cleared(mtu)
            traded = [word for word in words if word.accepted_lots]
            price = self.price if traded else None
            packed = [word.pack() for word in words]
            hashed = result_hash(market=text_id(MARKET), mtu=FIRST + mtu, price_neur_per_wh=price, words=packed)
            hashes.append(hashed)
            texts = [to_hex(word_bytes(word)) for word in packed]
            self.results.append({
                "mtu": FIRST + mtu, "price_neur_per_wh": price, "words": texts, "result_hash": to_hex(hashed),
                "given_up": given_up,
            })  # fmt: skip
        mtus = [{"mtu": r["mtu"], "given_up": r["given_up"]} for r in self.results]
        schedules = keccak(b"".join(schedule_hash(self.schedules[point]) for point in POINTS))
        envelopes = to_hex(hash_json(self.envelopes))
        self.report = {"schedules_hash": to_hex(schedules), "envelopes_hash": envelopes, "mtus": mtus}
        root, grid, report = merkle_root(hashes), hash_json(self.area["grid_model"]), hash_json(self.report)
        self.program = {
            "market": MARKET, "program": 1, "first_mtu": FIRST, "count": COUNT, "results": self.results,
            "envelopes": self.envelopes, "report": self.report, "report_hash": to_hex(report),
            "grid_model_hash": to_hex(grid), "results_root": to_hex(root), "deadline": GATE + 7_000,
            "schedules": self.schedules, "rounds": 1,
        }  # fmt: skip
        self.fact("program.validated", self.program)
        values = {
            "market": text_id(MARKET), "firstMtu": FIRST, "count": COUNT, "resultsRoot": root, "gridModelHash": grid,
            "reportHash": report, "deadline": GATE + 7_000,
        }  # fmt: skip
        signature = sign("dso", PROGRAM, values, "Market")
        self.fact("program.signed", {"market": MARKET, "program": 1, "dso": address("dso"), "signature": signature})
        kinds = "bytes32*,uint32*,bytes32,bytes32,bytes32,uint64,address,bytes"
        logged = [text_id(MARKET), 1, root, grid, report, GATE + 7_000, address("dso"), bytes.fromhex(signature[2:])]
        self.chain.emit("Market", "ProgramRecorded", kinds, logged, "record")
        self.fact("setpoints.issued", {"market": MARKET, "program": 1, "envelopes": self.envelopes})

    def _cleared(self, mtu: int) -> tuple[OrderWord, ...]:
        opened = [(self.orders[tag][0].word(tag=bytes.fromhex(tag[2:])), self.orders[tag][1]) for tag in self.tags(mtu)]
        book = Book.from_words([word for word, _ in opened])
        import numpy as np

        points = np.array([NO_POINT if point is None else POINTS.index(point) for _, point in opened], dtype=np.int64)
        envelopes = {
            POINTS.index(e["point"]): Envelope(None, e["export_cap_wh"])
            for e in self.envelopes
            if e["mtu"] == FIRST + mtu
        }
        capped = apply_caps(book, points=points, envelopes=envelopes, lot_wh=LOT)
        result = clear(capped)
        self.price = result.price_neur_per_wh
        return capped.words(result.accepted_lots)

    def record(self) -> None:
        """Clear four MTUs on chain, void the fifth, in an order of their own."""
        for mtu in (1, 0, 2, 4):
            result, tx = self.results[mtu], f"clear{mtu}"
            hashed = bytes.fromhex(result["result_hash"][2:])
            self.clearing_root = chain_clearing_root(
                self.clearing_root, market=text_id(MARKET), mtu=FIRST + mtu, result=hashed
            )
            words = [OrderWord.unpack(int(word, 16)) for word in result["words"]]
            lots = sum(word.accepted_lots for word in words if word.side == Side.BID)
            price = -(2**31) if result["price_neur_per_wh"] is None else result["price_neur_per_wh"]
            values = [text_id(MARKET), FIRST + mtu, price, lots, hashed, self.clearing_root]
            self.chain.emit("Market", "MtuCleared", "bytes32*,uint32*,int32,uint64,bytes32,bytes32", values, tx)
            body = {name: result[name] for name in ("mtu", "price_neur_per_wh", "words", "result_hash")}
            args = {"market": to_hex(text_id(MARKET)), "mtu": FIRST + mtu, "resultHash": result["result_hash"]}
            self._included(tx, "Market", "MtuCleared", args)
            self.fact("mtu.cleared", {"market": MARKET, "program": 1, **body, "tx_hash": to_hex(keccak(tx.encode()))})
        self.clearing_root = chain_clearing_root(
            self.clearing_root, market=text_id(MARKET), mtu=FIRST + 3, result=ZERO_HASH
        )
        values = [text_id(MARKET), FIRST + 3, self.clearing_root]
        self.chain.emit("Market", "MtuVoided", "bytes32*,uint32*,bytes32", values, "void")
        self._included("void", "Market", "MtuVoided", {"market": to_hex(text_id(MARKET)), "mtu": FIRST + 3})
        self.fact("mtu.voided", {"market": MARKET, "mtu": FIRST + 3, "program": 1})

    def _included(self, tx: str, contract: str, event: str, args: dict[str, Any]) -> None:
        events = [{"contract": contract, "event": event, "args": args}]
        self.fact("chain.included", {
            "key": tx, "tx_hash": to_hex(keccak(tx.encode())), "block": len(self.chain.logs), "block_time": 7,
            "gas_used": 21_000, "events": events,
        })  # fmt: skip

    # ---- metering
    def read(
        self, point: str, mtu: int, import_wh: int, export_wh: int, *, quality: Quality = Quality.MEASURED
    ) -> Reading:
        """The next leaf of a point's meter."""
        before = self.registers[point]
        self.registers[point] = (before[0] + import_wh, before[1] + export_wh)
        measured = quality == Quality.MEASURED
        nonce = noise(f"n{point}{mtu}") if measured else noise(f"s{point}{mtu}")
        registers = self.registers[point]
        return Reading(
            f"meter-{point}", FIRST + mtu, *registers, import_wh, export_wh, mtu + 2 if measured else 0, quality, nonce
        )

    def message(self, point: str, readings: list[tuple[int, int, int, int, bytes]]) -> str:
        """A signed meter message of (mtu, sequence, import, export, nonce)."""
        code = f"meter-{point}"
        names = ("mtu", "sequence", "import_wh", "export_wh")
        items = [{**dict(zip(names, r[:4], strict=True)), "nonce": to_hex(r[4])} for r in readings]
        parts = [canonical_json({"alg": "EdDSA", "kid": code, "typ": "meter+jws"})]
        parts.append(canonical_json({"meter": code, "readings": items}))
        text = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
        signature = MeterKey(noise(code)).sign(text.encode()).signature
        jws = f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
        self.messages[point].append(jws)
        return jws

    def attest(self, mtu: int, revision: int, readings: list[Reading]) -> dict[str, Any]:
        """Two of three attesters sign; on chain."""
        made = Attestation.of(area=text_id(AREA), mtu=FIRST + mtu, revision=revision, readings=readings)
        domain = Domain(CHAIN_ID, bytes.fromhex(CONTRACTS["Readings"][2:]))
        signers = sorted(("a1", "a3"), key=address)
        signatures = [to_hex(key_of(name).sign(made.digest(domain))) for name in signers]
        self.readings_root = chain_readings_root(self.readings_root, made)
        kinds = "bytes32*,uint32*,uint32*,bytes32,uint32,uint64,uint64,bytes32,bytes[]"
        raw = [bytes.fromhex(s[2:]) for s in signatures]
        values = [
            made.area,
            made.mtu,
            revision,
            made.root,
            made.count,
            made.import_wh,
            made.export_wh,
            self.readings_root,
            raw,
        ]
        self.chain.emit("Readings", "ReadingsAttested", kinds, values, f"attest{mtu}.{revision}")
        args = {
            "area": to_hex(made.area), "mtu": made.mtu, "revision": revision, "root": to_hex(made.root), "count": made.count,
            "importWh": made.import_wh, "exportWh": made.export_wh,
        }  # fmt: skip
        self._included(f"attest{mtu}.{revision}", "Readings", "ReadingsAttested", args)
        ordered = sorted(readings, key=lambda reading: reading.meter_id)
        self.chosen[mtu] = ordered
        numbers = {"count": made.count, "import_wh": made.import_wh, "export_wh": made.export_wh}
        base = {"mtu": made.mtu, "revision": revision, "root": to_hex(made.root), **numbers, "signatures": signatures}
        hashes = [reading.hash() for reading in ordered]
        for at, reading in enumerate(ordered):
            row = {k: v for k, v in base.items() if k != "mtu"}
            proof = [to_hex(node) for node in merkle_proof(hashes, at)]
            self.personal_readings.append({"area": AREA, "reading": reading.as_json(), "proof": proof, **row})
        return {**base, "readings": [reading.as_json() for reading in ordered]}

    def meter(self) -> None:
        """Readings of four MTUs in time; one of them a substitute."""
        flows = {"p1": [(0, 310), (0, 380), (0, 40), (0, 0)], "p2": [(10, 180), (50, 0), (90, 0), (60, 0)]}
        flows["p3"] = [(300, 0), (150, 0), (40, 0), (20, 0)]
        leaves: list[list[Reading]] = [[] for _ in range(4)]
        messages = []
        for point in POINTS:
            start = self.registers[point]
            sent = [(FIRST - 1, 1, *start, noise(f"base{point}"))]
            for mtu, (drawn, fed) in enumerate(flows[point]):
                missing = (point, mtu) == ("p2", 2)
                leaf = self.read(point, mtu, drawn, fed, quality=Quality.SUBSTITUTE if missing else Quality.MEASURED)
                leaves[mtu].append(leaf)
                if not missing:
                    registers = (leaf.import_register_wh, leaf.export_register_wh)
                    sent.append((leaf.mtu, leaf.sequence, *registers, leaf.nonce))
            messages.append(self.message(point, sent))
        attestations = [self.attest(mtu, 0, leaves[mtu]) for mtu in (0, 1, 3, 2)]
        self.fact("reading.attested", {"area": AREA, "period": 1, "attestations": attestations, "messages": messages})

    def unread(self) -> None:
        """The last MTU has no readings in time."""
        zeros = Attestation(text_id(AREA), FIRST + 4, 0, ZERO_HASH, 0, 0, 0)
        self.readings_root = chain_readings_root(self.readings_root, zeros)
        values = [text_id(AREA), FIRST + 4, self.readings_root]
        self.chain.emit("Readings", "ReadingsUnread", "bytes32*,uint32*,bytes32", values, "unread")
        self._included("unread", "Readings", "ReadingsUnread", {"area": to_hex(text_id(AREA)), "mtu": FIRST + 4})
        self.fact("mtu.unread", {"area": AREA, "period": 1, "mtu": FIRST + 4})

    def late(self) -> None:
        """Readings of the last MTU come late."""
        readings, messages = [], []
        for point, (drawn, fed) in zip(POINTS, [(0, 0), (12, 0), (9, 0)], strict=True):
            leaf = self.read(point, 4, drawn, fed)
            readings.append(leaf)
            item = (leaf.mtu, leaf.sequence, leaf.import_register_wh, leaf.export_register_wh, leaf.nonce)
            messages.append(self.message(point, [item]))
        body = self.attest(4, 1, readings)
        self.fact("reading.attested", {"area": AREA, "period": 1, "attestations": [body], "messages": messages})

    # ---- settlement
    def settle(self, revision: int) -> None:
        """Compute with the service's own code, sign, settle on chain."""
        settled = settle(self._inputs(revision))
        salts = {account: noise(f"statement{account.hex()}{revision}") for account in settled.statements}
        made = commit(settled, period=1, revision=revision, salts=salts)
        hashes = (made.words_hash, self.clearing_root, self.readings_root, made.statements_root, made.tariff_hash)
        statements = [
            {"account": to_hex(account), "salt": to_hex(salts[account]), "statement": statement}
            for account, statement in settled.statements.items()
        ]
        names = ("words_hash", "clearing_root", "readings_root", "statements_root", "tariff_hash")
        hexes = dict(zip(names, map(to_hex, hashes), strict=True))
        words = [to_hex(word_bytes(word)) for word in settled.words]
        key = {"area": AREA, "period": 1, "revision": revision}
        self.proposal = {**key, "words": words, **hexes, "statements": statements}
        self.fact("settlement.proposed", self.proposal)
        members = ("wordsHash", "clearingRoot", "readingsRoot", "statementsRoot", "tariffHash")
        values = {"area": text_id(AREA), "period": 1, "revision": revision, **dict(zip(members, hashes, strict=True))}
        signers = sorted(("a1", "a2"), key=address)
        signatures = [
            {"attester": address(name), "signature": sign(name, SETTLEMENT, values, "Settlement")} for name in signers
        ]
        kinds = "bytes32*,uint32*,uint32*,bytes32,bytes32,bytes32,bytes32,bytes32"
        self.chain.emit(
            "Settlement", "PeriodSettled", kinds, [text_id(AREA), 1, revision, *hashes], f"settle{revision}"
        )
        self.fact("settlement.signed", {**key, "signatures": signatures})
        leaves = [
            statement_leaf(account=a, period=1, revision=revision, hashed=statement_hash(salt=salts[a], statement=s))
            for a, s in settled.statements.items()
        ]
        pages = pages_of(settled.words)
        for at, item in enumerate(statements):
            due = int(item["statement"]["due_neur"])
            self.before[bytes.fromhex(item["account"][2:])] = (
                self.before.get(bytes.fromhex(item["account"][2:]), 0) + due
            )
            self.chain.balances[item["account"]] = self.chain.balances.get(item["account"], 0) + due
            page = [to_hex(word_bytes(word)) for word in pages[0]] if due else None
            self.statements.append({
                "statement": item["statement"], "salt": item["salt"], "proof": [to_hex(n) for n in merkle_proof(leaves, at)],
                **hexes, "signatures": [s["signature"] for s in signatures], "page": page,
                "page_hashes": [to_hex(h) for h in page_hashes(settled.words)],
            })  # fmt: skip

    def _inputs(self, revision: int) -> Inputs:
        kinds = [("h1", "household", "p1"), ("h2", "household", "p2"), ("h3", "household", "p3")]
        kinds += [("retail", "retailer", None), ("net", "dso", None), ("tax", "tax", None)]
        trades, prices = [], {}
        for result in self.results:
            for word in map(OrderWord.unpack, (int(text, 16) for text in result["words"])):
                if word.accepted_lots:
                    tag = f"0x{word.tag:032x}"
                    account = self.orders[tag][0].account
                    trades.append(Trade(account, result["mtu"], word.side, word.accepted_lots * LOT, tag))
                    prices[result["mtu"]] = result["price_neur_per_wh"]
        metered = [
            Metered(
                reading.meter_code.removeprefix("meter-"),
                reading.mtu,
                reading.import_wh,
                reading.export_wh,
                (to_hex(reading.hash()),),
            )
            for readings in self.chosen.values()
            for reading in readings
        ]
        caps = {(e["point"], e["mtu"]): (e["import_cap_wh"], e["export_cap_wh"]) for e in self.envelopes}
        limits = [
            Limit(point, FIRST + at, *caps.get((point, FIRST + at), (None, None)), max(-net, 0))
            for point in POINTS
            for at, net in enumerate(self.schedules[point])
        ]
        return Inputs(
            period=Period(AREA, 1, revision, FIRST, COUNT),
            parties=tuple(Party(key_of(name).address, PartyKind(kind), point) for name, kind, point in kinds),
            tariffs=(self.tariff,), agreements=tuple(self.agreements), trades=tuple(trades), price_neur_per_wh=prices,
            metered=tuple(metered), limits=tuple(limits), settled_before_neur=dict(self.before),
        )  # fmt: skip

    def fund(self) -> None:
        """A deposit, so that the supply is not nothing."""
        amount, ref = 50_000_000_000, to_hex(keccak(b"payment"))
        self.fact("deposit.booked", {"account": address("h3"), "amount_neur": str(amount), "ref": ref})
        values = [address("h3"), amount, ref]
        self.chain.emit("Settlement", "Deposited", "address*,uint256,bytes32*", values, "deposit")
        self.chain.balances[address("h3")] = self.chain.balances.get(address("h3"), 0) + amount
        self.chain.views["supply"] = amount

    def run(self) -> Day:
        """The whole day."""
        steps: list[Callable[[], None]] = [self.register, self.open, self.trade, self.validate, self.record, self.meter]
        for step in [*steps, self.unread, lambda: self.settle(0), self.late, lambda: self.settle(1), self.fund]:
            step()
        previous = [len(self.entries), self.head, ZERO_HASH]
        self.chain.emit("Anchors", "HeadAnchored", "uint64*,bytes32,bytes32", previous, "anchor")
        return self

    # ---- bundles
    def auditor(self) -> dict[str, bytes]:
        """The auditor bundle's files."""
        return seal("auditor", {"journal.jsonl": jsonl(self.entries), "receipts.jsonl": jsonl(self.receipts)})

    def public(self) -> dict[str, bytes]:
        """The public bundle's files."""
        shown = {
            "area.defined",
            "market.defined",
            "tariff.published",
            "period.declared",
            "program.opened",
            "book.closed",
            "program.signed",
            "program.refused",
            "mtu.cleared",
            "mtu.voided",
            "mtu.unread",
            "settlement.signed",
            "erasure.done",
        }
        lines, attestations, settlements = [], [], []
        for entry in self.entries:
            salted = keccak(bytes.fromhex(entry["salt"][2:]) + canonical_json(entry["payload"]))
            head = {name: entry[name] for name in ("sequence", "kind", "hash")}
            lines.append(entry if entry["kind"] in shown else {**head, "payload_hash": to_hex(salted)})
            body = entry["payload"]
            if entry["kind"] == "reading.attested":
                names = ("mtu", "revision", "root", "count", "import_wh", "export_wh", "signatures")
                attestations += [
                    {"area": AREA, **{name: item[name] for name in names}} for item in body["attestations"]
                ]
            elif entry["kind"] == "mtu.unread":
                attestations.append({"area": AREA, "mtu": body["mtu"], "unread": True})
            elif entry["kind"] == "settlement.proposed":
                names = ("area", "period", "revision", "words", "statements_root", "tariff_hash")
                settlements.append({name: body[name] for name in names})
        program = {
            name: self.program[name] for name in ("market", "program", "first_mtu", "count", "report", "deadline")
        }
        program["results"] = [{k: r[k] for k in ("mtu", "price_neur_per_wh", "words")} for r in self.results]
        return seal("public", {
            "journal.jsonl": jsonl(lines), "programs.jsonl": jsonl([program]),
            "attestations.jsonl": jsonl(attestations), "settlements.jsonl": jsonl(settlements),
        })  # fmt: skip

    def personal(self, name: str, kind: str, point: str | None) -> dict[str, bytes]:
        """One account's bundle."""
        account = address(name)
        bodies = {e["sequence"]: e for e in self.entries if e["kind"] in ("order.accepted", "order.cancelled")}
        keys = {e["payload"]["order_key"]: e["payload"] for e in self.entries if e["kind"] == "key.registered"}
        orders = []
        for receipt in self.receipts:
            entry = bodies[receipt["sequence"]]
            body = entry["payload"]
            tail = {"sequence": entry["sequence"], "journal_head": entry["hash"], "receipt": receipt["signature"]}
            tail |= {"market_time": body["market_time"], "signature": body["signature"]}
            tail["key"] = {k: keys[body["order_key"]][k] for k in ("order_key", "valid_from_mtu", "signature")}
            if entry["kind"] == "order.accepted" and body["order"]["account"] == account:
                orders.append({"order": body["order"], **tail})
            elif entry["kind"] == "order.cancelled" and body["account"] == account:
                cancel = {"market": MARKET, "mtu": body["mtu"], "orderId": body["order_id"]}
                cancel["revision"] = body["revision"]
                orders.append({"cancel": cancel, "tag": body["tag"], **tail})
        tags = {tag for tag, (order, _) in self.orders.items() if to_hex(order.account) == account}
        results = [
            {"market": MARKET, **{k: r[k] for k in ("mtu", "price_neur_per_wh", "words")}}
            for r in self.results
            if not r["given_up"] and any(word[:34] in tags for word in r["words"])
        ]
        own = [r for r in self.personal_readings if r["reading"]["meter"] == f"meter-{point}"]
        meters = [
            e["payload"] for e in self.entries if e["kind"] == "meter.registered" and e["payload"]["point"] == point
        ]
        terms = [e["payload"] for e in self.entries if e["kind"] in ("tariff.published", "agreement.signed")]
        mine = [t for t in terms if t.get("account", account) == account] if kind == "household" else []
        mine.sort(key=lambda t: (t.get("agreement") or t["tariff"], t["version"], "agreement" in t))
        head = {"account": account, "area": AREA, "kind": kind, "point": point}
        head["meters"] = [{"meter": m["meter"], "public_key": m["public_key"]} for m in meters]
        messages = [{"jws": jws} for jws in self.messages.get(point or "", [])]
        statements = [s for s in self.statements if s["statement"]["account"] == account]
        return seal("personal", {
            "account.json": canonical_json(head), "orders.jsonl": jsonl(orders), "results.jsonl": jsonl(results),
            "readings.jsonl": jsonl(own), "messages.jsonl": jsonl(messages), "terms.jsonl": jsonl(mine),
            "statements.jsonl": jsonl(statements),
        })  # fmt: skip

    def anchors(self) -> dict[str, Any]:
        """What the verifier's user trusts."""
        area = {"grid_model_hash": self.area["grid_model_hash"], "dso": address("dso"), "threshold": 2}
        area["attesters"] = sorted(address(f"a{n}") for n in (1, 2, 3))
        roles = {role: address(role) for role in ("operator", "treasurer", "registrar", "security_admin")}
        code = to_hex(keccak(bytes.fromhex(CODE[2:])))
        point = {"block": 3, "block_hash": BLOCK_HASH, "journal_sequence": 5, "journal_head": self.entries[4]["hash"]}
        return {
            "format": "dominoes-anchors/1", "chain_id": CHAIN_ID, "genesis_hash": GENESIS, "speed": 1,
            "origin_seconds": 5, "start_seconds": 5, "roles": roles, "areas": {AREA: area}, "checkpoint": point,
            "contracts": {name: {"address": CONTRACTS[name], "code_hash": code} for name in NAMES},
        }  # fmt: skip


def jsonl(rows: list[dict[str, Any]]) -> bytes:
    """Canonical lines."""
    return b"".join(canonical_json(row) + b"\n" for row in rows)


def seal(kind: str, files: dict[str, bytes]) -> dict[str, bytes]:
    """Files with chain.json and a manifest that fits."""
    files = {"chain.json": canonical_json({"chain_id": CHAIN_ID, "contracts": CONTRACTS}), **files}
    files.pop("manifest.json", None)
    listed = {name: {"bytes": len(data), "keccak": to_hex(keccak(data))} for name, data in files.items()}
    manifest = {"files": listed, "format": "dominoes-evidence/1", "kind": kind}
    return {**files, "manifest.json": canonical_json(manifest)}


def rechain(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same entries with hashes that fit their payloads: what an operator who rewrites its journal would do."""
    head, result = ZERO_HASH, []
    for sequence, entry in enumerate(entries, 1):
        payload_hash = keccak(bytes.fromhex(entry["salt"][2:]) + canonical_json(entry["payload"]))
        head = keccak(sequence.to_bytes(8, "big") + keccak(entry["kind"].encode()) + payload_hash + head)
        result.append({**entry, "sequence": sequence, "hash": to_hex(head)})
    return result
