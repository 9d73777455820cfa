"""What one node says about the contracts at one block: events, views, blocks, transactions.

Sources: contracts/src/interfaces (events, views), docs/evidence.md section 3 (order of happening).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from verifier.blocks import Known, Log, Proof, final_block, prove
from verifier.form import Json, unhex
from verifier.hashes import ZERO_HEX, keccak, tohex
from verifier.node import Rpc
from verifier.verdict import Unusable

CONTRACTS = (
    *("Accounts", "Anchors", "Calendar", "Clearing", "Guarantees", "Handovers", "Market", "Objections", "Readings"),
    *("Redemptions", "Registry", "Roles", "Settlement", "Successions"),
)

ROLES = {"operator": 1, "dso": 2, "attester": 3, "treasurer": 4, "registrar": 5, "security_admin": 6}
"""Numbers of the roles on chain."""

GRACE_SECONDS = 3_600
"""Market time within which the operator journals what the chain did, and settles what readings changed."""

MTU_SECONDS = 900

TEXTS = frozenset({"name"})
"""Arguments of events that are text on chain, whatever that looks like."""

NUMBER = re.compile("-?[0-9]+")

BLOCK_SPAN = 5_000
"""Blocks asked for in one eth_getLogs, below the limits of usual nodes."""

EVENTS = """
Anchors HeadAnchored(uint64* sequence,bytes32 head,bytes32 previousHead)
Calendar AreaCreated(bytes32* area,(uint32 attestSeconds,uint32 horizonSeconds))
Calendar PeriodDeclared(bytes32* area,uint32* period,uint32 firstMtu,uint32 count,uint64 declaredAt)
Clearing ClearingPassedOver(bytes32* market,uint64* session,uint32* mtu)
Clearing PageVerified(bytes32* market,uint64* session,bytes32* resultHash,uint32 mtu,uint32 page)
Market MarketCreated(bytes32* market,bytes32* area,(bytes32 area,uint8 kind,uint24 lotWh,\
uint24 tickNeurPerWh,int32 minLimitNeurPerWh,int32 maxLimitNeurPerWh,uint32 graceSeconds,uint32 signSeconds,\
uint32 clearSeconds))
Market SessionOpened(bytes32* market,uint64* session,uint32* period,uint32 firstMtu,uint32 count)
Market SessionClosed(bytes32* market,uint64* session,bytes32 booksRoot)
Market ProgramRecorded(bytes32* market,uint64* session,(bytes32 resultsRoot,uint128 tradedMask,uint128 emptiedMask,\
bytes32 gridModelHash,bytes32 reportHash,uint64 deadline),address dso,bytes signature)
Market MtuCleared(bytes32* market,uint64* session,uint32* mtu,int32 priceNeurPerWh,uint64 tradedLots,\
bytes32 resultHash)
Market SessionDone(bytes32* market,uint64* session,uint128 clearedMask,bytes32 clearingRoot)
Objections ProgramRefuted(bytes32* market,uint64* session,uint32* mtu,uint8 ground)
Readings ReadingsAttested(bytes32* area,uint32* mtu,uint32* revision,bytes32 root,uint32 count,uint64 importWh,\
uint64 exportWh,bytes32 readingsRoot,bytes[] signatures)
Readings ReadingsUnread(bytes32* area,uint32* mtu,bytes32 readingsRoot)
Readings ReadingsPassedOver(bytes32* area,uint32* mtu,uint32 revisions,bool unread,bytes32 root)
Registry ContractRegistered(string name,uint32* version,address* location,bytes32 codeHash)
Roles RoleGranted(address* key,uint8* role,bytes32* organisation,bytes32 area)
Roles RoleRevoked(address* key,uint8* role,bytes32* organisation,bytes32 area)
Roles GrantProposed(address* key,uint8* role,bytes32* organisation,bytes32 area,uint64 readyAt)
Roles GrantConfirmed(address* key,address* by)
Roles RevocationProposed(address* key,uint64 readyAt)
Roles ReplacementProposed(address* key,address* newKey,uint64 readyAt)
Roles ProposalCancelled(address* key)
Roles Paused(address* by,uint64 until)
Roles Unpaused(address* by)
Settlement SettlementPageBooked(bytes32* area,uint32* period,uint32* revision,uint32 page,bytes32 id)
Settlement SettlementSigned(bytes32* area,uint32* period,uint32* revision,bytes32 digest,bytes[] signatures)
Settlement PeriodSettled(bytes32* area,uint32* period,uint32* revision,bytes32 wordsHash,bytes32 clearingRoot,\
bytes32 readingsRoot,bytes32 statementsRoot,bytes32 tariffHash)
Settlement PeriodFinalised(bytes32* area,uint32* period)
Accounts Deposited(address* account,uint256 amountNeur,bytes32* ref)
Guarantees GuaranteeSet(address* guarantor,address* account,uint64 creditNeur,uint64 nonce)
Accounts LineSet(address* account,address* guarantor,uint64 creditNeur)
Accounts GuaranteeCalled(address* account,address* guarantor,uint256 excessNeur)
Accounts GuarantorCalled(address* guarantor,uint256 missingNeur)
Accounts ReservationCut(address* account,uint256 leftNeur)
Accounts DebtUncovered(address* account,uint256 lackingNeur)
Guarantees DebtCovered(address* guarantor,address* account,uint256 amountNeur,bytes32* ref)
Redemptions RedemptionRequested(address* account,uint256 amountNeur,bytes32* ref,uint64 readyAt)
Redemptions Redeemed(address* account,uint256 amountNeur,bytes32* ref)
Redemptions RedemptionCancelled(address* account,uint256 amountNeur,bytes32* ref)
Accounts AmountSuspended(address* account,address* suspense,int256 amountNeur)
Accounts SuspenseBooked(address* account,address* suspense,int256 amountNeur)
Accounts DebitPassedOn(address* account,address* guarantor,int256 amountNeur)
Successions AreaChangeProposed(address* account,bytes32* area,uint64 readyAt)
Successions AreaChangeCancelled(address* account)
Successions SuccessorProposed(address* account,address* successor,address* by,uint64 readyAt)
Successions SuccessorCancelled(address* account)
Accounts AccountReplaced(address* account,address* successor,int256 balanceNeur)
Accounts AccountBound(address* account,bytes32* area)
Settlement SettlementAbandoned(bytes32* id)
Handovers HandoverAgreed(bytes32* area,address* successor,uint32 period,bytes32 codesHash,uint64 deadline,\
uint64 effectiveAt)
Handovers HandoverSigned(bytes32* area,bytes32 digest,bytes operatorSignature,bytes dsoSignature,\
bytes[] attesterSignatures)
Handovers HandoverWithdrawn(bytes32* area,address* by)
Handovers AccountLeft(address* account,bytes32* area,address* successor,(bytes32 area,address guarantor,\
uint64 creditNeur,int256 balanceNeur,int256 backingNeur))
Handovers AccountTakenOver(address* account,address* holder,address* predecessor,(bytes32 area,address guarantor,\
uint64 creditNeur,int256 balanceNeur,int256 backingNeur))
"""
"""Contract and event, * = indexed, as in contracts/src/interfaces."""

# ---- events


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """One log: numbers as int, bytes and addresses as hex."""

    name: str
    args: Mapping[str, Any]
    block: int
    tx: str
    contract: str


class Events:
    """What contracts said, in the order of happening: told by the chain, or (where none is asked) by the journal."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.events = list(events)
        self._by_name: dict[str, list[Event]] = {}
        for event in self.events:
            self._by_name.setdefault(event.name, []).append(event)
        self._by_keys: dict[tuple[str, ...], dict[tuple[Any, ...], Event]] = {}

    def find(self, name: str, keys: Mapping[str, Any]) -> Event | None:
        """The last event of this name with these arguments."""
        index = self._by_keys.get((name, *keys))
        if index is None:
            index = {tuple(event.args[key] for key in keys): event for event in self.named(name)}
            self._by_keys[(name, *keys)] = index
        return index.get(tuple(keys.values()))

    def named(self, *names: str) -> list[Event]:
        """All events of these names; of several names in the order of their happening."""
        if len(names) == 1:
            return self._by_name.get(names[0], [])
        return [event for event in self.events if event.name in names]

    def all(self, name: str) -> list[Mapping[str, Any]]:
        """Arguments of all events of this name."""
        return [event.args for event in self.named(name)]


