"""Reading the folder: a CSV file for each kind of term, with the members as the API names them as columns.

`valid_from_mtu` may be written as a time. Signatures are no columns: they come apart (`signatures`). Every fault is
kept with its file and line, and a line with a fault hides no other line's.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from domain.errors import DominoesError
from domain.hashing import to_hex
from domain.members import first_fault, noun_of
from domain.mtu import mtu_from
from domain.parties import Meter, Participant
from domain.signed_terms import UNSIGNED
from domain.terms import Agreement, Tariff
from wallet_api.fields import plain_address

AreaTerm = Participant | Meter | Agreement | Tariff
"""What the files hold."""

_Term = TypeVar("_Term", bound=AreaTerm)

FILES: dict[str, type[AreaTerm]] = {
    "tariffs.csv": Tariff,
    "participants.csv": Participant,
    "agreements.csv": Agreement,
    "meters.csv": Meter,
}
"""Which file holds what, in the order in which the registry takes them."""

SIGNATURE_SUFFIX = "_signature"
AREA = "area"
ADDRESSES = ("account", "retailer")
MAYBE_EMPTY = ("point",)


class FolderUnusable(DominoesError):
    """A folder holds none of the files."""

    code = "folder-unusable"

    def __init__(self, *, folder: Path) -> None:
        self.folder = folder
        super().__init__(f"{folder} holds none of {', '.join(FILES)}; write at least one of them")


@dataclass(frozen=True, order=True)
class LineFault:
    """What is wrong on a line of a file (1 is the first, the names of the columns)."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


@dataclass(frozen=True)
class Row(Generic[_Term]):
    """A line and the term that it gives, which nobody has signed yet."""

    file: str
    line: int
    term: _Term

    def fault(self, text: str) -> LineFault:
        """Something that is wrong on this line."""
        return LineFault(self.file, self.line, text)


@dataclass
class AreaFolder:
    """All that the files hold, in the order of FILES, and what can't be read in them."""

    rows: list[Row[AreaTerm]] = field(default_factory=list)
    faults: list[LineFault] = field(default_factory=list)

    def of(self, kind: type[_Term]) -> list[Row[_Term]]:
        """The lines of one kind."""
        return [Row(row.file, row.line, row.term) for row in self.rows if isinstance(row.term, kind)]


def columns_of(kind: type[AreaTerm]) -> tuple[str, ...]:
    """The columns of a kind's file: its members but the signatures, and the area, which is that of the folder."""
    names = (each.name for each in fields(kind))
    return tuple(name for name in names if name != AREA and not name.endswith(SIGNATURE_SUFFIX))


def read_folder(folder: Path, *, area: str) -> AreaFolder:
    """Read all files of a folder for an area. Raises FolderUnusable where there is none."""
    found = AreaFolder()
    names = [name for name in FILES if (folder / name).is_file()]
    if not names:
        raise FolderUnusable(folder=folder)
    for name in names:
        for item in _read_file(folder / name, FILES[name], area):
            if isinstance(item, LineFault):
                found.faults.append(item)
            else:
                found.rows.append(item)
    return found


def _read_file(path: Path, kind: type[AreaTerm], area: str) -> Iterator[Row[AreaTerm] | LineFault]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            lines = csv.reader(file, delimiter=";" if ";" in first and "," not in first else ",", strict=True)
            yield from _read_lines(path.name, lines, kind, area)
    except UnicodeDecodeError:
        yield LineFault(path.name, 1, "is not UTF-8: save it as CSV in UTF-8")


def _read_lines(file: str, lines: Any, kind: type[AreaTerm], area: str) -> Iterator[Row[AreaTerm] | LineFault]:
    """The terms of a file, by the number of the line that each ends on; lines of empty cells are none."""
    try:
        heading = [name.strip() for name in next(lines, [])]
        if (fault := _heading_fault(heading, kind)) is not None:
            yield LineFault(file, 1, fault)
            return
        for cells in lines:
            if len(cells) != len(heading) and any(cells):
                yield LineFault(file, lines.line_num, f"has {len(cells)} cells, the first line names {len(heading)}")
            elif any(cells):
                yield _read_line(file, lines.line_num, dict(zip(heading, cells, strict=True)), kind, area)
    except csv.Error as error:
        yield LineFault(file, lines.line_num, f"is no CSV: {error}; what stands below was not read")


def _heading_fault(given: Any, kind: type[AreaTerm]) -> str | None:
    wanted = columns_of(kind)
    missing, unknown = sorted(set(wanted) - set(given)), sorted(set(given) - set(wanted))
    if missing or unknown or len(given) != len(set(given)):
        told = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"does not know {', '.join(unknown)}"] * bool(unknown)
        return f"names of columns: {'; '.join(told) or 'one comes twice'}; they are {', '.join(wanted)}"
    return None


def _read_line(
    file: str, line: int, cells: dict[str, str], kind: type[AreaTerm], area: str
) -> Row[AreaTerm] | LineFault:
    types = {each.name: str(each.type) for each in fields(kind)}
    body: dict[str, Any] = {name: to_hex(UNSIGNED) for name in types if name.endswith(SIGNATURE_SUFFIX)}
    if AREA in types:
        body[AREA] = area
    for name, text in cells.items():
        try:
            body[name] = _cell(name, text.strip(), types[name])
        except ValueError as error:
            return LineFault(file, line, f"{name} is {text!r}: {error}")
    try:
        return Row(file, line, noun_of(kind, json.dumps(body)))
    except ValidationError as error:
        where, what = first_fault(error)
        name = where[0] if where else "the line"
        return LineFault(file, line, f"{name} is {body.get(name)!r}: {what}")


WHOLE = re.compile(r"-?[0-9]{1,16}")
"""A whole number as people write it."""

TEXTS = ("Code", "Code | None", "Address", "Hash", "ParticipantKind")
"""Types of members that stand in a cell as they are; all others are whole numbers."""


def _cell(name: str, text: str, kind: str) -> Any:
    if name in MAYBE_EMPTY and not text:
        return None
    if name in ADDRESSES:
        return plain_address(text)
    if name == "valid_from_mtu":
        return mtu_from(text)
    if kind in TEXTS:
        return text
    if not WHOLE.fullmatch(text):
        raise ValueError("is no whole number")
    return int(text)
