"""Deploy all contracts of the ledger, in the order of their dependence, with one key per role."""

from brownie import (
    ZERO_ADDRESS,
    Accounts,
    Anchors,
    Calendar,
    Clearing,
    Guarantees,
    Handovers,
    Market,
    Objections,
    Readings,
    Redemptions,
    Registry,
    Roles,
    Settlement,
    Successions,
    accounts,
    chain,
    web3,
)

ROLES = (
    "operator",
    "dso",
    "attester1",
    "attester2",
    "treasurer",
    "registrar",
    "security_admin1",
    "security_admin2",
)
NUMBERS = {"operator": 1, "dso": 2, "attester": 3, "treasurer": 4, "registrar": 5, "security_admin": 6}
CHALLENGE_SECONDS = 3_600
PAGE_SECONDS = 900
CHANGE_SECONDS = 7_200
ROLE_DELAY_SECONDS = 1_800
DELAY_SECONDS = 172_800


def grants(keys):
    """IRoles.Grant per key; every key belongs to an organisation of its own, all areas."""
    return [
        (keys[name], NUMBERS[name.rstrip("12")], web3.keccak(text="organisation " + name), b"\x00" * 32)
        for name in ROLES
    ]


def deploy(deployer, keys):
    """Deploy and return the contracts by name; market time equals block time."""
    paid = {"from": deployer}
    now = chain[-1]["timestamp"]
    roles = Roles.deploy((2, ROLE_DELAY_SECONDS, DELAY_SECONDS, DELAY_SECONDS), grants(keys), paid)
    # The calendar asks a contract that exists only once all others do where an area's periods begin and end.
    last = deployer.get_deployment_address(deployer.nonce + 10)
    calendar = Calendar.deploy(roles, last, now, now, 1, paid)
    # The market names the contract that may record what cleared before it exists.
    market = Market.deploy(roles, calendar, deployer.get_deployment_address(deployer.nonce + 1), paid)
    clearing = Clearing.deploy(market, paid)
    objections = Objections.deploy(market, paid)
    readings = Readings.deploy(roles, calendar, paid)
    # Accounts name the contracts that may book before these exist.
    parts = [deployer.get_deployment_address(deployer.nonce + ahead) for ahead in (1, 2, 3, 4)]
    books = Accounts.deploy(roles, calendar, *parts, last, CHANGE_SECONDS, paid)
    settlement = Settlement.deploy(roles, calendar, market, readings, books, PAGE_SECONDS, paid)
    redemptions = Redemptions.deploy(calendar, books, CHALLENGE_SECONDS, paid)
    guarantees = Guarantees.deploy(calendar, settlement, books, paid)
    successions = Successions.deploy(roles, calendar, books, paid)
    handovers = Handovers.deploy(roles, calendar, settlement, books, ZERO_ADDRESS, paid)
    anchors = Anchors.deploy(roles, paid)
    registry = Registry.deploy(roles, paid)
    return {
        "roles": roles,
        "calendar": calendar,
        "market": market,
        "clearing": clearing,
        "objections": objections,
        "readings": readings,
        "accounts": books,
        "settlement": settlement,
        "redemptions": redemptions,
        "guarantees": guarantees,
        "successions": successions,
        "handovers": handovers,
        "anchors": anchors,
        "registry": registry,
    }


def main():
    """Deploy with the node's own accounts and list every contract in the registry."""
    keys = {name: accounts[at + 1] for at, name in enumerate(ROLES)}
    contracts = deploy(accounts[0], keys)
    for name, contract in contracts.items():
        code = web3.eth.get_code(contract.address)
        contracts["registry"].register(name, contract, web3.keccak(code), {"from": keys["registrar"]})
    print("registered", contracts["registry"].entryCount(), "contracts")
    return contracts
