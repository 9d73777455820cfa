"""Calls whose sender is an organisation outside the service: they wait until it has signed them with its own key.

The gateway hands such a call over; the organisation's signer asks for it, checks it, signs it and hands the signed
transaction back. What comes back counts only if it is exactly the call that was asked for; from then on it is stored
and sent like every other transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from contracts.bindings import Call
from contracts.deploy import Deployment
from contracts.rpc import Rpc, as_int
from contracts.transactions import SignedTransaction, read_signed
from domain.errors import DominoesError
from domain.facts import ChainRequested
from domain.hashing import to_hex
from ledger_service.chain import stored_transactions
from ledger_service.chain.encoding import Codec
from ledger_service.chain.profile import ChainProfile
from ledger_service.chain.tables import chain_attempt, chain_awaiting
from ledger_service.outbox import call_of
from ledger_service.record import Record, Transaction
from ledger_service.record.paging import Slice, sliced
from ledger_service.record.spans import ALWAYS, MtuSpan, recorded_in

CALLS_SHOWN = Slice(limit=500)
"""Calls shown at once; the next are there when these are signed."""

NODE_SECONDS = 5.0
"""Longest that the node is waited for: a person's signer asks again."""


class CallNotAwaiting(DominoesError):
    """No call of this number waits for a signature of this role."""

    status = 404
    code = "call-not-awaiting"
    remedy = "Ask for the calls that wait for you; this one was signed already or is another role's."

    def __init__(self, *, request: int) -> None:
        self.request = request
        super().__init__(f"call {request} does not wait for you; ask for the calls that do")


class CallDiffers(DominoesError):
    """What was signed is not the call that was asked for."""

    status = 422
    code = "call-differs"
    remedy = "Ask for the call again, sign exactly what is shown now, and hand that in."

    def __init__(self, *, request: int, member: str, wanted: object, found: object) -> None:
        self.request, self.member, self.wanted, self.found = request, member, wanted, found
        super().__init__(
            f"call {request}: {member} is {found} instead of {wanted}; sign what /v1/chain/calls shows now"
        )


@dataclass(frozen=True, slots=True)
class AwaitingCall:
    """A call to sign. `request` is the sequence of its fact.

    `nonce` is the sender's next one, or that of its transaction which this one `replaces` (at a higher price).
    """

    request: int
    role: str
    call: Call
    to: bytes
    data: bytes
    gas: int
    gas_price_wei: int
    nonce: int
    replaces: bool
    recorded_at: int
    """Market time at which it was asked for, unix seconds."""


def hand_over(tx: Transaction, *, request: int, key: str, role: str, gas_price_wei: int, nonce: int | None) -> None:
    """Let a call wait for its sender; once more with another price or nonce where it was signed before."""
    values = {"gas_price_wei": gas_price_wei, "nonce": nonce}
    table = chain_awaiting
    changed = tx.connection.execute(update(table).where(table.c.request == request).values(**values))
    if changed.rowcount == 0:
        tx.connection.execute(insert(table).values(request=request, key=key, role=role, **values))


