"""Signed transactions, compared with eth_account's."""

from __future__ import annotations

import pytest
from eth_account import Account
from eth_utils import to_checksum_address

from contracts.transactions import UnsignedTransaction, created_address, decode_transaction
from domain.hashing import keccak
from domain.signing import SigningKey

pytestmark = pytest.mark.unit

KEY = SigningKey(keccak(b"sender"))


@pytest.mark.parametrize(
    ("nonce", "price", "to", "data"),
    [(0, 0, b"\x01" * 20, b""), (200, 10**9, b"\xff" * 20, b"\x00\x01"), (2**40, 1, b"\x10" * 20, bytes(70_000))],
)
def test_sign__legacy_transaction__equals_eth_account(nonce: int, price: int, to: bytes, data: bytes) -> None:
    ours = UnsignedTransaction(chain_id=2016, nonce=nonce, to=to, data=data, gas=10**7, gas_price_wei=price).sign(KEY)
    fields = {"chainId": 2016, "nonce": nonce, "gas": 10**7, "gasPrice": price, "value": 0, "data": data}
    theirs = Account.sign_transaction({**fields, "to": to_checksum_address(to)}, KEY.secret)

    assert ours.raw == bytes(theirs.raw_transaction)
    assert ours.hash == bytes(theirs.hash)
    assert Account.recover_transaction(ours.raw).lower() == "0x" + KEY.address.hex()


def test_decode_transaction__own_signed_bytes__gives_the_transaction_back() -> None:
    transaction = UnsignedTransaction(chain_id=1, nonce=0, to=None, data=b"\x60", gas=5, gas_price_wei=7)

    assert decode_transaction(transaction.sign(KEY).raw, chain_id=1) == transaction


def test_created_address__known_example__is_right() -> None:
    # From the Ethereum wiki on contract addresses: sender 0x6ac7…, nonces 0 and 1.
    sender = bytes.fromhex("6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0")

    assert created_address(sender=sender, nonce=0).hex() == "cd234a471b72ba2f1ccf0a70fcaba648a5eecd8d"
    assert created_address(sender=sender, nonce=1).hex() == "343c43a37d37dff08ae8c4a11544c718abb4fcf8"
