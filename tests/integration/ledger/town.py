"""A small community for tests: an area, its market, a retailer, households with keys, agreements and guarantees."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from domain.areas import Area, Attester
from domain.eip712 import GUARANTEE, KEY_REGISTRATION, Domain
from domain.hashing import hash_json, text_id, to_hex
from domain.markets import Market
from domain.members import JsonDocument
from domain.mtu import mtu_start
from domain.orders import Order, cancel_digest, schedule_digest
from domain.parties import Guarantee, Meter, OrderKey, Participant, ParticipantKind
from domain.roles import ChainRole
from domain.signed_terms import TermSigning
from domain.signing import SigningKey
from domain.terms import Agreement, Tariff
from domain.words import Side
from ledger_service.clock import ManualClock
from ledger_service.market import CalendarStage, queries
from ledger_service.market.queries import Session, opened_key
from ledger_service.record import Entry, Record, Transaction
from ledger_service.registry import consents, operations
from ledger_service.registry.areas import PreparedArea
from ledger_service.registry.consents import CREDIT_NEUR_MAX
from ledger_service.stage import run_until_quiet
from ledger_service.trading import (
    Accepted,
    Backing,
    GateStage,
    Intake,
    ReceiptSigner,
    SignedCancel,
    SignedOrder,
    SignedSchedule,
)
from tests.grids import document, street
from tests.integration.ledger.told import answer_to
from tests.journal import append_fact
from tests.terms import Makers, signed_agreement

NOW = 1_465_970_400
"""Wednesday 2016-06-15 08:00 in Berlin, four hours before the gate of the 16th."""

BEFORE = -1
"""Market time before MTU 0: so towns are registered, and everything is valid from the beginning."""

AREA, MARKET = "TEST", "TEST/DA"
MARKET_DOMAIN = Domain(chain_id=31337, verifying_contract=b"\x11" * 20)
SETTLEMENT_DOMAIN = Domain(chain_id=31337, verifying_contract=b"\x22" * 20)
CREDIT_NEUR = 100 * 10**9
RETAILER_LINE_NEUR = 100_000 * 10**9


NOT_CHECKED = bytes(65)
"""A signature that the registry's operations do not look at: the API has checked it before."""

POINTS_MAX = 200
"""Connection points of the town's grid."""

GRID = street(f"POINT-{n}" for n in range(POINTS_MAX))


def area(**changes: Any) -> Area:
    """A valid area."""
    grid = document(GRID)
    attesters = tuple(
        Attester(name=f"a{n}", address=to_hex(bytes([n + 1]) * 20), organisation=f"org{n}") for n in range(3)
    )
    base = Area(
        area=AREA,
        zone="Europe/Berlin",
        attest_seconds=3_600,
        horizon_seconds=86_400,
        challenge_seconds=3_600,
        grid_model=JsonDocument(grid),
        grid_model_hash=hash_json(grid),
        attesters=attesters,
        threshold=2,
    )
    return replace(base, **changes)


def define_area(tx: Transaction, area: Area) -> Entry:
    """Define an area whose grid model is solved first."""
    return operations.define_area(tx, prepared=PreparedArea.of(area))


def market(**changes: Any) -> Market:
    """A valid market of that area."""
    base = Market(
        market=MARKET,
        area=AREA,
        lot_wh=10,
        tick_neur_per_wh=100,
        min_limit_neur_per_wh=-500_000,
        max_limit_neur_per_wh=4_000_000,
        grace_seconds=900,
        sign_seconds=7_200,
        clear_seconds=10_800,
        gate_local="12:00",
    )
    return replace(base, **changes)


DSO, REGISTRAR = SigningKey(b"\x0d" * 32), SigningKey(b"\x0e" * 32)
"""Keys of the area's DSO and of the registrar."""


def held_role(address: str, role: ChainRole, area: str | None) -> bool:
    """Whether a key is that of an organisation."""
    holder = {ChainRole.DSO: DSO, ChainRole.REGISTRAR: REGISTRAR}.get(role)
    return holder is not None and address == to_hex(holder.address)


