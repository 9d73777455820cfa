"""Whether the service can do its work: its record, the chain node it sends to, its stages."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Literal

from domain.errors import DominoesError
from domain.hashing import to_hex
from wallet_api.schemas.base import JournalHead
from wallet_api.schemas.public import Health, NodeHealth
from wallet_api.services import Services

NODE_LAG_SECONDS_MAX = 900
"""Block time further behind market time than this, one MTU, is a chain that stands still."""

LOOK_SECONDS = 1.0
"""How long a look at the node is believed, so that asking for health often costs the node and our threads nothing."""


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """The node when it was last looked at: block time of its newest block (None: no answer), and that moment."""

    block_time: int | None
    moment: float


class HealthCheck:
    """Looks at the parts of one service. Blocking work."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._looking = Lock()
        self._seen = NodeSeen(block_time=None, moment=float("-inf"))

    def look(self) -> Health:
        """What is up: `ok`, or `degraded` where work waits for a part. Raises StorageUnavailable without a record."""
        head = self._services.record.head()
        node, stages = self._node(), self._stages()
        degraded = stages == "failing" or (node is not None and not _is_fit(node))
        return Health(
            status="degraded" if degraded else "ok",
            journal=JournalHead(sequence=head.sequence, head=to_hex(head.hash)),
            node=node,
            stages=stages,
        )

    def _stages(self) -> Literal["ok", "failing"] | None:
        """Whether the stages go on with all there is; None where the service runs none."""
        failure = self._services.stage_failure
        if failure is None:
            return None
        return "ok" if failure() is None and not self._services.stuck_periods() else "failing"

    def _node(self) -> NodeHealth | None:
        """Reachability and lag in seconds; None where the service has no node to look at."""
        if self._services.node_block_time is None:
            return None
        seen = self._look_at_node(self._services.node_block_time)
        if seen.block_time is None:
            return NodeHealth(reachable=False, lag_seconds=None)
        due = self._services.deployment.chain_time(self._services.clock.now())
        return NodeHealth(reachable=True, lag_seconds=max(due - seen.block_time, 0))

    def _look_at_node(self, block_time: Callable[[], int]) -> NodeSeen:
        fresh = time.monotonic() - self._seen.moment < LOOK_SECONDS
        # Only one thread waits for a node that doesn't answer; the others say what was seen last.
        if fresh or not self._looking.acquire(blocking=False):
            return self._seen
        try:
            self._seen = NodeSeen(block_time=block_time(), moment=time.monotonic())
        except DominoesError:
            self._seen = NodeSeen(block_time=None, moment=time.monotonic())
        finally:
            self._looking.release()
        return self._seen


def _is_fit(node: NodeHealth) -> bool:
    return node.lag_seconds is not None and node.lag_seconds <= NODE_LAG_SECONDS_MAX
