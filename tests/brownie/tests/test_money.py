"""Property-based life of the e-money: whatever is deposited, covered, asked back and redeemed, the books stay true.

The state machine is hypothesis' own, run on Brownie's chain: Brownie 1.22's `state_machine` fixture refuses the class
it makes itself (`TypeError: brownie.test.stateful._BrownieStateMachine object expected`).
"""

import brownie
from brownie import chain
from brownie.test import strategy
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

CHALLENGE_SECONDS = 3_600
FAR = 2**63


EXAMPLES = 15
STEPS = 20

HOLDER = strategy("uint8", max_value=3)
AMOUNT = strategy("uint96", min_value=1, max_value=10**12)
CREDIT = strategy("uint64", max_value=10**12)
SECONDS = strategy("uint16", min_value=1, max_value=2 * CHALLENGE_SECONDS)


class MoneyMachine(RuleBasedStateMachine):
    """Keeps a model of balances beside the contract and compares them after every step."""

    ledger = keys = holders = relay = None

    def __init__(self):
        chain.revert()
        super().__init__()
        self.settlement = self.ledger["settlement"]
        self.balances = [0] * len(self.holders)
        self.supply = 0
        self.nonce = 0
        self.refs = 0
        self.waiting = []

    def _ref(self):
        self.refs += 1
        return self.refs.to_bytes(32, "big")

    @rule(holder=HOLDER, amount=AMOUNT)
    def deposit(self, holder, amount):
        ref = self._ref()
        paid = {"from": self.keys["treasurer"]}
        self.settlement.deposit(self.holders[holder].address, amount, ref, paid)
        self.balances[holder] += amount
        self.supply += amount
        with brownie.reverts():
            self.settlement.deposit(self.holders[holder].address, amount, ref, paid)

    @rule(holder=HOLDER, other=HOLDER, credit=CREDIT)
    def guarantee(self, holder, other, credit):
        guarantor, account = self.holders[holder], self.holders[other]
        self.nonce += 1
        values = {"guarantor": guarantor.address, "account": account.address, "creditNeur": credit}
        signature = guarantor.sign(self.settlement, "Guarantee", **values, nonce=self.nonce)
        arguments = (guarantor.address, account.address, credit, self.nonce, signature)
        paid = {"from": self.keys["operator"]}
        if holder == other:
            with brownie.reverts():
                self.settlement.guarantee(*arguments, paid)
            return
        self.settlement.guarantee(*arguments, paid)
        _, line, owed_by, _ = self.settlement.accountOf(account.address)
        assert (int(line), str(owed_by)) == (credit, guarantor.address)
        with brownie.reverts():
            self.settlement.guarantee(*arguments, paid)

    @rule(holder=HOLDER, other=HOLDER, amount=AMOUNT)
    def cover(self, holder, other, amount):
        guarantor, account, ref = self.holders[holder], self.holders[other], self._ref()
        values = {"guarantor": guarantor.address, "account": account.address, "amountNeur": amount, "ref": ref}
        signature = guarantor.sign(self.settlement, "Cover", **values)
        arguments = (guarantor.address, account.address, amount, ref, signature)
        if holder == other or self.balances[holder] < amount:
            with brownie.reverts():
                self.settlement.cover(*arguments, self.relay)
            return
        with brownie.reverts():
            self.settlement.cover(guarantor.address, account.address, amount + 1, ref, signature, self.relay)
        self.settlement.cover(*arguments, self.relay)
        self.balances[holder] -= amount
        self.balances[other] += amount
        with brownie.reverts():
            self.settlement.cover(*arguments, self.relay)

    @rule(holder=HOLDER, other=HOLDER, amount=AMOUNT)
    def request_redemption(self, holder, other, amount):
        account, ref = self.holders[holder], self._ref()
        values = {"account": account.address, "amountNeur": amount, "ref": ref, "deadline": FAR}
        if holder != other:
            forged = self.holders[other].sign(self.settlement, "Redemption", **values)
            with brownie.reverts():
                self.settlement.requestRedemption(account.address, amount, ref, FAR, forged, self.relay)
        signature = account.sign(self.settlement, "Redemption", **values)
        self.settlement.requestRedemption(account.address, amount, ref, FAR, signature, self.relay)
        self.waiting.append((holder, ref, amount, int(chain[-1]["timestamp"]) + CHALLENGE_SECONDS))

    @rule()
    def complete_redemption(self):
        for holder, ref, amount, ready_at in list(self.waiting):
            address = self.holders[holder].address
            redeemed = min(amount, self.balances[holder], self.supply)
            # The node stamps the next block with its own clock: only act where the outcome is clear.
            if chain.time() < ready_at - 60 or redeemed <= 0:
                with brownie.reverts():
                    self.settlement.completeRedemption(address, ref, self.relay)
            elif chain.time() > ready_at:
                self.settlement.completeRedemption(address, ref, self.relay)
                self.balances[holder] -= redeemed
                self.supply -= redeemed
                self.waiting.remove((holder, ref, amount, ready_at))

    @rule(seconds=SECONDS)
    def sleep(self, seconds):
        chain.sleep(seconds)
        chain.mine()

    @invariant()
    def balances_are_the_models_and_sum_to_the_supply(self):
        found = [int(self.settlement.balanceOf(holder.address)) for holder in self.holders]
        assert found == self.balances
        assert sum(found) == int(self.settlement.supply()) == self.supply
        assert self.supply >= 0


def test_money__any_sequence_of_steps__keeps_every_balance_true(ledger, keys, holders, relay):
    chain.snapshot()
    machine = type("Machine", (MoneyMachine,), {"ledger": ledger, "keys": keys, "holders": holders, "relay": relay})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            suppress_health_check=HealthCheck.all(),
        ),
    )
