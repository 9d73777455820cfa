"""An attester's settings file: read once, and refused with what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from oracle.attester.consensus.machine import CUT_OFF_S
from oracle.attester.settings import SettingsUnusable, read_settings

pytestmark = pytest.mark.unit

CONTRACTS = {name: f"0x{number:040x}" for number, name in enumerate(["calendar", "market", "readings", "roles"], 1)}
GOOD = f"""
name = "north"
area = "A/1"
store = "north.sqlite"
service_url = "https://market.example"
service_ca = "ca.pem"
keystore = "keys/north.json"
password_file = "/run/secrets/north"
poll_s = 0.5
[broker]
host = "broker.example"
port = 8883
ca = "ca.pem"
[chain]
rpc_url = "http://127.0.0.1:8545"
{chr(10).join(f'{name} = "{address}"' for name, address in CONTRACTS.items())}
settlement = "0x{"55" * 20}"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "attester.toml"
    path.write_text(text)
    return path


def test_read_settings__whole_file__paths_are_beside_it_and_the_rest_is_default(tmp_path: Path) -> None:
    found = read_settings(written(tmp_path, GOOD))

    assert (found.store, found.service_ca) == (tmp_path / "north.sqlite", tmp_path / "ca.pem")
    assert found.password_file == Path("/run/secrets/north")
    assert (found.broker.ca, found.broker.certificate) == (tmp_path / "ca.pem", None)
    assert found.contracts.settlement == b"\x55" * 20
    assert (found.poll_s, found.cut_off_s) == (0.5, CUT_OFF_S)


@pytest.mark.parametrize(
    ("was", "now", "reason"),
    [
        ('name = "north"', "", "name: Field required"),
        ("port = 8883", "", "broker.port: Field required"),
        ("port = 8883", 'port = "many"', "broker.port"),
        ("port = 8883", "port = [", "Invalid value"),
        ('settlement = "0x', 'settlement = "', "chain.settlement"),
        ("poll_s = 0.5", "poll_s = true", "poll_s"),
        ("poll_s = 0.5", "poll_s = -1", "poll_s"),
        ("poll_s = 0.5", "pol_s = 0.5", "pol_s"),
    ],
)
def test_read_settings__something_wrong__says_what(tmp_path: Path, was: str, now: str, reason: str) -> None:
    path = written(tmp_path, GOOD.replace(was, now))

    with pytest.raises(SettingsUnusable, match=reason):
        read_settings(path)
