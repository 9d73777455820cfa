"""What one meter's contradictions cost an attester that has to show them."""

from __future__ import annotations

from itertools import repeat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from oracle.attester.store import Store

pytestmark = pytest.mark.unit

MESSAGES = 300
JWS_BYTES = 40_000
READINGS = 192


@pytest.mark.timeout(20)
def test_messages_of__contradicting_ones_of_one_sequence__reads_each_once(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.sqlite")
    run = SimpleNamespace(first_sequence=1, mtus=range(READINGS))
    made: Any = [
        (SimpleNamespace(meter_code="M", run=run, jws=at.to_bytes(JWS_BYTES, "big")), at.to_bytes(32, "big"))
        for at in range(MESSAGES)
    ]
    with store.commit():
        store.add_messages(made, received_at=0)

    for sequence in range(1, 21):
        assert len(store.messages_of(repeat(("M", sequence), MESSAGES))) == MESSAGES