SIGNING = TermSigning(SETTLEMENT_DOMAIN, held_role)


def tariff(retailer: SigningKey, **changes: Any) -> Tariff:
    """A retailer's tariff, version 1, valid from the beginning, signed by those who make it."""
    return Makers(retailer, DSO, REGISTRAR).tariff(domain=SETTLEMENT_DOMAIN, **changes)


def publish_tariff(tx: Transaction, tariff: Tariff, *, now: int = BEFORE) -> Entry:
    """Publish a signed tariff."""
    return operations.publish_tariff(tx, signed=SIGNING.check(tariff), now=now)


def participant(n: int, key: SigningKey, **changes: Any) -> Participant:
    """Household number n."""
    base = Participant(
        participant=f"household-{n}",
        kind=ParticipantKind.HOUSEHOLD,
        area=AREA,
        account=to_hex(key.address),
        point=f"POINT-{n}",
        connection_import_w=17_000,
        connection_export_w=10_000,
        valid_from_mtu=0,
        account_signature=NOT_CHECKED,
        dso_signature=NOT_CHECKED,
    )
    return replace(base, **changes)


def signed_key(account: SigningKey, device: bytes, *, point: str | None, valid_from_mtu: int = 0) -> OrderKey:
    """A key registration that its account signed."""
    unsigned = OrderKey(
        account=to_hex(account.address),
        order_key=to_hex(device),
        point=point,
        valid_from_mtu=valid_from_mtu,
        signature=b"",
    )
    digest = SETTLEMENT_DOMAIN.digest(KEY_REGISTRATION, consents.key_registration_values(unsigned))
    return replace(unsigned, signature=account.sign(digest))


def signed_guarantee(
    guarantor: SigningKey,
    account: bytes,
    *,
    credit_neur: int,
    nonce: int = 1,
    deadline: int = 2**37,
    agreed_by: SigningKey | None = None,
) -> Guarantee:
    """A guarantee that its guarantor signed, and the account where it agrees."""
    unsigned = Guarantee(
        guarantor=to_hex(guarantor.address),
        account=to_hex(account),
        credit_neur=credit_neur,
        nonce=nonce,
        deadline=deadline,
        signature=b"",
    )
    digest = SETTLEMENT_DOMAIN.digest(GUARANTEE, consents.guarantee_values(unsigned))
    agreed = None if agreed_by is None else agreed_by.sign(digest)
    return replace(unsigned, signature=guarantor.sign(digest), account_signature=agreed)


def register_key(tx: Transaction, key: OrderKey, *, now: int = BEFORE) -> Entry:
    """Register a signed key; no organisation has keys in a town."""
    signer = consents.key_signer(domain=SETTLEMENT_DOMAIN, key=key)
    return consents.register_key(tx, signer=signer, key=key, organisations=(), now=now)


def give_guarantee(tx: Transaction, guarantee: Guarantee, *, now: int = BEFORE) -> Entry:
    """Give a signed guarantee; money is no question in a town."""
    signers = consents.guarantee_signers(domain=SETTLEMENT_DOMAIN, guarantee=guarantee)
    return consents.give_guarantee(tx, signers=signers, guarantee=guarantee, now=now, check_funds=lambda: None)


def sign_agreement(tx: Transaction, agreement: Agreement, *, now: int = BEFORE) -> Entry:
    """Record a signed agreement."""
    return operations.sign_agreement(tx, signed=SIGNING.check(agreement), now=now)


def gate_of(mtu: int) -> int:
    """The day-ahead gate of the local day that holds an MTU: 12:00 on the day before."""
    zone = ZoneInfo("Europe/Berlin")
    day = datetime.fromtimestamp(mtu_start(mtu), tz=zone).date()
    return int(datetime.combine(day - timedelta(days=1), time(12), tzinfo=zone).timestamp())


