"""What a DSO's desk signs without asking anybody: what its published policy allows, and nothing beyond it."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from clearing.inspection import Pinned
from domain.eip712 import PROGRAM, REFUSAL
from domain.hashing import to_hex
from domain.members import noun_json, noun_of
from domain.mtu import MtuRange
from domain.policies import SigningPolicy
from domain.signing import recover
from scripts.cli import sign
from scripts.cli.main import app
from scripts.serving.desk import Desk, PolicyUnusable, open_desk
from scripts.serving.embedded import run_desk
from scripts.serving.settings import DeskSection
from scripts.serving.verifier_process import WRONG
from tests.terms import signed_policy
from tests.unit.scripts import test_sign_term as terms
from tests.unit.scripts.test_sign import (
    DEADLINE,
    DOMAIN,
    DSO,
    FIRST_MTU,
    MARKET,
    SESSION,
    SIGNED_OF_A_REFUSAL,
    STREET,
    Operator,
    quiet_program,
    values_of,
)

pytestmark = pytest.mark.unit


class PolicyOperator(Operator):
    """Answers with a program that names a policy, and lists it as waiting."""

    def __init__(self, policy: SigningPolicy | None) -> None:
        super().__init__()
        self.shown = quiet_program(None if policy is None else policy.policy_hash)

    def items(self, path: str) -> list[dict[str, Any]]:
        return [{"market": MARKET, "session": SESSION}]

    def get(self, path: str, reason: str = "", **_: Any) -> dict[str, Any]:
        values = {name: values_of(self.shown)[name] for name in SIGNED_OF_A_REFUSAL} | {"reason": reason}
        return super().get(path) | {"to_refuse": {"digest": to_hex(DOMAIN.digest(REFUSAL, values))}}


def at_desk(monkeypatch: pytest.MonkeyPatch, own: SigningPolicy | None, shown: SigningPolicy | None) -> PolicyOperator:
    """A desk that goes by its own policy, and an operator whose program names the one shown."""
    mtus = MtuRange(first=FIRST_MTU, count=1)
    pinned = Pinned(DOMAIN, STREET, MARKET, SESSION, 10, mtus, DEADLINE, own)
    desk = SimpleNamespace(markets=(MARKET,), pinned=lambda *_: pinned)
    operator = PolicyOperator(shown)
    at = SimpleNamespace(desk=desk, key=DSO, client=operator)
    monkeypatch.setattr(sign, "_at_desk", lambda **_: nullcontext(at))
    return operator


def allowed(**members: Any) -> SigningPolicy:
    """A policy for the street."""
    return signed_policy(DSO, domain=DOMAIN, **{"area": "street", "markets": (MARKET,)} | members)


def dominoes(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["sign", *arguments])


def test_sign_waiting__within_the_policy__is_signed_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    operator = at_desk(monkeypatch, allowed(), allowed())

    done = dominoes("waiting", "--json")

    assert done.exit_code == 0, done.output
    assert [row["verdict"] for row in json.loads(done.stdout)["decided"]] == ["signed"]
    signature = bytes.fromhex(operator.posted[0]["signature"][2:])
    assert recover(DOMAIN.digest(PROGRAM, values_of(operator.shown)), signature) == DSO.address


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"loading_highest_permille": 0}, "loading (1/1000) in MTU 1000"),
        ({"voltage_lowest_micro_pu": 1_099_999}, "voltage (1e-6 pu) in MTU 1000"),
        ({"markets": ("street/other",)}, "market: street/DA"),
        ({"forecast_rules": (2,)}, "version of the rule for forecasts: 1"),
        ({"count_most": 0}, "MTUs: 1, allowed at most 0"),
        ({"rounds_most": 0}, "clearings in MTU 1000"),
    ],
)
def test_sign_waiting__beyond_the_policy__is_refused_with_why(
    monkeypatch: pytest.MonkeyPatch, members: dict[str, Any], said: str
) -> None:
    strict = allowed(**members)
    operator = at_desk(monkeypatch, strict, strict)

    done = dominoes("waiting")

    assert done.exit_code == 0, done.output
    (posted,) = operator.posted
    assert said in posted["reason"]
    refused = {name: values_of(operator.shown)[name] for name in SIGNED_OF_A_REFUSAL} | {"reason": posted["reason"]}
    assert recover(DOMAIN.digest(REFUSAL, refused), bytes.fromhex(posted["signature"][2:])) == DSO.address


@pytest.mark.parametrize("own", [None, allowed(version=2)])
def test_sign_waiting__no_policy_or_another_one_named__is_left_for_a_person(
    monkeypatch: pytest.MonkeyPatch, own: SigningPolicy | None
) -> None:
    operator = at_desk(monkeypatch, own, None if own is None else allowed())

    done = dominoes("waiting", "--json")

    assert (done.exit_code, operator.posted) == (WRONG, [])
    assert json.loads(done.stdout)["decided"][0]["verdict"] == sign.LEFT


def test_sign_program__beyond_the_policy__no_person_signs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    strict = allowed(loading_highest_permille=0)
    operator = at_desk(monkeypatch, strict, strict)

    done = dominoes("program", str(SESSION), "--market", MARKET, "--yes")

    assert (done.exit_code, operator.posted) == (WRONG, [])
    assert "beyond-policy" in done.stderr and "loading" in done.stderr
    assert "loading" in dominoes("list").stdout


def test_sign_policy__a_version_in_words__is_signed_and_published(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    due, file = signed_policy(terms.DSO, domain=terms.DOMAIN), tmp_path / "policy.json"
    file.write_text(terms.unsigned(due))

    signed = terms.sign(tmp_path, file, "dso", terms.DSO)
    operator = at_desk(monkeypatch, None, None)
    published = dominoes("policy", str(file), "--state", str(tmp_path))

    assert signed.exit_code == published.exit_code == 0, signed.output + published.output
    assert "loading at most (1/1000 of the rating): 1000" in signed.output
    assert "markets that it signs for: TEST/DA" in signed.output
    assert "policyHash: 0x" in signed.output
    assert noun_of(SigningPolicy, file.read_text()) == due
    assert operator.posted == [noun_json(due)]
    assert run_desk.published(tmp_path, area=due.area) == (due,)


def test_open_desk__versions_of_its_policy__are_read_in_order_and_are_its_own(tmp_path: Path) -> None:
    (tmp_path / "grid.json").write_bytes(STREET.to_json())
    anchors = {
        "chain_id": 1,
        "contracts": {"Market": {"address": "0x" + "11" * 20}},
        "areas": {"street": {"grid_model_hash": to_hex(STREET.grid_model_hash)}},
    }
    (tmp_path / "anchors.json").write_text(json.dumps(anchors))
    files = []
    for version, first in ((2, 50), (1, 10)):
        files.append(tmp_path / f"policy-{version}.json")
        files[-1].write_text(json.dumps(noun_json(allowed(version=version, valid_from_mtu=first))))

    def desk(area: str) -> Desk:
        names = {"anchors": tmp_path / "anchors.json", "grid_model": tmp_path / "grid.json"}
        return open_desk(DeskSection(area=area, policies=tuple(files), **names))

    assert [item.version for item in desk("street").policies] == [1, 2]
    files[0].write_text(json.dumps(noun_json(allowed(area="elsewhere"))))
    with pytest.raises(PolicyUnusable):
        desk("street")
