"""The root of every error this project raises on purpose."""

from __future__ import annotations

from typing import Any


class DominoesError(Exception):
    """An anticipated failure: one subclass per cause, its facts as attributes, its message ending in what to do next.

    `status` is the HTTP status an edge answers with, `code` the stable name of the cause in problem details
    (RFC 9457 `type`), `retryable` whether the same request may succeed later without being changed. `remedy` says what
    the one who meets it can do, whatever the case; every cause that an edge answers with has its own.
    """

    status: int = 422
    code: str = "invalid"
    retryable: bool = False
    remedy: str = ""

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel between processes as attributes: subclasses are made from facts, not from their message."""
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[DominoesError], args: tuple[Any, ...], facts: dict[str, Any]) -> DominoesError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(facts)
    return error


class OutOfRange(DominoesError):
    """A value does not fit the field it is meant for."""

    code = "out-of-range"
    remedy = "Give a value within the bounds that `detail` names."

    def __init__(self, *, field: str, value: object, lowest: int, highest: int) -> None:
        self.field, self.value, self.lowest, self.highest = field, value, lowest, highest
        super().__init__(f"{field} is {value!r}; give a whole number from {lowest} to {highest}")
