"""Whether a set of attestations holds: roots, sums, signatures of m organisations, the meters' own messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from domain.attestations import AttestationSet, Leaves, SignedAttestation
from domain.authenticity import read_message
from domain.errors import DominoesError
from domain.hashing import ZERO_HASH, to_hex
from domain.metering_area import MeteringArea
from domain.periods import Period
from domain.readings import Attestation, Quality, Reading
from domain.registers import RegisterReading
from domain.signing import BadSignature, recover
from settling.balancing import goes_on

ATTESTATIONS_MAX = 3_200
"""Most MTUs in one set: a month."""

LEAVES_PER_PAGE = 2_000
"""Leaves after which a proposal is cut: about 400 KB of MQTT payload; whoever is behind proposes again."""

MESSAGES_MAX = 20_000
"""Most meter messages in one set."""

LeavesAt = Callable[[int], Leaves | None]
"""The leaves last attested for an MTU, None where there are none."""


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


def _signed_registers(messages: Sequence[str], area: MeteringArea) -> dict[tuple[str, int], list[RegisterReading]]:
    if len(messages) > MESSAGES_MAX:
        raise AttestationRefused(reason=f"more than {MESSAGES_MAX} messages")
    registers: dict[tuple[str, int], list[RegisterReading]] = {}
    for text in messages:
        try:
            message = read_message(text.encode("ascii"), area=area)
        except (DominoesError, UnicodeEncodeError) as error:
            raise AttestationRefused(reason=f"a meter message does not verify: {error}") from error
        for item in message.readings:
            held = registers.setdefault((message.meter_code, item.mtu), [])
            if item not in held:
                held.append(item)
    return registers


def _check_sums(item: SignedAttestation, area: MeteringArea) -> None:
    made = Attestation.of(area=area.area_id, mtu=item.mtu, revision=item.revision, readings=item.readings)
    if item.of_area(area.code) != made:
        raise AttestationRefused(mtu=item.mtu, reason="root, count or sums are not those of its readings")


def check_signatures(item: SignedAttestation, area: MeteringArea) -> None:
    """Check for m or more attesters of distinct organisations, ascending by signer. Raises AttestationRefused."""
    mtu = item.mtu
    digest = item.of_area(area.code).digest(area.readings_domain)
    organisations: set[str] = set()
    previous = b""
    for signature in item.signatures:
        try:
            address = recover(digest, signature)
        except BadSignature as error:
            raise AttestationRefused(mtu=mtu, reason="a signature is not one") from error
        entry = area.attester_at(address)
        if entry is None:
            raise AttestationRefused(mtu=mtu, reason=f"{to_hex(address)} is no attester of the area")
        if address <= previous:
            raise AttestationRefused(mtu=mtu, reason="signatures do not ascend by signer")
        previous = address
        organisations.add(entry.organisation)
    if len(organisations) < area.threshold:
        raise AttestationRefused(
            mtu=mtu, reason=f"{len(organisations)} organisations signed, {area.threshold} are needed"
        )


def _check_leaves(item: SignedAttestation, area: MeteringArea) -> None:
    mtu = item.mtu
    due = [key.meter_code for key in area.meters_at(mtu)]
    given = [reading.meter_code for reading in item.readings]
    if given != due:
        raise AttestationRefused(mtu=mtu, reason="its leaves are not one per registered meter in ascending meter id")
    for reading in item.readings:
        if reading.mtu != mtu:
            raise AttestationRefused(mtu=mtu, reason=f"the leaf of meter {reading.meter_code!r} is of another MTU")


def _check_register(
    reading: Reading,
    before: Leaves | None,
    registers: Mapping[tuple[str, int], list[RegisterReading]],
    *,
    is_closed: bool,
) -> None:
    """A measured register is signed by its meter; the interval is the difference to the register before.

    `is_closed`: what stands `before` takes no corrections any more, so that a balancing entry may make up for it.
    """
    code, mtu = reading.meter_code, reading.mtu
    if reading.quality is Quality.MEASURED:
        signed = RegisterReading(
            mtu=mtu,
            import_register_wh=reading.import_register_wh,
            export_register_wh=reading.export_register_wh,
            sequence=reading.sequence,
            nonce=reading.nonce,
        )
        if signed not in registers.get((code, mtu), []):
            raise AttestationRefused(mtu=mtu, reason=f"no message of meter {code!r} holds its reading")
    elif reading.sequence != 0:
        raise AttestationRefused(mtu=mtu, reason=f"the substitute of meter {code!r} has a sequence")
    if not goes_on(reading, before, is_closed=is_closed):
        raise AttestationRefused(mtu=mtu, reason=f"interval of meter {code!r} is not the difference of its registers")


def changes_nothing(readings: Leaves, attested: Leaves | None) -> bool:
    """Whether these leaves are the attested ones again: then nothing justifies a further revision."""
    if attested is None or readings.keys() != attested.keys():
        return False
    return all(_without_drawn(reading) == _without_drawn(attested[code]) for code, reading in readings.items())


def _without_drawn(reading: Reading) -> Reading:
    return replace(reading, nonce=ZERO_HASH) if reading.quality is Quality.SUBSTITUTE else reading


def leads_to(readings: Leaves, after: Leaves | None) -> str | None:
    """A meter whose attested leaf of the next MTU does not go on from these registers, None where all do.

    Energy would appear or vanish between the two if only the earlier one were corrected.
    """
    for code, reading in readings.items():
        later = after.get(code) if after is not None else None
        if later is None:
            continue
        begins = (later.import_register_wh - later.import_wh, later.export_register_wh - later.export_wh)
        if begins != (reading.import_register_wh, reading.export_register_wh):
            return code
    return None


def _check_last(
    items: Sequence[SignedAttestation], fresh: Mapping[int, Leaves], declared: Period, leaves_at: LeavesAt
) -> None:
    """What is attested after the set's MTUs goes on from them, unless a page or the period ends in between."""
    total = sum(len(item.readings) for item in items)
    for mtu, readings in fresh.items():
        after = leaves_at(mtu + 1)
        if mtu + 1 in fresh or mtu + 1 not in declared or after is None or total + len(after) > LEAVES_PER_PAGE:
            continue
        code = leads_to(readings, after)
        if code is not None:
            reason = f"what is attested of meter {code!r} for the next MTU does not go on from it; correct both"
            raise AttestationRefused(mtu=mtu, reason=reason)


