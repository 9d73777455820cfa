"""Settlements: positions, lines, statements, words (sections 5 and 8; evidence.md section 5)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from tests.golden.second.primitives import (
    SETTLEMENT_PAGE,
    ZERO,
    Json,
    canonical,
    chained,
    digest_of,
    encoded,
    hash_of,
    hexed,
    id_of,
    keccak,
    merkle_proof,
    merkle_root,
    page_hashes,
    raw,
    signer_of,
)
from tests.golden.second.programs import tightest
from tests.golden.second.registry import end_of, payloads, takes_part

SIGNS = (("import", 1), ("export", -1))
"""What is drawn counts positive in a balancing entry."""

NO_ACCOUNT = "0x" + "00" * 20
"""The clearing pool."""

TARIFF_OF = {
    "residual_supply": "supply",
    "residual_feed_in": "feed_in",
    "imbalance_surplus": "imbalance_surplus",
    "imbalance_shortfall": "imbalance_shortfall",
    "excess_export": "excess",
    "excess_import": "excess",
    "grid_fee_local": "grid_fee_local",
    "grid_fee": "grid_fee",
    "levy": "levy",
    "curtailment_compensation": "compensation",
    "balancing_shortfall": "imbalance_shortfall",
    "balancing_surplus": "imbalance_surplus",
}
"""The tariff's price of each kind, in the order of section 8."""

CREDITS = ("local_sale", "residual_feed_in", "imbalance_surplus", "curtailment_compensation", "balancing_surplus")
"""Kinds whose amount is the account's credit at a positive price."""

OTHER_SIDE = {
    **dict.fromkeys(("residual_supply", "residual_feed_in", "imbalance_surplus", "imbalance_shortfall"), "retailer"),
    **dict.fromkeys(
        ("excess_export", "excess_import", "grid_fee_local", "grid_fee", "curtailment_compensation"), "dso"
    ),
    **dict.fromkeys(("balancing_shortfall", "balancing_surplus"), "dso"),
    "levy": "tax",
}

TAXED = (
    "local_purchase",
    "residual_supply",
    "imbalance_shortfall",
    "excess_export",
    "excess_import",
    "grid_fee_local",
    "grid_fee",
    "levy",
    "balancing_shortfall",
)


@dataclass(frozen=True)
class Trade:
    """What an order traded."""

    account: str
    session: int
    market: str
    mtu: int
    side: int
    wh: int
    price: int
    tag: str


@dataclass(frozen=True)
class Terms:
    """The versions valid for an account at an MTU."""

    agreement: Json
    tariff: Json


@dataclass(frozen=True)
class Household:
    """An account with its point, its trades and its readings."""

    account: str
    point: str
    trades: list[Trade]
    metered: dict[int, list[tuple[Json, str]]]  # readings with their hashes by MTU


# ---- what a settlement depends on


def trades_of(inputs: Json, orders: list[list[Json]], programs: list[Json]) -> Iterator[Trade]:
    """All trades of the sessions that are over."""
    for session, rows, program in zip(inputs["sessions"], orders, programs, strict=True):
        by_tag = {
            row["tag"]: sent["order"]
            for sent, row in zip(session["sent"], rows, strict=True)
            if sent["kind"] == "order.accepted"
        }
        for result in program["mtus"]:
            if result["mtu"] not in program["cleared_mtus"]:
                continue
            for item in result["orders"]:
                if item["accepted_lots"]:
                    order, wh = by_tag[item["tag"]], item["accepted_lots"] * inputs["market"]["lot_wh"]
                    market = inputs["market"]["market"]
                    place = (order["account"], program["session"], market, result["mtu"], order["side"])
                    yield Trade(*place, wh, result["price_neur_per_wh"], item["tag"])


def last_readings(attestations: Iterable[Json]) -> dict[int, list[Json]]:
    """The readings of each MTU in their highest revision."""
    return {row["mtu"]: row["readings"] for row in attestations if not row.get("unread")}


def households(inputs: Json, trades: list[Trade], attestations: list[Json]) -> Iterator[Household]:
    """Households with all that is theirs, ascending by account."""
    point_of = {meter["meter"]: meter["point"] for meter in payloads(inputs, "meter.registered")}
    metered: dict[str, dict[int, list[tuple[Json, str]]]] = defaultdict(lambda: defaultdict(list))
    for mtu, rows in last_readings(attestations).items():
        for row in rows:
            metered[point_of[row["reading"]["meter"]]][mtu].append((row["reading"], row["reading_hash"]))
    for party in sorted(payloads(inputs, "participant.registered"), key=lambda item: item["account"]):
        if party["kind"] == "household":
            own = [trade for trade in trades if trade.account == party["account"]]
            yield Household(party["account"], party["point"], own, metered[party["point"]])


