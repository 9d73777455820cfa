"""Gas per function, by real transactions on the embedded chain: a day of one market and the money around it.

Keys, books and times are fixed, so the figures are the same on every machine; they change only with the contracts.
`python -m benchmarks.bench_gas` rewrites the snapshot that a test compares them with.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from clearing.auction import clear
from clearing.book import Book
from contracts.bindings import (
    Accounts,
    Anchors,
    Calendar,
    Clearing,
    Guarantees,
    Market,
    Readings,
    Redemptions,
    Registry,
    Settlement,
)
from contracts.bindings.base import Call
from contracts.bindings.calendar import AreaParams
from contracts.bindings.clearing import PlaceProofs, ResultPage, SmallResult
from contracts.bindings.market import MarketParams, Program
from contracts.bindings.readings import Attestation as AttestationStruct
from contracts.bindings.settlement import SettlementPage
from contracts.deploy import DeploymentConfig, RoleGrant
from domain.eip712 import COVER, GUARANTEE, REDEMPTION, SETTLEMENT, Shape
from domain.facts import ChainFailed, ChainIncluded, Subject
from domain.hashing import keccak, text_id
from domain.markets import MarketKind
from domain.merkle import places_proofs, places_root
from domain.readings import Attestation
from domain.roles import ChainRole
from domain.sessions import mask_of
from domain.signing import SigningKey
from domain.units import NO_CAP
from domain.words import OrderWord, Side, book_hash, page_hashes, result_hash, settlement_words, words_hash
from ledger_service.chain.anvil import NodeSettings
from ledger_service.chain.embedded import EmbeddedNode
from ledger_service.chain.gateway import Gateway
from ledger_service.chain.setup import deploy_embedded
from ledger_service.outbox import request
from ledger_service.record import Record, sqlite_url

SNAPSHOT_FILE = Path(__file__).parent / "gas_snapshot.json"
"""The figures as they are committed."""

ORDERS = 1_000
"""Orders of the book that is cleared."""

ACCOUNTS = 1_000
"""Accounts of the settlement."""

GAS_PER_ORDER_MAX = 1_250
"""Limit for clearing a 1,000-order book with all its checks."""

GAS_PER_ACCOUNT_MAX = 7_000
"""Limit for settling a day with 1,000 known accounts."""

MTUS = 96
"""MTUs of a session, and of each period."""

SHORT_BOOKS, SHORT_ORDERS = 20, 50
TOGETHER = f"clearMany {SHORT_BOOKS} MTUs of {SHORT_ORDERS} orders"
"""Short books that are cleared with one transaction."""

GAS_CALLDATA_PER_ORDER = 420
"""About what nodes charge for the calldata of one order word alone: the floor under clearing."""

AREA, MARKET = text_id("DE/GAS"), text_id("DE/GAS/DA")
FIRST_MTU = 1_900_000
START = FIRST_MTU * 900 - 2 * 86_400
GRACE_S, SIGN_S, CLEAR_S, ATTEST_S, HORIZON_S = 600, 3_600, 7_200, 2 * 86_400, 10 * 86_400
NAMES = (
    "operator",
    "dso",
    "attester1",
    "attester2",
    "treasurer",
    "registrar",
    "security_admin",
    "security_admin2",
)
KEYS = {name: SigningKey(keccak(b"gas " + name.encode())) for name in NAMES}
SENDERS = {name: KEYS[name] for name in ("operator", "treasurer", "registrar")}


def realistic_book(size: int, *, capped_every: int = 0) -> tuple[list[int], int]:
    """Complete words of a cleared book of random orders, and its price in nEUR/Wh; each n-th order may have a cap."""
    step = 2**128 // size
    orders = []
    for at in range(size):
        seed = int.from_bytes(keccak(b"order %d" % at), "big")
        orders.append(
            OrderWord(
                tag=at * step + seed % 2**128 % step,
                side=Side(seed >> 200 & 1),
                limit_neur_per_wh=(500 + (seed >> 128) % 3_501) * 100,
                quantity_lots=1 + (seed >> 160) % 500,
                cap_lots=300 + at % 100 if capped_every and at % capped_every == 0 else NO_CAP,
            )
        )
    return _cleared(orders)


def tied_book(size: int) -> tuple[list[int], int]:
    """Complete words of a cleared book of two limits: every ask is filled half, pro rata."""
    step = 2**128 // size
    orders = [
        OrderWord(
            tag=at * step + int.from_bytes(keccak(b"order %d" % at), "big") % step,
            side=Side.ASK if at % 2 else Side.BID,
            limit_neur_per_wh=100_000 if at % 2 else 200_000,
            quantity_lots=10 if at % 2 else 5,
            cap_lots=NO_CAP,
        )
        for at in range(size)
    ]
    return _cleared(orders)


def _cleared(orders: list[OrderWord]) -> tuple[list[int], int]:
    book = Book.from_words(orders)
    result = clear(book)
    if result.price_neur_per_wh is None:
        raise ValueError("the benchmark's book must trade")
    return [word.pack() for word in book.words(result.accepted_lots)], result.price_neur_per_wh


class Ledger:
    """The contracts on an embedded chain; every call is sent and its gas noted under a name."""

    def __init__(self, folder: Path) -> None:
        self.record = Record.open(sqlite_url(folder / "record.db"))
        settings = NodeSettings(chain_id=31_337, genesis_time=START)
        self.node = EmbeddedNode.start(folder=folder / "chain", record=self.record, settings=settings)
        self.gas: dict[str, int] = {}
        self._time = START
        config = DeploymentConfig(
            grants=tuple(
                RoleGrant(address=key.address, role=name.rstrip("12"), organisation=text_id(f"organisation {name}"))
                for name, key in KEYS.items()
            ),
            origin=START,
            start=START,
            challenge_seconds=60,
            delay_seconds=30,
            page_seconds=20,
        )
        self.deployment = deploy_embedded(
            record=self.record,
            node=self.node,
            config=config,
            key=SigningKey(keccak(b"gas deployer")),
            timestamp=START + 1,
        )
        self._gateway = Gateway.open(record=self.record, rpc=self.node.rpc, deployment=self.deployment, signers=SENDERS)
        rpc, addresses = self.node.rpc, self.deployment.addresses
        self.calendar = Calendar(rpc=rpc, address=addresses["Calendar"])
        self.market = Market(rpc=rpc, address=addresses["Market"])
        self.clearing = Clearing(rpc=rpc, address=addresses["Clearing"])
        self.readings = Readings(rpc=rpc, address=addresses["Readings"])
        self.accounts = Accounts(rpc=rpc, address=addresses["Accounts"])
        self.settlement = Settlement(rpc=rpc, address=addresses["Settlement"])
        self.redemptions = Redemptions(rpc=rpc, address=addresses["Redemptions"])
        self.guarantees = Guarantees(rpc=rpc, address=addresses["Guarantees"])
        self.anchors = Anchors(rpc=rpc, address=addresses["Anchors"])
        self.registry = Registry(rpc=rpc, address=addresses["Registry"])

    def at(self, seconds: int) -> None:
        """The next block comes not before this market time."""
        self._time = max(self._time, seconds)

    def send(self, name: str, role: ChainRole, call: Call) -> None:
        """Send one call in a block of its own and note its gas. Raises RuntimeError where it fails."""
        self.send_all(role, {name: call})
        (entry,) = self.record.entries(after=self.record.head().sequence - 1, kinds=[ChainIncluded])
        self.gas[name] = entry.as_a(ChainIncluded).gas_used

    def send_all(self, role: ChainRole, calls: Mapping[str, Call]) -> None:
        """Send calls in one block. Raises RuntimeError where one fails."""
        with self.record.begin() as tx:
            for name, call in calls.items():
                request(tx, call, key=name, role=role, about=Subject())
        self._time = max(self._time, self.node.head().timestamp) + 1
        progress = self._gateway.flush(node=self.node, timestamp=self._time)
        if progress.included != len(calls):
            failed = [entry.fact for entry in self.record.entries(kinds=[ChainFailed])]
            raise RuntimeError(f"{len(calls) - progress.included} calls failed, such as {failed[-1:]}")

    def sign(self, key: str, contract: str, shape: Shape, values: dict[str, Any]) -> bytes:
        """A role's signature over a struct."""
        return KEYS[key].sign(self.deployment.domain(contract).digest(shape, values))

    def attesters_sign(self, contract: str, shape: Shape, values: dict[str, Any]) -> list[bytes]:
        """Both attesters' signatures, ascending by signer."""
        names = sorted(("attester1", "attester2"), key=lambda name: KEYS[name].address)
        return [self.sign(name, contract, shape, values) for name in names]

    def close(self) -> None:
        """End node and record."""
        self.node.kill()
        self.record.close()


