"""Meters' messages, substitutes, leaves and attestations (section 4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from tests.golden.second.primitives import (
    ZERO,
    Json,
    digest_of,
    encoded,
    hexed,
    id_of,
    keccak,
    merkle_proof,
    merkle_root,
    opened,
    raw,
    signer_of,
)
from tests.golden.second.registry import meters_at, payloads

DAY = 96
CHANNELS = ("import", "export")


@dataclass(frozen=True)
class Register:
    """Registers at the end of an MTU, Wh, import and export."""

    mtu: int
    sequence: int
    wh: tuple[int, int]
    nonce: str


def decoded(inputs: Json, messages: list[str]) -> list[Json]:
    """The payloads of messages, each signed by its meter."""
    keys = {meter["meter"]: meter["public_key"] for meter in payloads(inputs, "meter.registered")}
    return [opened(jws, keys) for jws in messages]


def counted(inputs: Json, told: list[Json]) -> dict[str, dict[int, Register]]:
    """The readings that count of each meter, by MTU: evidence.md section 3, "a substitute"."""
    found: dict[str, dict[int, Register]] = {}
    for meter in payloads(inputs, "meter.registered"):
        rows = {
            Register(row["mtu"], row["sequence"], (row["import_wh"], row["export_wh"]), row["nonce"])
            for payload in told
            if payload["meter"] == meter["meter"]
            for row in payload["readings"]
        }
        party = next(p for p in payloads(inputs, "participant.registered") if p["point"] == meter["point"])
        powers = tuple(party[f"connection_{channel}_w"] for channel in CHANNELS)
        found[meter["meter"]] = {row.mtu: row for row in follow_each_other(undisputed(rows), powers)}
    return found


def undisputed(rows: set[Register]) -> list[Register]:
    """Those of which no other has the same sequence or MTU, in order of sequence."""
    sequences, mtus = [row.sequence for row in rows], [row.mtu for row in rows]
    alone = [row for row in rows if sequences.count(row.sequence) == 1 and mtus.count(row.mtu) == 1]
    return sorted(alone, key=lambda row: row.sequence)


def follow_each_other(rows: list[Register], powers: tuple[int, ...]) -> Iterator[Register]:
    """Each follows the believed one before it."""
    stack: list[Register] = []
    rivals: list[Register] = []
    for row in rows:
        if not stack or comes_after(stack[-1], row, powers):
            stack.append(row)
            rivals = []
            continue
        rivals = [*(rivals if rivals and comes_after(rivals[-1], row, powers) else []), row]
        for lost in range(1, 4) if len(rivals) == 4 else ():
            if lost == len(stack) or (lost < len(stack) and comes_after(stack[-lost - 1], rivals[0], powers)):
                stack[-lost:] = rivals
                rivals = []
                break
    yield from stack


def comes_after(last: Register, row: Register, powers: tuple[int, ...]) -> bool:
    """A later MTU, no lower register, and none higher than the connection, or 1 kW, explains."""
    mtus = row.mtu - last.mtu
    rises = [now - then for now, then in zip(row.wh, last.wh, strict=True)]
    most = [3 * max(power, 1_000) * mtus + 7 for power in powers]
    return mtus > 0 and all(0 <= 8 * rise <= limit for rise, limit in zip(rises, most, strict=True))


# ---- substitutes


@lru_cache(maxsize=1_024)
def like_mtus(mtu: int, zone: str) -> tuple[int, ...]:
    """The MTUs at the same local time of the seven days before, best first."""
    area = ZoneInfo(zone)
    local = datetime.fromtimestamp(mtu * 900, UTC).astimezone(area).replace(tzinfo=None, fold=0)
    days = [local - timedelta(days=back) for back in range(1, 8)]
    days.sort(key=lambda day: _day_type(day) != _day_type(local))
    return tuple(int(day.replace(tzinfo=area).timestamp()) // 900 for day in days)


def _day_type(day: datetime) -> str:
    return {5: "Saturday", 6: "Sunday"}.get(day.weekday(), "workday")


def like_energy(known: dict[int, Register], mtu: int, zone: str, channel: int) -> int | None:
    """What flowed on the like day; None where there is none."""
    for like in like_mtus(mtu, zone):
        if like in known and like - 1 in known:
            return known[like].wh[channel] - known[like - 1].wh[channel]
    return None


def register_at(known: dict[int, Register], mtu: int, zone: str, channel: int) -> int:
    """A register at the end of an MTU, known or not."""
    if mtu in known:
        return known[mtu].wh[channel]
    before = [at for at in known if at < mtu]
    after = [at for at in known if at > mtu]
    if not before:
        return known[min(after)].wh[channel] if after else 0
    last = known[max(before)]
    if after:
        following = known[min(after)]
        weights = [like_energy(known, at, zone, channel) for at in range(last.mtu + 1, following.mtu + 1)]
        if None in weights or not any(weights):
            weights = [1] * len(weights)
        part = sum(weight or 0 for weight in weights[: mtu - last.mtu])
        difference = following.wh[channel] - last.wh[channel]
        return last.wh[channel] + difference * part // sum(weight or 0 for weight in weights)
    first = known[min(at for at in known if at >= last.mtu - DAY)]
    mean = 0
    if channel == 0 and first is not last:
        mean = (last.wh[0] - first.wh[0]) // (last.mtu - first.mtu)
    energies = [like_energy(known, at, zone, channel) for at in range(last.mtu + 1, mtu + 1)]
    return last.wh[channel] + sum(mean if energy is None else energy for energy in energies)


def nonce_of(known: dict[int, Register], meter: str, mtu: int) -> str:
    """The nonce of a substitute."""
    before = [at for at in known if at < mtu]
    source = max(before) if before else min(known, default=None)
    secret = ZERO if source is None else raw(known[source].nonce)
    return hexed(keccak(b"substitute" + id_of(meter) + mtu.to_bytes(32, "big") + secret))


# ---- leaves and attestations


def leaf(known: dict[int, Register], meter: str, mtu: int, zone: str) -> Json:
    """The reading of a meter at the end of an MTU."""
    now, then = ([register_at(known, at, zone, channel) for channel in (0, 1)] for at in (mtu, mtu - 1))
    measured = known.get(mtu)
    return {
        "meter": meter,
        "mtu": mtu,
        "import_register_wh": now[0],
        "export_register_wh": now[1],
        "import_wh": now[0] - then[0],
        "export_wh": now[1] - then[1],
        "sequence": measured.sequence if measured else 0,
        "quality": 0 if measured else 1,
        "nonce": measured.nonce if measured else nonce_of(known, meter, mtu),
    }


def reading_hash(reading: Json) -> bytes:
    """`readingHash`."""
    names = ("mtu", "import_register_wh", "export_register_wh", "import_wh", "export_wh", "sequence", "quality")
    return keccak(encoded(id_of(reading["meter"]), *(reading[name] for name in names), raw(reading["nonce"])))


def attested(inputs: Json, known: dict[str, dict[int, Register]], item: Json) -> Json:
    """An attestation of an MTU, from the readings known."""
    zone, mtu = inputs["area"]["zone"], item["mtu"]
    readings = [leaf(known[meter], meter, mtu, zone) for meter in meters_at(inputs, mtu)]
    hashes = [reading_hash(reading) for reading in readings]
    root = merkle_root(hashes)
    sums = {name: sum(reading[name] for reading in readings) for name in ("import_wh", "export_wh")}
    values = {"area": id_of(inputs["area"]["area"]), "mtu": mtu, "revision": item["revision"], "root": root}
    values |= {"count": len(readings), "importWh": sums["import_wh"], "exportWh": sums["export_wh"]}
    digest = digest_of(inputs["chain"], "Readings", "Attestation", values)
    return {
        "mtu": mtu,
        "revision": item["revision"],
        "readings": [
            {"reading": reading, "reading_hash": hexed(hashes[at]), "proof": merkle_proof(hashes, at)}
            for at, reading in enumerate(readings)
        ],
        "like_mtus": list(like_mtus(mtu, zone)) if any(reading["quality"] for reading in readings) else [],
        "root": hexed(root),
        "count": len(readings),
        **sums,
        "digest": hexed(digest),
        "signers": [signer_of(digest, signature) for signature in item["signatures"]],
    }


def chained_root(before: bytes, row: Json) -> bytes:
    """The running `readingsRoot` after an attestation, or after an MTU that is Unread."""
    if row.get("unread"):
        return keccak(encoded(before, row["mtu"], 0, ZERO, 0, 0, 0))
    numbers = (row["count"], row["import_wh"], row["export_wh"])
    return keccak(encoded(before, row["mtu"], row["revision"], raw(row["root"]), *numbers))


def receipt(inputs: Json, messages: list[str]) -> Json:
    """An attester's receipt for messages of one commit."""
    hashes = [keccak(jws.encode()) for jws in messages]
    root = merkle_root(hashes)
    digest = digest_of(inputs["chain"], "Readings", "ReadingReceipt", {"messagesRoot": root})
    proofs = [merkle_proof(hashes, at) for at in range(len(hashes))]
    return {"root": hexed(root), "digest": hexed(digest), "proofs": proofs}


def readings(inputs: Json) -> Json:
    """`5_readings.json`."""
    metering = inputs["metering"]
    in_time, late = decoded(inputs, metering["in_time"]), decoded(inputs, metering["late"])
    first = counted(inputs, in_time)
    rows = [attested(inputs, first, item) for item in metering["attested"]]
    rows += [{"mtu": mtu, "unread": True} for mtu in metering["unread"]]
    corrected = counted(inputs, [*in_time, *late])
    rows += [attested(inputs, corrected, item) for item in metering["corrected"]]
    root = ZERO
    for row in rows:
        root = chained_root(root, row)
        row["readings_root"] = hexed(root)
    texts = [*metering["in_time"], *metering["late"]]
    messages = [
        {"message_hash": hexed(keccak(jws.encode())), **payload}
        for jws, payload in zip(texts, [*in_time, *late], strict=True)
    ]
    return {"messages": messages, "receipt": receipt(inputs, metering["in_time"]), "attestations": rows}