def newest(versions: Iterable[Json], name: str, mtu: int) -> Json | None:
    """Greatest `valid_from_mtu` up to the MTU, then greatest version, then greatest id."""
    begun = [item for item in versions if item["valid_from_mtu"] <= mtu]
    return max(begun, key=lambda item: (item["valid_from_mtu"], item["version"], item[name]), default=None)


def terms_at(inputs: Json, account: str, mtu: int) -> Terms | None:
    """Agreement and tariff version of an account."""
    mine = [item for item in payloads(inputs, "agreement.signed") if item["account"] == account]
    ends = {item["agreement"]: end_of(inputs, "agreement", item["agreement"]) for item in mine}
    begun = [item for item in mine if item["valid_from_mtu"] < ends[item["agreement"]]]
    agreement = newest(begun, "agreement", mtu)
    if agreement is None or mtu >= ends[agreement["agreement"]] or not takes_part(inputs, account, mtu):
        return None
    versions = [item for item in payloads(inputs, "tariff.published") if item["tariff"] == agreement["tariff"]]
    tariff = newest(versions, "tariff", mtu)
    return None if tariff is None else Terms(agreement, tariff)


def terms_hash(used: Iterable[Terms]) -> str:
    """`terms_hash` and `tariffHash`."""
    tariffs = {(one.tariff["tariff"], one.tariff["version"]): one.tariff for one in used}
    agreements = {(one.agreement["agreement"], one.agreement["version"]): one.agreement for one in used}
    rows = [(*key, 0, item) for key, item in tariffs.items()] + [(*key, 1, item) for key, item in agreements.items()]
    return hexed(hash_of([item for *_, item in sorted(rows, key=lambda row: row[:3])]))


def position(inputs: Json, programs: list[Json], home: Household, mtu: int) -> Json:
    """B, S, I, E and caps of a household in an MTU."""
    net = sum(trade.wh * (-1 if trade.side else 1) for trade in home.trades if trade.mtu == mtu)
    bought, sold = max(net, 0), max(-net, 0)
    is_there = takes_part(inputs, home.account, mtu)
    rows = home.metered.get(mtu) if is_there else None
    flows = [sum(reading[name] for reading, _ in rows) for name in ("import_wh", "export_wh")] if rows else None
    caps, scheduled = [], 0
    for session, program in zip(inputs["sessions"], programs, strict=True):
        own = [e for e in session["envelopes"] if is_there and (e["point"], e["mtu"]) == (home.point, mtu)]
        caps += own
        if own:
            scheduled = max(-program["schedules"][home.point][mtu - session["opened"]["first_mtu"]], 0)
    made_up = sum(sign * reading.get(f"balancing_{name}_wh", 0) for reading, _ in rows or () for name, sign in SIGNS)
    return ({"balancing_wh": made_up} if made_up else {}) | {
        "account": home.account,
        "mtu": mtu,
        "bought_wh": bought,
        "sold_wh": sold,
        "import_wh": flows[0] if flows else bought,
        "export_wh": flows[1] if flows else sold,
        "as_traded": not flows,
        "import_cap_wh": tightest(caps, "import_cap_wh"),
        "export_cap_wh": tightest(caps, "export_cap_wh"),
        "scheduled_export_wh": scheduled,
    }


# ---- lines


def energies(at: Json) -> dict[str, int]:
    """Energy of each kind, by section 8."""
    bought, sold, drawn, fed = (at[name] for name in ("bought_wh", "sold_wh", "import_wh", "export_wh"))
    import_cap, export_cap = at["import_cap_wh"], at["export_cap_wh"]
    capped = fed if export_cap is None else min(fed, export_cap)
    return {
        "residual_supply": max(drawn - bought, 0),
        "residual_feed_in": max(capped - sold, 0),
        "imbalance_surplus": max(bought - drawn, 0),
        "imbalance_shortfall": max(sold - fed, 0),
        "excess_export": 0 if export_cap is None else max(fed - max(export_cap, sold), 0),
        "excess_import": 0 if import_cap is None else max(drawn - import_cap, 0),
        "grid_fee_local": min(bought, drawn),
        "grid_fee": max(drawn - bought, 0),
        "levy": drawn,
        "curtailment_compensation": 0 if export_cap is None else max(at["scheduled_export_wh"] - export_cap, 0),
        "balancing_shortfall": max(at.get("balancing_wh", 0), 0),
        "balancing_surplus": max(-at.get("balancing_wh", 0), 0),
    }


