"""The root of every error this project raises on purpose."""

from __future__ import annotations


class DominoesError(Exception):
    """An anticipated failure: one subclass per cause, its facts as attributes, its message ending in what to do next.

    `status` is the HTTP status an edge answers with, `code` the stable name of the cause in problem details
    (RFC 9457 `type`), `retryable` whether the same request may succeed later without being changed.
    """

    status: int = 422
    code: str = "invalid"
    retryable: bool = False


class OutOfRange(DominoesError):
    """A value does not fit the field it is meant for."""

    code = "out-of-range"

    def __init__(self, *, field: str, value: object, lowest: int, highest: int) -> None:
        self.field, self.value, self.lowest, self.highest = field, value, lowest, highest
        super().__init__(f"{field} is {value!r}; give a whole number from {lowest} to {highest}")
