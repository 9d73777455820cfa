"""Changes of the golden day's inputs, made to see that each value of the day follows from them."""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from eth_hash.auto import keccak

Json = dict[str, Any]
Change = Callable[[Json], Any]

WEEK_MTUS, WEEK_SECONDS = 672, 604_800
ADDRESS = re.compile("0x[0-9a-f]{40}")


def changed(inputs: Json, change: Change) -> Json:
    """The inputs after a change."""
    made = copy.deepcopy(inputs)
    return change(made) or made


def mapped(value: Any, change: Callable[[str, Any], Any], name: str = "") -> Any:
    """A JSON value with each plain value, under the name of its member, changed."""
    if isinstance(value, dict):
        return {key: mapped(item, change, key) for key, item in value.items()}
    if isinstance(value, list):
        return [mapped(item, change, name) for item in value]
    return change(name, value)


# ---- messages of meters


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _payload(jws: str) -> Json:
    body = jws.split(".")[1]
    read: Json = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return read


def _signed(inputs: Json, payload: Json) -> str:
    code = payload["meter"]
    head = _part(_canonical({"alg": "EdDSA", "kid": code, "typ": "meter+jws"}))
    signed = f"{head}.{_part(_canonical(payload))}"
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(inputs["meter_keys"][code][2:]))
    return f"{signed}.{_part(key.sign(signed.encode()))}"


def told_again(inputs: Json, change: Callable[[Json], Any]) -> None:
    """Each message with a changed payload, signed by its meter."""
    for name in ("in_time", "late"):
        payloads = [_payload(jws) for jws in inputs["metering"][name]]
        inputs["metering"][name] = [_signed(inputs, change(payload) or payload) for payload in payloads]


# ---- the changes


def another_chain(inputs: Json) -> None:
    """Contracts stand on another chain, at other places."""
    inputs["chain"]["chain_id"] += 1


def other_names(inputs: Json) -> Json:
    """Area, market, points, meters, tariffs and agreements have other names."""
    renamed = {"GOLD", "GOLD/DA", "basic", "golden street"}
    renamed |= {f"{kind}{number}" for kind in ("p", "meter-p", "supply h") for number in range(1, 5)}

    def name(_: str, value: Any) -> Any:
        return f"{value} two" if value in renamed else value

    made: Json = mapped(inputs, name)
    made["meter_keys"] = {f"{code} two": secret for code, secret in inputs["meter_keys"].items()}
    for session in made["sessions"]:
        session["forecasts"] = {f"{point} two": values for point, values in session["forecasts"].items()}
    told_again(made, lambda payload: payload.update(meter=f"{payload['meter']} two"))
    return made


def other_accounts(inputs: Json) -> Json:
    """Every account and key is another one."""

    def other(name: str, value: Any) -> Any:
        is_address = isinstance(value, str) and ADDRESS.fullmatch(value) and name != "contracts"
        return "0x" + keccak(value.encode())[12:].hex() if is_address else value

    made: Json = mapped(inputs, other)
    for settled in made["settlements"]:
        settled["salts"] = {other("", account): salt for account, salt in settled["salts"].items()}
    return made


def a_week_later(inputs: Json) -> Json:
    """Everything happens a week later."""

    def later(name: str, value: Any) -> Any:
        if name in ("mtu", "first_mtu", "valid_from_mtu", "end_mtu", "from_mtu", "to_mtu", "unread"):
            return value + WEEK_MTUS
        return value + WEEK_SECONDS if name in ("session", "market_time", "recorded_at") else value

    made: Json = mapped(inputs, later)
    told_again(made, lambda payload: [row.update(mtu=row["mtu"] + WEEK_MTUS) for row in payload["readings"]] and None)
    return made


def _orders(inputs: Json) -> Iterator[Json]:
    for session in inputs["sessions"]:
        yield from (sent["order"] for sent in session["sent"] if "order" in sent)


def _uncleared(inputs: Json) -> None:
    for session in inputs["sessions"]:
        session["cleared"] = []
    inputs["journal"] = [entry for entry in inputs["journal"] if entry["kind"] != "mtu.cleared"]


def more_lots(inputs: Json) -> None:
    """Each order is of other quantity."""
    for at, order in enumerate(_orders(inputs)):
        order["quantityLots"] = 2 * order["quantityLots"] + at


def everything_crosses(inputs: Json) -> None:
    """Bids pay more, asks take less, all of them different, and nothing is capped."""
    for at, order in enumerate(_orders(inputs)):
        order["limitPriceNeurPerWh"] += (200_000 - at * 1_000) * (-1 if order["side"] else 1)
    for session in inputs["sessions"]:
        session["envelopes"] = []
        session["states"] = [{**state, "given_up": False} for state in session["states"]]


def nothing_crosses(inputs: Json) -> None:
    """Bids pay next to nothing."""
    for order in _orders(inputs):
        order["limitPriceNeurPerWh"] -= 0 if order["side"] else 300_000
    _uncleared(inputs)


def sides_change(inputs: Json) -> None:
    """Who bought sells, and the other way round."""
    for order in _orders(inputs):
        order["side"] = 1 - order["side"]
        order["limitPriceNeurPerWh"] *= -1


def everything_capped(inputs: Json) -> None:
    """Every point has an envelope in each MTU, and schedules differ."""
    points = [point["code"] for point in inputs["area"]["grid_model"]["points"]]
    for session in inputs["sessions"]:
        mtus = [state["mtu"] for state in session["states"]]
        caps = [(point, mtu, 21 + at) for at, mtu in enumerate(mtus) for point in points]
        session["envelopes"] = [
            {"point": point, "mtu": mtu, "import_cap_wh": cap, "export_cap_wh": cap + 5} for point, mtu, cap in caps
        ]
        for sent in session["sent"]:
            if "net_wh" in sent:
                sent["net_wh"] = [-value - 60 for value in sent["net_wh"]]
        session["forecasts"] = {p: [value - 200 for value in values] for p, values in session["forecasts"].items()}


