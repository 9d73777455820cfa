"""The directory: which role an address has, from the participants in the record and the keys of organisations."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from domain.errors import DominoesError
from domain.hashing import from_hex, to_hex
from domain.roles import ChainRole
from ledger_service.access.roles import Role

PARTICIPANT_ROLES = {"household": Role.PROSUMER, "retailer": Role.RETAILER}
"""Roles of the kinds of participants that log in; `dso` and `tax` are settlement accounts without a login."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is acting: the address that signed the login, its role, a name for people, the area it is bound to if any."""

    address: bytes
    role: Role
    name: str
    area: str | None = None
    point: str | None = None

    @property
    def account(self) -> str:
        """The address as 0x hex, the form in which facts carry it."""
        return to_hex(self.address)


@dataclass(frozen=True, slots=True)
class OrganisationKey:
    """A key that names an organisation (configuration, not a fact): `area` limits a DSO or an attester to one area."""

    address: bytes
    role: Role
    name: str
    area: str | None = None

    def __post_init__(self) -> None:
        if self.role in (Role.PROSUMER, Role.AGENT):
            raise ValueError(f"a {self.role} is known by what the record says, not as an organisation key")


class KnownParticipant(Protocol):
    """What the directory needs to know of a registered participant."""

    @property
    def participant(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def area(self) -> str: ...
    @property
    def point(self) -> str | None: ...


class RolesNotExclusive(DominoesError):
    """Two organisation keys with the same address: roles must be exclusive."""

    code = "roles-not-exclusive"

    def __init__(self, *, address: bytes) -> None:
        self.address = address
        super().__init__(f"{to_hex(address)} is configured for two roles; give each role a key of its own")


class UnknownAccount(DominoesError):
    """The signature is good but the address is neither a participant's, an agent's nor an organisation key."""

    status = 401
    code = "unknown-account"
    remedy = "Have the account registered, or log in with one that is."

    def __init__(self, *, address: bytes) -> None:
        self.address = address
        super().__init__(f"{to_hex(address)} has no account here; ask the registrar to register it")


class Directory:
    """Looks up principals afresh at each request, so that a revoked role ends at once and not with its token."""

    def __init__(
        self,
        *,
        organisations: Iterable[OrganisationKey],
        participant_of: Callable[[str], KnownParticipant | None],
        is_agent: Callable[[str], bool],
    ) -> None:
        self._participant_of, self._is_agent = participant_of, is_agent
        self._organisations: dict[bytes, OrganisationKey] = {}
        for key in organisations:
            if key.address in self._organisations:
                raise RolesNotExclusive(address=key.address)
            self._organisations[key.address] = key

    def organisations(self, role: Role) -> list[OrganisationKey]:
        """The configured keys of one role."""
        return [key for key in self._organisations.values() if key.role is role]

    def holds_role(self, address: str, role: ChainRole, area: str | None) -> bool:
        """Whether an address (0x hex) is the key of an organisation in a role of the contracts, there or everywhere."""
        key = self._organisations.get(from_hex(address))
        return key is not None and key.role.value == role.value and key.area in (None, area)

    @property
    def organisation_accounts(self) -> frozenset[str]:
        """The addresses of all organisations' keys as 0x hex: none of them may be a participant's or a device's."""
        return frozenset(to_hex(address) for address in self._organisations)

    def needs_record(self, address: bytes) -> bool:
        """Whether finding this address means reading the record (blocking work)."""
        return address not in self._organisations

    def find(self, address: bytes) -> Principal:
        """The principal of an address. Raises UnknownAccount."""
        organisation = self._organisations.get(address)
        if organisation is not None:
            return Principal(address=address, role=organisation.role, name=organisation.name, area=organisation.area)
        participant = self._participant_of(to_hex(address))
        if participant is None and self._is_agent(to_hex(address)):
            return Principal(address=address, role=Role.AGENT, name=to_hex(address))
        role = None if participant is None else PARTICIPANT_ROLES.get(participant.kind)
        if participant is None or role is None:
            raise UnknownAccount(address=address)
        return Principal(
            address=address, role=role, name=participant.participant, area=participant.area, point=participant.point
        )