def journalled_args(args: Mapping[str, Json]) -> dict[str, Any]:
    """An event's arguments as the journal repeats them, in the form of Event: numbers of text are numbers, what stands
    in a struct is at the top (under both names where it contradicts)."""
    structs = {name: struct for name, struct in args.items() if isinstance(struct, Mapping)}
    flat = {key: item for key, item in args.items() if key not in structs}
    for name, struct in structs.items():
        for key, item in struct.items():
            if args.get(key, item) != item:
                flat[f"{name}.{key}"] = item
            flat[key] = item
    return {key: item if key in TEXTS else _told(item) for key, item in flat.items()}


def _told(item: Any) -> Any:
    return [_number(part) for part in item] if isinstance(item, list) else _number(item)


def _number(item: Any) -> Any:
    """A number that the journal tells as text."""
    return int(item) if isinstance(item, str) and NUMBER.fullmatch(item) else item


# ---- ABI


def abi_decode(kinds: Sequence[str], data: bytes) -> list[Any]:
    """Values of the few ABI types that events and views use."""
    return [_abi_value(kind, data[32 * at : 32 * at + 32], data) for at, kind in enumerate(kinds)]


def _abi_value(kind: str, head: bytes, data: bytes) -> Any:
    """One value; what has no fixed size stands elsewhere in the data, where its head points."""
    if kind in ("bytes", "string") or kind.endswith("[]"):
        start = int.from_bytes(head, "big")
        length, body = int.from_bytes(data[start : start + 32], "big"), data[start + 32 :]
        if kind.endswith("[]"):
            return abi_decode([kind.removesuffix("[]")] * length, body)
        return body[:length].decode(errors="replace") if kind == "string" else tohex(body[:length])
    if kind == "address":
        return tohex(head[12:])
    if kind.startswith("bytes"):
        return tohex(head[: int(kind.removeprefix("bytes"))])
    return int.from_bytes(head, "big", signed=kind.startswith("i"))