def _set_up(ledger: Ledger) -> None:
    params = MarketParams(
        area=AREA,
        kind=MarketKind.AUCTION.number,
        lot_wh=10,
        tick_neur_per_wh=100,
        min_limit_neur_per_wh=-1_000_000,
        max_limit_neur_per_wh=1_000_000,
        grace_seconds=GRACE_S,
        sign_seconds=SIGN_S,
        clear_seconds=CLEAR_S,
    )
    deadlines = AreaParams(attest_seconds=ATTEST_S, horizon_seconds=HORIZON_S)
    ledger.send("createArea", ChainRole.REGISTRAR, ledger.calendar.create_area(area=AREA, params=deadlines))
    ledger.send("createMarket", ChainRole.REGISTRAR, ledger.market.create_market(market=MARKET, params=params))
    for period in (1, 2):
        first = FIRST_MTU + (period - 1) * MTUS
        call = ledger.calendar.declare_period(area=AREA, first_mtu=first, count=MTUS)
        ledger.send("declarePeriod" if period == 1 else "declarePeriod again", ChainRole.OPERATOR, call)
    location = ledger.deployment.addresses["Market"]
    call = ledger.registry.register(name="Market", location=location, code_hash=ledger.deployment.code_hashes["Market"])
    ledger.send("register", ChainRole.REGISTRAR, call)
    ledger.send("anchor first", ChainRole.OPERATOR, ledger.anchors.anchor(sequence=1, head=keccak(b"head 1")))
    ledger.send("anchor", ChainRole.OPERATOR, ledger.anchors.anchor(sequence=2, head=keccak(b"head 2")))


