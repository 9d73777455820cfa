"""Terms at their parties' desks: shown in words, signed by whom they bind and nobody else, passed on in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from contracts.keystore import keep_key
from domain.eip712 import Domain
from domain.hashing import to_hex
from domain.members import noun_json, noun_of
from domain.parties import Meter, Participant, ParticipantKind
from domain.roles import ChainRole
from domain.signed_terms import UNSIGNED, Term, TermSigning
from domain.signing import SigningKey
from domain.terms import Agreement, EndedTerm, Tariff, TermEnd
from scripts.cli.main import app
from tests.terms import Makers, signed_agreement

pytestmark = pytest.mark.unit

DOMAIN = Domain(chain_id=31337, verifying_contract=b"\x22" * 20)
HOUSE, RETAILER, DSO, REGISTRAR = (SigningKey(bytes([n]) * 32) for n in (1, 2, 3, 4))


def sign(folder: Path, file: Path, party: str, key: SigningKey, *options: str, answer: str = "y") -> Any:
    """`dominoes sign term` at a desk with this key."""
    keystore, password, anchors = folder / "key.json", folder / "password", folder / "anchors.json"
    keystore.unlink(missing_ok=True)
    keep_key(key, keystore=keystore, password_file=password, rounds=2)
    contracts = {"Settlement": {"address": to_hex(DOMAIN.verifying_contract)}}
    anchors.write_text(json.dumps({"chain_id": DOMAIN.chain_id, "contracts": contracts}))
    desk = ["--keystore", str(keystore), "--password-file", str(password), "--anchors", str(anchors)]
    return CliRunner().invoke(app, ["sign", "term", str(file), "--as", party, *desk, *options], input=f"{answer}\n")


def unsigned(term: Term) -> str:
    """A term as somebody drafts it."""
    return json.dumps({name: value for name, value in noun_json(term).items() if not name.endswith("_signature")})


def test_sign_term__agreement__goes_from_account_to_retailer(tmp_path: Path) -> None:
    file, due = tmp_path / "agreement.json", signed_agreement(HOUSE, RETAILER, domain=DOMAIN)
    file.write_text(unsigned(due))

    first = sign(tmp_path, file, "account", HOUSE)
    second = sign(tmp_path, file, "retailer", RETAILER, "--yes", "--json")

    assert first.exit_code == second.exit_code == 0, first.output + second.output
    assert "Agreement, signed as account" in first.output and "valid from: 1970-01-01T00:00:00Z, MTU 0" in first.output
    assert noun_of(Agreement, file.read_text()) == due


def test_sign_term__tariff__each_signs_its_prices(tmp_path: Path) -> None:
    file, due = tmp_path / "tariff.json", Makers(RETAILER, DSO, REGISTRAR).tariff(domain=DOMAIN)
    file.write_text(unsigned(due))

    said = {
        party: sign(tmp_path, file, party, key).output
        for party, key in (("retailer", RETAILER), ("dso", DSO), ("registrar", REGISTRAR))
    }

    assert "supply (ct/kWh): 30.0000" in said["retailer"] and "gridFee" not in said["retailer"]
    assert "gridFee (ct/kWh): 7.0000" in said["dso"] and "supply" not in said["dso"]
    assert "vat (%): 19.00" in said["registrar"]
    found = noun_of(Tariff, file.read_text())
    assert found == due
    keys = {ChainRole.DSO: DSO, ChainRole.REGISTRAR: REGISTRAR}
    TermSigning(DOMAIN, lambda address, role, area: address == to_hex(keys[role].address)).check(found)


def test_sign_term__household_and_its_meter__are_signed_by_account_and_dso(tmp_path: Path) -> None:
    place, meter_file = tmp_path / "household.json", tmp_path / "meter.json"
    stands = ("A", to_hex(HOUSE.address), "P1", 10_000, 5_000, 0)
    household = Participant("h1", ParticipantKind.HOUSEHOLD, *stands, UNSIGNED, UNSIGNED)
    meter = Meter("M1", "P1", bytes(32), "A", 0, UNSIGNED)
    place.write_text(unsigned(household))
    meter_file.write_text(unsigned(meter))

    said = sign(tmp_path, place, "account", HOUSE).output
    for file in (place, meter_file):
        sign(tmp_path, file, "dso", DSO, "--yes")

    assert "connectionExportW: 5000" in said and "point: P1" in said
    signing = TermSigning(DOMAIN, lambda address, role, area: (address, area) == (to_hex(DSO.address), "A"))
    signing.check(noun_of(Participant, place.read_text()))
    signing.check(noun_of(Meter, meter_file.read_text()))


def test_sign_term__retailer__is_admitted_by_the_dso(tmp_path: Path) -> None:
    file = tmp_path / "retailer.json"
    takes_part = ("A", to_hex(RETAILER.address), None, 0, 0, 0)
    file.write_text(unsigned(Participant("r", ParticipantKind.RETAILER, *takes_part, UNSIGNED, UNSIGNED)))

    assert sign(tmp_path, file, "account", RETAILER).exit_code == 0
    assert sign(tmp_path, file, "dso", DSO).exit_code == 0
    signing = TermSigning(DOMAIN, lambda address, role, area: (address, area) == (to_hex(DSO.address), "A"))
    signing.check(noun_of(Participant, file.read_text()))


def test_sign_term__for_somebody_else_or_not_agreed__leaves_the_file(tmp_path: Path) -> None:
    file = tmp_path / "agreement.json"
    file.write_text(unsigned(signed_agreement(HOUSE, RETAILER, domain=DOMAIN)))
    before = file.read_text()

    stranger = sign(tmp_path, file, "account", RETAILER)
    unasked = sign(tmp_path, file, "dso", DSO)
    refused = sign(tmp_path, file, "account", HOUSE, answer="n")

    assert "not-your-part" in stranger.output and stranger.exit_code != 0
    assert "does not sign this term" in unasked.output and unasked.exit_code == 2
    assert "not-confirmed" in refused.output
    assert file.read_text() == before


@pytest.mark.parametrize(("party", "key"), [("account", HOUSE), ("retailer", RETAILER)])
def test_sign_term__end__one_party_alone_signs_it(tmp_path: Path, party: str, key: SigningKey) -> None:
    file, parties = tmp_path / "end.json", (to_hex(HOUSE.address), to_hex(RETAILER.address))
    due = TermEnd(EndedTerm.AGREEMENT, "supply 1", "A", *parties, 1_627_584, None, None, None)
    file.write_text(unsigned(due))

    signed = sign(tmp_path, file, party, key)

    assert signed.exit_code == 0, signed.output
    assert "term: agreement" in signed.output and "name: supply 1" in signed.output
    assert "ends at: 2016-06-02T00:00:00Z, MTU 1627584" in signed.output
    found = noun_of(TermEnd, file.read_text())
    TermSigning(DOMAIN, lambda address, role, area: False).check(found)
    assert [getattr(found, f"{other}_signature") is None for other in ("account", "retailer")].count(True) == 1
