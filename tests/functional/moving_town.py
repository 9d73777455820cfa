"""A community in which a household moves out at noon, another moves in there, and one changes its supplier."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from domain.hashing import to_hex
from domain.members import noun_json
from domain.parties import Participant, ParticipantKind
from domain.signed_terms import UNSIGNED, signed_by
from domain.signing import SigningKey
from domain.terms import Agreement, EndedTerm, Tariff, TermEnd
from scripts.community.households import Wish
from scripts.community.town import HOUSEHOLD_DEPOSIT_NEUR, TARIFF, TARIFF_CODE, Household, Town

LEAVER, CHANGER, NOON = 0, 1, 48
"""The households that leave and change, by their place in the community, and from which MTU of the day on."""

NEWCOMER, RIVAL = SigningKey(b"\x71" * 32), SigningKey(b"\x72" * 32)
"""The accounts of the next household and of the second retailer."""


class MovingTown(Town):
    """A community in which people move and change."""

    def register(self, *, valid_from_mtu: int, tick: Callable[[int, int], None]) -> None:
        """The markets come last: no end lies within what a session was opened for."""
        registrar, held = self.clients["registrar"], []
        usual = registrar.post

        def post(path: str, body: Any) -> Any:
            return held.append(body) if path == "/v1/markets" else usual(path, body)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(registrar, "post", post)
            self._define_market(valid_from_mtu)
            self._register_parties(valid_from_mtu, tick)
        for body in held:
            usual("/v1/markets", body)
        super()._publish_policy()
        self._fund_and_guarantee(valid_from_mtu)

    def _publish_policy(self) -> None:
        """Not before the markets that it names."""

    def _register_parties(self, valid_from_mtu: int, tick: Callable[[int, int], None]) -> None:
        super()._register_parties(valid_from_mtu, tick)
        noon = valid_from_mtu + 1 + NOON
        self._rival(valid_from_mtu)
        self._change_supplier(self.households[CHANGER], noon)
        self._move(self.households[LEAVER], noon)
        for key in (NEWCOMER, RIVAL):
            self._deposit(key.address, HOUSEHOLD_DEPOSIT_NEUR)

    def _rival(self, valid_from_mtu: int) -> None:
        """A second retailer, with a tariff of its own."""
        account = to_hex(RIVAL.address)
        place = (self.config.area, account, None, 0, 0, valid_from_mtu)
        party = Participant("rival", ParticipantKind.RETAILER, *place, UNSIGNED, UNSIGNED)
        self._register_signed("/v1/participants", party, account=RIVAL, dso=self.organisations["dso"])
        prices = TARIFF | {"supply_neur_per_wh": 290_000}
        signatures = dict.fromkeys(("retailer_signature", "dso_signature", "registrar_signature"), UNSIGNED)
        tariff = Tariff("rival", 1, self.config.area, account, valid_from_mtu, **prices, **signatures)
        keys = self.organisations | {"retailer": RIVAL}
        made = signed_by(tariff, keys, domain=self.domain("Settlement"))
        self.clients["registrar"].post("/v1/tariffs", noun_json(made))

    def _change_supplier(self, house: Household, noon: int) -> None:
        """By its own signature alone it leaves the one, and agrees with the other."""
        retailer = to_hex(self.organisations["retailer"].address)
        self._end(house, EndedTerm.AGREEMENT, f"supply-{house.at + 1:03d}", retailer, noon)
        self._agreed("supply-changed", house.account, RIVAL, "rival", noon)

    def _move(self, house: Household, noon: int) -> None:
        """One ends its part, the next one comes to its point and meter."""
        self._end(house, EndedTerm.PARTICIPATION, f"household-{house.at + 1:03d}", None, noon)
        place = (
            self.config.area,
            to_hex(NEWCOMER.address),
            house.point.code,
            house.point.import_w,
            house.point.export_w,
        )
        party = Participant("newcomer", ParticipantKind.HOUSEHOLD, *place, noon, UNSIGNED, UNSIGNED)
        self._register_signed("/v1/participants", party, account=NEWCOMER, dso=self.organisations["dso"])
        self._agreed("supply-newcomer", NEWCOMER, self.organisations["retailer"], TARIFF_CODE, noon)

    def _end(self, house: Household, term: EndedTerm, name: str, retailer: str | None, noon: int) -> None:
        """A term ends at noon by the account's signature alone."""
        account = to_hex(house.account.address)
        end = TermEnd(term, name, self.config.area, account, retailer, noon, UNSIGNED, None, None)
        made = signed_by(end, {"account": house.account}, domain=self.domain("Settlement"))
        self.client_of(house).post("/v1/ends", noun_json(made))

    def _agreed(self, name: str, account: SigningKey, retailer: SigningKey, tariff: str, noon: int) -> None:
        parties = (to_hex(account.address), to_hex(retailer.address))
        agreement = Agreement(name, 1, *parties, tariff, noon, UNSIGNED, UNSIGNED)
        self._register_signed("/v1/agreements", agreement, account=account, retailer=retailer)


def until_noon(usual: Callable[..., list[Wish]]) -> Callable[..., list[Wish]]:
    """Wishes as they would be; who leaves orders for the morning alone."""

    def found(*, at: int, **known: Any) -> list[Wish]:
        return [wish for wish in usual(at=at, **known) if at != LEAVER or wish.position < NOON]

    return found
