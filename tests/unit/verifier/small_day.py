"""A small market day as evidence, made with the domain's own shapes and the service's settlement: what a clean bundle is.

Three households, a retailer, five MTUs: a tie that is rationed, a cap that binds, a change, a cancel, an MTU given up and
voided, one that is Unread at first and corrected later, a substitute, a second program that the DSO refuses, guarantee, cover
and redemption, a transaction that reverts and one whose block is given up; `Erased` adds an erasure after Final. The chain is
a stub that answers JSON-RPC about blocks, real transactions and logs.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from nacl.signing import SigningKey as MeterKey

from clearing.auction import clear
from clearing.book import Book
from clearing.caps import NO_POINT, apply_caps
from domain.eip712 import (
    CANCEL,
    COVER,
    GUARANTEE,
    KEY_REGISTRATION,
    PROGRAM,
    RECEIPT,
    REDEMPTION,
    REFUSAL,
    SETTLEMENT,
    Domain,
)
from domain.hashing import ZERO_HASH, canonical_json, hash_json, keccak, text_id, to_hex
from domain.merkle import merkle_proof, merkle_root
from domain.orders import Order, schedule_digest, schedule_hash, tag_of
from domain.periods import Period
from domain.readings import Attestation, Quality, Reading, chain_clearing_root, chain_readings_root
from domain.statements import statement_hash, statement_leaf
from domain.terms import Agreement, Tariff
from domain.words import OrderWord, Side, book_hash, page_hashes, pages_of, result_hash, word_bytes, words_hash
from grid.envelope import Envelope
from settling.compute import commit, settle
from settling.inputs import Inputs, Limit, Metered, Party, PartyKind, Trade
from tests.unit.verifier.bundles import Bundles, auditor_bundle, jsonl, played, rechain, seal  # noqa: F401
from tests.unit.verifier.fake_chain import (  # noqa: F401
    ABIS,
    AREA,
    ATTEST_SECONDS,
    CHAIN_ID,
    CODE,
    CONTRACTS,
    COUNT,
    FIRST,
    GATE,
    GENESIS,
    HORIZON_SECONDS,
    LOT,
    MARKET,
    NAMES,
    POINTS,
    ROLE,
    TICK,
    FakeChain,
    address,
    key_of,
    noise,
    sign,
)


class Day(Bundles):
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
        self.requests = 0
        self.erased: list[int] = []

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

    def send(
        self, role: str, contract: str, function: str, args: list[Any], *events: tuple[str, str, list[Any]]
    ) -> str:
        """Ask for a transaction, sign it, mine it and say what it did; events are (name, types, values). Its hash.

        Without events it reverts.
        """
        return self.carry_out(self.ask(role, contract, function, args), *events)

    def ask(self, role: str, contract: str, function: str, args: list[Any]) -> dict[str, Any]:
        """Ask for a transaction."""
        self.requests += 1
        asked = {"key": f"{function}:{self.requests}", "role": role, "contract": contract, "function": function}
        self.fact("chain.requested", {**asked, "args": args})
        return {**asked, "args": args}

    def carry_out(self, asked: dict[str, Any], *events: tuple[str, str, list[Any]]) -> str:
        """Sign and mine what was asked for."""
        head = {name: asked[name] for name in ("key", "role", "contract", "function")}
        key, role, contract, function = head.values()
        calldata = ABIS[contract].encode_call(function, asked["args"])
        made = self.chain.mine(role, to=CONTRACTS[contract], data=calldata, succeeds=bool(events))
        block, receipt = self.chain.blocks[made["block"]], self.chain.receipts[made["tx_hash"]]
        sent = {name: made[name] for name in ("tx_hash", "raw", "sender", "nonce")}
        self.fact("chain.signed", {**head, **sent, "gas_price_wei": "0"})
        self._block()
        told = [self.chain.emit(contract, *event, made["tx_hash"]) for event in events]
        place = {"key": key, "tx_hash": made["tx_hash"], "block": made["block"], "block_hash": block["hash"]}
        outcome = {**place, "block_time": int(block["timestamp"], 16), "gas_used": int(receipt["gasUsed"], 16)}
        if not events:
            self.fact("chain.failed", {**outcome, "reason": "SettlementAmountInvalid()"})
            return str(made["tx_hash"])
        if function == "createArea":  # its first block is given up, and it comes into the same one again
            self.fact("chain.included", {**outcome, "events": told})
            self.fact("chain.rewound", place)
        self.fact("chain.included", {**outcome, "events": told})
        return str(made["tx_hash"])

    def _block(self) -> None:
        number, block = len(self.chain.blocks) - 1, self.chain.blocks[-1]
        hashes = [tx["hash"] for tx in block["transactions"]]
        self.fact("block.mined", {"number": number, "timestamp": int(block["timestamp"], 16), "transactions": hashes})

    def deploy(self) -> None:
        """Roles with its grants; the registry lists the deployment."""
        made = self.chain.mine("deployer", to=None, data=b"code")
        for role, keys in {**{r: [r] for r in ROLE if r != "attester"}, "attester": ["a1", "a2", "a3"]}.items():
            for key in keys:
                organisation = f"org{key[1:]}" if role == "attester" else key
                values = [address(key), ROLE[role], to_hex(text_id(organisation)), to_hex(ZERO_HASH)]
                self.chain.emit("Roles", "RoleGranted", "address*,uint8*,bytes32*,bytes32", values, made["tx_hash"])
        sent = {name: made[name] for name in ("tx_hash", "raw", "sender", "nonce")}
        head = {"key": "deploy:Roles", "role": "deployer", "contract": "Roles", "function": "constructor"}
        self.fact("chain.signed", {**head, **sent, "gas_price_wei": "0"})
        self._block()
        for name in NAMES:
            values = [name, 1, CONTRACTS[name], to_hex(ZERO_HASH)]
            event = ("ContractRegistered", "string,uint32*,address*,bytes32", values)
            self.send("registrar", "Registry", "register", [name, CONTRACTS[name], to_hex(ZERO_HASH)], event)

    # ---- who takes part
    def register(self) -> None:
        """Area, market, parties, keys, terms; an auditor looks."""
        looked = {
            "auditor": address("auditor"),
            "what": "registry.parties",
            "area": AREA,
            "market_time": self.chain.now,
        }
        self.fact("access.logged", looked)
        grid = {"code": "grid", "points": [{"code": point, "bus": "b"} for point in POINTS]}
        attesters = [{"name": f"a{n}", "address": address(f"a{n}"), "organisation": f"org{n}"} for n in (1, 2, 3)]
        self.area = {
            "area": AREA, "zone": "Europe/Berlin", "attest_seconds": ATTEST_SECONDS, "horizon_seconds": HORIZON_SECONDS,
            "challenge_seconds": 60, "grid_model": grid, "grid_model_hash": to_hex(hash_json(grid)),
            "attesters": attesters, "threshold": 2,
        }  # fmt: skip
        self.chain.views = {"speed": 1, "origin": 5, "start": 5, "config": 2, "challengeSeconds": 60}
        self.deploy()
        area = text_id(AREA)
        self.fact("area.defined", self.area)
        seconds = (ATTEST_SECONDS, HORIZON_SECONDS)
        event = ("AreaCreated", "bytes32*,(uint32,uint32)", [area, seconds])
        self.send("registrar", "Calendar", "createArea", [to_hex(area), list(seconds)], event)
        limits = (-500_000, 900_000, 600, 7_200, 14_400)
        names = ("min_limit_neur_per_wh", "max_limit_neur_per_wh", "grace_seconds", "sign_seconds", "clear_seconds")
        rules = dict(zip(names, limits, strict=True))
        head = {"market": MARKET, "area": AREA, "lot_wh": LOT, "tick_neur_per_wh": TICK, "gate_local": "12:00"}
        self.fact("market.defined", {**head, **rules})
        kinds = "bytes32*,bytes32*,uint32,(bytes32,uint24,uint24,int32,int32,uint32,uint32,uint32)"
        values = [text_id(MARKET), area, 1, (area, LOT, TICK, *limits)]
        args = [to_hex(text_id(MARKET)), [to_hex(area), LOT, TICK, *limits]]
        self.send("registrar", "Market", "createMarket", args, ("MarketCreated", kinds, values))
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
            agreement = Agreement(f"agr-{name}", 1, address(name), address("retail"), "basic", 0)
            self.agreements.append(agreement)
            self.fact("agreement.signed", {
                "agreement": agreement.agreement, "version": 1, "account": address(name), "retailer": address("retail"),
                "tariff": "basic", "valid_from_mtu": 0,
            })  # fmt: skip
            public = to_hex(bytes(MeterKey(noise(f"meter-{point}")).verify_key))
            body = {"meter": f"meter-{point}", "point": point, "public_key": public, "area": AREA, "valid_from_mtu": 0}
            self.fact("meter.registered", body)
            self._guarantee(name)

    def _guarantee(self, name: str) -> None:
        pair, credit, nonce = (address("retail"), address(name)), 10**13, 1
        values = dict(zip(("guarantor", "account"), (key_of("retail").address, key_of(name).address), strict=True))
        signature = sign("retail", GUARANTEE, {**values, "creditNeur": credit, "nonce": nonce}, "Settlement")
        body = {"guarantor": pair[0], "account": pair[1], "credit_neur": str(credit), "nonce": nonce}
        self.fact("guarantee.given", {**body, "signature": signature})
        event = ("GuaranteeSet", "address*,address*,uint64,uint64", [*pair, credit, nonce])
        self.send("operator", "Settlement", "guarantee", [*pair, str(credit), nonce, signature], event)

    def register_key(self, name: str, point: str | None, device: str, valid_from_mtu: int) -> None:
        """A device's key; from then on the party signs with it."""
        self.devices[name] = device
        point_id = ZERO_HASH if point is None else text_id(point)
        values = {"account": address(name), "orderKey": address(device), "point": point_id}
        signature = sign(name, KEY_REGISTRATION, {**values, "validFromMtu": valid_from_mtu}, "Settlement")
        body = {"account": address(name), "order_key": address(device), "point": point}
        self.fact("key.registered", {**body, "valid_from_mtu": valid_from_mtu, "signature": signature})

    # ---- trading
    def open(self) -> None:
        """Period and program."""
        self._open(1, FIRST, COUNT)

    def _open(self, number: int, first: int, count: int) -> None:
        area, market = text_id(AREA), text_id(MARKET)
        self.fact("period.declared", {"area": AREA, "period": number, "first_mtu": first, "count": count})
        event = ("PeriodDeclared", "bytes32*,uint32*,uint32,uint32", [area, number, first, count])
        self.send("operator", "Calendar", "declarePeriod", [to_hex(area), first, count], event)
        head = {"market": MARKET, "area": AREA, "program": number, "period": number}
        self.fact("program.opened", {**head, "first_mtu": first, "count": count, "gate": GATE})
        values = [market, number, number, first, count, GATE]
        event = ("ProgramOpened", "bytes32*,uint32*,uint32*,uint32,uint32,uint64", values)
        self.send("operator", "Market", "openProgram", [to_hex(market), number, first, count, GATE], event)

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
        self.chain.now = GATE
        self._close(1, FIRST, books)

    def _close(self, number: int, first: int, books: list[dict[str, Any]]) -> None:
        body = {"market": MARKET, "program": number, "first_mtu": first, "count": len(books), "gate": GATE}
        self.fact("book.closed", {**body, "books": books})
        chains, counts = [b["chain"] for b in books], [len(b["tags"]) for b in books]
        values = [text_id(MARKET), number, first, [bytes.fromhex(chain[2:]) for chain in chains], counts]
        event = ("BooksClosed", "bytes32*,uint32*,uint32,bytes32[],uint32[]", values)
        self.send("operator", "Market", "closeBooks", [to_hex(text_id(MARKET)), number, chains, counts], event)

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
        mtus = [{"mtu": r["mtu"], "given_up": r["given_up"], "rounds": 1} for r in self.results]
        schedules = keccak(b"".join(schedule_hash(self.schedules[point]) for point in POINTS))
        envelopes = to_hex(keccak(b"".join(hash_json(self.own(point)) for point in POINTS)))
        self.report = {"schedules_hash": to_hex(schedules), "envelopes_hash": envelopes, "fallbacks": [], "mtus": mtus}
        root, grid, report = merkle_root(hashes), hash_json(self.area["grid_model"]), hash_json(self.report)
        self.program = {
            "market": MARKET, "program": 1, "first_mtu": FIRST, "count": COUNT, "results": self.results,
            "envelopes": self.envelopes, "report": self.report, "report_hash": to_hex(report),
            "grid_model_hash": to_hex(grid), "results_root": to_hex(root), "deadline": GATE + 7_200,
            "schedules": self.schedules, "rounds": 1,
        }  # fmt: skip
        self.fact("program.validated", self.program)
        values = {
            "market": text_id(MARKET), "firstMtu": FIRST, "count": COUNT, "resultsRoot": root, "gridModelHash": grid,
            "reportHash": report, "deadline": GATE + 7_200,
        }  # fmt: skip
        signature = sign("dso", PROGRAM, values, "Market")
        self.fact("program.signed", {"market": MARKET, "program": 1, "dso": address("dso"), "signature": signature})
        kinds = "bytes32*,uint32*,bytes32,bytes32,bytes32,uint64,address,bytes"
        logged = [text_id(MARKET), 1, root, grid, report, GATE + 7_200, address("dso"), bytes.fromhex(signature[2:])]
        args = [to_hex(text_id(MARKET)), 1, to_hex(root), to_hex(grid), to_hex(report), GATE + 7_200, signature]
        self.send("operator", "Market", "recordProgram", args, ("ProgramRecorded", kinds, logged))
        self.fact("setpoints.issued", {"market": MARKET, "program": 1, "envelopes": self.envelopes})

    def refuse(self) -> None:
        """A second program, without an order, that the DSO refuses and nobody clears: its MTU is voided."""
        first, empty = FIRST + COUNT, words_hash([])
        self._open(2, first, 1)
        self._close(2, first, [{"mtu": first, "tags": [], "chain": to_hex(empty), "book_hash": to_hex(book_hash([]))}])
        hashed = result_hash(market=text_id(MARKET), mtu=first, price_neur_per_wh=None, words=[])
        result = {"mtu": first, "price_neur_per_wh": None, "words": [], "result_hash": to_hex(hashed)}
        nets, grid = {point: [0] for point in POINTS}, hash_json(self.area["grid_model"])
        hashes = [keccak(b"".join(items)) for items in zip(*((schedule_hash([0]), hash_json([])) for _ in POINTS))]
        report = {**dict(zip(("schedules_hash", "envelopes_hash"), map(to_hex, hashes), strict=True))}
        report["mtus"] = [{"mtu": first, "given_up": False, "rounds": 1}]  # type: ignore[assignment]
        root = merkle_root([hashed])
        head = {"market": MARKET, "program": 2}
        self.fact("program.validated", {
            **head, "first_mtu": first, "count": 1, "results": [{**result, "given_up": False}], "envelopes": [],
            "report": report, "report_hash": to_hex(hash_json(report)), "grid_model_hash": to_hex(grid),
            "results_root": to_hex(root), "deadline": GATE + 7_200, "schedules": nets, "rounds": 1,
        })  # fmt: skip
        values = {"market": text_id(MARKET), "firstMtu": first, "count": 1, "resultsRoot": root, "reason": "line down"}
        signed = sign("dso", REFUSAL, values, "Market")
        self.fact("program.refused", {**head, "dso": address("dso"), "reason": "line down", "signature": signed})
        self._void(2, first)

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
            result = self.results[mtu]
            hashed = bytes.fromhex(result["result_hash"][2:])
            self.clearing_root = chain_clearing_root(
                self.clearing_root, market=text_id(MARKET), mtu=FIRST + mtu, result=hashed
            )
            words = [OrderWord.unpack(int(word, 16)) for word in result["words"]]
            lots = sum(word.accepted_lots for word in words if word.side == Side.BID)
            price = -(2**31) if result["price_neur_per_wh"] is None else result["price_neur_per_wh"]
            values = [text_id(MARKET), FIRST + mtu, price, lots, hashed, self.clearing_root]
            numbers = [int(word, 16) for word in result["words"]]
            args = [
                to_hex(text_id(MARKET)),
                [1, FIRST + mtu, price, len(words), 0],
                [to_hex(h) for h in page_hashes(numbers)],
            ]
            args += [[str(number) for number in numbers], []]
            event = ("MtuCleared", "bytes32*,uint32*,int32,uint64,bytes32,bytes32", values)
            tx = self.send("operator", "Market", "clear", args, event)
            body = {name: result[name] for name in ("mtu", "price_neur_per_wh", "words", "result_hash")}
            self.fact("mtu.cleared", {"market": MARKET, "program": 1, **body, "tx_hash": tx})
        self.clearing_root = chain_clearing_root(
            self.clearing_root, market=text_id(MARKET), mtu=FIRST + 3, result=ZERO_HASH
        )
        self._void(1, FIRST + 3)

    def _void(self, program: int, mtu: int) -> None:
        event = ("MtuVoided", "bytes32*,uint32*,bytes32", [text_id(MARKET), mtu, self.clearing_root])
        self.send("operator", "Market", "voidMtus", [to_hex(text_id(MARKET)), program, program, mtu, 1], event)
        self.fact("mtu.voided", {"market": MARKET, "mtu": mtu, "program": program})

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
        """Two of three attesters sign."""
        made = Attestation.of(area=text_id(AREA), mtu=FIRST + mtu, revision=revision, readings=readings)
        domain = Domain(CHAIN_ID, bytes.fromhex(CONTRACTS["Readings"][2:]))
        signers = sorted(("a1", "a3"), key=address)
        signatures = [to_hex(key_of(name).sign(made.digest(domain))) for name in signers]
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

    def ask_to_attest(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        """Ask the chain to record attestations."""
        names = ("mtu", "revision", "root", "count", "import_wh", "export_wh")
        rows = [[to_hex(text_id(AREA)), *(item[name] for name in names)] for item in items]
        return self.ask("operator", "Readings", "attestMany", [1, rows, [item["signatures"] for item in items]])

    def attested(self, item: dict[str, Any]) -> tuple[str, str, list[Any]]:
        """The event of an attestation that comes on chain."""
        numbers = [item[name] for name in ("count", "import_wh", "export_wh")]
        root = bytes.fromhex(item["root"][2:])
        made = Attestation(text_id(AREA), item["mtu"], item["revision"], root, *numbers)
        self.readings_root = chain_readings_root(self.readings_root, made)
        kinds = "bytes32*,uint32*,uint32*,bytes32,uint32,uint64,uint64,bytes32,bytes[]"
        raw = [bytes.fromhex(s[2:]) for s in item["signatures"]]
        values = [made.area, made.mtu, made.revision, root, *numbers, self.readings_root, raw]
        return ("ReadingsAttested", kinds, values)

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
        self.chain.now = (FIRST + 4) * 900 + 120
        made = [self.attest(mtu, 0, leaves[mtu]) for mtu in range(4)]
        asked = []
        for part in (made[:2], made[2:3], made[3:]):
            self.fact(
                "reading.attested", {"area": AREA, "period": 1, "attestations": part, "messages": sorted(messages)}
            )
            asked.append((part, self.ask_to_attest(part)))
        for at in (0, 2, 1):  # the chain has an order of its own
            part, request = asked[at]
            self.carry_out(request, *[self.attested(item) for item in part])

    def unread(self) -> None:
        """The last MTU has no readings in time."""
        zeros = Attestation(text_id(AREA), FIRST + 4, 0, ZERO_HASH, 0, 0, 0)
        self.readings_root = chain_readings_root(self.readings_root, zeros)
        values = [text_id(AREA), FIRST + 4, self.readings_root]
        self.chain.now = (FIRST + 5) * 900 + ATTEST_SECONDS
        event = ("ReadingsUnread", "bytes32*,uint32*,bytes32", values)
        self.send("operator", "Readings", "markUnread", [to_hex(text_id(AREA)), 1, FIRST + 4, 1], event)
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
        self.fact("reading.attested", {"area": AREA, "period": 1, "attestations": [body], "messages": sorted(messages)})
        self.chain.now += 600
        self.carry_out(self.ask_to_attest([body]), self.attested(body))

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
        self.fact("settlement.signed", {**key, "signatures": signatures})
        target = [to_hex(text_id(AREA)), 1, revision, 0, hexes["statements_root"], hexes["tariff_hash"]]
        pages = [to_hex(h) for h in page_hashes(settled.words)]
        args = [target, pages, [str(word) for word in settled.words], [s["signature"] for s in signatures]]
        event = ("PeriodSettled", kinds, [text_id(AREA), 1, revision, *hashes])
        self.send("operator", "Settlement", "settle", args, event)
        leaves = [
            statement_leaf(account=a, period=1, revision=revision, hashed=statement_hash(salt=salts[a], statement=s))
            for a, s in settled.statements.items()
        ]
        first_page = next(iter(pages_of(settled.words)), [])
        for at, item in enumerate(statements):
            due = int(item["statement"]["due_neur"])
            self.before[bytes.fromhex(item["account"][2:])] = (
                self.before.get(bytes.fromhex(item["account"][2:]), 0) + due
            )
            self.chain.balances[item["account"]] = self.chain.balances.get(item["account"], 0) + due
            page = [to_hex(word_bytes(word)) for word in first_page] if due else None
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
            period=Period(AREA, 1, FIRST, COUNT), revision=revision,
            parties=tuple(Party(key_of(name).address, PartyKind(kind), point) for name, kind, point in kinds),
            tariffs=(self.tariff,), agreements=tuple(self.agreements), trades=tuple(trades), price_neur_per_wh=prices,
            metered=tuple(metered), limits=tuple(limits), settled_before_neur=dict(self.before),
        )  # fmt: skip

    def fund(self) -> None:
        """A deposit that reverts and one that does not, a cover, and a redemption with its end."""
        self.chain.now += 7_200
        self.chain.views["supply"] = 0
        self._deposit("h3", 50_000_000_000, b"payment")
        self._deposit("h3", 1, b"refused", reverts=True)
        self._deposit("retail", 90_000_000_000, b"capital")
        ref, amount = to_hex(keccak(b"cover")), 5_000
        pair = (address("retail"), address("h2"))
        signed = {"guarantor": key_of("retail").address, "account": key_of("h2").address, "amountNeur": amount}
        signature = sign("retail", COVER, {**signed, "ref": keccak(b"cover")}, "Settlement")
        body = {"guarantor": pair[0], "account": pair[1], "amount_neur": str(amount), "ref": ref}
        self.fact("cover.given", {**body, "signature": signature})
        event = ("DebtCovered", "address*,address*,uint256,bytes32*", [*pair, amount, ref])
        self.send("operator", "Settlement", "cover", [*pair, str(amount), ref, signature], event)
        self._move(pair[0], -amount)
        self._move(pair[1], amount)
        self._redeem("h3", 7_000)

    def _move(self, account: str, amount: int) -> None:
        self.chain.balances[account] = self.chain.balances.get(account, 0) + amount

    def _deposit(self, name: str, amount: int, reference: bytes, *, reverts: bool = False) -> None:
        account, ref = address(name), to_hex(keccak(reference))
        self.fact("deposit.booked", {"account": account, "amount_neur": str(amount), "ref": ref})
        event = ("Deposited", "address*,uint256,bytes32*", [account, amount, ref])
        self.send("treasurer", "Settlement", "deposit", [account, str(amount), ref], *([] if reverts else [event]))
        if not reverts:
            self._move(account, amount)
            self.chain.views["supply"] += amount

    def _redeem(self, name: str, amount: int) -> None:
        account, ref, deadline = address(name), to_hex(keccak(b"redemption")), self.chain.now + 1_000
        values = {"account": key_of(name).address, "amountNeur": amount, "ref": keccak(b"redemption")}
        signature = sign(name, REDEMPTION, {**values, "deadline": deadline}, "Settlement")
        body = {"account": account, "amount_neur": str(amount), "ref": ref, "deadline": deadline}
        self.fact("redemption.requested", {**body, "signature": signature})
        kinds, args = "address*,uint256,bytes32*,uint64", [account, str(amount), ref, deadline, signature]
        event = ("RedemptionRequested", kinds, [account, amount, ref, self.chain.now + 60])
        self.send("operator", "Settlement", "requestRedemption", args, event)
        event = ("Redeemed", "address*,uint256,bytes32*", [account, amount, ref])
        self.send("operator", "Settlement", "completeRedemption", [account, ref], event)
        self._move(account, -amount)
        self.chain.views["supply"] -= amount

    def finalise(self) -> None:
        """After the horizon nothing of the period changes any more."""
        self.chain.now += HORIZON_SECONDS
        event = ("PeriodFinalised", "bytes32*,uint32*", [text_id(AREA), 1])
        self.send("operator", "Settlement", "finalise", [to_hex(text_id(AREA)), 1], event)

    def anchor(self) -> None:
        """The head as it is now comes on chain; what follows belongs to the next bundle."""
        sequence, head, kept = len(self.entries), self.head, list(self.entries)
        event = ("HeadAnchored", "uint64*,bytes32,bytes32", [sequence, head, ZERO_HASH])
        self.send("operator", "Anchors", "anchor", [sequence, to_hex(head)], event)
        self.entries, self.head = kept, head

    steps: tuple[str, ...] = ("register", "open", "trade", "validate", "record", "refuse", "meter", "unread")
    ending: tuple[str, ...] = ("fund", "finalise")

    def run(self) -> Day:
        """The whole day."""
        for step in self.steps:
            getattr(self, step)()
        self.settle(0)
        self.late()
        self.settle(1)
        for step in self.ending:
            getattr(self, step)()
        self.anchor()
        return self

    def erase(self, kind: str, chosen: Callable[[dict[str, Any]], bool] = lambda body: True) -> None:
        """Empty the first entry of a kind that is chosen, and say so."""
        entry = next(e for e in self.entries if e["kind"] == kind and chosen(e["payload"]))
        self.erased.append(entry["sequence"])
        tags = [entry["payload"]["tag"]] if "tag" in entry["payload"] else []
        self.fact("erasure.done", {"sequences": [entry["sequence"]], "reason": "asked", "tags": tags})


class Erased(Day):
    """The day, and after its period was Final an order that never traded is erased."""

    ending = (*Day.ending, "forget")

    def forget(self) -> None:
        """Erase a bid that found no ask."""
        self.erase("order.accepted", lambda body: body["order"]["mtu"] == FIRST + 2)
