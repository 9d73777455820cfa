"""Programs of a small day: results under the caps, what the DSO signs or refuses, and clearing on chain."""

from __future__ import annotations

import numpy as np

from clearing.auction import clear
from clearing.book import Book
from clearing.caps import NO_POINT, apply_caps
from domain.eip712 import PROGRAM, REFUSAL
from domain.hashing import ZERO_HASH, hash_json, keccak, text_id, to_hex
from domain.merkle import merkle_root
from domain.orders import schedule_hash
from domain.readings import chain_clearing_root
from domain.words import OrderWord, Side, book_hash, page_hashes, result_hash, word_bytes, words_hash
from grid.envelope import Envelope
from tests.unit.verifier.fake_chain import COUNT, FIRST, GATE, LOT, MARKET, POINTS, address, sign
from tests.unit.verifier.journal import Emits, Payload
from tests.unit.verifier.registering import LIMITS
from tests.unit.verifier.trading import Trading

GIVEN_UP = 3
"""The MTU, counted from the day's first, that validation gives up."""

CAPPED = 1
"""The MTU in which p1's export is capped."""

CLEARED_IN_ORDER = (1, 0, 2, 4)
"""The chain has an order of its own."""

DEADLINE = GATE + LIMITS["sign_seconds"]
NO_PRICE = -(2**31)
CLEARING_RULES = {"ties": 1}
PROGRAM_RULES = {"ties": 1, "forecast": 1}


