"""An organisation's signer: what it signs, what it never signs, whatever the service asks for."""

from __future__ import annotations

from typing import Any, cast

import pytest

from contracts.artifacts import CONTRACT_NAMES
from contracts.bindings import Accounts, Call, Registry
from contracts.deploy import Deployment
from contracts.transactions import read_signed
from domain.hashing import from_hex, to_hex
from domain.signing import SigningKey
from ledger_service.chain.encoding import Codec
from ledger_service.chain.profile import CLIQUE
from scripts.serving.api_client import ApiClient
from scripts.serving.production.signer import (
    CallMisencoded,
    CallNotOurs,
    CallUnknown,
    OrganisationSigner,
)

pytestmark = pytest.mark.unit

CHAIN_ID = 2016
KEY = SigningKey(b"\x01" * 32)
DEPLOYMENT = Deployment(
    chain_id=CHAIN_ID,
    genesis_hash=bytes(32),
    addresses={name: bytes([number + 1]) * 20 for number, name in enumerate(CONTRACT_NAMES)},
    code_hashes={},
    start_block=0,
)
DEPOSIT = Accounts.deposit(account=b"\x07" * 20, amount_neur=10**9, ref=b"\x08" * 32)
COVER = Registry.register(name="Market", location=b"\x09" * 20, code_hash=bytes(32))


class Service:
    """What the API shows and takes, without one."""

    def __init__(self, *waiting: dict[str, Any]) -> None:
        self.waiting = list(waiting)
        self.taken: list[tuple[str, bytes]] = []

    def items(self, path: str) -> list[Any]:
        assert path == "/v1/chain/calls"
        return self.waiting

    def post(self, path: str, body: dict[str, str]) -> None:
        self.taken.append((path, from_hex(body["transaction"])))


def item(number: int, call: Call = DEPOSIT, **changes: Any) -> dict[str, Any]:
    encoded = Codec(DEPLOYMENT).encode(call, key="k", gas_max=CLIQUE.transaction_gas_max)
    shown = {
        "call": number,
        **call.as_json(),
        "to": to_hex(encoded.to),
        "data": to_hex(encoded.data),
        "gas": encoded.gas,
        "gas_price_wei": str(CLIQUE.gas_price_wei),
        "nonce": 5,
        "replaces": False,
    }
    return shown | changes


def signer(service: Service, *, role: str = "treasurer", approve: tuple[str, ...] = ()) -> OrganisationSigner:
    return OrganisationSigner(
        role=role,
        key=KEY,
        api=cast(ApiClient, service),
        deployment=DEPLOYMENT,
        profile=CLIQUE,
        approve=frozenset(approve),
    )


def test_sign__a_call_that_waits__is_handed_back_as_encoded_here() -> None:
    service = Service(item(41), item(42))

    tx_hash = signer(service).sign(42)

    (path, raw) = service.taken[0]
    signed = read_signed(raw, chain_id=CHAIN_ID)
    assert path == "/v1/chain/calls/42"
    assert (signed.sender, signed.transaction.data, signed.transaction.nonce) == (KEY.address, DEPOSIT.data(), 5)
    assert signed.transaction.to == DEPLOYMENT.addresses["Accounts"]
    assert to_hex(signed.hash) == tx_hash


def test_sign_approved__some_need_a_person__the_others_get_rising_nonces() -> None:
    service = Service(item(1), item(2, COVER), item(3), item(4, replaces=True, nonce=2))

    done = signer(service, approve=("Accounts.deposit",)).sign_approved()

    nonces = [read_signed(raw, chain_id=CHAIN_ID).transaction.nonce for _, raw in service.taken]
    assert (done, nonces) == (3, [5, 6, 2])


def test_sign__number_that_does_not_wait__refused() -> None:
    with pytest.raises(CallUnknown):
        signer(Service(item(1))).sign(2)


def test_sign__call_that_this_role_never_sends__refused_even_where_approved() -> None:
    service = Service(item(1, COVER))

    with pytest.raises(CallNotOurs):
        signer(service, approve=("Registry.register",)).sign_approved()

    assert service.taken == []


@pytest.mark.parametrize(
    ("changes", "member"),
    [
        ({"to": to_hex(b"\x66" * 20)}, "to"),
        ({"data": to_hex(Accounts.deposit(account=b"\x66" * 20, amount_neur=1, ref=bytes(32)).data())}, "data"),
        ({"args": [to_hex(b"\x66" * 20), "1", to_hex(bytes(32))]}, "data"),
        ({"args": ["nonsense"]}, "args"),
        ({"gas_price_wei": "1"}, "gas_price_wei"),
        ({"gas_price_wei": str(10**18)}, "gas_price_wei"),
    ],
)
def test_sign__shown_one_thing_and_given_another_to_sign__refused(changes: dict[str, Any], member: str) -> None:
    service = Service(item(1, **changes))

    with pytest.raises(CallMisencoded) as caught:
        signer(service).sign(1)

    assert caught.value.member == member
    assert service.taken == []