@dataclass(frozen=True)
class EventShape:
    """How one event of a contract is read: types and names of its indexed arguments, then of the others."""

    contract: str
    name: str
    indexed: tuple[tuple[str, str], ...]
    others: tuple[tuple[str, str], ...]

    @property
    def names(self) -> list[str]:
        """Names of the arguments, the indexed ones first."""
        return [name for _, name in self.indexed + self.others]

    def read(self, log: Json) -> Event:
        """The event that a log of this shape tells."""
        values = abi_decode([kind for kind, _ in self.indexed], b"".join(map(unhex, log["topics"][1:])))
        values += abi_decode([kind for kind, _ in self.others], unhex(log["data"]))
        args = dict(zip(self.names, values, strict=True))
        return Event(self.name, args, int(log["blockNumber"], 16), log["transactionHash"], self.contract)


UNKNOWN = EventShape("", "", (), ())


def event_shapes(contracts: Mapping[str, str]) -> dict[tuple[str, str], EventShape]:
    """Shapes by address of the contract and topic."""
    shapes = {}
    for contract, event in (text.split(" ", 1) for text in EVENTS.strip().splitlines()):
        name, members = event.split("(", 1)
        pairs = [tuple(part.strip("()").split()) for part in members.split(",")]
        indexed = tuple((kind.removesuffix("*"), arg) for kind, arg in pairs if kind.endswith("*"))
        others = tuple((kind, arg) for kind, arg in pairs if not kind.endswith("*"))
        topic = tohex(keccak(re.sub(r"\*? \w+", "", event).encode()))
        shapes[contracts[contract], topic] = EventShape(contract, name, indexed, others)
    return shapes


# ---- the node


@dataclass(frozen=True, slots=True)
class SentTransaction:
    """A transaction as it stands in a block."""

    sender: str
    target: str | None
    nonce: int
    gas_price_wei: int


@dataclass(frozen=True, slots=True)
class Block:
    """A block: its time in unix seconds, and its transactions by their hash, in their order."""

    hash: str
    timestamp: int
    transactions: Mapping[str, SentTransaction]

    @classmethod
    def read(cls, told: Json) -> Block:
        """As the node tells it; None: there is no such block."""
        if told is None:
            return cls("no such block", 0, {})
        sent = {
            tx["hash"]: SentTransaction(tx["from"], tx.get("to"), int(tx["nonce"], 16), int(tx["gasPrice"], 16))
            for tx in told["transactions"]
        }
        return cls(told["hash"], int(told["timestamp"], 16), sent)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a transaction, as the node's receipt tells it."""

    block: int
    block_hash: str
    gas_used: int
    success: bool


