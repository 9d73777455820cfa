"""Frauds with bills, deposits, guarantees and payments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from domain.eip712 import GUARANTEE, REDEMPTION
from domain.hashing import keccak, to_hex
from domain.lines import GRID_FEE, RESIDUAL_SUPPLY, Line
from domain.lines import Kind as LineKind
from domain.parties import ParticipantKind
from domain.statements import Statement
from domain.words import settlement_words
from settling.settlement import Settled
from tests.collusion.coalitions import HOUSEHOLD, Coalition
from tests.collusion.day import Payload
from tests.collusion.deeds.terms import SOMEBODY
from tests.collusion.frauds import Kind, found, left_open, possible, refused, tried
from tests.collusion.plot import Plot

EUR_NEUR = 10**9
TOO_FEW = refused("RolesMissing")
DAYS_8_SECONDS = 8 * 86_400
FORGED = to_hex(keccak(b"forged"))


Change = Callable[[Any], Any]
"""What becomes of a line."""


def with_statements(settled: Settled, statements: dict[bytes, Statement]) -> Settled:
    """A settlement of other statements, with the words that they give."""
    words = settlement_words({account: statement.due_neur for account, statement in statements.items()})
    return Settled(statements=statements, words=tuple(words), tariff_hash=settled.tariff_hash)


def charged_more(kind: LineKind, receiver: ParticipantKind, change: Change) -> Callable[[Settled], Settled]:
    """One household pays more in a line of a kind, and what its mirror says of it is as much."""

    def twist(settled: Settled) -> Settled:
        household = next(s for s in settled.statements.values() if s.kind is ParticipantKind.HOUSEHOLD)
        mirror = next(s for s in settled.statements.values() if s.kind is receiver)
        mine = next(line for line in household.lines if getattr(line, "kind", None) is kind)
        theirs = next(line for line in mirror.lines if getattr(line, "kind", None) is kind and line.mtu == mine.mtu)
        others = replace(theirs, energy_wh=theirs.energy_wh - mine.energy_wh)
        changed = {
            household.account: replaced(household, mine, change(mine)),
            mirror.account: replaced(mirror, theirs, others, change(replace(theirs, energy_wh=mine.energy_wh))),
        }
        return with_statements(settled, {**settled.statements, **changed})

    return twist


def replaced(statement: Statement, line: Line, *instead: Line) -> Statement:
    """A statement with other lines instead of one."""
    at = statement.lines.index(line)
    return replace(statement, lines=(*statement.lines[:at], *instead, *statement.lines[at + 1 :]))


NO_M = {
    Coalition.OPERATOR: TOO_FEW,
    Coalition.FEW_ATTESTERS: TOO_FEW,
    Coalition.DSO: TOO_FEW,
    Coalition.RETAILER: TOO_FEW,
}


@tried(Kind.SETTLEMENT, "a bill with energy that was not delivered", NO_M | {Coalition.ATTESTERS: found("energy_wh")})
def wrong_line(plot: Plot) -> None:
    """A household pays its retailer for 50 kWh more."""

    def change(line: Any) -> Any:
        return replace(line, energy_wh=line.energy_wh + 50_000)

    plot.settle(charged_more(RESIDUAL_SUPPLY, ParticipantKind.RETAILER, change), insist=True)


def dearer(line: Any) -> Any:
    """Ten times the price."""
    return replace(line, price_neur_per_wh=line.price_neur_per_wh * 10)


@tried(
    Kind.SETTLEMENT,
    "a bill with a grid fee that no tariff has",
    NO_M | {Coalition.ATTESTERS: found("price_neur_per_wh")},
)
def wrong_fee(plot: Plot) -> None:
    """Ten times the fee in one MTU; words and mirror agree, VAT does not."""
    plot.settle(charged_more(GRID_FEE, ParticipantKind.DSO, dearer), insist=True)


@tried(Kind.SETTLEMENT, "a household's money posted to another account", NO_M | {Coalition.ATTESTERS: found("account")})
def other_account(plot: Plot) -> None:
    """The retailer's statement is another account's."""

    def twist(settled: Settled) -> Settled:
        statements = dict(settled.statements)
        retailer = next(s for s in statements.values() if s.kind is ParticipantKind.RETAILER)
        statements.pop(retailer.account)
        account = plot.day.keys["accomplice"].address
        return with_statements(settled, {**statements, account: replace(retailer, account=account)})

    plot.settle(twist, insist=True)


@tried(
    Kind.SETTLEMENT,
    "a period that nobody settles",
    dict.fromkeys((Coalition.OPERATOR, Coalition.ATTESTERS), left_open("nobody settled it")),
)
def never_settled(plot: Plot) -> None:
    """All by silence."""
    plot.remove(plot.one("settlement.proposed"), plot.one("settlement.signed"))
    plot.unsend(plot.asked("settle"))
    plot.block(DAYS_8_SECONDS)


# ---- deposits, guarantees, payments


def booked(plot: Plot) -> Payload:
    """1,000,000 EUR for the operator's household."""
    account = plot.day.address(f"account/{HOUSEHOLD}")
    return {"account": account, "amount_neur": str(1_000_000 * EUR_NEUR), "ref": FORGED}


