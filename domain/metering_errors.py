"""Why a meter message, a reading or an attestation is refused: one class per cause."""

from __future__ import annotations

from domain.errors import DominoesError


class MessageRefused(DominoesError):
    """A meter message changes nothing: base of every cause below."""

    code = "meter-message-refused"


class MalformedMessage(MessageRefused):
    """The bytes are not a compact JWS over the canonical JSON of a meter message."""

    code = "meter-message-malformed"

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"meter message refused: {reason}; send the form of docs/protocol.md section 4")


class UnknownMeter(MessageRefused):
    """No meter of this code is registered in the area."""

    code = "meter-unknown"

    def __init__(self, *, meter_code: str) -> None:
        self.meter_code = meter_code
        super().__init__(f"meter {meter_code!r} is not registered in this area; register it before it publishes")


class WrongTopic(MessageRefused):
    """The message of one meter came on the topic of another."""

    code = "meter-wrong-topic"

    def __init__(self, *, meter_code: str, topic: str) -> None:
        self.meter_code, self.topic = meter_code, topic
        super().__init__(f"meter {meter_code!r} published on {topic!r}; a meter publishes on its own topic only")


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


class ReadingRefused(MessageRefused):
    """One reading of a genuine message is not believed; `sequence` and `mtu` name it."""

    code = "reading-refused"

    def __init__(self, *, meter_code: str, sequence: int, mtu: int, reason: str) -> None:
        self.meter_code, self.sequence, self.mtu, self.reason = meter_code, sequence, mtu, reason
        super().__init__(f"reading {sequence} of meter {meter_code!r} for MTU {mtu} refused: {reason}")


class FutureReading(ReadingRefused):
    """The MTU has not ended yet by market time."""

    code = "reading-future"
    retryable = True

    def __init__(self, *, meter_code: str, sequence: int, mtu: int, ends_in_s: int) -> None:
        self.ends_in_s = ends_in_s
        reason = f"the MTU ends in {ends_in_s} s of market time; send it again after its end"
        super().__init__(meter_code=meter_code, sequence=sequence, mtu=mtu, reason=reason)


class StaleReading(ReadingRefused):
    """The MTU lies behind what can still be corrected, or behind a reading with a lower sequence."""

    code = "reading-stale"

    def __init__(self, *, meter_code: str, sequence: int, mtu: int, oldest_mtu: int) -> None:
        self.oldest_mtu = oldest_mtu
        reason = f"readings before MTU {oldest_mtu} are closed; send later MTUs with later sequences"
        super().__init__(meter_code=meter_code, sequence=sequence, mtu=mtu, reason=reason)


class FallingRegister(ReadingRefused):
    """A cumulative register is lower than it was before."""

    code = "reading-falling"

    def __init__(self, *, meter_code: str, sequence: int, mtu: int, channel: str, before_wh: int, now_wh: int) -> None:
        self.channel, self.before_wh, self.now_wh = channel, before_wh, now_wh
        reason = f"its {channel} register fell from {before_wh} to {now_wh} Wh; have the meter inspected"
        super().__init__(meter_code=meter_code, sequence=sequence, mtu=mtu, reason=reason)


class ImplausibleReading(ReadingRefused):
    """More energy flowed than the connection can carry."""

    code = "reading-implausible"

    def __init__(
        self, *, meter_code: str, sequence: int, mtu: int, channel: str, energy_wh: int, highest_wh: int
    ) -> None:
        self.channel, self.energy_wh, self.highest_wh = channel, energy_wh, highest_wh
        reason = f"{channel} of {energy_wh} Wh exceeds the {highest_wh} Wh the connection can carry; check the meter"
        super().__init__(meter_code=meter_code, sequence=sequence, mtu=mtu, reason=reason)


class AttestationRefused(DominoesError):
    """An attestation does not verify; nothing is recorded."""

    code = "attestation-refused"
    remedy = "Have the attesters read and sign that MTU again, with what the registry says now; then hand it in whole."

    def __init__(self, *, reason: str, mtu: int | None = None) -> None:
        self.reason, self.mtu = reason, mtu
        where = "" if mtu is None else f" for MTU {mtu}"
        super().__init__(f"attestation{where} refused: {reason}; fetch the recorded state and propose again")


class RevisionTaken(AttestationRefused):
    """Another attestation with this revision is recorded already: the first one wins."""

    status = 409
    code = "attestation-revision-taken"
    remedy = "Read where the MTU stands and hand a correction in with the revision it takes next."

    def __init__(self, *, mtu: int, expected: int, given: int) -> None:
        self.expected, self.given = expected, given
        super().__init__(mtu=mtu, reason=f"its revision is {given}, the next one is {expected}")
