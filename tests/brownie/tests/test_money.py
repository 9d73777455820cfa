"""Property-based life of the e-money: whatever is deposited, settled, guaranteed, covered, asked back, redeemed and replaced, in a pause or
not, the books stay true, and what is refused is refused for its own reason.

The state machine is hypothesis' own, run on Brownie's chain: Brownie 1.22's `state_machine` fixture refuses the class
it makes itself (`TypeError: brownie.test.stateful._BrownieStateMachine object expected`).
"""

from collections import Counter

from brownie import chain, web3
from brownie.test import strategy
from conftest import Holder, refuse
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from scripts.deploy import CHALLENGE_SECONDS, DELAY_SECONDS

AREA = b"\x0a" * 32
OTHER_AREA = b"\x0b" * 32
MARKET = b"\x0c" * 32
NONE = b"\x00" * 32
MTU_SECONDS = 900
ATTEST_SECONDS = 900
HORIZON_SECONDS = 30 * 86_400
REDEEM_SECONDS = 7 * 86_400
FAR = 2**63

HOLDERS = 4
EXAMPLES = 25
STEPS = 50

# Seconds around a moment in which a block may lie on either side of it.
MARGIN_SECONDS = 60

HOLDER = strategy("uint8", max_value=HOLDERS - 1)
AMOUNT = strategy("uint96", min_value=1, max_value=10**12)
CREDIT = strategy("uint64", max_value=10**12)
PERMILLE = strategy("uint16", min_value=1, max_value=1_100)
FLAG = strategy("bool")
SECONDS = strategy("uint32", min_value=1, max_value=2 * CHALLENGE_SECONDS)
DAYS = strategy("uint8", min_value=1, max_value=4)

# What the examples together must have reached, at least: a machine that never gets there shows nothing.
FLOOR = {
    "deposited": 10,
    "guaranteed": 5,
    "line refused": 1,
    "settled": 5,
    "corrected": 2,
    "debts": 3,
    "covered": 1,
    "requested": 5,
    "redeemed": 5,
    "cancelled": 1,
    "replaced": 5,
    "paused": 2,
    "acts in a pause": 5,
    "books refused in a pause": 1,
}


