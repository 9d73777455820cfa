"""What attesters sign: a package altered in any one input, with a proposal that fits it, is refused with the reason."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from domain.eip712 import PROGRAM
from domain.hashing import hash_json, keccak, to_hex
from domain.members import noun_json, noun_of
from domain.orders import envelopes_hash, schedule_hash
from domain.parties import Participant
from domain.programs import program_values
from domain.signed_terms import signed_by
from domain.words import pack_settlement_word
from oracle.attester.service import ServiceAway
from oracle.attester.settlement_checks import chain_objections
from tests.attester_store import refusals
from tests.terms import Makers
from tests.unit.settlement.desk import LATE, Desk, Shown, reseal, typed

pytestmark = pytest.mark.unit


def sign_program(package: Shown, tools: Any) -> None:
    """Make report and signature fit the envelopes and schedules, as an operator with a key of its own can."""
    program = package["programs"][0]
    points = [item["code"] for item in package["grid_model"]["points"]]
    rows = b"".join(schedule_hash(program["schedules"][point]) for point in points)
    program["report"] |= {
        "envelopes_hash": to_hex(envelopes_hash(points, program["envelopes"])),
        "schedules_hash": to_hex(keccak(rows)),
    }
    program["report_hash"] = to_hex(hash_json(program["report"]))
    program["grid_model_hash"] = to_hex(hash_json(package["grid_model"]))
    signer = tools.key("operator's own")
    digest = tools.MARKET_DOMAIN.digest(PROGRAM, program_values(typed(package).programs[0]))
    program |= {"dso": to_hex(signer.address), "signature": to_hex(signer.sign(digest))}


def words(tools: Any, amounts: dict[str, int]) -> list[str]:
    """Settlement words that move money between parties by name."""
    packed = [
        pack_settlement_word(account=tools.key(name).address, amount_neur=amount) for name, amount in amounts.items()
    ]
    return [f"0x{word:064x}" for word in sorted(packed)]


def of(package: Shown, kind: str, **wanted: Any) -> Shown:
    """The one fact of a kind with these members."""
    (found,) = [item for item in package[kind] if wanted.items() <= item.items()]
    return found


def invent_earlier(package: Shown, tools: Any) -> None:
    package["earlier"] = [{"revision": 0, "words": words(tools, {"house1": 10**11, "house3": -(10**11)})}]


def invent_revision(package: Shown, tools: Any) -> None:
    invent_earlier(package, tools)
    package["revision"] = 1


def triple_tariff(package: Shown, tools: Any) -> None:
    package["tariffs"][0]["supply_neur_per_wh"] *= 3


def triple_grid_fee(package: Shown, tools: Any) -> None:
    package["tariffs"][0]["grid_fee_neur_per_wh"] *= 3


def taxes_by_another(package: Shown, tools: Any) -> None:
    makers = Makers(tools.key("retailer"), tools.key("dso"), tools.key("operator's own"))
    members = {"area": tools.AREA, **tools.TARIFF, "levy_neur_per_wh": 90_000}
    package["tariffs"][0] = noun_json(makers.tariff(domain=tools.SETTLEMENT_DOMAIN, **members))


def tariff_of_another(package: Shown, tools: Any) -> None:
    makers = Makers(tools.key("house1"), tools.key("dso"), tools.key("registrar"))
    members = {"area": tools.AREA, **tools.TARIFF, "version": 2, "supply_neur_per_wh": 900_000}
    package["tariffs"].append(noun_json(makers.tariff(domain=tools.SETTLEMENT_DOMAIN, **members)))


def new_tariff(package: Shown, tools: Any) -> None:
    package["tariffs"].append(tools.priced(version=2, supply_neur_per_wh=900_000))


def dear_tariff(package: Shown, tools: Any) -> None:
    package["tariffs"].append(tools.priced(tariff="dear", supply_neur_per_wh=900_000))
    package["agreements"][0] = tools.agreed("house1", "agreement1", tariff="dear")


def agree_alone(package: Shown, tools: Any) -> None:
    """A dearer tariff that the retailer signed, and the household's signature under what it had agreed to before."""
    package["tariffs"].append(tools.priced(tariff="dear", supply_neur_per_wh=10_000_000))
    forged = tools.agreed("house1", "agreement1", version=2, tariff="dear", valid_from_mtu=tools.FIRST)
    package["agreements"].append({**forged, "account_signature": package["agreements"][0]["account_signature"]})


