"""Which of the two ways clears a book: the model of record, or the numeric path that is proven equal to it."""

from __future__ import annotations

from collections.abc import Callable

from clearing.auction import clear
from clearing.book import Book, Clearing
from clearing.model_of_record import SolverRefused, clear_by_model
from grid.linear_program import SolverFailed
from grid.report import SolverFallback

MODEL_ORDERS_MAX = 2_048
"""Books up to this size (one page) are cleared by the model of record, larger ones by the numeric path equal to it."""

ClearBook = Callable[[Book], Clearing]


class Clearer:
    """Clears by the model of record; by the numeric path where the solver fails or the book is large.

    `fallbacks`: every MTU in which a solver failed, in the order in which it did.
    """

    def __init__(self, model: ClearBook = clear_by_model) -> None:
        self._model = model
        self.fallbacks: list[SolverFallback] = []

    def clear(self, mtu: int, book: Book) -> Clearing:
        """The one correct clearing of a book."""
        if len(book) > MODEL_ORDERS_MAX:
            return clear(book)
        try:
            return self._model(book)
        except (SolverFailed, SolverRefused) as error:
            self.fallbacks.append(SolverFallback(mtu, str(error)))
            return clear(book)
