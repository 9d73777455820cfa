"""What all commands share: where state lives, how results and errors are printed, which exit status means what."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from domain.errors import DominoesError
from domain.hashing import from_hex
from wallet_api.fields import plain_address

EXIT_FAILED = 1
"""Exit status of work that was begun on good input and did not come about."""

EXIT_USAGE = 2
"""Exit status for input that can't be used."""

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_STATE = Path("state")
"""Where `dominoes up` keeps its run, below the folder it is called in."""


def is_checkout(root: Path = ROOT) -> bool:
    """Whether this runs from the sources, and not from an installed package, which brings the contracts compiled."""
    return (root / "pyproject.toml").exists()


def _cache() -> Path:
    """The checkout's own cache, or where this system keeps caches if the package is installed."""
    if is_checkout():
        return ROOT / ".cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dominoes"


CACHE = _cache() / "grids"
"""Where grids and profiles are kept once they were read."""

StateOption = Annotated[Path, typer.Option("--state", help="State folder of the run.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]

MaybeConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Settings file (TOML); else environment and defaults.")
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="One setting, as api.port=8443; outweighs file and environment.")
]

ADDRESS_BYTES = 20
"""Length of an address."""

PIPED_COLUMNS = 200
"""Width of what is printed where no terminal says its own: a table cut down to 80 columns tells a file nothing."""

console = Console(width=None if sys.stdout.isatty() else PIPED_COLUMNS)
errors = Console(stderr=True)

_P = ParamSpec("_P")
_R = TypeVar("_R")


def plain(text: object) -> str:
    """Text of anybody's, safe to print in one line: markup and control codes of a terminal, and letters that turn the
    writing direction, are escaped."""
    letters = (letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in str(text))
    return escape("".join(letters))


class FileUnusable(DominoesError):
    """A file that a command was given can't be read or written."""

    code = "file-unusable"

    def __init__(self, *, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path}: {reason}; give another one, or mend this one")


def guarded(command: Callable[_P, _R]) -> Callable[_P, _R]:
    """Turn every anticipated error into one line on standard error and exit status 2."""

    @functools.wraps(command)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return command(*args, **kwargs)
        except DominoesError as error:
            _say(error)
            raise typer.Exit(EXIT_USAGE) from error
        except OSError as error:
            if error.filename is None:
                raise
            _say(FileUnusable(path=str(error.filename), reason=error.strerror or type(error).__name__))
            raise typer.Exit(EXIT_USAGE) from error

    return run


def hex_of(text: str, *, size: int, what: str) -> bytes:
    """So many bytes of 0x hex that somebody typed. Raises BadParameter."""
    try:
        if len(data := from_hex(text)) == size:
            return data
    except ValueError:
        pass
    raise typer.BadParameter(f"{plain(repr(text))} is no {what}: 0x and {2 * size} hex digits")


def address_of(text: str) -> bytes:
    """An address that somebody typed, in lower case or with EIP-55's checksum, which must be right. Raises
    BadParameter."""
    found = hex_of(text, size=ADDRESS_BYTES, what="address")
    try:
        plain_address(text)
    except ValueError as error:
        raise typer.BadParameter(f"{plain(repr(text))} {error}") from error
    return found


@contextmanager
def work() -> Iterator[None]:
    """Errors inside are failures of the work, not of what was asked for: one line, exit status EXIT_FAILED."""
    try:
        yield
    except DominoesError as error:
        _say(error)
        raise typer.Exit(EXIT_FAILED) from error


def _say(error: DominoesError) -> None:
    for line in str(error).split("\n"):  # settings may have several faults: each gets a line of its own
        errors.print(f"[red]{error.code}[/red]: {plain(line)}", highlight=False, soft_wrap=True)


def show(value: Mapping[str, Any], *, as_json: bool, title: str | None = None) -> None:
    """Print a result: JSON where asked for, else a two-column table."""
    if as_json:
        json.dump(value, sys.stdout, indent=1, default=str)
        sys.stdout.write("\n")
        return
    table = Table(title=title, show_header=False, box=None, title_justify="left")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")  # an address that is cut off is of no use
    for name, text in _rows(value):
        table.add_row(name, text)
    console.print(table)


def _rows(value: Mapping[str, Any], indent: str = "") -> Iterator[tuple[str, str]]:
    """Name and text of each member; those of a nested object follow it, indented."""
    for name, item in value.items():
        label = f"{indent}[bold]{plain(name)}[/bold]"
        if isinstance(item, Mapping):
            yield label, ""
            yield from _rows(item, indent + "  ")
        elif isinstance(item, (list, tuple)):
            yield label, plain(", ".join(str(one) for one in item)) or "none"
        else:
            yield label, plain(item)


def show_rows(rows: list[dict[str, Any]], *, as_json: bool, title: str) -> None:
    """Print a list: JSON where asked for, else a table with the members of the first row as columns."""
    if as_json or not rows:
        show({"items": rows}, as_json=as_json, title=title)
        return
    table = Table(*rows[0], title=title, title_justify="left")
    for row in rows:
        table.add_row(*("" if item is None else plain(item) for item in row.values()))
    console.print(table)


def progress_bars() -> Progress:
    """Bars for long work; silent where standard error is no terminal."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=errors,
        disable=not errors.is_terminal,
    )


class Bars:
    """Named progress bars that appear when they are first heard of."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, Any] = {}

    def __call__(self, what: str, done: int, of: int) -> None:
        """Say how far `what` is."""
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=of)
        self._progress.update(self._tasks[what], completed=done, total=of)
        if not errors.is_terminal and done == of:
            errors.print(f"{what}: {done} of {of}", highlight=False)