def agree_for_another(package: Shown, tools: Any) -> None:
    package["agreements"][0]["account_signature"] = tools.agreed("house2", "agreement1")["account_signature"]


def exchange_agreements(package: Shown, tools: Any) -> None:
    one, two = package["agreements"][:2]
    one["account"], two["account"] = two["account"], one["account"]


def invent_envelope(package: Shown, tools: Any) -> None:
    package["programs"][0]["envelopes"].append(
        {"point": "point1", "mtu": 1002, "import_cap_wh": 0, "export_cap_wh": None}
    )


def swap_grid_points(package: Shown, tools: Any) -> None:
    schedules = package["programs"][0]["schedules"]
    schedules["point1"], schedules["point2"] = schedules["point2"], schedules["point1"]
    points = package["grid_model"]["points"]
    points[0], points[1] = points[1], points[0]


def swap_points(package: Shown, tools: Any) -> None:
    one, two = (of(package, "parties", participant=name) for name in ("house1", "house2"))
    one["point"], two["point"] = two["point"], one["point"]


def share_point(package: Shown, tools: Any) -> None:
    of(package, "parties", participant="house1")["point"] = "point2"


def taxes_to_operator(package: Shown, tools: Any) -> None:
    """Levy and VAT go to an account of the operator, which signs for itself and, without its key, for the DSO."""
    mine, tax = tools.key("operator's own"), of(package, "parties", participant="tax")
    unsigned = noun_of(Participant, json.dumps(tax | {"account": to_hex(mine.address)}))
    tax |= noun_json(signed_by(unsigned, {"account": mine, "dso": mine}, domain=tools.SETTLEMENT_DOMAIN))


def double_lot(package: Shown, tools: Any) -> None:
    package["markets"][0]["lot_wh"] *= 2


def forget_market(package: Shown, tools: Any) -> None:
    """Nobody traded, so no lot is needed: the market and with it its envelopes could be passed over."""
    package["markets"], package["programs"] = [], []


def other_reading(package: Shown, tools: Any) -> None:
    package["attestations"][0]["readings"][0]["import_wh"] += 1


def other_period(package: Shown, tools: Any) -> None:
    package["count"] += 1


ALTERED: dict[str, tuple[Callable[[Shown, Any], Any], str]] = {
    "earlier words invented in revision 0": (invent_earlier, "the words of each revision before, and of no other"),
    "a revision invented before it": (invent_revision, "earlier revisions are not those that took effect"),
    "supply price that the retailer did not sign": (triple_tariff, "tariff standard, version 1, is signed by"),
    "grid fee that the DSO did not sign": (triple_grid_fee, "tariff standard, version 1, is signed by"),
    "taxes that somebody else signed": (taxes_by_another, "a key that has the role registrar now must sign"),
    "tariff changed by another retailer": (tariff_of_another, "is not its retailer's there"),
    "tariff version invented": (new_tariff, "tariffs standard 2 was never seen"),
    "tariff invented": (dear_tariff, "tariffs dear 1 was never seen"),
    "agreements of two households exchanged": (exchange_agreements, "agreement agreement1, version 1, is signed by"),
    "dearer tariff that the household did not agree to": (agree_alone, "agreement agreement1, version 2, is signed by"),
    "agreement signed by another household": (agree_for_another, "agreement agreement1, version 1, is signed by"),
    "agreement left out": (
        lambda package, _: package["agreements"].pop(),
        "agreements agreement3 1 was seen here and is left out",
    ),
    "envelope without the DSO": (invent_envelope, "its envelopes are not those of the signed report"),
    "schedule without the DSO": (
        lambda package, _: package["programs"][0]["schedules"].update(point2=[0] * 4),
        "its schedules are not those of the signed report",
    ),
    "program left out": (lambda package, _: package["programs"].clear(), "recorded on chain and is left out"),
    "meter left out": (lambda package, _: package["meters"].pop(0), "meters meter1 0 was seen here and is left out"),
    "meter at another point": (
        lambda package, _: package["meters"][0].update(point="point2"),
        "meter meter1 from MTU 0 on is signed by",
    ),
    "points of two households swapped": (swap_points, "for its account, but"),
    "tax account changed to the operator's": (
        taxes_to_operator,
        "for its dso, but a key that has the role dso now must sign",
    ),
    "two households at one point": (share_point, "for its account, but"),
    "household left out": (
        lambda package, _: package["parties"].remove(of(package, "parties", participant="house3")),
        "was seen here and is left out",
    ),
    "household another kind": (
        lambda package, _: of(package, "parties", participant="house3").update(kind="retailer"),
        "for its account, but",
    ),
    "order key left out": (
        lambda package, _: package["keys"].remove(of(package, "keys", point="point3")),
        "was seen here and is left out",
    ),
    "lot doubled": (double_lot, "has another lot or area on chain"),
    "reading changed": (other_reading, "its readings do not give the attested root"),
    "readings of an MTU left out": (lambda package, _: package["attestations"].pop(0), "running roots"),
    "session left out": (lambda package, _: package["sessions"].pop(0), "running roots"),
    "more MTUs": (other_period, "other MTUs on chain"),
}