def price_of(kind: str, tariff: Json, trades: list[Trade]) -> int:
    """The tariff's price; of a deviation the account's own where it traded in several sessions and that is worse."""
    price: int = tariff[f"{TARIFF_OF[kind]}_neur_per_wh"]
    if len({(trade.session, trade.market) for trade in trades}) < 2:
        return price
    if kind == "imbalance_surplus":
        return min([price, *(trade.price for trade in trades if trade.side == 0)])
    if kind == "imbalance_shortfall":
        return max([price, *(trade.price for trade in trades if trade.side == 1)])
    return price


def line(mtu: int, kind: str, wh: int, price: int, sign: int, **further: Any) -> Json:
    """A line of an MTU."""
    head = {"mtu": mtu, "kind": kind, "energy_wh": wh, "price_neur_per_wh": price}
    return head | {"amount_neur": str(sign * wh * price), **further}


def trade_lines(trades: list[Trade]) -> list[Json]:
    """What was bought, then what was sold, in each session."""
    sums: dict[tuple[int, int, int, str, int], int] = defaultdict(int)
    for trade in trades:
        sums[trade.mtu, trade.side, trade.session, trade.market, trade.price] += trade.wh
    return [
        line(mtu, ("local_purchase", "local_sale")[side], wh, price, 1 if side else -1, market=market, session=session)
        for (mtu, side, session, market, price), wh in sorted(sums.items())
    ]


def household_lines(home: Household, positions: list[Json], terms: dict[int, Terms | None]) -> list[Json]:
    """All lines of a household but VAT, by MTU, then in the order of section 8."""
    lines = trade_lines(home.trades)
    for at in positions:
        mtu, used = at["mtu"], terms[at["mtu"]]
        for kind, wh in energies(at).items():
            if not wh:
                continue
            if used is None:
                raise ValueError("energy without an agreement")
            own = [trade for trade in home.trades if trade.mtu == mtu]
            lines.append(line(mtu, kind, wh, price_of(kind, used.tariff, own), 1 if kind in CREDITS else -1))
    return sorted(lines, key=lambda item: item["mtu"])


def vat_lines(lines: list[Json], terms: dict[int, Terms | None]) -> list[Json]:
    """VAT of each rate over the taxed debits."""
    base: dict[int, int] = defaultdict(int)
    for item in lines:
        used = terms[item["mtu"]]
        if item["kind"] in TAXED and used is not None:
            base[used.tariff["vat_bp"]] -= min(int(item["amount_neur"]), 0)
    found = []
    for rate in sorted(base):
        amount = half_even(base[rate] * rate, 10_000)
        if amount:
            found.append({"kind": "vat", "vat_bp": rate, "base_neur": str(base[rate]), "amount_neur": str(-amount)})
    return found


def half_even(value: int, by: int) -> int:
    """A quotient, rounded half to even."""
    whole, rest = divmod(value, by)
    return whole + (2 * rest > by or (2 * rest == by and whole % 2 == 1))


@dataclass(frozen=True)
class Billed:
    """A household's lines, and under which terms each MTU's are."""

    home: Household
    lines: list[Json]
    vat: list[Json]
    terms: dict[int, Terms | None]


def mirror_lines(billed: list[Billed], party: Json) -> list[Json]:
    """The other side of households' lines: by MTU, kind, tariff, version and price."""
    order = list(TARIFF_OF)
    sums: dict[tuple[int, int, str, int, int], int] = defaultdict(int)
    for one in billed:
        for item in one.lines:
            used = one.terms[item["mtu"]]
            if OTHER_SIDE.get(item["kind"]) != party["kind"] or used is None:
                continue
            if party["kind"] == "retailer" and used.agreement["retailer"] != party["account"]:
                continue
            version = (used.tariff["tariff"], used.tariff["version"])
            place = (item["mtu"], order.index(item["kind"]), *version, item["price_neur_per_wh"])
            sums[place] += item["energy_wh"]
    found = []
    for (mtu, kind, tariff, version, price), wh in sorted(sums.items()):
        sign = -1 if order[kind] in CREDITS else 1
        found.append(line(mtu, order[kind], wh, price, sign, tariff=tariff, version=version))
    return found


def vat_mirror(billed: list[Billed]) -> list[Json]:
    """The sums of bases and amounts, by rate."""
    sums: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for one in billed:
        for item in one.vat:
            sums[item["vat_bp"]][0] += int(item["base_neur"])
            sums[item["vat_bp"]][1] -= int(item["amount_neur"])
    return [
        {"kind": "vat", "vat_bp": rate, "base_neur": str(base), "amount_neur": str(amount)}
        for rate, (base, amount) in sorted(sums.items())
    ]


