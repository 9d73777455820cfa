"""Deploy all contracts: a plan made by pure functions, sent as ordinary transactions, checked by code hash.

Addresses follow from sender and nonce, so that the whole plan is known, and can be stored, before anything is sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.artifacts import CONTRACT_NAMES, Artifact, load_artifacts
from contracts.node_refusals import Refusal, refusal_of
from contracts.rpc import NodeAnswerInvalid, Rpc, RpcError, as_bytes, as_int
from contracts.transactions import SignedTransaction, UnsignedTransaction, created_address
from domain.eip712 import Domain
from domain.errors import DominoesError
from domain.hashing import from_hex, keccak, to_hex
from domain.roles import ChainRole
from domain.signing import Signer

DEPLOYMENT_GAS = 12_000_000
"""Gas limit of one deployment: twice what the largest contract a chain takes (24 KiB) needs."""

ROLE_NUMBERS = {role.value: number for number, role in enumerate(ChainRole, start=1)}
"""Roles by the number that IRoles.sol gives them."""

ADMIN_ORGANISATIONS_MIN = 2
"""Organisations that hold a security admin key, at least: the contract refuses fewer."""

ALL_AREAS = bytes(32)
"""Scope of a grant that counts in every area."""

NO_PREDECESSOR = bytes(20)
"""In place of the predecessor's Handovers: the first deployment of its kind."""


SENT_BEFORE = (Refusal.KNOWN, Refusal.WRONG_NONCE)
"""How nodes refuse a transaction that they have, or that is in a block already."""


class ConstructorUnknown(DominoesError):
    """A contract's constructor asks for something the deployment does not know."""

    status = 500
    code = "constructor-unknown"

    def __init__(self, *, contract: str, parameter: str) -> None:
        self.contract, self.parameter = contract, parameter
        super().__init__(f"constructor of {contract} wants {parameter}; add it to DeploymentConfig")


class AdminsOfOneOrganisation(DominoesError):
    """Nobody could agree to a change of roles."""

    status = 500
    code = "admins-of-one-organisation"

    def __init__(self, *, organisations: int) -> None:
        self.organisations = organisations
        super().__init__(
            f"security admins of {organisations} organisation(s); name some of at least {ADMIN_ORGANISATIONS_MIN}, "
            "because one proposes a change of roles and another must agree"
        )


class ChallengeShort(DominoesError):
    """Money could leave before those who lied are replaced and what they settled is corrected."""

    status = 500
    code = "challenge-short"

    def __init__(self, *, challenge_seconds: int, least_seconds: int) -> None:
        self.challenge_seconds, self.least_seconds = challenge_seconds, least_seconds
        super().__init__(
            f"a challenge window of {challenge_seconds} s does not outlast the delay of a change of roles and then the "
            f"pages of a correction, {least_seconds} s of market time; lengthen `challenge_seconds` or shorten those"
        )


class ChangeShort(DominoesError):
    """An account could change its area before money that left it is out of the challenge window."""

    status = 500
    code = "change-short"

    def __init__(self, *, change_seconds: int, challenge_seconds: int) -> None:
        self.change_seconds, self.challenge_seconds = change_seconds, challenge_seconds
        super().__init__(
            f"a change of an account's area after {change_seconds} s does not outlast the challenge window of "
            f"{challenge_seconds} s; lengthen `change_seconds`"
        )


class ContractMissing(DominoesError):
    """There is no code where a contract should be."""

    status = 500
    code = "contract-missing"

    def __init__(self, *, contract: str, address: bytes) -> None:
        self.contract, self.address = contract, address
        super().__init__(
            f"no code at {to_hex(address)}, where {contract} should be; check the node's address or deploy first"
        )


class CodeWrong(DominoesError):
    """Other code runs where a contract should be."""

    status = 500
    code = "code-wrong"

    def __init__(self, *, contract: str, address: bytes, expected: bytes, found: bytes) -> None:
        self.contract, self.address, self.expected, self.found = contract, address, expected, found
        super().__init__(
            f"{contract} at {to_hex(address)} has code hash {to_hex(found)} instead of {to_hex(expected)}; "
            "do not use this chain: its contracts are not the ones of this deployment"
        )


class WrongChain(DominoesError):
    """The node serves another chain."""

    status = 500
    code = "wrong-chain"

    def __init__(self, *, expected: int, found: int) -> None:
        self.expected, self.found = expected, found
        super().__init__(
            f"the node serves chain {found}, the deployment is on chain {expected}; correct the node's address"
        )


