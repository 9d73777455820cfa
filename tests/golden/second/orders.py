"""Orders, their words, and books (section 3)."""

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


def sent_values(inputs: Json, session: Json) -> list[Json]:
    """Of each message what follows from it."""
    rows, tag_of = [], {}
    for sent in session["sent"]:
        digest = digest_of_sent(inputs["chain"], sent)
        own: Json = {}
        if sent["kind"] == "order.accepted":
            order = sent["order"]
            own = {"tag": hexed(digest[:16]), "word": shown(word_of(order, digest[:16]).pack())}
            tag_of[order["account"], order["orderId"]] = own["tag"]
        elif sent["kind"] == "order.cancelled":
            own = {"tag": tag_of[sent["account"], sent["order_id"]]}
        else:
            own = {"values_hash": hexed(values_hash(sent["net_wh"]))}
        signer = signer_of(digest, sent["signature"])
        rows.append({"kind": sent["kind"], "digest": hexed(digest), **own, "signer": signer})
    return rows


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
