"""Who takes part, and whose signatures stand under the terms (section 2)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.golden.second.primitives import SHAPES, ZERO, Json, digest_of, hash_of, hexed, id_of, separator, signer_of

SIGNED: dict[str, tuple[tuple[str, str], ...]] = {
    "tariff.published": (
        ("retailer_signature", "SupplyPrices"),
        ("dso_signature", "GridPrices"),
        ("registrar_signature", "Taxes"),
    ),
    "participant.registered": (("account_signature", "Participation"), ("dso_signature", "Participation")),
    "meter.registered": (("dso_signature", "MeterRegistration"),),
    "key.registered": (("signature", "KeyRegistration"),),
    "agreement.signed": (("account_signature", "Agreement"), ("retailer_signature", "Agreement")),
    "guarantee.given": (("signature", "Guarantee"), ("account_signature", "Guarantee")),
}
"""The signatures of each kind of term, and what each is over."""


def payloads(inputs: Json, kind: str) -> list[Json]:
    """Payloads of the terms of a kind, in order."""
    return [term["payload"] for term in inputs["terms"] if term["kind"] == kind]


def struct_of(kind: str, shape: str, payload: Json) -> Json:
    """The members of what is signed, from those of the fact."""
    names = re.findall(r"\w+ (\w+)[,)]", SHAPES[shape])
    values = {name: payload[re.sub(r"([A-Z])", lambda found: "_" + found[0].lower(), name)] for name in names}
    if kind == "key.registered":
        values["point"] = ZERO if payload["point"] is None else id_of(payload["point"])
    if kind == "participant.registered":
        values["point"] = payload["point"] or ""
    if kind == "guarantee.given":
        values["creditNeur"] = int(payload["credit_neur"])
    return values


def _signatures(inputs: Json) -> Iterator[Json]:
    for term in inputs["terms"]:
        kind, payload = term["kind"], term["payload"]
        for member, shape in SIGNED[kind]:
            contract = "Guarantees" if shape == "Guarantee" else "Settlement"
            digest = digest_of(inputs["chain"], contract, shape, struct_of(kind, shape, payload))
            signer = signer_of(digest, payload[member])
            yield {"kind": kind, "member": member, "shape": shape, "digest": hexed(digest), "signer": signer}


def terms(inputs: Json) -> Json:
    """`1_terms.json`."""
    points = [point["code"] for point in inputs["area"]["grid_model"]["points"]]
    meters = [meter["meter"] for meter in payloads(inputs, "meter.registered")]
    contracts = ("Guarantees", "Market", "Readings", "Settlement")
    return {
        "area_id": hexed(id_of(inputs["area"]["area"])),
        "market_id": hexed(id_of(inputs["market"]["market"])),
        "point_ids": {point: hexed(id_of(point)) for point in points},
        "meter_ids": {meter: hexed(id_of(meter)) for meter in meters},
        "domain_separators": {name: hexed(separator(inputs["chain"], name)) for name in contracts},
        "grid_model_hash": hexed(hash_of(inputs["area"]["grid_model"])),
        "signatures": list(_signatures(inputs)),
    }
