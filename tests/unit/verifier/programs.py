"""Programs of a small day: results under the caps, what the DSO signs or refuses, and clearing on chain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import numpy as np

from clearing.auction import clear
from clearing.book import Book
from clearing.caps import NO_POINT, apply_caps
from domain.eip712 import PROGRAM, REFUSAL
from domain.hashing import ZERO_HASH, hash_json, keccak, text_id, to_hex
from domain.merkle import places_root
from domain.orders import schedule_hash
from domain.sessions import DoneSession, chain_clearing_root, mask_of
from domain.words import OrderWord, Side, page_hashes, result_hash, word_bytes
from grid.envelope import Envelope
from tests.unit.verifier.fake_chain import COUNT, FIRST, GATE, LOT, MARKET, POINTS, address, sign
from tests.unit.verifier.journal import Emits, Payload
from tests.unit.verifier.registering import LIMITS
from tests.unit.verifier.trading import Trading

GIVEN_UP = 3
"""The MTU, counted from the day's first, that validation gives up."""

CAPPED = 1
"""The MTU in which p1's export is capped."""

CLEARED_IN_ORDER = (1, 0)
"""The MTUs that trade; the chain has an order of its own."""

REFUSED = GATE + 60
"""The session whose program the DSO refuses."""

LONG = 1_000
"""MTUs of the second period: it goes on when the bundle is made."""

DEADLINE = GATE + LIMITS["sign_seconds"]
CLEARING_RULES = {"ties": 1}
PROGRAM_RULES = {"ties": 1, "forecast": 1}


