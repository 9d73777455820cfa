"""Frauds with the record itself: erasures, the journal, and a node that lies."""

from __future__ import annotations

from typing import Any

from domain.hashing import keccak, text_id, to_hex
from domain.lines import RESIDUAL_SUPPLY
from domain.parties import ParticipantKind
from tests.collusion.coalitions import Coalition
from tests.collusion.day import Step
from tests.collusion.deeds.money import DAYS_8_SECONDS, booked, charged_more, dearer
from tests.collusion.deeds.terms import SOMEBODY
from tests.collusion.deeds.trading import SELLER, order_at
from tests.collusion.frauds import Kind, found, told, tried
from tests.collusion.plot import Ask, Plot


def erase(plot: Plot, *steps: Step, final: bool, audited: bool) -> None:
    """Empty facts, after the period is Final or not, and after an audit that a key of the operator's signs, or not."""
    area, period = (plot.one("period.declared").payload[name] for name in ("area", "period"))
    if final:
        block = plot.block(DAYS_8_SECONDS)
        about = {"area": area, "period": period}
        plot.send("operator", "Settlement", "finalise", [to_hex(text_id(area)), period], about=about, before=block)
    if audited:
        plot.add("audit.signed", {"auditor": plot.day.address("accomplice")}, after=plot.steps[-1])
    places = {id(step): at for at, step in enumerate(plot.steps, 1)}
    tags = sorted(step.payload["tag"] for step in steps if step.kind == "order.accepted")
    done = {"sequences": sorted(places[id(step)] for step in steps), "reason": "request", "tags": tags}
    plot.add("erasure.done", done, after=plot.steps[-1])
    plot.erased = list(steps)


def overcharge(plot: Plot) -> None:
    """A household pays ten times the price in an MTU, where m attesters are in it."""
    plot.settle(charged_more(RESIDUAL_SUPPLY, ParticipantKind.RETAILER, dearer))


@tried(Kind.ERASURE, "an order erased before its period is final", dict.fromkeys(SOMEBODY, found("erased")))
def early_erasure(plot: Plot) -> None:
    """A rival's ask, which traded."""
    erase(plot, order_at(plot, SELLER), final=False, audited=True)


@tried(Kind.ERASURE, "a false bill erased with nobody's audit", dict.fromkeys(SOMEBODY, found("erased")))
def unaudited_erasure(plot: Plot) -> None:
    """The statements go, the money stays where it went."""
    overcharge(plot)
    proposed = plot.all("settlement.proposed") or plot.all("reading.attested")[-1:]
    erase(plot, *proposed, final=bool(plot.all("settlement.proposed")), audited=False)


@tried(
    Kind.ERASURE,
    "readings erased after an audit that no auditor signed",
    dict.fromkeys((*SOMEBODY, Coalition.DSO, Coalition.RETAILER), found("auditor")),
)
def own_audit(plot: Plot) -> None:
    """The operator signs the audit with a key of its own."""
    erase(plot, plot.all("reading.attested")[-1], final=True, audited=True)


@tried(Kind.ERASURE, "facts that are just not shown", dict.fromkeys(SOMEBODY, found("closed")))
def not_shown(plot: Plot) -> None:
    """Closed, and no erasure names them."""
    plot.erased = [order_at(plot, SELLER)]


# ---- the journal


@tried(Kind.JOURNAL, "a payment left out", dict.fromkeys((*SOMEBODY, Coalition.RETAILER), found("unjournalled")))
def left_out_payment(plot: Plot) -> None:
    """A household's deposit is on chain, and nothing tells of it."""
    plot.remove(plot.all("chain.included", lambda payload: payload["function"] == "deposit")[-1])


@tried(Kind.JOURNAL, "facts in another order", dict.fromkeys((*SOMEBODY, Coalition.DSO), found("book")))
def reordered(plot: Plot) -> None:
    """An order comes into the journal after its book is closed."""
    plot.move(order_at(plot, SELLER), after=plot.one("book.closed"))


@tried(
    Kind.JOURNAL, "two histories, one for each auditor", dict.fromkeys((*SOMEBODY, Coalition.DSO), found("checkpoint"))
)
def two_histories(plot: Plot) -> None:
    """Told from the first block on, and all of it fits, but not to what the auditor remembers of the other one."""
    plot.believed = plot.day.anchors
    plot.one("order.accepted").salt = to_hex(keccak(b"another history"))


# ---- a node that lies


def lying(plot: Plot, method: str, change: Any) -> None:
    """The node answers a method otherwise."""

    def lie(ask: Ask) -> Ask:
        def answer(asked: str, params: list[Any]) -> Any:
            told = ask(asked, params)
            return change(told) if asked == method else told

        return answer

    plot.lie = lie


def deposits(plot: Plot, logs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of a node's logs that are of Accounts and of one word of data, as a deposit's."""
    accounts = plot.day.chain["contracts"]["Accounts"]
    return [log for log in logs if log["address"].lower() == accounts and len(log["data"]) == 66]


@tried(
    Kind.NODE,
    "a deposit that only the node has seen",
    dict.fromkeys((Coalition.OPERATOR, Coalition.ATTESTERS), found("receipts")),
)
def invented_log(plot: Plot) -> None:
    """A deposit's event comes twice, and the second time of a million."""

    def change(logs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        more = [{**log, "data": f"0x{10**15:064x}", "logIndex": "0x7f"} for log in deposits(plot, logs)[:1]]
        return [*logs, *more]

    lying(plot, "eth_getLogs", change)


@tried(
    Kind.NODE,
    "a deposit that the node hides",
    dict.fromkeys((Coalition.OPERATOR, Coalition.ATTESTERS), found("receipts")),
)
def hidden_log(plot: Plot) -> None:
    """Its event is left out of the answer, and of the journal."""
    gone = plot.all("chain.included", lambda payload: payload["function"] == "deposit")[-1]
    plot.remove(gone)

    def change(logs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        last = deposits(plot, logs)[-1:]
        return [log for log in logs if log not in last]

    lying(plot, "eth_getLogs", change)


@tried(
    Kind.NODE,
    "a block that the chain does not have",
    dict.fromkeys((Coalition.OPERATOR, Coalition.ATTESTERS), found("contradicts the checkpoint")),
)
def invented_block(plot: Plot) -> None:
    """Its time is another one."""

    def change(block: dict[str, Any] | None) -> dict[str, Any] | None:
        if block is None or block["number"] != "0x11":
            return block
        return {**block, "timestamp": hex(int(block["timestamp"], 16) - 600)}

    lying(plot, "eth_getBlockByNumber", change)


@tried(
    Kind.NODE,
    "a deposit in blocks that a node forged after the checkpoint",
    {Coalition.OPERATOR: told("blocks after"), Coalition.ATTESTERS: told("blocks after")},
)
def forged_blocks(plot: Plot) -> None:
    """The chain has no seals here; the auditor has an old checkpoint, and asks one node alone."""
    last = plot.day.entries[-1]
    plot.believed = {
        **plot.day.anchors,
        "checkpoint": {
            "block": last["payload"]["block"],
            "block_hash": last["payload"]["block_hash"],
            "journal_sequence": last["sequence"],
            "journal_head": last["hash"],
        },
    }
    payload = booked(plot)
    plot.add("deposit.booked", payload, after=plot.steps[-1])
    args = [payload["account"], payload["amount_neur"], payload["ref"]]
    plot.forge("treasurer", "Accounts", "deposit", args, before=plot.block(60))
