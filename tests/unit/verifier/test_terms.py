"""Terms that nobody signed, or not in time: made by an operator with attesters, settled by them, told by the verifier.

Registered with all the rest, or late; whatever is billed under them follows from them to the nEUR.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from domain.members import noun_json, noun_of
from domain.parties import Participant, ParticipantKind
from domain.signed_terms import signed_by
from domain.terms import Agreement, Tariff
from settling.inputs import Party
from tests.terms import Makers
from tests.unit.verifier.bundles import played
from tests.unit.verifier.fake_chain import AREA, FIRST, address, domain_of, key_of
from tests.unit.verifier.registering import TARIFF
from tests.unit.verifier.small_day import Day
from tests.unit.verifier.test_small_day import messages
from verifier.ends import NOTICE_MTUS
from verifier.verdict import WRONG
from verifier.verify import verify

pytestmark = pytest.mark.unit

DEAR_NEUR_PER_WH = 10_000_000
"""10 EUR/kWh."""


class Altered(Day):
    """A day under other terms."""

    def priced_by(self, retailer: str, dso: str, registrar: str, /, **members: Any) -> Tariff:
        """A tariff that these keys signed, in the retailer's name."""
        makers = Makers(key_of(retailer), key_of(dso), key_of(registrar))
        named = {"area": AREA, "retailer": address("retail"), **TARIFF}
        return makers.tariff(domain=domain_of("Settlement"), **named | members)

    def publish(self, tariff: Tariff) -> None:
        """The operator writes it down."""
        self.fact("tariff.published", noun_json(tariff))
        self.more_tariffs.append(tariff)

    def agree(self, agreement: Agreement) -> None:
        """The operator writes it down."""
        self.fact("agreement.signed", noun_json(agreement))
        self.agreements.append(agreement)

    def register(self) -> None:
        """Everybody, then what is not in order."""
        self.more_tariffs: list[Tariff] = []
        super().register()
        self.alter()

    def alter(self) -> None:
        """Write the terms down that are not in order."""

    def inputs(self, revision: int) -> Any:
        """All that a settlement depends on, under these terms."""
        return replace(super().inputs(revision), tariffs=(self.tariff, *self.more_tariffs))


class Unsigned(Altered):
    """10 EUR/kWh, which retailer, DSO and registrar sign; the household's signature is that of its first agreement."""

    def alter(self) -> None:
        self.publish(self.priced(tariff="dear", supply_neur_per_wh=DEAR_NEUR_PER_WH))
        forged = self.agreed("h1", agreement="agr-h1", version=2, tariff="dear", valid_from_mtu=FIRST)
        self.agree(replace(forged, account_signature=self.agreements[0].account_signature))


class SignedByAnother(Altered):
    """One household signs for another."""

    def alter(self) -> None:
        members = {"agreement": "agr-h1", "version": 2, "valid_from_mtu": FIRST}
        forged = self.agreed("h2", **members)
        self.agree(replace(self.agreed("h1", **members), account_signature=forged.account_signature))


class OfAnotherRetailer(Altered):
    """Somebody publishes the next version of the retailer's tariff as its own."""

    def alter(self) -> None:
        named = {"retailer": address("h3"), "version": 2, "valid_from_mtu": FIRST, "supply_neur_per_wh": 310_000}
        self.publish(self.priced_by("h3", "dso", "registrar", **named))


class RetailersName(Altered):
    """The operator signs supply prices in the retailer's name."""

    def alter(self) -> None:
        dear = {"version": 2, "valid_from_mtu": FIRST, "supply_neur_per_wh": DEAR_NEUR_PER_WH}
        self.publish(self.priced_by("operator", "dso", "registrar", **dear))


class WithoutDso(Altered):
    """The operator signs grid fees."""

    def alter(self) -> None:
        dear = {"version": 2, "valid_from_mtu": FIRST, "grid_fee_neur_per_wh": 900_000}
        self.publish(self.priced_by("retail", "operator", "registrar", **dear))


class WithoutRegistrar(Altered):
    """The operator signs levy and VAT."""

    def alter(self) -> None:
        taxed = {"version": 2, "valid_from_mtu": FIRST, "levy_neur_per_wh": 900_000}
        self.publish(self.priced_by("retail", "dso", "operator", **taxed))


class AnchoredLate(Altered):
    """Properly signed and written down before the books close, but no head says so before delivery."""

    def open(self) -> None:
        self.publish(self.priced(version=2, valid_from_mtu=FIRST, supply_neur_per_wh=310_000))
        super().open()


class WithoutNotice(Altered):
    """Properly signed and anchored hours before delivery; the households had agreed to the tariff without it."""

    def alter(self) -> None:
        self.publish(self.priced(version=2, valid_from_mtu=FIRST + 1, supply_neur_per_wh=310_000))


class SignedByAll(WithoutNotice):
    """The same, and each household signs its agreement once more."""

    def alter(self) -> None:
        super().alter()
        first = list(self.agreements)
        for item in first:
            name = next(name for name in ("h1", "h2", "h3") if address(name) == item.account)
            self.agree(self.agreed(name, agreement=item.agreement, version=2, valid_from_mtu=FIRST + 1))


class AgreedLate(Altered):
    """The same of an agreement."""

    def open(self) -> None:
        self.agree(self.agreed("h1", agreement="agr-h1", version=2, valid_from_mtu=FIRST))
        super().open()


