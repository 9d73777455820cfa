"""The clearing stage: once a signed program stands on chain, its set-points go out and each MTU is cleared there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from contracts.bindings import Call, Market
from contracts.bindings.market import ResultPage
from domain.hashing import from_hex, text_id
from domain.merkle import merkle_proofs
from domain.units import NO_PRICE
from domain.words import page_hashes, pages_of
from ledger_service.outbox import request
from ledger_service.programs.stage import validated_key
from ledger_service.record import Cursor, Record, follow

CURSOR = "clearing"
"""Name of the cursor over inclusions."""

RECORDED_PREFIX = "recordProgram:"
SETPOINTS = "setpoints.issued"


class ClearingStage:
    """Waits for `recordProgram` to be included, then asks for one `clear` per page of each MTU."""

    name = "clearing"

    def __init__(self, record: Record) -> None:
        self._record = record
        self._cursor = Cursor(CURSOR)

    def run(self, now: int) -> bool:
        """Take the next inclusions in."""
        done = False
        for batch in follow(self._record, self._cursor, ["chain.included"]):
            keys = [entry.content()["key"] for entry in batch.entries]
            recorded = [key[len(RECORDED_PREFIX) :] for key in keys if key.startswith(RECORDED_PREFIX)]
            if not recorded:
                continue
            cleared = [self._clear(name) for name in recorded]
            with batch.begin() as tx:
                for setpoints, calls in cleared:
                    tx.append(SETPOINTS, setpoints, key=f"setpoints:{setpoints['market']}:{setpoints['program']}")
                    for key, call in calls:
                        request(tx, call, key=key, role="operator")
            done = True
        return done

    def _clear(self, name: str) -> tuple[dict[str, Any], list[tuple[str, Call]]]:
        """Set-points of a recorded program, and the calls that clear its MTUs, each with the key of its request."""
        market, program = name.rsplit(":", 1)
        found = self._record.find(validated_key(market=market, program=int(program)))
        if found is None:
            raise LookupError(f"program {program} of {market} stands on chain but was never validated here")
        validated = found.content()
        setpoints = {"market": market, "program": int(program), "envelopes": validated["envelopes"]}
        hashes = [from_hex(result["result_hash"]) for result in validated["results"]]
        proofs = merkle_proofs(hashes, range(len(hashes)))
        calls: list[tuple[str, Call]] = []
        for result, proof in zip(validated["results"], proofs, strict=True):
            if not result["given_up"]:
                calls += _clear_mtu(market=market, program=int(program), result=result, proof=proof)
        return setpoints, calls


def _clear_mtu(
    *, market: str, program: int, result: dict[str, Any], proof: Sequence[bytes]
) -> Iterator[tuple[str, Call]]:
    """One call per page of the MTU's result."""
    words = [int(word, 16) for word in result["words"]]
    hashes = page_hashes(words)
    price = NO_PRICE if result["price_neur_per_wh"] is None else result["price_neur_per_wh"]
    for page, page_words in enumerate(pages_of(words) or [[]]):
        target = ResultPage(program=program, mtu=result["mtu"], price_neur_per_wh=price, count=len(words), page=page)
        call = Market.clear(market=text_id(market), target=target, page_hashes=hashes, words=page_words, proof=proof)
        yield f"clear:{market}:{result['mtu']}:{page}", call
