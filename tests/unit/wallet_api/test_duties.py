"""What organisations do over the API: the DSO's verdicts, attesters' signatures, evidence."""

from __future__ import annotations

import io
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from nacl.public import PrivateKey, SealedBox
from nacl.signing import SigningKey
from starlette.testclient import TestClient

from domain.facts import SettlementSigned, validated_key
from domain.hashing import text_id, to_hex
from domain.messages import make_message
from domain.metering_area import MeteringArea
from domain.readings import Attestation, Quality, Reading, in_leaf_order
from domain.registers import RegisterReading
from domain.words import OrderWord, Side
from settling.package import RegisteredTerms
from tests.journal import append_fact, content_of
from tests.unit.wallet_api.test_ownership import settled_day
from tests.unit.wallet_api.world import AREA, FIRST_MTU, GATE, MARKET, World, address, key_named, meter
from wallet_api.app import create_app
from wallet_api.bundles import EXPORT_SECONDS

pytestmark = pytest.mark.unit

TRADED = [
    f"0x{OrderWord(tag, side, 150_000, 10, accepted_lots=10).pack():064x}"
    for tag, side in ((1, Side.BID), (2, Side.ASK))
]
"""A bid and an ask that met."""

PROGRAM = f"/v1/dso/programs/{MARKET}/{GATE}"
NAMES = ("words_hash", "clearing_root", "readings_root", "statements_root", "tariff_hash")


@pytest.fixture
def validated(trading: World) -> World:
    """A market whose first program waits for the DSO's verdict until two hours after the gate."""
    payload = {
        "market": MARKET,
        "session": GATE,
        "first_mtu": FIRST_MTU,
        "count": 96,
        "results": [
            {
                "mtu": FIRST_MTU,
                "price_neur_per_wh": 150_000,
                "words": [],
                "result_hash": "0x" + "01" * 32,
                "given_up": False,
            }
        ],
        "envelopes": [{"point": "DE-LV1-P1", "mtu": FIRST_MTU, "import_cap_wh": None, "export_cap_wh": 50}],
        "report": {"binding": [{"mtu": FIRST_MTU, "element": "line 2"}]},
        "report_hash": "0x" + "02" * 32,
        "grid_model_hash": "0x" + "03" * 32,
        "books_root": "0x" + "05" * 32,
        "results_root": "0x" + "04" * 32,
        "traded_mask": "0x" + "00" * 15 + "01",
        "emptied_mask": "0x" + "00" * 16,
        "deadline": GATE + 7_200,
        "schedules": {},
        "earlier": [],
        "rounds": 1,
    }
    with trading.services.record.begin() as tx:
        append_fact(tx, "program.validated", payload, key=validated_key(market=MARKET, session=GATE))
    trading.clock.advance_to(GATE + 900)
    return trading


def test_dso__sees_what_it_signs__and_signs_exactly_that(validated: World) -> None:
    queue = validated.get("grid operator", "/v1/dso/programs").json()["items"]
    shown = validated.get("grid operator", PROGRAM).json()
    digest = bytes.fromhex(shown["to_sign"]["digest"][2:])
    signature = to_hex(key_named("grid operator").sign(digest))

    answer = validated.post("grid operator", f"{PROGRAM}/signature", {"signature": signature})

    assert [one["session"] for one in queue] == [GATE]
    assert shown["report"]["binding"][0]["element"] == "line 2"
    assert shown["to_sign"]["typed_data"]["message"]["reportHash"] == "0x" + "02" * 32
    assert answer.status_code == 201
    assert validated.post("grid operator", f"{PROGRAM}/signature", {"signature": signature}).status_code == 200
    assert validated.get("grid operator", "/v1/dso/programs").json()["items"] == []
    verdicts = validated.get("grid operator", "/v1/dso/verdicts").json()["items"]
    assert [(one["session"], one["verdict"]) for one in verdicts] == [(GATE, "signed")]


