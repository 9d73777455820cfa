"""Answers kept for Idempotency-Keys take no more room than what they answer, and not without end."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from ledger_service.access import idempotency
from ledger_service.access.idempotency import AnswerBook, KeptAnswer
from ledger_service.access.tables import request_answer
from tests.unit.wallet_api.world import World

pytestmark = pytest.mark.unit

KEY = bytes(32)


def test_kept_answer__list_of_refused_orders__as_short_as_the_list(market: World) -> None:
    sent = "[" + ",".join(["{}"] * 500) + "]"
    headers = {**market.headers("household 1"), "Idempotency-Key": "k1", "Content-Type": "application/json"}

    first = market.client.post("/v1/orders", content=sent, headers=headers)
    again = market.client.post("/v1/orders", content=sent, headers=headers)

    with market.services.record.read() as connection:
        kept = connection.execute(select(func.length(request_answer.c.body))).scalars().all()
    assert again.content == first.content
    assert again.headers["idempotency-hit"] == "true"
    assert len(first.content) > 50 * len(sent)
    assert [size <= 2 * len(sent) for size in kept] == [True]


def test_kept_answers__too_many_of_one_principal__older_half_goes_and_nobody_elses(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "ANSWERS_KEPT_MAX", 10)
    book = AnswerBook(record=world.services.record)

    def store(principal: bytes, key: str, now: int) -> None:
        book.store(principal=principal, key=key, input_hash=KEY, answer=KeptAnswer(200, b"{}"), now=now)

    def is_kept(principal: bytes, key: str) -> bool:
        return book.first_answer(principal=principal, key=key, input_hash=KEY) is not None

    store(b"q", "other", 0)
    most = 0
    for at in range(35):
        store(b"p", f"k{at}", at)
        most = max(most, sum(is_kept(b"p", f"k{older}") for older in range(at + 1)))

    assert most == 10
    assert is_kept(b"p", "k34") and is_kept(b"p", "k30")
    assert is_kept(b"q", "other")
