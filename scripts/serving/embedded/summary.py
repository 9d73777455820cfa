"""What a day came to: read from its record after it ended. Money in nEUR as text, energy in Wh, prices in nEUR/Wh."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import pandas as pd

from domain.facts import ChainIncluded, Fact, OrderAccepted, ProgramValidated
from domain.parties import ParticipantKind
from domain.words import OrderWord, Side
from ledger_service.record import Record
from ledger_service.record.journal import walk_entries
from ledger_service.settlement.gather import gather
from settling.inputs import Inputs
from settling.settlement import settle
from settling.unpacking import inputs_of

ORDER_FUNCTIONS = ("openSession", "closeSession", "recordProgram", "clear", "clearMany")
"""Functions whose gas is spent on orders, so that gas per order can be told."""

_Kind = TypeVar("_Kind", bound=Fact)


class DaySummary:
    """Figures of one settled period of one area."""

    def __init__(self, record: Record, *, area: str, market: str, period: int) -> None:
        self._record, self._area, self._market, self._period = record, area, market, period
        with record.read() as connection:
            self._basis = gather(connection, area=area, period=period, revision=0)
        self._inputs = inputs_of(self._basis)
        self._lot_wh = next(item.lot_wh for item in self._basis.markets if item.market == market)

    def as_json(self) -> dict[str, Any]:
        """All figures that follow from the record."""
        orders = self._orders()
        gas = self._gas()
        order_gas = int(gas["gas"].reindex(ORDER_FUNCTIONS, fill_value=0).sum())
        return {
            "participants": len(self._inputs.parties),
            "metering_points": len({meter.point for meter in self._basis.meters}),
            "mtus": self._basis.count,
            "orders": orders,
            "energy_wh": self._energy(),
            "prices_neur_per_wh": self._prices(),
            "savings": self._savings(),
            "money_neur_by_account_kind": self._money(),
            "gas": {
                "by_function": gas.to_dict("index"),
                "per_order": round(order_gas / orders["count"]) if orders["count"] else None,
            },
        }

    def _facts(self, kind: type[_Kind]) -> Iterator[_Kind]:
        with self._record.read() as connection:
            for entry in walk_entries(connection, kinds=[kind]):
                yield entry.as_a(kind)

    def _orders(self) -> dict[str, int]:
        period = self._basis.span
        orders = (fact.order for fact in self._facts(OrderAccepted))
        ours = pd.DataFrame(
            [(order.side, order.quantity_lots) for order in orders if order.mtu in period], columns=["side", "lots"]
        )
        lots = ours.groupby("side")["lots"].sum().reindex([Side.BID, Side.ASK], fill_value=0)
        bid_lots, ask_lots = (int(count) for count in lots)
        return {"count": len(ours), "bid_wh": bid_lots * self._lot_wh, "ask_wh": ask_lots * self._lot_wh}

    def _energy(self) -> dict[str, int]:
        reported = self._reported()
        capped_export, capped_import = reported["capped_export_wh"], reported["capped_import_wh"]
        return {
            "traded": sum(trade.energy_wh for trade in self._inputs.trades if trade.side is Side.ASK),
            "capped_export": int(capped_export.sum()),
            "capped_import": int(capped_import.sum()),
            "capped_mtus": int(((capped_export > 0) | (capped_import > 0)).sum()),
            "mtus_given_up": int(reported["given_up"].sum()),
            "metered_import": sum(item.import_wh for item in self._inputs.metered),
            "metered_export": sum(item.export_wh for item in self._inputs.metered),
        }

    def _reported(self) -> pd.DataFrame:
        """What the power-flow reports of the day's programs say of each MTU."""
        programs = (fact for fact in self._facts(ProgramValidated) if fact.first_mtu == self._basis.first_mtu)
        rows = [mtu for program in programs for mtu in program.report["mtus"]]
        return pd.DataFrame(rows, columns=["capped_export_wh", "capped_import_wh", "given_up"])

    def _prices(self) -> dict[str, Any]:
        prices = pd.Series(
            {(trade.market, trade.mtu): trade.price_neur_per_wh for trade in self._inputs.trades}, dtype="int64"
        )
        if prices.empty:
            return {"mtus_with_trade": 0, "lowest": None, "median": None, "highest": None}
        return {
            "mtus_with_trade": len(prices),
            "lowest": int(prices.min()),
            "median": int(prices.quantile(0.5, interpolation="higher")),
            "highest": int(prices.max()),
        }

    def _households(self, inputs: Inputs) -> int:
        """What all households together received, nEUR (negative: they paid)."""
        words = settle(inputs).due_neur()
        homes = {party.account for party in inputs.parties if party.kind is ParticipantKind.HOUSEHOLD}
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
        kind_of = {party.account: party.kind.value for party in self._inputs.parties}
        totals = pd.Series(settle(self._inputs).due_neur(), dtype="int64").groupby(kind_of.__getitem__).sum()
        return {str(kind): str(amount) for kind, amount in totals.items()}

    def _gas(self) -> pd.DataFrame:
        """Calls and gas by function, in the order of their names."""
        included = [(fact.function, fact.gas_used) for fact in self._facts(ChainIncluded)]
        by_function = pd.DataFrame(included, columns=["function", "gas"]).groupby("function")["gas"]
        return pd.DataFrame({"calls": by_function.count(), "gas": by_function.sum()})

    def volumes(self) -> pd.DataFrame:
        """Per MTU: price (none without a trade), Wh traded, and Wh of asks that envelopes kept out."""
        rows = []
        for clearing in (item for session in self._basis.sessions for item in session.clearings):
            words = [OrderWord.unpack(word) for word in clearing.words]
            asks = [word for word in words if word.side is Side.ASK]
            traded_lots = sum(word.accepted_lots for word in asks)
            rows.append((clearing.mtu, clearing.price_neur_per_wh, traded_lots, _capped_lots(asks)))
        found = pd.DataFrame(rows, columns=["mtu", "price_neur_per_wh", "traded_wh", "capped_wh"])
        found["price_neur_per_wh"] = found["price_neur_per_wh"].astype("Int64")
        found[["traded_wh", "capped_wh"]] *= self._lot_wh
        return found.sort_values("mtu", kind="stable", ignore_index=True)


def _capped_lots(words: Sequence[OrderWord]) -> int:
    return sum(word.quantity_lots - word.effective_lots for word in words)
