"""What an attester reads from the chain by itself, so that it need not believe the service about it."""

from __future__ import annotations

from collections.abc import Iterable

from contracts.bindings.market import Market
from contracts.bindings.readings import Readings, ReadingState
from contracts.rpc import Rpc


class NodeRoots:
    """Running roots and where MTUs stand, from a node. Implements `settlement.ChainReader` and `process.ReadingsChain`.

    Raises NodeUnavailable or Reverted.
    """

    def __init__(self, *, rpc: Rpc, market: bytes, readings: bytes) -> None:
        self._market = Market(rpc=rpc, address=market)
        self._readings = Readings(rpc=rpc, address=readings)

    def clearing_root(self, *, area_id: bytes, period: int) -> bytes:
        """Running root over clearings and voids."""
        return self._market.clearing_root(area=area_id, period=period)

    def readings_root(self, *, area_id: bytes, period: int) -> bytes:
        """Running root over attestations and marks Unread."""
        return self._readings.readings_root(area=area_id, period=period)

    def reading_states(self, *, area_id: bytes, mtus: Iterable[int]) -> dict[int, ReadingState]:
        """Where the readings of MTUs stand: revisions taken, and the last root."""
        return {mtu: self._readings.reading_of(area=area_id, mtu=mtu) for mtu in mtus}