class WrongGenesis(DominoesError):
    """The node's chain has the right id but begins with another block."""

    status = 500
    code = "wrong-genesis"

    def __init__(self, *, expected: bytes, found: bytes) -> None:
        self.expected, self.found = expected, found
        super().__init__(
            f"the node's chain begins with {to_hex(found)} instead of {to_hex(expected)}; correct the node's address"
        )


@dataclass(frozen=True, slots=True)
class RoleGrant:
    """A key's role. `role` is a name of ROLE_NUMBERS, `area` 32 zero bytes for all areas."""

    address: bytes
    role: str
    organisation: bytes
    area: bytes = ALL_AREAS

    def as_struct(self) -> list[Any]:
        """As IRoles.Grant."""
        return [self.address, ROLE_NUMBERS[self.role], self.organisation, self.area]


@dataclass(frozen=True, slots=True)
class DeploymentConfig:
    """What is fixed at deployment. `origin` and `start` unix seconds of market and block time; all others seconds."""

    grants: tuple[RoleGrant, ...]
    origin: int
    start: int
    speed: int = 1
    attester_threshold: int = 2
    delay_seconds: int = 172_800  # block time; all others of market time, but those of a pause
    pause_seconds: int = 604_800
    cool_down_seconds: int = 1_209_600
    challenge_seconds: int = 259_200
    page_seconds: int = 21_600
    change_seconds: int = 345_600
    predecessor: bytes = NO_PREDECESSOR  # Handovers of the deployment that this one takes over from

    def parameters(self) -> dict[str, Any]:
        """Constructor arguments by the name they have in Solidity."""
        roles_config = [self.attester_threshold, self.delay_seconds, self.pause_seconds, self.cool_down_seconds]
        return {
            "grants": [grant.as_struct() for grant in self.grants],
            "config": roles_config,
            "origin": self.origin,
            "start": self.start,
            "speed": self.speed,
            "challengeSeconds": self.challenge_seconds,
            "pageSeconds": self.page_seconds,
            "changeSeconds": self.change_seconds,
            "predecessor": self.predecessor,
        }


