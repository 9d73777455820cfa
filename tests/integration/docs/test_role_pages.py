"""The commands on the pages of household, retailer and back office do what they say, on a machine of one's own."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from contracts.keystore import keep_key
from domain.eip712 import CONTRACT_OF, SHAPES
from domain.hashing import from_hex, to_hex
from domain.signing import recover
from scripts.cli.main import app as dominoes
from tests.integration.docs.test_start_pages import PAGES, commands, served
from tests.unit.wallet_api.world import CHAIN_ID, GATE, World, address, key_named, open_world
from wallet_api.fields import checksummed

pytestmark = pytest.mark.integration

URL_OF_THE_PAGES = "https://market.example:8443"
OWN_KEYS = {"account": "KEYSTORE", "device": "DEVICE_KEYSTORE"}
"""Keys of a party by the name of their file on the pages, and by how the environment calls it."""


@pytest.fixture
def trading(tmp_path: Path) -> Iterator[World]:
    for made in open_world(tmp_path):
        made.open_market()
        yield made


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a party works, with nothing of the operator's in it."""
    own = tmp_path / "own"
    own.mkdir()
    monkeypatch.chdir(own)
    return own


class Desk:
    """A party at its own machine: its keys and trust anchors in a folder, the rest in its environment."""

    def __init__(self, world: World, party: str, folder: Path, url: str, *, operator: str = "market operator") -> None:
        self.folder = folder / party
        self.folder.mkdir()
        self._environment = {"DOMINOES_URL": url, "DOMINOES_ANCHORS": str(self.folder / "anchors.json")}
        for file, key in (("account", key_named(party)), ("device", key_named(f"device of {party}"))):
            paths = (self.folder / f"{file}.json", self.folder / f"{file}.password")
            keep_key(key, keystore=paths[0], password_file=paths[1], rounds=2)
            self._environment[f"DOMINOES_{OWN_KEYS[file]}"] = str(paths[0])
            self._environment[f"DOMINOES_{OWN_KEYS[file].replace('KEYSTORE', 'PASSWORD_FILE')}"] = str(paths[1])
        domains = {CONTRACT_OF[name]: world.services.deployment.domain_of(SHAPES[name]) for name in CONTRACT_OF}
        contracts = {name: {"address": to_hex(domain.verifying_contract)} for name, domain in domains.items()}
        roles = {"operator": to_hex(key_named(operator).address)}
        anchors = {"chain_id": CHAIN_ID, "contracts": contracts, "roles": roles}
        (self.folder / "anchors.json").write_text(json.dumps(anchors))

    def run(self, *arguments: str, answer: str = "y") -> Any:
        """A command, with its result."""
        return CliRunner().invoke(dominoes, list(arguments), input=f"{answer}\n", env=self._environment)


def printed(page: str, *, url: str, values: Mapping[str, str]) -> list[list[str]]:
    """The command lines of a page with what they leave open, apart from those that make keys."""
    text = (PAGES / page).read_text().replace(URL_OF_THE_PAGES, url)
    for name, value in values.items():
        text = re.sub(rf"\b{name}\b", value, text)
    lines = [shlex.split(" ".join(line)) for line in commands(text)]
    assert lines
    return [line for line in lines if line[0] != "key"]


def test_household__commands_as_printed__bid_change_withdraw_and_read_it(trading: World, folder: Path) -> None:
    trading.pay_in("household 1", 20 * 10**9)
    with served(trading.app) as url:
        desk = Desk(trading, "household 1", folder, url)
        order = "ORDER"
        for arguments in printed("household.md", url=url, values={}):
            result = desk.run(*(order if part == "ORDER" else part for part in arguments))
            assert result.exit_code == 0, (arguments, result.output)
            if arguments[:2] == ["orders", "bid"]:
                order = re.findall(r"0x[0-9a-f]{32}\b", result.output)[0]

    (mine,) = trading.get("household 1", "/v1/orders").json()["items"]
    assert (mine["order_id"], mine["starts"], mine["side"]) == (order, "2016-06-02T12:00:00Z", "bid")
    assert (mine["state"], mine["limit_neur_per_wh"], mine["quantity_lots"]) == ("withdrawn", 200_000, 200)
    (asked,) = trading.get("household 1", "/v1/redemptions").json()["items"]
    assert (asked["amount_neur"], asked["state"]) == ("12500000000", "requested")


def test_retailer__commands_as_printed__stand_for_another_account(trading: World, folder: Path) -> None:
    with served(trading.app) as url:
        desk, customer = (Desk(trading, name, folder, url) for name in ("retailer 1", "retailer 2"))
        told = printed("retailer.md", url=url, values={"ACCOUNT": address("retailer 2"), "PERIOD": "1"})
        for arguments in told:
            if arguments[0] == "retail" and arguments[1] != "customers":
                continue  # nothing has settled yet
            if arguments[1] == "give":
                assert desk.run(*arguments).exit_code == 2, "not before the account signed"
                assert customer.run("guarantee", "accept", arguments[2]).exit_code == 0
            result = desk.run(*arguments)
            assert result.exit_code == 0, (arguments, result.output)

    body = json.loads(Path("line.json").read_text())
    assert (body["credit_neur"], body["nonce"]) == ("500000000000", 1)
    shape = SHAPES["Guarantee"]
    values = {
        "guarantor": key_named("retailer 1").address,
        "account": key_named("retailer 2").address,
        "creditNeur": 500 * 10**9,
        "nonce": body["nonce"],
        "deadline": body["deadline"],
    }
    digest = trading.services.deployment.domain_of(shape).digest(shape, values)
    signers = [recover(digest, from_hex(body[name])) for name in ("signature", "account_signature")]
    assert signers == [values["guarantor"], values["account"]]


