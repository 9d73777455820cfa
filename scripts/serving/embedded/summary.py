"""What a day came to: read from its record after it ended. Money in nEUR as text, energy in Wh, prices in nEUR/Wh."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from domain.facts import ChainIncluded, ChainRequested, OrderAccepted, ProgramValidated
from domain.words import OrderWord, Side
from ledger_service.record import Entry, Record
from ledger_service.record.journal import walk_entries
from ledger_service.settlement.gather import gather
from settling.inputs import Inputs, PartyKind
from settling.package import inputs_of
from settling.settlement import settle

ORDER_FUNCTIONS = ("openProgram", "closeBooks", "recordProgram", "clear")
"""Functions whose gas is spent on orders, so that gas per order can be told."""


class DaySummary:
    """Figures of one settled period of one area."""

    def __init__(self, record: Record, *, area: str, market: str, period: int) -> None:
        self._record, self._area, self._market, self._period = record, area, market, period
        with record.read() as connection:
            self._package = gather(connection, area=area, period=period, revision=0)
        self._inputs = inputs_of(self._package)
        self._lot_wh = next(item["lot_wh"] for item in self._package["markets"] if item["market"] == market)

    def as_json(self) -> dict[str, Any]:
        """All figures that follow from the record."""
        orders = self._orders()
        gas = self._gas()
        order_gas = sum(gas.get(name, {"gas": 0})["gas"] for name in ORDER_FUNCTIONS)
        return {
            "participants": len(self._inputs.parties),
            "metering_points": len({item["point"] for item in self._package["meters"]}),
            "mtus": self._package["count"],
            "orders": orders,
            "energy_wh": self._energy(),
            "prices_neur_per_wh": self._prices(),
            "savings": self._savings(),
            "money_neur_by_account_kind": self._money(),
            "gas": {"by_function": gas, "per_order": round(order_gas / orders["count"]) if orders["count"] else None},
        }

    def _walk(self, *kinds: str) -> Iterator[Entry]:
        with self._record.read() as connection:
            yield from walk_entries(connection, kinds=list(kinds))

    def _orders(self) -> dict[str, int]:
        count = bid_wh = ask_wh = 0
        mtus = range(self._package["first_mtu"], self._package["first_mtu"] + self._package["count"])
        for entry in self._walk(OrderAccepted.KIND):
            order = entry.content()["order"]
            if order["mtu"] not in mtus:
                continue
            count += 1
            energy_wh = order["quantityLots"] * self._lot_wh
            if order["side"] == Side.BID:
                bid_wh += energy_wh
            else:
                ask_wh += energy_wh
        return {"count": count, "bid_wh": bid_wh, "ask_wh": ask_wh}

    def _energy(self) -> dict[str, int]:
        sold = sum(trade.energy_wh for trade in self._inputs.trades if trade.side is Side.ASK)
        capped_export = capped_import = given_up = capped_mtus = 0
        for entry in self._walk(ProgramValidated.KIND):
            payload = entry.content()
            if payload["first_mtu"] != self._package["first_mtu"]:
                continue
            for mtu in payload["report"]["mtus"]:
                capped_export += mtu["capped_export_wh"]
                capped_import += mtu["capped_import_wh"]
                given_up += int(mtu["given_up"])
                capped_mtus += int(bool(mtu["capped_export_wh"] or mtu["capped_import_wh"]))
        return {
            "traded": sold,
            "capped_export": capped_export,
            "capped_import": capped_import,
            "capped_mtus": capped_mtus,
            "mtus_given_up": given_up,
            "metered_import": sum(item.import_wh for item in self._inputs.metered),
            "metered_export": sum(item.export_wh for item in self._inputs.metered),
        }

    def _prices(self) -> dict[str, Any]:
        price_of = {(trade.market, trade.mtu): trade.price_neur_per_wh for trade in self._inputs.trades}
        prices = sorted(price_of.values())
        if not prices:
            return {"mtus_with_trade": 0, "lowest": None, "median": None, "highest": None}
        return {
            "mtus_with_trade": len(prices),
            "lowest": prices[0],
            "median": prices[len(prices) // 2],
            "highest": prices[-1],
        }

    def _households(self, inputs: Inputs) -> int:
        """What all households together received, nEUR (negative: they paid)."""
        words = settle(inputs).due_neur()
        homes = {party.account for party in inputs.parties if party.kind is PartyKind.HOUSEHOLD}
        return sum(amount for account, amount in words.items() if account in homes)

    def _savings(self) -> dict[str, Any]:
        """Against the same meters with the retailer's agreement alone: no trade, no envelope."""
        with_market = self._households(self._inputs)
        alone = self._households(replace(self._inputs, trades=(), limits=()))
        saved = with_market - alone
        share = None if alone >= 0 else round(saved / -alone * 100, 2)
        return {
            "households_with_market_neur": str(with_market),
            "households_retailer_only_neur": str(alone),
            "saved_neur": str(saved),
            "saved_percent_of_bill": share,
        }

    def _money(self) -> dict[str, str]:
        totals: dict[str, int] = defaultdict(int)
        kind_of = {party.account: party.kind.value for party in self._inputs.parties}
        for account, amount in settle(self._inputs).due_neur().items():
            totals[kind_of[account]] += amount
        return {kind: str(amount) for kind, amount in sorted(totals.items())}

    def _gas(self) -> dict[str, dict[str, int]]:
        functions = {}
        for entry in self._walk(ChainRequested.KIND):
            payload = entry.content()
            functions[payload["key"]] = payload["function"]
        totals: dict[str, dict[str, int]] = {}
        for entry in self._walk(ChainIncluded.KIND):
            payload = entry.content()
            name = functions.get(payload["key"])
            if name is not None:
                total = totals.setdefault(name, {"calls": 0, "gas": 0})
                total["calls"] += 1
                total["gas"] += payload["gas_used"]
        return dict(sorted(totals.items()))

    def volumes(self) -> list[dict[str, Any]]:
        """Per MTU: price (None without a trade), Wh traded, and Wh of asks that envelopes kept out."""
        rows = []
        for clearing in sorted(self._package["clearings"], key=lambda item: item["mtu"]):
            words = [OrderWord.unpack(int(text, 16)) for text in clearing["words"]]
            asks = [word for word in words if word.side is Side.ASK]
            rows.append(
                {
                    "mtu": clearing["mtu"],
                    "price_neur_per_wh": clearing["price_neur_per_wh"],
                    "traded_wh": sum(word.accepted_lots for word in asks) * self._lot_wh,
                    "capped_wh": _capped_lots(asks) * self._lot_wh,
                }
            )
        return rows


def _capped_lots(words: Sequence[OrderWord]) -> int:
    return sum(word.quantity_lots - word.effective_lots for word in words)
