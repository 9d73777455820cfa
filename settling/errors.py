"""What can stop a settlement, one class per cause."""

from __future__ import annotations

from domain.errors import DominoesError


class NoAgreement(DominoesError):
    """A household has energy in a MTU for which no agreement, or no tariff version of it, is valid."""

    code = "no-agreement"

    def __init__(self, *, account: str, mtu: int) -> None:
        self.account, self.mtu = account, mtu
        super().__init__(
            f"account {account} has energy in MTU {mtu} but no agreement with a tariff valid there; "
            "registry and intake refuse what leads here, so compare the registry's facts with what was delivered"
        )


class UnknownAccount(DominoesError):
    """A trade or an earlier settlement names an account that is neither household nor retailer of the area."""

    code = "unknown-account"

    def __init__(self, *, account: str) -> None:
        self.account = account
        super().__init__(f"account {account} takes no part in this area; register it before settling")


class MissingParty(DominoesError):
    """The area lacks the one account that receives grid fees or taxes, or a retailer that agreements name."""

    code = "missing-party"

    def __init__(self, *, party: str) -> None:
        self.party = party
        super().__init__(f"the area has no single {party} account; register exactly one before settling")


class PoolUnbalanced(DominoesError):
    """What was bought and what was sold in a market's MTU differ: the words can't be those of a cleared book."""

    code = "pool-unbalanced"

    def __init__(self, *, market: str, mtu: int, bought_wh: int, sold_wh: int) -> None:
        self.market, self.mtu, self.bought_wh, self.sold_wh = market, mtu, bought_wh, sold_wh
        super().__init__(
            f"MTU {mtu} of {market} has {bought_wh} Wh bought but {sold_wh} Wh sold; check its cleared words"
        )


class MoneyMade(DominoesError):
    """Amounts of a settlement do not sum to zero."""

    status = 500
    code = "money-made"

    def __init__(self, *, sum_neur: int) -> None:
        self.sum_neur = sum_neur
        super().__init__(f"settlement amounts sum to {sum_neur} nEUR instead of zero; nothing was written, report this")


class WrongInput(DominoesError):
    """The facts a settlement is computed from contradict each other or their signatures."""

    code = "wrong-settlement-input"

    def __init__(self, *, record: str, reason: str) -> None:
        self.record, self.reason = record, reason
        super().__init__(f"{record}: {reason}; refuse to sign and compare with the record")


class FactMissing(DominoesError):
    """The chain shows an effect whose fact the record does not hold yet."""

    status = 409
    code = "fact-missing"
    retryable = True

    def __init__(self, *, fact: str) -> None:
        self.fact = fact
        super().__init__(f"{fact} is on chain but not recorded yet; try again once the earlier stages have caught up")
