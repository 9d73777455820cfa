"""Write docs/facts.md, the table of every kind of fact, from the classes in `domain/facts`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from dataclasses import fields
from enum import Enum
from functools import cache
from pathlib import Path
from textwrap import fill
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from domain.facts import FACTS, Fact, Subject
from domain.facts.chain import About
from domain.members import Says
from settling.package import Package

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "facts.md"
"""The document as it is kept with the sources."""

WIDTH = 100
"""Columns of a line of text; rows of tables may be longer."""

PLAIN = {str: "text", int: "whole number", bool: "true or false"}
"""How plain values are called."""

INTRODUCTION = """# Facts

The journal's kinds, one class each in `domain/facts`; this page is made from the classes by
`make facts`. A payload is the JSON object of its members, in canonical JSON (protocol.md). Reading
is strict: a member that is missing, unknown or of another type is refused, naming kind and member.
Bytes are lower-case 0x hex, `*_neur` decimal text, everything else JSON numbers or text.
"""


PACKAGES = """## Packages

What attesters are given of a proposed settlement (`GET /v1/attester/settlements/…`): one JSON
object, in canonical JSON where it is hashed. Terms are those on which money can rest for MTUs
before the period's end, each kind in order of registration, up to the proposal; sessions and
attestations stand in the chain's order, orders (one for every word) ascend by tag. Mandates are
those that orders name, revocations their ends, up to the proposal, each in order of recording.
"""


def rendered() -> str:
    """The document as text, the same for the same sources."""
    nested: dict[str, type[Any]] = {}
    parts = [INTRODUCTION]
    subject = ""
    ordered = sorted(_own_facts(), key=lambda cls: (cls.__module__, inspect.getsourcelines(cls)[1]))
    for cls in ordered:
        if cls.__module__ != subject:
            subject = cls.__module__
            parts.append(_heading(subject))
        parts.append(_kind(cls, nested))
    parts.append(PACKAGES)
    parts.append(_table(Package, nested))
    parts.append("## Members that are objects\n")
    shown: set[str] = set()
    while left := sorted(nested.keys() - shown):
        shown.add(left[0])
        parts.append(_object(nested[left[0]], nested))
    return "\n".join(parts)


def _own_facts() -> Iterator[type[Fact]]:
    return (cls for cls in FACTS.values() if cls.__module__.startswith("domain.facts."))


@cache
def _payload_of() -> dict[type[Any], str]:
    """The kind whose payload is the JSON object of a class."""
    flat = {get_type_hints(cls)[cls.FLAT]: cls.KIND for cls in _own_facts() if cls.FLAT}
    return {**flat, **{cls: cls.KIND for cls in _own_facts()}}


def _heading(module: str) -> str:
    text = _paragraph(inspect.getdoc(sys.modules[module]) or "")
    return f"## {module.rsplit('.', 1)[1].capitalize()}\n\n{text}"


def _kind(cls: type[Fact], nested: dict[str, type[Any]]) -> str:
    members = get_type_hints(cls, include_extras=True)[cls.FLAT] if cls.FLAT else cls
    return f"### `{cls.KIND}`\n\n{_paragraph(_doc(cls))}\n{_table(members, nested)}"


def _object(cls: type[Any], nested: dict[str, type[Any]]) -> str:
    return f"### {cls.__name__}\n\n{_paragraph(_doc(cls))}\n{_table(cls, nested)}"


def _doc(cls: type[Any]) -> str:
    return inspect.getdoc(cls) or ""


def _paragraph(text: str) -> str:
    blocks = [" ".join(block.split()) for block in text.split("\n\n") if not block.lstrip().startswith(">>>")]
    return "\n\n".join(fill(block, WIDTH, break_on_hyphens=False) for block in blocks) + "\n"


def _table(cls: type[Any], nested: dict[str, type[Any]]) -> str:
    hints = get_type_hints(cls, include_extras=True)
    rows = [f"| `{item.name}` | {_form(hints[item.name], nested)} |" for item in fields(cls)]
    return "\n".join(["| member | form |", "|---|---|", *rows, ""])


def _form(hint: Any, nested: dict[str, type[Any]]) -> str:
    """How a member is written, in a few words."""
    if hint in (About, Subject):
        nested[Subject.__name__] = Subject
        return "Subject"
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        said = [note.text for note in parts[1:] if isinstance(note, Says)]
        return said[0] if said else _form(parts[0], nested)
    if origin in (Union, UnionType):
        return " or ".join("null" if part is NoneType else _form(part, nested) for part in parts)
    if origin is tuple:
        return f"array of {_form(parts[0], nested)}"
    return _class_form(hint, nested)


def _class_form(cls: type[Any], nested: dict[str, type[Any]]) -> str:
    if issubclass(cls, Enum):
        return " / ".join(f"`{item.value}`" for item in cls)
    if cls in PLAIN:
        return PLAIN[cls]
    if cls in _payload_of():
        return f"payload of `{_payload_of()[cls]}`"
    nested[cls.__name__] = cls
    return cls.__name__


def main() -> None:
    """Rewrite the kept document."""
    DOCUMENT.write_text(rendered(), encoding="utf-8")
    print(f"wrote {DOCUMENT}")


if __name__ == "__main__":
    main()