@dataclass
class FixedFunds:
    """What stands behind accounts as the test says; the chain has every line that was given."""

    balances: dict[str, int] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    missing_neur: int = 0
    first_unsettled: int = 0

    def backings(self) -> Callable[[str], Backing]:
        """Of accounts, nEUR."""
        return self._backing

    def _backing(self, account: str) -> Backing:
        line = self.lines.get(account, CREDIT_NEUR_MAX)
        return Backing(has_neur=self.balances.get(account, 0), line_neur=line, missing_neur=self.missing_neur)

    def settled_before(self, area: str) -> int:
        """First MTU that is not settled."""
        return self.first_unsettled


class Resident:
    """A settlement account and the device that signs its orders."""

    def __init__(self, name: str, point: str | None) -> None:
        self.name, self.point = name, point
        self.account, self.device = SigningKey.generate(), SigningKey.generate()

    @property
    def account_hex(self) -> str:
        """The account as facts carry it."""
        return to_hex(self.account.address)

    def sign_order(self, order: Order, *, domain: Domain = MARKET_DOMAIN) -> SignedOrder:
        """The order with this device's signature."""
        return SignedOrder(order=order, signature=self.device.sign(order.digest(domain)))

    def order(self, **changes: Any) -> SignedOrder:
        """A signed bid of 10 lots at 100,000 nEUR/Wh in the day-ahead session unless changed; `mtu` must be given."""
        values = {
            "market": text_id(MARKET),
            "session": gate_of(changes["mtu"]),
            "side": Side.BID,
            "limit_neur_per_wh": 100_000,
            "quantity_lots": 10,
            "account": self.account.address,
            "order_id": secrets.token_bytes(16),
            "revision": 0,
            "salt": secrets.token_bytes(32),
        }
        return self.sign_order(Order(**values | changes))

    def cancel(self, order: Order, *, revision: int) -> SignedCancel:
        """A signed cancel."""
        names = {"market": order.market, "session": order.session, "mtu": order.mtu}
        names |= {"order_id": order.order_id, "revision": revision}
        return SignedCancel(**names, signature=self.device.sign(cancel_digest(domain=MARKET_DOMAIN, **names)))

    def schedule(self, session: Session, net_wh: list[int], *, revision: int = 0) -> SignedSchedule:
        """A signed schedule for a session."""
        point = self.point or ""
        digest = schedule_digest(
            domain=MARKET_DOMAIN,
            market=text_id(session.market),
            session=session.session,
            first_mtu=session.first_mtu,
            point=text_id(point),
            net_wh=net_wh,
            revision=revision,
        )
        return SignedSchedule(
            market=text_id(session.market),
            session=session.session,
            first_mtu=session.first_mtu,
            point=point,
            net_wh=tuple(net_wh),
            revision=revision,
            signature=self.device.sign(digest),
        )


