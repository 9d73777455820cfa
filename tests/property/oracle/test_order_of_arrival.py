"""Whatever the order and repetition in which a day's messages reach each attester, the attested roots are the same."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.signing import SigningKey as MeterKeyPair

from domain.hashing import text_id
from domain.messages import make_message
from domain.metering_area import AttesterEntry, MeteringArea
from domain.mtu import mtu_end
from domain.periods import Period
from domain.readings import Attestation, in_leaf_order
from domain.registers import RegisterReading
from domain.signing import SigningKey
from oracle.attester.consensus.planning import Backlog, plan
from oracle.attester.intake import METER_MESSAGES_PER_GROUP, MeterIntake
from oracle.attester.store import Store
from tests.effort import examples
from tests.metered import each_at_its_own

pytestmark = pytest.mark.property

FIRST = 1_900_000
MTUS = 92
METERS = {code: MeterKeyPair(text_id(code)) for code in ("M0", "M1")}
ATTESTER = SigningKey(text_id("attester"))
METERING = MeteringArea(
    code="TEST",
    zone="Europe/Berlin",
    attesters=(AttesterEntry(name="A0", address=ATTESTER.address, organisation="one"),),
    threshold=1,
    attest_seconds=3_600,
    horizon_seconds=864_000,
    chain_id=1,
    readings_contract=b"\x11" * 20,
    settlement_contract=b"\x22" * 20,
    **each_at_its_own(
        {code: bytes(key.verify_key) for code, key in METERS.items()}, area="TEST", valid_from_mtu=FIRST, power_w=10_000
    ),
    periods=(Period(area="TEST", number=0, first_mtu=FIRST, count=MTUS),),
)


def day() -> Iterator[tuple[str, bytes]]:
    """A local day of 92 MTUs of two meters; one of them contradicts itself once."""
    for code, key in METERS.items():
        for sequence in range(1, MTUS + 2):
            energies = (1_000 + 37 * sequence, 5 * sequence)
            mtu = FIRST - 2 + sequence
            values = [(energies[0], energies[1], text_id(f"{code}{sequence}"))]
            if code == "M1" and sequence == 40:
                values.append((energies[0] + 1, energies[1], b"\x01" * 32))
            for import_wh, export_wh, nonce in values:
                reading = RegisterReading(mtu, import_wh, export_wh, sequence, nonce)
                yield code, make_message(meter_code=code, readings=[reading], key=key)


DAY = list(day())


def roots(messages: list[tuple[str, bytes]], *, group: int) -> list[bytes]:
    """Roots of the whole day as an attester plans them that got these messages in groups."""
    now = mtu_end(FIRST + MTUS)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "store.sqlite")
        intake = MeterIntake(
            name="A0", key=ATTESTER, store=store, area=METERING, market_now=lambda: now, refresh=lambda: now
        )
        for start in range(0, len(messages), group):
            intake.take((intake.topics.reading(code), jws) for code, jws in messages[start : start + group])
        store.close()
    backlog = Backlog(area=METERING, books=intake.books, mtus={}, through_mtu=FIRST - 1)
    proposal = plan(backlog, horizon_mtu=FIRST + MTUS - 1, floor_mtu=FIRST)
    assert proposal is not None and len(proposal.mtus) == MTUS
    return [
        Attestation.of(area=METERING.area_id, mtu=entry.mtu, revision=0, readings=in_leaf_order(entry.readings)).root
        for entry in proposal.mtus
    ]


IN_ORDER = roots(DAY, group=METER_MESSAGES_PER_GROUP)


@settings(max_examples=examples(15), deadline=None)
@given(seed=st.integers(0, 2**32), group=st.integers(1, METER_MESSAGES_PER_GROUP), repeats=st.integers(0, 200))
def test_roots__day_shuffled_and_repeated__are_those_of_the_day_in_order(seed: int, group: int, repeats: int) -> None:
    chance = random.Random(seed)
    messages = DAY + chance.choices(DAY, k=repeats)
    chance.shuffle(messages)

    assert roots(messages, group=group) == IN_ORDER