def test_dso__refuses__reason_is_what_it_signed(validated: World) -> None:
    shown = validated.get("grid operator", PROGRAM, reason="feeder 3 is down").json()
    signature = to_hex(key_named("grid operator").sign(bytes.fromhex(shown["to_refuse"]["digest"][2:])))
    head = validated.head()

    other = validated.post("grid operator", f"{PROGRAM}/refusal", {"reason": "other", "signature": signature})
    assert (other.status_code, validated.head()) == (403, head)
    answer = validated.post(
        "grid operator", f"{PROGRAM}/refusal", {"reason": "feeder 3 is down", "signature": signature}
    )

    assert answer.status_code == 201
    verdict = validated.get("audit office", "/v1/dso/verdicts").json()["items"][0]
    assert (verdict["verdict"], verdict["reason"]) == ("refused", "feeder 3 is down")


@pytest.mark.parametrize("signer", ["market operator", "household 1", "attester north"])
def test_dso__signed_by_another__refused(validated: World, signer: str) -> None:
    digest = bytes.fromhex(validated.get("grid operator", PROGRAM).json()["to_sign"]["digest"][2:])
    head = validated.head()

    body = {"signature": to_hex(key_named(signer).sign(digest))}

    assert validated.post("grid operator", f"{PROGRAM}/signature", body).status_code == 403
    assert validated.head() == head


def test_dso__silent__late_verdict_refused_and_listed_as_silent(validated: World) -> None:
    digest = bytes.fromhex(validated.get("grid operator", PROGRAM).json()["to_sign"]["digest"][2:])
    validated.clock.advance_to(GATE + 7_201)
    head = validated.head()

    body = {"signature": to_hex(key_named("grid operator").sign(digest))}

    assert validated.post("grid operator", f"{PROGRAM}/signature", body).status_code == 409
    assert validated.head() == head
    assert validated.get("grid operator", "/v1/dso/verdicts").json()["items"][0]["verdict"] == "silent"


def test_program__given_up_mtus__cleared_once_the_others_are_and_resolved_once_the_session_is_over(
    trading: World,
) -> None:
    last = FIRST_MTU + 95
    prices: dict[int, int | None] = dict.fromkeys(range(FIRST_MTU, last + 1))
    prices |= dict.fromkeys((FIRST_MTU, FIRST_MTU + 1), 150_000)
    results = [
        {"mtu": mtu, "price_neur_per_wh": price, "words": [], "result_hash": "0x" + "00" * 32, "given_up": mtu == last}
        for mtu, price in prices.items()
    ]
    program = {"market": MARKET, "session": GATE, "results": results, "deadline": GATE + 7_200, "first_mtu": FIRST_MTU}
    masks = {"traded_mask": "0x" + "00" * 15 + "03", "emptied_mask": f"0x{1 << 95:032x}"}
    trading.fact("program.validated", program | masks | {"count": 96})
    trading.fact("program.signed", {"market": MARKET, "session": GATE})
    states = [_state(trading)]
    for mtu in (FIRST_MTU, FIRST_MTU + 1):
        cleared = {"market": MARKET, "session": GATE, "mtu": mtu, "price_neur_per_wh": 150_000, "words": TRADED}
        trading.fact("mtu.cleared", cleared)
        states.append(_state(trading))

    done = {"cleared_mask": "0x" + "00" * 15 + "03", "clearing_root": "0x" + "00" * 32}
    trading.fact("session.done", {"market": MARKET, "session": GATE} | done)

    assert [*states, _state(trading)] == [("signed", 1), ("signed", 1), ("cleared", 1), ("resolved", 1)]
    ends = trading.get(None, f"/v1/markets/{MARKET}/prices", from_=FIRST_MTU, limit=96).json()["items"]
    assert [one["state"] for one in ends] == [*["cleared"] * 2, *["tradeless"] * 93, "void"]
    mtus = trading.get(None, f"/v1/markets/{MARKET}/mtus", from_=FIRST_MTU, limit=96).json()["items"]
    assert [one["state"] for one in mtus] == [one["state"] for one in ends]


