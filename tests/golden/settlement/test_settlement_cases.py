"""Settlement cases as data: the sums done by hand against what `settle` gives."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domain.hashing import from_hex, to_hex
from domain.parties import ParticipantKind
from domain.periods import Period
from domain.signed_terms import UNSIGNED
from domain.terms import Agreement, Tariff
from domain.words import Side
from settling.inputs import CapsInForce, Inputs, Metered, Party, Trade
from settling.settlement import Settled, settle
from tests.terms import UNSIGNED_TARIFF
from wallet_api.schemas.own import Statement as Shown

pytestmark = pytest.mark.golden

CASES = sorted(path.parent for path in Path(__file__).parent.glob("*/input.json"))


def load(case: Path) -> Inputs:
    """The values of a case's input.json."""
    data = json.loads((case / "input.json").read_text())
    unsigned = {"account_signature": UNSIGNED, "retailer_signature": UNSIGNED}
    return Inputs(
        period=Period(**data["period"]),
        revision=data["revision"],
        parties=tuple(
            Party(from_hex(item["account"]), ParticipantKind(item["kind"]), item["point"]) for item in data["parties"]
        ),
        tariffs=tuple(Tariff(**item, **UNSIGNED_TARIFF) for item in data["tariffs"]),
        agreements=tuple(Agreement(**item, **unsigned) for item in data["agreements"]),
        trades=tuple(
            Trade(
                **{
                    **item,
                    "account": from_hex(item["account"]),
                    "side": Side(item["side"]),
                    "tag": from_hex(item["tag"]),
                }
            )
            for item in data["trades"]
        ),
        metered=tuple(
            Metered(**{**item, "readings": tuple(map(from_hex, item["readings"]))}) for item in data["metered"]
        ),
        limits=tuple(CapsInForce(**item) for item in data["limits"]),
        settled_before_neur={from_hex(account): int(amount) for account, amount in data["settled_before_neur"].items()},
    )


def summary(settled: Settled) -> dict[str, Any]:
    """What expected.json holds."""
    lines = {
        to_hex(account): [
            f"{line.get('mtu', '-')} {line['kind']} {line.get('energy_wh', '-')} {line['amount_neur']}"
            for line in statement.as_json()["lines"]
        ]
        for account, statement in settled.statements.items()
    }
    return {
        "amount_neur": {to_hex(key): str(statement.amount_neur) for key, statement in settled.statements.items()},
        "due_neur": {to_hex(key): str(due) for key, due in settled.due_neur().items()},
        "lines": lines,
        "words": [f"0x{word:064x}" for word in settled.words],
        "tariff_hash": to_hex(settled.tariff_hash),
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_settle__case_of_data__gives_the_sums_done_by_hand(case: Path) -> None:
    settled = settle(load(case))

    assert summary(settled) == json.loads((case / "expected.json").read_text())


def test_settle__two_sessions_of_one_market_instead_of_two_markets__the_same_sums() -> None:
    case = next(case for case in CASES if case.name == "two_markets")
    inputs = load(case)
    trades = tuple(replace(trade, market="golden/DA") for trade in inputs.trades)
    assert len({trade.session for trade in trades}) == 2 and trades != inputs.trades

    settled = settle(replace(inputs, trades=trades))

    assert summary(settled) == json.loads((case / "expected.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_statements__of_every_kind_of_account__are_as_the_api_describes_them(case: Path) -> None:
    settled = settle(load(case))

    for statement in settled.statements.values():
        Shown.model_validate_json(json.dumps(statement.as_json()), strict=True)
