"""What an attester reads from the chain by itself, so that it need not believe the service about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from contracts.artifacts import load_artifact
from contracts.bindings import Event
from contracts.bindings.accounts import AccountReplaced
from contracts.bindings.calendar import Calendar
from contracts.bindings.market import Market, ProgramRecorded, SessionOpened
from contracts.bindings.readings import Readings, ReadingState
from contracts.bindings.roles import RoleGranted, RoleRevoked, Roles
from contracts.bindings.settlement import PeriodSettled
from contracts.deploy import ALL_AREAS, ROLE_NUMBERS
from contracts.rpc import NodeAnswerInvalid, Rpc, as_bytes
from domain.hashing import from_hex, text_id, to_hex
from domain.metering_area import MeteringArea
from domain.mtu import mtu_of
from domain.parties import Replacement
from domain.roles import ChainRole

_Event = TypeVar("_Event", bound=Event)

LOG_BLOCKS_MAX = 50_000
"""Blocks asked for events at once, so that no answer of a long chain is refused for its size."""


@dataclass(frozen=True, slots=True)
class RecordedProgram:
    """A program as the chain recorded it: what the DSO signed, and the DSO's address."""

    results_root: bytes
    traded_mask: int
    emptied_mask: int
    grid_model_hash: bytes
    report_hash: bytes
    dso: bytes


@dataclass(frozen=True, slots=True)
class MarketRules:
    """The area of a market (its id) and the energy of one lot in Wh."""

    area_id: bytes
    lot_wh: int


@dataclass(frozen=True, slots=True)
class PeriodOnChain:
    """All that the chain says of a period at one block.

    `replacements` are those of all accounts, by any block. `programs` by (market code, session) are those recorded;
    `pending` sessions are not over; `words_hashes` those of the settlements in effect, by revision.
    """

    first_mtu: int
    count: int
    clearing_root: bytes
    pending: int
    readings_root: bytes
    markets: Mapping[str, MarketRules]
    programs: Mapping[tuple[str, int], RecordedProgram]
    words_hashes: tuple[bytes, ...]
    replacements: tuple[Replacement, ...]


@dataclass(frozen=True, slots=True)
class Contracts:
    """Addresses of the contracts an attester reads."""

    accounts: bytes
    calendar: bytes
    market: bytes
    readings: bytes
    roles: bytes
    settlement: bytes


