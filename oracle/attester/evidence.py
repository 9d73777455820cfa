"""The meters' own messages behind leaves: whoever gets the attestations can verify every reading anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from zoneinfo import ZoneInfo

from domain.attestations import AttestationSet
from domain.hashing import keccak
from domain.metering_area import MeteringArea
from domain.readings import Quality, Reading
from oracle.attester.book import MeterBook
from oracle.attester.consensus.effects import HandOver
from oracle.attester.store import Store


def attestation_set(
    what: HandOver, *, area: MeteringArea, books: Mapping[str, MeterBook], store: Store
) -> AttestationSet:
    """What is handed to the service, complete in itself: leaves, signatures and the messages of the meters."""
    readings = (reading for item in what.attestations for reading in item.readings)
    messages = messages_behind(readings, zone=area.zone_info, books=books, store=store)
    return AttestationSet(
        area=area.code,
        period=what.period,
        attestations=what.attestations,
        messages=tuple(message.decode("ascii") for message in messages),
    )


def messages_behind(
    readings: Iterable[Reading], *, zone: ZoneInfo, books: Mapping[str, MeterBook], store: Store
) -> list[bytes]:
    """The messages that show leaves, by hash: of each its reading and the one before; for a substitute all that
    disputes the reading, and what the substitute follows from. `zone` is the area's."""
    found: dict[bytes, bytes] = {}
    for reading in readings:
        for jws in _behind(reading, books[reading.meter_code], zone, store):
            found[keccak(jws)] = jws
    return [found[digest] for digest in sorted(found)]


def _behind(reading: Reading, book: MeterBook, zone: ZoneInfo, store: Store) -> Iterable[bytes]:
    code = reading.meter_code
    shown: list[tuple[int, bytes]] = []
    if reading.quality is Quality.MEASURED:
        shown.append((reading.sequence, reading.nonce))
    else:
        yield from store.messages_of((code, held.sequence) for held in book.held_at(reading.mtu))
        shown += [(known.sequence, known.nonce) for known in book.behind(reading.mtu, zone=zone)]
    before = book.believed_before(reading.mtu)
    if before is not None and before.mtu == reading.mtu - 1:
        shown.append((before.sequence, before.nonce))
    for sequence, nonce in shown:
        jws = store.message_with(meter_code=code, sequence=sequence, nonce=nonce)
        if jws is not None:
            yield jws