class OutOfOrder(Altered):
    """An agreement that begins in time, under a tariff that is published when delivery is over."""

    def alter(self) -> None:
        self.agree(self.agreed("h1", agreement="agr-h1", version=2, tariff="late", valid_from_mtu=FIRST))

    def unread(self) -> None:
        super().unread()
        self.publish(self.priced(tariff="late", supply_neur_per_wh=310_000))


class SecondTaxAccount(Altered):
    """The DSO signs a second tax account."""

    def alter(self) -> None:
        self.register_participant("second tax", "tax", None)


class Phantom(Altered):
    """A household without a point, which nobody but its account signed, sells what nobody measures."""

    def alter(self) -> None:
        self.register_participant("h4", "household", None)
        self.register_key("h4", None, "h4-key", 0)
        self.agree(self.agreed("h4", agreement="agr-h4"))
        self._guarantee("h4")

    def order(self, who: str, *args: Any, **more: Any) -> str:
        """One of the first household's asks is the phantom's."""
        return super().order("h4" if (who, more["order_id"]) == ("h1", "b") else who, *args, **more)

    def _parties(self) -> Iterator[Party]:
        yield from super()._parties()
        yield Party(key_of("h4").address, ParticipantKind.HOUSEHOLD, None)


class ShamRetailer(Altered):
    """A retailer that only signed itself sells at the transformer what never flows."""

    def alter(self) -> None:
        self.register_participant("sham", "retailer", None)
        self.register_key("sham", None, "sham-key", 0)

    def fact(self, kind: str, payload: Any) -> int:
        """Nobody signed for the DSO."""
        if kind == "participant.registered" and payload["participant"] == "sham":
            payload = {**payload, "dso_signature": payload["account_signature"]}
        return super().fact(kind, payload)

    def order(self, who: str, *args: Any, **more: Any) -> str:
        """One of the first household's asks is the sham's."""
        return super().order("sham" if (who, more["order_id"]) == ("h1", "b") else who, *args, **more)

    def _parties(self) -> Iterator[Party]:
        yield from super()._parties()
        yield Party(key_of("sham").address, ParticipantKind.RETAILER, None)


FRAUDS = {
    "retailer that only signed itself": (ShamRetailer, "signers of a Participation that are not the area's DSO"),
    "household that stands nowhere": (Phantom, "whether there is a point"),
    "agreement that the household did not sign": (Unsigned, "Agreement is signed by"),
    "agreement signed by another household": (SignedByAnother, "Agreement is signed by"),
    "tariff changed by another retailer": (OfAnotherRetailer, "retailer of agr-h1"),
    "supply prices in the retailer's name": (RetailersName, "SupplyPrices is signed by"),
    "grid fee without the DSO": (WithoutDso, "signers of GridPrices who are not the area's DSO"),
    "levy without the registrar": (WithoutRegistrar, "signers of Taxes who are not the registrar"),
    "tariff anchored after delivery began": (AnchoredLate, "anchored before it began was"),
    "tariff without notice": (WithoutNotice, "which 0x"),
    "agreement anchored after delivery began": (AgreedLate, "anchored before it began was"),
    "second tax account": (SecondTaxAccount, "tax accounts before it"),
    "tariff published under an older agreement": (OutOfOrder, "begun has already MTU"),
}
"""What was done, and what the verifier says."""


@pytest.mark.parametrize("name", FRAUDS)
def test_verify__terms_nobody_signed_or_in_time__are_wrong(name: str) -> None:
    kind, told = FRAUDS[name]
    day = kind().run()

    report = verify(day.auditor(), day.anchors(), day.chain.rpc)

    assert report.exit_code == WRONG
    assert told in messages(report)


@pytest.mark.parametrize("kind", [RetailersName, WithoutDso, WithoutRegistrar])
def test_verify__prices_nobody_signed__are_wrong_in_public_too(kind: Any) -> None:
    day = kind().run()

    report = verify(day.public(), day.anchors(), day.chain.rpc)

    assert report.exit_code == WRONG
    assert FRAUDS[next(name for name, (made, _) in FRAUDS.items() if made is kind)][1] in messages(report)


@pytest.mark.parametrize(("kind", "notice_mtus"), [(SignedByAll, NOTICE_MTUS), (WithoutNotice, 1)])
def test_verify__next_version_that_all_signed_or_knew_of_in_time__is_clean(
    kind: type[Altered], notice_mtus: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verifier.participants.NOTICE_MTUS", notice_mtus)
    day = kind().run()

    report = verify(day.auditor(), day.anchors(), day.chain.rpc)

    assert messages(report) == ""


def test_verify__tax_account_changed_to_the_operators__is_wrong() -> None:
    day, mine = Day().run(), "an account of the operator"
    entries = json.loads(json.dumps(day.entries))
    facts = (entry["payload"] for entry in entries if entry["kind"] == "participant.registered")
    fact = next(payload for payload in facts if payload["kind"] == "tax")
    unsigned = noun_of(Participant, json.dumps(fact | {"account": address(mine)}))
    fact |= noun_json(signed_by(unsigned, {"account": key_of(mine)}, domain=domain_of("Settlement")))

    report = verify(*played(day, entries))

    assert report.exit_code == WRONG
    assert "that are not the area's DSO" in messages(report)
