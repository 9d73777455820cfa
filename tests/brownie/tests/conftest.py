"""The deployed ledger, and people who sign for themselves while the node's accounts only relay."""

import pytest
from brownie import accounts
from brownie import web3 as brownie_web3
from eth_account import Account

from scripts.deploy import ROLES, deploy

SHAPES = {
    "Guarantee": "address guarantor,address account,uint64 creditNeur,uint64 nonce",
    "Cover": "address guarantor,address account,uint96 amountNeur,bytes32 ref",
    "Redemption": "address account,uint96 amountNeur,bytes32 ref,uint64 deadline",
}


class Holder:
    """A settlement account's key."""

    def __init__(self, label):
        self.key = brownie_web3.keccak(text=label)
        self.address = Account.from_key(self.key).address

    def sign(self, contract, shape, **message):
        """Sign typed data of the Settlement contract."""
        fields = [dict(zip(("type", "name"), part.split(" "))) for part in SHAPES[shape].split(",")]
        domain = {"name": "DOMINOES", "version": "1", "chainId": 31337, "verifyingContract": contract.address}
        signed = Account.sign_typed_data(self.key, domain, {shape: fields}, message)
        return signed.signature


@pytest.fixture(scope="module")
def keys():
    return {name: accounts[at + 1] for at, name in enumerate(ROLES)}


@pytest.fixture(scope="module")
def ledger(keys):
    return deploy(accounts[0], keys)


@pytest.fixture(scope="module")
def holders():
    return [Holder("holder %d" % at) for at in range(4)]


@pytest.fixture(scope="module")
def relay():
    return {"from": accounts[9]}
