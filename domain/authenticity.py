"""Whether a meter message is its meter's own: signed with a key registered for it that is valid for its MTUs."""

from __future__ import annotations

from dataclasses import dataclass

from domain.hashing import keccak
from domain.jws import MalformedMessage, MessageRefused, decode_part, header_of, signature_matches, split_compact
from domain.messages import MESSAGE_BYTES_MAX, parse_payload
from domain.metering_area import MeteringArea
from domain.meters import MeterKey
from domain.registers import ReadingRun, RegisterReading


class UnknownMeter(MessageRefused):
    """No meter of this code is registered in the area."""

    code = "meter-unknown"

    def __init__(self, *, meter_code: str) -> None:
        self.meter_code = meter_code
        super().__init__(f"meter {meter_code!r} is not registered in this area; register it before it publishes")


class ForgedMessage(MessageRefused):
    """The signature is not that of a key registered for the meter."""

    code = "meter-signature-wrong"

    def __init__(self, *, meter_code: str) -> None:
        self.meter_code = meter_code
        super().__init__(f"signature refused: no key registered for meter {meter_code!r} made it; sign with that key")


class MeterKeyNotValid(MessageRefused):
    """The key was not, or is no longer, the meter's key at the time the reading is about."""

    code = "meter-key-not-valid"

    def __init__(self, *, meter_code: str, mtu: int) -> None:
        self.meter_code, self.mtu = meter_code, mtu
        super().__init__(
            f"the key of meter {meter_code!r} is not valid for MTU {mtu}; sign with the key registered for it"
        )


@dataclass(slots=True)
class MeterMessage:
    """A genuine message: its signature was verified with a key registered for `meter_code`."""

    meter_code: str
    run: ReadingRun
    jws: bytes

    @property
    def readings(self) -> tuple[RegisterReading, ...]:
        """The readings one by one."""
        return self.run.readings()

    @property
    def message_hash(self) -> bytes:
        """keccak of the compact JWS: the leaf under a receipt's root."""
        return keccak(self.jws)


@dataclass(slots=True)
class UnverifiedMessage:
    """A message taken apart, nothing of it believed: who it claims to be from, and what is signed with which keys."""

    meter_code: str
    keys: tuple[MeterKey, ...]
    payload: bytes
    signed: bytes
    signature: bytes
    jws: bytes

    def signer(self) -> MeterKey | None:
        """The registered key that made the signature; None where none did. The slow step: it may run on any thread."""
        for entry in self.keys:
            if signature_matches(signed=self.signed, signature=self.signature, public_key=entry.public_key):
                return entry
        return None

    def message(self, signer: MeterKey | None) -> MeterMessage:
        """The message, once `signer` has been found. Raises MalformedMessage, ForgedMessage or MeterKeyNotValid."""
        if signer is None:
            raise ForgedMessage(meter_code=self.meter_code)
        inner, run = parse_payload(self.payload)
        if inner != self.meter_code:
            raise ForgedMessage(meter_code=self.meter_code)
        for mtu in (run.mtus[0], run.mtus[-1]):  # MTUs rise, and a key is valid for one stretch of them
            if not signer.covers(mtu):
                raise MeterKeyNotValid(meter_code=self.meter_code, mtu=mtu)
        return MeterMessage(meter_code=self.meter_code, run=run, jws=self.jws)


def open_message(jws: bytes, *, area: MeteringArea, meter_code: str | None = None) -> UnverifiedMessage:
    """Take a compact JWS apart. Raises MalformedMessage, UnknownMeter or ForgedMessage (another header).

    `meter_code` is the meter whose topic it came on (None where it came from an archive: then the payload names it).
    """
    if len(jws) > MESSAGE_BYTES_MAX:
        raise MalformedMessage(reason=f"{len(jws)} bytes are more than {MESSAGE_BYTES_MAX}")
    header, body, signature = split_compact(jws)
    payload = decode_part(body)
    claimed = parse_payload(payload)[0] if meter_code is None else meter_code
    keys = area.keys_of(claimed)
    if not keys:
        raise UnknownMeter(meter_code=claimed)
    if header != header_of(claimed):
        raise ForgedMessage(meter_code=claimed)
    return UnverifiedMessage(
        meter_code=claimed,
        keys=keys,
        payload=payload,
        signed=jws[: len(header) + 1 + len(body)],
        signature=decode_part(signature),
        jws=jws,
    )


def read_message(jws: bytes, *, area: MeteringArea, meter_code: str | None = None) -> MeterMessage:
    """The message in a compact JWS, verified with the meter's registered key.

    `meter_code` is the meter whose topic it came on (None where it came from an archive: then the payload names it).
    Raises MalformedMessage, UnknownMeter, ForgedMessage or MeterKeyNotValid.
    """
    opened = open_message(jws, area=area, meter_code=meter_code)
    return opened.message(opened.signer())
