"""Mutants of contracts: where the changes are, that a run can be repeated, and what is said of those that survive."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest

from contracts.compile import sources, syntax_trees
from scripts.tools import mutants
from scripts.tools.mutants import Change, Log, Mutant, mutants_of

pytestmark = pytest.mark.unit

SOURCE = """// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

contract Till {
    // 5 < 6 in a comment ("größer") is not changed
    uint256 public sum = 7;
    event Paid(uint256 amount);
    error TillShut();

    modifier open() {
        if (sum == 0) revert TillShut();
        _;
    }

    function pay(uint256 amount, bool twice) external open {
        if (amount < 10 && !twice) revert TillShut();
        sum += twice ? amount * 2 : amount;
        emit Paid(amount);
    }
}
"""


def test_mutants_of__function__eachOperatorConditionNumberAndStatementOnce() -> None:
    changes = _changes()
    pay = {change.after for change in changes if change.place == "Till.sol:pay"}
    assert pay == {
        "function pay(uint256 amount, bool twice) external {",
        "if (amount <= 10 && !twice) revert TillShut();",
        "if (amount >= 10 && !twice) revert TillShut();",
        "if (amount < 11 && !twice) revert TillShut();",
        "if (amount < 10 || !twice) revert TillShut();",
        "if (amount < 10 && twice) revert TillShut();",
        "if (true) revert TillShut();",
        "if (false) revert TillShut();",
        "sum -= twice ? amount * 2 : amount;",
        "sum = twice ? amount * 2 : amount;",
        "sum += twice ? amount / 2 : amount;",
        "sum += twice ? amount * 3 : amount;",
        "sum += twice ? amount : amount * 2;",
        "0;",
    }
    assert {change.before for change in changes if change.after == "0;"} == {
        "sum += twice ? amount * 2 : amount;",
        "emit Paid(amount);",
    }


def test_mutants_of__outsideFunctions__nothingIsChanged() -> None:
    assert not {change.before for change in _changes() if "sum = 7" in change.before or "größer" in change.before}


def test_mutants_of__everyMutant__compiles() -> None:
    text = SOURCE.encode()
    found = mutants_of("src/Till.sol", text, _tree())
    syntax_trees({f"src/Till{i}.sol": mutant.applied(text).decode() for i, mutant in enumerate(found)})


def test_drawn__sameSeed__sameOrder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutants, "sources", lambda: {"src/Till.sol": SOURCE})
    monkeypatch.setattr(mutants, "syntax_trees", lambda: {"src/Till.sol": _tree()})
    assert mutants.drawn(1) == mutants.drawn(1)
    assert mutants.drawn(1) != mutants.drawn(2)
    assert set(mutants.drawn(1)) == set(mutants.drawn(2))


class _Workshop:
    """Lets every mutant survive but those of one function."""

    @classmethod
    def create(cls, folder: Path) -> _Workshop:
        return cls()

    def copied(self, folder: Path) -> _Workshop:
        return self

    def test(self, mutant: Mutant) -> mutants.Outcome:
        return "noticed" if mutant.function == "open" else "survived"


def test_tested__twoWorkshops__outcomesInTheOrderOfTheMutants() -> None:
    drawn = mutants_of("src/Till.sol", SOURCE.encode(), _tree())
    outcomes = list(mutants.tested(drawn, [_Workshop(), _Workshop()]))
    assert [mutant for mutant, _ in outcomes] == drawn
    assert {outcome for mutant, outcome in outcomes if mutant.function == "open"} == {"noticed"}
    assert {outcome for mutant, outcome in outcomes if mutant.function == "pay"} == {"survived"}


def test_found__stoppedAndBegunAgain__goesOnAfterWhatTheLogHas(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    log = Log(tmp_path / "out" / "mutants.jsonl")
    drawn = mutants_of("src/Till.sol", SOURCE.encode(), _tree())
    log.add(drawn[1], "same code")
    with (tmp_path / "out" / "mutants.jsonl").open("a") as file:
        file.write('{"of": "cut sh')
    _test_by_function(monkeypatch)

    first = dict(mutants.found(drawn[:3], log, at_once=2))

    assert first == {drawn[0]: "noticed", drawn[1]: "same code", drawn[2]: "noticed"}
    monkeypatch.setattr(mutants, "Workshop", None)  # nothing is built any more
    assert dict(mutants.found(drawn[:3], log, at_once=2)) == first


def test_found__contractsChangedMeanwhile__logCountsForNothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    drawn = mutants_of("src/Till.sol", SOURCE.encode(), _tree())
    Log(tmp_path / "mutants.jsonl").add(drawn[0], "same code")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "Till.sol").write_text(SOURCE)
    monkeypatch.setattr(mutants, "SOURCES_FOLDER", tmp_path / "src")
    _test_by_function(monkeypatch)

    assert dict(mutants.found(drawn[:1], Log(tmp_path / "mutants.jsonl"), at_once=1)) == {drawn[0]: "noticed"}


def test_contractOf__partInAFolderOfItsOwn__isTheContractOfTheFolder() -> None:
    assert mutants.contract_of("src/Market.sol") == "Market"
    assert mutants.contract_of("src/accounts/AccountLines.sol") == "Accounts"


def test_explained__survivorsFile__namesLinesThatAreThere() -> None:
    lines = {" ".join(line.split()) for text in sources().values() for line in text.splitlines()}
    for entry in json.loads(mutants.SURVIVORS_FILE.read_text("utf-8")):
        assert entry["why"]
        assert entry["before"] in lines or any(entry["before"].startswith(line) for line in lines if line), entry


def _test_by_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutants, "Workshop", _Workshop)


@functools.cache
def _tree() -> mutants.Tree:
    return syntax_trees({"src/Till.sol": SOURCE})["src/Till.sol"]


def _changes() -> list[Change]:
    text = SOURCE.encode()
    return [mutant.lines(text) for mutant in mutants_of("src/Till.sol", text, _tree())]