def test_backoffice__commands_as_printed__register_and_book_once(trading: World, folder: Path) -> None:
    tariff = trading.tariff_body("retailer 1", tariff="night")
    Path("tariff.json").write_text(json.dumps(tariff))
    with served(trading.app) as url:
        registrar, treasurer = (Desk(trading, name, folder, url) for name in ("registry office", "house bank"))
        told = printed("backoffice.md", url=url, values={"ACCOUNT": address("household 2")})
        for arguments in (*told, *told):
            if arguments[0] == "area" and arguments[1] != "columns":
                continue  # tests/integration/area_folder
            desk = treasurer if arguments[0] == "money" else registrar
            result = desk.run(*arguments)
            assert result.exit_code == 0, (arguments, result.output)
        again = registrar.run("register", "term", "tariff.json").output

    codes = [one["tariff"] for one in trading.get("registry office", "/v1/tariffs").json()["items"]]
    assert codes.count("night") == 1 and re.search(r"repeated +True", again)
    assert re.search(r"receipt_signature +the operator's", again)
    booked = trading.get("house bank", "/v1/deposits").json()["items"]
    assert [(one["account"], one["amount_neur"]) for one in booked] == [(address("household 2"), "50000000000")]


def test_register__receipt_by_another_than_the_operator_of_ones_anchors__is_told(trading: World, folder: Path) -> None:
    Path("tariff.json").write_text(json.dumps(trading.tariff_body("retailer 1", tariff="night")))
    with served(trading.app) as url:
        desk = Desk(trading, "registry office", folder, url, operator="somebody")
        told = desk.run("register", "term", "tariff.json")

    assert told.exit_code == 3
    assert address("market operator") in told.output and "tell the auditor" in told.output


def test_orders__an_mtu_that_no_open_session_covers__is_refused_in_one_line(trading: World, folder: Path) -> None:
    with served(trading.app) as url:
        desk = Desk(trading, "household 1", folder, url)
        late = desk.run("orders", "bid", "2017-06-02T12:00Z", "--kwh", "1", "--limit", "20")
        odd = desk.run("orders", "bid", "2016-06-02T12:07Z", "--kwh", "1", "--limit", "20")
        part = desk.run("orders", "bid", "2016-06-02T12:00Z", "--kwh", "0.005", "--limit", "20")
        refused = desk.run("orders", "bid", "2016-06-02T12:00Z", "--kwh", "1", "--limit", "20", answer="n")
        trading.clock.advance_to(GATE)
        shut = desk.run("orders", "bid", "2016-06-02T12:00Z", "--kwh", "1", "--limit", "20")

    assert [one.exit_code for one in (late, odd, part, refused, shut)] == [2] * 5
    for one in (late, shut):
        said = " ".join(one.output.split())
        assert "no-gate-open" in said and "the next ones open at 2016-06-01T22:00:00Z" in said
    assert "no MTU begins then" in odd.output
    assert "lots of 10 Wh" in part.output
    assert "not-confirmed" in refused.output
    assert trading.get("household 1", "/v1/orders").json()["items"] == []


def test_acting__nobody_named__says_what_is_missing(folder: Path) -> None:
    result = CliRunner().invoke(dominoes, ["money", "balance"])

    assert result.exit_code == 2 and "nobody-named" in result.output and "--url" in result.output


def test_guarantee_accept__offered_to_somebody_else__signs_nothing(trading: World, folder: Path) -> None:
    with served(trading.app) as url:
        desk, other = (Desk(trading, name, folder, url) for name in ("retailer 1", "household 2"))
        assert desk.run("guarantee", "offer", address("retailer 2"), "5", "--file", "line.json", "--yes").exit_code == 0
        before = Path("line.json").read_bytes()
        refused = other.run("guarantee", "accept", "line.json", "--yes")
        Path("broken.json").write_text(before.decode().replace("5000000000", "five"))
        broken = other.run("guarantee", "accept", "broken.json", "--yes")

    assert refused.exit_code == 2 and "not-your-part" in refused.output
    assert broken.exit_code == 2 and "guarantee-unreadable" in broken.output
    assert Path("line.json").read_bytes() == before


def test_export__service_away__leaves_the_older_file(trading: World, folder: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("scripts.serving.api_client.ATTEMPTS_MAX", 1)
    desk = Desk(trading, "retailer 1", folder, "http://127.0.0.1:9")
    Path("settled.csv").write_text("older")

    away = desk.run("retail", "export", "1", "--out", "settled.csv")
    nowhere = desk.run("retail", "export", "1", "--out", "no/such/folder.csv")

    assert away.exit_code != 0 and Path("settled.csv").read_text() == "older"
    assert nowhere.exit_code == 2 and "file-unusable" in nowhere.output


@pytest.mark.parametrize("typed", ["1e3", "1e999999", "NaN", "1_000", "\uff15", "1.0000000000000000000000000001", ""])
def test_deposit__no_plain_number__is_refused(trading: World, folder: Path, typed: str) -> None:
    desk = Desk(trading, "house bank", folder, "http://service.test")

    assert desk.run("money", "deposit", address("household 1"), typed, "--payment", "one").exit_code == 2


def test_deposit__one_letter_of_the_checksum_wrong__is_refused(trading: World, folder: Path) -> None:
    good = checksummed(address("household 1"))
    at = next(place for place, letter in enumerate(good) if place > 1 and letter.isalpha())
    wrong = good[:at] + good[at].swapcase() + good[at + 1 :]
    with served(trading.app) as url:
        desk = Desk(trading, "house bank", folder, url)
        booked = [desk.run("money", "deposit", one, "5", "--payment", "one").exit_code for one in (wrong, good)]

    assert booked == [2, 0]