@tried(
    Kind.MONEY,
    "a deposit of 1,000,000 EUR in the journal alone",
    dict.fromkeys((*SOMEBODY, Coalition.RETAILER), found("the chain has no Deposited")),
)
def told_deposit(plot: Plot) -> None:
    """No transaction; the next anchor holds it."""
    plot.add("deposit.booked", booked(plot), after=plot.all("deposit.booked")[-1])
    plot.block(2 * 3_600)


@tried(
    Kind.MONEY,
    "a deposit on chain that no bank ever saw",
    {
        Coalition.OPERATOR: refused("RolesMissing"),
        Coalition.ATTESTERS: refused("RolesMissing"),
        Coalition.TREASURER: possible("that a bank received what is deposited"),
    },
)
def made_deposit(plot: Plot) -> None:
    """Sent by the treasurer, or by whoever would be."""
    payload = booked(plot)
    after = plot.all("deposit.booked")[-1]
    plot.add("deposit.booked", payload, after=after)
    sender = "treasurer" if "treasurer" in plot.held else "operator"
    block = plot.all("block.mined")[14]
    args = [payload["account"], payload["amount_neur"], payload["ref"]]
    about = {"account": payload["account"], "ref": payload["ref"]}
    plot.send(sender, "Accounts", "deposit", args, about=about, before=block, role="treasurer")


@tried(
    Kind.MONEY,
    "a guarantee that nobody gave",
    {
        Coalition.OPERATOR: refused("GuaranteesSignerWrong"),
        Coalition.ATTESTERS: refused("GuaranteesSignerWrong"),
        Coalition.DSO: refused("GuaranteesSignerWrong"),
    },
)
def forged_guarantee(plot: Plot) -> None:
    """The retailer seems to guarantee ten times as much."""
    step = plot.all("guarantee.given")[1]
    payload = step.payload
    credit = int(payload["credit_neur"]) * 10
    values = {"guarantor": payload["guarantor"], "account": payload["account"], "creditNeur": credit}
    values |= {name: payload[name] for name in ("nonce", "deadline")}
    signature = plot.sign("retailer", "Guarantees", GUARANTEE, values)
    plot.change(step, credit_neur=str(credit), signature=signature)
    asked = plot.asked("guarantee", 1)
    args = asked.payload["args"]
    plot.ask_otherwise(asked, [*args[:2], str(credit), *args[3:5], signature, *args[6:]])


def redeem(plot: Plot, amount_neur: int) -> Payload:
    """A household asks for its money, or seems to; what was asked."""
    account = f"account/{HOUSEHOLD}"
    deadline = plot.all("block.mined")[-1].payload["timestamp"] + 86_400
    ref = keccak(b"redemption")
    values = {"account": plot.day.keys[account].address, "amountNeur": amount_neur, "ref": ref, "deadline": deadline}
    signature = plot.sign(account, "Redemptions", REDEMPTION, values)
    told = {"account": plot.day.address(account), "amount_neur": str(amount_neur), "ref": to_hex(ref)}
    told |= {"deadline": deadline, "signature": signature}
    plot.add("redemption.requested", told, after=plot.steps[-1])
    block = plot.block(60)
    about = {"account": told["account"], "ref": told["ref"]}
    args = [told["account"], told["amount_neur"], told["ref"], deadline, signature]
    plot.send("operator", "Redemptions", "requestRedemption", args, about=about, before=block)
    return about


def complete(plot: Plot, about: Payload, seconds: int) -> None:
    """Pay it out after so many seconds."""
    block = plot.block(seconds)
    plot.send(
        "operator", "Redemptions", "completeRedemption", [about["account"], about["ref"]], about=about, before=block
    )


@tried(
    Kind.MONEY,
    "a household's money paid out without its signature",
    dict.fromkeys((Coalition.OPERATOR, Coalition.ATTESTERS, Coalition.RETAILER), refused("RedemptionsSignerWrong")),
)
def forged_redemption(plot: Plot) -> None:
    """1 EUR."""
    redeem(plot, EUR_NEUR)


@tried(Kind.MONEY, "a redemption paid twice", {Coalition.HOUSEHOLD: refused("RedemptionsUnknown")})
def paid_twice(plot: Plot) -> None:
    """Its own, after the challenge window, and once more."""
    about = redeem(plot, EUR_NEUR)
    complete(plot, about, 2 * 3_600)
    complete(plot, about, 60)


@tried(
    Kind.MONEY,
    "a redemption paid before its challenge window is over",
    {Coalition.HOUSEHOLD: refused("RedemptionsTooEarly")},
)
def paid_early(plot: Plot) -> None:
    """Its own, at once."""
    complete(plot, redeem(plot, EUR_NEUR), 60)