def test_program__signed_with_nothing_to_trade__is_not_called_cleared(validated: World) -> None:
    program = {"market": MARKET, "session": GATE, "results": [], "deadline": GATE + 7_200}
    validated.fact("program.validated", program, key="validated once more")

    validated.fact("program.signed", {"market": MARKET, "session": GATE})

    assert _state(validated) == ("signed", 0)
    listed = {
        state: len(validated.get(None, f"/v1/markets/{MARKET}/programs", state=state).json()["items"])
        for state in ("signed", "cleared")
    }
    assert listed == {"signed": 1, "cleared": 0}


def _state(world: World) -> tuple[str, int]:
    (program,) = world.get(None, f"/v1/markets/{MARKET}/programs").json()["items"]
    return program["state"], program["given_up_mtus"]


def test_dso__program_unknown_or_not_validated__not_found(trading: World) -> None:
    for path in (PROGRAM, f"{PROGRAM}/orders", f"/v1/dso/programs/{MARKET}/{GATE + 9}", "/v1/dso/programs/none/1"):
        assert trading.get("grid operator", path).status_code == 404


def test_set_points__own_point__after_they_are_issued(validated: World) -> None:
    assert validated.get("household 1", "/v1/set-points").json()["items"] == []
    envelopes = [
        {"point": f"DE-LV1-P{number}", "mtu": FIRST_MTU, "import_cap_wh": None, "export_cap_wh": 50 * number}
        for number in (1, 2)
    ]
    validated.fact("setpoints.issued", {"market": MARKET, "session": GATE, "envelopes": envelopes})

    shown = validated.get("household 1", "/v1/set-points").json()["items"]

    assert [(one["point"], one["export_cap_wh"]) for one in shown] == [("DE-LV1-P1", 50)]


@pytest.mark.parametrize("caller", [None, "household 1", "grid operator"])
def test_reads__market_by_its_id__answer_as_by_its_code(validated: World, caller: str | None) -> None:
    envelope = {"point": "DE-LV1-P1", "mtu": FIRST_MTU, "import_cap_wh": None, "export_cap_wh": 50}
    validated.fact("setpoints.issued", {"market": MARKET, "session": GATE, "envelopes": [envelope]})
    nominated = {"market": MARKET, "session": GATE, "first_mtu": FIRST_MTU, "point": "DE-LV1-P1", "net_wh": [0] * 96}
    validated.fact("schedule.nominated", nominated)
    validated.fact("mtu.cleared", {"market": MARKET, "session": GATE, "mtu": FIRST_MTU, "words": TRADED})
    paths = {route.path for route in validated.app.routes if "{market:path}" in getattr(route, "path", "")}
    assert len(paths) >= 10

    for path in sorted(paths):
        named, by_id = (
            validated.get(caller, path.replace("{market:path}", name).format(session=GATE, mtu=FIRST_MTU))
            for name in (MARKET, to_hex(text_id(MARKET)))
        )
        assert (by_id.status_code, by_id.content) == (named.status_code, named.content), path


def test_attester__registry__is_what_it_verifies_against(trading: World) -> None:
    answer = trading.get("attester north", "/v1/attester/registry", area=AREA)

    area = MeteringArea.from_json(answer.json())
    assert (area.code, area.threshold, len(area.periods)) == (AREA, 2, 1)
    assert trading.get("attester north", "/v1/attester/registry", area="other").status_code == 404


def test_attester__terms__are_the_registry_facts_money_rests_on(trading: World) -> None:
    answer = trading.get("attester north", "/v1/attester/terms", area=AREA)

    assert RegisteredTerms.read(answer.content).parties, "an attester can't read them"
    terms = answer.json()
    assert {party["kind"] for party in terms["parties"]} >= {"household", "retailer"}
    assert {key["account"] for key in terms["keys"]} <= {party["account"] for party in terms["parties"]}
    shown = [(tariff["tariff"], tariff["version"]) for tariff in terms["tariffs"]]
    assert shown == [("tariff of retailer 1", 1), ("tariff of retailer 2", 1)]
    assert terms["agreements"] != []
    assert trading.get("attester north", "/v1/attester/terms", area="other").status_code == 404
    assert trading.get("household 1", "/v1/attester/terms", area=AREA).status_code == 403


