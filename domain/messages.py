"""Meter messages: 1 to 192 cumulative register readings of one meter, signed together (docs/protocol.md section 4)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from operator import lt
from typing import Any

import orjson
from nacl.signing import SigningKey

from domain.hashing import MAX_SAFE_INTEGER, canonical_json, from_hex, to_hex
from domain.jws import MalformedMessage, decode_part, sign_compact, split_compact
from domain.readings import NONCE_BYTES
from domain.registers import ReadingRun, RegisterReading
from domain.strictness import UINT32_MAX

MESSAGE_BYTES_MAX = 65_536
"""Longest message that is looked at: 192 readings take about 45 KiB."""

READINGS_MAX = 192
"""Most readings in one message: two days of MTUs, so that a meter away for a night catches up in one message."""

REGISTER_WH_MAX = MAX_SAFE_INTEGER
"""Highest register: the largest integer canonical JSON carries; 9 PWh is beyond any connection's lifetime."""

METER_CODE_CHARACTERS_MAX = 64
"""Longest meter code."""

_NUMBER = rb"(?:0|[1-9][0-9]{0,15})"

_USUAL = re.compile(
    rb'\{"meter":"[A-Za-z0-9._:-]{1,64}","readings":\[(?:\{"export_wh":'
    + _NUMBER
    + rb',"import_wh":'
    + _NUMBER
    + rb',"mtu":'
    + _NUMBER
    + rb',"nonce":"0x[0-9a-f]{64}","sequence":'
    + _NUMBER
    + rb"\}(?:,(?=\{)|(?=\])))+\]\}"
)
"""Shape and spelling of the canonical payload in one look; whatever it does not match is looked at with care."""

_READING_KEYS = {"export_wh", "import_wh", "mtu", "nonce", "sequence"}


def make_message(*, meter_code: str, readings: Sequence[RegisterReading], key: SigningKey) -> bytes:
    """The signed message of a meter, as it travels."""
    payload = canonical_json({"meter": meter_code, "readings": [reading.as_json() for reading in readings]})
    return sign_compact(kid=meter_code, payload=payload, key=key)


def _number(record: dict[str, Any], name: str, *, lowest: int, highest: int) -> int:
    value = record[name]
    if type(value) is not int or not lowest <= value <= highest:
        raise MalformedMessage(reason=f"{name} is no whole number from {lowest} to {highest}")
    return value


def _reading(record: Any) -> RegisterReading:
    if not isinstance(record, dict) or record.keys() != _READING_KEYS:
        raise MalformedMessage(reason="a reading does not have exactly the members of the protocol")
    nonce = record["nonce"]
    if not isinstance(nonce, str) or len(nonce) != 2 + 2 * NONCE_BYTES:
        raise MalformedMessage(reason=f"a nonce is not {NONCE_BYTES} bytes of 0x hex")
    try:
        nonce_bytes = from_hex(nonce)
    except ValueError as error:
        raise MalformedMessage(reason="a nonce is not hex") from error
    if to_hex(nonce_bytes) != nonce:
        raise MalformedMessage(reason="a nonce is not lower-case hex")
    return RegisterReading(
        mtu=_number(record, "mtu", lowest=0, highest=UINT32_MAX),
        import_register_wh=_number(record, "import_wh", lowest=0, highest=REGISTER_WH_MAX),
        export_register_wh=_number(record, "export_wh", lowest=0, highest=REGISTER_WH_MAX),
        sequence=_number(record, "sequence", lowest=1, highest=UINT32_MAX),
        nonce=nonce_bytes,
    )


def parse_payload(payload: bytes) -> tuple[str, ReadingRun]:
    """(meter code, readings) of a payload, signature not looked at. Raises MalformedMessage.

    Readings of one message ascend by one in sequence and rise in MTU, and the bytes are the canonical ones.
    """
    if _USUAL.fullmatch(payload) is None:
        return _parse_with_care(payload)
    data = orjson.loads(payload)
    records = data["readings"]
    first = records[0]["sequence"]
    mtus = [record["mtu"] for record in records]
    imports_wh = [record["import_wh"] for record in records]
    exports_wh = [record["export_wh"] for record in records]
    if not 1 <= first <= UINT32_MAX or max(imports_wh) > REGISTER_WH_MAX or max(exports_wh) > REGISTER_WH_MAX:
        return _parse_with_care(payload)
    count = len(records)
    if count > 1:
        sequences = [record["sequence"] for record in records]
        rising = sequences == list(range(first, first + count)) and all(map(lt, mtus, mtus[1:]))
        if count > READINGS_MAX or not rising or sequences[-1] > UINT32_MAX:
            return _parse_with_care(payload)
    if mtus[-1] > UINT32_MAX:
        return _parse_with_care(payload)
    nonces = bytes.fromhex("".join([record["nonce"][2:] for record in records]))
    return data["meter"], ReadingRun(first, mtus, imports_wh, exports_wh, nonces)


def _parse_with_care(payload: bytes) -> tuple[str, ReadingRun]:
    """As `parse_payload`, one thing after the other, so that a refusal says what is wrong."""
    try:
        data = orjson.loads(payload)  # refuses NaN, invalid UTF-8 and nesting beyond 1,024 levels
    except orjson.JSONDecodeError as error:
        raise MalformedMessage(reason="the payload is not JSON") from error
    if not isinstance(data, dict) or data.keys() != {"meter", "readings"}:
        raise MalformedMessage(reason="the payload does not have exactly the members meter and readings")
    meter_code, records = data["meter"], data["readings"]
    if not isinstance(meter_code, str) or not 1 <= len(meter_code) <= METER_CODE_CHARACTERS_MAX:
        raise MalformedMessage(reason="meter is not a code")
    if not isinstance(records, list) or not 1 <= len(records) <= READINGS_MAX:
        raise MalformedMessage(reason=f"readings is not a list of 1 to {READINGS_MAX}")
    readings = tuple(_reading(record) for record in records)
    for earlier, later in pairwise(readings):
        if later.sequence != earlier.sequence + 1 or later.mtu <= earlier.mtu:
            raise MalformedMessage(reason="readings do not ascend by one in sequence and rise in MTU")
    if orjson.dumps(data, option=orjson.OPT_SORT_KEYS) != payload:
        raise MalformedMessage(reason="the payload is not canonical JSON")
    return meter_code, ReadingRun.of(readings)


def parse_message(jws: bytes) -> tuple[str, ReadingRun]:
    """(meter code, readings) of a message that was verified before it was kept. Raises MalformedMessage."""
    return parse_payload(decode_part(split_compact(jws)[1]))
