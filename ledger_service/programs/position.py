"""The position stage: what the chain cleared or voided becomes the market's position, one fact per MTU."""

from __future__ import annotations

from typing import Any

from domain.hashing import text_id, to_hex
from ledger_service.market import queries as markets
from ledger_service.programs.stage import validated_key
from ledger_service.record import Record, Transaction
from ledger_service.registry import queries as registry

CURSOR = "position"
"""Name of the cursor over inclusions."""

ENTRIES_PER_RUN = 200


def position_key(*, market: str, mtu: int) -> str:
    """Journal key of what became of one MTU."""
    return f"position:{market}:{mtu}"


class PositionStage:
    """Reads the chain's own events, so that a clearing or void sent by anybody else counts as well."""

    name = "position"

    def __init__(self, record: Record) -> None:
        self._record = record
        self._codes: dict[str, str] = {}

    def run(self, now: int) -> bool:
        """Take the next inclusions in."""
        with self._record.begin() as tx:
            entries = tx.entries(after=tx.cursor(CURSOR), kinds=["chain.included"], limit=ENTRIES_PER_RUN)
            for entry in entries:
                payload = entry.content()
                for event in payload["events"]:
                    self._take(tx, event, payload["tx_hash"])
            if entries:
                tx.advance(CURSOR, entries[-1].sequence)
        return bool(entries)

    def _take(self, tx: Transaction, event: dict[str, Any], tx_hash: str) -> None:
        if event["contract"] != "Market" or event["event"] not in ("MtuCleared", "MtuVoided"):
            return
        market, mtu = self._code(tx, event["args"]["market"]), event["args"]["mtu"]
        if tx.find(position_key(market=market, mtu=mtu)) is not None:
            return  # known: a block that was gone holds it again, under another hash perhaps
        program = markets.program_of(tx.connection, market=market, mtu=mtu)
        if event["event"] == "MtuVoided":
            number = None if program is None else program.program
            payload = {"market": market, "mtu": mtu, "program": number}
            tx.append("mtu.voided", payload, key=position_key(market=market, mtu=mtu))
            return
        if program is None:
            raise LookupError(f"MTU {mtu} of {market} was cleared in no program this record knows")
        found = tx.find(validated_key(market=market, program=program.program))
        result = None if found is None else found.content()["results"][mtu - program.first_mtu]
        if result is None or result["result_hash"] != event["args"]["resultHash"]:
            raise LookupError(f"MTU {mtu} of {market} was cleared with a result this record does not know")
        payload = {
            "market": market,
            "mtu": mtu,
            "program": program.program,
            "price_neur_per_wh": result["price_neur_per_wh"],
            "result_hash": result["result_hash"],
            "words": result["words"],
            "tx_hash": tx_hash,
        }
        tx.append("mtu.cleared", payload, key=position_key(market=market, mtu=mtu))

    def _code(self, tx: Transaction, market_id: str) -> str:
        if market_id not in self._codes:
            known = registry.markets(tx.connection)
            self._codes = {to_hex(text_id(item.market)): item.market for item in known}
        return self._codes[market_id]