def another_grid_state(inputs: Json) -> None:
    """The power flow gives other values, every MTU is given up, and the market has other rules."""
    for session in inputs["sessions"]:
        for state in session["states"]:
            for name, value in state.items():
                if name != "mtu" and isinstance(value, int) and not isinstance(value, bool):
                    state[name] = value + 3
            state |= {"given_up": True, "loading_element": "x", "voltage_lowest_bus": "y", "voltage_highest_bus": "z"}
            for limit in (*state["findings"], *state["binding"]):
                limit |= {"code": "x", "kind": "bus", "quantity": "overvoltage", "value_micro": 1, "limit_micro": 2}
        session["rounds_max"] += 1
    inputs["market"]["lot_wh"] += 3
    inputs["market"]["sign_seconds"] += 7
    _uncleared(inputs)


def other_prices(inputs: Json) -> None:
    """Every price of the tariff and its rate of VAT is another one."""
    tariff = next(term["payload"] for term in inputs["terms"] if term["kind"] == "tariff.published")
    for at, name in enumerate(sorted(tariff)):
        if name.endswith("_neur_per_wh") or name in ("vat_bp", "version"):
            tariff[name] += 7 + at
    for term in inputs["terms"]:
        if term["kind"] == "agreement.signed":
            term["payload"]["version"] += 1


def other_registers(inputs: Json) -> None:
    """Registers, sequences and nonces of all meters differ, and what was lost is there."""

    def tell(payload: Json) -> None:
        rows = payload["readings"]
        for row in rows:
            row["nonce"] = "0x" + keccak(row["nonce"].encode()).hex()
            row["import_wh"] += 1_000 + 7 * (row["sequence"] ** 2)
            row["export_wh"] += 2_000 + 3 * (row["sequence"] ** 2)
            row["sequence"] += 2 * row["sequence"]

    told_again(inputs, tell)


def nothing_lost(inputs: Json) -> None:
    """Every reading comes in time; where one was lost, another message tells it."""
    metering = inputs["metering"]
    metering["in_time"] += metering.pop("late")
    metering["late"] = []
    payloads = [_payload(jws) for jws in metering["in_time"]]
    rows = {(payload["meter"], row["mtu"]): row for payload in payloads for row in payload["readings"]}
    for code in {code for code, _ in rows}:
        mtus = [mtu for of, mtu in rows if of == code and mtu >= inputs["period"]["first_mtu"]]
        for mtu in set(range(min(mtus), max(mtus))) - set(mtus):
            before = rows[code, max(at for at in mtus if at < mtu)]
            gap = mtu - before["mtu"]
            row = before | {"mtu": mtu, "sequence": before["sequence"] + gap}
            row["nonce"] = "0x" + keccak(f"{mtu}".encode()).hex()
            metering["in_time"].append(_signed(inputs, {"meter": code, "readings": [row]}))


def nothing_read(inputs: Json) -> None:
    """Of the day itself no reading comes."""
    first = inputs["period"]["first_mtu"]
    for name in ("in_time", "late"):
        told = inputs["metering"][name]
        inputs["metering"][name] = [jws for jws in told if _payload(jws)["readings"][0]["mtu"] < first - 1]


def one_meter_less(inputs: Json) -> None:
    """A meter is not registered, and a guarantee was not given."""
    for kind in ("meter.registered", "guarantee.given"):
        last = max(at for at, term in enumerate(inputs["terms"]) if term["kind"] == kind)
        term = inputs["terms"].pop(last)
        inputs["journal"].pop(next(at for at, entry in enumerate(inputs["journal"]) if entry["kind"] == kind))
        for name in ("in_time", "late"):
            told = inputs["metering"][name]
            inputs["metering"][name] = [jws for jws in told if _payload(jws)["meter"] != term["payload"].get("meter")]


def nobody_leaves(inputs: Json) -> None:
    """No term ends."""
    for name in ("terms", "journal"):
        inputs[name] = [item for item in inputs[name] if item["kind"] != "term.ended"]


def other_numbers(inputs: Json) -> None:
    """Revisions and the period's number differ, and the order of what was attested and of receipts."""
    inputs["period"]["number"] += 4
    for settled in inputs["settlements"]:
        settled["revision"] += 2
    for item in (*inputs["metering"]["attested"], *inputs["metering"]["corrected"]):
        item["revision"] += 2
    last, unread = inputs["metering"]["attested"][-1], inputs["metering"]["unread"]
    last["mtu"], unread[0] = unread[0], last["mtu"]
    inputs["metering"]["attested"].reverse()
    inputs["receipts"].append(inputs["receipts"].pop(0))


def other_lengths(inputs: Json) -> None:
    """Sessions are shorter, and the period is longer."""
    inputs["period"]["count"] += 1
    for session in inputs["sessions"]:
        last = session["states"].pop()["mtu"]
        session["envelopes"] = [item for item in session["envelopes"] if item["mtu"] != last]
        session["opened"]["count"] -= 1
    _uncleared(inputs)


CHANGES: tuple[Change, ...] = (
    another_chain,
    other_names,
    other_accounts,
    a_week_later,
    more_lots,
    everything_crosses,
    nothing_crosses,
    sides_change,
    everything_capped,
    another_grid_state,
    other_prices,
    other_registers,
    nothing_lost,
    nothing_read,
    one_meter_less,
    nobody_leaves,
    other_numbers,
    other_lengths,
)