# ---- statements


def opens(lines: list[Json], trades: list[Trade], one: Billed | None) -> list[Json]:
    """What the lines of each MTU open to; `one` is the household, None for a retailer."""
    mtus = sorted({item["mtu"] for item in lines}) if one else sorted({trade.mtu for trade in trades})
    found = []
    for mtu in mtus:
        tags = [sorted(trade.tag for trade in trades if (trade.mtu, trade.side) == (mtu, side)) for side in (0, 1)]
        row: Json = {"mtu": mtu, "bids": tags[0], "asks": tags[1]}
        if one is not None and (used := one.terms[mtu]) is not None:
            row["readings"] = [hashed for _, hashed in one.home.metered.get(mtu, [])]
            row |= {"agreement": used.agreement["agreement"], "agreement_version": used.agreement["version"]}
            row |= {"tariff": used.tariff["tariff"], "version": used.tariff["version"]}
        found.append(row)
    return found


def statement(inputs: Json, party: Json, revision: int, before: int, lines: list[Json], **own: Any) -> Json:
    """A statement."""
    period, amount = inputs["period"], sum(int(item["amount_neur"]) for item in lines)
    return {
        "account": party["account"],
        "area": period["area"],
        "period": period["number"],
        "revision": revision,
        "first_mtu": period["first_mtu"],
        "count": period["count"],
        "kind": party["kind"],
        "point": party["point"],
        **own,
        "lines": lines,
        "amount_neur": str(amount),
        "settled_before_neur": str(before),
        "due_neur": str(amount - before),
    }


def bill(inputs: Json, homes: list[Household], programs: list[Json], mtus: range) -> tuple[list[Json], list[Billed]]:
    """(positions, households' lines)."""
    positions, billed = [], []
    for home in homes:
        own = [position(inputs, programs, home, mtu) for mtu in mtus]
        terms = {mtu: terms_at(inputs, home.account, mtu) for mtu in mtus}
        lines = household_lines(home, own, terms)
        positions += own
        billed.append(Billed(home, lines, vat_lines(lines, terms), terms))
    return positions, billed


def statements(
    inputs: Json, billed: list[Billed], trades: list[Trade], revision: int, before: dict[str, int]
) -> list[Json]:
    """All statements, ascending by account."""
    found, bills = [], {one.home.account: one for one in billed}
    for party in sorted(payloads(inputs, "participant.registered"), key=lambda item: item["account"]):
        account, one = party["account"], bills.get(party["account"])
        own = [trade for trade in trades if trade.account == account]
        if one is not None:
            lines = [*one.lines, *one.vat]
            hashed = terms_hash([used for used in one.terms.values() if used is not None])
        else:
            lines = [*trade_lines(own), *mirror_lines(billed, party)]
            lines = sorted(lines, key=lambda item: item["mtu"])
            lines += vat_mirror(billed) if party["kind"] == "tax" else []
            hashed = hexed(ZERO)
        told = {"terms_hash": hashed, "opens": opens(one.lines if one else lines, own, one)}
        found.append(statement(inputs, party, revision, before.get(account, 0), lines, **told))
    return found


def postings(inputs: Json, billed: list[Billed], trades: list[Trade]) -> list[Json]:
    """What moves between two accounts, by kind: households' lines and everybody's trades."""
    account_of = {party["kind"]: party["account"] for party in payloads(inputs, "participant.registered")}
    sums: dict[tuple[str, str, str], int] = defaultdict(int)
    for trade in trades:
        kind, sign = ("local_sale", 1) if trade.side else ("local_purchase", -1)
        sums[trade.account, NO_ACCOUNT, kind] += sign * trade.wh * trade.price
    for one in billed:
        for item in one.lines:
            used = one.terms[item["mtu"]]
            if item["kind"] in OTHER_SIDE and used is not None:
                side = OTHER_SIDE[item["kind"]]
                other = used.agreement["retailer"] if side == "retailer" else account_of[side]
                sums[one.home.account, other, item["kind"]] += int(item["amount_neur"])
        for item in one.vat:
            sums[one.home.account, account_of["tax"], "vat"] += int(item["amount_neur"])
    return [
        {"account": account, "other": other, "kind": kind, "amount_neur": str(amount)}
        for (account, other, kind), amount in sorted(sums.items())
        if amount
    ]


# ---- agents


