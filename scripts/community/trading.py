"""What the town's devices do before a gate: nominate, sign orders, keep them, send them, keep the receipts."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import Any

from domain.errors import DominoesError
from domain.hashing import text_id, to_hex
from domain.mtu import MtuRange
from domain.orders import Order, schedule_digest
from domain.receipts import receipt_signer
from domain.signing import SigningKey
from domain.words import Side
from scripts.community.households import Wish, forecast_net_wh, later_wishes, wishes
from scripts.community.town import Household, Town
from scripts.serving.api_client import ApiClient

BATCH_ORDERS = 400
"""Orders sent in one request; the API takes 500."""

SENDERS = 4
"""Households that send at the same time."""

RETAILER_LOTS = 10_000
"""What the retailer would take from, or give into, the neighbourhood in each MTU: 100 kWh at lots of 10 Wh."""

RETAILER_MARGIN = 10_000
"""How much better than its own tariff the retailer bids and asks locally, nEUR/Wh (1 ct/kWh)."""


class ReceiptForged(DominoesError):
    """A receipt is not signed by the operator, so the order might be dropped without proof."""

    code = "receipt-forged"

    def __init__(self, *, tag: str) -> None:
        self.tag = tag
        super().__init__(f"the receipt for {tag} is not signed by the operator; keep it and tell the auditor")


@dataclass(frozen=True)
class Tally:
    """What was sent for one day."""

    orders: int
    refused: int
    bid_lots: int
    ask_lots: int
    traders: int
    problems: tuple[str, ...]


class TradingDay:
    """Orders and schedules of one local day in one session. Signed once, kept, and sent again until answered.

    Schedules are nominated at the first gate of a day; those who order at a later one correct what they traded before.
    """

    def __init__(self, *, town: Town, day: date, mtus: MtuRange, market: str, session: int, first: bool) -> None:
        self._town, self._day, self._mtus, self._code = town, day, mtus, market
        self._domain = town.domain("Market")
        self._market, self._session, self._is_first = text_id(market), session, first
        self._operator = town.organisations["operator"].address
        profile = town.community.day_profile(day)
        self.net_wh = profile.load_wh - profile.generation_wh

    def send(self) -> Tally:
        """Nominate and order for every household and the retailer; safe to repeat."""
        with ThreadPoolExecutor(max_workers=SENDERS) as pool:
            tallies = list(pool.map(self._household, self._town.households))
        return total([*tallies, self._retailer()])

    def _topic(self, what: str, who: str) -> str:
        market = "" if self._is_first else f"{self._code.rsplit('/', 1)[-1]}-{self._session}/"
        return f"{what}/{self._day.isoformat()}/{market}{who}"

    def _household(self, house: Household) -> Tally:
        point = house.point
        schedule = forecast_net_wh(
            actual_net_wh=self.net_wh[house.at],
            day=self._day,
            at=house.at,
            import_max_wh=point.import_w // 4,
            export_max_wh=point.export_w // 4,
        )
        client = self._town.client_of(house)
        wanted = self._first_wishes(house, client, schedule) if self._is_first else self._later(house, client, schedule)
        return self._order(client, point.code, house.account, house.device, wanted)

    def _first_wishes(self, house: Household, client: ApiClient, schedule: list[int]) -> list[Wish]:
        """Nominate, then order all of it."""
        store, topic = self._town.store, self._topic("schedule", house.point.code)
        if not store.submissions(topic):
            store.keep(topic, [self._signed_schedule(house, schedule)])
        if store.waiting(topic):
            store.answered(topic, [client.post("/v1/schedules", body) for body in store.submissions(topic)])
        return wishes(
            schedule_wh=schedule, day=self._day, at=house.at, lot_wh=self._town.config.lot_wh, band=self._town.band
        )

    def _later(self, house: Household, client: ApiClient, schedule: list[int]) -> list[Wish]:
        """Correct what was traded at earlier gates."""
        traded_wh: dict[int, int] = {}
        span = {"from": self._mtus.first, "to": self._mtus.first + self._mtus.count}
        for trade in client.items("/v1/trades", **span):
            position = trade["mtu"] - self._mtus.first
            energy_wh = trade["energy_wh"] * (1 if trade["side"] == "bid" else -1)
            traded_wh[position] = traded_wh.get(position, 0) + energy_wh
        return later_wishes(
            schedule_wh=schedule,
            traded_wh=traded_wh,
            day=self._day,
            at=house.at,
            lot_wh=self._town.config.lot_wh,
            band=self._town.band,
        )

    def _retailer(self) -> Tally:
        keys, band = self._town.organisations, self._town.band
        wanted = [
            Wish(position, side, price // band.tick * band.tick, RETAILER_LOTS)
            for position in range(len(self._mtus))
            for side, price in (
                (Side.BID, band.feed_in + RETAILER_MARGIN),
                (Side.ASK, band.supply - RETAILER_MARGIN),
            )
        ]
        return self._order(
            self._town.clients["retailer"], "retailer", keys["retailer"], keys["retailer-orders"], wanted
        )

    def _signed_schedule(self, house: Household, net_wh: list[int]) -> dict[str, Any]:
        digest = schedule_digest(
            domain=self._domain,
            market=self._market,
            session=self._session,
            first_mtu=self._mtus.first,
            point=text_id(house.point.code),
            net_wh=net_wh,
            revision=0,
        )
        message = {
            "market": to_hex(self._market),
            "session": self._session,
            "firstMtu": self._mtus.first,
            "point": house.point.code,
            "netWh": net_wh,
            "revision": 0,
        }
        return {"schedule": message, "signature": to_hex(house.device.sign(digest))}

    def _order(self, client: ApiClient, who: str, account: SigningKey, device: SigningKey, wanted: list[Wish]) -> Tally:
        store, topic = self._town.store, self._topic("orders", who)
        bodies = store.submissions(topic)
        if not bodies:
            bodies = [self._signed_order(account, device, wish) for wish in wanted]
            store.keep(topic, bodies)
        if not bodies:
            return Tally(0, 0, 0, 0, 0, ())
        answers: list[Any] = []
        for batch in _batches(bodies):
            answers += client.post("/v1/orders", batch)["items"]
        for answer in answers:
            if answer["status"] != "refused":
                self._check_receipt(answer["receipt"])
        store.answered(topic, answers)
        return _tally(bodies, answers)

    def _signed_order(self, account: SigningKey, device: SigningKey, wish: Wish) -> dict[str, Any]:
        order = Order(
            market=self._market,
            session=self._session,
            mtu=self._mtus.first + wish.position,
            side=wish.side,
            limit_neur_per_wh=wish.limit_neur_per_wh,
            quantity_lots=wish.quantity_lots,
            account=account.address,
            order_id=secrets.token_bytes(16),
            revision=0,
            salt=secrets.token_bytes(32),
        )
        return {"order": order.as_json(), "signature": to_hex(device.sign(order.digest(self._domain)))}

    def _check_receipt(self, receipt: dict[str, Any]) -> None:
        if receipt_signer(receipt, domain=self._domain) != self._operator:
            raise ReceiptForged(tag=receipt["tag"])


def _batches(bodies: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    return (bodies[start : start + BATCH_ORDERS] for start in range(0, len(bodies), BATCH_ORDERS))


def _tally(bodies: list[dict[str, Any]], answers: list[Any]) -> Tally:
    lots = {Side.BID: 0, Side.ASK: 0}
    accepted = 0
    problems = []
    for body, answer in zip(bodies, answers, strict=True):
        if answer["status"] == "refused":
            problems.append(str(answer["problem"].get("detail", answer["problem"])))
            continue
        accepted += 1
        lots[Side(body["order"]["side"])] += body["order"]["quantityLots"]
    return Tally(accepted, len(problems), lots[Side.BID], lots[Side.ASK], int(accepted > 0), tuple(problems[:5]))


def total(tallies: list[Tally]) -> Tally:
    return Tally(
        orders=sum(item.orders for item in tallies),
        refused=sum(item.refused for item in tallies),
        bid_lots=sum(item.bid_lots for item in tallies),
        ask_lots=sum(item.ask_lots for item in tallies),
        traders=sum(item.traders for item in tallies),
        problems=tuple(problem for item in tallies for problem in item.problems)[:5],
    )