@pytest.mark.parametrize("name", ALTERED)
def test_sign__one_input_altered_and_proposed_anew__is_refused_with_the_reason(
    desk: Desk, tools: Any, name: str
) -> None:
    desk.look(tools.FIRST * 900)
    package = desk.propose()
    change, reason = ALTERED[name]
    change(package, tools)
    try:
        package = reseal(package)
    except Exception as error:  # the altered facts settle nothing at all
        assert name in ("household left out", "order key left out", "agreement left out"), error

    refused = desk.ask(package)

    assert reason in str(refused)
    assert refusals(desk.store)[-1][:3] == (tools.ENDED, None, "settlement-refused")


@pytest.mark.parametrize("change", [invent_envelope, swap_grid_points])
def test_sign__program_signed_by_another_than_the_dso__is_refused(desk: Desk, tools: Any, change: Any) -> None:
    desk.look(0)
    package = desk.propose()
    change(package, tools)
    sign_program(package, tools)

    refused = desk.ask(reseal(package))

    assert f"program {tools.SESSION} of test/1/DA is not the one recorded on chain" in str(refused)


def test_sign__market_left_out_of_a_day_without_trade__is_refused(desk: Desk, tools: Any) -> None:
    package = desk.propose()
    forget_market(package, tools)
    for item in package["sessions"][0]["clearings"]:
        item["words"] = []

    found = list(chain_objections(typed(package), desk.chain.period(area="", period=1, markets=[tools.MARKET])))

    assert "it has not the rules of each of its markets once" in found
    assert f"program {tools.SESSION} of test/1/DA is recorded on chain and is left out" in found


def test_sign__day_and_its_correction_as_they_were__are_signed(desk: Desk, tools: Any) -> None:
    desk.look(tools.FIRST * 900)  # terms older than the period need only be seen before it begins
    first = desk.propose()
    assert desk.ask(first) is None
    desk.settle(first)
    desk.scene.attest(1003, {"meter1": (300, 0), "meter2": (0, 50), "meter3": (80, 0)})
    desk.attested()
    second = desk.propose()

    assert second["revision"] == 1
    assert desk.ask(second) is None
    signers = [tools.attester_signature(typed(package).proposal, 1) for package in (first, second)]
    assert desk.service.signed == [to_hex(signature) for signature in signers]
    assert refusals(desk.store) == []


def test_sign__settlement_in_effect_meanwhile__is_neither_signed_nor_refused(desk: Desk) -> None:
    desk.look(0)
    package = desk.propose()
    desk.settle(package)
    desk.service.package = package

    assert desk.signer(desk.metering) == 0
    assert (desk.service.signed, desk.signer.refused) == ([], {})


