"""The deployed ledger, and people who sign for themselves while the node's accounts only relay."""

import re

import brownie
import pytest
from brownie import accounts
from brownie import web3 as brownie_web3
from eth_account import Account

from scripts.deploy import ROLES, deploy

SHAPES = {
    "Guarantee": "address guarantor,address account,uint64 creditNeur,uint64 nonce,uint64 deadline",
    "Cover": "address guarantor,address account,uint96 amountNeur,uint96 debtNeur,bytes32 ref,uint64 deadline",
    "Redemption": "address account,uint96 amountNeur,bytes32 ref,uint64 deadline",
    "AccountReplacement": "address account,address successor,uint64 deadline",
    "Program": "bytes32 market,uint64 session,uint32 firstMtu,uint32 count,bytes32 booksRoot,bytes32 resultsRoot,"
    "uint128 tradedMask,uint128 emptiedMask,bytes32 gridModelHash,bytes32 reportHash,uint64 deadline",
    "Settlement": "bytes32 area,uint32 period,uint32 revision,bytes32 wordsHash,bytes32 clearingRoot,"
    "bytes32 readingsRoot,bytes32 statementsRoot,bytes32 tariffHash",
}


class Holder:
    """Somebody with a key of their own: a settlement account, an attester, or the DSO."""

    def __init__(self, label):
        self.key = brownie_web3.keccak(text=label)
        self.address = Account.from_key(self.key).address

    def sign(self, contract, shape, **message):
        """Sign typed data of a contract."""
        fields = [dict(zip(("type", "name"), part.split(" "))) for part in SHAPES[shape].split(",")]
        domain = {"name": "DOMINOES", "version": "1", "chainId": 31337, "verifyingContract": contract.address}
        signed = Account.sign_typed_data(self.key, domain, {shape: fields}, message)
        return signed.signature


def refuse(error, method, *arguments):
    """Call, without a transaction, and expect this error of the contracts and no other: Brownie names it by its selector."""
    with brownie.reverts(revert_pattern="(?s)%s: .*" % re.escape(error)):
        method.call(*arguments)


@pytest.fixture(scope="module")
def attesters():
    """Two, ascending by address as a quorum carries them."""
    return sorted((Holder("attester %d" % at) for at in range(2)), key=lambda holder: int(holder.address, 16))


@pytest.fixture(scope="module")
def dso():
    return Holder("dso")


@pytest.fixture(scope="module")
def keys(attesters, dso):
    names = {name: accounts[at + 1] for at, name in enumerate(ROLES)}
    names.update({"attester1": attesters[0].address, "attester2": attesters[1].address, "dso": dso.address})
    return names


@pytest.fixture(scope="module")
def ledger(keys):
    return deploy(accounts[0], keys)


@pytest.fixture(scope="module")
def relay():
    return {"from": accounts[9]}