def _trade(ledger: Ledger) -> None:
    """Two sessions over period 2: one with long, short and empty books, one that nobody closes."""
    first, at = FIRST_MTU + MTUS, MTUS // 2
    books = {
        at: (f"clear {ORDERS} orders", *realistic_book(ORDERS)),
        at + 1: (f"clear {ORDERS} orders, half capped", *realistic_book(ORDERS, capped_every=2)),
        at + 2: (f"clear {ORDERS} orders, all capped", *realistic_book(ORDERS, capped_every=1)),
        at + 3: (f"clear {ORDERS} orders, ties", *tied_book(ORDERS)),
    }
    books |= {at + 4 + i: (TOGETHER, *realistic_book(SHORT_ORDERS)) for i in range(SHORT_BOOKS)}
    books[MTUS - 1] = "clear 2 orders, the last of a session", *tied_book(2)
    gate = first * 900 - CLEAR_S
    for name, session in (("openSession first", gate - 1), ("openSession", gate)):
        call = ledger.market.open_session(market=MARKET, session=session, period=2, first_mtu=first, count=MTUS)
        ledger.send(name, ChainRole.OPERATOR, call)
    ledger.at(gate)
    hashes, results = [], []
    for place in range(MTUS):
        mtu: dict[str, Any] = {"market": MARKET, "session": gate, "mtu": first + place}
        words, price = books[place][1:] if place in books else ([], None)
        hashes.append(book_hash(**mtu, words=words))
        results.append(result_hash(**mtu, price_neur_per_wh=price, words=words))
    call = ledger.market.close_session(market=MARKET, session=gate, books_root=places_root(hashes))
    ledger.send(f"closeSession {MTUS} MTUs", ChainRole.OPERATOR, call)
    _record_program(ledger, session=gate, root=places_root(results), traded_mask=mask_of(books, first_mtu=0))
    of_results, of_books = places_proofs(results, range(MTUS)), places_proofs(hashes, range(MTUS))
    for name, places in groupby(books, key=lambda place: books[place][0]):
        small = [
            SmallResult(
                target=ResultPage(session=gate, mtu=first + place, price_neur_per_wh=price, count=len(words), page=0),
                page_hashes=page_hashes(words),
                words=words,
                proofs=PlaceProofs(result=of_results[place], book=of_books[place]),
            )
            for place in places
            for _, words, price in [books[place]]
        ]
        ledger.send(name, ChainRole.OPERATOR, _clear(ledger, small))
    ledger.at(gate + GRACE_S + 1)
    call = ledger.market.end_session(market=MARKET, session=gate - 1)
    ledger.send(f"endSession {MTUS} MTUs", ChainRole.OPERATOR, call)


def _clear(ledger: Ledger, results: Sequence[SmallResult]) -> Call:
    if len(results) > 1:
        return ledger.clearing.clear_many(market=MARKET, results=results)
    (result,) = results
    return ledger.clearing.clear(
        market=MARKET,
        target=result.target,
        page_hashes=result.page_hashes,
        words=result.words,
        proofs=result.proofs,
    )


def _record_program(ledger: Ledger, *, session: int, root: bytes, traded_mask: int) -> None:
    program = Program(
        results_root=root,
        traded_mask=traded_mask,
        emptied_mask=0,
        grid_model_hash=keccak(b"grid"),
        report_hash=keccak(b"report"),
        deadline=session + SIGN_S,
    )
    digest = ledger.market.program_digest(market=MARKET, session=session, program=program)
    signature = KEYS["dso"].sign(digest)
    call = ledger.market.record_program(market=MARKET, session=session, program=program, signature=signature)
    ledger.send("recordProgram", ChainRole.OPERATOR, call)


