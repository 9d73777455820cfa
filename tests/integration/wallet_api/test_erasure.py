"""A household has its orders erased over the API, and outsiders verify what is left."""

from __future__ import annotations

import dataclasses
import io
import json
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from httpx import Response
from typer.testing import CliRunner

from domain.eip712 import AUDIT, ERASURE, ORDER
from domain.facts import FACTS
from domain.hashing import canonical_json, from_hex, to_hex
from domain.mtu import isoformat_utc
from domain.signing import personal_message_digest
from edge.limits import Limiter
from ledger_service.access.directory import Directory, OrganisationKey
from ledger_service.access.roles import Role
from ledger_service.clock import ManualClock
from ledger_service.record import Record
from ledger_service.record.journal import payload_hash
from ledger_service.record.transaction import Prepared
from ledger_service.registry import queries
from ledger_service.trading import Intake, ReceiptSigner
from scripts.cli.main import app as dominoes
from tests.unit.verifier.fake_chain import (
    AREA,
    ATTEST_SECONDS,
    CHAIN_ID,
    CONTRACTS,
    COUNT,
    FIRST,
    HORIZON_SECONDS,
    address,
    key_of,
    sign,
)
from tests.unit.verifier.journal import Payload
from tests.unit.verifier.small_day import Day
from tests.unit.verifier.test_small_day import messages
from tests.unit.wallet_api.contract import CheckedClient
from tests.unit.wallet_api.test_rebuild import rebuilding, rows, tables_of
from tests.unit.wallet_api.world import WALL_SECONDS, NoMoney, World, make_services
from verifier.verdict import Report
from verifier.verify import verify
from wallet_api.app import create_app
from wallet_api.services import PublicDeployment, Services

pytestmark = pytest.mark.integration

VIEWS = ("registry", "market", "trading", "settlement", "money", "overview")
"""Packages with views of what people trade and owe, each after those it builds on."""

ALL = FIRST + 96
"""After every MTU of the day."""


class GoesOn(Day):
    """A day whose journal goes on after each anchor."""

    trusted: Payload

    def anchor_last(self) -> None:
        """The head comes on chain, is what outsiders trust, and what was done for it is told."""
        sequence = len(self.entries)
        self.anchor()
        entries, self.entries = self.entries, self.entries[:sequence]
        self.trusted, self.entries = self.anchors(), entries


class DayWorld(World):
    """Whoever takes part in the day talks to its API."""

    def log_in(self, name: str) -> Response:
        """With the key of that name."""
        asked = self.client.post("/v1/session/challenge", json={"account": address(name)}).json()
        signature = key_of(name).sign(personal_message_digest(asked["text"]))
        body = {"nonce": asked["nonce"], "signature": to_hex(signature)}
        answer: Response = self.client.post("/v1/session", json=body)
        return answer


@dataclasses.dataclass
class Town:
    """The record of a day, its API, and the chain beside it."""

    day: GoesOn
    world: World

    @property
    def record(self) -> Record:
        return self.world.services.record

    def tell(self) -> None:
        """The record takes over what the day's journal has beyond it."""
        with self.record.begin() as tx:
            for entry in self.day.entries[tx.head.sequence :]:
                text, salt = canonical_json(entry["payload"]), from_hex(entry["salt"])
                key = FACTS[entry["kind"]].read(text).journal_key
                tx.append(Prepared(entry["kind"], key, text, salt, payload_hash(salt=salt, payload_text=text)))
            assert to_hex(tx.head.hash) == self.day.entries[-1]["hash"]

    def hear(self) -> None:
        """The day's journal takes over what the API has recorded."""
        for entry in self.record.entries(after=len(self.day.entries)):
            assert entry.fact is not None and entry.salt is not None
            payload = entry.fact.payload()
            told = {"sequence": entry.sequence, "kind": entry.kind, "salt": to_hex(entry.salt), "payload": payload}
            self.day.entries.append({**told, "hash": to_hex(entry.hash)})
            self.day.head = entry.hash

    def anchor(self) -> None:
        """The head comes on chain."""
        self.hear()
        self.day.anchor_last()
        self.tell()

    def bundle(self, name: str, kind: str) -> dict[str, bytes]:
        """A bundle as somebody gets it."""
        answer = self.world.get(name, f"/v1/evidence/{kind}")
        assert answer.status_code == 200, answer.text
        with tarfile.open(fileobj=io.BytesIO(answer.content)) as packed:
            files = {member.name: packed.extractfile(member) for member in packed.getmembers() if member.isfile()}
        return {Path(name).name: data.read() for name, data in files.items() if data is not None}

    def audit(self) -> None:
        """The auditor signs for all there is."""
        head = self.record.head()
        signature = _signed("auditor", head.sequence, head.hash)
        body = {"sequence": head.sequence, "head": to_hex(head.hash), "signature": signature}
        answer = self.world.post("auditor", "/v1/audits", body)
        assert answer.status_code == 201, answer.text
        assert self.world.post("auditor", "/v1/audits", body).status_code == 200

    def verdict(self, name: str, kind: str) -> Report:
        """Of an outsider who gets a bundle."""
        return verify(self.bundle(name, kind), self.day.trusted, self.day.chain.rpc)

    def erase(self, name: str, before_mtu: int = ALL, *, by: str | None = None, **changed: int) -> Response:
        """Somebody has its own data erased, and signs that itself, or another one for it."""
        signed = {"account": address(name), "beforeMtu": before_mtu, "deadline": self.world.clock.now() + 60}
        signature = sign(by or name, ERASURE, signed, "Anchors")
        body = {"before_mtu": before_mtu, "deadline": signed["deadline"], "signature": signature}
        return self.world.post(name, "/v1/erasures", body | changed)


