"""Close the day's books over the orders as they now stand, and make program, signature and clearings that follow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearing.auction import clear
from clearing.book import Book
from clearing.caps import NO_POINT, apply_caps
from domain.eip712 import PROGRAM
from domain.facts import OrderAccepted
from domain.facts.base import read_fact
from domain.hashing import canonical_json, from_hex, hash_json, keccak, text_id, to_hex
from domain.merkle import places_proofs, places_root
from domain.sessions import chain_clearing_root
from domain.units import NO_PRICE
from domain.words import OrderWord, book_hash, has_trade, mask_word, page_hashes, result_hash, word_bytes, words_hash
from grid.envelope import Envelope
from tests.collusion.basis import basis_of
from tests.collusion.day import Payload, Step
from tests.collusion.plot import Plot

CLEARINGS_AT_ONCE = 60
"""MTUs in one transaction."""


@dataclass
class Cleared:
    """An MTU's words and price, which a twist may change before they are signed."""

    mtu: int
    words: list[OrderWord]
    price_neur_per_wh: int | None
    given_up: bool = False


Twist = Callable[[Cleared], None]


class Programs:
    """The one program of a day, made again."""

    def __init__(self, plot: Plot) -> None:
        self.plot = plot
        self.validated = plot.one("program.validated")
        self.market, self.session = self.validated.payload["market"], self.validated.payload["session"]
        self.market_id = text_id(self.market)
        self.first_mtu: int = self.validated.payload["first_mtu"]

    def again(
        self,
        mtus: Iterable[int],
        *,
        twist: Twist | None = None,
        left_out: Iterable[str] = (),
        envelopes: Iterable[Payload] = (),
        report: Callable[[Payload], None] | None = None,
        emptied: Iterable[int] = (),
    ) -> None:
        """Close the books of these MTUs again without the orders of some tags, under envelopes, and clear them.

        The DSO signs what the auction gives of the books it is shown; what is twisted only where it is in it.
        """
        self.envelopes, self.emptied = list(envelopes), set(emptied)
        orders = self._orders(set(left_out))
        for mtu in mtus:
            self._close(mtu, orders.get(mtu, []))
            self._clear(mtu, orders.get(mtu, []), twist)
        self._roots(report)
        honest = twist is None and report is None and not self.emptied
        self._sign(honest)
        self._send()
        self._tell_cleared()

    # ---- books and results

    def _orders(self, left_out: set[str]) -> dict[int, list[OrderAccepted]]:
        """The last revision of each order, by MTU, ascending by tag."""
        withdrawn = {step.payload["tag"] for step in self.plot.all("order.cancelled")}
        last: dict[tuple[Any, ...], OrderAccepted] = {}
        for step in self.plot.all("order.accepted"):
            if step.payload["tag"] in left_out | withdrawn:
                continue
            told = read_fact(step.kind, canonical_json(step.payload))
            assert isinstance(told, OrderAccepted)
            last[told.order.mtu, told.order.account, told.order.order_id] = told
        found: dict[int, list[OrderAccepted]] = {}
        for told in sorted(last.values(), key=lambda told: told.tag):
            found.setdefault(told.order.mtu, []).append(told)
        return found

    def _close(self, mtu: int, orders: list[OrderAccepted]) -> None:
        step = self.plot.one("book.closed")
        words = [mask_word(told.order.word(tag=told.tag).pack()) for told in orders]
        made = {
            "mtu": mtu,
            "tags": [to_hex(told.tag) for told in orders],
            "chain": to_hex(words_hash(words)),
            "book_hash": to_hex(book_hash(market=self.market_id, session=self.session, mtu=mtu, words=words)),
        }
        self.plot.change(step, books=[made if item["mtu"] == mtu else item for item in step.payload["books"]])

    def _clear(self, mtu: int, orders: list[OrderAccepted], twist: Twist | None) -> None:
        points = sorted({told.point for told in orders if told.point is not None})
        book = Book.from_words([told.order.word(tag=told.tag) for told in orders])
        places = np.array([NO_POINT if o.point is None else points.index(o.point) for o in orders], dtype=np.int64)
        caps = {
            points.index(item["point"]): Envelope(item["import_cap_wh"], item["export_cap_wh"])
            for item in self.envelopes
            if item["mtu"] == mtu and item["point"] in points
        }
        capped = apply_caps(book, points=places, envelopes=caps, lot_wh=self._lot_wh())
        result = clear(capped)
        words = list(capped.words(result.accepted_lots))
        made = Cleared(mtu, words, result.price_neur_per_wh if has_trade(words) else None)
        if twist is not None:
            twist(made)
        self._result(made)

    def _lot_wh(self) -> int:
        return int(self.plot.one("market.defined").payload["lot_wh"])

    def _result(self, made: Cleared) -> None:
        words = [word.pack() for word in made.words]
        price = made.price_neur_per_wh
        hashed = result_hash(
            market=self.market_id, session=self.session, mtu=made.mtu, price_neur_per_wh=price, words=words
        )
        told = {
            "mtu": made.mtu,
            "price_neur_per_wh": price,
            "words": [to_hex(word_bytes(word)) for word in words],
            "result_hash": to_hex(hashed),
            "given_up": made.given_up,
        }
        results = [told if item["mtu"] == made.mtu else item for item in self.validated.payload["results"]]
        self.plot.change(self.validated, results=results)

    # ---- the program

    def _roots(self, report: Callable[[Payload], None] | None) -> None:
        payload = self.validated.payload
        books = [from_hex(item["book_hash"]) for item in self.plot.one("book.closed").payload["books"]]
        results = [from_hex(item["result_hash"]) for item in payload["results"]]
        told = dict(payload["report"])
        if self.envelopes:
            told["envelopes_hash"] = self._envelopes_hash()
            self.plot.change(self.validated, envelopes=self.envelopes)
            self.plot.change(self.plot.one("setpoints.issued"), envelopes=self.envelopes)
        if report is not None:
            told["mtus"] = [dict(item) for item in told["mtus"]]
            report(told)
        self.plot.change(
            self.validated,
            books_root=to_hex(places_root(books)),
            results_root=to_hex(places_root(results)),
            traded_mask=self._mask(item["mtu"] for item in payload["results"] if self._trades(item)),
            emptied_mask=self._mask(self.emptied),
            report=told,
            report_hash=to_hex(hash_json(told)),
        )

    def _envelopes_hash(self) -> str:
        """Over all points of the grid model, of each one's own envelopes."""
        points = [item["code"] for item in self.plot.one("area.defined").payload["grid_model"]["points"]]
        own = [[item for item in self.envelopes if item["point"] == point] for point in points]
        return to_hex(keccak(b"".join(map(hash_json, own))))

    def _mask(self, mtus: Iterable[int]) -> str:
        return f"0x{sum(1 << mtu - self.first_mtu for mtu in mtus):032x}"

    @staticmethod
    def _trades(result: Mapping[str, Any]) -> bool:
        return has_trade(OrderWord.unpack(int(word, 16)) for word in result["words"])

    def _sign(self, honest: bool) -> None:
        payload, plot = self.validated.payload, self.plot
        masks = [int(payload[name], 16) for name in ("traded_mask", "emptied_mask")]
        values = {
            "market": self.market_id,
            "session": self.session,
            "firstMtu": self.first_mtu,
            "count": payload["count"],
            "booksRoot": from_hex(payload["books_root"]),
            "resultsRoot": from_hex(payload["results_root"]),
            "tradedMask": masks[0],
            "emptiedMask": masks[1],
            "gridModelHash": from_hex(payload["grid_model_hash"]),
            "reportHash": from_hex(payload["report_hash"]),
            "deadline": payload["deadline"],
        }
        signature = plot.sign("dso", "Market", PROGRAM, values, honest=("dso",) if honest else ())
        plot.change(plot.one("program.signed"), signature=signature)
        close, record = plot.asked("closeSession"), plot.asked("recordProgram")
        plot.ask_otherwise(close, [*close.payload["args"][:2], payload["books_root"]])
        told = [payload["results_root"], str(masks[0]), masks[1], payload["grid_model_hash"], payload["report_hash"]]
        plot.ask_otherwise(record, [*record.payload["args"][:2], [*told, payload["deadline"]], signature])

    # ---- clearing

    def _send(self) -> None:
        """All that trades, in as many calls as on the day."""
        plot, results = self.plot, self.validated.payload["results"]
        books = [from_hex(item["book_hash"]) for item in plot.one("book.closed").payload["books"]]
        hashes = [from_hex(item["result_hash"]) for item in results]
        traded = [at for at, item in enumerate(results) if self._trades(item)]
        proofs = zip(places_proofs(hashes, traded), places_proofs(books, traded), strict=True)
        calls = [self._call(results[at], *proof) for at, proof in zip(traded, proofs, strict=True)]
        asked = self._calls()
        for number, step in enumerate(asked):
            end = None if number == len(asked) - 1 else (number + 1) * CLEARINGS_AT_ONCE
            args = [to_hex(self.market_id), calls[number * CLEARINGS_AT_ONCE : end]]
            plot.ask_otherwise(step, args)

    def _calls(self) -> list[Step]:
        """The calls that clear, as they are asked for."""
        return self.plot.all("chain.requested", lambda payload: payload["function"] == "clearMany")

    def _call(self, result: Payload, of_result: list[bytes], of_book: list[bytes]) -> list[Any]:
        words = [int(word, 16) for word in result["words"]]
        price = NO_PRICE if result["price_neur_per_wh"] is None else result["price_neur_per_wh"]
        return [
            [self.session, result["mtu"], price, len(words), 0],
            [to_hex(page) for page in page_hashes(words)],
            [str(word) for word in words],
            [[to_hex(node) for node in of_result], [to_hex(node) for node in of_book]],
        ]

    def _tell_cleared(self) -> None:
        """One fact for each MTU that trades, and the session's end."""
        plot = self.plot
        told = plot.all("mtu.cleared")
        like = {step.payload["mtu"]: step for step in told}
        traded = {item["mtu"]: item for item in self.validated.payload["results"] if self._trades(item)}
        plot.remove(*(step for mtu, step in like.items() if mtu not in traded))
        sent = {step.payload["key"]: step.payload["tx_hash"] for step in plot.all("chain.signed")}
        calls = [sent[step.payload["key"]] for step in self._calls()]
        for at, (mtu, result) in enumerate(traded.items()):
            if mtu not in like:
                like[mtu] = plot.add("mtu.cleared", told[-1].payload, after=plot.all("mtu.cleared")[-1])
            names = ("mtu", "price_neur_per_wh", "words", "result_hash")
            call = calls[min(at // CLEARINGS_AT_ONCE, len(calls) - 1)]
            plot.change(like[mtu], tx_hash=call, **{name: result[name] for name in names})
        done = plot.one("session.done")
        plot.change(done, cleared_mask=self._mask(traded))
        (session,) = basis_of(plot.steps).sessions
        plot.change(done, clearing_root=to_hex(chain_clearing_root(bytes(32), session.done)))
