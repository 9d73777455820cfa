"""The write lock goes round: who has just held it waits for those who asked before."""

from __future__ import annotations

import threading

import pytest

from ledger_service.record.turns import Turns

pytestmark = pytest.mark.unit


def test_turns__holder_asks_again_while_another_waits__the_other_comes_first() -> None:
    turns, order = Turns(), list[str]()

    def write() -> None:
        with turns:
            order.append("orders")

    other = threading.Thread(target=write)
    with turns:
        other.start()
        while not turns._waiting:
            pass
    with turns:
        order.append("the next page")
    other.join()

    assert order == ["orders", "the next page"]


def test_turns__holder_fails__the_next_one_gets_it() -> None:
    turns = Turns()

    with pytest.raises(ZeroDivisionError), turns:
        raise ZeroDivisionError
    with turns:
        pass


def test_turns__held__others_wait_in_the_order_they_came() -> None:
    turns, order = Turns(), list[int]()
    asked = [threading.Event() for _ in range(3)]

    def wait(number: int) -> None:
        asked[number].set()
        with turns:
            order.append(number)

    threads = [threading.Thread(target=wait, args=(number,)) for number in range(3)]
    with turns:
        for number, thread in enumerate(threads):
            thread.start()
            asked[number].wait()
            while len(turns._waiting) <= number:
                pass
    for thread in threads:
        thread.join()

    assert order == [0, 1, 2]
