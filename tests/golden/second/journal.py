"""The journal: payloads of all facts (facts.md), their hashes, receipts (section 6), and packages for attesters."""

from __future__ import annotations

from collections.abc import Iterator

from tests.golden.second.primitives import (
    ZERO,
    Json,
    canonical,
    digest_of,
    hash_of,
    hexed,
    id_of,
    keccak,
    raw,
    signer_of,
)
from tests.golden.second.registry import payloads

RECEIPTED = {"order.accepted": 1, "order.cancelled": 2, "mandate.granted": 3, "mandate.revoked": 4, "term.ended": 5}
RULES = {"receipts": 1, "substitutes": 4, "lines": 2}
"""Versions of the rules that this implementation knows."""

Facts = Iterator[tuple[str, Json]]


def clearing_of(program: Json, mtu: int) -> Json:
    """What a program says of an MTU."""
    return next(item for item in program["mtus"] if item["mtu"] == mtu)


def trading_facts(inputs: Json, session: Json, sent: Json, book: Json, program: Json) -> Facts:
    """The facts of a session."""
    head, market = session["opened"], inputs["market"]["market"]
    place = {"market": market, "session": head["session"]}
    span = {"first_mtu": head["first_mtu"], "count": head["count"]}
    yield "session.opened", head
    for item, row in zip(session["sent"], sent["sent"], strict=True):
        payload = {name: value for name, value in item.items() if name != "kind"}
        if item["kind"] in RECEIPTED:
            payload |= {"tag": row["tag"], "rules": {"receipts": RULES["receipts"]}}
            payload |= {"mandate": row["mandate"]} if "mandate" in row else {}
        yield item["kind"], payload
    books = [{name: one[name] for name in ("mtu", "tags", "chain", "book_hash")} for one in book["books"]]
    yield "book.closed", {**place, **span, "books": books}
    yield "program.validated", validated(inputs, session, book, program)
    signed = {"dso": program["signer"], "signature": session["dso_signature"]}
    yield "program.signed", {**place, **signed}
    yield "setpoints.issued", {**place, "envelopes": session["envelopes"]}
    for item in session["cleared"]:
        result = clearing_of(program, item["mtu"])
        told = {name: result[name] for name in ("mtu", "price_neur_per_wh", "result_hash", "words")}
        rules = {"ties": session["rules"]["ties"]}
        yield "mtu.cleared", {**place, **told, "tx_hash": item["tx_hash"], "rules": rules}
    yield (
        "session.done",
        {**place, "cleared_mask": cleared_mask(program, span), "clearing_root": program["clearing_root"]},
    )


def cleared_mask(program: Json, span: Json) -> str:
    """Which MTUs were cleared."""
    return f"0x{sum(1 << (mtu - span['first_mtu']) for mtu in program['cleared_mtus']):032x}"


def validated(inputs: Json, session: Json, book: Json, program: Json) -> Json:
    """The payload of `program.validated`."""
    head = session["opened"]
    results = ("mtu", "price_neur_per_wh", "words", "result_hash", "given_up")
    same = ("report", "report_hash", "results_root", "traded_mask", "emptied_mask", "deadline", "schedules", "earlier")
    return {
        "market": inputs["market"]["market"],
        "session": head["session"],
        "first_mtu": head["first_mtu"],
        "count": head["count"],
        "results": [{name: item[name] for name in results} for item in program["mtus"]],
        "envelopes": session["envelopes"],
        "grid_model_hash": hexed(hash_of(inputs["area"]["grid_model"])),
        "books_root": book["books_root"],
        "rounds": program["rounds"],
        "rules": session["rules"],
        **{name: program[name] for name in same},
    }


def attested(inputs: Json, rows: list[Json], signed: list[Json], messages: list[str]) -> Json:
    """The payload of `reading.attested`."""
    names = ("mtu", "revision", "root", "count", "import_wh", "export_wh")
    made = [
        {
            **{name: row[name] for name in names},
            "signatures": item["signatures"],
            "readings": [one["reading"] for one in row["readings"]],
        }
        for row, item in zip(rows, signed, strict=True)
    ]
    place = {"area": inputs["period"]["area"], "period": inputs["period"]["number"]}
    return {**place, "attestations": made, "messages": sorted(messages), "rules": {"substitutes": RULES["substitutes"]}}