class Town:
    """The registered community, its clock, and what runs in it."""

    def __init__(self, record: Record, *, households: int, credit_neur: int = CREDIT_NEUR) -> None:
        self.record = record
        self.clock = ManualClock(NOW)
        self.operator = SigningKey.generate()
        self.retailer = Resident("retailer", None)
        self.funds = FixedFunds(balances={self.retailer.account_hex: RETAILER_LINE_NEUR})
        self.residents = [Resident(f"household-{n}", f"POINT-{n}") for n in range(households)]
        with record.begin() as tx:
            define_area(tx, area())
            operations.define_market(tx, market=market())
            publish_tariff(tx, self.tariff())
            self._register_retailer(tx)
            for n, resident in enumerate(self.residents):
                self._register_household(tx, n, resident, credit_neur)
        self.calendar = CalendarStage(record, last_day=date(2016, 6, 17))
        self.gate = GateStage(record)
        self.intake = self.make_intake()

    def make_intake(self) -> Intake:
        """An intake of its own over the same record, as a second process has."""
        return Intake(
            record=self.record,
            domain=MARKET_DOMAIN,
            clock=self.clock,
            funds=self.funds,
            signer=ReceiptSigner(key=self.operator, domain=MARKET_DOMAIN),
        )

    def _register_retailer(self, tx: Any) -> None:
        kind = {"participant": "retailer", "kind": ParticipantKind.RETAILER, "point": None}
        none = {"connection_import_w": 0, "connection_export_w": 0, "dso_signature": NOT_CHECKED}
        retailer = participant(0, self.retailer.account, **kind, **none)
        operations.register_participant(tx, participant=retailer, organisations=(), now=BEFORE)
        register_key(tx, signed_key(self.retailer.account, self.retailer.device.address, point=None))
        account = self.retailer.account
        give_guarantee(tx, signed_guarantee(account, account.address, credit_neur=RETAILER_LINE_NEUR))

    def _register_household(self, tx: Any, n: int, resident: Resident, credit_neur: int) -> None:
        account = resident.account
        operations.register_participant(tx, participant=participant(n, account), organisations=(), now=BEFORE)
        sign_agreement(tx, self.agreement(n, resident))
        meter = Meter(f"METER-{n}", f"POINT-{n}", account.secret, AREA, 0, NOT_CHECKED)
        operations.register_meter(tx, meter=meter, now=BEFORE)
        register_key(tx, signed_key(account, resident.device.address, point=resident.point))
        given = signed_guarantee(self.retailer.account, account.address, credit_neur=credit_neur, agreed_by=account)
        give_guarantee(tx, given)

    def tariff(self, **changes: Any) -> Tariff:
        """The retailer's tariff, version 1, valid from the beginning."""
        return tariff(self.retailer.account, **changes)

    def agreement(self, n: int, resident: Resident, **changes: Any) -> Agreement:
        """The first version of a resident's agreement with the retailer, from the beginning, with both signatures."""
        members = {"agreement": f"agreement-{n}"} | changes
        return signed_agreement(resident.account, self.retailer.account, domain=SETTLEMENT_DOMAIN, **members)

    def include(self, key: str) -> None:
        """What the chain gateway reports once a transaction is in a block."""
        with self.record.begin() as tx:
            append_fact(tx, "chain.included", {"key": key, "block": 1, "events": answer_to(self.record, key)})

    def open_session(self) -> Session:
        """Let the calendar declare and open the first day; both on chain."""
        self.include(f"createMarket:{MARKET}")
        run_until_quiet([self.calendar], self.clock.now())
        self.include(f"declarePeriod:{AREA}:1")
        run_until_quiet([self.calendar], self.clock.now())
        self.opened()
        return self.session

    def opened(self) -> None:
        """Let the chain have every session that was asked for."""
        with self.record.read() as connection:
            asked = [item for item in queries.sessions(connection) if not queries.is_opened(connection, item)]
        for session in asked:
            self.include(opened_key(market=session.market, session=session.session))
        run_until_quiet([self.calendar], self.clock.now())

    @property
    def session(self) -> Session:
        """The session opened last."""
        with self.record.read() as connection:
            return queries.sessions(connection, market=MARKET)[-1]

    def send(self, *items: Any) -> list[Any]:
        """Outcomes of submissions, in one transaction."""
        return self.intake.process(items)


def refused(town: Town, item: Any, error: type[Exception]) -> Any:
    """The outcome of an item that must be refused with this error, and must leave nothing."""
    head = town.record.head()
    (outcome,) = town.send(item)
    assert type(outcome) is error, outcome
    assert town.record.head() == head
    return outcome


def accepted(town: Town, *items: Any) -> list[Accepted]:
    """The outcomes of items that must be accepted."""
    outcomes = town.send(*items)
    for outcome in outcomes:
        assert isinstance(outcome, Accepted), outcome
    return outcomes


def nominate(town: Town, resident: Resident, net_wh: int, revision: int = 0, *, session: Session | None = None) -> None:
    """Nominate the same energy in every MTU of a session (the one opened last, where none is given)."""
    chosen = town.session if session is None else session
    accepted(town, resident.schedule(chosen, [net_wh] * chosen.count, revision=revision))