class AwaitingCalls:
    """The calls that wait, for the API; with a node connection of its own, safe to use from several threads."""

    def __init__(self, *, record: Record, rpc_url: str, deployment: Deployment, profile: ChainProfile) -> None:
        self._record, self._deployment, self._profile = record, deployment, profile
        self._rpc = Rpc(rpc_url, timeout_s=NODE_SECONDS)
        self._codec = Codec(deployment)

    def calls(
        self, *, role: str, sender: bytes, asked: MtuSpan = ALWAYS, part: Slice = CALLS_SHOWN
    ) -> list[AwaitingCall]:
        """What waits for this role, by when it was asked for, with this sender's next nonce. Raises NodeUnavailable.

        `asked` are the MTUs of market time within which it was asked for.
        """
        floor = self._chain_nonce(sender)
        c = chain_awaiting.c
        with self._record.read() as connection:
            nonce = _next_nonce(connection, sender, floor=floor)
            within = recorded_in(connection, asked)
            query = select(chain_awaiting).where(c.role == role, within.holds(c.request))
            rows = connection.execute(sliced(query, c.request, part=part))
            return [self._call(connection, row, nonce=nonce) for row in rows]

    def accept(self, *, request: int, role: str, sender: bytes, raw: bytes) -> SignedTransaction:
        """Store what the sender signed; the gateway sends it. The same bytes again change nothing.

        Raises NotATransaction, CallNotAwaiting, CallDiffers, NodeUnavailable.
        """
        signed = read_signed(raw, chain_id=self._deployment.chain_id)
        if signed.sender != sender:
            raise CallDiffers(request=request, member="sender", wanted=to_hex(sender), found=to_hex(signed.sender))
        floor = self._chain_nonce(sender)
        with self._record.begin() as tx:
            row = tx.connection.execute(
                select(chain_awaiting).where(chain_awaiting.c.request == request, chain_awaiting.c.role == role)
            ).first()
            if row is None:
                if _is_stored(tx.connection, signed.hash):
                    return signed
                raise CallNotAwaiting(request=request)
            call = self._call(tx.connection, row, nonce=_next_nonce(tx.connection, sender, floor=floor))
            _compare(call, signed, price_cap_wei=self._profile.gas_price_cap_wei)
            stored_transactions.store(
                tx,
                key=row.key,
                request=request,
                role=role,
                contract=call.call.contract,
                function=call.call.function,
                about=stored_transactions.subject_of(tx, row.key),
                signed=signed,
            )
            tx.connection.execute(delete(chain_awaiting).where(chain_awaiting.c.request == request))
        return signed

    def _call(self, connection: Connection, row: Any, *, nonce: int) -> AwaitingCall:
        entry = self._record.entries(after=row.request - 1, limit=1, connection=connection)[0]
        call = call_of(entry.as_a(ChainRequested))
        encoded = self._codec.encode(call, key=row.key, gas_max=self._profile.transaction_gas_max)
        return AwaitingCall(
            request=row.request,
            role=row.role,
            call=call,
            to=encoded.to,
            data=encoded.data,
            gas=encoded.gas,
            gas_price_wei=row.gas_price_wei,
            nonce=nonce if row.nonce is None else row.nonce,
            replaces=row.nonce is not None,
            recorded_at=entry.recorded_at,
        )

    def _chain_nonce(self, sender: bytes) -> int:
        return as_int(self._rpc.call("eth_getTransactionCount", to_hex(sender), "latest"))


def _next_nonce(connection: Connection, sender: bytes, *, floor: int) -> int:
    return max(stored_transactions.next_nonce(connection, sender) or 0, floor)


def _is_stored(connection: Connection, tx_hash: bytes) -> bool:
    query = select(chain_attempt.c.tx_hash).where(chain_attempt.c.tx_hash == tx_hash)
    return connection.execute(query).first() is not None


def _compare(call: AwaitingCall, signed: SignedTransaction, *, price_cap_wei: int) -> None:
    """Refuse what is not the call: the sender may only pay more gas price, up to the profile's cap."""
    given = signed.transaction
    pairs: Mapping[str, tuple[object, object]] = {
        "to": (to_hex(call.to), None if given.to is None else to_hex(given.to)),
        "data": (to_hex(call.data), to_hex(given.data)),
        "gas": (call.gas, given.gas),
        "nonce": (call.nonce, given.nonce),
    }
    for member, (wanted, found) in pairs.items():
        if wanted != found:
            raise CallDiffers(request=call.request, member=member, wanted=wanted, found=found)
    if not call.gas_price_wei <= given.gas_price_wei <= max(price_cap_wei, call.gas_price_wei):
        raise CallDiffers(
            request=call.request, member="gas price", wanted=call.gas_price_wei, found=given.gas_price_wei
        )
