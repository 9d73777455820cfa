"""Mandates on the command line: shown in words, signed by the device, handed in by the account, ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from contracts.keystore import keep_key
from domain.eip712 import Domain
from domain.hashing import from_hex, to_hex
from domain.mandates import revocation_digest
from domain.signing import SigningKey, recover
from ledger_service.trading import SignedMandate
from scripts.cli import mandates
from scripts.cli.main import app

pytestmark = pytest.mark.unit

DOMAIN = Domain(chain_id=31337, verifying_contract=b"\x22" * 20)
ACCOUNT, DEVICE = SigningKey(b"\x01" * 32), SigningKey(b"\x02" * 32)

MESSAGE: dict[str, Any] = {
    "account": to_hex(ACCOUNT.address),
    "agent": "0x" + "0a" * 20,
    "points": ["P1"],
    "markets": ["TEST/DA"],
    "highestBuyNeurPerWh": 250_000,
    "lowestSellNeurPerWh": 80_000,
    "mtuBuyWh": 2_000,
    "mtuSellWh": 0,
    "dayBuyWh": 12_500,
    "daySellWh": 0,
    "zone": "Europe/Berlin",
    "fromMtu": 0,
    "toMtu": 96,
    "nonce": 1,
}


@pytest.fixture
def desk(tmp_path: Path) -> list[str]:
    """The options of a desk with the device's key and trust anchors; the account's key lies beside them."""
    for name, key in (("device", DEVICE), ("account", ACCOUNT)):
        keep_key(key, keystore=tmp_path / f"{name}.json", password_file=tmp_path / f"{name}.password", rounds=2)
    contracts = {"Market": {"address": to_hex(DOMAIN.verifying_contract)}}
    (tmp_path / "anchors.json").write_text(json.dumps({"chain_id": DOMAIN.chain_id, "contracts": contracts}))
    (tmp_path / "mandate.json").write_text(json.dumps({"mandate": MESSAGE}))
    device = ["--keystore", str(tmp_path / "device.json"), "--password-file", str(tmp_path / "device.password")]
    return [*device, "--anchors", str(tmp_path / "anchors.json")]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What reaches the API, which takes everything."""
    sent: list[tuple[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else None
        if request.url.path == "/v1/session/challenge":
            return httpx.Response(201, json={"nonce": "00", "text": "DOMINOES login"})
        if request.url.path == "/v1/session":
            return httpx.Response(201, json={"access_token": "t"})
        sent.append((request.url.path, body))
        names = {"tag": "0x01", "account": MESSAGE["account"], "agent": MESSAGE["agent"], "state": "granted"}
        times = {"from_utc": "1970-01-01T00:00:00Z", "to_utc": "1970-01-02T00:00:00Z", "revoked_at_utc": None}
        listed = {"items": [names | times]}
        return httpx.Response(201 if body else 200, json={"receipt": {"kind": 3}} if body else listed)

    transport = httpx.MockTransport(answer)
    monkeypatch.setattr(mandates, "open_http", lambda url: httpx.Client(base_url=url, transport=transport))
    return sent


def call(*arguments: str, answer: str = "y") -> Any:
    """A command of the command line."""
    return CliRunner().invoke(app, list(arguments), input=f"{answer}\n")


def account_options(folder: Path) -> list[str]:
    """The options by which the account logs in."""
    keys = ["--keystore", str(folder / "account.json"), "--password-file", str(folder / "account.password")]
    return [*keys, "--url", "http://service.test"]


def test_sign_mandate__shown_in_words__signed_into_the_file(tmp_path: Path, desk: list[str]) -> None:
    file = tmp_path / "mandate.json"
    done = call("sign", "mandate", str(file), *desk)

    assert done.exit_code == 0, done.output
    assert "buys at most: 2.000 kWh in 15 minutes, 12.500 kWh in a day, for 25.0000 ct/kWh or less" in done.output
    assert "until: 1970-01-02T00:00:00Z, MTU 96 excluded" in done.output
    written = json.loads(file.read_text())
    digest = SignedMandate.parse(MESSAGE, signature=written["signature"]).digest(DOMAIN)
    assert written["mandate"] == MESSAGE
    assert recover(digest, from_hex(written["signature"])) == DEVICE.address


def test_sign_mandate__not_agreed_or_unreadable__leaves_the_file(tmp_path: Path, desk: list[str]) -> None:
    file = tmp_path / "mandate.json"
    before = file.read_text()
    refused = call("sign", "mandate", str(file), *desk, answer="n")
    (tmp_path / "other.json").write_text(json.dumps({"mandate": MESSAGE | {"nonce": "one"}}))
    unreadable = call("sign", "mandate", str(tmp_path / "other.json"), *desk)

    assert "not-confirmed" in refused.output and file.read_text() == before
    assert "mandate-unreadable" in unreadable.output and unreadable.exit_code == 2


def test_mandate__granted_listed_and_revoked(tmp_path: Path, desk: list[str], served: list[tuple[str, Any]]) -> None:
    file, account = tmp_path / "mandate.json", account_options(tmp_path)
    assert call("sign", "mandate", str(file), *desk, "--yes").exit_code == 0
    device = ["--device-keystore", desk[1], "--device-password-file", desk[3], *desk[4:]]

    for arguments in (
        ("mandate", "grant", str(file), *account),
        ("mandate", "list", *account),
        ("mandate", "revoke", str(file), *device, *account),
    ):
        done = call(*arguments)
        assert done.exit_code == 0, done.output

    (granted, _, revoked) = served
    assert granted == ("/v1/mandates", json.loads(file.read_text()))
    named = revoked[1]["revocation"]
    digest = revocation_digest(
        domain=DOMAIN, account=named["account"], agent=named["agent"], mandate=from_hex(named["mandate"])
    )
    assert revoked[0] == "/v1/mandates/revocations"
    assert recover(digest, from_hex(revoked[1]["signature"])) == DEVICE.address
