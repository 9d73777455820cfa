"""What a coalition makes of a real day: it changes facts, signs with the keys that it holds, and does again whatever
follows. A party outside it signs what its own checks let pass, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from domain.eip712 import SETTLEMENT, Shape
from domain.errors import DominoesError
from domain.facts.base import read_fact
from domain.hashing import canonical_json, from_hex, keccak, text_id, to_hex
from domain.signed_terms import Term, TermPart, parts_of
from domain.signing import SigningKey
from domain.words import settlement_page_hashes, word_bytes
from settling.settlement import Settled, commit, settle
from settling.unpacking import inputs_of, roots_of
from tests.collusion.basis import PARTS, basis_of, objections
from tests.collusion.coalitions import Coalition
from tests.collusion.day import Payload, RealDay, Step, sign

THRESHOLD = 2
"""m: how many attesters it takes."""

Where = Callable[[Payload], bool]
Ask = Callable[[str, list[Any]], Any]
"""A node: method and parameters to answer."""
Lie = Callable[[Ask], Ask]
TERM_OF = {cls.KIND: member for cls, member in PARTS.items()}


class Plot:
    """A day in the hands of a coalition."""

    def __init__(self, day: RealDay, coalition: Coalition) -> None:
        self.day, self.coalition, self.held = day, coalition, coalition.keys
        self.steps = day.steps()
        self.erased: list[Step] = []
        """Facts whose openings are not shown."""
        self.believed: Payload | None = None
        """Trust anchors that somebody keeps from before; else those that fit the day as it is told."""
        self.lie: Lie | None = None
        """What the node that is asked answers instead."""
        self.forged: dict[str, Payload] = {}
        """Calls that nobody signed, by key: the node forges its chain."""
        self._made = 0

    # ---- facts

    def all(self, kind: str, where: Where = lambda _: True) -> list[Step]:
        """Facts of a kind, as they now stand."""
        return [step for step in self.steps if step.kind == kind and where(step.payload)]

    def one(self, kind: str, where: Where = lambda _: True) -> Step:
        """The first of them."""
        return self.all(kind, where)[0]

    def change(self, step: Step, **members: Any) -> None:
        """Tell a fact otherwise."""
        step.payload = {**step.payload, **members}

    def add(self, kind: str, payload: Payload, *, after: Step) -> Step:
        """Tell one more, right after another one."""
        self._made += 1
        step = Step(kind, payload, to_hex(keccak(f"salt {self._made}".encode())))
        self.steps.insert(self.steps.index(after) + 1, step)
        return step

    def remove(self, *steps: Step) -> None:
        """Tell them not at all."""
        gone = {id(step) for step in steps}
        self.steps = [step for step in self.steps if id(step) not in gone]

    def move(self, step: Step, *, after: Step) -> None:
        """Tell it later or earlier."""
        self.remove(step)
        self.steps.insert(self.steps.index(after) + 1, step)

    # ---- signatures

    def sign(self, party: str, contract: str, shape: Shape, values: Payload, *, honest: Collection[str] = ()) -> str:
        """A party's signature where its key is held, or it is `honest` and signs that; else one that looks like it."""
        return sign(self._key_of(party, honest), self.day.domain(contract), shape, values)

    def _key_of(self, party: str, honest: Collection[str] = ()) -> SigningKey:
        return self.day.keys[party if party in self.held or party in honest else "operator"]

    def sign_term(self, step: Step, *, honest: Collection[str] = (), **members: Any) -> None:
        """Change a term; who is bound by what changed signs it, or seems to. `honest` parties are outside and sign
        because what binds them is as it was."""
        before = self._term(step.kind, step.payload)
        self.change(step, **members)
        now = self._term(step.kind, step.payload)
        for old, part in zip(parts_of(before), parts_of(now), strict=True):
            if (old.values, old.address) != (part.values, part.address) or step.was is None:
                key = self._key_of(self._signer(part), honest)
                signature = sign(key, self.day.domain("Settlement"), part.shape, dict(part.values))
                self.change(step, **{f"{part.party}_signature": signature})

    def _signer(self, part: TermPart) -> str:
        if part.role is not None:
            return str(part.role.value)
        return self.day.party_of[str(part.address)]

    @staticmethod
    def _term(kind: str, payload: Payload) -> Term:
        term: Term = getattr(read_fact(kind, canonical_json(payload)), TERM_OF[kind])
        return term

    def further_term(self, like: Step, *, after: Step, honest: Collection[str] = (), **members: Any) -> Step:
        """One more term, like another one but for some members."""
        step = self.add(like.kind, dict(like.payload), after=after)
        self.sign_term(step, honest=honest, **members)
        return step

    # ---- transactions

    def asked(self, function: str, at: int = 0) -> Step:
        """What was asked of the chain."""
        return self.all("chain.requested", lambda payload: payload["function"] == function)[at]

    def ask_otherwise(self, step: Step, args: list[Any]) -> None:
        """Send the same call with other arguments."""
        self.change(step, args=args)

    def steps_of(self, key: str) -> list[Step]:
        """All that is told of a transaction but the block it is in."""
        return [step for step in self.steps if step.kind.startswith("chain.") and step.payload["key"] == key]

    def unsend(self, asked: Step) -> None:
        """Never send it."""
        self.remove(*self.steps_of(asked.payload["key"]))

    def send(
        self,
        party: str,
        contract: str,
        function: str,
        args: list[Any],
        *,
        about: Payload,
        before: Step,
        role: str | None = None,
    ) -> Step:
        """One more transaction of a party, under its role or another's, in the block `before`; what was asked of it."""
        self._made += 1
        head = {"key": f"{function}:{self._made}", "contract": contract, "function": function, "about": about}
        place = self.steps[self.steps.index(before) - 1]
        asked = self.add("chain.requested", {**head, "role": role or party, "args": args}, after=place)
        sent = {**head, "role": role or party, "sender": self.day.address(party), "nonce": 0, "raw": "", "tx_hash": ""}
        self.add("chain.signed", {**sent, "gas_price_wei": "0"}, after=asked)
        self.change(before, transactions=[*before.payload["transactions"], head["key"]])
        self.add("chain.included", dict(head), after=before)
        return asked

    def forge(self, sender: str, contract: str, function: str, args: list[Any], *, before: Step) -> None:
        """A call that a node of the coalition's takes into the block `before` though nobody signed it."""
        self._made += 1
        key = f"{function}:{self._made}"
        call = {"sender": self.day.address(sender), "contract": contract, "function": function, "args": args}
        self.forged[key] = call
        self.change(before, transactions=[*before.payload["transactions"], key])
        self.add("chain.observed", {"key": key, "sender": call["sender"]}, after=before)

    def block(self, seconds: int) -> Step:
        """One more block, so many seconds after the last one, at the day's end."""
        last = self.all("block.mined")[-1].payload
        payload = {"number": 0, "others": [], "timestamp": last["timestamp"] + seconds, "transactions": []}
        return self.add("block.mined", payload, after=self.steps[-1])

    # ---- settlement

    def settle(self, twist: Callable[[Settled], Settled] | None = None, *, insist: bool = False) -> None:
        """Settle what now stands. Attesters outside the coalition sign what their checks let pass. Where too few sign,
        nothing is settled, unless the coalition insists and sends what it has."""
        proposed, signed, asked = self.one("settlement.proposed"), self.one("settlement.signed"), self.asked("settle")
        basis = basis_of(self.steps)
        try:
            settled = settle(inputs_of(basis))
            self._propose(proposed, settled if twist is None else twist(settled), roots_of(basis))
            reasons = list(objections(self.day, self.steps, basis, proposed.payload))
            signers = self.signers(honest=not reasons)
        except (DominoesError, ValueError):  # facts that contradict each other settle nothing
            if insist:
                raise
            signers = []
        if not insist and sum(party.startswith("attester") for party in signers) < THRESHOLD:
            self.remove(proposed, signed)
            self.unsend(asked)
            return
        signatures = list(self._settlement_signatures(proposed.payload, signers))
        self.change(signed, signatures=signatures)
        payload = proposed.payload
        words = [int(word, 16) for word in payload["words"]]
        target = [*asked.payload["args"][0][:4], payload["statements_root"], payload["tariff_hash"]]
        pages = [to_hex(page) for page in settlement_page_hashes(words)]
        args = [target, pages, [str(word) for word in words], [item["signature"] for item in signatures]]
        self.ask_otherwise(asked, args)

    def signers(self, *, honest: bool) -> list[str]:
        """Who signs as attesters, as many as are needed, ascending by address: those in it, and those outside where
        they can do so honestly; else keys that are no attester's."""
        attesters = [party for party in self.day.keys if party.startswith("attester")]
        mine = [party for party in attesters if party in self.held]
        rest = [party for party in attesters if party not in mine] if honest else ["accomplice", "operator"]
        return sorted([*mine, *rest][:THRESHOLD], key=self.day.address)

    def _propose(self, step: Step, settled: Settled, roots: Any) -> None:
        salts = {from_hex(item["account"]): from_hex(item["salt"]) for item in step.payload["statements"]}
        salts = {account: salts.get(account, keccak(account)) for account in settled.statements}
        made = commit(settled, period=step.payload["period"], revision=step.payload["revision"], salts=salts)
        hashes = {
            "words_hash": made.words_hash,
            "clearing_root": roots.clearing_root,
            "readings_root": roots.readings_root,
            "statements_root": made.statements_root,
            "tariff_hash": made.tariff_hash,
        }
        statements = [
            {"account": to_hex(account), "salt": to_hex(salts[account]), "statement": statement.as_json()}
            for account, statement in sorted(settled.statements.items())
        ]
        words = [to_hex(word_bytes(word)) for word in settled.words]
        told = {name: to_hex(value) for name, value in hashes.items()}
        self.change(step, words=words, statements=statements, **told)

    def _settlement_signatures(self, proposal: Payload, signers: list[str]) -> Iterator[Payload]:
        values = {"area": text_id(proposal["area"]), "period": proposal["period"], "revision": proposal["revision"]}
        members = ("words_hash", "clearing_root", "readings_root", "statements_root", "tariff_hash")
        shape = ("wordsHash", "clearingRoot", "readingsRoot", "statementsRoot", "tariffHash")
        values |= {name: from_hex(proposal[member]) for name, member in zip(shape, members, strict=True)}
        for party in signers:
            signature = sign(self.day.keys[party], self.day.domain("Settlement"), SETTLEMENT, values)
            yield {"attester": self.day.address(party), "signature": signature}
