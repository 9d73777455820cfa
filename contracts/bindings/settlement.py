"""Settlement: e-money balances in nEUR, moved only by what everybody can recompute.

Made from src/interfaces/ISettlement.sol by `python -m scripts.tools.make_bindings`; do not edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from contracts.bindings.base import LATEST, Binding, Block, Call, Event, Struct, members
from contracts.rpc import as_bytes


@dataclass(frozen=True, slots=True)
class Account(Struct):
    """`Account` of the interface."""

    balance_neur: int
    credit_neur: int
    guarantor: bytes
    successor: bytes


@dataclass(frozen=True, slots=True)
class OpenSettlement(Struct):
    """`OpenSettlement` of the interface."""

    id: bytes
    next_page: int
    abandon_at: int


@dataclass(frozen=True, slots=True)
class Redemption(Struct):
    """`Redemption` of the interface."""

    amount_neur: int
    ready_at: int


@dataclass(frozen=True, slots=True)
class SettlementPage(Struct):
    """`SettlementPage` of the interface."""

    area: bytes
    period: int
    revision: int
    page: int
    statements_root: bytes
    tariff_hash: bytes


@dataclass(frozen=True, slots=True)
class SettlementState(Struct):
    """`SettlementState` of the interface."""

    revisions: int
    settled_at: int
    is_final: bool


@dataclass(frozen=True, slots=True)
class AccountBound(Event):
    """An account was bound to its area, beforehand. (A blank one is bound by its first settlement, without this
    event.)
    """

    CONTRACT = "Settlement"
    NAME = "AccountBound"

    account: bytes
    area: bytes


@dataclass(frozen=True, slots=True)
class AccountReplaced(Event):
    """An account was replaced; balance, credit line and guarantor moved."""

    CONTRACT = "Settlement"
    NAME = "AccountReplaced"

    account: bytes
    successor: bytes
    balance_neur: int


@dataclass(frozen=True, slots=True)
class DebtCovered(Event):
    """A guarantor paid debt of an account."""

    CONTRACT = "Settlement"
    NAME = "DebtCovered"

    guarantor: bytes
    account: bytes
    amount_neur: int
    ref: bytes


@dataclass(frozen=True, slots=True)
class Deposited(Event):
    """Money came in."""

    CONTRACT = "Settlement"
    NAME = "Deposited"

    account: bytes
    amount_neur: int
    ref: bytes


@dataclass(frozen=True, slots=True)
class GuaranteeCalled(Event):
    """Debt beyond the credit line: what the guarantor owes now (in total, not since the last call). In a
    settlement of several pages it counts once the settlement took effect.
    """

    CONTRACT = "Settlement"
    NAME = "GuaranteeCalled"

    account: bytes
    guarantor: bytes
    excess_neur: int


@dataclass(frozen=True, slots=True)
class GuaranteeSet(Event):
    """A guarantor's credit line for an account, by its own signature."""

    CONTRACT = "Settlement"
    NAME = "GuaranteeSet"

    guarantor: bytes
    account: bytes
    credit_neur: int
    nonce: int


@dataclass(frozen=True, slots=True)
class PeriodFinalised(Event):
    """Corrections are over."""

    CONTRACT = "Settlement"
    NAME = "PeriodFinalised"

    area: bytes
    period: int


@dataclass(frozen=True, slots=True)
class PeriodSettled(Event):
    """A settlement took effect."""

    CONTRACT = "Settlement"
    NAME = "PeriodSettled"

    area: bytes
    period: int
    revision: int
    words_hash: bytes
    clearing_root: bytes
    readings_root: bytes
    statements_root: bytes
    tariff_hash: bytes


@dataclass(frozen=True, slots=True)
class Redeemed(Event):
    """E-money was burned; the amount is to be paid out. A redemption may be burned in parts."""

    CONTRACT = "Settlement"
    NAME = "Redeemed"

    account: bytes
    amount_neur: int
    ref: bytes


@dataclass(frozen=True, slots=True)
class RedemptionCancelled(Event):
    """A redemption was withdrawn by its account, or had expired; `amountNeur` was left of it."""

    CONTRACT = "Settlement"
    NAME = "RedemptionCancelled"

    account: bytes
    amount_neur: int
    ref: bytes


@dataclass(frozen=True, slots=True)
class RedemptionRequested(Event):
    """A redemption was requested; anyone may complete it from market time `readyAt` on."""

    CONTRACT = "Settlement"
    NAME = "RedemptionRequested"

    account: bytes
    amount_neur: int
    ref: bytes
    ready_at: int


@dataclass(frozen=True, slots=True)
class SettlementAbandoned(Event):
    """A settlement that stalled between its pages was dropped; nothing of it has effect."""

    CONTRACT = "Settlement"
    NAME = "SettlementAbandoned"

    id: bytes


@dataclass(frozen=True, slots=True)
class SettlementPageBooked(Event):
    """One page of a settlement with several pages was booked as pending."""

    CONTRACT = "Settlement"
    NAME = "SettlementPageBooked"

    area: bytes
    period: int
    revision: int
    page: int
    id: bytes


