"""Money: deposits, guarantees, covers, redemptions, and the balances that follow from all that happened.

Source: docs/evidence.md section 3 (`deposit.booked`, `guarantee.given`, `cover.given`, `redemption.requested`).
"""

from __future__ import annotations

from collections import defaultdict

from verifier.chain import Chain, Event
from verifier.evidence import Evidence
from verifier.participants import Participants
from verifier.party_facts import CoverGiven, DepositBooked, GuaranteeGiven, RedemptionRequested
from verifier.settlement import Settlements
from verifier.signatures import abi_encode

NOBODY = "nobody"
"""Takes the other side of what comes in and goes out."""


Move = tuple[str, str, int]
"""From, to, nEUR."""


class Suspended:
    """Amounts of settlements that were booked elsewhere than on their account: they count with their settlement.

    Several pages take effect together, or never: where they were abandoned.
    """

    def __init__(self) -> None:
        self._of_tx: dict[str, list[Move]] = defaultdict(list)
        self._of_area: dict[str, list[Move]] = defaultdict(list)
        self._areas: dict[str, str] = {}

    def follow(self, event: Event) -> list[Move]:
        """What takes effect with an event; events come in the order of their happening."""
        args = event.args
        if event.name in ("AmountSuspended", "DebitPassedOn"):
            taker = args["suspense"] if event.name == "AmountSuspended" else args["guarantor"]
            self._of_tx[event.tx].append((args["account"], taker, args["amountNeur"]))
        elif event.name == "SettlementPageBooked":
            self._areas[args["id"]] = args["area"]
            self._of_area[args["area"]] += self._of_tx.pop(event.tx, [])
        elif event.name == "SettlementAbandoned":
            self._of_area.pop(self._areas[args["id"]], None)
        elif event.name == "PeriodSettled":
            return self._of_area.pop(args["area"], []) + self._of_tx.pop(event.tx, [])
        return []


class Money:
    """What moved money besides settlements."""

    def __init__(self, evidence: Evidence, participants: Participants, settlements: Settlements) -> None:
        self._evidence = evidence
        self._report = evidence.report
        self._participants = participants
        self._settlements = settlements

    # ---- facts

    def guarantee_given(self, fact: GuaranteeGiven) -> None:
        """Signed by the guarantor, a new one's by the account too; on chain with this credit."""
        values = (fact.guarantor, fact.account, fact.credit_neur, fact.nonce, fact.deadline)
        signer = self._evidence.sign.signer(fact.signature, "Guarantee", *values)
        self._report.same("guarantor", fact.guarantor, signer, "Guarantee is signed by")
        if fact.account_signature is not None:
            agreed = self._evidence.sign.signer(fact.account_signature, "Guarantee", *values)
            self._report.same("account", fact.account, agreed, "Guarantee is agreed to by")
        keys = {"guarantor": fact.guarantor, "account": fact.account, "nonce": fact.nonce}
        self._participants.on_chain_once("guarantee.given", "GuaranteeSet", keys, {"creditNeur": fact.credit_neur})

    def cover_given(self, fact: CoverGiven) -> None:
        """Signed by the guarantor; on chain with this amount."""
        values = (fact.guarantor, fact.account, fact.amount_neur, fact.debt_neur, fact.ref, fact.deadline)
        signer = self._evidence.sign.signer(fact.signature, "Cover", *values)
        self._report.same("guarantor", fact.guarantor, signer, "Cover is signed by")
        keys = {"guarantor": fact.guarantor, "account": fact.account, "ref": fact.ref}
        self._participants.on_chain_once("cover.given", "DebtCovered", keys, {"amountNeur": fact.amount_neur})

    def redemption_requested(self, fact: RedemptionRequested) -> None:
        """Signed by the account; on chain with this amount."""
        values = (fact.account, fact.amount_neur, fact.ref, fact.deadline)
        signer = self._evidence.sign.signer(fact.signature, "Redemption", *values)
        self._report.same("account", fact.account, signer, "Redemption is signed by")
        keys, amount = {"account": fact.account, "ref": fact.ref}, {"amountNeur": fact.amount_neur}
        self._participants.on_chain_once("redemption.requested", "RedemptionRequested", keys, amount)

    def deposit_booked(self, fact: DepositBooked) -> None:
        """On chain for this account with this amount."""
        values = {"account": fact.account, "amountNeur": fact.amount_neur}
        self._participants.on_chain_once("deposit.booked", "Deposited", {"ref": fact.ref}, values)

    # ---- the whole journal against the chain

    def check_balances(self, chain: Chain) -> None:
        """Balances and their sum, the supply, are those on chain."""
        balances = self._balances(chain)
        if balances is None:
            self._report.gap("balances not compared: a settlement is not shown")
            return
        for account, balance in balances.items():
            held = chain.number("Accounts", "balanceOf(address)", abi_encode("address", account))
            self._report.same(f"balance of {account}", balance, held, "Accounts holds")
        supply = chain.number("Accounts", "supply()")
        self._report.same("supply", sum(balances.values()), supply, "Accounts holds")

    def _balances(self, chain: Chain) -> dict[str, int] | None:
        """nEUR by account after all that happened; None where a settlement is not shown."""
        balances: dict[str, int] = defaultdict(int)
        suspended = Suspended()
        for event in chain.events:
            args = event.args
            for payer, payee, amount in suspended.follow(event):
                balances[payer] -= amount
                balances[payee] += amount
            if event.name == "PeriodSettled":
                settled = self._settlements.settled.get((args["area"], args["period"], args["revision"]))
                if settled is None:
                    return None
                for account, due in settled.amounts.items():
                    balances[account] += due
            elif event.name == "AccountReplaced":
                balances[args["account"]] -= args["balanceNeur"]
                balances[args["successor"]] += args["balanceNeur"]
            elif event.name == "SuspenseBooked":
                balances[args["suspense"]] -= args["amountNeur"]
                balances[args["account"]] += args["amountNeur"]
            elif event.name in ("AccountLeft", "AccountTakenOver"):
                sign = 1 if event.name == "AccountTakenOver" else -1
                balances[args["holder"] if sign > 0 else args["account"]] += sign * args["balanceNeur"]
                balances[args["guarantor"] if args["backingNeur"] else NOBODY] += sign * args["backingNeur"]
            elif event.name in ("Deposited", "DebtCovered", "Redeemed"):
                amount = -args["amountNeur"] if event.name == "Redeemed" else args["amountNeur"]
                balances[args["account"]] += amount
                balances[args.get("guarantor", NOBODY)] -= args["amountNeur"]
        balances.pop(NOBODY, None)
        return balances
