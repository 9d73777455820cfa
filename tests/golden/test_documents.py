"""What the pages list is what there is: shapes, members, kinds and events, each in one place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from contracts.artifacts import ARTIFACTS_FOLDER, CONTRACT_NAMES
from domain.eip712 import CONTRACT_OF, SHAPES
from domain.facts import FACTS
from domain.lines import KINDS, VAT
from scripts.tools.golden_day import FOLDER
from scripts.tools.golden_day.registry import GRID
from verifier import anchors, lines

pytestmark = pytest.mark.golden

DOCS = Path(__file__).parents[2] / "docs"
PROTOCOL = (DOCS / "protocol.md").read_text("utf-8")
EVIDENCE = (DOCS / "evidence.md").read_text("utf-8")
CHAPTER = {int(text.split(".")[0]): text for text in PROTOCOL.split("\n## ")[1:]}
"""Chapters of protocol.md by number."""

HASHES = ("root", "hash", "head")
"""How the names of hashes end that events carry."""


def day(name: str) -> Any:
    """A file of the golden day."""
    return json.loads((FOLDER / name).read_text("utf-8"))


def braced(text: str, begin: str) -> set[str]:
    """The members named in quotes in the first pair of braces behind `begin`."""
    rest = text[text.index(begin) + len(begin) :]
    start = rest.index("{")
    depth = 0
    for at, letter in enumerate(rest[start:], start):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if not depth:
            return set(re.findall(r'"([A-Za-z_]+)"', rest[start : at + 1]))
    raise AssertionError(f"no object behind {begin!r}")


def ticked(text: str) -> list[str]:
    """The names in ticks."""
    return re.findall(r"`([a-z_]+)`", text)


def test_protocol__its_shapes__are_those_that_are_signed() -> None:
    block = CHAPTER[2].split("```text\n")[1].split("```")[0]
    told = [re.sub(r",\s+", ",", text) for text in re.findall(r"\w+\([^)]*\)", block)]

    assert sorted(told) == sorted(shape.type_string for shape in SHAPES.values())
    assert dict(re.findall(r"^- \*\*(\w+)\*\* \((\w+)", CHAPTER[2], re.MULTILINE)) == CONTRACT_OF


def test_protocol__contracts__are_those_deployed_and_evidence_refers_to_them() -> None:
    named = re.findall(r"`([A-Z][a-z]+)`", CHAPTER[7].split("`contracts/src/interfaces/`")[0])

    assert sorted(named) == sorted(CONTRACT_NAMES)
    assert "names of protocol.md section 7" in EVIDENCE


def hashes_of(inputs: list[Any]) -> Iterator[str]:
    """The hashes that an event carries, also those within structs."""
    for item in inputs:
        if item["type"].startswith("tuple"):
            yield from hashes_of(item["components"])
        elif item["type"] == "bytes32" and item["name"].lower().endswith(HASHES):
            yield item["name"]


def test_protocol__events_that_carry_hashes__are_those_of_the_abis() -> None:
    told: dict[str, set[str]] = {}
    for event, names in re.findall(r"^\| `(\w+\.\w+)` \| (.*) \|$", CHAPTER[7], re.MULTILINE):
        told.setdefault(event, set()).update(re.findall(r"`(\w+)`", names))
    carried = {}
    for name in CONTRACT_NAMES:
        abi = json.loads((ARTIFACTS_FOLDER / f"{name}.json").read_text("utf-8"))["abi"]
        for event in (item for item in abi if item["type"] == "event"):
            if found := set(hashes_of(event["inputs"])):
                carried[f"{name}.{event['name']}"] = found

    assert told == carried
    assert not any("book" in name.lower() for names in carried.values() for name in names - {"booksRoot"})


def test_protocol__members_of_the_report__are_those_of_a_report() -> None:
    report = day("4_programs.json")[0]["report"]
    table = CHAPTER[3].split("| member | what it says |")[1].split("\n\n")[0]
    told = [name for row in re.findall(r"^ *\| (`.*?) \|", table, re.MULTILINE) for name in ticked(row)]
    limits = [limit for item in report["mtus"] for limit in (*item["findings"], *item["binding"])]

    assert braced(CHAPTER[3], "The *report* of a program") == report.keys() | {"reason", "mtu"}
    assert sorted(told) == sorted(report["mtus"][0])
    assert {*braced(CHAPTER[3], "A limit is ")} == {*limits[0]}


def test_protocol__members_of_readings_and_messages__are_those_of_both() -> None:
    readings = day("5_readings.json")
    reading = readings["attestations"][0]["readings"][0]["reading"]

    assert braced(CHAPTER[4], "As JSON a *reading* is") == reading.keys()
    told = braced(CHAPTER[4], "payload canonical JSON") - {"readings"}
    assert told == {*readings["messages"][0]["readings"][0], "meter"}


def test_protocol__members_of_the_grid_model__are_those_of_one() -> None:
    model = json.loads(GRID.to_json())
    heads = {"buses": "a bus", "lines": "a line", "transformers": "a transformer", "points": "a point"}

    assert braced(CHAPTER[9], "canonical form") == model.keys()
    for name, head in heads.items():
        bullet = CHAPTER[9].split(f"- {head}: ")[1].split("\n- ")[0]
        assert sorted(ticked(bullet)) == sorted(model[name][0]), name


def test_protocol__kinds_of_lines__are_those_there_are_in_their_order() -> None:
    bullets = CHAPTER[8].split("All products are exact.")[1].split("The retailer stands")[0]
    told = re.findall(r"^- `(\w+)`", bullets, re.MULTILINE)

    assert told == [*(kind.name for kind in KINDS), VAT]
    for kind, bullet in zip(KINDS, re.split(r"^- ", bullets, flags=re.MULTILINE)[1:], strict=False):
        text = " ".join(bullet.split())
        assert f"account {'+' if kind.sign > 0 else '−'}" in text, kind.name
        assert kind.price is None or f"`{kind.price.removesuffix('_neur_per_wh')}`" in text, kind.name


def test_evidence__members_of_statements__are_those_of_the_golden_day() -> None:
    statements = [row["statement"] for item in day("6_settlements.json") for row in item["statements"]]
    shown = [line for statement in statements for line in statement["lines"]]
    opens = [item for statement in statements for item in statement["opens"]]
    place = EVIDENCE.split("## 5. Recomputing")[1].split("\n## ")[0]
    line_bullet = place.split("- line: ")[1].split("\n- ")[0]
    told = {*re.findall(r'"([a-z_]+)"', line_bullet)} - {VAT}

    assert braced(place, "Statement: `") == statements[0].keys()
    assert told == {name for line in shown for name in line}
    assert braced(place, "- `opens`") == {name for item in opens for name in item}


def test_evidence__kinds_of_entries__each_have_what_makes_them_true() -> None:
    place = EVIDENCE.split("## 3. Auditor bundle")[1].split("\n**Program.**")[0]
    heads = [text.split(", ", 1) for text in re.findall(r"^- ([^:]*):", place.replace("\n  ", " "), re.MULTILINE)]
    told = {name for head in heads for name in re.findall(r"`([a-z]+\.[a-z]+)`", ", ".join(head))}

    excused = {"erasure.done", "block.mined", "chain.rewound"}
    assert told | excused == {kind for kind in FACTS if not kind.startswith("test.")}


def test_evidence__rules_with_versions__are_those_there_are() -> None:
    place = EVIDENCE.split("### Rules have versions")[1].split("\n### ")[0]

    told = {
        (rule, kind)
        for rule, kinds in re.findall(r"^\| `(\w+)` \| .*? \| (.*) \|$", place, re.MULTILINE)
        for kind in re.findall(r"`(\S+)`", kinds)
    }

    versioned = {kind: get_type_hints(cls)["rules"] for kind, cls in FACTS.items() if "rules" in get_type_hints(cls)}
    assert told == {(item.name, kind) for kind, rules in versioned.items() for item in fields(rules)}


BUNDLES: tuple[tuple[int, str, tuple[type[Any], ...]], ...] = (
    (4, "- `programs.jsonl`", (lines.ProgramLine, lines.ShownResult)),
    (4, "- `attestations.jsonl`", (lines.AttestationLine,)),
    (4, "- `settlements.jsonl`", (lines.SettlementLine,)),
    (6, "- `account.json`", (lines.Account,)),
    (6, "- `orders.jsonl`", (lines.OwnOrder, lines.OwnKey)),
    (6, "}` or", (lines.OwnCancel, lines.CancelMembers)),
    (6, "Mandates stand among them", (lines.OwnMandate,)),
    (6, "as their ends do", (lines.OwnRevocation, lines.RevocationMembers)),
    (6, "- `programs.jsonl`", (lines.OwnProgram,)),
    (6, "- `results.jsonl`", (lines.OwnResult,)),
    (6, "- `readings.jsonl`", (lines.OwnReading,)),
    (6, "`messages.jsonl`", (lines.OwnMessage,)),
    (6, "- `statements.jsonl`", (lines.OwnStatement,)),
)
"""Where evidence.md gives a form of a bundle, and as what the verifier reads it."""


@pytest.mark.parametrize(("chapter", "begin", "classes"), BUNDLES, ids=[classes[0].__name__ for *_, classes in BUNDLES])
def test_evidence__members_of_bundles__are_those_that_the_verifier_reads(
    chapter: int, begin: str, classes: tuple[type[Any], ...]
) -> None:
    place = next(text for text in EVIDENCE.split("\n## ") if text.startswith(f"{chapter}. "))
    read = {item.metadata.get("name", item.name) for cls in classes for item in fields(cls)}

    assert braced(" ".join(place.split()), begin) == read


def test_evidence__members_of_trust_anchors__are_those_that_the_verifier_reads() -> None:
    place = next(text for text in EVIDENCE.split("\n## ") if text.startswith("7. "))
    classes = (anchors.Anchors, anchors.AnchoredContract, anchors.AnchoredRoles, anchors.AnchoredArea)
    more = (anchors.AnchoredAccounts, anchors.Checkpoint)
    read = {item.name for cls in (*classes, *more) for item in fields(cls)}
    optional = {item.name for item in fields(anchors.Anchors) if item.default is not MISSING}

    told = braced(place, "every bundle)")
    assert told == read - optional
    assert optional == {name for name in optional if f'"{name}"' in place}


ONE_PLACE: Mapping[str, str] = {
    '"envelopes_hash"': "protocol.md",
    '"import_register_wh"': "protocol.md",
    '"settled_before_neur"': "evidence.md",
    '"base_neur"': "evidence.md",
    '"dominoes-grid-1"': "protocol.md",
    '"dominoes-report/2"': "protocol.md",
}
"""Members by which a form is known, and the page that defines it."""


@pytest.mark.parametrize("member", ONE_PLACE)
def test_pages__each_form__is_defined_once(member: str) -> None:
    pages = {"protocol.md": PROTOCOL, "evidence.md": EVIDENCE}

    assert {name: text.count(member) for name, text in pages.items() if member in text} == {ONE_PLACE[member]: 1}