@dataclass(frozen=True, slots=True)
class SettlementSigned(Event):
    """The attesters' signatures over a settlement, once, with its first page."""

    CONTRACT = "Settlement"
    NAME = "SettlementSigned"

    area: bytes
    period: int
    revision: int
    digest: bytes
    signatures: Sequence[bytes]


class Settlement(Binding):
    """Safety assumes: fewer than m attesting organisations lie together (or a correction comes within the
    challenge window), and the treasurer books only deposits that exist. It does not assume an honest operator:
    a settlement needs the attesters' signatures over roots that this contract reads from Market and Readings
    itself. An account belongs to one area, and only that area's settlements book it: attesters of another one
    cannot touch it. Always: Σ balances (committed) = supply = deposits − redemptions ≥ 0. Every settlement has
    sum zero and happens wholly or not at all. Liveness assumes nobody: settlement, redemption, cover,
    replacement and finalise work in a pause and without the operator; a settlement that stalls between its
    pages can be abandoned. Attesters' signatures count by the roles of the moment they arrive: a key that is
    revoked or replaced in `Roles` takes its signatures in flight with it, and they must be given again. Nobody
    but its key moves an account: where the key is lost and `AccountReplacement` was not signed before, its
    balance stays where it is.
    """

    contract = "Settlement"

    def max_balance_neur(self, *, block: Block = LATEST) -> int:
        """Largest balance or amount, either sign, nEUR. Two of them fit the slot, so folding a pending amount in
        cannot overflow.
        """
        return int(self._read("MAX_BALANCE_NEUR", [], block=block))

    def max_pages(self, *, block: Block = LATEST) -> int:
        """Pages per settlement: 131,072 accounts."""
        return int(self._read("MAX_PAGES", [], block=block))

    def redeem_seconds(self, *, block: Block = LATEST) -> int:
        """Market-time seconds after its challenge window in which a redemption may be completed."""
        return int(self._read("REDEEM_SECONDS", [], block=block))

    @classmethod
    def abandon_settlement(cls, *, area: bytes) -> Call:
        """Drops the area's open settlement after its deadline. Anyone, also in a pause. The same one may come
        again.
        """
        return cls._call("abandonSettlement", [area])

    def account_of(self, *, account: bytes, block: Block = LATEST) -> Account:
        """An account as it stands now; pages of an open settlement do not count."""
        return Account.read(self._read("accountOf", [account], block=block))

    def area_of(self, *, account: bytes, block: Block = LATEST) -> bytes:
        """The area an account belongs to; 0 = none yet."""
        return as_bytes(self._read("areaOf", [account], block=block))

    def balance_of(self, *, account: bytes, block: Block = LATEST) -> int:
        """Balance of an account, nEUR; + is a credit of the holder."""
        return int(self._read("balanceOf", [account], block=block))

    @classmethod
    def bind_account(cls, *, account: bytes, area: bytes) -> Call:
        """Binds an account to the area that may settle it, once and for good. Registrar only; before money or a
        credit line reaches its first settlement.
        """
        return cls._call("bindAccount", [account, area])

    @classmethod
    def cancel_redemption(cls, *, account: bytes, ref: bytes) -> Call:
        """Withdraws a redemption. The account itself at any time; anyone once it expired, seven days after it was
        ready.
        """
        return cls._call("cancelRedemption", [account, ref])

    def challenge_seconds(self, *, block: Block = LATEST) -> int:
        """Market-time seconds between request and completion of a redemption."""
        return int(self._read("challengeSeconds", [], block=block))

    @classmethod
    def complete_redemption(cls, *, account: bytes, ref: bytes) -> Call:
        """Burns min(requested, balance, supply) once the challenge window passed, within seven days; what could
        not be burned stays open. Anyone, also in a pause.
        """
        return cls._call("completeRedemption", [account, ref])

    @classmethod
    def cover(cls, *, guarantor: bytes, account: bytes, amount_neur: int, ref: bytes, signature: bytes) -> Call:
        """Pays debt of an account (all or part of what is below zero) from its guarantor's free balance, with the
        guarantor's signature (EIP-712 `Cover`). Anyone may relay, also in a pause.
        """
        return cls._call("cover", [guarantor, account, amount_neur, ref, signature])

    @classmethod
    def deposit(cls, *, account: bytes, amount_neur: int, ref: bytes) -> Call:
        """Books money that came in. Treasurer only. `ref` is the payment's unique reference."""
        return cls._call("deposit", [account, amount_neur, ref])

    def domain_separator(self, *, block: Block = LATEST) -> bytes:
        """The EIP-712 domain separator of this contract."""
        return as_bytes(self._read("domainSeparator", [], block=block))

    def eip712_domain(self, *, block: Block = LATEST) -> tuple[bytes, str, str, int, bytes, bytes, Sequence[int]]:
        """(no comment)"""
        return cast(
            "tuple[bytes, str, str, int, bytes, bytes, Sequence[int]]",
            members(
                self._read("eip712Domain", [], block=block),
                ["bytes1", "string", "string", "uint256", "address", "bytes32", "uint256[]"],
            ),
        )

    @classmethod
    def finalise(cls, *, area: bytes, period: int) -> Call:
        """Ends corrections of a period after its horizon. Anyone, also in a pause."""
        return cls._call("finalise", [area, period])

    def free_balance_of(self, *, account: bytes, block: Block = LATEST) -> int:
        """Balance less open redemptions, nEUR: what may be redeemed or pay cover."""
        return int(self._read("freeBalanceOf", [account], block=block))

    @classmethod
    def guarantee(cls, *, guarantor: bytes, account: bytes, credit_neur: int, nonce: int, signature: bytes) -> Call:
        """Sets a guarantor's credit line for an account, with the guarantor's signature (EIP-712 `Guarantee`).
        Operator or the account itself; a line that does not rise: anyone.
        """
        return cls._call("guarantee", [guarantor, account, credit_neur, nonce, signature])

    def guarantee_nonce_of(self, *, guarantor: bytes, account: bytes, block: Block = LATEST) -> int:
        """Last nonce used by a guarantor for an account."""
        return int(self._read("guaranteeNonceOf", [guarantor, account], block=block))

    def open_settlement(self, *, area: bytes, block: Block = LATEST) -> OpenSettlement:
        """The area's settlement that is open between its pages."""
        return OpenSettlement.read(self._read("openSettlement", [area], block=block))

    def redemption_of(self, *, account: bytes, ref: bytes, block: Block = LATEST) -> Redemption:
        """A redemption that is not completed; `amountNeur` is what is left of it."""
        return Redemption.read(self._read("redemptionOf", [account, ref], block=block))

    @classmethod
    def replace_account(
        cls, *, account: bytes, successor: bytes, account_signature: bytes, successor_signature: bytes
    ) -> Call:
        """Moves balance, credit line and guarantor to a fresh account, with both signatures (EIP-712
        `AccountReplacement`); what the account guarantees for others goes with it. Anyone may relay, also in a
        pause. From then on the replaced key signs nothing any more; its open redemptions end. What reaches the
        old account later can be moved by calling again with the same pair. Not while a settlement of several
        pages is open in their area.
        """
        return cls._call("replaceAccount", [account, successor, account_signature, successor_signature])

    @classmethod
    def request_redemption(
        cls, *, account: bytes, amount_neur: int, ref: bytes, deadline: int, signature: bytes
    ) -> Call:
        """Asks for a redemption of at most the free balance, with the account's signature (EIP-712 `Redemption`).
        Anyone may relay, also in a pause. `deadline`: market time until which the signature may be used.
        """
        return cls._call("requestRedemption", [account, amount_neur, ref, deadline, signature])

    @classmethod
    def settle(
        cls, *, target: SettlementPage, page_hashes: Sequence[bytes], words: Sequence[int], signatures: Sequence[bytes]
    ) -> Call:
        """Books one page of a settlement; with the last page it takes effect. Anyone, also in a pause: it brings
        no new trade, sellers wait for it, and a correction must not be lost to one. Revision 0 once the period
        ended, every (market, MTU) is Cleared or Void and every MTU attested or Unread; corrections until the
        first settlement + horizonSeconds. `page_hashes`: hashes of all pages; none for a settlement without
        amounts. `signatures`: with page 0: m or more attesters' over EIP-712 `Settlement`, ascending by signer;
        ignored with later pages. `target`: which page of which settlement. `words`: `address:160 |
        amount:int96` of this page, accounts strictly ascending over all pages.
        """
        return cls._call("settle", [target, page_hashes, words, signatures])

    def settlement_digest(
        self,
        *,
        area: bytes,
        period: int,
        revision: int,
        words_hash: bytes,
        clearing_root: bytes,
        readings_root: bytes,
        statements_root: bytes,
        tariff_hash: bytes,
        block: Block = LATEST,
    ) -> bytes:
        """The EIP-712 digest the attesters sign."""
        return as_bytes(
            self._read(
                "settlementDigest",
                [area, period, revision, words_hash, clearing_root, readings_root, statements_root, tariff_hash],
                block=block,
            )
        )

    def settlement_of(self, *, area: bytes, period: int, block: Block = LATEST) -> SettlementState:
        """Where the settlement of (area, period) stands."""
        return SettlementState.read(self._read("settlementOf", [area, period], block=block))

    def statements_root_of(self, *, area: bytes, period: int, revision: int, block: Block = LATEST) -> bytes:
        """Root of the statements of a settlement that took effect; 0 otherwise."""
        return as_bytes(self._read("statementsRootOf", [area, period, revision], block=block))

    def supply(self, *, block: Block = LATEST) -> int:
        """Σ balances = deposits − redemptions, nEUR."""
        return int(self._read("supply", [], block=block))
