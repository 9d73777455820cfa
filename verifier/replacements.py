"""Accounts that gave way to others: told only as the chain's own event says, and what then is whose.

Source: docs/evidence.md section 3, `account.replaced`.
"""

from __future__ import annotations

from collections.abc import Container

from verifier.chain import GRACE_SECONDS, MTU_SECONDS, Chain, Event, Events
from verifier.evidence import Evidence
from verifier.party_facts import AccountReplaced


class Replacements:
    """All replacements told so far, in the order in which they were."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._report = evidence.report
        self.told: dict[str, AccountReplaced] = {}

    def take(self, fact: AccountReplaced) -> None:
        """The chain moved the account's money to this successor, first in a block before this MTU and after the one
        before it."""
        report, chain = self._report, self._evidence.chain
        report.none("replacements told twice", {fact.account} & self.told.keys())
        self.told[fact.account] = fact
        if chain is None and report.kind == "personal":
            return  # its journal is not here to tell what the chain did
        event = first_event(self._evidence.seen, fact.account)
        if event is None or event.args["successor"] != fact.successor:
            report.fail(f"the chain has no AccountReplaced of {fact.account} to {fact.successor}")
            return
        self._evidence.mark_told(event)
        if chain is not None:
            since = chain.market_time(event.block) // MTU_SECONDS + 1
            report.same("valid_from_mtu", fact.valid_from_mtu, since, "the block of AccountReplaced gives")

    def holder(self, account: str, end_mtu: int) -> str:
        """Who has an account's place in a settlement of MTUs before `end_mtu`."""
        seen = set[str]()
        while account not in seen:
            seen.add(account)
            fact = self.told.get(account)
            if fact is None or fact.valid_from_mtu >= end_mtu:
                return account
            account = fact.successor
        raise ValueError(f"{account} is told to have replaced itself")

    def before(self, account: str) -> list[str]:
        """An account, and those whose place it took, the latest first."""
        found, of = [account], {fact.successor: fact.account for fact in self.told.values()}
        while found[-1] in of:
            found.append(of[found[-1]])
        return found

    def check_complete(self, chain: Chain, parties: Container[str]) -> None:
        """No account of a participant was replaced on chain without an entry; one whose successor is another
        participant's is still its own."""
        last = self._evidence.at.sequence
        anchored = [event.block for event in chain.named("HeadAnchored") if event.args["sequence"] < last]
        end, seen = max(anchored, default=chain.height), set[str]()
        for event in chain.named("AccountReplaced"):
            account, successor = event.args["account"], event.args["successor"]
            if account in seen or account not in parties or self._evidence.is_told(event):
                continue
            seen.add(account)
            if account in self.told or (successor in parties and successor not in self._successors):
                continue
            if event.block < end and chain.seconds(event.block, end) > GRACE_SECONDS:
                self._report.fail(f"block {event.block}: {account} was replaced by {successor}, and no entry says so")
            else:
                self._report.gap("events not in the journal yet")

    @property
    def _successors(self) -> set[str]:
        return {fact.successor for fact in self.told.values()}


def first_event(seen: Events, account: str) -> Event | None:
    """The event that replaced an account; later ones move what reached it since."""
    return next((event for event in seen.named("AccountReplaced") if event.args["account"] == account), None)