@pytest.mark.parametrize(
    "changes",
    [{"area": "other"}, {"attestations": []}, {"attestations": [{}]}, {"period": -1}, {"messages": [1]}, {"extra": 1}],
)
def test_attester__attestation_of_wrong_form__refused(trading: World, changes: dict[str, Any]) -> None:
    body = {"area": AREA, "period": 1, "attestations": [{"mtu": FIRST_MTU}], "messages": []} | changes
    head = trading.head()

    answer = trading.post("attester north", "/v1/attestations", body)

    assert 400 <= answer.status_code < 500
    assert trading.head() == head


def attested_mtu(world: World) -> dict[str, Any]:
    """One MTU of two meters: their signed messages and the attestation of two attesters."""
    readings, messages = [], []
    for number in (1, 2):
        key, code = SigningKey(bytes([number]) * 32), f"M{number}"
        public_key = to_hex(bytes(key.verify_key))
        body = meter(code, f"DE-LV1-P{number}", public_key, valid_from_mtu=FIRST_MTU)
        answer = world.post("registry office", "/v1/meters", body)
        assert answer.status_code == 201
        registers = [
            RegisterReading(
                mtu=FIRST_MTU - 1, import_register_wh=1_000, export_register_wh=0, sequence=1, nonce=bytes(32)
            ),
            RegisterReading(
                mtu=FIRST_MTU, import_register_wh=1_120, export_register_wh=0, sequence=2, nonce=bytes([number]) * 32
            ),
        ]
        messages.append(make_message(meter_code=code, readings=registers, key=key).decode())
        readings.append(Reading(code, FIRST_MTU, 1_120, 0, 120, 0, 2, Quality.MEASURED, bytes([number]) * 32))
    made = Attestation.of(area=text_id(AREA), mtu=FIRST_MTU, revision=0, readings=readings)
    sides = sorted(("north", "south"), key=lambda side: address(f"attester {side}"))
    attestation = {
        "mtu": FIRST_MTU,
        "revision": 0,
        "root": to_hex(made.root),
        "count": made.count,
        "import_wh": made.import_wh,
        "export_wh": made.export_wh,
        "signatures": [world.sign(f"attester {side}", "Attestation", made.values()) for side in sides],
        "readings": [reading.as_json() for reading in in_leaf_order(readings)],
    }
    return {"area": AREA, "period": 1, "attestations": [attestation], "messages": messages}


def test_attester__hands_in_readings__recorded_once_and_shown_to_their_owner(trading: World) -> None:
    body = attested_mtu(trading)
    trading.clock.advance_to((FIRST_MTU + 1) * 900)

    first = trading.post("attester north", "/v1/attestations", body)
    head = trading.head()
    again = trading.post("attester south", "/v1/attestations", body)

    assert (first.status_code, first.json()["mtus"]) == (201, [FIRST_MTU])
    assert (again.status_code, again.json()["sequence"], trading.head()) == (200, first.json()["sequence"], head)
    mine = trading.get("household 1", "/v1/readings").json()["items"]
    assert [(one["reading"]["meter"], one["reading"]["import_wh"]) for one in mine] == [("M1", 120)]
    params = {"area": AREA, "from": FIRST_MTU, "to": FIRST_MTU + 2}
    states = trading.get("attester north", "/v1/attestations", **params).json()["items"]
    assert [state["next_revision"] for state in states] == [1, 0]


