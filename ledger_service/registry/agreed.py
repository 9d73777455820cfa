"""What the organisations agreed on of an area before it began, as the deployment names it: a service keeps to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from domain.areas import Area
from domain.parties import Participant, ParticipantKind
from ledger_service.registry.errors import NotAgreed


@dataclass(frozen=True, slots=True)
class AgreedArea:
    """An area's zone, and the accounts that its grid fees and its taxes go to."""

    area: str
    zone: str
    dso_account: str
    tax_account: str


@dataclass(frozen=True, slots=True)
class AgreedAreas:
    """The areas that were agreed on; where none is named, as in demos, nothing is held to them."""

    areas: Mapping[str, AgreedArea] = field(default_factory=dict)

    @classmethod
    def of(cls, areas: Iterable[AgreedArea]) -> AgreedAreas:
        """These, by their codes."""
        return cls({item.area: item for item in areas})

    def check_area(self, area: Area) -> None:
        """An area is one that was agreed on, in its zone. Raises NotAgreed."""
        if not self.areas:
            return
        agreed = self.areas.get(area.area)
        if agreed is None:
            raise NotAgreed(field="area", value=area.area, agreed=", ".join(sorted(self.areas)))
        if area.zone != agreed.zone:
            raise NotAgreed(field="zone", value=area.zone, agreed=agreed.zone)

    def check_participant(self, participant: Participant) -> None:
        """The account of an area's DSO, or for its taxes, is the one that was agreed on. Raises NotAgreed."""
        agreed = self.areas.get(participant.area)
        if agreed is None:
            return
        accounts = {ParticipantKind.DSO: agreed.dso_account, ParticipantKind.TAX: agreed.tax_account}
        due = accounts.get(participant.kind, participant.account).lower()
        if participant.account.lower() != due:
            raise NotAgreed(field="account", value=participant.account, agreed=due)
