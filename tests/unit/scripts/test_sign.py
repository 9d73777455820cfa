"""The DSO's desk: what it signs, what it refuses to sign, and what a program that reads it gets."""

from __future__ import annotations

import json
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from clearing.auction import TIES_RULE
from clearing.inspection import Pinned
from clearing.program import MtuBook
from clearing.validation import validate_program
from domain.eip712 import PROGRAM, REFUSAL, Domain
from domain.hashing import hash_json, text_id, to_hex
from domain.merkle import places_root
from domain.mtu import MtuRange
from domain.signing import SigningKey, recover
from domain.words import book_hash, result_hash
from grid.model import Bus, GridModel, Line, Point, Transformer
from grid.powerflow import PowerFlow
from scripts.cli import sign
from scripts.cli.main import app
from scripts.serving.api_client import HandedIn
from scripts.serving.verifier_process import WRONG

pytestmark = pytest.mark.unit

SESSION = 890_000
MARKET, FIRST_MTU, DEADLINE = "street/DA", 1_000, 1_500_000
SIGNED_OF_A_REFUSAL = ("market", "session", "firstMtu", "count", "resultsRoot")
DOMAIN = Domain(chain_id=31337, verifying_contract=b"\x11" * 20)
DSO = SigningKey.generate()
STREET = GridModel(
    code="street",
    source_bus="mv",
    source_micro_pu=1_025_000,
    buses=(Bus("mv", 20_000), Bus("near", 400), Bus("far", 400)),
    lines=(Line("cable", "near", "far", 100_000_000, 40_000_000, 0, 140_000),),
    transformers=(Transformer("trafo", "mv", "near", 20_000, 400, 50_000, 60_000, 600_000, 3_000, 200_000, 5),),
    points=(Point("P0", "near", 30_000, 60_000),),
)


def quiet_program(policy_hash: bytes | None = None) -> dict[str, Any]:
    """One MTU in which one house draws a little and nobody trades, as the API shows it."""
    result = validate_program(
        books=[MtuBook.from_orders([])],
        schedules_wh=np.array([[300]]),
        power_flow=PowerFlow(STREET),
        first_mtu=FIRST_MTU,
        lot_wh=10,
        policy_hash=policy_hash,
    )
    hashed = result_hash(market=text_id(MARKET), session=SESSION, mtu=FIRST_MTU, price_neur_per_wh=None, words=[])
    book = book_hash(market=text_id(MARKET), session=SESSION, mtu=FIRST_MTU, words=[])
    shown: dict[str, Any] = {
        "market": MARKET,
        "session": SESSION,
        "emptied_mask": f"0x{0:032x}",
        "first_mtu": FIRST_MTU,
        "count": 1,
        "results": [
            {
                "mtu": FIRST_MTU,
                "starts": "1970-01-11T10:00:00Z",
                "price_neur_per_wh": None,
                "words": [],
                "result_hash": to_hex(hashed),
                "given_up": False,
            }
        ],
        "envelopes": [],
        "schedules": {"P0": [300]},
        "earlier": [],
        "rules": {"ties": TIES_RULE, "forecast": 1},
        "report": dict(result.report),
        "report_hash": to_hex(result.report_hash),
        "books_root": to_hex(places_root([book])),
        "results_root": to_hex(places_root([hashed])),
        "grid_model_hash": to_hex(STREET.grid_model_hash),
        "deadline": DEADLINE,
        "deadline_utc": "2070-01-18T08:40:00Z",
    }
    return shown | {"to_sign": {"digest": to_hex(DOMAIN.digest(PROGRAM, values_of(shown)))}}


def values_of(shown: dict[str, Any]) -> dict[str, Any]:
    return {
        "market": text_id(shown["market"]),
        "session": SESSION,
        "tradedMask": 0,
        "emptiedMask": 0,
        "firstMtu": FIRST_MTU,
        "count": 1,
        "booksRoot": bytes.fromhex(shown["books_root"][2:]),
        "resultsRoot": bytes.fromhex(shown["results_root"][2:]),
        "gridModelHash": STREET.grid_model_hash,
        "reportHash": hash_json(shown["report"]),
        "deadline": DEADLINE,
    }


class Operator:
    """Answers as the API does, and keeps what is posted."""

    def __init__(self) -> None:
        self.shown = quiet_program()
        self.posted: list[dict[str, Any]] = []
        self.recorded_before = False

    def get(self, path: str, **_: Any) -> dict[str, Any]:
        return {"items": []} if path.endswith("/orders") else self.shown

    def hand_in(self, path: str, body: dict[str, Any]) -> HandedIn:
        self.posted.append(body)
        return HandedIn(answer={"sequence": 7}, repeated=self.recorded_before)


