"""From resolved facts to a signed settlement, its correction and the end of corrections."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest
from sqlalchemy import select, update

from domain.facts import FACTS, ChainIncluded, OrderAccepted, ReadingAttested, SettlementProposed
from domain.hashing import to_hex
from domain.members import noun_json
from domain.signed_terms import TermNotSigned
from domain.signing import BadSignature
from domain.words import SETTLEMENT_PAGE_WORDS, pack_settlement_word, unpack_settlement_word
from ledger_service.outbox import RETRY_SECONDS
from ledger_service.record import StorageUnavailable
from ledger_service.record.tables import journal_entry
from ledger_service.registry.tables import registry_area
from ledger_service.settlement import stage as stage_module
from ledger_service.settlement.gather import proposal_package
from ledger_service.settlement.operations import NotAnAttester, SettlementOutdated, sign_settlement
from ledger_service.settlement.packages import Packages
from ledger_service.settlement.queries import NothingProposed, latest_proposal, period_state, proposals
from ledger_service.settlement.stage import UNEXPECTED, SettlementStage
from ledger_service.settlement.views import rebuild_views
from ledger_service.stage import run_until_quiet
from settling.package import EarlierSettlement, Package, PackageMalformed
from settling.postings import MoneyMade
from settling.unpacking import WrongInput
from tests.journal import append_fact, content_of
from wallet_api.schemas.settlement import SettlementPackage

pytestmark = pytest.mark.unit


def settle(scene: Any, tools: Any, *, now: int | None = None) -> SettlementProposed:
    """Run the stage and return the newest proposal."""
    run_until_quiet([SettlementStage(scene.record)], tools.ENDED if now is None else now)
    with scene.record.read() as connection:
        return latest_proposal(connection, area=tools.AREA, period=tools.PERIOD)


def sign(scene: Any, tools: Any, proposal: SettlementProposed, n: int) -> Any:
    return sign_settlement(
        scene.record,
        area=tools.AREA,
        period=tools.PERIOD,
        revision=proposal.revision,
        signature=tools.attester_signature(proposal, n),
        domain=tools.SETTLEMENT_DOMAIN,
    )


def kinds(scene: Any, kind: str) -> list[dict[str, Any]]:
    return [content_of(entry) for entry in scene.record.entries(kinds=[FACTS[kind]])]


def test_run__period_not_over__proposes_nothing(scene: Any, tools: Any) -> None:
    run_until_quiet([SettlementStage(scene.record)], tools.ENDED - 1)

    assert kinds(scene, "settlement.proposed") == []


def test_run__resolved_period__proposes_once_with_the_chains_roots(scene: Any, tools: Any) -> None:
    proposal = settle(scene, tools)
    again = settle(scene, tools, now=tools.ENDED + 60)

    assert proposal.clearing_root == scene.clearing_root
    assert proposal.readings_root == scene.readings_root
    assert again == proposal
    assert len(kinds(scene, "settlement.proposed")) == 1
    assert sum(unpack_settlement_word(word)[1] for word in proposal.words) == 0


def test_run__traded_and_metered__lines_follow_the_protocol(scene: Any, tools: Any) -> None:
    settle(scene, tools)
    seller = to_hex(tools.key("house2").address)
    with scene.record.read() as connection:
        proposal = latest_proposal(connection, area=tools.AREA, period=tools.PERIOD)

    (statement,) = [item.statement.as_json() for item in proposal.statements if item.account == seller]
    lines = {(line.get("mtu"), line["kind"]): line for line in statement["lines"]}
    assert lines[1000, "local_sale"]["energy_wh"] == 500
    assert lines[1000, "imbalance_shortfall"]["energy_wh"] == 100
    assert lines[1001, "local_sale"]["energy_wh"] == 300
    assert lines[1001, "excess_export"]["energy_wh"] == 350
    assert lines[1001, "curtailment_compensation"]["energy_wh"] == 400
    assert lines[1002, "residual_feed_in"]["amount_neur"] == str(210 * 80_000)
    assert (1001, "residual_feed_in") not in lines


def test_sign__threshold_reached__asks_the_chain_once(scene: Any, tools: Any) -> None:
    proposal = settle(scene, tools)

    first = sign(scene, tools, proposal, 1)
    repeat = sign(scene, tools, proposal, 1)
    second = sign(scene, tools, proposal, 2)
    third = sign(scene, tools, proposal, 3)

    assert (first.signatures, first.complete) == (1, False)
    assert repeat == first
    assert (second.signatures, second.complete) == (2, True)
    assert third.complete is False
    (request,) = kinds(scene, "chain.requested")
    target, hashes, words, signatures = request["args"]
    assert (request["function"], target[1:4]) == ("settle", [tools.PERIOD, 0, 0])
    assert len(hashes) == 1
    assert tuple(int(word) for word in words) == proposal.words
    signers = [item["attester"] for item in kinds(scene, "settlement.signed")[0]["signatures"]]
    assert signers == sorted(signers)
    assert len(signatures) == 2


def test_sign__two_keys_of_one_organisation__count_once(scene: Any, tools: Any) -> None:
    proposal = settle(scene, tools)
    with scene.record.begin() as tx:
        row = tx.connection.execute(select(registry_area.c.attesters)).scalar_one()
        twins = json.dumps([{**item, "organisation": "org1"} for item in json.loads(row)[:2]] + json.loads(row)[2:])
        tx.connection.execute(update(registry_area).values(attesters=twins))

    sign(scene, tools, proposal, 1)
    twin = sign(scene, tools, proposal, 2)
    other = sign(scene, tools, proposal, 3)

    assert (twin.signatures, twin.complete) == (1, False)
    assert (other.signatures, other.complete) == (2, True)


def test_sign__more_words_than_a_page_holds__asks_for_each_page(scene: Any, tools: Any) -> None:
    words = [pack_settlement_word(account=n.to_bytes(20, "big"), amount_neur=1) for n in range(1, 2_050)]
    proposal = replace(settle(scene, tools), words=tuple(words))
    with scene.record.begin() as tx:
        tx.append(proposal)
    settle(scene, tools)

    sign(scene, tools, proposal, 1)
    sign(scene, tools, proposal, 2)

    first, *others = pages = [item["args"] for item in kinds(scene, "chain.requested")]
    assert [page[0][3] for page in pages] == list(range(-(-len(words) // SETTLEMENT_PAGE_WORDS)))
    assert [word for page in pages for word in page[2]] == [str(word) for word in words]
    assert {len(page[2]) for page in pages[:-1]} == {SETTLEMENT_PAGE_WORDS}
    assert len(first[3]) == 2 and not any(page[3] for page in others)
    assert all(page[1] == first[1] and len(page[1]) == len(pages) for page in pages)


def test_sign__outsider_or_garbage__is_refused(scene: Any, tools: Any) -> None:
    proposal = settle(scene, tools)
    call = {"area": tools.AREA, "period": tools.PERIOD, "revision": 0, "domain": tools.SETTLEMENT_DOMAIN}

    with pytest.raises(NotAnAttester):
        sign_settlement(scene.record, signature=tools.attester_signature(proposal, 9), **call)
    with pytest.raises(BadSignature):
        sign_settlement(scene.record, signature=b"\x00" * 65, **call)
    with pytest.raises(NothingProposed):
        sign_settlement(scene.record, signature=tools.attester_signature(proposal, 1), **{**call, "revision": 1})

    assert kinds(scene, "settlement.signed") == []


def test_run__late_readings__give_a_correction_with_differences(scene: Any, tools: Any) -> None:
    proposal = settle(scene, tools)
    sign(scene, tools, proposal, 1)
    sign(scene, tools, proposal, 2)
    scene.settled(proposal)
    settle(scene, tools)
    scene.attest(1003, {"meter1": (300, 0), "meter2": (0, 50), "meter3": (80, 0)})

    correction = settle(scene, tools)

    assert correction.revision == 1
    due = dict(unpack_settlement_word(word) for word in correction.words)
    house1 = tools.key("house1").address
    # 300 Wh late: supply, grid fee and levy at 300,000 + 70,000 + 20,000 nEUR/Wh, and 19 % VAT on that
    assert due[house1] == -(300 * 390_000) * 119 // 100
    assert sum(due.values()) == 0
    with pytest.raises(SettlementOutdated):
        sign_settlement(
            scene.record,
            area=tools.AREA,
            period=tools.PERIOD,
            revision=0,
            signature=tools.attester_signature(proposal, 3),
            domain=tools.SETTLEMENT_DOMAIN,
        )


def test_run__reading_before_the_signatures__replaces_the_proposal(scene: Any, tools: Any) -> None:
    first = settle(scene, tools)
    sign(scene, tools, first, 1)
    scene.attest(1003, {"meter1": (300, 0), "meter2": (0, 50), "meter3": (80, 0)})

    second = settle(scene, tools)

    assert second.revision == 0
    assert second.readings_root != first.readings_root
    with pytest.raises(NotAnAttester):
        sign_settlement(
            scene.record,
            area=tools.AREA,
            period=tools.PERIOD,
            revision=0,
            signature=tools.attester_signature(first, 2),
            domain=tools.SETTLEMENT_DOMAIN,
        )


def fail(scene: Any, key: str) -> None:
    with scene.record.begin() as tx:
        append_fact(tx, "chain.failed", {"key": key, "reason": "reverted"})


def sign_all(scene: Any, tools: Any, proposal: SettlementProposed) -> dict[str, Any]:
    """Two attesters sign; the request to settle."""
    for n in (1, 2):
        sign(scene, tools, proposal, n)
    return kinds(scene, "chain.requested")[-1]


LATE = {"meter1": (300, 0), "meter2": (0, 50), "meter3": (80, 0)}


def test_run__reading_overtakes_the_signed_settlement__it_is_proposed_and_signed_anew(scene: Any, tools: Any) -> None:
    first = settle(scene, tools)
    overtaken = sign_all(scene, tools, first)
    scene.attest(1003, LATE)
    fail(scene, overtaken["key"])

    second = settle(scene, tools)
    request = sign_all(scene, tools, second)
    scene.settled(second)
    settle(scene, tools, now=tools.ENDED + 10 * RETRY_SECONDS)

    assert (second.revision, second.readings_root) == (0, scene.readings_root)
    assert request["args"][0][4] == to_hex(second.statements_root)
    assert [item["function"] for item in kinds(scene, "chain.requested")] == ["settle", "settle"]
    assert len(kinds(scene, "settlement.signed")) == 2
    with scene.record.read() as connection:
        assert proposals(connection, area=tools.AREA, period=tools.PERIOD)[0] == second


def test_run__older_proposal_took_effect__it_is_the_one_that_counts(scene: Any, tools: Any) -> None:
    """A block was given up, and on the chain that stayed the settlement came before the late reading."""
    first = settle(scene, tools)
    sign_all(scene, tools, first)
    scene.attest(1003, LATE)
    settle(scene, tools)

    scene.settled(first)
    correction = settle(scene, tools)

    with scene.record.read() as connection:
        package = proposal_package(connection, area=tools.AREA, period=tools.PERIOD)
        assert proposals(connection, area=tools.AREA, period=tools.PERIOD)[0] == first
    assert (correction.revision, package.earlier) == (1, (EarlierSettlement(revision=0, words=first.words),))
    tools.verify(package)


def test_run__settlement_undone_by_a_reorganisation__counts_no_more(scene: Any, tools: Any) -> None:
    proposal = settle(scene, tools)
    scene.settled(proposal)
    settle(scene, tools)

    fail(scene, tools.settle_key(proposal))
    settle(scene, tools)

    with scene.record.read() as connection:
        state = period_state(connection, area=tools.AREA, period=tools.PERIOD)
    assert (state.settled, state.settled_at, state.settled_readings_root) == (0, None, None)


def test_run__roots_come_back_after_a_reorganisation__proposes_once_more(scene: Any, tools: Any) -> None:
    first = settle(scene, tools)
    before = scene.readings_root
    scene.attest(1003, LATE)
    settle(scene, tools)
    fail(scene, "attest:1003:1")
    scene.readings_root = before

    third = settle(scene, tools)

    assert third.readings_root == first.readings_root
    assert len(kinds(scene, "settlement.proposed")) == 3


def test_run__settle_refused_by_a_pause__is_asked_again_while_it_is_wanted(scene: Any, tools: Any) -> None:
    proposal = settle(scene, tools)
    request = sign_all(scene, tools, proposal)
    fail(scene, request["key"])

    settle(scene, tools, now=tools.ENDED + 60)
    assert len(kinds(scene, "chain.requested")) == 1
    settle(scene, tools, now=tools.ENDED + 60 + RETRY_SECONDS)

    _, again = kinds(scene, "chain.requested")
    assert (again["key"], again["args"]) == (f"{request['key']}#2", request["args"])
    scene.settled(proposal)
    fail(scene, again["key"])
    settle(scene, tools, now=tools.ENDED + 120 + 3 * RETRY_SECONDS)
    assert len(kinds(scene, "chain.requested")) == 2  # in effect by now: not wanted any more


def test_run__finalise_refused__is_asked_again(scene: Any, tools: Any) -> None:
    scene.settled(settle(scene, tools))
    settle(scene, tools)
    over = tools.ENDED + tools.HORIZON_SECONDS + 1
    settle(scene, tools, now=over)

    fail(scene, f"finalise:{tools.AREA}:{tools.PERIOD}")
    settle(scene, tools, now=over + 1)
    settle(scene, tools, now=over + 1 + RETRY_SECONDS)

    keys = [item["key"] for item in kinds(scene, "chain.requested")]
    assert keys == [f"finalise:{tools.AREA}:{tools.PERIOD}", f"finalise:{tools.AREA}:{tools.PERIOD}#2"]


def test_run__several_late_readings__each_gives_its_correction_across_restarts(scene: Any, tools: Any) -> None:
    """Each call of `settle` is a fresh stage, as after a restart; readings come before and after settlements."""
    scene.settled(settle(scene, tools))
    for revision, wh in enumerate((300, 310, 320), start=1):
        scene.attest(1003, {**LATE, "meter1": (wh, 0)})
        scene.attest(1002, {"meter1": (wh, 0), "meter2": (0, 210), "meter3": (250, 0)})
        correction = settle(scene, tools, now=tools.ENDED + revision)
        assert (correction.revision, correction.readings_root) == (revision, scene.readings_root)
        scene.settled(correction)

    settle(scene, tools, now=tools.ENDED + 100)

    assert [item["revision"] for item in kinds(scene, "settlement.proposed")] == [0, 1, 2, 3]


def test_run__reading_right_behind_the_settlement_in_its_block__gives_a_correction(scene: Any, tools: Any) -> None:
    proposal = settle(scene, tools)
    scene.settled(proposal)
    scene.attest(1003, LATE)

    assert settle(scene, tools).revision == 1


def test_run__registry_changes_while_it_computes__computes_again(scene: Any, tools: Any) -> None:
    late = tools.priced(version=2, valid_from_mtu=tools.FIRST + 1)

    def salt() -> bytes:
        if not [item for item in kinds(scene, "tariff.published") if item["version"] == 2]:
            with scene.record.begin() as tx:
                scene.append(tx, "tariff.published", late)
        return bytes(32)

    run_until_quiet([SettlementStage(scene.record, salt=salt)], tools.ENDED)

    with scene.record.read() as connection:
        package = proposal_package(connection, area=tools.AREA, period=tools.PERIOD)
    assert [tariff.version for tariff in package.tariffs] == [1, 2]
    tools.verify(package)


def test_package__retailer_joins_after_the_proposal__is_not_part_of_it(scene: Any, tools: Any) -> None:
    settle(scene, tools)
    with scene.record.begin() as tx:
        scene.append(tx, "participant.registered", tools._participant("newcomer", "retailer", None))

    with scene.record.read() as connection:
        package = proposal_package(connection, area=tools.AREA, period=tools.PERIOD)

    tools.verify(package)


def test_package__program_recorded_without_set_points_issued__settles_with_its_envelopes(
    scene: Any, tools: Any
) -> None:
    settle(scene, tools)

    with scene.record.read() as connection:
        package = proposal_package(connection, area=tools.AREA, period=tools.PERIOD)

    assert kinds(scene, "setpoints.issued") == []
    assert [[noun_json(item) for item in program.envelopes] for program in package.programs] == [tools.ENVELOPES]


def test_package__program_signed_but_not_recorded__settles_without_it(scene: Any, tools: Any) -> None:
    scene.ended()
    settle(scene, tools)

    with scene.record.read() as connection:
        assert proposal_package(connection, area=tools.AREA, period=tools.PERIOD).programs == ()


def test_run__horizon_over__finalises_and_then_rests(scene: Any, tools: Any) -> None:
    proposal = settle(scene, tools)
    scene.settled(proposal)
    settle(scene, tools)

    settle(scene, tools, now=tools.ENDED + tools.HORIZON_SECONDS + 1)
    settle(scene, tools, now=tools.ENDED + tools.HORIZON_SECONDS + 2)

    assert [item["function"] for item in kinds(scene, "chain.requested")] == ["finalise"]


def test_run__transaction_moves_to_another_block__counts_once(scene: Any, tools: Any) -> None:
    included = [content_of(entry) for entry in scene.record.entries(kinds=[ChainIncluded])]
    last = next(item for item in included if item["key"] == "unread:1003")

    with scene.record.begin() as tx:
        append_fact(tx, "chain.included", {**last, "block": last["block"] + 5})
    proposal = settle(scene, tools)

    assert proposal.readings_root == scene.readings_root


def test_verify_package__as_proposed__gives_the_digest_to_sign(scene: Any, tools: Any) -> None:
    proposal = settle(scene, tools)
    with scene.record.read() as connection:
        package = proposal_package(connection, area=tools.AREA, period=tools.PERIOD)

    digest = tools.verify(package)

    signature = tools.key("attester1").sign(digest)
    assert signature == tools.attester_signature(proposal, 1)


MUTATIONS = {
    "order quantity": lambda package: package["orders"][0]["order"].update(quantityLots=77),
    "order account": lambda package: package["orders"][0]["order"].update(account="0x" + "ab" * 20),
    "order signature": lambda package: package["orders"][0].update(signature=package["orders"][1]["signature"]),
    "registered key": lambda package: package["keys"][0].update(order_key="0x" + "ab" * 20),
    "word": lambda package: package["sessions"][0]["clearings"][0]["words"].pop(),
    "price": lambda package: package["sessions"][0]["clearings"][0].update(price_neur_per_wh=1),
    "reading": lambda package: package["attestations"][0]["readings"][0].update(import_wh=1),
    "attested total": lambda package: package["attestations"][0].update(import_wh=1),
    "results": lambda package: package["sessions"][0]["results"].reverse(),
    "cleared": lambda package: package["sessions"][0].update(traded_mask=f"0x{1:032x}"),
    "tariff": lambda package: package["tariffs"][0].update(supply_neur_per_wh=1),
    "agreement": lambda package: package["agreements"][0].update(version=2),
    "envelope": lambda package: package["programs"][0]["envelopes"][0].update(export_cap_wh=0),
    "schedule": lambda package: package["programs"][0]["schedules"].update(point2=[0, 0, 0, 0]),
    "schedule left out": lambda package: package["programs"][0]["schedules"].pop("point3"),
    "report": lambda package: package["programs"][0]["report"].update(envelopes_hash="0x" + "11" * 32),
    "grid model": lambda package: package["grid_model"]["points"].reverse(),
    "DSO's signature": lambda package: package["programs"][0].update(deadline=1),
    "earlier revision invented": lambda package: package["earlier"].append({"revision": 0, "words": []}),
    "proposed words": lambda package: package["proposal"]["words"].pop(),
    "proposed root": lambda package: package["proposal"].update(statements_root="0x" + "11" * 32),
    "statement": lambda package: package["proposal"]["statements"][0].update(statement_hash="0x" + "11" * 32),
    "salt": lambda package: package["proposal"]["statements"][0].update(salt="0x" + "11" * 32),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_verify_package__one_field_changed__is_refused(scene: Any, tools: Any, name: str) -> None:
    settle(scene, tools)
    with scene.record.read() as connection:
        package = json.loads(proposal_package(connection, area=tools.AREA, period=tools.PERIOD).write())
    MUTATIONS[name](package)

    with pytest.raises((WrongInput, TermNotSigned, BadSignature, MoneyMade, PackageMalformed)):
        tools.verify(Package.read(json.dumps(package).encode()))


def test_proposal_package__of_a_settlement__has_the_documented_shape(scene: Any, tools: Any) -> None:
    settle(scene, tools)
    with scene.record.read() as connection:
        package = proposal_package(connection, area=tools.AREA, period=tools.PERIOD).write()

    shown = SettlementPackage.model_validate_json(package)

    assert {order.rules.receipts for order in shown.orders} == {1}
    assert json.loads(shown.model_dump_json(by_alias=True, exclude_unset=True)) == json.loads(package)


def test_packages__asked_twice__is_made_once_until_something_is_erased(scene: Any, tools: Any) -> None:
    settle(scene, tools)
    packages = Packages(scene.record)
    order = scene.record.entries(kinds=[OrderAccepted])[0]
    signature = to_hex(order.as_a(OrderAccepted).signature).encode()

    first = packages.newest(area=tools.AREA, period=tools.PERIOD)
    again = packages.newest(area=tools.AREA, period=tools.PERIOD)
    scene.record.erase([order.sequence], "the period is final")
    after = packages.newest(area=tools.AREA, period=tools.PERIOD)

    assert again is first
    assert signature in first.text
    assert signature not in after.text


def test_rebuild_views__after_a_settlement__gives_the_same_state(scene: Any, tools: Any) -> None:
    proposal = settle(scene, tools)
    scene.settled(proposal)
    settle(scene, tools)
    with scene.record.begin() as tx:
        before = period_state(tx.connection, area=tools.AREA, period=tools.PERIOD)
        rebuild_views(tx, now=tools.ENDED)
        after = period_state(tx.connection, area=tools.AREA, period=tools.PERIOD)

    assert after == before
    assert proposal.readings_root == after.settled_readings_root


def test_run__position_lags_behind_the_chain__waits_for_its_fact(scene: Any, tools: Any) -> None:
    scene.attest(1003, {"meter1": (1, 0), "meter2": (0, 0), "meter3": (0, 0)})
    attested = scene.record.entries(kinds=[ReadingAttested])[-1]
    with scene.record.begin() as tx:
        run = SettlementStage(scene.record)
        of_the_fact = journal_entry.c.sequence == attested.sequence
        tx.connection.execute(update(journal_entry).where(of_the_fact).values(kind="later"))

    run_until_quiet([run], tools.ENDED)

    assert kinds(scene, "settlement.proposed") == []


def _supplied_by_a_stranger(scene: Any, tools: Any) -> dict[str, Any]:
    """A metered household whose retailer takes no part in the area: all but the retailer's registration, and that."""
    meter = {"meter": "meter9", "point": "point9", "public_key": "0x" + "00" * 32, "area": tools.AREA}
    parties = (tools.key("house9"), tools.key("rival"))
    agreement = tools.signed_agreement(
        *parties, domain=tools.SETTLEMENT_DOMAIN, agreement="agreement9", tariff="standard"
    )
    with scene.record.begin() as tx:
        scene.append(tx, "participant.registered", tools._participant("house9", "household", "point9"))
        scene.append(tx, "meter.registered", tools.signed_meter({**meter, "valid_from_mtu": 0}))
        scene.append(tx, "agreement.signed", noun_json(agreement))
    scene.attest(1003, {"meter1": (1, 0), "meter2": (0, 0), "meter3": (0, 0), "meter9": (5, 0)})
    return tools._participant("rival", "retailer", None)