class MoneyMachine(RuleBasedStateMachine):
    """Keeps a model of accounts beside the contract and compares them after every step."""

    ledger = keys = attesters = holders = relay = reached = None

    def __init__(self):
        chain.revert()
        super().__init__()
        self.accounts, self.redemptions = self.ledger["accounts"], self.ledger["redemptions"]
        self.guarantees, self.successions = self.ledger["guarantees"], self.ledger["successions"]
        self.settlement, self.readings = self.ledger["settlement"], self.ledger["readings"]
        self.people = list(self.holders)
        self.balances = Counter()  # by address, replaced ones too, with what waits for it
        self.reserved = Counter()
        self.nonces = Counter()
        self.supply = 0
        self.numbers = 0
        self.claims = []  # [holder's address, ref, amount left, ready at]
        self.retired = []  # (holder, successor) of replaced accounts
        self.periods = []  # next revision of each
        self.first_mtu = int(chain[-1]["timestamp"]) // MTU_SECONDS - 200
        self.pause_over = None

    # Help

    def _number(self):
        self.numbers += 1
        return self.numbers

    def _ref(self):
        return self._number().to_bytes(32, "big")

    def _address(self, holder):
        return self.people[holder].address

    def _free(self, holder):
        """What it may give away, as the contract says; the invariants hold that to what there is."""
        return int(self.accounts.freeBalanceOf(self._address(holder)))

    def _debt(self, holder):
        return max(0, -int(self.accounts.balanceOf(self._address(holder))))

    def _guarantor(self, holder):
        """Number of the one that guarantees, which may be the holder itself; None if nobody does."""
        found = str(self.accounts.guarantorOf(self._address(holder)))
        return next((at for at, person in enumerate(self.people) if person.address == found), None)

    def _missing(self, holder):
        return max(0, -int(self.accounts.redeemableOf(self._address(holder))))

    def _line(self, holder):
        return int(self.accounts.lineOf(self._address(holder)))

    def _note(self, what):
        self.reached[what] += 1
        if self.ledger["roles"].paused():
            self.reached["acts in a pause"] += 1

    def _refuse_or_do(self, error, method, *arguments):
        """Call the method; it must fail with `error`, or succeed where that is None. Returns whether it did."""
        if error is not None:
            refuse(error, method, *arguments)
            return False
        method(*arguments)
        return True

    def _passed(self, moment):
        """Whether a moment has passed; None while that is not clear, as the node stamps its blocks with its own clock."""
        if abs(chain.time() - moment) <= MARGIN_SECONDS:
            return None
        return chain.time() > moment

    def _sleep_until(self, moment):
        """Let a moment pass clearly, if it has not."""
        self._sleep(max(0, moment - chain.time()) + MARGIN_SECONDS + 1)

    def _sleep(self, seconds):
        chain.sleep(seconds)
        chain.mine()

    # Money in

    @rule(holder=HOLDER, amount=AMOUNT)
    def deposit(self, holder, amount):
        ref, paid = self._ref(), {"from": self.keys["treasurer"]}
        self.accounts.deposit(self._address(holder), amount, ref, paid)
        self.balances[self._address(holder)] += amount
        self.supply += amount
        self._note("deposited")
        refuse("AccountsRefUsed", self.accounts.deposit, self._address(holder), amount, ref, paid)

    # Credit

    @rule(holder=HOLDER, other=HOLDER, credit=CREDIT, zero=FLAG, apt=FLAG)
    def guarantee(self, holder, other, credit, zero, apt):
        guarantor, account = self.people[holder], self.people[other]
        if apt and self._free(holder) > 0:
            credit %= self._free(holder) + 1
        credit = 0 if zero else credit
        pair = (guarantor.address, account.address)
        values = {"guarantor": pair[0], "account": pair[1], "creditNeur": credit, "nonce": self.nonces[pair] + 1, "deadline": FAR}
        signatures = [party.sign(self.guarantees, "Guarantee", **values) for party in (guarantor, account)]
        arguments = (*values.values(), *signatures)
        if holder != other and self._guarantor(other) != holder:
            refuse("GuaranteesSignerWrong", self.guarantees.guarantee, *values.values(), signatures[0], signatures[0], self.relay)
        error = self._line_refusal(holder, other, credit)
        if not self._refuse_or_do(error, self.guarantees.guarantee, *arguments, self.relay):
            self._note("line refused")
            return
        self.nonces[pair] += 1
        self._note("guaranteed")
        refuse("GuaranteesNonceUsed", self.guarantees.guarantee, *arguments, self.relay)

    def _line_refusal(self, holder, other, credit):
        before, line = self._guarantor(other), self._line(other)
        if before == holder and credit <= line:
            return None
        if before != holder:
            if before not in (None, other) and self._missing(other) > line:
                return "AccountsDebtOpen"
            if credit < line:
                return "AccountsLineLow"
            given = int(self.accounts.accountOf(self._address(other))[2])
            if holder != other and (self._guarantor(holder) not in (None, holder) or given):
                return "AccountsTied"
        missing = 0 if holder == other else self._missing(other)
        locked = max(line, missing) if before == holder else 0
        return "AccountsBalanceLow" if self._free(holder) + locked < max(credit, missing) else None

    @rule(holder=HOLDER, other=HOLDER, permille=PERMILLE, apt=FLAG)
    def cover(self, holder, other, permille, apt):
        if apt:
            holder, other = self._creditor_and_debtor(holder, other)
        debt = self._debt(other)
        held = int(self.accounts.balanceOf(self._address(holder)))
        amount = max(1, (min(debt, held) if apt else debt) * permille // 1_000)
        guarantor, account, ref = self.people[holder], self.people[other], self._ref()
        values = {"guarantor": guarantor.address, "account": account.address, "amountNeur": amount, "debtNeur": debt, "ref": ref}
        values["deadline"] = FAR
        arguments = (*values.values(), guarantor.sign(self.guarantees, "Cover", **values))
        error = self._cover_refusal(holder, other, amount, debt)
        if not self._refuse_or_do(error, self.guarantees.cover, *arguments, self.relay):
            return
        self.balances[guarantor.address] -= amount
        self.balances[account.address] += amount
        self._note("covered")
        refuse("GuaranteesRefUsed", self.guarantees.cover, *arguments, self.relay)
        values["amountNeur"] += 1
        refuse("GuaranteesSignerWrong", self.guarantees.cover, *values.values(), arguments[-1], self.relay)

    def _creditor_and_debtor(self, holder, other):
        """Somebody in debt and whoever answers for it, who is given the means; the two given ones where nobody is in debt."""
        for debtor in range(HOLDERS):
            if not self._debt(debtor):
                continue
            if self._guarantor(debtor) in (None, debtor):
                helper = holder if holder != debtor else (debtor + 1) % HOLDERS
                if self._free(helper) < self._missing(debtor):
                    self.deposit(helper, self._missing(debtor) - self._free(helper) + 10**9)
                self.guarantee(helper, debtor, 0, True, False)
            if self._guarantor(debtor) not in (None, debtor):
                return self._guarantor(debtor), debtor
        return holder, other

    def _cover_refusal(self, holder, other, amount, debt):
        if self._guarantor(other) != holder or holder == other:
            return "AccountsGuarantorWrong"
        if amount > debt:
            return "AccountsDebtLow"
        if amount > int(self.accounts.balanceOf(self._address(holder))):
            return "AccountsBalanceLow"
        called = max(0, self._missing(other) - self._line(other))
        left = self._free(holder) - amount + min(amount, called)
        return "AccountsBalanceLow" if left < min(0, self._free(holder)) else None

    @rule(holder=HOLDER)
    def book_suspense(self, holder):
        address = self._address(holder)
        waits = int(self.accounts.balanceOf(self.accounts.suspenseOf(address, AREA)))
        uncovered, waiting = (int(sum_) for sum_ in self.accounts.uncoveredOf(AREA))
        error = "AccountsUncovered" if waits > 0 and waiting <= uncovered else None
        self._refuse_or_do(error, self.accounts.bookSuspense, address, self.relay)

    # Money out

    @rule(holder=HOLDER, other=HOLDER, permille=PERMILLE)
    def request_redemption(self, holder, other, permille):
        account, ref, free = self.people[holder], self._ref(), self._free(holder)
        amount = max(1, free * permille // 1_000)
        values = {"account": account.address, "amountNeur": amount, "ref": ref, "deadline": FAR}
        if holder != other:
            forged = self.people[other].sign(self.redemptions, "Redemption", **values)
            refuse("RedemptionsSignerWrong", self.redemptions.requestRedemption, account.address, amount, ref, FAR, forged, self.relay)
        arguments = (account.address, amount, ref, FAR, account.sign(self.redemptions, "Redemption", **values))
        asked, left = (int(amount) for amount in self.accounts.reservationOf(account.address))
        error = "AccountsBalanceLow" if amount > free else None
        if left < asked:
            error = "AccountsReservationCut"
        if not self._refuse_or_do(error, self.redemptions.requestRedemption, *arguments, self.relay):
            return
        self.reserved[account.address] += amount
        ready_at = int(self.redemptions.redemptionOf(account.address, ref)[1])
        assert ready_at == int(chain[-1]["timestamp"]) + CHALLENGE_SECONDS
        self.claims.append([account.address, ref, amount, ready_at])
        self._note("requested")
        refuse("RedemptionsRefUsed", self.redemptions.requestRedemption, *arguments, self.relay)

    @rule(at=strategy("uint8"), patient=FLAG)
    def complete_redemption(self, at, patient):
        if patient and not self._payable():
            self.deposit(at % HOLDERS, 10**9 + max(0, -self._free(at % HOLDERS)))
            self.request_redemption(at % HOLDERS, at % HOLDERS, 500)
        claims = self._payable() if patient else self.claims
        if not claims:
            return
        claim = claims[at % len(claims)]
        address, ref, amount, ready_at = claim
        if patient and not self._passed(ready_at):
            self._sleep_until(ready_at)
        burned = min(amount, int(self.accounts.reservationOf(address)[1]))
        assert burned <= max(0, int(self.accounts.redeemableOf(address)))
        error = self._completion_refusal(claim)
        if error == "unclear":
            return
        if not self._refuse_or_do(error, self.redemptions.completeRedemption, address, ref, self.relay):
            return
        self.balances[address] -= burned
        self.reserved[address] -= amount
        self.supply -= burned
        self._note("redeemed" if burned else "cut")
        self.claims.remove(claim)
        refuse("RedemptionsUnknown", self.redemptions.completeRedemption, address, ref, self.relay)

    def _payable(self):
        """Claims that are not too late, of accounts that are not replaced and have something."""
        present = {person.address for person in self.people}
        return [
            claim
            for claim in self.claims
            if claim[0] in present and int(self.accounts.redeemableOf(claim[0])) > 0 and self._passed(claim[3] + REDEEM_SECONDS) is False
        ]

    def _completion_refusal(self, claim):
        address, _, _, ready_at = claim
        if address not in (person.address for person in self.people):
            return "AccountsReplaced"
        ready, late = self._passed(ready_at), self._passed(ready_at + REDEEM_SECONDS)
        if ready is None or late is None:
            return "unclear"
        if not ready:
            return "RedemptionsTooEarly"
        return "RedemptionsTooLate" if late else None

    @rule(at=strategy("uint8"), patient=FLAG)
    def cancel_redemption(self, at, patient):
        """Anyone may, once it expired; the holders' own keys send nothing here."""
        if not self.claims:
            return
        claim = self.claims[at % len(self.claims)]
        address, ref, amount, ready_at = claim
        if patient and not self._passed(ready_at + REDEEM_SECONDS):
            self._sleep_until(ready_at + REDEEM_SECONDS)
        expired = self._passed(ready_at + REDEEM_SECONDS)
        if expired is None:
            return
        error = None if expired else "RedemptionsTooEarly"
        if self._refuse_or_do(error, self.redemptions.cancelRedemption, address, ref, self.relay):
            self.reserved[address] -= amount
            self.claims.remove(claim)
            self._note("cancelled")

    # Settlement

    def _settle_call(self, period, revision, payments, signers):
        """Arguments of `settle` for these payments (address, amount), and signed by these attesters."""
        ordered = sorted(payments, key=lambda payment: (payment[1] > 0, int(payment[0], 16)))  # debits first
        words = [int(address, 16) << 96 | amount % 2**96 for address, amount in ordered]
        page_hash = web3.keccak(b"".join(word.to_bytes(32, "big") for word in words))
        root = bytes(self.readings.readingsRoot(AREA, period))
        values = {"area": AREA, "period": period, "revision": revision, "wordsHash": web3.keccak(NONE + page_hash)}
        roots = {"clearingRoot": NONE, "readingsRoot": root, "statementsRoot": b"\x05" * 32, "tariffHash": b"\x06" * 32}
        signatures = [signer.sign(self.settlement, "Settlement", **values, **roots) for signer in signers]
        return (AREA, period, revision, 0, roots["statementsRoot"], roots["tariffHash"]), [page_hash], words, signatures

    def _next_period(self):
        """Declare the next MTU as a period, let it end, and mark it unread, as nobody attests it."""
        mtu = self.first_mtu + len(self.periods)
        self.ledger["calendar"].declarePeriod(AREA, mtu, 1, {"from": self.keys["operator"]})
        self.periods.append(0)
        period = len(self.periods)
        # Who declares a period late takes no time from those who attest it.
        read_by = max((mtu + 1) * MTU_SECONDS, chain[-1].timestamp) + ATTEST_SECONDS
        if not self._passed(read_by):
            self._sleep_until(read_by)
        call = self._settle_call(period, 0, [(self._address(0), -1), (self._address(1), 1)], self.attesters)
        refuse("SettlementUnread", self.settlement.settle, *call, self.relay)
        self.readings.markUnread(AREA, period, mtu, 1, self.relay)
        self.readings.markUnread(AREA, period, mtu, 1, self.relay)  # again: it stands already
        return period

    @rule(payer=HOLDER, payee=HOLDER, amount=AMOUNT, correct=FLAG)
    def settle(self, payer, payee, amount, correct):
        if payer == payee:
            payee = (payer + 1) % HOLDERS
        period = len(self.periods) if correct and self.periods else self._next_period()
        revision = self.periods[period - 1]
        payments = [(self._address(payer), -amount), (self._address(payee), amount)]
        call = self._settle_call(period, revision, payments, self.attesters)
        over = self._passed(int(self.settlement.settlementOf(AREA, period)[1]) + HORIZON_SECONDS) if revision else False
        if over is None:
            return
        if not over:
            self._settle_wrongly(period, revision, payments)
        error = "SettlementTooLate" if over else None
        if not self._refuse_or_do(error, self.settlement.settle, *call, self.relay):
            return
        self.periods[period - 1] += 1
        self.balances[self._address(payer)] -= amount
        self.balances[self._address(payee)] += amount
        self._note("corrected" if revision else "settled")
        if self.balances[self._address(payer)] < 0:
            self._note("debts")
        refuse("SettlementRevisionWrong", self.settlement.settle, *call, self.relay)

    def _settle_wrongly(self, period, revision, payments):
        alone = self._settle_call(period, revision, payments, self.attesters[:1])
        refuse("RolesQuorumSize", self.settlement.settle, *alone, self.relay)
        strangers = sorted(self.people[:2], key=lambda person: int(person.address, 16))
        forged = self._settle_call(period, revision, payments, strangers)
        refuse("RolesMissing", self.settlement.settle, *forged, self.relay)
        payee, amount = payments[1]
        skewed = self._settle_call(period, revision, [payments[0], (payee, amount + 1)], self.attesters)
        refuse("SettlementUnbalanced", self.settlement.settle, *skewed, self.relay)

    # Accounts

    @rule(holder=HOLDER, again=FLAG)
    def replace_account(self, holder, again):
        if again and self.retired:
            # What reached it since goes on, whoever asks; mostly there is nothing left, and nothing is made.
            old, successor = self.retired[holder % len(self.retired)]
            moved = int(self.accounts.balanceOf(old.address))
            self.successions.collect(old.address, self.relay)
        else:
            old, successor = self.people[holder], Holder("successor %d" % self._number())
            moved = int(self.accounts.balanceOf(old.address))
            arguments = self._replacement(old, successor)
            refuse("SuccessionsSignerWrong", self.successions.replaceAccount, *arguments[:3], *reversed(arguments[3:]), self.relay)
            self.successions.replaceAccount(*arguments, self.relay)
            self.people[holder] = successor
            self.retired.append((old, successor))
        self.balances[successor.address] += moved
        self.balances[old.address] -= moved
        self._note("replaced")
        other = Holder("successor %d" % self._number())
        refuse("AccountsReplaced", self.successions.replaceAccount, *self._replacement(old, other), self.relay)
        values = {"account": old.address, "amountNeur": 1, "ref": self._ref(), "deadline": FAR}
        signature = old.sign(self.redemptions, "Redemption", **values)
        refuse("AccountsReplaced", self.redemptions.requestRedemption, *values.values(), signature, self.relay)

    def _replacement(self, old, successor):
        values = {"account": old.address, "successor": successor.address, "deadline": FAR}
        signatures = [party.sign(self.successions, "AccountReplacement", **values) for party in (old, successor)]
        return *values.values(), *signatures

    # Pause and time

    @rule(end=FLAG)
    def pause(self, end):
        roles, paid = self.ledger["roles"], {"from": self.keys["security_admin1"]}
        if end:
            error = None if roles.paused() else "RolesNotPaused"
            if self._refuse_or_do(error, roles.unpause, paid):
                self.pause_over = int(chain[-1]["timestamp"])
            return
        over = self.pause_over is None or self._passed(self.pause_over)
        rested = self.pause_over is None or self._passed(self.pause_over + DELAY_SECONDS)
        if over is None or rested is None:
            return
        error = (None if rested else "RolesCoolDown") if over else "RolesPaused"
        if self._refuse_or_do(error, roles.pause, paid):
            self.pause_over = int(chain[-1]["timestamp"]) + DELAY_SECONDS
            self._note("paused")

    @rule()
    def open_session(self):
        """A pause stops new books, and nothing else does: without one, it is the missing period."""
        paused = self.ledger["roles"].paused()
        paid = {"from": self.keys["operator"]}
        if self.pause_over and abs(self.pause_over - chain.time()) <= MARGIN_SECONDS:
            return
        refuse("RolesPaused" if paused else "CalendarPeriodUnknown", self.ledger["market"].openSession, MARKET, FAR, 1, self.first_mtu, 1, paid)
        if paused:
            self._note("books refused in a pause")

    @rule(seconds=SECONDS)
    def sleep(self, seconds):
        self._sleep(seconds)

    @rule(days=DAYS)
    def sleep_days(self, days):
        self._sleep(days * 86_400)

    # What must hold

    @invariant()
    def balances_are_the_models_and_sum_to_the_supply(self):
        addresses = {person.address for person in self.people} | {old.address for old, _ in self.retired}
        found = {address: self._has(address) for address in addresses}
        assert found == {address: self.balances[address] for address in addresses}
        assert sum(found.values()) == int(self.accounts.supply()) == self.supply
        assert self.supply >= 0

    def _has(self, address):
        """Its balance, and what waits for it."""
        waits = self.accounts.balanceOf(self.accounts.suspenseOf(address, AREA))
        return int(self.accounts.balanceOf(address)) + int(waits)

    @invariant()
    def what_is_free_is_backed_and_claims_are_the_models(self):
        addresses = {person.address for person in self.people} | {old.address for old, _ in self.retired}
        redeemable = sum(max(0, int(self.accounts.redeemableOf(address))) for address in addresses)
        assert redeemable <= self.supply
        uncovered, waiting = (int(sum_) for sum_ in self.accounts.uncoveredOf(AREA))
        assert waiting >= uncovered
        for address, ref, amount, _ in self.claims:
            assert int(self.redemptions.redemptionOf(address, ref)[0]) == amount
        for address in addresses:
            asked, left = (int(amount) for amount in self.accounts.reservationOf(address))
            assert asked == self.reserved[address]
            assert left <= min(asked, max(0, int(self.accounts.redeemableOf(address))))


def _prepare(ledger, keys, holders):
    """An area whose periods hold no market, so that they settle as soon as they are read, and whose accounts the holders have; and a market in
    another one."""
    paid = {"from": keys["registrar"]}
    for area in (AREA, OTHER_AREA):
        ledger["calendar"].createArea(area, (ATTEST_SECONDS, HORIZON_SECONDS), paid)
    ledger["market"].createMarket(MARKET, (OTHER_AREA, 0, 100, 100, -500_000, 4_000_000, 600, 3_600, 7_200), paid)
    for holder in holders:
        ledger["accounts"].bindAccount(holder.address, AREA, paid)
        refuse("AccountsAreaWrong", ledger["accounts"].bindAccount, holder.address, OTHER_AREA, paid)


def test_money__any_sequence_of_steps__keeps_every_balance_true(ledger, keys, attesters, relay):
    holders = [Holder("holder %d" % at) for at in range(HOLDERS)]
    _prepare(ledger, keys, holders)
    chain.snapshot()
    reached = Counter()
    shared = {"ledger": ledger, "keys": keys, "attesters": attesters, "holders": holders, "relay": relay}

    run_state_machine_as_test(
        type("Machine", (MoneyMachine,), {**shared, "reached": reached}),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            derandomize=True,  # else the floor below would be a matter of luck
            print_blob=True,
            suppress_health_check=HealthCheck.all(),
        ),
    )

    print(dict(reached))
    missed = {what: (reached[what], least) for what, least in FLOOR.items() if reached[what] < least}
    assert not missed, missed
