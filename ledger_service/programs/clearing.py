"""The clearing stage: once a signed program stands on chain, its set-points go out and each MTU is cleared there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from contracts.bindings import Market
from contracts.bindings.market import ResultPage
from domain.hashing import from_hex, text_id
from domain.merkle import merkle_proofs
from domain.units import NO_PRICE
from domain.words import page_hashes, pages_of
from ledger_service.outbox import request
from ledger_service.programs.stage import validated_key
from ledger_service.record import Record, Transaction

CURSOR = "clearing"
"""Name of the cursor over inclusions."""

ENTRIES_PER_RUN = 500
RECORDED_PREFIX = "recordProgram:"
SETPOINTS = "setpoints.issued"


class ClearingStage:
    """Waits for `recordProgram` to be included, then asks for one `clear` per page of each MTU."""

    name = "clearing"

    def __init__(self, record: Record) -> None:
        self._record = record

    def run(self, now: int) -> bool:
        """Take the next inclusions in."""
        with self._record.begin() as tx:
            entries = tx.entries(after=tx.cursor(CURSOR), kinds=["chain.included"], limit=ENTRIES_PER_RUN)
            for entry in entries:
                key = entry.content()["key"]
                if key.startswith(RECORDED_PREFIX):
                    market, program = key[len(RECORDED_PREFIX) :].rsplit(":", 1)
                    _clear_program(tx, market=market, program=int(program))
            if entries:
                tx.advance(CURSOR, entries[-1].sequence)
        return bool(entries)


def _clear_program(tx: Transaction, *, market: str, program: int) -> None:
    found = tx.find(validated_key(market=market, program=program))
    if found is None:
        raise LookupError(f"program {program} of {market} stands on chain but was never validated here")
    validated = found.content()
    setpoints = {"market": market, "program": program, "envelopes": validated["envelopes"]}
    tx.append(SETPOINTS, setpoints, key=f"setpoints:{market}:{program}")
    hashes = [from_hex(result["result_hash"]) for result in validated["results"]]
    proofs = merkle_proofs(hashes, range(len(hashes)))
    for result, proof in zip(validated["results"], proofs, strict=True):
        if not result["given_up"]:
            _clear_mtu(tx, market=market, program=program, result=result, proof=proof)


def _clear_mtu(tx: Transaction, *, market: str, program: int, result: dict[str, Any], proof: Sequence[bytes]) -> None:
    words = [int(word, 16) for word in result["words"]]
    hashes = page_hashes(words)
    price = NO_PRICE if result["price_neur_per_wh"] is None else result["price_neur_per_wh"]
    for page, page_words in enumerate(pages_of(words) or [[]]):
        target = ResultPage(program=program, mtu=result["mtu"], price_neur_per_wh=price, count=len(words), page=page)
        call = Market.clear(market=text_id(market), target=target, page_hashes=hashes, words=page_words, proof=proof)
        request(tx, call, key=f"clear:{market}:{result['mtu']}:{page}", role="operator")