class Programs(Trading):
    """Validates, records and clears programs."""

    cap_wh = 255
    """Of the export of p1 in the capped MTU."""

    def __init__(self) -> None:
        super().__init__()
        self.clearing_root = ZERO_HASH
        self.envelopes: list[Payload] = []
        self.results: list[Payload] = []
        self.report: Payload = {}
        self.session: Payload = {}

    def own_envelopes(self, point: str) -> list[Payload]:
        """Envelopes of a point."""
        return [envelope for envelope in self.envelopes if envelope["point"] == point]

    # ---- the day's program

    def change_report(self, report: Payload) -> None:
        """What a dishonest DSO reports otherwise, before it signs."""

    def validate(self) -> None:
        """Results under the caps and their report, signed by the DSO; set-points follow."""
        capped: Payload = {"point": "p1", "mtu": FIRST + CAPPED, "import_cap_wh": None, "export_cap_wh": self.cap_wh}
        self.envelopes = [capped]
        self.results = [self._result(mtu) for mtu in range(COUNT)]
        envelopes = keccak(b"".join(hash_json(self.own_envelopes(point)) for point in POINTS))
        schedules = keccak(b"".join(schedule_hash(self.schedules[point]) for point in POINTS))
        beyond = -self.schedules["p1"][CAPPED] - capped["export_cap_wh"]
        self.report = report_of(
            self.results,
            grid=self.area["grid_model"],
            envelopes=envelopes,
            schedules=schedules,
            policy_hash=to_hex(self.policies[-1].policy_hash) if self.policies else None,
            capped={FIRST + CAPPED: (1, beyond)},
        )
        self.change_report(self.report)
        self.session = self._validated(GATE, FIRST, self.results, self.envelopes, self.report, self.schedules)
        self.fact("program.validated", self.session)
        self._sign_program()
        self.fact("setpoints.issued", {"market": MARKET, "session": GATE, "envelopes": self.envelopes})

    def _result(self, mtu: int) -> Payload:
        """The result of an MTU; one given up has an empty book."""
        words, price = ([], None) if mtu == GIVEN_UP else self._cleared(mtu)
        packed = [word.pack() for word in words]
        hashed = result_hash(
            market=text_id(MARKET), session=GATE, mtu=FIRST + mtu, price_neur_per_wh=price, words=packed
        )
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
        session: int,
        first: int,
        results: list[Payload],
        envelopes: list[Payload],
        report: Payload,
        schedules: dict[str, list[int]],
    ) -> Payload:
        root = places_root([bytes.fromhex(result["result_hash"][2:]) for result in results])
        return {
            "market": MARKET,
            "session": session,
            "first_mtu": first,
            "count": len(results),
            "results": results,
            "envelopes": envelopes,
            "report": report,
            "report_hash": to_hex(hash_json(report)),
            "grid_model_hash": to_hex(hash_json(self.area["grid_model"])),
            "books_root": to_hex(self.books_root[session]),
            "results_root": to_hex(root),
            "traded_mask": self._mask(CLEARED_IN_ORDER if session == GATE else ()),
            "emptied_mask": self._mask([GIVEN_UP] if session == GATE else ()),
            "deadline": session + LIMITS["sign_seconds"],
            "schedules": schedules,
            "earlier": [],
            "rounds": 1,
            "rules": PROGRAM_RULES,
        }

    def _sign_program(self) -> None:
        """The DSO signs, and the chain records it."""
        hashes = [self.session[name] for name in ("results_root", "grid_model_hash", "report_hash")]
        root, grid, report = (bytes.fromhex(text[2:]) for text in hashes)
        signed = {
            "market": text_id(MARKET),
            "session": GATE,
            "firstMtu": FIRST,
            "count": COUNT,
            "booksRoot": self.books_root[GATE],
            "resultsRoot": root,
            "tradedMask": mask_of(CLEARED_IN_ORDER, first_mtu=0),
            "emptiedMask": mask_of([GIVEN_UP], first_mtu=0),
            "gridModelHash": grid,
            "reportHash": report,
            "deadline": DEADLINE,
        }
        signature = sign("dso", PROGRAM, signed, "Market")
        self.fact("program.signed", {"market": MARKET, "session": GATE, "dso": address("dso"), "signature": signature})
        types = "bytes32*,uint64*,(bytes32,uint128,uint128,bytes32,bytes32,uint64),address,bytes"
        dso = [address("dso"), bytes.fromhex(signature[2:])]
        masks = [signed["tradedMask"], signed["emptiedMask"]]
        program = (root, *masks, grid, report, DEADLINE)
        event = Emits("ProgramRecorded", types, [text_id(MARKET), GATE, program, *dso])
        told = [hashes[0], *masks, *hashes[1:], DEADLINE]
        args = [to_hex(text_id(MARKET)), GATE, told, signature]
        self.send("operator", "Market", "recordProgram", args, event)

    # ---- clearing

    def record(self) -> None:
        """Clear the MTUs that trade; the last one ends the session."""
        for mtu in CLEARED_IN_ORDER[:-1]:
            self._clear(self.results[mtu])
        cleared = mask_of(CLEARED_IN_ORDER, first_mtu=0)
        done = self._done(GATE, cleared, bytes.fromhex(self.session["results_root"][2:]))
        self._clear(self.results[CLEARED_IN_ORDER[-1]], done)
        self._tell_done(GATE, cleared)

    def _clear(self, result: Payload, *further: Emits) -> None:
        hashed = bytes.fromhex(result["result_hash"][2:])
        numbers = [int(word, 16) for word in result["words"]]
        words = [OrderWord.unpack(number) for number in numbers]
        lots = sum(word.accepted_lots for word in words if word.side == Side.BID)
        price = result["price_neur_per_wh"]
        values = [text_id(MARKET), GATE, result["mtu"], price, lots, hashed]
        event = Emits("MtuCleared", "bytes32*,uint64*,uint32*,int32,uint64,bytes32", values, "Market")
        target, pages = [GATE, result["mtu"], price, len(words), 0], [to_hex(page) for page in page_hashes(numbers)]
        args = [to_hex(text_id(MARKET)), target, pages, [str(number) for number in numbers], [[], []]]
        tx = self.send("operator", "Clearing", "clear", args, event, *further)
        told = {name: result[name] for name in ("mtu", "price_neur_per_wh", "words", "result_hash")}
        self.fact("mtu.cleared", {"market": MARKET, "session": GATE, **told, "tx_hash": tx, "rules": CLEARING_RULES})

    def _done(self, session: int, cleared: int, results_root: bytes) -> Emits:
        """The event that ends a session; the clearing root grows by it, if it is of the day's period."""
        signed = results_root != ZERO_HASH
        ended = DoneSession(
            market_id=text_id(MARKET),
            session=session,
            books_root=self.books_root[session],
            results_root=results_root,
            traded_mask=mask_of(CLEARED_IN_ORDER, first_mtu=0) if signed else 0,
            emptied_mask=mask_of([GIVEN_UP], first_mtu=0) if signed else 0,
            cleared_mask=cleared,
        )
        before = ZERO_HASH if session == REFUSED else self.clearing_root
        root = chain_clearing_root(before, ended)
        if session != REFUSED:
            self.clearing_root = root
        self._last_root = root
        return Emits(
            "SessionDone", "bytes32*,uint64*,uint128,bytes32", [text_id(MARKET), session, cleared, root], "Market"
        )

    def _tell_done(self, session: int, cleared: int) -> None:
        told = {"cleared_mask": f"0x{cleared:032x}", "clearing_root": to_hex(self._last_root)}
        self.fact("session.done", {"market": MARKET, "session": session, **told})

    def _mask(self, mtus: Iterable[int]) -> str:
        return f"0x{mask_of(mtus, first_mtu=0):032x}"

    def end_session(self, session: int) -> None:
        """End a session that nobody signed."""
        event = self._done(session, 0, ZERO_HASH)
        self.send("operator", "Market", "endSession", [to_hex(text_id(MARKET)), session], event)
        self._tell_done(session, 0)

    # ---- another program

    def refuse(self) -> None:
        """A second session, without an order, whose program the DSO refuses: it is ended."""
        first, reason = FIRST + COUNT, "line down"
        self.open_session(REFUSED, 2, first, 1, period_count=LONG)
        place = {"market": text_id(MARKET), "session": REFUSED, "mtu": first}
        self.close_session(REFUSED, first, [self.empty_book(REFUSED, first)])
        hashed = to_hex(result_hash(**place, price_neur_per_wh=None, words=[]))
        result: Payload = {
            "mtu": first,
            "price_neur_per_wh": None,
            "words": [],
            "result_hash": hashed,
            "given_up": False,
        }
        envelopes = keccak(b"".join(hash_json([]) for _ in POINTS))
        schedules = keccak(b"".join(schedule_hash([0]) for _ in POINTS))
        report = report_of([result], grid=self.area["grid_model"], envelopes=envelopes, schedules=schedules)
        validated = self._validated(REFUSED, first, [result], [], report, {point: [0] for point in POINTS})
        self.fact("program.validated", validated)
        root = bytes.fromhex(validated["results_root"][2:])
        signed = {"market": text_id(MARKET), "session": REFUSED, "firstMtu": first, "count": 1}
        signed |= {"resultsRoot": root, "reason": reason}
        signature = sign("dso", REFUSAL, signed, "Market")
        refused = {"market": MARKET, "session": REFUSED, "dso": address("dso"), "reason": reason}
        self.fact("program.refused", {**refused, "signature": signature})
        self.end_session(REFUSED)


