"""Submissions from JSON: what is not exactly the signed shape is refused with the name of the field."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import DominoesError, OutOfRange
from domain.orders import Order
from domain.words import Side
from ledger_service.trading import SUBMISSIONS, SignedCancel, SignedOrder, SignedSchedule
from ledger_service.trading.errors import MalformedSubmission

pytestmark = pytest.mark.unit

SIGNATURE = "0x" + "11" * 65
ORDER = Order(
    market=b"\x01" * 32,
    session=1_465_984_800,
    mtu=1_628_920,
    side=Side.ASK,
    limit_neur_per_wh=-100,
    quantity_lots=7,
    account=b"\x02" * 20,
    order_id=b"\x03" * 16,
    revision=4,
    salt=b"\x05" * 32,
)
CANCEL = {"market": "0x" + "01" * 32, "session": 4, "mtu": 5, "orderId": "0x" + "03" * 16, "revision": 1}
SCHEDULE = {
    "market": "0x" + "01" * 32,
    "session": 4,
    "firstMtu": 5,
    "point": "P-1",
    "netWh": [1, -2, 0],
    "revision": 0,
}


def test_order__as_json__read_back() -> None:
    parsed = SignedOrder.parse(ORDER.as_json(), signature=SIGNATURE)

    assert (parsed.order, parsed.signature) == (ORDER, b"\x11" * 65)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("session", "1465984800"),
        ("session", None),
        ("mtu", "1628920"),
        ("mtu", 1628920.0),
        ("mtu", float("nan")),
        ("mtu", True),
        ("mtu", None),
        ("side", True),
        ("side", "bid"),
        ("revision", 0.0),
        ("limitPriceNeurPerWh", "1e5"),
        ("limitPriceNeurPerWh", float("inf")),
        ("quantityLots", [1]),
        ("quantityLots", {}),
        ("account", "0x02"),
        ("account", 2),
        ("account", "02" * 21),
        ("market", "0x" + "zz" * 32),
        ("market", "0x" + "01" * 33),
        ("salt", "0x" + "0 " * 32),
        ("orderId", "0X" + "03" * 16),
        ("orderId", None),
    ],
)
def test_order__field_of_a_wrong_type__named(field: str, value: object) -> None:
    with pytest.raises(MalformedSubmission) as refusal:
        SignedOrder.parse(ORDER.as_json() | {field: value}, signature=SIGNATURE)

    assert refusal.value.field == field


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("session", -1),
        ("session", 2**53),
        ("mtu", -1),
        ("mtu", 2**32),
        ("side", 2),
        ("side", -1),
        ("limitPriceNeurPerWh", 2**31),
        ("limitPriceNeurPerWh", -(2**31)),
        ("quantityLots", 0),
        ("quantityLots", -1),
        ("quantityLots", 2**24),
        ("quantityLots", 2**256),
        ("revision", -1),
        ("revision", 2**32),
    ],
)
def test_order__number_out_of_range__refused(field: str, value: int) -> None:
    with pytest.raises(OutOfRange) as refusal:
        SignedOrder.parse(ORDER.as_json() | {field: value}, signature=SIGNATURE)

    assert refusal.value.field == field


@pytest.mark.parametrize("body", [None, [], "order", 1, {}])
def test_order__not_an_order__refused(body: object) -> None:
    with pytest.raises(MalformedSubmission):
        SignedOrder.parse(body, signature=SIGNATURE)


def test_order__missing_or_extra_field__named() -> None:
    whole = ORDER.as_json()
    for field in whole:
        with pytest.raises(MalformedSubmission) as refusal:
            SignedOrder.parse({name: item for name, item in whole.items() if name != field}, signature=SIGNATURE)
        assert refusal.value.field == field

    with pytest.raises(MalformedSubmission) as refusal:
        SignedOrder.parse(whole | {"status": "accepted"}, signature=SIGNATURE)
    assert refusal.value.field == "status"


@pytest.mark.parametrize("signature", [None, "", "0x", "0x" + "11" * 64, "0x" + "11" * 66, 5, "0x" + "g1" * 65])
def test_signature__wrong_form__refused(signature: object) -> None:
    for kind, body in ((SignedOrder, ORDER.as_json()), (SignedCancel, CANCEL), (SignedSchedule, SCHEDULE)):
        with pytest.raises(MalformedSubmission) as refusal:
            kind.parse(body, signature=signature)
        assert refusal.value.field == "signature"


def test_cancel__good__read() -> None:
    cancel = SignedCancel.parse(CANCEL, signature=SIGNATURE)

    assert (cancel.mtu, cancel.order_id, cancel.revision) == (5, b"\x03" * 16, 1)


@pytest.mark.parametrize(("field", "value"), [("revision", 0), ("revision", True), ("mtu", 1.5), ("orderId", "0x")])
def test_cancel__bad_field__refused(field: str, value: object) -> None:
    with pytest.raises(DominoesError):
        SignedCancel.parse(CANCEL | {field: value}, signature=SIGNATURE)


def test_schedule__good__read() -> None:
    schedule = SignedSchedule.parse(SCHEDULE, signature=SIGNATURE)

    assert (schedule.point, schedule.net_wh, schedule.revision) == ("P-1", (1, -2, 0), 0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("netWh", []),
        ("netWh", [0] * 129),
        ("netWh", [0.5]),
        ("netWh", [True]),
        ("netWh", [2**31]),
        ("netWh", "1,2"),
        ("point", 7),
        ("point", ""),
        ("point", "\ud800"),
        ("point", "p" * 101),
        ("firstMtu", -1),
        ("revision", -1),
    ],
)
def test_schedule__bad_field__refused(field: str, value: object) -> None:
    with pytest.raises(DominoesError):
        SignedSchedule.parse(SCHEDULE | {field: value}, signature=SIGNATURE)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(field=st.sampled_from(sorted(ORDER.as_json())), value=json_values)
def test_order__any_json_in_a_field__parsed_or_refused_on_purpose(field: str, value: Any) -> None:
    body = ORDER.as_json() | {field: value}
    try:
        parsed = SignedOrder.parse(body, signature=SIGNATURE)
    except DominoesError:
        return
    assert parsed.order.as_json()[field] == value


def test_submissions__each__has_a_member_of_its_own_and_says_why_it_may_be_refused() -> None:
    assert {kind.MEMBER for kind in SUBMISSIONS} == {"order", "cancel", "schedule", "mandate", "revocation"}
    assert all(MalformedSubmission in kind.FAILURES for kind in SUBMISSIONS)
