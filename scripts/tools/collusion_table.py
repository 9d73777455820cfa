"""Write the README's table of who must collude for what, from the frauds that tests declare and play.

The declarations are `tests/collusion/deeds`; tests/functional/test_collusion.py plays each on a real day.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import fill

from tests.collusion.coalitions import Coalition
from tests.collusion.declared import FRAUDS
from tests.collusion.frauds import Ends, Fraud, Kind

DOCUMENT = Path(__file__).resolve().parents[2] / "README.md"
"""The page that holds the table, between its markers."""

BEGIN, END = "<!-- made by `make collusion` -->\n", "<!-- end of what is made -->\n"
WIDTH = 100
"""Columns of a line."""

COLUMNS = {
    "operator": (Coalition.OPERATOR,),
    "+ m−1 att.": (Coalition.FEW_ATTESTERS,),
    "+ m att.": (Coalition.ATTESTERS,),
    "+ DSO": (Coalition.DSO,),
    "+ retailer": (Coalition.RETAILER,),
    "+ other": (Coalition.HOUSEHOLD, Coalition.AGENT, Coalition.TREASURER, Coalition.REGISTRAR),
}
"""Columns of the table; the last one holds a household, an agent, the treasurer and the registrar, each by itself."""

LETTERS = {
    Ends.FOUND: "F",
    Ends.REFUSED: "C",
    Ends.RECEIPT: "R",
    Ends.IN_PART: "O",
    Ends.TOLD: "O",
    Ends.POSSIBLE: "P",
}

LEGEND = (
    "**F** the verifier finds it · **C** the contracts refuse it · **R** who holds the receipt proves it · **O** the"
    " verdict says what it leaves open · **P** possible, see below; and how many were played"
)


def rendered() -> str:
    """The table as text, the same for the same declarations."""
    rows = [["tried", *COLUMNS], ["---"] * (1 + len(COLUMNS)), *(_row(kind) for kind in Kind)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return "\n\n".join((table, fill(LEGEND, WIDTH), "\n".join(_possible()))) + "\n"


def _row(kind: Kind) -> list[str]:
    mine = [fraud for fraud in FRAUDS if fraud.kind is kind]
    cells = (_cell(fraud for fraud in mine if fraud.by in coalitions) for coalitions in COLUMNS.values())
    return [kind.value, *cells]


def _cell(frauds: Iterable[Fraud]) -> str:
    letters = [LETTERS[fraud.end.ends] for fraud in frauds]
    return (
        " ".join(f"{letter}{letters.count(letter)}" for letter in dict.fromkeys(LETTERS.values()) if letter in letters)
        or "·"
    )


def _possible() -> Iterator[str]:
    """What stays possible, by who must be in it."""
    yield "What stays possible, for it is that party's word and nobody can know better:"
    for coalition in Coalition:
        mine = [fraud for fraud in FRAUDS if fraud.by is coalition and fraud.end.ends is Ends.POSSIBLE]
        told = "; ".join(dict.fromkeys(fraud.end.words for fraud in mine))
        if told:
            yield fill(f"- {coalition.value}: {told}.", WIDTH, subsequent_indent="  ")


def page(text: str) -> str:
    """The page with the table as it is now."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{DOCUMENT} lacks the markers of the table")
    return f"{before}{BEGIN}\n{rendered()}\n{END}{after}"


def main() -> int:
    """Rewrite the table."""
    DOCUMENT.write_text(page(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"{DOCUMENT}: {len(FRAUDS)} frauds")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