def settlement_facts(inputs: Json, given: Json, settled: Json) -> Facts:
    """The facts of one revision."""
    key = {"area": inputs["period"]["area"], "period": inputs["period"]["number"], "revision": settled["revision"]}
    statements = [
        {
            "account": row["statement"]["account"],
            "salt": given["salts"][row["statement"]["account"]],
            "statement": row["statement"],
        }
        for row in settled["statements"]
    ]
    names = ("words", "words_hash", "clearing_root", "readings_root", "statements_root", "tariff_hash")
    told = {name: settled[name] for name in names}
    yield "settlement.proposed", {**key, **told, "statements": statements, "rules": {"lines": RULES["lines"]}}
    yield "settlement.signed", {**key, "signatures": given["signatures"]}


def facts(inputs: Json, made: Json) -> Facts:
    """All facts of the day in order: kind and payload."""
    period, metering = inputs["period"], inputs["metering"]
    yield "area.defined", inputs["area"]
    yield "market.defined", inputs["market"]
    for term in inputs["terms"]:
        yield term["kind"], term["payload"]
    span = {"first_mtu": period["first_mtu"], "count": period["count"]}
    yield "period.declared", {"area": period["area"], "period": period["number"], **span}
    parts = (inputs["sessions"], made["2_orders.json"], made["3_books.json"], made["4_programs.json"])
    for session, sent, book, program in zip(*parts, strict=True):
        yield from trading_facts(inputs, session, sent, book, program)
    rows, count = made["5_readings.json"]["attestations"], len(metering["attested"])
    yield "reading.attested", attested(inputs, rows[:count], metering["attested"], metering["in_time"])
    for mtu in metering["unread"]:
        yield "mtu.unread", {"area": period["area"], "period": period["number"], "mtu": mtu}
    first, second = zip(inputs["settlements"], made["6_settlements.json"], strict=True)
    yield from settlement_facts(inputs, *first)
    corrected = rows[count + len(metering["unread"]) :]
    yield "reading.attested", attested(inputs, corrected, metering["corrected"], metering["late"])
    yield from settlement_facts(inputs, *second)


def journal(inputs: Json, made: Json) -> Json:
    """`7_journal.json`."""
    entries, receipts, head, signatures = [], [], ZERO, iter(inputs["receipts"])
    for sequence, ((kind, payload), given) in enumerate(zip(facts(inputs, made), inputs["journal"], strict=True), 1):
        if given["kind"] != kind:
            raise ValueError(f"entry {sequence} is {kind}, not {given['kind']}")
        hashed = keccak(raw(given["salt"]) + canonical(payload))
        head = keccak(sequence.to_bytes(8, "big") + keccak(kind.encode()) + hashed + head)
        hashes = {"payload_hash": hexed(hashed), "hash": hexed(head)}
        entries.append({"sequence": sequence, "kind": kind, **hashes})
        if kind in RECEIPTED:
            told = (
                {"market_time": inputs["recorded_at"], "tag": hexed(hash_of(payload)[:16])}
                if "tag" not in payload
                else {}
            )
            receipts.append(receipt(inputs["chain"], sequence, kind, told | payload, head, next(signatures)))
    return {"entries": entries, "receipts": receipts, "anchor": {"sequence": len(entries), "head": hexed(head)}}


def receipt(chain: Json, sequence: int, kind: str, payload: Json, head: bytes, signature: str) -> Json:
    """The operator's receipt for an entry."""
    order = payload.get("order", payload)
    values = {name: order.get(name, 0) for name in ("session", "mtu", "revision")}
    market = id_of(payload["market"]) if "market" in payload else ZERO
    values |= {"market": market, "tag": payload["tag"], "kind": RECEIPTED[kind], "sequence": sequence}
    values |= {"journalHead": head, "marketTime": payload["market_time"]}
    digest = digest_of(chain, "Market", "Receipt", values)
    return {
        "sequence": sequence,
        "digest": hexed(digest),
        "signature": signature,
        "signer": signer_of(digest, signature),
    }


# ---- packages