def verify_set(
    given: AttestationSet,
    *,
    area: MeteringArea,
    now: int,
    next_revision: Callable[[int], int],
    leaves_at: LeavesAt,
) -> None:
    """Check that all attestations of a set hold, at market time `now`.

    `next_revision` tells which revision an MTU takes next, `leaves_at` what was last attested for it. Raises
    AttestationRefused, or RevisionTaken where the recorded state has moved on.
    """
    declared = next((item for item in area.periods if item.number == given.period), None)
    if given.area != area.code or declared is None:
        raise AttestationRefused(reason=f"period {given.period} of area {given.area!r} is not declared")
    items = given.attestations
    if not 1 <= len(items) <= ATTESTATIONS_MAX:
        raise AttestationRefused(reason=f"it holds {len(items)} MTUs, not 1 to {ATTESTATIONS_MAX}")
    for item in items:
        _check_sums(item, area)
    registers = _signed_registers(given.messages, area)
    fresh: dict[int, Leaves] = {}
    previous = -1
    for item in items:
        mtu, revision = item.mtu, item.revision
        if mtu not in declared or mtu <= previous:
            raise AttestationRefused(mtu=mtu, reason="MTUs do not ascend within the period")
        previous = mtu
        if revision != next_revision(mtu):
            raise RevisionTaken(mtu=mtu, expected=next_revision(mtu), given=revision)
        check_signatures(item, area)
        _check_leaves(item, area)
        before = fresh.get(mtu - 1) or leaves_at(mtu - 1)
        is_closed = mtu == declared.first_mtu and area.is_final(mtu - 1, market_time=now)
        for reading in item.readings:
            _check_register(reading, before, registers, is_closed=is_closed)
        fresh[mtu] = item.leaves
        if changes_nothing(fresh[mtu], leaves_at(mtu)):
            raise AttestationRefused(mtu=mtu, reason="its leaves are those attested already")
    _check_last(items, fresh, declared, leaves_at)
