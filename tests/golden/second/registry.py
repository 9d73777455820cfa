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
    "policy.published": (("dso_signature", "SigningPolicy"),),
    "term.ended": tuple((f"{party}_signature", "TermEnd") for party in ("account", "retailer", "dso")),
}
"""The signatures of each kind of term, and what each is over."""

NOBODY = "0x" + "00" * 20
FOR_EVER = 2**32


def payloads(inputs: Json, kind: str) -> list[Json]:
    """Payloads of the terms of a kind, in order."""
    return [term["payload"] for term in inputs["terms"] if term["kind"] == kind]


def end_of(inputs: Json, term: str, name: str) -> int:
    """The first MTU in which a term decides nothing any more."""
    ends = {(end["term"], end["name"]): end["end_mtu"] for end in payloads(inputs, "term.ended")}
    found: int = ends.get((term, name), FOR_EVER)
    return found


def meters_at(inputs: Json, mtu: int) -> list[str]:
    """The meters that are read in an MTU: from their first one on, until they end."""
    begun = {item["meter"] for item in payloads(inputs, "meter.registered") if item["valid_from_mtu"] <= mtu}
    return sorted((meter for meter in begun if mtu < end_of(inputs, "meter", meter)), key=id_of)


def takes_part(inputs: Json, account: str, mtu: int) -> bool:
    """Whether an account takes part in an MTU."""
    party = next(item for item in payloads(inputs, "participant.registered") if item["account"] == account)
    until: int = end_of(inputs, "participation", party["participant"])
    begins: int = party["valid_from_mtu"]
    return begins <= mtu < until


def policy_hash(policy: Json) -> bytes:
    """`policyHash` of a version of a DSO's signing policy."""
    return hash_of({name: value for name, value in policy.items() if name != "dso_signature"})


def policy_hash_at(inputs: Json, mtu: int) -> str | None:
    """That of the version in force at an MTU; None before the first."""
    begun = [item for item in payloads(inputs, "policy.published") if item["valid_from_mtu"] <= mtu]
    return hexed(policy_hash(begun[-1])) if begun else None


def snake(name: str) -> str:
    """A member's name in facts, from that in a shape."""
    return re.sub(r"([A-Z])", lambda found: "_" + found[0].lower(), name)


def members_of(shape: str) -> list[str]:
    """The names of a shape's members."""
    return re.findall(r"[\w\[\]]+ (\w+)[,)]", SHAPES[shape])


def struct_of(kind: str, shape: str, payload: Json) -> Json:
    """The members of what is signed, from those of the fact."""
    values = {name: payload.get(snake(name)) for name in members_of(shape)}
    if kind == "key.registered":
        values["point"] = ZERO if payload["point"] is None else id_of(payload["point"])
    if kind == "participant.registered":
        values["point"] = payload["point"] or ""
    if kind == "guarantee.given":
        values["creditNeur"] = int(payload["credit_neur"])
    if kind == "policy.published":
        values["policyHash"] = policy_hash(payload)
    if kind == "term.ended":
        values |= {name: payload[name] or NOBODY for name in ("account", "retailer")}
    return values


def _signatures(inputs: Json) -> Iterator[Json]:
    for term in inputs["terms"]:
        kind, payload = term["kind"], term["payload"]
        for member, shape in SIGNED[kind]:
            if payload[member] is None:
                continue
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
        "policy_hashes": [hexed(policy_hash(item)) for item in payloads(inputs, "policy.published")],
        "signatures": list(_signatures(inputs)),
    }
