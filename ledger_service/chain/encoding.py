"""From a stage's request to calldata with a gas limit, and from a node's logs back to named events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.artifacts import Artifact, load_artifacts
from contracts.bindings import Call
from contracts.deploy import Deployment
from contracts.rpc import as_bytes
from domain.errors import DominoesError
from domain.facts import ChainEvent
from domain.hashing import from_hex
from domain.members import JsonDocument

GAS_BASE = 3_000_000
"""Gas limit of a call without data: far above any single step of the contracts."""

GAS_PER_DATA_BYTE = 2_000
"""Gas limit added per byte of calldata; the dearest function (closing books) needs under 1,000."""

GAS_PER_COUNTED = 120_000
"""Gas limit added per MTU of a range that a call names by its count."""

GAS_PER_SETTLED_BYTE = 3_300
"""The same for `settle`: 105,600 per word, above the dearest account, so that the largest page has 30 million."""

_COUNTING = frozenset({"markUnread", "declarePeriod"})


class RequestInvalid(DominoesError):
    """A `chain.requested` fact does not name a call that the contracts have."""

    status = 500
    code = "chain-request-invalid"

    def __init__(self, *, key: str, reason: str) -> None:
        self.key, self.reason = key, reason
        super().__init__(f"chain request {key} can't be encoded: {reason}; the stage that made it is at fault")


@dataclass(frozen=True, slots=True)
class EncodedCall:
    """Where a call goes, its calldata and its gas limit."""

    to: bytes
    data: bytes
    gas: int


class Codec:
    """Encodes requests and decodes logs for one deployment."""

    def __init__(self, deployment: Deployment, *, artifacts: Mapping[str, Artifact] | None = None) -> None:
        self._deployment = deployment
        self._artifacts = load_artifacts() if artifacts is None else artifacts
        self._by_address = {address: name for name, address in deployment.addresses.items()}

    def encode(self, call: Call, *, key: str, gas_max: int) -> EncodedCall:
        """The call of the request with this key. Raises RequestInvalid."""
        if call.contract not in self._artifacts:
            raise RequestInvalid(key=key, reason=f"there is no contract {call.contract}")
        try:
            data = call.data()
        except DominoesError as error:
            raise RequestInvalid(key=key, reason=str(error)) from error
        units = int(call.argument("count")) if call.function in _COUNTING else 0
        per_byte = GAS_PER_SETTLED_BYTE if call.function == "settle" else GAS_PER_DATA_BYTE
        gas = GAS_BASE + per_byte * len(data) + GAS_PER_COUNTED * units
        return EncodedCall(to=self._deployment.addresses[call.contract], data=data, gas=min(gas, gas_max))

    def events(self, logs: Sequence[Mapping[str, Any]]) -> list[ChainEvent]:
        """Our contracts' events out of a receipt's logs, in order; others' logs are passed over."""
        found = []
        for log in logs:
            name = self._by_address.get(from_hex(str(log["address"]).lower()))
            if name is None:
                continue
            topics = [as_bytes(topic) for topic in log["topics"]]
            event = self._artifacts[name].abi.decode_event(topics, as_bytes(log["data"]))
            if event is not None:
                found.append(ChainEvent(contract=name, event=event.name, args=JsonDocument(event.args)))
        return found

    def revert_reason(self, data: bytes) -> str | None:
        """A custom error of any of our contracts, or the text of a plain revert; None where it is neither."""
        for artifact in self._artifacts.values():
            reason = artifact.abi.decode_error(data)
            if reason is not None:
                return reason
        return None
