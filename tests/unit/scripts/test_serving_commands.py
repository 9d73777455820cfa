"""What the commands of a production system say of settings, good and bad."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from contracts.keystore import read_key
from domain.hashing import to_hex
from ledger_service.record import Record
from scripts.cli.common import EXIT_USAGE
from scripts.cli.main import app
from scripts.serving.production.broker import write_broker
from scripts.serving.sources import load

pytestmark = pytest.mark.unit

DEPLOY = Path(__file__).resolve().parents[3] / "scripts" / "serving" / "production" / "deploy"


def dominoes(*arguments: str, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, list(arguments), env=env)
    return done.exit_code, done.stdout, done.stderr


def test_config_show__password_in_the_environment__masked_with_its_source() -> None:
    secret = "postgresql://dominoes:open-sesame@db/dominoes"

    code, out, _ = dominoes("config", "show", "--json", env={"DOMINOES_DATABASE__URL": secret})

    rows = {row["name"]: row for row in json.loads(out)["items"]}
    assert code == 0 and "open-sesame" not in out
    assert rows["database.url"] == {
        "name": "database.url",
        "value": "postgresql://dominoes:***@db/dominoes",
        "source": "environment",
    }


def test_config_check__several_faults__one_line_each_and_exit_2(tmp_path: Path) -> None:
    file = tmp_path / "service.toml"
    file.write_text("[api]\nport = 0\nhost = 1\n[clock]\nspeed = 0\n")

    code, _, err = dominoes("config", "check", "--config", str(file), "--for", "service")

    lines = err.strip().splitlines()
    assert code == EXIT_USAGE
    assert [line.split(": ")[1] for line in lines] == ["clock.speed", "api.host", "api.port"]


def test_config_show__long_value_without_a_terminal__is_not_cut_off() -> None:
    address = "https://a-node-of-ones-own-with-a-long-name.example.org:8545/and/a/long/path"

    code, out, _ = dominoes("config", "show", "--set", f"chain.rpc_url={address}")

    assert code == 0 and address in out


@pytest.mark.parametrize("command", ["serve", "attester", "deploy"])
def test_process__settings_that_will_not_do__ends_with_2_before_it_starts(tmp_path: Path, command: str) -> None:
    file = tmp_path / "empty.toml"
    file.write_text("")

    code, _, err = dominoes(command, "--config", str(file))

    assert code == EXIT_USAGE
    assert "not set" in err


def test_config_check__process_that_does_not_exist__refused() -> None:
    code, _, err = dominoes("config", "check", "--config", str(DEPLOY / "settings/service.toml"), "--for", "king")

    assert code == EXIT_USAGE and "king" in err


def test_key__made__prints_the_address_of_the_keystore(tmp_path: Path) -> None:
    keystore, password = tmp_path / "one.json", tmp_path / "one.password"

    code, out, _ = dominoes("key", str(keystore), "--password-file", str(password), "--json")

    assert code == 0
    assert json.loads(out)["address"] == to_hex(read_key(keystore=keystore, password_file=password).address)


def test_broker__nothing_registered__writes_a_list_that_lets_nobody_in(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'record.db'}"
    Record.open(url).close()
    settings = load(DEPLOY / "settings" / "service.toml", flags=[f"database.url={url}"], environment={}).settings

    path = write_broker(settings, tmp_path / "mosquitto")

    lines = path.read_text().splitlines()
    assert "listener 8883 0.0.0.0" in lines and "require_certificate true" in lines
    assert f"acl_file {tmp_path / 'mosquitto' / 'acl'}" in lines
    assert (tmp_path / "mosquitto" / "acl").read_text() == ""


ADDRESS, SIGNATURE = "0x" + "11" * 20, "0x" + "22" * 65
AGREED = ("--to", "new.json", "--deadline", "1", "--operator", SIGNATURE, "--dso", SIGNATURE, "--attester", SIGNATURE)
TYPED_WRONG = {
    "account": ("handover", "take-over", "0x11"),
    "account that is no hex": ("handover", "take-over", "0x" + "zz" * 20),
    "signature": ("handover", "agree", "DE/A", *AGREED, "--attester", "0x22"),
    "account to replace": ("account", "cancel", "0x11"),
    "successor": ("account", "sign", ADDRESS, "0x11", "--deadline", "1"),
}
REPLACED = (ADDRESS, "0x" + "33" * 20, "--deadline", "1")


@pytest.mark.parametrize("typed", TYPED_WRONG.values(), ids=TYPED_WRONG)
def test_commands__hex_that_is_none__is_said_before_anything_is_opened(typed: tuple[str, ...]) -> None:
    code, _, err = dominoes(*typed, "--config", "missing.toml")

    assert code == EXIT_USAGE and "missing.toml" not in err and "hex digits" in err


@pytest.mark.parametrize(
    "typed",
    [
        ("handover", "sign", "DE/A", "--to", "new.json", "--deadline", "1"),
        ("handover", "agree", "DE/A", *AGREED),
        ("handover", "withdraw", "DE/A"),
        ("handover", "take-over", ADDRESS),
        ("handover", "take-over-all", "DE/A", "--from", "old.json"),
        ("handover", "show", "DE/A"),
        ("account", "sign", *REPLACED),
        ("account", "replace", *REPLACED, "--by-account", SIGNATURE, "--by-successor", SIGNATURE),
        ("account", "propose", *REPLACED, "--by-guarantor", SIGNATURE, "--by-successor", SIGNATURE),
        ("account", "show", ADDRESS),
        ("account", "cancel", ADDRESS),
        ("account", "succeed", ADDRESS),
    ],
)
def test_chain_desk__without_settings__says_so_in_one_line(typed: tuple[str, ...]) -> None:
    code, _, err = dominoes(*typed, "--config", "missing.toml")

    assert code == EXIT_USAGE and err.strip() == "settings-invalid: missing.toml: there is no such file"