def _read_meters(ledger: Ledger) -> None:
    """Period 2 attested in one transaction after its end; period 1 marked Unread past its deadline."""
    first = FIRST_MTU + MTUS
    ledger.at((first + MTUS) * 900)
    attested = [
        Attestation(
            area=AREA,
            mtu=mtu,
            revision=0,
            root=keccak(b"readings %d" % mtu),
            count=40,
            import_wh=9_000,
            export_wh=4_000,
        )
        for mtu in range(first, first + MTUS)
    ]
    _attest(ledger, f"attestMany {MTUS} MTUs", attested)
    ledger.at(first * 900 + ATTEST_S + 1)
    call = ledger.readings.mark_unread(area=AREA, period=1, first_mtu=FIRST_MTU, count=MTUS)
    ledger.send(f"markUnread {MTUS} MTUs", ChainRole.OPERATOR, call)


def _attest(ledger: Ledger, name: str, attested: Sequence[Attestation]) -> None:
    domain = ledger.deployment.domain("Readings")
    names = sorted(("attester1", "attester2"), key=lambda key: KEYS[key].address)
    structs = [
        AttestationStruct(
            area=item.area,
            mtu=item.mtu,
            revision=item.revision,
            root=item.root,
            count=item.count,
            import_wh=item.import_wh,
            export_wh=item.export_wh,
        )
        for item in attested
    ]
    signatures = [[KEYS[key].sign(item.digest(domain)) for key in names] for item in attested]
    call = ledger.readings.attest_many(period=2, attestations=structs, signatures=signatures)
    ledger.send(name, ChainRole.OPERATOR, call)


def _keys() -> list[SigningKey]:
    return [SigningKey(keccak(b"account %d" % at)) for at in range(ACCOUNTS)]


def _accounts() -> list[bytes]:
    return sorted(key.address for key in _keys())


def _bind_all(ledger: Ledger) -> None:
    """Every account belongs to the area: what a settlement can't book on its account would wait elsewhere."""
    calls = {
        f"bindAccount {account.hex()}": ledger.accounts.bind_account(account=account, area=AREA)
        for account in _accounts()
    }
    ledger.send_all(ChainRole.REGISTRAR, calls)


def _line(ledger: Ledger, account: SigningKey, credit_neur: int) -> Call:
    """The retailer's line for an account that agrees."""
    retailer, domain = SigningKey(keccak(b"gas retailer")), ledger.deployment.domain("Guarantees")
    deadline = START + 10**9
    line = {"guarantor": retailer.address, "account": account.address, "creditNeur": credit_neur, "nonce": 1}
    digest = domain.digest(GUARANTEE, line | {"deadline": deadline})
    return ledger.guarantees.guarantee(
        guarantor=retailer.address,
        account=account.address,
        credit_neur=credit_neur,
        nonce=1,
        deadline=deadline,
        guarantor_signature=retailer.sign(digest),
        account_signature=account.sign(digest),
    )


def _guarantee_all(ledger: Ledger) -> None:
    """A credit line for every account, as orders need one: their debt is then not called from the retailer."""
    retailer = SigningKey(keccak(b"gas retailer")).address
    call = ledger.accounts.deposit(account=retailer, amount_neur=ACCOUNTS * 10**13, ref=keccak(b"lines"))
    ledger.send("deposit for lines", ChainRole.TREASURER, call)
    calls = {f"guarantee {key.address.hex()}": _line(ledger, key, 10**13) for key in _keys()}
    ledger.send_all(ChainRole.OPERATOR, calls)


def _settle(ledger: Ledger, *, name: str, period: int) -> None:
    """One page of 1,000 accounts."""
    accounts = _accounts()
    amounts = {account: (at + 1) * (1 if at % 2 else -1) * 1_000_000 for at, account in enumerate(accounts)}
    amounts[accounts[0]] -= sum(amounts.values())
    words = settlement_words(amounts)
    page = SettlementPage(
        area=AREA,
        period=period,
        revision=0,
        page=0,
        statements_root=keccak(b"statements"),
        tariff_hash=keccak(b"tariffs"),
    )
    values = {
        "area": AREA,
        "period": period,
        "revision": 0,
        "wordsHash": words_hash(words),
        "clearingRoot": ledger.market.clearing_root(area=AREA, period=period),
        "readingsRoot": ledger.readings.readings_root(area=AREA, period=period),
        "statementsRoot": page.statements_root,
        "tariffHash": page.tariff_hash,
    }
    signatures = ledger.attesters_sign("Settlement", SETTLEMENT, values)
    call = ledger.settlement.settle(target=page, page_hashes=page_hashes(words), words=words, signatures=signatures)
    ledger.send(name, ChainRole.OPERATOR, call)


