"""An account is replaced while its orders lie in an open session: they stand, and they are its successor's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from domain.hashing import to_hex
from domain.parties import Replacement
from domain.words import Side
from ledger_service.registry import operations
from ledger_service.trading import errors
from tests.integration.ledger.town import Resident, Town, accepted, nominate, refused, register_key, signed_key

pytestmark = pytest.mark.integration


def replaced(town: Town, resident: Resident) -> Resident:
    """The account's successor, with a device key of its own."""
    successor = Resident("successor", resident.point)
    item = Replacement(resident.account_hex, successor.account_hex, town.session.first_mtu)
    with town.record.begin() as tx:
        assert operations.replace_account(tx, replacement=item)
        assert not operations.replace_account(tx, replacement=item)
        register_key(tx, signed_key(successor.account, successor.device.address, point=successor.point))
    return successor


def the_same(town: Town) -> None:
    """The intake that was there."""


def restarted(town: Town) -> None:
    """Another one, which loads what it must know from the views."""
    town.intake = town.make_intake()


AGAIN = pytest.mark.parametrize("meanwhile", [the_same, restarted])


@AGAIN
def test_order__of_a_replaced_account__is_refused_and_the_successors_is_taken(
    town: Town, resident: Resident, first_mtu: int, meanwhile: Callable[[Town], None]
) -> None:
    accepted(town, resident.order(mtu=first_mtu))
    successor = replaced(town, resident)
    meanwhile(town)

    refusal = refused(town, resident.order(mtu=first_mtu), errors.AccountGaveWay)
    accepted(town, successor.order(mtu=first_mtu))

    assert refusal.successor == successor.account_hex


@AGAIN
def test_orders__from_before_and_after__share_connection_line_and_schedule(
    town: Town, resident: Resident, first_mtu: int, meanwhile: Callable[[Town], None]
) -> None:
    most_lots = 17_000 // 4 // 10
    accepted(town, resident.order(mtu=first_mtu, quantity_lots=most_lots))
    successor = replaced(town, resident)
    meanwhile(town)

    refused(town, successor.order(mtu=first_mtu), errors.BeyondConnection)
    town.funds.lines[successor.account_hex] = most_lots * 10 * 100_000
    refused(town, successor.order(mtu=first_mtu + 1), errors.BeyondCredit)
    ask = {"side": Side.ASK, "limit_neur_per_wh": 90_000}
    nominate(town, successor, -1_000)
    refused(town, successor.order(mtu=first_mtu, **ask), errors.SelfTrade)


@AGAIN
def test_order__of_a_replaced_account__can_still_be_withdrawn_by_its_device(
    town: Town, resident: Resident, first_mtu: int, meanwhile: Callable[[Town], None]
) -> None:
    order = resident.order(mtu=first_mtu, quantity_lots=17_000 // 4 // 10)
    accepted(town, order)
    successor = replaced(town, resident)
    meanwhile(town)

    accepted(town, resident.cancel(order.order, revision=1))

    accepted(town, successor.order(mtu=first_mtu, quantity_lots=17_000 // 4 // 10))


def test_registry__replaced_account__is_nobodys_name_any_more(town: Town, resident: Resident) -> None:
    successor = replaced(town, resident)

    with town.record.begin() as tx:
        for address in (resident.account_hex, successor.account_hex):
            with pytest.raises(operations.AlreadyRegistered):
                operations.check_unclaimed(tx, address=address, organisations=())


def test_registry__successor_is_another_participant__nothing_is_recorded(town: Town, resident: Resident) -> None:
    other = town.residents[-1] if town.residents[-1] is not resident else town.residents[0]
    head = town.record.head()

    with town.record.begin() as tx:
        item = Replacement(resident.account_hex, to_hex(other.account.address), 0)
        assert not operations.replace_account(tx, replacement=item)

    assert town.record.head() == head
