"""Frauds with meter readings."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from typing import Any

from nacl.signing import SigningKey as MeterKey

from domain.eip712 import ATTESTATION
from domain.hashing import canonical_json, from_hex, keccak, text_id, to_hex
from domain.merkle import merkle_root
from domain.readings import Quality, Reading, in_leaf_order
from tests.collusion.coalitions import HOUSEHOLD, Coalition
from tests.collusion.day import Payload, Step, sign
from tests.collusion.deeds.terms import SOMEBODY
from tests.collusion.frauds import Kind, found, possible, refused, tried
from tests.collusion.plot import Plot

METER = f"M-{HOUSEHOLD}"
TOO_FEW = refused("RolesMissing")
HOUR_SECONDS = 3_600

Change = Callable[[Payload], Payload | None]
"""What becomes of a meter's reading: another one, or none."""


def attest_again(
    plot: Plot, step: Step, changes: dict[int, Change], *, honest: bool = False, meter: str = METER
) -> None:
    """Attest MTUs of a fact with other readings of a meter, signed by those in it, or by all where all is as it is."""
    attestations = [
        _attested(plot, step.payload["area"], item, changes[item["mtu"]], honest, meter)
        if item["mtu"] in changes
        else item
        for item in step.payload["attestations"]
    ]
    plot.change(step, attestations=attestations)
    asked = plot.asked("attestMany", plot.all("reading.attested").index(step))
    plot.ask_otherwise(asked, [asked.payload["args"][0], *_arguments(step.payload)])


def _arguments(payload: Payload) -> list[Any]:
    names = ("mtu", "revision", "root", "count", "import_wh", "export_wh")
    area = to_hex(text_id(payload["area"]))
    attestations = payload["attestations"]
    return [
        [[area, *(item[name] for name in names)] for item in attestations],
        [item["signatures"] for item in attestations],
    ]


def _attested(plot: Plot, area: str, item: Payload, change: Change, honest: bool, meter: str) -> Payload:
    changed = [change(reading) if reading["meter"] == meter else reading for reading in item["readings"]]
    readings = [reading for reading in changed if reading is not None]
    return signed_attestation(plot, area, {**item, "readings": readings}, honest)


def signed_attestation(plot: Plot, area: str, item: Payload, honest: bool) -> Payload:
    """Root, sums and signatures of an attestation as its readings stand."""
    leaves = in_leaf_order([leaf(reading) for reading in item["readings"]])
    item = {
        **item,
        "root": to_hex(merkle_root([reading.hash() for reading in leaves])),
        "count": len(leaves),
        "import_wh": sum(reading.import_wh for reading in leaves),
        "export_wh": sum(reading.export_wh for reading in leaves),
    }
    values = {"area": text_id(area), "root": from_hex(item["root"])}
    values |= {name: item[name] for name in ("mtu", "revision", "count")}
    values |= {"importWh": item["import_wh"], "exportWh": item["export_wh"]}
    signers = plot.signers(honest=honest)
    domain = plot.day.domain("Readings")
    return item | {"signatures": [sign(plot.day.keys[party], domain, ATTESTATION, values) for party in signers]}


def leaf(reading: Payload) -> Reading:
    """A reading as attesters hash it."""
    return Reading(
        meter_code=reading["meter"],
        mtu=reading["mtu"],
        import_register_wh=reading["import_register_wh"],
        export_register_wh=reading["export_register_wh"],
        import_wh=reading["import_wh"],
        export_wh=reading["export_wh"],
        sequence=reading["sequence"],
        quality=Quality(reading["quality"]),
        nonce=from_hex(reading["nonce"]),
    )


def last_hour(plot: Plot) -> tuple[Step, list[int]]:
    """The last fact of readings, and its MTUs."""
    step = plot.all("reading.attested")[-1]
    return step, [item["mtu"] for item in step.payload["attestations"]]


def more(energy_wh: int) -> Change:
    """A reading with more import than the meter says."""

    def change(reading: Payload) -> Payload:
        return {
            **reading,
            "import_register_wh": reading["import_register_wh"] + energy_wh,
            "import_wh": reading["import_wh"] + energy_wh,
        }

    return change


@tried(
    Kind.READINGS,
    "a reading that its meter never signed",
    {
        Coalition.OPERATOR: TOO_FEW,
        Coalition.FEW_ATTESTERS: TOO_FEW,
        Coalition.ATTESTERS: found("signed message holds"),
        Coalition.DSO: TOO_FEW,
    },
)
def invented_reading(plot: Plot) -> None:
    """10 kWh more in the last MTU."""
    step, mtus = last_hour(plot)
    attest_again(plot, step, {mtus[-1]: more(10_000)})
    plot.settle()


@tried(
    Kind.READINGS,
    "a household's readings left out",
    {Coalition.OPERATOR: TOO_FEW, Coalition.FEW_ATTESTERS: TOO_FEW, Coalition.ATTESTERS: found("meters")},
)
def withheld_reading(plot: Plot) -> None:
    """It settles as traded."""
    step, mtus = last_hour(plot)
    attest_again(plot, step, dict.fromkeys(mtus, lambda _: None))
    plot.settle()