def _move_money(ledger: Ledger) -> None:
    retailer, household = SigningKey(keccak(b"gas retailer")), SigningKey(keccak(b"gas household"))
    for at, name in ((1, "deposit first"), (2, "deposit")):
        call = ledger.accounts.deposit(account=retailer.address, amount_neur=10**12, ref=at.to_bytes(32, "big"))
        ledger.send(name, ChainRole.TREASURER, call)
    call = ledger.accounts.bind_account(account=retailer.address, area=AREA)
    ledger.send("bindAccount first", ChainRole.REGISTRAR, call)
    call = ledger.accounts.bind_account(account=household.address, area=AREA)
    ledger.send("bindAccount", ChainRole.REGISTRAR, call)
    call = _line(ledger, household, 10**11)
    ledger.send("guarantee", ChainRole.OPERATOR, call)
    ref = keccak(b"ref")
    call = ledger.accounts.deposit(account=household.address, amount_neur=10**9, ref=ref)
    ledger.send("deposit other", ChainRole.TREASURER, call)
    deadline = START + 10**9
    asked = {"account": household.address, "amountNeur": 10**9, "ref": ref, "deadline": deadline}
    signature = household.sign(ledger.deployment.domain("Redemptions").digest(REDEMPTION, asked))
    call = ledger.redemptions.request_redemption(
        account=household.address, amount_neur=10**9, ref=ref, deadline=deadline, signature=signature
    )
    ledger.send("requestRedemption", ChainRole.OPERATOR, call)
    ledger.at(ledger.node.head().timestamp + 60)
    call = ledger.redemptions.complete_redemption(account=household.address, ref=ref)
    ledger.send("completeRedemption", ChainRole.OPERATOR, call)


def _cover(ledger: Ledger) -> None:
    """The retailer pays debt that a settlement left on a household."""
    retailer, account = SigningKey(keccak(b"gas retailer")), _accounts()[2]
    ref = keccak(b"ref")
    debt, deadline = -ledger.accounts.balance_of(account=account), START + 10**9
    paid = {"guarantor": retailer.address, "account": account, "amountNeur": 10**6, "debtNeur": debt, "ref": ref}
    signature = retailer.sign(ledger.deployment.domain("Guarantees").digest(COVER, paid | {"deadline": deadline}))
    call = ledger.guarantees.cover(
        guarantor=retailer.address,
        account=account,
        amount_neur=10**6,
        debt_neur=debt,
        ref=ref,
        deadline=deadline,
        signature=signature,
    )
    ledger.send("cover", ChainRole.OPERATOR, call)


def run() -> dict[str, Any]:
    """Gas by function, and per order and account: `{"gas": {name: gas}, "per_order": …, "per_account": …, …}`."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder))
        try:
            _set_up(ledger)
            _move_money(ledger)
            _trade(ledger)
            _read_meters(ledger)
            _bind_all(ledger)
            _settle(ledger, name=f"settle {ACCOUNTS} new accounts", period=1)
            _guarantee_all(ledger)
            _settle(ledger, name=f"settle {ACCOUNTS} known accounts", period=2)
            _cover(ledger)
            ledger.at(ledger.node.head().timestamp + HORIZON_S + 1)
            ledger.send("finalise", ChainRole.OPERATOR, ledger.settlement.finalise(area=AREA, period=1))
        finally:
            ledger.close()
    per_order = max(ledger.gas[name] for name in ledger.gas if name.startswith(f"clear {ORDERS}")) / ORDERS
    per_account = ledger.gas[f"settle {ACCOUNTS} known accounts"] / ACCOUNTS
    return {
        "gas": ledger.gas,
        "per_order": per_order,
        "per_account": per_account,
        "limits": {"per_order": GAS_PER_ORDER_MAX, "per_account": GAS_PER_ACCOUNT_MAX},
        "ratio_to_calldata": round(per_order / GAS_CALLDATA_PER_ORDER, 2),
    }


def snapshot_text(figures: dict[str, Any]) -> str:
    """The figures as the text of the snapshot."""
    return json.dumps(figures, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    measured = run()
    SNAPSHOT_FILE.write_text(snapshot_text(measured), "utf-8")
    sys.stdout.write(snapshot_text(measured))
