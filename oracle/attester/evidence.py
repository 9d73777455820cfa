"""The meters' own messages behind leaves: whoever gets the attestations can verify every reading anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from zoneinfo import ZoneInfo

from domain.attestations import AttestationSet
from domain.hashing import keccak
from domain.metering_area import MeteringArea
from domain.readings import Quality, Reading
from domain.registers import RegisterReading
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
    """The messages that show leaves (ascending in MTU), by hash: of each its reading and the one before; for a
    substitute all that disputes the reading, and what the substitute follows from; of a meter's first leaf the same for
    the registers at which it begins. `zone` is the area's."""
    found: dict[bytes, bytes] = {}
    begun: set[str] = set()
    for reading in readings:
        book = books[reading.meter_code]
        shown = [_behind(reading, book, zone, store)]
        if reading.meter_code not in begun:
            begun.add(reading.meter_code)
            shown.append(_behind_begin(reading, book, zone, store))
        found |= {keccak(jws): jws for jws in chain.from_iterable(shown)}
    return [found[digest] for digest in sorted(found)]


def _behind_begin(reading: Reading, book: MeterBook, zone: ZoneInfo, store: Store) -> Iterable[bytes]:
    """What the registers at the beginning of a leaf follow from, and its balancing entry."""
    code, before = reading.meter_code, book.believed_before(reading.mtu)
    if before is None or before.mtu != reading.mtu - 1:
        held = [
            *book.disputed_around(reading.mtu - 1),
            *book.disputed_behind(reading.mtu - 1, zone=zone),
        ]
        yield from store.messages_of((code, item.sequence) for item in held)
        yield from _holding(book.behind(reading.mtu - 1, zone=zone), code, store)
    first = book.first_believed_before(reading.mtu)
    if any(reading.balancing_wh) and first is not None:
        yield from _holding([first], code, store)


def _holding(readings: Iterable[RegisterReading], meter_code: str, store: Store) -> Iterable[bytes]:
    """The messages that hold these readings."""
    for known in readings:
        jws = store.message_with(meter_code=meter_code, sequence=known.sequence, nonce=known.nonce)
        if jws is not None:
            yield jws


def _behind(reading: Reading, book: MeterBook, zone: ZoneInfo, store: Store) -> Iterable[bytes]:
    code = reading.meter_code
    if reading.quality is Quality.MEASURED:
        jws = store.message_with(meter_code=code, sequence=reading.sequence, nonce=reading.nonce)
        if jws is not None:
            yield jws
    else:
        held = [*book.held_at(reading.mtu), *book.disputed_behind(reading.mtu, zone=zone)]
        yield from store.messages_of((code, item.sequence) for item in held)
        yield from _holding(book.behind(reading.mtu, zone=zone), code, store)
    before = book.believed_before(reading.mtu)
    if before is not None and before.mtu == reading.mtu - 1:
        yield from _holding([before], code, store)
