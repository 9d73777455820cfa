"""What the journal says of who takes part, under which terms, and of their money: one class per kind of entry.

Members, units and signs as in facts.py; docs/evidence.md sections 2 and 3.
"""

from __future__ import annotations

from dataclasses import dataclass

from verifier.form import Json, Neur


@dataclass(frozen=True, slots=True)
class Attester:
    """An attester of an area and the organisation it belongs to."""

    name: str
    address: str
    organisation: str


@dataclass(frozen=True, slots=True)
class AreaDefined:
    """A grid area, its grid model, its attesters and how many of them must sign."""

    area: str
    zone: str
    attest_seconds: int
    horizon_seconds: int
    challenge_seconds: int
    grid_model: Json
    grid_model_hash: str
    attesters: tuple[Attester, ...]
    threshold: int


@dataclass(frozen=True, slots=True)
class MarketDefined:
    """A market of an area and its rules."""

    market: str
    area: str
    lot_wh: int
    tick_neur_per_wh: int
    min_limit_neur_per_wh: int
    max_limit_neur_per_wh: int
    grace_seconds: int
    sign_seconds: int
    clear_seconds: int
    gate_local: str
    kind: str
    later_gates_local: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TariffPublished:
    """A version of a supply tariff."""

    tariff: str
    version: int
    area: str
    retailer: str
    valid_from_mtu: int
    supply_neur_per_wh: int
    feed_in_neur_per_wh: int
    imbalance_surplus_neur_per_wh: int
    imbalance_shortfall_neur_per_wh: int
    excess_neur_per_wh: int
    grid_fee_neur_per_wh: int
    grid_fee_local_neur_per_wh: int
    levy_neur_per_wh: int
    compensation_neur_per_wh: int
    vat_bp: int
    retailer_signature: str
    dso_signature: str
    registrar_signature: str

    @property
    def rank(self) -> tuple[str, int, bool]:
        """Place among the terms of a settlement."""
        return self.tariff, self.version, False


@dataclass(frozen=True, slots=True)
class AgreementSigned:
    """A version of the agreement between an account and its retailer."""

    agreement: str
    version: int
    account: str
    retailer: str
    tariff: str
    valid_from_mtu: int
    account_signature: str
    retailer_signature: str

    @property
    def rank(self) -> tuple[str, int, bool]:
        """Place among the terms of a settlement."""
        return self.agreement, self.version, True


Term = TariffPublished | AgreementSigned


@dataclass(frozen=True, slots=True)
class PolicyPublished:
    """A version of what an area's DSO signs, from an MTU on; all bounds are of a program, or of one of its MTUs."""

    area: str
    version: int
    valid_from_mtu: int
    markets: tuple[str, ...]
    count_most: int
    given_up_most: int
    fallbacks_most: int
    voltage_lowest_micro_pu: int
    voltage_highest_micro_pu: int
    loading_highest_permille: int
    capped_points_most: int
    capped_import_wh_most: int
    capped_export_wh_most: int
    rounds_most: int
    ties_rules: tuple[int, ...]
    forecast_rules: tuple[int, ...]
    dso_signature: str


@dataclass(frozen=True, slots=True)
class ParticipantRegistered:
    """An account that takes part in an area, at a point of its grid or (None) at the transformer."""

    participant: str
    kind: str
    area: str
    account: str
    point: str | None
    connection_import_w: int
    connection_export_w: int
    valid_from_mtu: int
    account_signature: str
    dso_signature: str


@dataclass(frozen=True, slots=True)
class TermEnded:
    """An agreement, a household's part or a meter ends: this is the first MTU in which it decides nothing any more.

    Of the signatures, those of who ended it; `account` is None for a meter, `retailer` for all but an agreement.
    """

    term: str
    name: str
    area: str
    account: str | None
    retailer: str | None
    end_mtu: int
    account_signature: str | None
    retailer_signature: str | None
    dso_signature: str | None


@dataclass(frozen=True, slots=True)
class AccountReplaced:
    """An account that gave way to its successor; settlements beyond the beginning of this MTU pay the successor."""

    account: str
    successor: str
    valid_from_mtu: int


@dataclass(frozen=True, slots=True)
class KeyRegistered:
    """A key that may sign orders for an account from an MTU on."""

    account: str
    order_key: str
    point: str | None
    valid_from_mtu: int
    signature: str


@dataclass(frozen=True, slots=True)
class MeterRegistered:
    """A meter at a point, and the key it signs with from an MTU on."""

    meter: str
    point: str
    public_key: str
    area: str
    valid_from_mtu: int
    dso_signature: str


# ---- money


@dataclass(frozen=True, slots=True)
class GuaranteeGiven:
    """A credit line that a guarantor gives an account, which agrees to one that it did not have before."""

    guarantor: str
    account: str
    credit_neur: Neur
    nonce: int
    deadline: int
    signature: str
    account_signature: str | None


@dataclass(frozen=True, slots=True)
class CoverGiven:
    """A guarantor pays an account's debt."""

    guarantor: str
    account: str
    amount_neur: Neur
    debt_neur: Neur
    ref: str
    deadline: int
    signature: str


@dataclass(frozen=True, slots=True)
class DeployedContract:
    """Where a contract stands."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class DeploymentSucceeded:
    """This journal goes on where that of another deployment had come to."""

    contracts: tuple[DeployedContract, ...]
    journal_sequence: int
    journal_head: str


@dataclass(frozen=True, slots=True)
class RedemptionRequested:
    """An account asks for money back."""

    account: str
    amount_neur: Neur
    ref: str
    deadline: int
    signature: str


@dataclass(frozen=True, slots=True)
class DepositBooked:
    """Money came in for an account."""

    account: str
    amount_neur: Neur
    ref: str