def test_run__period_cannot_be_computed__listed_others_go_on_and_it_is_taken_up_again(scene: Any, tools: Any) -> None:
    retailer = _supplied_by_a_stranger(scene, tools)
    stage, later = SettlementStage(scene.record), Counter()

    run_until_quiet([stage, later], tools.ENDED)

    assert later.runs > 0
    assert kinds(scene, "settlement.proposed") == []
    assert [asdict(stuck) for stuck in stage.stuck] == [
        {"area": tools.AREA, "period": tools.PERIOD, "code": "missing-party"}
    ]
    with scene.record.begin() as tx:
        scene.append(tx, "participant.registered", retailer)
    run_until_quiet([stage, later], tools.ENDED)
    assert len(kinds(scene, "settlement.proposed")) == 1
    assert stage.stuck == []


def test_run__period_cannot_be_computed__not_tried_again_without_news(
    scene: Any, tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _supplied_by_a_stranger(scene, tools)
    tried: list[int] = []
    compute = stage_module.settle
    monkeypatch.setattr(stage_module, "settle", lambda inputs: tried.append(1) or compute(inputs))
    stage = SettlementStage(scene.record)

    for now in range(tools.ENDED, tools.ENDED + 5):
        run_until_quiet([stage], now)

    assert len(tried) == 1


def test_run__computing_breaks__listed_as_unexpected(scene: Any, tools: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(inputs: Any) -> Any:
        raise KeyError("point")

    monkeypatch.setattr(stage_module, "settle", broken)
    stage = SettlementStage(scene.record)

    run_until_quiet([stage], tools.ENDED)

    assert [stuck.code for stuck in stage.stuck] == [UNEXPECTED]


def test_run__record_away__is_no_matter_of_the_period(scene: Any, tools: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(inputs: Any) -> Any:
        raise StorageUnavailable(reason="disk full")

    monkeypatch.setattr(stage_module, "settle", away)
    stage = SettlementStage(scene.record)

    with pytest.raises(StorageUnavailable):
        run_until_quiet([stage], tools.ENDED)
    assert stage.stuck == []


class Counter:
    """A stage that only counts how often it was its turn."""

    name = "counter"

    def __init__(self) -> None:
        self.runs = 0

    def run(self, now: int) -> bool:
        self.runs += 1
        return False
