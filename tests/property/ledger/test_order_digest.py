"""The digest that intake computes is the one that the typed data defines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.eip712 import Domain
from domain.hashing import MAX_SAFE_INTEGER
from domain.orders import Order
from domain.units import MAX_LOTS
from domain.words import Side
from ledger_service.trading.submissions.order import order_digest

pytestmark = pytest.mark.property

ORDERS = st.builds(
    Order,
    market=st.binary(min_size=32, max_size=32),
    session=st.integers(0, MAX_SAFE_INTEGER),
    mtu=st.integers(0, 2**32 - 1),
    side=st.sampled_from(Side),
    limit_neur_per_wh=st.integers(-(2**31) + 1, 2**31 - 1),
    quantity_lots=st.integers(1, MAX_LOTS),
    account=st.binary(min_size=20, max_size=20),
    order_id=st.binary(min_size=16, max_size=16),
    revision=st.integers(0, 2**32 - 1),
    salt=st.binary(min_size=32, max_size=32),
)
DOMAINS = st.builds(Domain, chain_id=st.integers(0, 2**53), verifying_contract=st.binary(min_size=20, max_size=20))


@given(order=ORDERS, domain=DOMAINS)
def test_order_digest__any_order__equals_the_typed_data(order: Order, domain: Domain) -> None:
    assert order_digest(domain=domain, order=order) == order.digest(domain)
