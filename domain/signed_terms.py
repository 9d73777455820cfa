"""Who signs what of a term, and whether they did (docs/protocol.md section 2): no term counts on somebody else's word.

Every term is signed part by part, each part by the party that it binds: `parts_of` names them for the registry, for
attesters, and for whoever signs. The verifying contract is Settlement, though no contract reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeAlias, TypeVar

from domain.eip712 import (
    AGREEMENT,
    GRID_PRICES,
    METER_REGISTRATION,
    PARTICIPATION,
    SIGNING_POLICY,
    SUPPLY_PRICES,
    TAXES,
    TERM_END,
    Domain,
    Shape,
)
from domain.errors import DominoesError
from domain.hashing import ZERO_ADDRESS, to_hex
from domain.parties import Meter, Participant
from domain.policies import SigningPolicy
from domain.roles import ChainRole
from domain.signing import SIGNATURE_BYTES, Signer, recover
from domain.terms import Agreement, EndedTerm, Tariff, TermEnd

UNSIGNED = bytes(SIGNATURE_BYTES)
"""What stands in place of a signature that is still to be made."""


class TermNotSigned(DominoesError):
    """A term does not carry the signature of a party that it binds."""

    status = 403
    code = "term-not-signed"
    remedy = "Have the party that `detail` names sign the term as it is sent, with its own key."

    def __init__(self, *, term: str, party: str, expected: str, signer: str) -> None:
        self.term, self.party, self.expected, self.signer = term, party, expected, signer
        super().__init__(
            f"{term} is signed by {signer} for its {party}, but {expected} must sign; sign the typed data again"
        )


@dataclass(frozen=True, slots=True)
class TermPart:
    """What one party signs of a term.

    `party` says in the fact's words who that is: the member of its signature is `<party>_signature`. It is the holder
    of `address` or, where that is None, of a key that has `role` on chain for `area` (None: in all areas).
    """

    party: str
    shape: Shape
    values: Mapping[str, Any]
    signature: bytes
    address: str | None = None
    role: ChainRole | None = None
    area: str | None = None

    def digest(self, domain: Domain) -> bytes:
        """What is signed (domain: the Settlement contract)."""
        return domain.digest(self.shape, self.values)


Term: TypeAlias = Participant | Meter | Agreement | Tariff | SigningPolicy | TermEnd
"""What parties sign."""

_Term = TypeVar("_Term", bound=Term)

HoldsRole = Callable[[str, ChainRole, str | None], bool]
"""Whether an address (0x hex) has, or had, a role on chain for an area: keys are replaced, their terms stay."""


def name_of(term: Term) -> str:
    """A term as messages name it."""
    match term:
        case Agreement():
            return f"agreement {term.agreement}, version {term.version},"
        case Participant():
            return f"participant {term.participant}"
        case Meter():
            return f"meter {term.meter} from MTU {term.valid_from_mtu} on"
        case Tariff():
            return f"tariff {term.tariff}, version {term.version},"
        case SigningPolicy():
            return f"signing policy of {term.area}, version {term.version},"
        case TermEnd():
            return f"the end of {term.term} {term.name}"


def parts_of(term: Term) -> tuple[TermPart, ...]:
    """What each party signs of a term."""
    match term:
        case Agreement():
            return _agreement_parts(term)
        case Participant():
            return _participation_parts(term)
        case Meter():
            return _meter_parts(term)
        case Tariff():
            return _tariff_parts(term)
        case SigningPolicy():
            return _policy_parts(term)
        case TermEnd():
            return _end_parts(term)


def _agreement_parts(agreement: Agreement) -> tuple[TermPart, ...]:
    """Account and retailer sign the same."""
    values = {
        "agreement": agreement.agreement,
        "version": agreement.version,
        "account": agreement.account,
        "retailer": agreement.retailer,
        "tariff": agreement.tariff,
        "validFromMtu": agreement.valid_from_mtu,
    }
    return (
        TermPart("account", AGREEMENT, values, agreement.account_signature, address=agreement.account),
        TermPart("retailer", AGREEMENT, values, agreement.retailer_signature, address=agreement.retailer),
    )


def _tariff_parts(tariff: Tariff) -> tuple[TermPart, ...]:
    """Each party signs the prices that it pays or is paid, and of which version, in which area, from when on."""
    area = tariff.area
    version = {
        "tariff": tariff.tariff,
        "version": tariff.version,
        "area": area,
        "validFromMtu": tariff.valid_from_mtu,
    }
    supply = {
        "retailer": tariff.retailer,
        "supplyNeurPerWh": tariff.supply_neur_per_wh,
        "feedInNeurPerWh": tariff.feed_in_neur_per_wh,
        "imbalanceSurplusNeurPerWh": tariff.imbalance_surplus_neur_per_wh,
        "imbalanceShortfallNeurPerWh": tariff.imbalance_shortfall_neur_per_wh,
    }
    grid = {
        "excessNeurPerWh": tariff.excess_neur_per_wh,
        "gridFeeNeurPerWh": tariff.grid_fee_neur_per_wh,
        "gridFeeLocalNeurPerWh": tariff.grid_fee_local_neur_per_wh,
        "compensationNeurPerWh": tariff.compensation_neur_per_wh,
    }
    taxes = {"levyNeurPerWh": tariff.levy_neur_per_wh, "vatBp": tariff.vat_bp}
    by_dso, by_registrar = tariff.dso_signature, tariff.registrar_signature
    return (
        TermPart("retailer", SUPPLY_PRICES, version | supply, tariff.retailer_signature, address=tariff.retailer),
        TermPart("dso", GRID_PRICES, version | grid, by_dso, role=ChainRole.DSO, area=area),
        TermPart("registrar", TAXES, version | taxes, by_registrar, role=ChainRole.REGISTRAR),
    )


def _participation_parts(party: Participant) -> tuple[TermPart, ...]:
    """The account signs, and the DSO the same: it admits whoever takes part (ADR 65). No point is empty text."""
    values = {
        "participant": party.participant,
        "kind": party.kind.value,
        "area": party.area,
        "account": party.account,
        "point": party.point or "",
        "connectionImportW": party.connection_import_w,
        "connectionExportW": party.connection_export_w,
        "validFromMtu": party.valid_from_mtu,
    }
    own = TermPart("account", PARTICIPATION, values, party.account_signature, address=party.account)
    return own, TermPart("dso", PARTICIPATION, values, party.dso_signature, role=ChainRole.DSO, area=party.area)


def _meter_parts(meter: Meter) -> tuple[TermPart, ...]:
    values = {
        "meter": meter.meter,
        "point": meter.point,
        "area": meter.area,
        "publicKey": meter.public_key,
        "validFromMtu": meter.valid_from_mtu,
    }
    return (TermPart("dso", METER_REGISTRATION, values, meter.dso_signature, role=ChainRole.DSO, area=meter.area),)


def _policy_parts(policy: SigningPolicy) -> tuple[TermPart, ...]:
    """The DSO signs the hash of the whole document, and by name whose it is and from when on."""
    values = {
        "area": policy.area,
        "version": policy.version,
        "validFromMtu": policy.valid_from_mtu,
        "policyHash": policy.policy_hash,
    }
    by_dso = policy.dso_signature
    return (TermPart("dso", SIGNING_POLICY, values, by_dso, role=ChainRole.DSO, area=policy.area),)


ENDED_BY: Mapping[EndedTerm, tuple[str, ...]] = {
    EndedTerm.AGREEMENT: ("account", "retailer"),
    EndedTerm.PARTICIPATION: ("account", "dso"),
    EndedTerm.METER: ("dso",),
}
"""Who may end which term (ADR 72). One of them is enough; without the account it takes notice."""


def _end_parts(end: TermEnd) -> tuple[TermPart, ...]:
    """All who signed sign the same; of an end that nobody signed, the first who may is asked."""
    account, retailer = end.account or ZERO_ADDRESS, end.retailer or ZERO_ADDRESS  # for which nobody can sign
    values = {
        "term": end.term.value,
        "name": end.name,
        "area": end.area,
        "account": account,
        "retailer": retailer,
        "endMtu": end.end_mtu,
    }
    may = {
        "account": TermPart("account", TERM_END, values, end.account_signature or UNSIGNED, address=account),
        "retailer": TermPart("retailer", TERM_END, values, end.retailer_signature or UNSIGNED, address=retailer),
        "dso": TermPart("dso", TERM_END, values, end.dso_signature or UNSIGNED, role=ChainRole.DSO, area=end.area),
    }
    signed = [party for party in may if getattr(end, f"{party}_signature") is not None]
    return tuple(may[party] for party in signed or ENDED_BY[end.term][:1])


@dataclass(frozen=True, slots=True)
class SignedTerm(Generic[_Term]):
    """A term whose signatures were checked, by `TermSigning.check` alone: that is slow, for a write transaction."""

    term: _Term


def signed_by(term: _Term, keys: Mapping[str, Signer], *, domain: Domain) -> _Term:
    """A term with the signatures of the parties whose keys are given, by party (domain: the Settlement contract)."""
    made: dict[str, Any] = {
        f"{part.party}_signature": keys[part.party].sign(part.digest(domain))
        for part in parts_of(term)
        if part.party in keys
    }
    return replace(term, **made)


@dataclass(frozen=True, slots=True)
class TermSigning:
    """The signatures under terms of one deployment: its domain of the Settlement contract, and whose keys they are."""

    domain: Domain
    holds_role: HoldsRole

    def check(self, term: _Term) -> SignedTerm[_Term]:
        """All parties that a term binds have signed it. Raises TermNotSigned, BadSignature, OutOfRange."""
        for part in parts_of(term):
            signer = to_hex(recover(part.digest(self.domain), part.signature))
            if part.address is not None and signer != part.address:
                raise TermNotSigned(term=name_of(term), party=part.party, expected=part.address, signer=signer)
            if part.role is not None and not self.holds_role(signer, part.role, part.area):
                expected = f"a key that has the role {part.role.value} now"
                raise TermNotSigned(term=name_of(term), party=part.party, expected=expected, signer=signer)
        return SignedTerm(term)
