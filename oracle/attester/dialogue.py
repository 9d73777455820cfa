"""What attesters say to each other: typed messages, read strictly and written in one form.

They are published on `…/attest/NAME/KIND` (docs/protocol.md section 4); `to` is the attester who is meant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final

import orjson
from pydantic import ConfigDict, Field

from domain.attestations import SignedAttestation
from domain.errors import DominoesError
from domain.hashing import MAX_SAFE_INTEGER, from_hex, to_hex
from domain.members import noun_json, noun_of
from domain.readings import Quality, Reading
from domain.signing import SIGNATURE_BYTES
from domain.strictness import Unreadable, text, whole
from oracle.attester.consensus.endorsing import FETCH_MAX
from oracle.attester.consensus.proposals import LeafProposal, ProposedMtu
from settling.attestations import ATTESTATIONS_MAX

ROW_LENGTH = 8
"""Members of a reading's row without a balancing entry."""

MESSAGES_PER_PAYLOAD = 200
"""Most meter messages in one message between attesters."""


@dataclass(frozen=True, slots=True)
class Signatures:
    """Signatures over each MTU of the proposal of `to`, in its order."""

    to: str
    signatures: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ReadingsRequest:
    """`to` is asked for the messages that hold these (meter, sequence)."""

    to: str
    readings: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class MeterMessages:
    """Messages of meters as they were signed, for `to`."""

    to: str
    messages: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Attested:
    """What the service has recorded."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    attestations: Annotated[tuple[SignedAttestation, ...], Field(max_length=ATTESTATIONS_MAX)]


Message = LeafProposal | Signatures | ReadingsRequest | MeterMessages | Attested

_KINDS: Final[Mapping[type[Message], str]] = {
    LeafProposal: "proposal",
    Signatures: "signature",
    ReadingsRequest: "fetch",
    MeterMessages: "messages",
    Attested: "attested",
}


def kind_of(message: Message) -> str:
    """The last level of the topic on which a message is published."""
    return _KINDS[type(message)]


def write_message(message: Message) -> bytes:
    """The payload of a message."""
    return orjson.dumps(_body(message))


def _body(message: Message) -> dict[str, Any]:
    match message:
        case LeafProposal(period, horizon_mtu, mtus):
            return {"period": period, "horizon": horizon_mtu, "entries": [_entry(item) for item in mtus]}
        case Signatures(to, signatures):
            return {"to": to, "signatures": [to_hex(item) for item in signatures]}
        case ReadingsRequest(to, readings):
            return {"to": to, "want": [list(item) for item in readings]}
        case MeterMessages(to, messages):
            return {"to": to, "messages": [item.decode("ascii") for item in messages]}
        case Attested():
            return noun_json(message)


def read_message(kind: str, payload: bytes) -> Message | None:
    """The message in a payload; None for a kind that this version does not know. Raises Unreadable."""
    try:
        return noun_of(Attested, payload) if kind == _KINDS[Attested] else _read(kind, orjson.loads(payload))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError, DominoesError) as error:
        raise Unreadable(what=f"a message of kind {kind}", reason=str(error)[:200]) from error


def _read(kind: str, data: Any) -> Message | None:
    match kind:
        case "proposal":
            _check_members(data, "period", "horizon", "entries")
            mtus = tuple(_unentry(item) for item in _at_most(data["entries"], ATTESTATIONS_MAX))
            return LeafProposal(period=whole(data["period"]), horizon_mtu=whole(data["horizon"]), mtus=mtus)
        case "signature":
            _check_members(data, "to", "signatures")
            signatures = _at_most(data["signatures"], ATTESTATIONS_MAX)
            return Signatures(to=text(data["to"]), signatures=tuple(_signature(item) for item in signatures))
        case "fetch":
            _check_members(data, "to", "want")
            readings = tuple((text(code), whole(sequence)) for code, sequence in _at_most(data["want"], FETCH_MAX))
            return ReadingsRequest(to=text(data["to"]), readings=readings)
        case "messages":
            _check_members(data, "to", "messages")
            messages = tuple(text(item).encode("ascii") for item in _at_most(data["messages"], MESSAGES_PER_PAYLOAD))
            return MeterMessages(to=text(data["to"]), messages=messages)
        case _:
            return None


def _check_members(data: Any, *names: str) -> None:
    if not isinstance(data, dict) or data.keys() != set(names):
        raise ValueError(f"its members are not {', '.join(names)}")


def _at_most(items: Any, highest: int) -> Sequence[Any]:
    if not isinstance(items, list) or len(items) > highest:
        raise ValueError(f"not a list of at most {highest}")
    return items


def _signature(item: Any) -> bytes:
    signature = from_hex(text(item))
    if len(signature) != SIGNATURE_BYTES:
        raise ValueError(f"a signature has not {SIGNATURE_BYTES} bytes")
    return signature


def _entry(item: ProposedMtu) -> dict[str, Any]:
    return {"mtu": item.mtu, "revision": item.revision, "readings": [_row(reading) for reading in item.readings]}


def _unentry(data: Any) -> ProposedMtu:
    _check_members(data, "mtu", "revision", "readings")
    mtu = whole(data["mtu"])
    readings = tuple(_unrow(mtu, row) for row in data["readings"])
    return ProposedMtu(mtu=mtu, revision=whole(data["revision"]), readings=readings)


def _row(reading: Reading) -> list[Any]:
    return [
        reading.meter_code,
        reading.import_register_wh,
        reading.export_register_wh,
        reading.import_wh,
        reading.export_wh,
        reading.sequence,
        int(reading.quality),
        to_hex(reading.nonce),
        *(reading.balancing_wh if any(reading.balancing_wh) else ()),
    ]


def _unrow(mtu: int, row: Any) -> Reading:
    meter, *numbers, nonce = row[:ROW_LENGTH]
    import_register, export_register, import_wh, export_wh, sequence, quality = (
        whole(number, highest=MAX_SAFE_INTEGER) for number in numbers
    )
    balancing_import_wh, balancing_export_wh = balancing = row[ROW_LENGTH:] or (0, 0)
    if len(row) > ROW_LENGTH and not any(balancing):
        raise ValueError("a row without a balancing entry says so")
    nonce_bytes = from_hex(text(nonce))
    if len(nonce_bytes) != 32:
        raise ValueError("the nonce of a row has not 32 bytes")
    return Reading(
        meter_code=text(meter),
        mtu=mtu,
        import_register_wh=import_register,
        export_register_wh=export_register,
        import_wh=import_wh,
        export_wh=export_wh,
        sequence=sequence,
        quality=Quality(quality),
        nonce=nonce_bytes,
        balancing_import_wh=balancing_import_wh,
        balancing_export_wh=balancing_export_wh,
    )
