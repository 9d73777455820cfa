"""A client id that two processes use: seen, said, and one gives way."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from oracle import mqtt
from oracle.mqtt import CONTESTED_ENDS, CONTESTED_S_MAX, RECONNECT_S_MAX, BrokerAddress, MqttSession

pytestmark = pytest.mark.unit

FINE, ENDED = SimpleNamespace(is_failure=False), SimpleNamespace(is_failure=True)


class Connection:
    """A session whose broker accepts and ends it as the test says, on a clock of the test's own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(mqtt, "monotonic", lambda: self.now)
        address = BrokerAddress(host="broker", port=1)
        self.session = MqttSession(address=address, client_id="M1", subscriptions=(), on_message=lambda _: None)
        self.delays: list[tuple[int, int]] = []
        client: Any = self.session._client
        client.reconnect_delay_set = lambda min_delay, max_delay: self.delays.append((min_delay, max_delay))

    def stand(self, seconds: float, end: Any = ENDED) -> None:
        self.session._connected(self.session._client, None, None, FINE, None)
        self.now += seconds
        self.session._disconnected(self.session._client, None, None, end, None)


def test_session__ended_at_once_again_and_again__says_so_and_gives_way_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection(monkeypatch)

    with capture_logs() as logs:
        for _ in range(12):
            connection.stand(0.5)

    said = [entry for entry in logs if entry["event"] == "mqtt.client_id_taken"]
    assert connection.session.contested and said[0]["client_id"] == "M1"
    pauses = [pause for pause, _ in connection.delays]
    assert len(pauses) == len(said) == 12 - CONTESTED_ENDS + 1
    assert pauses == sorted(pauses) and pauses[0] == 2**CONTESTED_ENDS and pauses[-1] == CONTESTED_S_MAX


def test_session__stands_again__tries_at_once_after_the_next_end(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection(monkeypatch)
    for _ in range(CONTESTED_ENDS):
        connection.stand(0.5)

    connection.stand(60)

    assert not connection.session.contested
    assert connection.delays[-1] == (1, RECONNECT_S_MAX)


def test_session__ended_by_itself_or_after_a_while__is_not_contested(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection(monkeypatch)
    for _ in range(10):
        connection.stand(0.5, end=FINE)
        connection.stand(60)

    assert not connection.session.contested
