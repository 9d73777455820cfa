"""Money of a small day: settlement by the service's own code, deposits, a cover, a redemption, and the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from domain.eip712 import COVER, REDEMPTION, SETTLEMENT
from domain.hashing import from_hex, keccak, text_id, to_hex
from domain.merkle import merkle_proof
from domain.parties import ParticipantKind
from domain.periods import Period
from domain.statements import statement_hash, statement_leaf
from domain.words import OrderWord, settlement_page_hashes, settlement_pages_of, word_bytes
from settling.inputs import CapsInForce, Inputs, Metered, Party, Trade
from settling.settlement import Commitment, Settled, commit, settle
from tests.unit.verifier.fake_chain import (
    AREA,
    COUNT,
    FIRST,
    GATE,
    HORIZON_SECONDS,
    LOT,
    MARKET,
    POINTS,
    address,
    key_of,
    noise,
    sign,
)
from tests.unit.verifier.journal import Emits, Payload
from tests.unit.verifier.metering import Metering
from tests.unit.verifier.registering import HOUSEHOLDS, OTHERS

PERIOD = 1
SETTLEMENT_RULES = {"lines": 2}
CORRECTION_SECONDS = 7_200
"""From the last settlement to the payments."""


class Settling(Metering):
    """Settles, pays and ends."""

    def __init__(self) -> None:
        super().__init__()
        self.before: dict[bytes, int] = {}  # nEUR that earlier revisions moved, by account
        self.statements: list[Payload] = []  # lines of personal bundles
        self.proposal: Payload = {}

    # ---- settlement

    def computed(self, revision: int) -> Settled:
        """The statements, as attesters compute them."""
        return settle(self.inputs(revision))

    def settle(self, revision: int) -> None:
        """Propose, sign and settle on chain."""
        settled = self.computed(revision)
        salts = {account: noise(f"statement{account.hex()}{revision}") for account in settled.statements}
        made = commit(settled, period=PERIOD, revision=revision, salts=salts)
        hashes = {
            "words_hash": made.words_hash,
            "clearing_root": self.clearing_root,
            "readings_root": self.readings_root,
            "statements_root": made.statements_root,
            "tariff_hash": made.tariff_hash,
        }
        key = {"area": AREA, "period": PERIOD, "revision": revision}
        statements = [
            {"account": to_hex(account), "salt": to_hex(salts[account]), "statement": statement.as_json()}
            for account, statement in settled.statements.items()
        ]
        self.proposal = {
            **key,
            "words": [to_hex(word_bytes(word)) for word in settled.words],
            **{name: to_hex(value) for name, value in hashes.items()},
            "statements": statements,
            "rules": SETTLEMENT_RULES,
        }
        self.fact("settlement.proposed", self.proposal)
        signatures = self._sign_settlement(revision, hashes)
        self.fact("settlement.signed", {**key, "signatures": signatures})
        self._settle_on_chain(settled, made, hashes, signatures, revision)
        self._keep_statements(settled, salts, signatures, revision)

    def _sign_settlement(self, revision: int, hashes: dict[str, bytes]) -> list[Payload]:
        """Two of three attesters."""
        members = ("wordsHash", "clearingRoot", "readingsRoot", "statementsRoot", "tariffHash")
        signed: dict[str, Any] = {"area": text_id(AREA), "period": PERIOD, "revision": revision}
        signed |= dict(zip(members, hashes.values(), strict=True))
        signers = sorted(("a1", "a2"), key=address)
        return [{"attester": address(a), "signature": sign(a, SETTLEMENT, signed, "Settlement")} for a in signers]

    def _settle_on_chain(
        self,
        settled: Settled,
        made: Commitment,
        hashes: dict[str, bytes],
        signatures: list[Payload],
        revision: int,
    ) -> None:
        target = [to_hex(text_id(AREA)), PERIOD, revision, 0, to_hex(made.statements_root), to_hex(made.tariff_hash)]
        pages = [to_hex(page) for page in settlement_page_hashes(settled.words)]
        words = [str(word) for word in settled.words]
        types = "bytes32*,uint32*,uint32*,bytes32,bytes32,bytes32,bytes32,bytes32"
        event = Emits("PeriodSettled", types, [text_id(AREA), PERIOD, revision, *hashes.values()])
        args = [target, pages, words, [item["signature"] for item in signatures]]
        self.send("operator", "Settlement", "settle", args, event)

    def _keep_statements(
        self, settled: Settled, salts: dict[bytes, bytes], signatures: list[Payload], revision: int
    ) -> None:
        """What each account is shown, and what it now has."""
        leaves = [
            statement_leaf(
                account=account,
                period=PERIOD,
                revision=revision,
                hashed=statement_hash(salt=salts[account], statement=statement.as_json()),
            )
            for account, statement in settled.statements.items()
        ]
        first_page = [to_hex(word_bytes(word)) for word in next(iter(settlement_pages_of(settled.words)), [])]
        names = ("words_hash", "clearing_root", "readings_root", "statements_root", "tariff_hash")
        shown = {name: self.proposal[name] for name in (*names, "rules")}
        shown["page_hashes"] = [to_hex(page) for page in settlement_page_hashes(settled.words)]
        shown["signatures"] = [item["signature"] for item in signatures]
        for at, (account, statement) in enumerate(settled.statements.items()):
            due = statement.due_neur
            self.before[account] = self.before.get(account, 0) + due
            self._move(to_hex(account), due)
            proof = [to_hex(node) for node in merkle_proof(leaves, at)]
            own = {"statement": statement.as_json(), "salt": to_hex(salts[account]), "proof": proof}
            self.statements.append({**own, **shown, "page": first_page if due else None})

    # ---- what a settlement depends on

    def inputs(self, revision: int) -> Inputs:
        """All that one revision of the settlement depends on."""
        return Inputs(
            period=Period(AREA, PERIOD, FIRST, COUNT),
            revision=revision,
            parties=tuple(self._parties()),
            tariffs=(self.tariff,),
            agreements=tuple(self.agreements),
            trades=tuple(self._trades()),
            metered=tuple(self._metered()),
            limits=tuple(self._limits()),
            settled_before_neur=dict(self.before),
        )

    def _parties(self) -> Iterator[Party]:
        for name, point in HOUSEHOLDS.items():
            yield Party(key_of(name).address, ParticipantKind.HOUSEHOLD, point)
        for name, kind in OTHERS.items():
            yield Party(key_of(name).address, ParticipantKind(kind), None)

    def _accepted_words(self) -> Iterator[tuple[Payload, OrderWord]]:
        """Words with something accepted, and their results."""
        for result in self.results:
            words = (OrderWord.unpack(int(text, 16)) for text in result["words"])
            yield from ((result, word) for word in words if word.accepted_lots)

    def _trades(self) -> Iterator[Trade]:
        for result, word in self._accepted_words():
            tag = f"0x{word.tag:032x}"
            account = self.orders[tag][0].account
            energy_wh, price = word.accepted_lots * LOT, result["price_neur_per_wh"]
            yield Trade(account, MARKET, GATE, result["mtu"], word.side, energy_wh, price, from_hex(tag))

    def _metered(self) -> Iterator[Metered]:
        for readings in self.chosen.values():
            for reading in readings:
                point = reading.meter_code.removeprefix("meter-")
                energy = (reading.import_wh, reading.export_wh)
                yield Metered(point, reading.mtu, *energy, (reading.hash(),))

    def _limits(self) -> Iterator[CapsInForce]:
        caps = {(e["point"], e["mtu"]): (e["import_cap_wh"], e["export_cap_wh"]) for e in self.envelopes}
        for point in POINTS:
            for mtu, net_wh in enumerate(self.schedules[point], FIRST):
                yield CapsInForce(point, mtu, *caps.get((point, mtu), (None, None)), max(-net_wh, 0))

    # ---- payments

    def fund(self) -> None:
        """A deposit that reverts and two that do not, a cover, and a redemption with its end."""
        self.chain.now += CORRECTION_SECONDS
        self.chain.views["supply"] = 0
        self._deposit("h3", 50_000_000_000, b"payment")
        self._deposit("h3", 1, b"refused", reverts=True)
        self._deposit("retail", 90_000_000_000, b"capital")
        self._cover("retail", "h2", 5_000)
        self._redeem("h3", 7_000)

    def _move(self, account: str, amount_neur: int) -> None:
        self.chain.balances[account] = self.chain.balances.get(account, 0) + amount_neur

    def _deposit(self, name: str, amount_neur: int, reference: bytes, *, reverts: bool = False) -> None:
        account, ref = address(name), to_hex(keccak(reference))
        self.fact("deposit.booked", {"account": account, "amount_neur": str(amount_neur), "ref": ref})
        event = Emits("Deposited", "address*,uint256,bytes32*", [account, amount_neur, ref])
        args = [account, str(amount_neur), ref]
        self.send("treasurer", "Accounts", "deposit", args, *([] if reverts else [event]))
        if not reverts:
            self._move(account, amount_neur)
            self.chain.views["supply"] += amount_neur

    def _cover(self, guarantor: str, name: str, amount_neur: int) -> None:
        ref, pair = keccak(b"cover"), [address(guarantor), address(name)]
        signed = {"guarantor": key_of(guarantor).address, "account": key_of(name).address, "amountNeur": amount_neur}
        debt_neur, deadline = -self.chain.balances[pair[1]], self.chain.now + 1_000
        signed |= {"debtNeur": debt_neur, "ref": ref, "deadline": deadline}
        signature = sign(guarantor, COVER, signed, "Guarantees")
        given = {"guarantor": pair[0], "account": pair[1], "amount_neur": str(amount_neur), "ref": to_hex(ref)}
        given |= {"debt_neur": str(debt_neur), "deadline": deadline}
        self.fact("cover.given", {**given, "signature": signature})
        types = "address*,address*,uint256,bytes32*"
        event = Emits("DebtCovered", types, [*pair, amount_neur, to_hex(ref)])
        args = [*pair, str(amount_neur), str(debt_neur), to_hex(ref), deadline, signature]
        self.send("operator", "Guarantees", "cover", args, event)
        self._move(pair[0], -amount_neur)
        self._move(pair[1], amount_neur)

    def _redeem(self, name: str, amount_neur: int) -> None:
        account, ref, deadline = address(name), keccak(b"redemption"), self.chain.now + 1_000
        signed = {"account": key_of(name).address, "amountNeur": amount_neur, "ref": ref, "deadline": deadline}
        signature = sign(name, REDEMPTION, signed, "Redemptions")
        asked = {"account": account, "amount_neur": str(amount_neur), "ref": to_hex(ref), "deadline": deadline}
        self.fact("redemption.requested", {**asked, "signature": signature})
        values = [account, amount_neur, to_hex(ref)]
        requested = Emits("RedemptionRequested", "address*,uint256,bytes32*,uint64", [*values, self.chain.now + 60])
        args = [account, str(amount_neur), to_hex(ref), deadline, signature]
        self.send("operator", "Redemptions", "requestRedemption", args, requested)
        redeemed = Emits("Redeemed", "address*,uint256,bytes32*", values)
        self.send("operator", "Redemptions", "completeRedemption", [account, to_hex(ref)], redeemed)
        self._move(account, -amount_neur)
        self.chain.views["supply"] -= amount_neur

    def finalise(self) -> None:
        """After the horizon nothing of the period changes any more."""
        self.chain.now += HORIZON_SECONDS
        event = Emits("PeriodFinalised", "bytes32*,uint32*", [text_id(AREA), PERIOD])
        self.send("operator", "Settlement", "finalise", [to_hex(text_id(AREA)), PERIOD], event)