class DeskOfStreet:
    markets = (MARKET,)

    def pinned(self, market: str, first_mtu: int, session: int) -> Pinned:
        return Pinned(DOMAIN, STREET, MARKET, SESSION, 10, MtuRange(first=FIRST_MTU, count=1), DEADLINE)


@pytest.fixture
def operator(monkeypatch: pytest.MonkeyPatch) -> Operator:
    found = Operator()
    at = SimpleNamespace(desk=DeskOfStreet(), key=DSO, client=found)
    monkeypatch.setattr(sign, "_at_desk", lambda **_: nullcontext(at))
    return found


def dominoes(*arguments: str, answer: str | None = None) -> Any:
    return CliRunner().invoke(app, ["sign", "program", str(SESSION), "--market", MARKET, *arguments], input=answer)


def test_sign__honest_program__signs_what_its_content_gives(operator: Operator) -> None:
    done = dominoes("--yes")

    assert done.exit_code == 0, done.output
    signature = bytes.fromhex(operator.posted[0]["signature"][2:])
    assert recover(DOMAIN.digest(PROGRAM, values_of(operator.shown)), signature) == DSO.address
    assert "trafo" in done.stdout and "highest voltage" in done.stdout
    assert "sign until: 1970-01-18T08:40:00Z" in done.stdout  # of what is signed, not as the operator puts it
    assert "repeated  False" in done.stdout and "recorded before" not in done.stdout


def test_sign__verdict_given_before__says_that_nothing_changed(operator: Operator) -> None:
    operator.recorded_before = True

    done = dominoes("--yes")

    assert done.exit_code == 0, done.output
    assert "recorded before; nothing changed" in done.stdout


def test_sign__content_not_of_the_form__exits_wrong_and_can_be_refused(operator: Operator) -> None:
    operator.shown["envelopes"] = "[bold]none[/bold]"
    refused = {name: values_of(operator.shown)[name] for name in SIGNED_OF_A_REFUSAL}
    digest = DOMAIN.digest(REFUSAL, {**refused, "reason": "unreadable"})
    operator.shown["to_refuse"] = {"digest": to_hex(digest)}

    signed, refusal = dominoes("--yes"), dominoes("--yes", "--refuse", "unreadable")

    assert signed.exit_code == WRONG and "form of the program" in signed.stderr
    assert refusal.exit_code == 0 and "form of the program" in refusal.stderr
    assert [body["reason"] for body in operator.posted] == ["unreadable"]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"to_sign": {"digest": "0x" + "ab" * 32}}, "digest"),
        ({"deadline": DEADLINE + 1}, "deadline"),
        ({"books_root": "0x" + "ab" * 32}, "books root"),
        ({"schedules": {"P0": [301]}}, "schedules hash"),
    ],
)
def test_sign__tampered_program__exits_wrong_and_signs_nothing(
    operator: Operator, changes: dict[str, Any], named: str
) -> None:
    operator.shown |= changes

    done = dominoes("--yes", "--json")

    assert (done.exit_code, operator.posted, done.stdout) == (WRONG, [], "")
    assert named in done.stderr


def test_sign__tampered_program_refused__signs_the_refusal_alone(operator: Operator) -> None:
    operator.shown["report_hash"] = "0x" + "00" * 32
    refused = {name: values_of(operator.shown)[name] for name in SIGNED_OF_A_REFUSAL}
    digest = DOMAIN.digest(REFUSAL, {**refused, "reason": "works"})
    operator.shown["to_refuse"] = {"digest": to_hex(digest)}

    done = dominoes("--yes", "--refuse", "works")

    assert done.exit_code == 0, done.output
    assert operator.posted[0]["reason"] == "works"
    assert recover(digest, bytes.fromhex(operator.posted[0]["signature"][2:])) == DSO.address


def test_sign__json__is_one_document_with_the_question_beside_it(operator: Operator) -> None:
    done = dominoes("--json", answer="y\n")

    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"sequence": 7, "repeated": False}
    assert "sign this?" in done.stderr


def test_sign__question_declined__nothing_is_signed(operator: Operator) -> None:
    done = dominoes(answer="n\n")

    assert done.exit_code == 2 and operator.posted == []
