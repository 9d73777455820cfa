"""An organisation's own signer: asks which calls of its role wait, encodes each for itself, signs, hands back.

The key never leaves this process. What is signed is encoded here from contract, function and arguments, for the
contracts of the organisation's own deployment file, as its own node shows them; what the service encoded is only
compared. Functions named in `signer.approve` are signed without asking; all others wait for `dominoes signer sign`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog

from contracts.bindings import Call
from contracts.deploy import Deployment
from contracts.transactions import SignedTransaction, UnsignedTransaction
from domain.errors import DominoesError
from domain.hashing import to_hex
from domain.signing import Signer
from ledger_service.chain.encoding import Codec, RequestInvalid
from ledger_service.chain.profile import ChainProfile
from scripts.serving.api_client import ApiAway, ApiClient, ApiRefused

FUNCTIONS: Mapping[str, frozenset[str]] = {
    "registrar": frozenset({"Registry.register", "Calendar.createArea", "Market.createMarket", "Accounts.bindAccount"}),
    "treasurer": frozenset({"Accounts.deposit"}),
}
"""What each role ever sends at the service's request; anything else is refused whoever approves it."""

_log = structlog.get_logger(__name__)


class CallNotOurs(DominoesError):
    """The service asks for a call that this role never sends."""

    code = "call-not-ours"

    def __init__(self, *, role: str, function: str) -> None:
        self.role, self.function = role, function
        super().__init__(f"a {role} never sends {function}; nothing was signed, ask the operator what this is")


class CallMisencoded(DominoesError):
    """What the service would have signed is not what it says."""

    code = "call-misencoded"

    def __init__(self, *, call: int, member: str) -> None:
        self.call, self.member = call, member
        super().__init__(f"call {call}: {member} is not what its function and arguments give; nothing was signed")


class CallUnknown(DominoesError):
    """No call of this number waits."""

    code = "call-unknown"

    def __init__(self, *, call: int) -> None:
        self.call = call
        super().__init__(f"no call {call} waits for this role; `dominoes signer list` shows those that do")


@dataclass(frozen=True)
class WaitingCall:
    """A call that waits, as the service shows it."""

    number: int
    call: Call
    to: str
    data: str
    gas: int
    gas_price_wei: int
    nonce: int
    """The sender's next one; that of the transaction to replace where `replaces`."""
    replaces: bool

    @property
    def name(self) -> str:
        """Contract and function, as `signer.approve` names them."""
        return f"{self.call.contract}.{self.call.function}"

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> WaitingCall:
        """Read one item of `/v1/chain/calls`. Raises KeyError or ValueError."""
        return cls(
            number=item["call"],
            call=Call.from_json(item),
            to=item["to"],
            data=item["data"],
            gas=item["gas"],
            gas_price_wei=int(item["gas_price_wei"]),
            nonce=item["nonce"],
            replaces=item["replaces"],
        )


class OrganisationSigner:
    """Signs calls of one role with one key, for one deployment that its own node has shown."""

    def __init__(
        self,
        *,
        role: str,
        key: Signer,
        api: ApiClient,
        deployment: Deployment,
        profile: ChainProfile,
        approve: frozenset[str],
    ) -> None:
        self._role, self._key, self._api, self._deployment, self._profile = role, key, api, deployment, profile
        self._approve = approve
        self._codec = Codec(deployment)

    def waiting(self) -> list[WaitingCall]:
        """The calls that wait for this role. Raises ApiRefused or ApiAway."""
        return [WaitingCall.from_json(item) for item in self._api.items("/v1/chain/calls")]

    def sign(self, number: int) -> str:
        """Sign one call by its number, whatever `approve` says; the hash of the transaction.

        Raises CallUnknown, CallNotOurs, CallMisencoded, ApiRefused or ApiAway.
        """
        found = next((item for item in self.waiting() if item.number == number), None)
        if found is None:
            raise CallUnknown(call=number)
        return self._hand_back(found)

    def sign_approved(self) -> int:
        """Sign what waits and needs no person; how many were signed. Raises as `sign` does."""
        signed_anew = done = 0
        for item in self.waiting():
            if item.name not in self._approve:
                continue
            self._hand_back(item if item.replaces else replace(item, nonce=item.nonce + signed_anew))
            signed_anew += not item.replaces
            done += 1
        return done

    def run(self, *, stopping: threading.Event, every_seconds: float) -> None:
        """Sign what is approved until told to stop; the service may be away meanwhile."""
        while not stopping.wait(every_seconds):
            try:
                self.sign_approved()
            except (ApiAway, ApiRefused, CallNotOurs, CallMisencoded) as error:
                _log.warning("signer.waits", code=error.code, reason=str(error))

    def _hand_back(self, item: WaitingCall) -> str:
        signed = self.signed(item)
        self._api.post(f"/v1/chain/calls/{item.number}", {"transaction": to_hex(signed.raw)})
        _log.info("signer.signed", number=item.number, nonce=item.nonce, tx=to_hex(signed.hash), **item.call.as_json())
        return to_hex(signed.hash)

    def signed(self, item: WaitingCall) -> SignedTransaction:
        """The call as this organisation encodes and signs it. Raises CallNotOurs or CallMisencoded."""
        if item.name not in FUNCTIONS[self._role]:
            raise CallNotOurs(role=self._role, function=item.name)
        gas_max = self._profile.transaction_gas_max
        try:
            encoded = self._codec.encode(item.call, key=str(item.number), gas_max=gas_max)
        except RequestInvalid as error:
            raise CallMisencoded(call=item.number, member="args") from error
        for member, ours, theirs in (("to", encoded.to, item.to), ("data", encoded.data, item.data)):
            if to_hex(ours) != theirs:
                raise CallMisencoded(call=item.number, member=member)
        lowest = self._profile.gas_price_wei
        if not lowest <= item.gas_price_wei <= max(self._profile.gas_price_cap_wei, lowest):
            raise CallMisencoded(call=item.number, member="gas_price_wei")
        return UnsignedTransaction(
            chain_id=self._deployment.chain_id,
            nonce=item.nonce,
            to=encoded.to,
            data=encoded.data,
            gas=encoded.gas,
            gas_price_wei=item.gas_price_wei,
        ).sign(self._key)