@pytest.mark.parametrize("what", ["one signature", "sum", "reading", "no messages", "not ended", "late"])
def test_attester__attestation_that_does_not_hold__refused(trading: World, what: str) -> None:
    body = attested_mtu(trading)
    attestation = body["attestations"][0]
    trading.clock.advance_to((FIRST_MTU + (6 if what == "late" else 0 if what == "not ended" else 1)) * 900)
    if what == "one signature":
        attestation["signatures"].pop()
    elif what == "sum":
        attestation["import_wh"] += 1
    elif what == "reading":
        attestation["readings"][0]["import_wh"] += 1
    elif what == "no messages":
        body["messages"] = []
    head = trading.head()

    answer = trading.post("attester north", "/v1/attestations", body)

    assert answer.json()["type"] == "/problems/attestation-refused"
    assert "ascend" not in answer.json()["detail"]
    assert trading.head() == head


def settlement_signature(world: World, attester: str, proposal: dict[str, Any]) -> dict[str, Any]:
    """An attester's signature over a proposal."""
    keys = ("wordsHash", "clearingRoot", "readingsRoot", "statementsRoot", "tariffHash")
    values = {"area": text_id(AREA), "period": 1, "revision": 0} | dict(
        zip(keys, (proposal[name] for name in NAMES), strict=True)
    )
    return {"attester": address(attester), "signature": world.sign(attester, "Settlement", values)}


def test_attesters__sign_a_settlement__complete_at_the_threshold(trading: World) -> None:
    settled_day(trading)
    path = f"/v1/attester/settlements/{AREA}/1/0/signature"
    waiting = trading.get("attester north", "/v1/attester/settlements", state="proposed").json()["items"]
    shown = trading.get("household 1", "/v1/statements/1/0").json()
    north, south = (settlement_signature(trading, f"attester {side}", shown) for side in ("north", "south"))

    first = trading.post("attester north", path, north)
    again = trading.post("attester north", path, north)
    second = trading.post("attester south", path, south)

    assert [(one["period"], one["revision"]) for one in waiting] == [(1, 0)]
    assert [answer.json()["signatures"] for answer in (first, again, second)] == [1, 1, 2]
    assert [answer.json()["complete"] for answer in (first, again, second)] == [False, False, True]
    kinds = [entry.kind for entry in trading.services.record.entries(kinds=(SettlementSigned,))]
    assert kinds == ["settlement.signed"]


def test_attesters__foreign_signature_or_period__refused(trading: World) -> None:
    settled_day(trading)
    shown = trading.get("household 1", "/v1/statements/1/0").json()
    head = trading.head()
    stranger = settlement_signature(trading, "market operator", shown) | {"attester": address("attester north")}
    path = f"/v1/attester/settlements/{AREA}/1/0/signature"

    assert trading.post("attester north", path, stranger).status_code == 403
    good = settlement_signature(trading, "attester north", shown)
    assert trading.post("attester south", path, good).status_code == 403
    assert trading.post("attester north", path.replace("/1/0/", "/1/5/"), good).status_code == 404
    assert trading.post("attester north", path.replace(AREA, "other"), good).status_code == 404
    assert trading.head() == head


def anchor(world: World) -> None:
    """Let the journal's head stand on chain, as far as the record says."""
    head = world.services.record.head()
    event = {
        "contract": "Anchors",
        "event": "HeadAnchored",
        "args": {"sequence": head.sequence, "head": to_hex(head.hash), "previousHead": "0x" + "00" * 32},
    }
    world.fact("chain.included", {"key": "anchor:1", "events": [event]})


def names_in(packed: bytes) -> set[str]:
    """The files of a tar."""
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        return set(archive.getnames())


def test_evidence__public__a_bundle_without_names(trading: World) -> None:
    anchor(trading)

    answer = trading.get(None, "/v1/evidence/public")

    assert answer.headers["content-type"] == "application/x-tar"
    assert {"manifest.json", "chain.json", "journal.jsonl"} <= names_in(answer.content)
    assert address("household 1").encode() not in answer.content
    assert trading.get(None, "/v1/evidence/public").content == answer.content
    assert trading.get(None, "/v1/ledger").json()["last_anchor"]["block"] == 7