def report_of(
    results: list[Payload],
    *,
    grid: Payload,
    envelopes: bytes,
    schedules: bytes,
    policy_hash: str | None = None,
    capped: Mapping[int, tuple[int, int]] = MappingProxyType({}),
) -> Payload:
    """A power-flow report over results, of a grid with one bus and one line; the bytes are hashes. `capped`: number of
    points and Wh of export that envelopes hold back, by MTU."""
    return {
        "format": "dominoes-report/2",
        "grid": grid["code"],
        "grid_model_hash": to_hex(hash_json(grid)),
        "schedules_hash": to_hex(schedules),
        "envelopes_hash": to_hex(envelopes),
        "earlier_hash": to_hex(hash_json([])),
        "policy_hash": policy_hash,
        "first_mtu": results[0]["mtu"],
        "count": len(results),
        "lot_wh": LOT,
        "rounds_max": 4,
        "fallbacks": [],
        "mtus": [
            {
                "mtu": item["mtu"],
                "loading_permille": 1_100 if item["given_up"] else 900,
                "loading_element": "l",
                "voltage_lowest_micro_pu": 990_000,
                "voltage_lowest_bus": "b",
                "voltage_highest_micro_pu": 1_010_000,
                "voltage_highest_bus": "b",
                "rounds": 1,
                "given_up": item["given_up"],
                "findings_count": 1,
                "findings": [
                    {
                        "kind": "line",
                        "code": "l",
                        "quantity": "loading",
                        "value_micro": 1_200_000,
                        "limit_micro": 1_000_000,
                    }
                ],
                "binding": [],
                "capped_points": capped.get(item["mtu"], (0, 0))[0],
                "capped_import_wh": 0,
                "capped_export_wh": capped.get(item["mtu"], (0, 0))[1],
            }
            for item in results
        ],
    }