def services_of(folder: Path) -> Services:
    """The API's services of the day's operator."""
    services, clock = make_services(folder, wall=[WALL_SECONDS], market_seconds=FIRST * 900)
    deployment = PublicDeployment(
        chain_id=CHAIN_ID,
        addresses={name: from_hex(at) for name, at in CONTRACTS.items()},
        origin_seconds=5,
        start_seconds=5,
        speed=1,
    )

    def participant_of(account: str) -> Any:
        with services.record.read() as connection:
            return queries.participant_of(connection, account)

    auditor = OrganisationKey(address=key_of("auditor").address, role=Role.AUDITOR, name="auditor")
    signer = ReceiptSigner(key=key_of("operator"), domain=deployment.domain_of(ORDER))
    domain = deployment.domain_of(ORDER)
    intake = Intake(record=services.record, domain=domain, clock=clock, funds=NoMoney(), signer=signer)
    directory = Directory(organisations=[auditor], participant_of=participant_of, is_agent=lambda _: False)
    return dataclasses.replace(services, deployment=deployment, directory=directory, intake=intake)


@contextmanager
def town_of(day: GoesOn, folder: Path) -> Iterator[Town]:
    """A day as its operator has recorded it."""
    services = services_of(folder)
    app = create_app(services)
    app.state.edge.limiter = Limiter(monotonic=time.monotonic, at_once=10**6)
    with CheckedClient(app, raise_server_exceptions=False) as client:
        clock = ManualClock(FIRST * 900)
        made = Town(day, DayWorld(services=services, clock=clock, app=app, client=client, wall=[WALL_SECONDS]))
        made.tell()
        with services.record.begin() as tx:
            for package in VIEWS:
                rebuilding(package, now=clock.now())(tx)
        yield made
    services.record.close()


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """A day that is Final."""
    with town_of(GoesOn().run(), tmp_path) as made:
        yield made


class NotFinal(GoesOn):
    """A day whose bills may still be corrected."""

    ending = ("fund",)


def test_erasures__own_data_of_a_final_day__evidence_says_what_is_gone_and_others_keep_theirs(town: Town) -> None:
    tags = sorted(tag for tag, (order, _) in town.day.orders.items() if to_hex(order.account) == address("h3"))
    before = town.verdict("auditor", "auditor")
    town.audit()

    answer = town.erase("h3")
    town.anchor()
    after = town.verdict("auditor", "auditor")

    assert (messages(before), before.verdict) == ("", "clean")
    assert (answer.status_code, answer.json()["erased_orders"]) == (201, 3)
    assert (messages(after), after.verdict) == ("", "clean, in part")
    assert set(tags) <= set(after.unknown.tags) and len(after.unknown.tags) == 3
    assert after.unknown.mtus == {AREA: [FIRST, FIRST + 1]}
    assert after.unknown.most_neur > 0
    assert after.unknown.unbounded == []
    for other in ("h1", "h2", "retail"):
        report = town.verdict(other, "personal")
        assert (messages(report), report.verdict) == ("", "clean")
    assert town.world.get("h3", "/v1/evidence/personal").json()["type"] == "/problems/openings-erased"


def test_erasures__again__nothing_is_left(town: Town) -> None:
    town.audit()
    first = town.erase("h3")
    head = town.record.head()

    again = town.erase("h3")

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == {"erased_entries": 0, "erased_orders": 0, "erasure_sequence": None, "more": False}
    assert town.record.head() == head


