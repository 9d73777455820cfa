"""Signing a term that binds oneself: it is read from a file, shown in words, signed, and written back for the next."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from contracts.keystore import read_key
from domain.errors import DominoesError
from domain.hashing import ZERO_ADDRESS, to_hex
from domain.members import noun_json, noun_of
from domain.parties import Meter, Participant
from domain.policies import SIGNATURE, SigningPolicy
from domain.signed_terms import UNSIGNED, Term, TermPart, parts_of, signed_by
from domain.terms import Agreement, Tariff, TermEnd
from scripts.cli.amounts import CT_PER_KWH_NEUR, mtu_in_words
from scripts.cli.common import JsonOption, console, errors, guarded, show
from scripts.cli.sign import require_agreed, show_words
from scripts.serving.desk import anchored_domain

PARTIES: dict[type[Term], tuple[str, ...]] = {
    TermEnd: ("account", "retailer", "dso"),
    Meter: ("dso",),
    Participant: ("account", "dso"),
    Agreement: ("account", "retailer"),
    Tariff: ("retailer", "dso", "registrar"),
    SigningPolicy: ("dso",),
}
"""Who signs what; of these kinds a body is the first whose own member it has."""

OWN_MEMBER: dict[type[Term], str] = {SigningPolicy: "voltage_lowest_micro_pu", TermEnd: "end_mtu"}
"""What only a body of this kind has, where that is not its name."""

POLICY_WORDS = {
    "markets": "markets that it signs for",
    "count_most": "MTUs of a program, at most",
    "given_up_most": "MTUs of it given up, at most",
    "fallbacks_most": "failures of the solver in it, at most",
    "voltage_lowest_micro_pu": "voltage at least (1e-6 pu)",
    "voltage_highest_micro_pu": "voltage at most (1e-6 pu)",
    "loading_highest_permille": "loading at most (1/1000 of the rating)",
    "capped_points_most": "points capped in an MTU, at most",
    "capped_import_wh_most": "scheduled import held back in an MTU, at most (Wh)",
    "capped_export_wh_most": "scheduled export held back in an MTU, at most (Wh)",
    "rounds_most": "clearings of an MTU, at most",
    "ties_rules": "versions of the rule for ties",
    "forecast_rules": "versions of the rule for forecasts",
}
"""What the members of a signing policy say."""

PRICE_SUFFIX = "NeurPerWh"


class TermUnreadable(DominoesError):
    """A file holds no term."""

    code = "term-unreadable"

    def __init__(self, *, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(
            f"{path} holds no meter, participant, agreement, tariff, signing policy or end: {reason}; "
            "write it as the API takes it"
        )


class NotYourPart(DominoesError):
    """A key would sign what binds somebody else."""

    code = "not-your-part"

    def __init__(self, *, party: str, bound: str) -> None:
        self.party, self.bound = party, bound
        super().__init__(f"as {party} this term binds {bound}; sign with that key, or as another party")


@guarded
def sign_term(
    file: Annotated[
        Path,
        typer.Argument(
            help="A meter, participant, agreement, tariff, signing policy or end as JSON, as the API takes it."
        ),
    ],
    party: Annotated[str, typer.Option("--as", help="account, retailer, dso or registrar: for whom you sign.")],
    keystore: Annotated[Path, typer.Option(help="Your own keystore.")],
    password_file: Annotated[Path, typer.Option(help="The file with its password.")],
    anchors: Annotated[Path, typer.Option(help="Your trust anchors (anchors.json): where the signature counts.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the part of a term that binds you, sign it, and write the signature into the file.

    The file goes from party to party; whoever is last hands it to the registrar; a signing policy the DSO publishes
    itself (`dominoes sign policy`). Signatures that are still to be made may be missing in it.
    """
    term = read_term(file, party)
    part = next((part for part in parts_of(term) if part.party == party), None)
    if part is None:
        parties = ", ".join(part.party for part in parts_of(term))
        raise typer.BadParameter(f"{party!r} does not sign this term, but {parties}", param_hint="--as")
    out = errors if as_json else console
    show_words(out, f"{part.shape.name}, signed as {party}", in_words(part) | policy_in_words(term))
    key = read_key(keystore=keystore, password_file=password_file)
    if part.address is not None and to_hex(key.address) != part.address:
        raise NotYourPart(party=party, bound=part.address)
    require_agreed(out, "sign this?", yes=yes)
    signed = signed_by(term, {party: key}, domain=anchored_domain(anchors, "Settlement"))
    file.write_text(json.dumps(noun_json(signed), indent=1) + "\n", encoding="utf-8")
    show({"file": str(file), "signed as": party, "signer": to_hex(key.address)}, as_json=as_json, title="signed")


def in_words(part: TermPart) -> dict[str, Any]:
    """What one party signs, as people read it: prices in ct/kWh, VAT in percent, the first MTU with its time (UTC)."""
    said: dict[str, Any] = {}
    for name, value in part.values.items():
        if name.endswith(PRICE_SUFFIX):
            said[f"{name.removesuffix(PRICE_SUFFIX)} (ct/kWh)"] = f"{value / CT_PER_KWH_NEUR:.4f}"
        elif name == "vatBp":
            said["vat (%)"] = f"{value / 100:.2f}"
        elif name == "validFromMtu":
            said["valid from"] = mtu_in_words(value)
        elif name == "endMtu":
            said["ends at"] = mtu_in_words(value)
        elif value == ZERO_ADDRESS:
            said[name] = "none"
        elif isinstance(value, bytes):
            said[name] = to_hex(value)
        else:
            said[name] = value
    return said


def policy_in_words(term: Term) -> dict[str, Any]:
    """What stands in a signing policy, of which the hash is signed; nothing of other terms."""
    if not isinstance(term, SigningPolicy):
        return {}
    told = noun_json(term, exclude=(SIGNATURE,))
    return {said: _listed(told[name]) for name, said in POLICY_WORDS.items()}


def _listed(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def read_term(file: Path, party: str) -> Term:
    """The term in a file, to be signed by one of its parties. Raises TermUnreadable.

    An end is signed by those alone who end it: others have no signature in it.
    """

    def unsigned(kind: type[Term]) -> dict[str, str | None]:
        signing = (party,) if kind is TermEnd else PARTIES[kind]
        return {f"{one}_signature": to_hex(UNSIGNED) if one in signing else None for one in PARTIES[kind]}

    return _read(file, unsigned)


def read_signed(file: Path) -> Term:
    """The term in a file, with all the signatures that it needs. Raises TermUnreadable."""
    return _read(file, lambda kind: {f"{one}_signature": None for one in PARTIES[kind]} if kind is TermEnd else {})


def _read(file: Path, missing: Callable[[type[Term]], Mapping[str, str | None]]) -> Term:
    """The term in a file, completed by what may be missing of its kind."""
    try:
        body = json.loads(file.read_text(encoding="utf-8"))
        kind = next(kind for kind in PARTIES if OWN_MEMBER.get(kind, kind.__name__.lower()) in body)
        return noun_of(kind, json.dumps({**missing(kind), **body}))
    except (OSError, ValueError, TypeError, KeyError, StopIteration) as error:
        raise TermUnreadable(path=file, reason=str(error) or "it is none of these") from error
