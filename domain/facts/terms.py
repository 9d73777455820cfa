"""Terms that their parties signed: tariffs, agreements, guarantees, a DSO's signing policy, and ends of terms."""

from __future__ import annotations

from domain.facts.base import Fact, fact
from domain.parties import Guarantee
from domain.policies import SigningPolicy
from domain.terms import Agreement, Tariff, TermEnd


@fact
class TariffPublished(Fact):
    """One version of a tariff. Its members are those of `Tariff`."""

    KIND = "tariff.published"
    FLAT = "tariff"
    tariff: Tariff

    @property
    def journal_key(self) -> str:
        """One fact per version."""
        return f"tariff:{self.tariff.tariff}:{self.tariff.version}"


@fact
class AgreementSigned(Fact):
    """One version of a supply agreement between a household and a retailer. Its members are those of `Agreement`."""

    KIND = "agreement.signed"
    FLAT = "agreement"
    agreement: Agreement

    @property
    def journal_key(self) -> str:
        """One fact per version."""
        return f"agreement:{self.agreement.agreement}:{self.agreement.version}"


@fact
class TermEnded(Fact):
    """A term ends, as those say who may end it. Its members are those of `TermEnd`."""

    KIND = "term.ended"
    FLAT = "end"
    end: TermEnd

    @property
    def journal_key(self) -> str:
        """A term ends once."""
        return f"end:{self.end.term}:{self.end.name}"


@fact
class GuaranteeGiven(Fact):
    """A guarantor lets an account go below zero. Its members are those of `Guarantee`."""

    KIND = "guarantee.given"
    FLAT = "guarantee"
    guarantee: Guarantee

    @property
    def journal_key(self) -> str:
        """One fact per nonce of a guarantor towards an account."""
        return f"guarantee:{self.guarantee.guarantor}:{self.guarantee.account}:{self.guarantee.nonce}"


@fact
class PolicyPublished(Fact):
    """One version of a DSO's signing policy. Its members are those of `SigningPolicy`."""

    KIND = "policy.published"
    FLAT = "policy"
    policy: SigningPolicy

    @property
    def journal_key(self) -> str:
        """One fact per version."""
        return policy_key(area=self.policy.area, version=self.policy.version)


def policy_key(*, area: str, version: int) -> str:
    """The journal key of a version of an area's signing policy."""
    return f"policy:{area}:{version}"