def test_evidence__personal__own_account_only(trading: World) -> None:
    trading.post("household 1", "/v1/orders", trading.order_body("household 1"))
    anchor(trading)

    mine = trading.get("household 1", "/v1/evidence/personal")

    assert {"account.json", "orders.jsonl"} <= names_in(mine.content)
    assert address("household 1").encode() in mine.content
    assert address("household 2").encode() not in mine.content


def test_evidence__auditor__sealed_and_each_access_a_fact(trading: World) -> None:
    anchor(trading)
    key = PrivateKey.generate()
    object.__setattr__(trading.services, "auditor_seal", bytes(key.public_key))
    before = trading.services.record.head().sequence

    answer = trading.get("audit office", "/v1/evidence/auditor")

    assert answer.headers["content-type"] == "application/octet-stream"
    assert address("household 1").encode() not in answer.content
    opened = SealedBox(key).decrypt(answer.content)
    assert address("household 1").encode() in opened
    entries = trading.services.record.entries(after=before)
    assert [(entry.kind, content_of(entry)["auditor"]) for entry in entries] == [
        ("access.logged", address("audit office"))
    ]


def test_app__built_twice_on_one_record__same_answers(trading: World) -> None:
    with TestClient(create_app(trading.services)) as other:
        assert other.get("/v1/markets").json() == trading.get(None, "/v1/markets").json()


@pytest.mark.parametrize("path", ["/v1/dso/programs", f"/v1/markets/{MARKET}/programs"])
def test_programs__state_that_is_none__refused(trading: World, path: str) -> None:
    answer = trading.get("grid operator", path, state="bogus")

    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-fields")


def test_dso__programs_in_any_state__all_of_its_area(trading: World) -> None:
    shown = trading.get("grid operator", "/v1/dso/programs", state="any").json()["items"]

    assert [(one["session"], one["state"]) for one in shown] == [(GATE, "open")]
    assert trading.get("grid operator", "/v1/dso/programs").json()["items"] == []


def test_evidence__while_another_is_exported__told_to_come_back(
    trading: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More requests than the service has threads: each is answered, and so is everybody else."""
    anchor(trading)
    exporting, go_on = threading.Event(), threading.Event()

    def slow(*_: Any, **__: Any) -> None:
        exporting.set()
        assert go_on.wait(30)
        raise KeyError

    monkeypatch.setattr("wallet_api.bundles.export_personal", slow)
    trading.headers("household 1")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(trading.get, "household 1", "/v1/evidence/personal")
        assert exporting.wait(30)
        answers = [trading.get("household 2", "/v1/evidence/personal") for _ in range(45)]
        others = [trading.get("audit office", "/v1/evidence/auditor")]
        public = trading.get(None, "/v1/evidence/public")
        health = trading.get(None, "/health")
        go_on.set()
        assert first.result(30).status_code == 404

    assert {(one.status_code, one.json()["type"]) for one in answers + others} == {(503, "/problems/busy")}
    assert {one.headers["retry-after"] for one in answers} == {str(EXPORT_SECONDS)}
    assert "exported" in answers[0].json()["detail"]
    assert (health.status_code, public.status_code) == (200, 200)


def test_evidence__asked_for_again_before_the_next_anchor__made_once(
    trading: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    anchor(trading)
    first = [trading.get(f"household {number}", "/v1/evidence/personal").content for number in (1, 2)]
    public = trading.get(None, "/v1/evidence/public").content
    with monkeypatch.context() as patched:
        patched.setattr("wallet_api.bundles.export_personal", None)
        patched.setattr("wallet_api.bundles.GrowingPublic.up_to_anchor", None)
        assert [trading.get(f"household {number}", "/v1/evidence/personal").content for number in (1, 2)] == first
        assert trading.get(None, "/v1/evidence/public").content == public
    assert first[0] != first[1]

    trading.post("household 1", "/v1/orders", trading.order_body("household 1"))
    anchor(trading)

    assert trading.get("household 1", "/v1/evidence/personal").content != first[0]
    assert trading.get(None, "/v1/evidence/public").content != public
