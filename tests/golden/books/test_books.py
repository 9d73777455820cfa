"""The vectors in `books.json` are what the model of record and the exact check say too."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clearing.auction import clear
from clearing.book import Book, Clearing
from clearing.exact_check import check_clearing
from clearing.model_of_record import clear_by_model
from domain.hashing import from_hex, to_hex
from domain.words import OrderWord, book_hash, result_hash
from tests.clearings import same

pytestmark = pytest.mark.golden

VECTORS = json.loads((Path(__file__).parent / "books.json").read_text())
BOOKS = VECTORS["books"]


@pytest.mark.parametrize("vector", BOOKS, ids=[vector["name"] for vector in BOOKS])
def test_books__stored_result__is_what_every_path_gives(vector: dict[str, Any]) -> None:
    packed = [int(word, 16) for word in vector["words"]]
    words = [OrderWord.unpack(word) for word in packed]
    book = Book.from_words([replace(word, accepted_lots=0) for word in words])
    accepted = np.array([word.accepted_lots for word in words], dtype=np.int64)
    stored = Clearing(accepted, vector["price_neur_per_wh"], vector["traded_lots"])

    assert same(stored, clear(book))
    assert same(stored, clear_by_model(book))
    assert check_clearing(book, stored) == []
    place = {"market": from_hex(VECTORS["market"]), "session": VECTORS["session"], "mtu": vector["mtu"]}
    assert to_hex(book_hash(**place, words=packed)) == vector["book_hash"]
    digest = result_hash(**place, price_neur_per_wh=vector["price_neur_per_wh"], words=packed)
    assert to_hex(digest) == vector["result_hash"]