class Programs(Trading):
    """Validates, records and clears programs."""

    def __init__(self) -> None:
        super().__init__()
        self.clearing_root = ZERO_HASH
        self.envelopes: list[Payload] = []
        self.results: list[Payload] = []
        self.report: Payload = {}
        self.program: Payload = {}

    def own_envelopes(self, point: str) -> list[Payload]:
        """Envelopes of a point."""
        return [envelope for envelope in self.envelopes if envelope["point"] == point]

    # ---- the day's program

    def validate(self) -> None:
        """Results under the caps and their report, signed by the DSO; set-points follow."""
        capped = {"point": "p1", "mtu": FIRST + CAPPED, "import_cap_wh": None, "export_cap_wh": 255}
        self.envelopes = [capped]
        self.results = [self._result(mtu) for mtu in range(COUNT)]
        envelopes = keccak(b"".join(hash_json(self.own_envelopes(point)) for point in POINTS))
        schedules = keccak(b"".join(schedule_hash(self.schedules[point]) for point in POINTS))
        self.report = report_of(self.results, envelopes=envelopes, schedules=schedules)
        self.program = self._validated(1, FIRST, self.results, self.envelopes, self.report, self.schedules)
        self.fact("program.validated", self.program)
        self._sign_program()
        self.fact("setpoints.issued", {"market": MARKET, "program": 1, "envelopes": self.envelopes})

    def _result(self, mtu: int) -> Payload:
        """The result of an MTU; one given up has an empty book."""
        words, price = ([], None) if mtu == GIVEN_UP else self._cleared(mtu)
        packed = [word.pack() for word in words]
        hashed = result_hash(market=text_id(MARKET), mtu=FIRST + mtu, price_neur_per_wh=price, words=packed)
        return {
            "mtu": FIRST + mtu,
            "price_neur_per_wh": price,
            "words": [to_hex(word_bytes(word)) for word in packed],
            "result_hash": to_hex(hashed),
            "given_up": mtu == GIVEN_UP,
        }

    def _cleared(self, mtu: int) -> tuple[list[OrderWord], int | None]:
        """Complete words of an MTU under its caps, and the price (None: no trade)."""
        opened = [(self.orders[tag][0].word(tag=bytes.fromhex(tag[2:])), self.orders[tag][1]) for tag in self.tags(mtu)]
        places = [NO_POINT if point is None else POINTS.index(point) for _, point in opened]
        envelopes = {
            POINTS.index(envelope["point"]): Envelope(None, envelope["export_cap_wh"])
            for envelope in self.envelopes
            if envelope["mtu"] == FIRST + mtu
        }
        book = Book.from_words([word for word, _ in opened])
        points = np.array(places, dtype=np.int64)
        capped = apply_caps(book, points=points, envelopes=envelopes, lot_wh=LOT)
        result = clear(capped)
        words = list(capped.words(result.accepted_lots))
        return words, result.price_neur_per_wh if any(word.accepted_lots for word in words) else None

    def _validated(
        self,
        number: int,
        first: int,
        results: list[Payload],
        envelopes: list[Payload],
        report: Payload,
        schedules: dict[str, list[int]],
    ) -> Payload:
        root = merkle_root([bytes.fromhex(result["result_hash"][2:]) for result in results])
        return {
            "market": MARKET,
            "program": number,
            "first_mtu": first,
            "count": len(results),
            "results": results,
            "envelopes": envelopes,
            "report": report,
            "report_hash": to_hex(hash_json(report)),
            "grid_model_hash": to_hex(hash_json(self.area["grid_model"])),
            "results_root": to_hex(root),
            "deadline": DEADLINE,
            "schedules": schedules,
            "earlier": [],
            "rounds": 1,
            "rules": PROGRAM_RULES,
        }

    def _sign_program(self) -> None:
        """The DSO signs, and the chain records it."""
        hashes = [self.program[name] for name in ("results_root", "grid_model_hash", "report_hash")]
        root, grid, report = (bytes.fromhex(text[2:]) for text in hashes)
        signed = {
            "market": text_id(MARKET),
            "firstMtu": FIRST,
            "count": COUNT,
            "resultsRoot": root,
            "gridModelHash": grid,
            "reportHash": report,
            "deadline": DEADLINE,
        }
        signature = sign("dso", PROGRAM, signed, "Market")
        self.fact("program.signed", {"market": MARKET, "program": 1, "dso": address("dso"), "signature": signature})
        types = "bytes32*,uint32*,bytes32,bytes32,bytes32,uint64,address,bytes"
        dso = [address("dso"), bytes.fromhex(signature[2:])]
        event = Emits("ProgramRecorded", types, [text_id(MARKET), 1, root, grid, report, DEADLINE, *dso])
        args = [to_hex(text_id(MARKET)), 1, *hashes, DEADLINE, signature]
        self.send("operator", "Market", "recordProgram", args, event)

    # ---- clearing

    def record(self) -> None:
        """Clear four MTUs on chain, void the one given up."""
        for mtu in CLEARED_IN_ORDER:
            self._clear(self.results[mtu])
        self._extend_clearing_root(FIRST + GIVEN_UP, ZERO_HASH)
        self._void(1, FIRST + GIVEN_UP)

    def _clear(self, result: Payload) -> None:
        hashed = bytes.fromhex(result["result_hash"][2:])
        self._extend_clearing_root(result["mtu"], hashed)
        numbers = [int(word, 16) for word in result["words"]]
        words = [OrderWord.unpack(number) for number in numbers]
        lots = sum(word.accepted_lots for word in words if word.side == Side.BID)
        price = NO_PRICE if result["price_neur_per_wh"] is None else result["price_neur_per_wh"]
        values = [text_id(MARKET), result["mtu"], price, lots, hashed, self.clearing_root]
        event = Emits("MtuCleared", "bytes32*,uint32*,int32,uint64,bytes32,bytes32", values)
        target, pages = [1, result["mtu"], price, len(words), 0], [to_hex(page) for page in page_hashes(numbers)]
        args = [to_hex(text_id(MARKET)), target, pages, [str(number) for number in numbers], []]
        tx = self.send("operator", "Market", "clear", args, event)
        told = {name: result[name] for name in ("mtu", "price_neur_per_wh", "words", "result_hash")}
        self.fact("mtu.cleared", {"market": MARKET, "program": 1, **told, "tx_hash": tx, "rules": CLEARING_RULES})

    def _extend_clearing_root(self, mtu: int, result: bytes) -> None:
        self.clearing_root = chain_clearing_root(self.clearing_root, market=text_id(MARKET), mtu=mtu, result=result)

    def _void(self, program: int, mtu: int) -> None:
        event = Emits("MtuVoided", "bytes32*,uint32*,bytes32", [text_id(MARKET), mtu, self.clearing_root])
        self.send("operator", "Market", "voidMtus", [to_hex(text_id(MARKET)), program, program, mtu, 1], event)
        self.fact("mtu.voided", {"market": MARKET, "mtu": mtu, "program": program})

    # ---- another program

    def refuse(self) -> None:
        """A second program, without an order, that the DSO refuses and nobody clears: its MTU is voided."""
        first, reason = FIRST + COUNT, "line down"
        self.open_program(2, first, 1)
        empty = {"chain": to_hex(words_hash([])), "book_hash": to_hex(book_hash([]))}
        self.close_books(2, first, [{"mtu": first, "tags": [], **empty}])
        hashed = to_hex(result_hash(market=text_id(MARKET), mtu=first, price_neur_per_wh=None, words=[]))
        result: Payload = {
            "mtu": first,
            "price_neur_per_wh": None,
            "words": [],
            "result_hash": hashed,
            "given_up": False,
        }
        envelopes = keccak(b"".join(hash_json([]) for _ in POINTS))
        schedules = keccak(b"".join(schedule_hash([0]) for _ in POINTS))
        report = report_of([result], envelopes=envelopes, schedules=schedules)
        validated = self._validated(2, first, [result], [], report, {point: [0] for point in POINTS})
        self.fact("program.validated", validated)
        root = bytes.fromhex(validated["results_root"][2:])
        signed = {"market": text_id(MARKET), "firstMtu": first, "count": 1, "resultsRoot": root, "reason": reason}
        signature = sign("dso", REFUSAL, signed, "Market")
        refused = {"market": MARKET, "program": 2, "dso": address("dso"), "reason": reason}
        self.fact("program.refused", {**refused, "signature": signature})
        self._void(2, first)


def report_of(results: list[Payload], *, envelopes: bytes, schedules: bytes) -> Payload:
    """A power-flow report over results, as far as the verifier looks at it; the bytes are hashes."""
    return {
        "schedules_hash": to_hex(schedules),
        "envelopes_hash": to_hex(envelopes),
        "earlier_hash": to_hex(hash_json([])),
        "fallbacks": [],
        "mtus": [{"mtu": item["mtu"], "given_up": item["given_up"], "rounds": 1} for item in results],
    }
