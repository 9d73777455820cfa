"""Orders and what agents may send (sections 3 and 10), their words, and books."""

from __future__ import annotations

from dataclasses import dataclass

from tests.golden.second.primitives import (
    NO_CAP,
    Json,
    chained,
    digest_of,
    encoded,
    hexed,
    id_of,
    keccak,
    page_hashes,
    places_root,
    raw,
    signer_of,
)
from tests.golden.second.registry import members_of, snake

RESULT_BITS = (2**48 - 1) << 24
"""Cap and accepted, which are zero in a masked word."""


@dataclass(frozen=True)
class Word:
    """An order in a book. Tag, limit, quantity, cap and accepted lots; side 0 = bid, 1 = ask."""

    tag: int
    side: int
    limit: int
    quantity: int
    cap: int = NO_CAP
    accepted: int = 0

    @property
    def effective(self) -> int:
        """What may be traded."""
        return min(self.quantity, self.cap)

    def pack(self) -> int:
        """tag:128 | limit:int32 | quantity:uint24 | cap:uint24 | accepted:uint24 | flags:uint24."""
        head = self.tag << 128 | self.limit % 2**32 << 96
        return head | self.quantity << 72 | self.cap << 48 | self.accepted << 24 | self.side

    @property
    def tag_hex(self) -> str:
        """The tag as text."""
        return f"0x{self.tag:032x}"


def shown(word: int) -> str:
    """A word as text."""
    return f"0x{word:064x}"


def digest_of_sent(chain: Json, sent: Json) -> bytes:
    """What a device signed."""
    if sent["kind"] == "order.accepted":
        return digest_of(chain, "Market", "Order", sent["order"])
    if sent["kind"] == "mandate.revoked":
        return digest_of(chain, "Market", "MandateRevocation", sent)
    if sent["kind"] == "mandate.granted":
        mandate = sent["mandate"]
        return digest_of(chain, "Market", "Mandate", {name: mandate[snake(name)] for name in members_of("Mandate")})
    values = {"market": id_of(sent["market"]), "session": sent["session"], "revision": sent["revision"]}
    if sent["kind"] == "order.cancelled":
        return digest_of(chain, "Market", "Cancel", values | {"mtu": sent["mtu"], "orderId": sent["order_id"]})
    values |= {"firstMtu": sent["first_mtu"], "point": id_of(sent["point"])}
    return digest_of(chain, "Market", "Schedule", values | {"valuesHash": values_hash(sent["net_wh"])})


def values_hash(net_wh: list[int]) -> bytes:
    """`valuesHash` of a schedule."""
    return keccak(b"".join(value.to_bytes(4, "big", signed=True) for value in net_wh))


def word_of(order: Json, tag: bytes) -> Word:
    """The word of an order that is not cleared."""
    limit, quantity = order["limitPriceNeurPerWh"], order["quantityLots"]
    return Word(int.from_bytes(tag, "big"), order["side"], limit, quantity)


@dataclass(frozen=True)
class Live:
    """An order that stands in its book."""

    order: Json
    point: str | None
    word: Word


Mandates = dict[tuple[str, str], tuple[str, Json]]
"""The last mandate of each account and agent: its tag, and what it says."""


def sent_values(inputs: Json, session: Json, mandates: Mandates) -> list[Json]:
    """Of each message what follows from it; `mandates` are those that stand, and takes in what becomes of them."""
    rows, tag_of = [], {}
    for sent in session["sent"]:
        own: Json = {}
        if sent["kind"] == "mandate.revoked":
            own["mandate"], _ = mandates.pop((sent["account"], sent["agent"]))
        digest = digest_of_sent(inputs["chain"], sent | own)
        tag = hexed(digest[:16])
        if sent["kind"] == "order.accepted":
            order = sent["order"]
            own = {"tag": tag, "word": shown(word_of(order, digest[:16]).pack())}
            tag_of[order["account"], order["orderId"]] = tag
            own |= under_mandate(sent, mandates)
        elif sent["kind"] == "order.cancelled":
            own = {"tag": tag_of[sent["account"], sent["order_id"]]}
        elif sent["kind"] == "schedule.nominated":
            own = {"values_hash": hexed(values_hash(sent["net_wh"]))}
        else:
            own = {"tag": tag, **own}
        if sent["kind"] == "mandate.granted":
            mandate = sent["mandate"]
            mandates[mandate["account"], mandate["agent"]] = tag, mandate
        signer = signer_of(digest, sent["signature"])
        rows.append({"kind": sent["kind"], "digest": hexed(digest), **own, "signer": signer})
    return rows


def under_mandate(sent: Json, mandates: Mandates) -> Json:
    """Of an order that an agent signed: its mandate, and what of the order is not in it."""
    order = sent["order"]
    if (order["account"], sent["order_key"]) not in mandates:
        return {}
    tag, mandate = mandates[order["account"], sent["order_key"]]
    limit, prices = order["limitPriceNeurPerWh"], ("highest_buy_neur_per_wh", "lowest_sell_neur_per_wh")
    highest, lowest = (mandate[name] for name in prices)
    asked = {
        "market": sent["market"] in mandate["markets"],
        "point": sent["point"] in mandate["points"] if sent["point"] else not mandate["points"],
        "mtu": mandate["from_mtu"] <= order["mtu"] < mandate["to_mtu"],
        "limit": limit >= lowest if order["side"] else limit <= highest,
    }
    return {"mandate": tag, "outside": [name for name, within in asked.items() if not within]}


def live(session: Json, rows: list[Json]) -> list[Live]:
    """The last revisions that were not withdrawn, by MTU and tag."""
    found: dict[tuple[str, str], Live] = {}
    for sent, row in zip(session["sent"], rows, strict=True):
        if sent["kind"] == "order.accepted":
            order = sent["order"]
            found[order["account"], order["orderId"]] = Live(order, sent["point"], word_of(order, raw(row["tag"])))
        elif sent["kind"] == "order.cancelled":
            del found[sent["account"], sent["order_id"]]
    return sorted(found.values(), key=lambda item: (item.order["mtu"], item.word.tag))


def book_values(market: str, session: Json, orders: list[Live]) -> Json:
    """The books of a session as they are committed."""
    gate, first = session["opened"]["session"], session["opened"]["first_mtu"]
    books = []
    for mtu in range(first, first + session["opened"]["count"]):
        words = [item.word for item in orders if item.order["mtu"] == mtu]
        masked = [word.pack() & ~RESULT_BITS for word in words]
        chain = chained(page_hashes(masked))
        books.append(
            {
                "mtu": mtu,
                "tags": [word.tag_hex for word in words],
                "masked_words": [shown(word) for word in masked],
                "page_hashes": [hexed(item) for item in page_hashes(masked)],
                "chain": hexed(chain),
                "book_hash": hexed(keccak(encoded(id_of(market), gate, mtu, chain, len(words)))),
            }
        )
    root = places_root([raw(book["book_hash"]) for book in books])
    return {"session": gate, "books": books, "books_root": hexed(root)}
