"""Who stands where, and which meter reads whom: the API takes what they and the DSO signed, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from domain.hashing import to_hex
from domain.signed_terms import UNSIGNED
from tests.unit.wallet_api.world import FIRST_MTU, World, address, household, meter, signed
from tests.unit.wallet_api.world import parties as nouns

pytestmark = pytest.mark.unit

Body = dict[str, Any]


def newcomer(**changes: Any) -> Body:
    """A household that is new at a point, as it and the DSO signed, with these members changed afterwards."""
    return household("household 9", "DE-LV1-P9", valid_from_mtu=FIRST_MTU) | changes


def new_meter(**changes: Any) -> Body:
    """A meter at the first household's point, as the DSO signed, with these members changed afterwards."""
    return meter("M1", "DE-LV1-P1", "0x" + "01" * 32, valid_from_mtu=FIRST_MTU) | changes


def signed_by_the_wrong_one(path: str) -> Body:
    """A body whose DSO's part the DSO of another area signed."""
    body = newcomer() if path == "/v1/participants" else new_meter()
    if path == "/v1/participants":
        kind = nouns.ParticipantKind.HOUSEHOLD
        place = (body["area"], body["account"], body["point"], 10_000, 5_000, FIRST_MTU)
        unsigned: Any = nouns.Participant("household 9", kind, *place, UNSIGNED, UNSIGNED)
        return signed(unsigned, account="household 9", dso="grid operator next door")
    key = bytes([1]) * 32
    return signed(nouns.Meter("M1", "DE-LV1-P1", key, body["area"], FIRST_MTU, UNSIGNED), dso="registry office")


FRAUDS: dict[str, tuple[str, Callable[[], Body]]] = {
    "meter moved to another household's point": ("/v1/meters", lambda: new_meter(point="DE-LV1-P2")),
    "key of a meter exchanged": ("/v1/meters", lambda: new_meter(public_key="0x" + "02" * 32)),
    "meter valid earlier than signed": ("/v1/meters", lambda: new_meter(valid_from_mtu=FIRST_MTU - 1)),
    "meter signed by the registrar": ("/v1/meters", lambda: signed_by_the_wrong_one("/v1/meters")),
    "sham household at a point": ("/v1/participants", lambda: newcomer(point="DE-LV1-P8")),
    "sham household under another account": ("/v1/participants", lambda: newcomer(account=address("sham"))),
    "connection changed": ("/v1/participants", lambda: newcomer(connection_export_w=4_000)),
    "household that the DSO never signed": ("/v1/participants", lambda: newcomer(dso_signature=to_hex(UNSIGNED))),
    "household signed by another area's DSO": (
        "/v1/participants",
        lambda: signed_by_the_wrong_one("/v1/participants"),
    ),
}


@pytest.mark.parametrize(("path", "make"), FRAUDS.values(), ids=FRAUDS)
def test_register__not_as_it_was_signed__is_refused_and_nothing_written(
    market: World, path: str, make: Callable[[], Body]
) -> None:
    before = market.head()

    answer = market.post("registry office", path, make())

    assert (answer.status_code, answer.json()["type"]) in (
        (403, "/problems/term-not-signed"),
        (422, "/problems/bad-signature"),
    )
    assert market.head() == before


def test_register__second_meter_at_a_point_or_key_of_another__is_refused_though_signed(market: World) -> None:
    assert market.post("registry office", "/v1/meters", new_meter()).status_code == 201
    beside = meter("M2", "DE-LV1-P1", "0x" + "02" * 32, valid_from_mtu=FIRST_MTU)
    copied = meter("M2", "DE-LV1-P2", "0x" + "01" * 32, valid_from_mtu=FIRST_MTU)

    for body in (beside, copied):
        answer = market.post("registry office", "/v1/meters", body)
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/already-registered")


def test_register__second_household_at_a_point__is_refused_though_signed(market: World) -> None:
    body = household("household 9", "DE-LV1-P1", valid_from_mtu=FIRST_MTU)

    answer = market.post("registry office", "/v1/participants", body)

    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/already-registered")


def test_register__as_it_was_signed__is_recorded_with_who_signed(market: World) -> None:
    answers = [
        market.post("registry office", path, body)
        for path, body in (("/v1/participants", newcomer()), ("/v1/meters", new_meter()))
    ]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["dso_signature"] == newcomer()["dso_signature"]