class NodeChain:
    """The chain as a node shows it. Implements `settlement.ChainReader` and `asking.ReadingsChain`.

    Every method may raise NodeUnavailable, NodeAnswerInvalid or Reverted.
    """

    def __init__(self, *, rpc: Rpc, contracts: Contracts) -> None:
        self._rpc = rpc
        self._calendar = Calendar(rpc=rpc, address=contracts.calendar)
        self._market = Market(rpc=rpc, address=contracts.market)
        self._readings = Readings(rpc=rpc, address=contracts.readings)
        self._roles = Roles(rpc=rpc, address=contracts.roles)
        self._settlement, self._accounts = contracts.settlement, contracts.accounts
        self._clock: tuple[int, int, int] | None = None

    def market_time(self) -> int:
        """Market time of the newest block, unix seconds."""
        header = self._rpc.header()
        if header is None:
            raise NodeAnswerInvalid(url=self._rpc.url, reason="it has no newest block")
        return self._market_time_at(header.timestamp)

    def _market_time_at(self, block_time: int) -> int:
        if self._clock is None:
            self._clock = self._calendar.origin(), self._calendar.start(), self._calendar.speed()
        origin, start, speed = self._clock
        return origin + (block_time - start) * speed

    def area_objections(self, area: MeteringArea) -> list[str]:
        """Where the chain does not bear out what the service says of the area: deadlines, quorum, attesters."""
        params, found = self._calendar.area_of(area=area.area_id), []
        if (params.attest_seconds, params.horizon_seconds) != (area.attest_seconds, area.horizon_seconds):
            found.append("the area has other deadlines on chain")
        if self._roles.config().attester_threshold != area.threshold:
            found.append("the chain asks for another number of attesters")
        voices: dict[str, bytes] = {}
        for entry in area.attesters:
            grant = self._roles.grant_of(key=entry.address)
            if grant.role != ROLE_NUMBERS["attester"] or grant.area not in (ALL_AREAS, area.area_id):
                found.append(f"{entry.name} is no attester of the area on chain")
            voices[entry.organisation] = grant.organisation
        if len(set(voices.values())) != len(voices):
            found.append("attesters said to be of several organisations are of one on chain")
        return found

    def held_role(self, address: str, role: ChainRole, area: str | None) -> bool:
        """Whether a key (0x hex) ever held a role, there or in all areas: what it signed stays when it is replaced."""
        topics = [_topic_of(int(address, 16)), _topic_of(ROLE_NUMBERS[role.value])]
        granted = self._events(RoleGranted, self._roles.address, topics, self._rpc.block_number())
        return any(event.area == ALL_AREAS or (area is not None and event.area == text_id(area)) for event in granted)

    def role_ended(self, address: str, role: ChainRole, area: str | None) -> int | None:
        """Market time at which a key (0x hex) lost a role, there or in all areas; None where it has it now, or never
        had it."""
        key, place = from_hex(address), ALL_AREAS if area is None else text_id(area)
        if self._roles.has_role(key=key, role=ROLE_NUMBERS[role.value], area=place):
            return None
        topics = [_topic_of(int(address, 16)), _topic_of(ROLE_NUMBERS[role.value])]
        revoked = self._events_in_blocks(RoleRevoked, self._roles.address, topics, self._rpc.block_number())
        blocks = [block for event, block in revoked if event.area in (ALL_AREAS, place)]
        if not blocks:
            return None
        header = self._rpc.header(max(blocks))
        if header is None:
            raise NodeAnswerInvalid(url=self._rpc.url, reason=f"it has no block {max(blocks)}")
        return self._market_time_at(header.timestamp)

    def reading_states(self, *, area: str, mtus: Iterable[int]) -> dict[int, ReadingState]:
        """Where the readings of MTUs stand: revisions taken, and the last root."""
        area_id = text_id(area)
        return {mtu: self._readings.reading_of(area=area_id, mtu=mtu) for mtu in mtus}

    def period(self, *, area: str, period: int, markets: Sequence[str]) -> PeriodOnChain:
        """A period of an area and what these markets did in it, all at the same block."""
        block, area_id = self._rpc.block_number(), text_id(area)
        bounds = self._calendar.period_of(area=area_id, period=period, block=block)
        programs: dict[tuple[str, int], RecordedProgram] = {}
        for market in markets:
            programs |= self._recorded(market, period, block)
        return PeriodOnChain(
            first_mtu=bounds.first_mtu,
            count=bounds.count,
            clearing_root=self._market.clearing_root(area=area_id, period=period, block=block),
            pending=self._market.pending_count(area=area_id, period=period, block=block),
            readings_root=self._readings.readings_root(area=area_id, period=period, block=block),
            markets={market: self._rules(market, block) for market in markets},
            programs=programs,
            words_hashes=self._words_hashes(area_id, period, block),
            replacements=tuple(self._replacements(block)),
        )

    def _replacements(self, block: int) -> Iterator[Replacement]:
        """Accounts that gave way to others: of each the first move to its successor; what follows it is collected."""
        seen: set[bytes] = set()
        for event, number in self._events_in_blocks(AccountReplaced, self._accounts, [], block):
            if event.account in seen:
                continue
            seen.add(event.account)
            header = self._rpc.header(number)
            if header is None:
                raise NodeAnswerInvalid(url=self._rpc.url, reason=f"it has no block {number}, which holds an event")
            first_mtu = mtu_of(self._market_time_at(header.timestamp)) + 1
            yield Replacement(to_hex(event.account), to_hex(event.successor), first_mtu)

    def _rules(self, market: str, block: int) -> MarketRules:
        params = self._market.params_of(market=text_id(market), block=block)
        return MarketRules(area_id=params.area, lot_wh=params.lot_wh)

    def _recorded(self, market: str, period: int, block: int) -> dict[tuple[str, int], RecordedProgram]:
        """The recorded programs of a period, by session."""
        market_id = to_hex(text_id(market))
        opened = self._events(SessionOpened, self._market.address, [market_id, None, _topic_of(period)], block)
        sessions = [_topic_of(event.session) for event in opened]
        if not sessions:
            return {}
        recorded = self._events(ProgramRecorded, self._market.address, [market_id, sessions], block)
        return {
            (market, event.session): RecordedProgram(
                results_root=event.program.results_root,
                traded_mask=event.program.traded_mask,
                emptied_mask=event.program.emptied_mask,
                grid_model_hash=event.program.grid_model_hash,
                report_hash=event.program.report_hash,
                dso=event.dso,
            )
            for event in recorded
        }

    def _words_hashes(self, area_id: bytes, period: int, block: int) -> tuple[bytes, ...]:
        topics = [to_hex(area_id), _topic_of(period)]
        found = {
            event.revision: event.words_hash for event in self._events(PeriodSettled, self._settlement, topics, block)
        }
        return tuple(found[revision] for revision in sorted(found))

    def _events(self, kind: type[_Event], address: bytes, topics: Sequence[Any], block: int) -> Iterator[_Event]:
        """The events of a class up to a block, oldest first; `topics` are those of its indexed members."""
        return (event for event, _ in self._events_in_blocks(kind, address, topics, block))

    def _events_in_blocks(
        self, kind: type[_Event], address: bytes, topics: Sequence[Any], block: int
    ) -> Iterator[tuple[_Event, int]]:
        """The same, each with the number of its block."""
        abi = load_artifact(kind.CONTRACT).abi
        wanted = [to_hex(abi.topic_of(kind.NAME)), *topics]
        for first in range(0, block + 1, LOG_BLOCKS_MAX):
            span = {"fromBlock": hex(first), "toBlock": hex(min(first + LOG_BLOCKS_MAX - 1, block))}
            for log in self._rpc.call("eth_getLogs", {**span, "address": to_hex(address), "topics": wanted}):
                decoded = abi.decode_event([as_bytes(topic) for topic in log["topics"]], as_bytes(log["data"]))
                if decoded is not None:
                    yield kind.read(decoded.args), int(log["blockNumber"], 16)


def _topic_of(number: int) -> str:
    return to_hex(number.to_bytes(32, "big"))
