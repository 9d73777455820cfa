"""Programs: caps, the auction, results, the report, and what the chain clears (section 3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from tests.golden.second.orders import RESULT_BITS, Live, Word, shown, values_hash
from tests.golden.second.primitives import (
    NO_CAP,
    NO_PRICE,
    Json,
    chained,
    digest_of,
    encoded,
    hash_of,
    hexed,
    id_of,
    keccak,
    page_hashes,
    places_root,
    raw,
    signer_of,
)
from tests.golden.second.registry import policy_hash_at

CAPS = ("import_cap_wh", "export_cap_wh")


@dataclass
class Before:
    """What sessions with earlier gates left: their orders, programs and nominations, by gate."""

    trades: list[tuple[int, str, int]]  # MTU, point, net Wh
    envelopes: list[Json]
    nominated: dict[str, dict[int, int]]
    clearing_root: bytes


@dataclass(frozen=True)
class Cleared:
    """The result of one MTU."""

    words: list[Word]
    volume: int
    price: int | None


# ---- what a program stands on


def tightest(items: Iterable[Json], name: str) -> int | None:
    """The lowest of caps; None where there is none."""
    return min((item[name] for item in items if item[name] is not None), default=None)


def earlier_of(before: Before, mtus: range) -> list[Json]:
    """Positions and caps of sessions with earlier gates, by MTU, then point."""
    places = {(mtu, point) for mtu, point, _ in before.trades} | {(e["mtu"], e["point"]) for e in before.envelopes}
    found = []
    for mtu, point in sorted(places):
        net = sum(wh for at, of, wh in before.trades if (at, of) == (mtu, point))
        own = [item for item in before.envelopes if (item["mtu"], item["point"]) == (mtu, point)]
        caps = {name: tightest(own, name) for name in CAPS}
        if mtu in mtus and (net or any(cap is not None for cap in caps.values())):
            found.append({"point": point, "mtu": mtu, "net_wh": net, **caps})
    return found


def schedules_of(session: Json, before: Before, points: list[str], mtus: range) -> dict[str, list[int]]:
    """Net Wh by point: the nomination of the latest gate that holds an MTU, else the forecast."""
    for sent in session["sent"]:
        if sent["kind"] == "schedule.nominated":
            before.nominated.setdefault(sent["point"], {}).update(enumerate(sent["net_wh"], sent["first_mtu"]))
    found = {}
    for point in sorted(points):
        forecast = dict(zip(mtus, session["forecasts"].get(point, []), strict=False))
        found[point] = [(forecast | before.nominated.get(point, {}))[mtu] for mtu in mtus]
    return found


# ---- one MTU


def capped(orders: list[Live], envelopes: list[Json], earlier: list[Json], lot_wh: int) -> list[Word]:
    """The words of an MTU with their caps."""
    caps: dict[int, int] = {}
    for envelope in envelopes:
        net = sum(item["net_wh"] for item in earlier if item["point"] == envelope["point"])
        for side, cap, more in ((1, envelope["export_cap_wh"], net), (0, envelope["import_cap_wh"], -net)):
            if cap is None:
                continue
            left = max(cap + more, 0) // lot_wh
            mine = [item.word for item in orders if item.point == envelope["point"] and item.word.side == side]
            for word in sorted(mine, key=lambda word: (word.limit if side else -word.limit, word.tag)):
                caps[word.tag] = min(word.quantity, left)
                left -= caps[word.tag]
    return [replace(item.word, cap=caps.get(item.word.tag, NO_CAP)) for item in orders]


def shared(words: list[Word], left: int) -> dict[int, int]:
    """Lots at the margin: pro rata by effective quantity, the rest one each in ascending tag."""
    whole = sum(word.effective for word in words)
    lots = {word.tag: left * word.effective // whole for word in words}
    for tag in sorted(lots)[: left - sum(lots.values())]:
        lots[tag] += 1
    return lots


def cleared(words: list[Word]) -> Cleared:
    """The auction: greatest welfare, then greatest volume; uniform price."""
    asks = [word for word in words if word.side and word.effective]
    bids = [word for word in words if not word.side and word.effective]
    limits = {word.limit for word in (*asks, *bids)}
    volume = max(
        (
            min(sum(a.effective for a in asks if a.limit <= at), sum(b.effective for b in bids if b.limit >= at))
            for at in limits
        ),
        default=0,
    )
    if not volume:
        return Cleared(words, 0, None)
    accepted: dict[int, int] = {}
    for side, sign in ((asks, 1), (bids, -1)):
        left = volume
        for limit in sorted({word.limit for word in side}, key=lambda at: sign * at):
            at_limit = [word for word in side if word.limit == limit]
            lots = min(left, sum(word.effective for word in at_limit))
            accepted |= shared(at_limit, lots)
            left -= lots
    result = [replace(word, accepted=accepted.get(word.tag, 0)) for word in words]
    last_ask, next_ask = margin(result, 1)
    last_bid, next_bid = margin(result, 0)
    low = max(at for at in (last_ask, next_bid) if at is not None)
    high = min(at for at in (last_bid, next_ask) if at is not None)
    return Cleared(result, volume, low + (high - low) // 2)


def margin(words: list[Word], side: int) -> tuple[int | None, int | None]:
    """The worst limit accepted of a side, and the best that is not accepted in full."""
    worst, best = (max, min) if side else (min, max)
    mine = [word for word in words if word.side == side]
    last = worst((word.limit for word in mine if word.accepted), default=None)
    return last, best((word.limit for word in mine if word.accepted < word.effective), default=None)


def margin_values(result: Cleared, side: int) -> Json | None:
    """The margin of a side, with the lots left for the orders at it."""
    if not result.volume:
        return None
    last, following = margin(result.words, side)
    left = sum(word.accepted for word in result.words if word.side == side and word.limit == last)
    return {"last_neur_per_wh": last, "left_lots": left, "next_neur_per_wh": following}


def result_values(market: str, gate: int, mtu: int, result: Cleared, *, given_up: bool) -> Json:
    """All of one MTU's result."""
    words = [word.pack() for word in result.words]
    pages = page_hashes(words)
    price = NO_PRICE if result.price is None else result.price
    hashed = keccak(encoded(id_of(market), gate, mtu, price, chained(pages), len(words)))
    return {
        "mtu": mtu,
        "given_up": given_up,
        "orders": [
            {
                "tag": word.tag_hex,
                "cap_lots": None if word.cap == NO_CAP else word.cap,
                "effective_lots": word.effective,
                "accepted_lots": word.accepted,
            }
            for word in result.words
        ],
        "volume_lots": result.volume,
        "bids": margin_values(result, 0),
        "asks": margin_values(result, 1),
        "price_neur_per_wh": result.price,
        "words": [shown(word) for word in words],
        "page_hashes": [hexed(page) for page in pages],
        "result_hash": hexed(hashed),
    }