def package(inputs: Json, made: Json, at: int) -> Json:
    """What attesters are given of a revision (facts.md, "Packages")."""
    period, settled = inputs["period"], made["6_settlements.json"][at]
    programs, books = made["4_programs.json"], made["3_books.json"]
    attestations = made["5_readings.json"]["attestations"]
    if not at:
        attestations = attestations[: len(attestations) - len(inputs["metering"]["corrected"])]
    kinds = {
        "parties": "participant.registered",
        "meters": "meter.registered",
        "keys": "key.registered",
        "tariffs": "tariff.published",
        "agreements": "agreement.signed",
    }
    end_mtu = period["first_mtu"] + period["count"]
    orders = packaged_orders(inputs, made)
    earlier = [{"revision": one["revision"], "words": one["words"]} for one in made["6_settlements.json"][:at]]
    return {
        **{name: payloads(inputs, kind) for name, kind in kinds.items()},
        "markets": [inputs["market"]],
        "replacements": [],
        "ends": [end for end in payloads(inputs, "term.ended") if end["end_mtu"] < end_mtu],
        "area": period["area"],
        "period": period["number"],
        "revision": settled["revision"],
        "first_mtu": period["first_mtu"],
        "count": period["count"],
        "grid_model": inputs["area"]["grid_model"],
        "programs": [packaged_program(inputs, *one) for one in zip(inputs["sessions"], books, programs, strict=True)],
        "sessions": [packaged_session(*one) for one in zip(inputs["sessions"], books, programs, strict=True)],
        "orders": orders,
        "mandates": under_which(inputs, made, orders, "mandate.granted", "tag"),
        "revocations": under_which(inputs, made, orders, "mandate.revoked", "mandate"),
        "attestations": packaged_attestations(attestations),
        "earlier": earlier,
        "proposal": proposal(inputs, inputs["settlements"][at], settled),
    }


def packaged_program(inputs: Json, session: Json, book: Json, program: Json) -> Json:
    """Of `program.validated` what settles, and the DSO's signature."""
    payload = validated(inputs, session, book, program)
    left_out = ("results", "earlier", "rounds", "rules")
    kept = {name: value for name, value in payload.items() if name not in left_out}
    return kept | {"dso": program["signer"], "signature": session["dso_signature"]}


def packaged_session(session: Json, book: Json, program: Json) -> Json:
    """A session that is over."""
    head = session["opened"]
    span = {name: head[name] for name in ("market", "session", "first_mtu", "count")}
    clearings = [
        {name: clearing_of(program, mtu)[name] for name in ("mtu", "price_neur_per_wh", "words")}
        for mtu in program["cleared_mtus"]
    ]
    return {
        **span,
        "books_root": book["books_root"],
        **{name: program[name] for name in ("results_root", "traded_mask", "emptied_mask")},
        "cleared_mask": cleared_mask(program, head),
        "results": [item["result_hash"] for item in program["mtus"]],
        "clearings": clearings,
    }


def packaged_orders(inputs: Json, made: Json) -> list[Json]:
    """The orders behind all words that were cleared, ascending by tag."""
    tags = {
        item["tag"]
        for program in made["4_programs.json"]
        for result in program["mtus"]
        if result["mtu"] in program["cleared_mtus"]
        for item in result["orders"]
    }
    found = [payload for kind, payload in facts(inputs, made) if kind == "order.accepted" and payload["tag"] in tags]
    return sorted(found, key=lambda payload: payload["tag"])


def under_which(inputs: Json, made: Json, orders: list[Json], kind: str, member: str) -> list[Json]:
    """The mandates under which agents signed these orders, or their ends, in order of recording."""
    tags = {order["mandate"] for order in orders if "mandate" in order}
    return [payload for found, payload in facts(inputs, made) if found == kind and payload[member] in tags]


def packaged_attestations(rows: list[Json]) -> list[Json]:
    """What the chain recorded, in its order; readings with the last attestation of each MTU."""
    last = {row["mtu"]: row for row in rows if not row.get("unread")}
    found = []
    for row in rows:
        if row.get("unread"):
            nothing = {"root": hexed(ZERO), "count": 0, "import_wh": 0, "export_wh": 0, "readings": None}
            found.append({"mtu": row["mtu"], "revision": 0, "unread": True, **nothing})
            continue
        names = ("mtu", "revision", "root", "count", "import_wh", "export_wh")
        readings = [one["reading"] for one in row["readings"]] if last[row["mtu"]] is row else None
        found.append({**{name: row[name] for name in names}, "unread": False, "readings": readings})
    return found


def proposal(inputs: Json, given: Json, settled: Json) -> Json:
    """The proposal with hashes in place of statements."""
    (_, payload), _ = settlement_facts(inputs, given, settled)
    statements = [
        {
            "account": row["statement"]["account"],
            "salt": given["salts"][row["statement"]["account"]],
            "statement_hash": row["statement_hash"],
        }
        for row in settled["statements"]
    ]
    return payload | {"statements": statements}
