"""From known registers to one leaf per MTU: the interval energy, and the substitute where a register is missing.

Rule (deterministic, the same for every attester that knows the same registers):
- register known: measured; the interval is its difference to the register one MTU before, whatever that one's quality;
- missing between two known ones: linear between them, rounded down, so that no energy appears or vanishes;
- missing after the last known one: the energy of the last interval between two known neighbours repeats (0 if none);
- before the first known one, or with none at all: no energy.
Registers of consecutive leaves therefore always differ by exactly the interval energy of the later one. The nonce of a
substitute follows from the reading it rests on, so what is known gives one root and nobody chooses among several.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from domain.hashing import ZERO_HASH, keccak, text_id
from domain.readings import Quality, Reading
from domain.registers import RegisterReading

SUBSTITUTE_RULE = 1
"""Version of the rule above; facts of readings name it."""

REPEAT_LOOKBACK = 96
"""How many known registers back an adjacent pair is looked for when an interval is to be repeated: one day."""

_SUBSTITUTE_TAG = b"substitute"


def _last_interval_wh(known: Sequence[RegisterReading], index: int) -> tuple[int, int]:
    for at in range(index, max(0, index - REPEAT_LOOKBACK), -1):
        earlier, later = known[at - 1], known[at]
        if later.mtu - earlier.mtu == 1:
            return (
                later.import_register_wh - earlier.import_register_wh,
                later.export_register_wh - earlier.export_register_wh,
            )
    return 0, 0


def registers_at(
    known: Sequence[RegisterReading], mtus: Sequence[int], mtu: int
) -> tuple[int, int, RegisterReading | None]:
    """(import, export) registers in Wh at the end of `mtu`, and the reading they come from (None for a substitute).

    `known` ascends in MTU and register, `mtus` are its MTUs.
    """
    at = bisect_left(mtus, mtu)
    if at < len(known) and mtus[at] == mtu:
        return known[at].import_register_wh, known[at].export_register_wh, known[at]
    if not known:
        return 0, 0, None
    if at == 0:
        return known[0].import_register_wh, known[0].export_register_wh, None
    before = known[at - 1]
    steps = mtu - before.mtu
    if at == len(known):
        import_wh, export_wh = _last_interval_wh(known, at - 1)
        return before.import_register_wh + steps * import_wh, before.export_register_wh + steps * export_wh, None
    after = known[at]
    width = after.mtu - before.mtu
    return (
        before.import_register_wh + (after.import_register_wh - before.import_register_wh) * steps // width,
        before.export_register_wh + (after.export_register_wh - before.export_register_wh) * steps // width,
        None,
    )


def substitute_nonce(*, meter_id: bytes, known: Sequence[RegisterReading], mtus: Sequence[int], mtu: int) -> bytes:
    """The nonce of a substitute for `mtu`: as hard to guess as that of the known reading before it (else after it).

    With nothing known at all the leaf says only that the meter was never heard, and its nonce is no secret.
    """
    at = bisect_left(mtus, mtu)
    rests_on = known[at - 1].nonce if at else known[0].nonce if known else ZERO_HASH
    return keccak(_SUBSTITUTE_TAG + meter_id + mtu.to_bytes(32, "big") + rests_on)


def leaves(*, meter_code: str, known: Sequence[RegisterReading], first_mtu: int, last_mtu: int) -> list[Reading]:
    """The leaves of one meter for MTUs `first_mtu` to `last_mtu`. `known` ascends in MTU and register."""
    mtus = [reading.mtu for reading in known]
    meter_id = text_id(meter_code)
    import_before_wh, export_before_wh, _ = registers_at(known, mtus, first_mtu - 1)
    result = []
    for mtu in range(first_mtu, last_mtu + 1):
        import_wh, export_wh, source = registers_at(known, mtus, mtu)
        result.append(
            Reading(
                meter_code=meter_code,
                mtu=mtu,
                import_register_wh=import_wh,
                export_register_wh=export_wh,
                import_wh=import_wh - import_before_wh,
                export_wh=export_wh - export_before_wh,
                sequence=source.sequence if source else 0,
                quality=Quality.MEASURED if source else Quality.SUBSTITUTE,
                nonce=source.nonce if source else substitute_nonce(meter_id=meter_id, known=known, mtus=mtus, mtu=mtu),
            )
        )
        import_before_wh, export_before_wh = import_wh, export_wh
    return result