# ---- the whole program


def is_emptied(result: Json, book: Json) -> bool:
    """Nothing trades, though the committed book crosses or the result is not over it."""
    if result["volume_lots"]:
        return False
    masked = [shown(int(word, 16) & ~RESULT_BITS) for word in result["words"]]
    if masked != book["masked_words"]:
        return True
    words = [int(text, 16) for text in book["masked_words"]]
    limits = [((word >> 96) % 2**32 + 2**31) % 2**32 - 2**31 for word in words]
    bids = [limit for limit, word in zip(limits, words, strict=True) if not word & 1]
    asks = [limit for limit, word in zip(limits, words, strict=True) if word & 1]
    return bool(bids and asks) and max(bids) >= min(asks)


def mask(flags: Iterable[bool]) -> int:
    """Bit i stands for the first MTU + i."""
    return sum(1 << at for at, flag in enumerate(flags) if flag)


def report_of(inputs: Json, session: Json, schedules: dict[str, list[int]], hashes: Json) -> Json:
    """The report: what the power flow gave, and what follows from schedules and envelopes."""
    first, mtus = session["opened"]["first_mtu"], []
    for at, state in enumerate(session["states"]):
        own = [item for item in session["envelopes"] if item["mtu"] == first + at]
        held = {"import": 0, "export": 0}
        for item in own:
            net = schedules[item["point"]][at]
            for way, flow in (("import", net), ("export", -net)):
                if item[f"{way}_cap_wh"] is not None:
                    held[way] += max(flow - item[f"{way}_cap_wh"], 0)
        counts = {"capped_import_wh": held["import"], "capped_export_wh": held["export"], "capped_points": len(own)}
        mtus.append(state | counts)
    grid = inputs["area"]["grid_model"]
    return {
        "format": "dominoes-report/2",
        "grid": grid["code"],
        "grid_model_hash": hexed(hash_of(grid)),
        **hashes,
        "policy_hash": policy_hash_at(inputs, first),
        "first_mtu": first,
        "count": session["opened"]["count"],
        "lot_wh": inputs["market"]["lot_wh"],
        "rounds_max": session["rounds_max"],
        "fallbacks": session["fallbacks"],
        "mtus": mtus,
    }