def substitutes(plot: Plot, more_wh: int) -> dict[int, Change]:
    """What stands where a meter's last hour is missing (protocol.md section 4): its mean import, and no export."""
    told = [
        reading
        for step in plot.all("reading.attested")
        for item in step.payload["attestations"]
        for reading in item["readings"]
        if reading["meter"] == METER
    ]
    known, (_, mtus) = [reading for reading in told if reading["mtu"] < last_hour(plot)[1][0]], last_hour(plot)
    first, last = known[0], known[-1]
    begins_wh = first["import_register_wh"] - first["import_wh"]
    mean_wh = (last["import_register_wh"] - begins_wh) // (last["mtu"] - first["mtu"] + 1)
    meter_id = text_id(METER)

    def instead(mtu: int) -> Change:
        nonce = keccak(b"substitute" + meter_id + mtu.to_bytes(32, "big") + from_hex(last["nonce"]))
        steps = mtu - last["mtu"]

        def change(reading: Payload) -> Payload:
            return {
                **reading,
                "import_register_wh": last["import_register_wh"] + (mean_wh + more_wh) * steps,
                "export_register_wh": last["export_register_wh"],
                "import_wh": mean_wh + more_wh,
                "export_wh": 0,
                "sequence": 0,
                "quality": 1,
                "nonce": to_hex(nonce),
            }

        return change

    return {mtu: instead(mtu) for mtu in mtus}


def meter_of(jws: str) -> str:
    """Who sent a message."""
    return str(json.loads(unpadded(jws.split(".")[0]))["kid"])


def unpadded(text: str) -> bytes:
    """Bytes of base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def unsaid(plot: Plot, step: Step) -> list[str]:
    """The meter's messages are left out of a fact; they."""
    gone = [jws for jws in step.payload["messages"] if meter_of(jws) == METER]
    plot.change(step, messages=[jws for jws in step.payload["messages"] if jws not in gone])
    return gone


@tried(
    Kind.READINGS,
    "a substitute of attesters' own making",
    {Coalition.OPERATOR: TOO_FEW, Coalition.FEW_ATTESTERS: TOO_FEW, Coalition.ATTESTERS: found("substitute")},
)
def skewed_substitute(plot: Plot) -> None:
    """The meter's message is hidden, and 5 kWh an MTU stand in for it."""
    step, _ = last_hour(plot)
    attest_again(plot, step, substitutes(plot, 5_000))
    unsaid(plot, step)
    plot.settle()
    plot.block(2 * HOUR_SECONDS)


@tried(
    Kind.READINGS,
    "a substitute although the meter's message is shown",
    {Coalition.OPERATOR: TOO_FEW, Coalition.ATTESTERS: found("substitute")},
)
def needless_substitute(plot: Plot) -> None:
    """It is what the rule gives, but the meter had spoken."""
    step, _ = last_hour(plot)
    attest_again(plot, step, substitutes(plot, 0))
    plot.settle()
    plot.block(2 * HOUR_SECONDS)


@tried(
    Kind.READINGS,
    "a substitute by the rule for a message that is hidden",
    {Coalition.ATTESTERS: possible("that a meter's message never came; what stands in for it follows the rule")},
)
def hidden_message(plot: Plot) -> None:
    """Only the meter's log and its receipts tell."""
    step, _ = last_hour(plot)
    attest_again(plot, step, substitutes(plot, 0))
    unsaid(plot, step)
    plot.settle()
    plot.block(2 * HOUR_SECONDS)


@tried(
    Kind.SETTLEMENT,
    "no correction though a late reading changes the bill",
    dict.fromkeys((*SOMEBODY, Coalition.RETAILER), found("no correction was settled")),
)
def missing_revision(plot: Plot) -> None:
    """The meter's message comes after the settlement, honest attesters correct, and nobody settles again."""
    step, _ = last_hour(plot)
    true = {
        item["mtu"]: next(r for r in item["readings"] if r["meter"] == METER) for item in step.payload["attestations"]
    }
    attest_again(plot, step, substitutes(plot, 0), honest=True)
    gone = unsaid(plot, step)
    plot.settle()
    area = step.payload["area"]
    corrected = [
        signed_attestation(
            plot, area, {**item, "revision": 1, "readings": _with(item["readings"], true[item["mtu"]])}, True
        )
        for item in step.payload["attestations"]
    ]
    told = plot.add(
        "reading.attested", {**step.payload, "attestations": corrected, "messages": gone}, after=plot.steps[-1]
    )
    block = plot.block(60)
    args = [step.payload["period"], *_arguments(told.payload)]
    plot.send("operator", "Readings", "attestMany", args, about=plot.asked("attestMany").payload["about"], before=block)
    plot.block(2 * HOUR_SECONDS)


def _with(readings: Iterable[Payload], true: Payload) -> list[Payload]:
    return [true if reading["meter"] == METER else reading for reading in readings]


@tried(
    Kind.READINGS,
    "a meter whose key the operator has",
    {
        Coalition.ATTESTERS: found("signers of a MeterRegistration"),
        Coalition.DSO: possible("which meter hangs where, and its key"),
    },
)
def own_meter(plot: Plot) -> None:
    """It says whatever pleases, signed, from the first reading on; attesters outside take it as they should."""
    key = MeterKey(keccak(b"own meter"))
    place = plot.one("meter.registered", lambda payload: payload["meter"] == METER)
    plot.sign_term(place, public_key=to_hex(bytes(key.verify_key)))
    last, mtus = last_hour(plot)
    for step in plot.all("reading.attested"):
        messages = [
            _resigned(jws, key, mtus[-1]) if meter_of(jws) == METER else jws for jws in step.payload["messages"]
        ]
        plot.change(step, messages=sorted(messages))
    attest_again(plot, last, {mtus[-1]: more(3_000)}, honest=True)
    plot.settle()


def _resigned(jws: str, key: MeterKey, dearer_mtu: int) -> str:
    """The same message under another key, with 3 kWh more in one MTU."""
    header, body, _ = jws.split(".")
    said = json.loads(unpadded(body))
    for reading in said["readings"]:
        reading["import_wh"] += 3_000 * (reading["mtu"] == dearer_mtu)
    signed = f"{header}.{_padless(canonical_json(said))}"
    return f"{signed}.{_padless(key.sign(signed.encode()).signature)}"


def _padless(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