@dataclass(frozen=True)
class Deployment:
    """Contracts on a chain, and what must hold for a node to be believed. Block numbers are those of the chain."""

    chain_id: int
    genesis_hash: bytes
    addresses: Mapping[str, bytes]
    code_hashes: Mapping[str, bytes]
    start_block: int

    def domain(self, contract: str) -> Domain:
        """The EIP-712 domain of a contract."""
        return Domain(chain_id=self.chain_id, verifying_contract=self.addresses[contract])

    def as_json(self) -> dict[str, Any]:
        """JSON form, bytes as hex."""
        return {
            "chain_id": self.chain_id,
            "genesis_hash": to_hex(self.genesis_hash),
            "addresses": {name: to_hex(address) for name, address in self.addresses.items()},
            "code_hashes": {name: to_hex(hashed) for name, hashed in self.code_hashes.items()},
            "start_block": self.start_block,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Deployment:
        """Read the JSON form. Raises KeyError or ValueError."""
        return cls(
            chain_id=data["chain_id"],
            genesis_hash=from_hex(data["genesis_hash"]),
            addresses={name: from_hex(text) for name, text in data["addresses"].items()},
            code_hashes={name: from_hex(text) for name, text in data["code_hashes"].items()},
            start_block=data["start_block"],
        )

    def codes_hash(self) -> bytes:
        """What roles sign of this deployment where areas go to it (protocol.md section 7), contracts by name."""
        running = bytes(32)
        for name in sorted(self.addresses):
            running = keccak(running + self.addresses[name].rjust(32, b"\0") + self.code_hashes[name])
        return running


@dataclass(frozen=True)
class DeploymentPlan:
    """Signed transactions that deploy all contracts, by contract name, and the addresses they will have."""

    chain_id: int
    addresses: Mapping[str, bytes]
    transactions: Mapping[str, SignedTransaction]


def plan_deployment(
    *,
    config: DeploymentConfig,
    key: Signer,
    chain_id: int,
    nonce: int = 0,
    gas_price_wei: int = 0,
    artifacts: Mapping[str, Artifact] | None = None,
) -> DeploymentPlan:
    """Sign the deployment of all contracts from `key`, whose next nonce is `nonce`.

    Raises ConstructorUnknown, AdminsOfOneOrganisation, ChallengeShort, ChangeShort.
    """
    admins = {grant.organisation for grant in config.grants if grant.role == "security_admin"}
    if len(admins) < ADMIN_ORGANISATIONS_MIN:
        raise AdminsOfOneOrganisation(organisations=len(admins))
    least = config.delay_seconds * config.speed + config.page_seconds
    if config.challenge_seconds <= least:
        raise ChallengeShort(challenge_seconds=config.challenge_seconds, least_seconds=least)
    if config.change_seconds <= config.challenge_seconds:
        raise ChangeShort(change_seconds=config.change_seconds, challenge_seconds=config.challenge_seconds)
    compiled = load_artifacts() if artifacts is None else artifacts
    addresses = {name: created_address(sender=key.address, nonce=nonce + at) for at, name in enumerate(CONTRACT_NAMES)}
    # Some contracts name others that are deployed after them.
    known = config.parameters() | {name.lower(): address for name, address in addresses.items()}
    transactions: dict[str, SignedTransaction] = {}
    for at, name in enumerate(CONTRACT_NAMES):
        arguments = compiled[name].abi.encode_constructor(_arguments(compiled[name], known))
        transaction = UnsignedTransaction(
            chain_id=chain_id,
            nonce=nonce + at,
            to=None,
            data=compiled[name].code + arguments,
            gas=DEPLOYMENT_GAS,
            gas_price_wei=gas_price_wei,
        )
        transactions[name] = transaction.sign(key)
    return DeploymentPlan(chain_id=chain_id, addresses=addresses, transactions=transactions)


def _arguments(artifact: Artifact, known: Mapping[str, Any]) -> list[Any]:
    names = [str(parameter["name"]).strip("_") for parameter in artifact.abi.constructor["inputs"]]
    missing = [name for name in names if name not in known]
    if missing:
        raise ConstructorUnknown(contract=artifact.name, parameter=missing[0])
    return [known[name] for name in names]


def read_deployment(*, rpc: Rpc, plan: DeploymentPlan, artifacts: Mapping[str, Artifact] | None = None) -> Deployment:
    """The deployment once its transactions are mined. Raises ContractMissing, or CodeWrong for code not ours."""
    compiled = load_artifacts() if artifacts is None else artifacts
    codes = read_codes(rpc=rpc, addresses=plan.addresses)
    for name, code in codes.items():
        found = compiled[name].code_hash_of(code)
        if found != compiled[name].code_hash:
            raise CodeWrong(contract=name, address=plan.addresses[name], expected=compiled[name].code_hash, found=found)
    receipts = rpc.batch([("eth_getTransactionReceipt", (to_hex(tx.hash),)) for tx in plan.transactions.values()])
    blocks = [as_int(receipt["blockNumber"]) for receipt in receipts if isinstance(receipt, dict)]
    return Deployment(
        chain_id=plan.chain_id,
        genesis_hash=genesis_hash(rpc),
        addresses=dict(plan.addresses),
        code_hashes={name: keccak(code) for name, code in codes.items()},
        start_block=min(blocks, default=0),
    )


def read_codes(*, rpc: Rpc, addresses: Mapping[str, bytes]) -> dict[str, bytes]:
    """Code at each address. Raises ContractMissing where there is none."""
    answers = rpc.batch([("eth_getCode", (to_hex(address), "latest")) for address in addresses.values()])
    codes: dict[str, bytes] = {}
    for (name, address), answer in zip(addresses.items(), answers, strict=True):
        if isinstance(answer, RpcError):
            raise answer
        codes[name] = as_bytes(answer)
        if not codes[name]:
            raise ContractMissing(contract=name, address=address)
    return codes


def genesis_hash(rpc: Rpc) -> bytes:
    """Hash of block 0."""
    header = rpc.header(0)
    if header is None:
        raise NodeAnswerInvalid(url=rpc.url, reason="it has no block 0")
    return header.hash


def check_deployment(*, rpc: Rpc, deployment: Deployment) -> None:
    """Refuse a node that is not the deployment's: WrongChain, WrongGenesis, ContractMissing or CodeWrong."""
    found_chain = rpc.chain_id()
    if found_chain != deployment.chain_id:
        raise WrongChain(expected=deployment.chain_id, found=found_chain)
    found_genesis = genesis_hash(rpc)
    if found_genesis != deployment.genesis_hash:
        raise WrongGenesis(expected=deployment.genesis_hash, found=found_genesis)
    for name, code in read_codes(rpc=rpc, addresses=deployment.addresses).items():
        if keccak(code) != deployment.code_hashes[name]:
            raise CodeWrong(
                contract=name,
                address=deployment.addresses[name],
                expected=deployment.code_hashes[name],
                found=keccak(code),
            )


def send_plan(*, rpc: Rpc, transactions: Sequence[SignedTransaction]) -> None:
    """Send the transactions of a plan; a node that has one already is content. Raises RpcError."""
    answers = rpc.batch([("eth_sendRawTransaction", (to_hex(tx.raw),)) for tx in transactions])
    for answer in answers:
        if isinstance(answer, RpcError) and refusal_of(answer) not in SENT_BEFORE:
            raise answer