def under_mandates(inputs: Json, orders: list[list[Json]], trades: list[Trade]) -> list[Json]:
    """What agents' orders traded under each mandate in each local day, then in each MTU."""
    sent_rows = [row for rows in orders for row in rows if row["kind"] == "order.accepted"]
    mandate_of = {row["tag"]: row["mandate"] for row in sent_rows if "mandate" in row}
    zone = {
        row["tag"]: ZoneInfo(sent["mandate"]["zone"])
        for session, rows in zip(inputs["sessions"], orders, strict=True)
        for sent, row in zip(session["sent"], rows, strict=True)
        if sent["kind"] == "mandate.granted"
    }
    sums: dict[tuple[str, str, int | str], list[int]] = defaultdict(lambda: [0, 0])
    for trade in trades:
        if (mandate := mandate_of.get(trade.tag)) is not None:
            day = datetime.fromtimestamp(trade.mtu * 900, UTC).astimezone(zone[mandate]).date()
            for span in (("mtu", trade.mtu), ("day", day.isoformat())):
                sums[mandate, *span][trade.side] += trade.wh
    return [
        {"mandate": mandate, name: at, "bought_wh": bought, "sold_wh": sold}
        for (mandate, name, at), (bought, sold) in sorted(sums.items())
    ]


# ---- the whole settlement


def words_of(told: list[Json]) -> list[int]:
    """Settlement words: debits, then credits, each ascending by address."""
    due = [(item["account"], int(item["due_neur"])) for item in told]
    ordered = sorted((amount > 0, account, amount) for account, amount in due if amount)
    return [int(account, 16) << 96 | amount % 2**96 for _, account, amount in ordered]


def hashed_statements(told: list[Json], salts: Json) -> list[Json]:
    """Statements with hash, leaf and proof."""
    hashes = [keccak(raw(salts[item["account"]]) + canonical(item)) for item in told]
    leaves = [
        keccak(encoded(raw(item["account"]), item["period"], item["revision"], hashed))
        for item, hashed in zip(told, hashes, strict=True)
    ]
    return [
        {
            "statement": item,
            "statement_hash": hexed(hashes[at]),
            "leaf": hexed(leaves[at]),
            "proof": merkle_proof(leaves, at),
        }
        for at, item in enumerate(told)
    ]


def settlement(
    inputs: Json, settled: Json, trades: list[Trade], attestations: list[Json], programs: list[Json], before: Json
) -> Json:
    """One revision; `before`: what earlier ones moved, by account."""
    period, revision = inputs["period"], settled["revision"]
    homes = list(households(inputs, trades, attestations))
    mtus = range(period["first_mtu"], period["first_mtu"] + period["count"])
    positions, billed = bill(inputs, homes, programs, mtus)
    told = statements(inputs, billed, trades, revision, before)
    rows, words = hashed_statements(told, settled["salts"]), words_of(told)
    pages = page_hashes(words, SETTLEMENT_PAGE)
    used = [item for one in billed for item in one.terms.values() if item is not None]
    roots = {
        "words_hash": hexed(chained(pages)),
        "clearing_root": programs[-1]["clearing_root"],
        "readings_root": attestations[-1]["readings_root"],
        "statements_root": hexed(merkle_root([raw(row["leaf"]) for row in rows])),
        "tariff_hash": terms_hash(used),
    }
    values = {"area": id_of(period["area"]), "period": period["number"], "revision": revision}
    names = ("wordsHash", "clearingRoot", "readingsRoot", "statementsRoot", "tariffHash")
    values |= dict(zip(names, roots.values(), strict=True))
    digest = digest_of(inputs["chain"], "Settlement", "Settlement", values)
    return {
        "revision": revision,
        "positions": positions,
        "statements": rows,
        "postings": postings(inputs, billed, trades),
        "words": [f"0x{word:064x}" for word in words],
        "page_hashes": [hexed(page) for page in pages],
        **roots,
        "digest": hexed(digest),
        "signers": [signer_of(digest, item["signature"]) for item in settled["signatures"]],
    }


def settlements(inputs: Json, orders: list[Json], programs: list[Json], readings: Json) -> list[Json]:
    """`6_settlements.json`, but for the package's hash."""
    trades = list(trades_of(inputs, [item["sent"] for item in orders], programs))
    rows, first = readings["attestations"], len(readings["attestations"]) - len(inputs["metering"]["corrected"])
    found: list[Json] = []
    before: dict[str, int] = defaultdict(int)
    agents = {"under_mandates": under_mandates(inputs, [item["sent"] for item in orders], trades)}
    for settled, attestations in zip(inputs["settlements"], (rows[:first], rows), strict=True):
        found.append(settlement(inputs, settled, trades, attestations, programs, dict(before)) | agents)
        for row in found[-1]["statements"]:
            before[row["statement"]["account"]] += int(row["statement"]["due_neur"])
    return found