def test_sign__correction_with_other_earlier_words__is_refused(desk: Desk, tools: Any) -> None:
    desk.look(0)
    desk.settle(desk.propose())
    desk.scene.attest(1003, {"meter1": (300, 0), "meter2": (0, 50), "meter3": (80, 0)})
    desk.attested()
    package = desk.propose()
    package["earlier"][0]["words"] = words(tools, {"house1": 10**11, "house3": -(10**11)})

    refused = desk.ask(reseal(package))

    assert "the words of its earlier revisions are not those that took effect on chain" in str(refused)


@pytest.mark.parametrize("kind", LATE.keys() - {"tariffs"})
@pytest.mark.parametrize(("seen_at", "reason"), [(1002 * 900, None), (1002 * 900 + 1, "had begun")])
def test_sign__version_from_an_mtu_on__must_be_seen_before_it_begins(
    desk: Desk, tools: Any, kind: str, seen_at: int, reason: str | None
) -> None:
    desk.look(0)
    LATE[kind](desk.service.terms_shown, tools)
    desk.look(seen_at)
    package = desk.propose()
    package[kind] = copy.deepcopy(desk.service.terms_shown[kind])

    refused = desk.ask(reseal(package))

    assert refused is None if reason is None else reason in str(refused)


def test_sign__seen_version_left_out__is_refused_unless_seen_after_the_period(desk: Desk, tools: Any) -> None:
    desk.look(0)
    package = desk.propose()
    LATE["tariffs"](desk.service.terms_shown, tools)
    desk.look(tools.ENDED + 1)
    assert desk.ask(package) is None

    desk.start("other.sqlite")
    desk.attested()
    desk.look(0)

    assert "tariffs standard 2 was seen here and is left out" in str(desk.ask(package))


def test_sign__attester_away_when_terms_came__does_not_sign(desk: Desk, tools: Any) -> None:
    package = desk.propose()

    refused = desk.ask(package)

    assert "was first seen at 903600, after the first MTU it decides on had begun" in str(refused)
    assert {kind for kind, *_ in desk.store.witnessed()} == {"parties", "meters", "keys", "tariffs", "agreements"}


@pytest.mark.parametrize(("member", "late"), [("participant", "house1"), ("kind", "tax")])
def test_sign__party_shown_late__is_refused(desk: Desk, tools: Any, member: str, late: str) -> None:
    """Who stands at a point can't be decided once readings are known, though the agreement was there in time."""
    everybody = desk.service.terms_shown["parties"]
    desk.service.terms_shown["parties"] = [item for item in everybody if item[member] != late]
    desk.look(0)
    desk.service.terms_shown["parties"] = everybody
    desk.look(tools.FIRST * 900 + 1)

    assert "after the first MTU it takes part in had begun" in str(desk.ask(desk.propose()))


def test_sign__household_never_at_the_point_its_account_signed__is_refused(desk: Desk, tools: Any) -> None:
    """The operator showed the points swapped from the start; neither accounts nor DSO signed that."""
    swap_points(desk.service.terms_shown, tools)
    desk.look(0)
    package = desk.propose()
    swap_points(package, tools)

    assert "for its account, but" in str(desk.ask(reseal(package)))


def test_witness__started_again__knows_what_it_saw(desk: Desk) -> None:
    desk.look(0)
    desk.start("store.sqlite")

    assert desk.ask(desk.propose()) is None


def test_witness__service_away__signs_nothing(desk: Desk) -> None:
    desk.look(0)
    desk.service.package = desk.propose()
    desk.service.away = True

    with pytest.raises(ServiceAway):
        desk.signer(desk.metering)

    assert desk.service.signed == []


def test_sign__lines_by_a_rule_that_is_not_known__is_refused_and_the_known_one_named(desk: Desk) -> None:
    desk.look(0)
    package = desk.propose()
    package["proposal"]["rules"]["lines"] = 1

    reason = desk.ask(package)

    assert reason is not None
    assert reason.startswith("version 1 of the rule for lines is not known here, only 2;")