def test_erasures__views__are_as_folding_the_journal_again_makes_them(town: Town) -> None:
    town.audit()
    for name in ("h1", "h2", "h3", "retail"):
        assert town.erase(name).status_code == 201
    held = {package: rows(town.world, tables_of(package)) for package in VIEWS}

    with town.record.begin() as tx:
        for package in VIEWS:
            rebuilding(package, now=town.world.clock.now())(tx)

    assert {package: rows(town.world, tables_of(package)) for package in VIEWS} == held
    assert [town.world.get(name, "/v1/orders").json()["items"] for name in ("h1", "h3")] == [[], []]
    assert [town.world.get(name, "/v1/trades").json()["items"] for name in ("h1", "h3")] == [[], []]
    assert town.world.get("h1", "/v1/schedules").json()["items"] == []


def test_erasures__of_one__leave_the_lists_of_others(town: Town) -> None:
    listed = {path: town.world.get("h1", path).json() for path in ("/v1/orders", "/v1/trades", "/v1/schedules")}
    town.audit()

    town.erase("h3")

    assert {path: town.world.get("h1", path).json() for path in listed} == listed
    assert town.world.get("h3", "/v1/statements").json()["items"] != []


def test_erasures__not_signed_as_asked_or_too_late__erase_nothing(town: Town) -> None:
    town.audit()
    head, now = town.record.head(), town.world.clock.now()

    found = [town.erase("h3", by="h1"), town.erase("h3", before_mtu=FIRST), town.erase("h3", deadline=now + 90)]
    late = {"account": address("h3"), "beforeMtu": ALL, "deadline": now - 1}
    body = {"before_mtu": ALL, "deadline": now - 1, "signature": sign("h3", ERASURE, late, "Anchors")}
    found.append(town.world.post("h3", "/v1/erasures", body))

    told = [(one.status_code, one.json().get("type")) for one in found]
    assert told == [
        (403, "/problems/erasure-not-signed"),
        (200, None),  # nothing is before the day
        (403, "/problems/erasure-not-signed"),
        (409, "/problems/erasure-too-late"),
    ]
    assert town.record.head() == head


def test_erasures__before_an_audit__say_what_they_wait_for(town: Town) -> None:
    head = town.record.head()

    answer = town.erase("h3")

    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/not-audited")
    assert town.record.head() == head


def test_erasures__before_the_period_is_final__say_by_when_it_is(tmp_path: Path) -> None:
    with town_of(NotFinal().run(), tmp_path) as town:
        town.audit()
        head = town.record.head()

        answer = town.erase("h3")
        earlier = town.erase("h3", before_mtu=FIRST)

        final_by = (FIRST + COUNT) * 900 + ATTEST_SECONDS + HORIZON_SECONDS
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/period-not-final")
        assert isoformat_utc(final_by) in answer.json()["detail"]
        assert (earlier.status_code, earlier.json()["erased_entries"]) == (200, 0)
        assert town.record.head() == head


def test_erase__by_the_desk__as_the_person_itself_would(town: Town, tmp_path: Path) -> None:
    town.audit()
    settings = tmp_path / "service.toml"
    settings.write_text(f'[database]\nurl = "{town.record.engine.url}"\n')
    asked = ["erase", address("h3"), "--before-mtu", str(ALL), "--reason", "retention over", "--config", str(settings)]

    done, again = (CliRunner().invoke(dominoes, [*asked, "--json"]) for _ in range(2))

    assert (done.exit_code, json.loads(done.output)["erased_orders"]) == (0, 3)
    assert (again.exit_code, json.loads(again.output)["erased_entries"]) == (0, 0)
    assert town.world.get("h3", "/v1/orders").json()["items"] == []
    assert town.record.verify().erased == json.loads(done.output)["erased_entries"]


def test_audits__of_another_head_or_by_another__refused(town: Town) -> None:
    head = town.record.head()
    wrong = {
        "sequence": head.sequence,
        "head": to_hex(bytes(32)),
        "signature": _signed("auditor", head.sequence, bytes(32)),
    }
    other = {"sequence": head.sequence, "head": to_hex(head.hash), "signature": _signed("h1", head.sequence, head.hash)}

    found = [town.world.post("auditor", "/v1/audits", body) for body in (wrong, other)]

    assert [(one.status_code, one.json()["type"]) for one in found] == [
        (409, "/problems/no-such-head"),
        (403, "/problems/not-the-auditor"),
    ]
    assert town.record.head() == head


def _signed(name: str, sequence: int, head: bytes) -> str:
    return sign(name, AUDIT, {"sequence": sequence, "head": head}, "Anchors")
