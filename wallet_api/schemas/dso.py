"""Programs as the DSO decides on them, and its verdicts."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from edge.models import Answer, Body
from wallet_api.fields import (
    Address,
    Bytes32,
    Code,
    MarketTime,
    Mask,
    Mtu,
    NeurPerWh,
    Session,
    Signature,
    Text,
    Wh,
    Word,
)
from wallet_api.schemas.base import AtMtu, Fact, MtuRun, utc_of
from wallet_api.schemas.public import Program
from wallet_api.schemas.session import SigningView


class Result(AtMtu):
    """The result of one MTU as it would be cleared."""

    price_neur_per_wh: NeurPerWh | None = Field(description="Clearing price in nEUR/Wh; null without a trade")
    words: list[Word]
    result_hash: Bytes32
    given_up: bool = Field(description="Whether validation gave the MTU up: it becomes void")


class Envelope(Answer):
    """What a point may draw or feed in."""

    point: Code
    mtu: Mtu
    import_cap_wh: Wh | None = Field(description="The most it may draw in the MTU, in Wh; null for no cap")
    export_cap_wh: Wh | None = Field(description="The most it may feed in in the MTU, in Wh; null for no cap")


class EarlierPosition(Envelope):
    """What markets with earlier gates left of a point in one MTU: net energy traded, and the caps in force."""

    net_wh: int = Field(description="Bought (+) or sold (-) in markets with earlier gates, in Wh", examples=[-300])


class BookOrder(Answer):
    """An order of a closed book, as the DSO needs it: without a name, at its connection point."""

    mtu: Mtu
    word: Word = Field(description="Masked order word: cap and accepted lots are zero")
    point: Code | None = Field(description="Connection point; null at the transformer")


class ProgramOrders(Answer):
    """The orders of a program's books."""

    items: list[BookOrder]


class ProgramRules(Answer):
    """Versions of the rules of a program: who checks it does so by the same."""

    ties: int = Field(ge=1, examples=[1], description="Shares of lots among ties, and the price")
    forecast: int = Field(ge=1, examples=[1], description="Schedules of points without a nomination")


class ProgramToDecide(Program):
    """All that the DSO signs, and the typed data for both verdicts."""

    books_root: Bytes32 = Field(description="Places root over the book hashes, in MTU order")
    results_root: Bytes32
    traded_mask: Mask = Field(description="MTUs in which something trades")
    emptied_mask: Mask = Field(description="MTUs that caps emptied or that were given up")
    grid_model_hash: Bytes32
    report_hash: Bytes32
    report: dict[str, Any] = Field(
        description="Power-flow report: loading in permille, voltages in 10⁻⁶ pu, what binds"
    )
    rounds: int = Field(ge=0, description="How often caps were tightened and the books cleared again")
    results: list[Result]
    envelopes: list[Envelope]
    schedules: dict[str, list[int]] = Field(description="Net energy in Wh per MTU by point; + = import")
    earlier: list[EarlierPosition] = Field(description="What markets with earlier gates left of points and MTUs")
    rules: ProgramRules = Field(description="Versions of the rules by which it was cleared")
    deadline: MarketTime = Field(description="Unix seconds of market time until which the verdict counts")
    deadline_utc = utc_of("deadline")
    to_sign: SigningView
    to_refuse: SigningView


class ProgramVerdict(MtuRun):
    """What the DSO decided of a program, or that it let the deadline pass."""

    market: Code
    session: Session
    area: Code
    verdict: Literal["signed", "refused", "silent"]
    dso: Address | None = Field(description="The key that signed the verdict; null for silence")
    reason: str | None = Field(description="Why it was refused; null otherwise")
    signature: Signature | None = Field(description="Over the Program or the Refusal; null for silence")


class SignatureBody(Body):
    """The DSO's signature over the Program."""

    signature: Signature


class RefusalBody(Body):
    """The DSO's reason, and its signature over the Refusal that contains it."""

    reason: Text
    signature: Signature


class SignatureFact(Fact):
    """The DSO's recorded signature."""

    market: Code
    session: Session
    dso: Address
    signature: Signature


class RefusalFact(SignatureFact):
    """The DSO's recorded refusal."""

    reason: str
