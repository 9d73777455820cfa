"""kill -9 of an attester before and after its commit: every message is stored once."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from nacl.signing import SigningKey as MeterKeyPair

from domain.hashing import text_id
from domain.messages import make_message
from domain.metering_area import MeteringArea
from domain.registers import RegisterReading
from domain.signing import SigningKey
from oracle.attester.intake import MeterIntake
from oracle.attester.store import Store
from tests.attester_store import counts
from tests.metered import each_at_its_own

pytestmark = pytest.mark.integration

FIRST = 1_900_000
NOW = (FIRST + 100) * 900
METER = MeterKeyPair(text_id("M0"))
METERING = MeteringArea(
    code="TEST",
    zone="Europe/Berlin",
    attesters=(),
    threshold=1,
    attest_seconds=3_600,
    horizon_seconds=864_000,
    chain_id=1,
    readings_contract=b"\x11" * 20,
    settlement_contract=b"\x22" * 20,
    **each_at_its_own({"M0": bytes(METER.verify_key)}, area="TEST", valid_from_mtu=FIRST, power_w=10_000),
    periods=(),
)
MESSAGES = [
    make_message(
        meter_code="M0",
        readings=[RegisterReading(FIRST - 1 + at, 100 * at, 0, at + 1, bytes([at]) * 32)],
        key=METER,
    )
    for at in range(5)
]


def intake_on(store: Store) -> MeterIntake:
    key = SigningKey(text_id("A0"))
    return MeterIntake(name="A0", key=key, store=store, area=METERING, market_now=lambda: NOW, refresh=lambda: NOW)


def take_all(store: Store) -> None:
    intake_on(store).take(("lem/v1/TEST/meter/M0/reading", message) for message in MESSAGES)


class KilledBeforeCommit(Store):
    """Ends its process when the messages are written but not committed."""

    def add_messages(self, *args: object, **kwargs: object) -> None:
        super().add_messages(*args, **kwargs)  # type: ignore[arg-type]
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(("kind", "held"), [(KilledBeforeCommit, 0), (Store, 5)])
def test_take__killed_and_all_delivered_again__each_reading_is_held_once(
    tmp_path: Path, kind: type[Store], held: int
) -> None:
    child = os.fork()
    if child == 0:
        take_all(kind(tmp_path / "store.sqlite"))
        os.kill(os.getpid(), signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL

    store = Store(tmp_path / "store.sqlite")
    before = counts(store)["reading"]
    take_all(store)

    assert before == held
    assert counts(store)["reading"] == 5
    assert counts(store)["message"] == 5
    store.close()
