"""Meter messages: 1 to 192 cumulative register readings of one meter, signed together (docs/protocol.md section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import orjson
from nacl.signing import SigningKey

from domain.hashing import canonical_json, from_hex, keccak, to_hex
from ledger_service.metering.errors import ForgedMessage, KeyNotValid, MalformedMessage, UnknownMeter
from ledger_service.metering.jws import decode_part, header_of, sign_compact, signature_matches, split_compact
from ledger_service.metering.registry import Registry

MESSAGE_BYTES_MAX = 65_536
"""Longest message that is looked at: 192 readings take about 45 KiB."""

READINGS_MAX = 192
"""Most readings in one message: two days of MTUs, so that a meter away for a night catches up in one message."""

NONCE_BYTES = 32
"""Random bytes in each reading, so that its leaf on chain can't be guessed (at least 128 bits, design section 5)."""

REGISTER_WH_MAX = 2**53 - 1
"""Highest register: the largest integer canonical JSON carries; 9 PWh is beyond any connection's lifetime."""

METER_CODE_CHARACTERS_MAX = 64
"""Longest meter code."""

_READING_KEYS = {"export_wh", "import_wh", "mtu", "nonce", "sequence"}


@dataclass(frozen=True, slots=True)
class RegisterReading:
    """Cumulative registers in Wh at the end of an MTU, as the meter signed them; `sequence` counts from 1."""

    mtu: int
    import_register_wh: int
    export_register_wh: int
    sequence: int
    nonce: bytes

    def as_json(self) -> dict[str, Any]:
        """The member of the message's `readings`."""
        return {
            "export_wh": self.export_register_wh,
            "import_wh": self.import_register_wh,
            "mtu": self.mtu,
            "nonce": to_hex(self.nonce),
            "sequence": self.sequence,
        }


@dataclass(frozen=True, slots=True)
class MeterMessage:
    """A genuine message: its signature was verified with a key registered for `meter_code`."""

    meter_code: str
    readings: tuple[RegisterReading, ...]
    jws: bytes

    @property
    def message_hash(self) -> bytes:
        """keccak of the compact JWS: what receipts are signed over."""
        return keccak(self.jws)


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
        mtu=_number(record, "mtu", lowest=0, highest=2**32 - 1),
        import_register_wh=_number(record, "import_wh", lowest=0, highest=REGISTER_WH_MAX),
        export_register_wh=_number(record, "export_wh", lowest=0, highest=REGISTER_WH_MAX),
        sequence=_number(record, "sequence", lowest=1, highest=2**32 - 1),
        nonce=nonce_bytes,
    )


def parse_payload(payload: bytes) -> tuple[str, tuple[RegisterReading, ...]]:
    """(meter code, readings) of a payload, signature not looked at. Raises MalformedMessage.

    Readings of one message ascend by one in sequence and rise in MTU, and the bytes are the canonical ones.
    """
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
    return meter_code, readings


def read_message(jws: bytes, *, registry: Registry, meter_code: str | None = None) -> MeterMessage:
    """The message in a compact JWS, verified with the meter's registered key.

    `meter_code` is the meter whose topic it came on (None where it came from an archive: then the payload names it).
    Raises MalformedMessage, UnknownMeter, ForgedMessage or KeyNotValid.
    """
    if len(jws) > MESSAGE_BYTES_MAX:
        raise MalformedMessage(reason=f"{len(jws)} bytes are more than {MESSAGE_BYTES_MAX}")
    header, body, signature = split_compact(jws)
    payload = decode_part(body)
    claimed = meter_code
    if claimed is None:
        claimed = parse_payload(payload)[0]
    keys = registry.keys_of(claimed)
    if not keys:
        raise UnknownMeter(meter_code=claimed)
    if header != header_of(claimed):
        raise ForgedMessage(meter_code=claimed)
    raw_signature = decode_part(signature)
    signed = jws[: len(header) + 1 + len(body)]
    for entry in keys:
        if signature_matches(signed=signed, signature=raw_signature, public_key=entry.public_key):
            break
    else:
        raise ForgedMessage(meter_code=claimed)
    inner, readings = parse_payload(payload)
    if inner != claimed:
        raise ForgedMessage(meter_code=claimed)
    for reading in readings:
        if not entry.covers(reading.mtu):
            raise KeyNotValid(meter_code=claimed, mtu=reading.mtu)
    return MeterMessage(meter_code=claimed, readings=readings, jws=jws)
