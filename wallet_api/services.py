"""What the API is given by the composition root: everything it needs, nothing it makes itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import Request

from domain.eip712 import AGREEMENT, CONTRACT_OF, Domain, Shape
from domain.roles import ChainRole
from domain.signed_terms import HoldsRole, TermSigning
from ledger_service.access.challenges import ChallengeBook
from ledger_service.access.directory import Directory
from ledger_service.access.tokens import TokenIssuer
from ledger_service.chain.awaiting import AwaitingCalls
from ledger_service.clock import MarketClock
from ledger_service.metering.intake import AttestationIntake
from ledger_service.programs import Verdicts
from ledger_service.record import Record
from ledger_service.registry.agreed import AgreedAreas
from ledger_service.settlement.packages import Packages
from ledger_service.settlement.stage import Stuck
from ledger_service.trading import Intake

API_VERSION = "1.0.0"
"""Version of the API's documentation; the path's /v1 changes only with an incompatible one."""


API_PREFIX = "/v1"
"""Where every route of this version lives."""


@dataclass(frozen=True, slots=True)
class PublicDeployment:
    """The contracts this service works with: chain id and 20-byte addresses by contract name."""

    chain_id: int
    addresses: Mapping[str, bytes]
    origin_seconds: int
    """Market time at `start_seconds` (docs/protocol.md section 1)."""
    start_seconds: int
    """Block time at which market time was `origin_seconds`."""
    speed: int
    """Market seconds per second of block time; 1 in production."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Further public facts of the deployment (code hashes, genesis, start block), shown as they are."""

    def chain_time(self, market_time: int) -> int:
        """The block time that belongs to a market time, rounded down, in unix seconds."""
        return self.start_seconds + (market_time - self.origin_seconds) // self.speed

    def market_time(self, block_time: int) -> int:
        """The market time at a block time, in unix seconds."""
        return self.origin_seconds + (block_time - self.start_seconds) * self.speed

    def domain_of(self, shape: Shape) -> Domain:
        """The EIP-712 domain of a shape's verifying contract."""
        return Domain(chain_id=self.chain_id, verifying_contract=self.addresses[CONTRACT_OF[shape.name]])


@dataclass(frozen=True, slots=True)
class Services:
    """The dependencies of the API."""

    record: Record
    clock: MarketClock
    wall_clock: Callable[[], int]
    """Unix seconds now, for logins and tokens only."""
    directory: Directory
    tokens: TokenIssuer
    challenges: ChallengeBook
    deployment: PublicDeployment
    intake: Intake
    """Order intake, started."""
    attestations: AttestationIntake
    """Where attesters' readings are verified and recorded."""
    verdicts: Verdicts
    """Where the DSO's verdicts are recorded."""
    packages: Packages
    """Packages of proposed settlements, for attesters."""
    evidence_folder: Path
    """Where exported public bundles are kept until the next anchor; emptied at will."""
    agreed_areas: AgreedAreas = field(default_factory=AgreedAreas)
    """What the organisations agreed on of areas before they began."""
    auditor_seal: bytes | None = None
    """X25519 public key that auditor bundles are sealed to; None only in demos, where they leave unsealed."""
    node_block_time: Callable[[], int] | None = None
    """Block time of the node's newest block, unix seconds; raises a DominoesError where the node doesn't answer."""
    holds_on_chain: HoldsRole | None = None
    """Whether a key has a role on chain now, by the node; raises a DominoesError where it doesn't answer."""
    stage_failure: Callable[[], str | None] | None = None
    """Why the stages' last turn failed (its code); None while they go on."""
    stuck_periods: Callable[[], Sequence[Stuck]] = list
    """Periods that the settlement stage can't compute for now."""
    origins: Sequence[str] = ()
    """Origins (`https://…`) whose pages may read answers in a browser (CORS); none unless said."""
    awaiting_calls: AwaitingCalls | None = None
    """Calls that organisations outside sign themselves; None where the service holds every key, as in demos."""
    clock_control: Callable[[int], int] | None = None
    """Embedded nodes only: lets market time reach a value (unix seconds) and returns the market time reached."""

    @property
    def term_signing(self) -> TermSigning:
        """How signatures under terms are checked: an organisation's key counts as long as it has its role on chain."""
        return TermSigning(self.deployment.domain_of(AGREEMENT), self._holds_role)

    def _holds_role(self, address: str, role: ChainRole, area: str | None) -> bool:
        known = self.directory.holds_role(address, role, area)
        return known and (self.holds_on_chain is None or self.holds_on_chain(address, role, area))


def services_of(request: Request) -> Services:
    """The services of the application that answers this request."""
    services: Services = request.app.state.services
    return services