class Chain(Events):
    """What one node says about the contracts at one block. Nothing of it follows from a bundle but the addresses."""

    def __init__(self, ask: Rpc, contracts: Mapping[str, str], height: int | None) -> None:
        self.contracts = contracts
        self.height = int(ask("eth_blockNumber", []), 16) if height is None else height
        self._ask = ask
        self._views: dict[tuple[str, str, bytes], int] = {}
        self._blocks: dict[int, Block] = {}
        self._told: dict[int, list[Log]] = {}
        self._proofs: dict[Known, Proof] = {}
        self._headers: Mapping[int, tuple[str, int]] = {}
        self._receipts: Mapping[str, Json] = {}
        self._shapes = event_shapes(contracts)
        starts = range(0, self.height + 1, BLOCK_SPAN)
        super().__init__(event for start in starts for event in self._logs(start))

    def _logs(self, start: int) -> Iterator[Event]:
        """Events from a block on, over one span, in the order of their happening."""
        span = {"fromBlock": hex(start), "toBlock": hex(min(start + BLOCK_SPAN - 1, self.height))}
        logs = self._ask("eth_getLogs", [{**span, "address": sorted(set(self.contracts.values()))}])
        for log in sorted(logs, key=lambda log: (int(log["blockNumber"], 16), int(log["logIndex"], 16))):
            place = int(log["blockNumber"], 16)
            self._told.setdefault(place, []).append((log["address"].lower(), tuple(log["topics"]), log["data"]))
            yield self._shapes.get((log["address"].lower(), log["topics"][0]), UNKNOWN).read(log)

    def prove(self, known: Known) -> Proof:
        """What follows from block hashes that are trusted; from then on nothing else is taken from the node."""
        if known not in self._proofs:
            final = final_block(self._ask, known, self.height)
            told = {number: logs for number, logs in self._told.items() if number <= final.block}
            proof = prove(self._ask, final, told, sorted(set(self.contracts.values())))
            self._proofs[known] = proof
            self._headers, self._receipts = proof.headers, proof.receipts
        return self._proofs[known]

    def number(self, contract: str, function: str, argument: bytes = b"") -> int:
        """First number that a view answers."""
        place = (contract, function, argument)
        if place not in self._views:
            data = tohex(keccak(function.encode())[:4] + argument)
            answer = self._ask("eth_call", [{"to": self.contracts[contract], "data": data}, hex(self.height)])
            self._views[place] = int.from_bytes(unhex(answer)[:32], "big", signed=True)
        return self._views[place]

    def code_hash(self, address: str) -> str:
        """keccak of the code at an address."""
        return tohex(keccak(unhex(self._ask("eth_getCode", [address, hex(self.height)]))))

    def outcome(self, tx: str) -> Outcome:
        """What became of a transaction. Raises ValueError where the node does not know it."""
        told = self._receipts.get(tx) or self._ask("eth_getTransactionReceipt", [tx])
        if told is None:
            raise ValueError(f"the node has no transaction {tx} in a block")
        success = int(told["status"], 16) == 1
        return Outcome(int(told["blockNumber"], 16), told["blockHash"], int(told["gasUsed"], 16), success)

    def holders(self, role: str, area: str = ZERO_HEX) -> set[str]:
        """Keys ever granted a role for an area (its id) or for all."""
        grants = self.all("RoleGranted")
        return {args["key"] for args in grants if args["role"] == ROLES[role] and args["area"] in (area, ZERO_HEX)}

    def block(self, number: int) -> Block:
        """A block with its transactions."""
        if number not in self._blocks:
            block = Block.read(self._ask("eth_getBlockByNumber", [hex(number), True]))
            if self._headers.get(number, (block.hash, block.timestamp)) != (block.hash, block.timestamp):
                raise Unusable(f"the node tells of block {number} in two ways; ask another one (--rpc)")
            self._blocks[number] = block
        return self._blocks[number]

    def sent(self, number: int, tx: str) -> SentTransaction | None:
        """A transaction of a block."""
        return self.block(number).transactions.get(tx)

    def last_anchor_block(self) -> int:
        """The block of the newest anchored head; where there is none, the last block."""
        return max((event.block for event in self.named("HeadAnchored")), default=self.height)

    def seconds(self, earlier: int, later: int) -> int:
        """Seconds of market time between two blocks."""
        return (self.block(later).timestamp - self.block(earlier).timestamp) * self.number("Calendar", "speed()")

    def market_time(self, block: int | None = None) -> int:
        """Market time at a block, else at the one as of which the chain is read, unix seconds."""
        origin, start, speed = (self.number("Calendar", f"{name}()") for name in ("origin", "start", "speed"))
        return origin + (self.block(self.height if block is None else block).timestamp - start) * speed

    def unsettled(self) -> list[tuple[str, int]]:
        """(area, period) of those that have ended and that nobody settled."""
        settled = {(args["area"], args["period"]) for args in self.all("PeriodSettled")}
        now = self.market_time()
        return [
            (args["area"], args["period"])
            for args in self.all("PeriodDeclared")
            if (args["firstMtu"] + args["count"]) * MTU_SECONDS <= now and (args["area"], args["period"]) not in settled
        ]
