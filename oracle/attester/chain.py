"""What an attester reads from the chain by itself, so that it need not believe the service about it."""

from __future__ import annotations

from contracts.bindings.market import Market
from contracts.bindings.readings import Readings
from contracts.rpc import Rpc


class NodeRoots:
    """The running roots, from a node. Implements `settlement.ChainReader`. Raises NodeUnavailable or Reverted."""

    def __init__(self, *, rpc: Rpc, market: bytes, readings: bytes) -> None:
        self._market = Market(rpc=rpc, address=market)
        self._readings = Readings(rpc=rpc, address=readings)

    def clearing_root(self, *, area_id: bytes, period: int) -> bytes:
        """Running root over clearings and voids."""
        return self._market.clearing_root(area=area_id, period=period)

    def readings_root(self, *, area_id: bytes, period: int) -> bytes:
        """Running root over attestations and marks Unread."""
        return self._readings.readings_root(area=area_id, period=period)
