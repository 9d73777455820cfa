"""Trading of a small day: a program opens, orders and schedules come in, the gate closes the books."""

from __future__ import annotations

from domain.eip712 import CANCEL
from domain.hashing import text_id, to_hex
from domain.merkle import places_root
from domain.orders import Order, schedule_digest, tag_of
from domain.words import Side, book_hash, words_hash
from tests.unit.verifier.fake_chain import AREA, COUNT, FIRST, GATE, MARKET, address, key_of, noise, sign
from tests.unit.verifier.journal import Emits, Payload
from tests.unit.verifier.registering import HOUSEHOLDS, Registering

ACCEPTED, CANCELLED = 1, 2
"""Kinds of a receipt."""

ORDER_RULES = {"receipts": 1}

RESULT_BITS = 0xFFFFFFFFFFFF << 24
"""Bits of cap and accepted lots: zero in a masked word."""


class Trading(Registering):
    """Opens programs, takes orders, closes books."""

    def __init__(self) -> None:
        super().__init__()
        self.orders: dict[str, tuple[Order, str | None]] = {}  # live ones and their points by tag
        self.accepted: dict[str, Payload] = {}  # payloads of `order.accepted` by tag
        self.agents: dict[str, tuple[str, str]] = {}  # keys that sign for a party, and the tags of their mandates
        self.books_root: dict[int, bytes] = {}
        self.schedules = {
            "p1": [-400, -300, -50, -50, 0],
            "p2": [-200, 0, 90, 60, 10],
            "p3": [330, 120, 40, 20, 10],
        }

    # ---- programs

    def open(self) -> None:
        """Period and program of the day."""
        self.open_session(GATE, 1, FIRST, COUNT)

    def open_session(self, session: int, number: int, first: int, count: int, *, period_count: int = 0) -> None:
        """A period and a session of the same MTUs, or of its first ones."""
        area, whole = text_id(AREA), period_count or count
        self.fact("period.declared", {"area": AREA, "period": number, "first_mtu": first, "count": whole})
        types = "bytes32*,uint32*,uint32,uint32,uint64"
        declared = Emits("PeriodDeclared", types, [area, number, first, whole, self.chain.now])
        self.send("operator", "Calendar", "declarePeriod", [to_hex(area), first, whole], declared)
        self.open_another(session, number, first, count)

    def open_another(self, session: int, number: int, first: int, count: int) -> None:
        """A session within a period."""
        market, span = text_id(MARKET), {"first_mtu": first, "count": count}
        self.fact("session.opened", {"market": MARKET, "area": AREA, "session": session, "period": number, **span})
        types = "bytes32*,uint64*,uint32*,uint32,uint32"
        opened = Emits("SessionOpened", types, [market, session, number, first, count])
        args = [to_hex(market), session, number, first, count]
        self.send("operator", "Market", "openSession", args, opened)

    # ---- orders

    def order(self, who: str, mtu: int, side: Side, limit: int, lots: int, *, order_id: str, revision: int = 0) -> str:
        """Accept an order, in place of its earlier revision; its tag."""
        order = Order(
            market=text_id(MARKET),
            session=GATE,
            mtu=FIRST + mtu,
            side=side,
            limit_neur_per_wh=limit,
            quantity_lots=lots,
            account=key_of(who).address,
            order_id=noise(f"id{who}{order_id}")[:16],
            revision=revision,
            salt=noise(f"order{who}{order_id}{revision}"),
        )
        device, digest = self._signer(who), order.digest(self.market_domain)
        tag, point = to_hex(tag_of(digest)), HOUSEHOLDS.get(who)
        accepted: Payload = {
            "order": order.as_json(),
            "signature": to_hex(key_of(device).sign(digest)),
            "market": MARKET,
            "order_key": address(device),
            "tag": tag,
            "point": point,
            "market_time": self._before_the_gate(),
            "rules": ORDER_RULES,
            **self._mandate(who),
        }
        sequence = self.fact("order.accepted", accepted)
        self.receipt(sequence, order.mtu, tag, revision, ACCEPTED, accepted["market_time"])
        for other in [t for t, (known, _) in self.orders.items() if known.order_id == order.order_id]:
            del self.orders[other]
        self.orders[tag] = (order, point)
        self.accepted[tag] = accepted
        return tag

    def cancel(self, who: str, tag: str) -> None:
        """Withdraw an order."""
        order, _ = self.orders.pop(tag)
        device, revision = self._signer(who), order.revision + 1
        signed = {"market": order.market, "session": order.session, "mtu": order.mtu}
        signed |= {"orderId": order.order_id, "revision": revision}
        cancelled: Payload = {
            "market": MARKET,
            "session": order.session,
            "mtu": order.mtu,
            "order_id": to_hex(order.order_id),
            "revision": revision,
            "account": address(who),
            "order_key": address(device),
            "tag": tag,
            "signature": sign(device, CANCEL, signed, "Market"),
            "market_time": self._before_the_gate(),
            "rules": ORDER_RULES,
            **self._mandate(who),
        }
        sequence = self.fact("order.cancelled", cancelled)
        self.receipt(sequence, order.mtu, tag, revision, CANCELLED, cancelled["market_time"])

    def nominate(self, who: str, point: str, *, session: int = GATE, net_wh: list[int] | None = None) -> None:
        """A point's schedule, signed by its household; the day's own where none is given."""
        device, net_wh = self.devices[who], net_wh or self.schedules[point]
        place: Payload = {"market": text_id(MARKET), "session": session, "first_mtu": FIRST, "point": text_id(point)}
        digest = schedule_digest(domain=self.market_domain, **place, net_wh=net_wh, revision=0)
        nominated = {
            "market": MARKET,
            "session": session,
            "first_mtu": FIRST,
            "point": point,
            "net_wh": net_wh,
            "revision": 0,
            "account": address(who),
            "order_key": address(device),
            "signature": to_hex(key_of(device).sign(digest)),
            "market_time": session - 500,
        }
        self.fact("schedule.nominated", nominated)

    def _signer(self, who: str) -> str:
        """The key that signs a party's orders: its agent's, else its device's."""
        return self.agents[who][0] if who in self.agents else self.devices[who]

    def _mandate(self, who: str) -> Payload:
        """The member that names an agent's mandate."""
        return {"mandate": self.agents[who][1]} if who in self.agents else {}

    def _before_the_gate(self) -> int:
        return GATE - 1_000 + len(self.entries)

    def trade(self) -> None:
        """A tie, a change, a cancel, keys that supersede each other, a schedule; then the books close."""
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
        self.nominate("h1", "p1")
        self.chain.now = GATE
        self.close_session(GATE, FIRST, [self.book(mtu) for mtu in range(COUNT)])

    # ---- books

    def tags(self, mtu: int) -> list[str]:
        """Tags of the live orders of an MTU, ascending; MTUs are counted from the day's first."""
        return sorted(tag for tag, (order, _) in self.orders.items() if order.mtu == FIRST + mtu)

    def book(self, mtu: int) -> Payload:
        """The book of an MTU as it is committed, without caps and results."""
        tags = self.tags(mtu)
        words = [self.orders[tag][0].word(tag=bytes.fromhex(tag[2:])).pack() & ~RESULT_BITS for tag in tags]
        place = {"market": text_id(MARKET), "session": GATE, "mtu": FIRST + mtu}
        hashes = {"chain": to_hex(words_hash(words)), "book_hash": to_hex(book_hash(**place, words=words))}
        return {"mtu": FIRST + mtu, "tags": tags, **hashes}

    def empty_book(self, session: int, mtu: int) -> Payload:
        """A book without an order."""
        hashed = book_hash(market=text_id(MARKET), session=session, mtu=mtu, words=[])
        return {"mtu": mtu, "tags": [], "chain": to_hex(words_hash([])), "book_hash": to_hex(hashed)}

    def close_session(self, session: int, first: int, books: list[Payload]) -> None:
        """Commit the books of a session."""
        head = {"market": MARKET, "session": session, "first_mtu": first, "count": len(books)}
        self.fact("book.closed", {**head, "books": books})
        self.books_root[session] = places_root([bytes.fromhex(book["book_hash"][2:]) for book in books])
        values = [text_id(MARKET), session, self.books_root[session]]
        event = Emits("SessionClosed", "bytes32*,uint64*,bytes32", values)
        args = [to_hex(text_id(MARKET)), session, to_hex(self.books_root[session])]
        self.send("operator", "Market", "closeSession", args, event)