def program_values(inputs: Json, session: Json, book: Json, orders: list[Live], before: Before) -> Json:
    """A session's program; `before` takes in what it leaves."""
    head, market, lot_wh = session["opened"], inputs["market"]["market"], inputs["market"]["lot_wh"]
    gate, mtus = head["session"], range(head["first_mtu"], head["first_mtu"] + head["count"])
    points = [point["code"] for point in inputs["area"]["grid_model"]["points"]]
    earlier, schedules = earlier_of(before, mtus), schedules_of(session, before, points, mtus)
    results = []
    for mtu, state in zip(mtus, session["states"], strict=True):
        own = [item for item in orders if item.order["mtu"] == mtu]
        words = capped(
            own,
            [item for item in session["envelopes"] if item["mtu"] == mtu],
            [item for item in earlier if item["mtu"] == mtu],
            lot_wh,
        )
        result = Cleared([], 0, None) if state["given_up"] else cleared(words)
        results.append(result_values(market, gate, mtu, result, given_up=state["given_up"]))
        if result.volume:
            before.trades += trades_of(result, own, mtu, lot_wh)
    before.envelopes += session["envelopes"]
    hashes = {name: values_hash(net_wh) for name, net_wh in schedules.items()}
    own_hashes = {p: hash_of([e for e in session["envelopes"] if e["point"] == p]) for p in points}
    program: Json = {
        "session": gate,
        "schedules": schedules,
        "values_hashes": {point: hexed(hashes[point]) for point in sorted(points)},
        "own_envelopes_hashes": {point: hexed(own_hashes[point]) for point in points},
        "schedules_hash": hexed(keccak(b"".join(hashes[point] for point in points))),
        "envelopes_hash": hexed(keccak(b"".join(own_hashes[point] for point in points))),
        "earlier": earlier,
        "earlier_hash": hexed(hash_of(earlier)),
        "mtus": results,
        "results_root": hexed(places_root([raw(item["result_hash"]) for item in results])),
        "traded_mask": f"0x{mask(item['volume_lots'] > 0 for item in results):032x}",
        "emptied_mask": f"0x{mask(map(is_emptied, results, book['books'])):032x}",
        "deadline": gate + inputs["market"]["sign_seconds"],
        "rounds": max(state["rounds"] for state in session["states"]),
    }
    names = ("schedules_hash", "envelopes_hash", "earlier_hash")
    program["report"] = report_of(inputs, session, schedules, {name: program[name] for name in names})
    program["report_hash"] = hexed(hash_of(program["report"]))
    return program | signed_values(inputs, session, book, program) | done_values(session, market, book, program, before)


def trades_of(result: Cleared, orders: list[Live], mtu: int, lot_wh: int) -> list[tuple[int, str, int]]:
    """What points bought and sold, net Wh."""
    point_of = {item.word.tag: item.point for item in orders}
    return [
        (mtu, point, word.accepted * lot_wh * (-1 if word.side else 1))
        for word in result.words
        if word.accepted and (point := point_of[word.tag]) is not None
    ]


def signed_values(inputs: Json, session: Json, book: Json, program: Json) -> Json:
    """What the DSO signed, and who that was."""
    values: dict[str, Any] = {
        "market": id_of(inputs["market"]["market"]),
        "session": program["session"],
        "firstMtu": session["opened"]["first_mtu"],
        "count": session["opened"]["count"],
        "booksRoot": book["books_root"],
        "resultsRoot": program["results_root"],
        "tradedMask": int(program["traded_mask"], 16),
        "emptiedMask": int(program["emptied_mask"], 16),
        "gridModelHash": program["report"]["grid_model_hash"],
        "reportHash": program["report_hash"],
        "deadline": program["deadline"],
    }
    digest = digest_of(inputs["chain"], "Market", "Program", values)
    return {"digest": hexed(digest), "signer": signer_of(digest, session["dso_signature"])}


def done_values(session: Json, market: str, book: Json, program: Json, before: Before) -> Json:
    """What was cleared, and the running root after the session's end."""
    cleared_mtus = [item["mtu"] for item in session["cleared"]]
    bits = sum(1 << (mtu - session["opened"]["first_mtu"]) for mtu in cleared_mtus)
    masks = (int(program["traded_mask"], 16), int(program["emptied_mask"], 16), bits)
    roots = (raw(book["books_root"]), raw(program["results_root"]))
    place = (before.clearing_root, id_of(market), program["session"])
    before.clearing_root = keccak(encoded(*place, *roots, *masks))
    return {"cleared_mtus": cleared_mtus, "clearing_root": hexed(before.clearing_root)}
