"""Keys of an embedded run: a folder for each party, that nobody else can look into."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.keystore import KeystoreExposed
from domain.signing import SigningKey
from scripts.cli.doctor import _keys, _tool
from scripts.serving.embedded.keys import KeyMissing, keep_keys, load_key, load_keys, make_keys, read_addresses

pytestmark = pytest.mark.unit


def test_make_keys__two_parties__share_neither_folder_nor_passphrase(tmp_path: Path) -> None:
    make_keys(tmp_path / "keys", ("dso", "operator"))

    folders = sorted((tmp_path / "keys").iterdir())
    assert [folder.name for folder in folders] == ["dso", "operator"]
    assert {folder.stat().st_mode & 0o777 for folder in (tmp_path / "keys", *folders)} == {0o700}
    assert {path.stat().st_mode & 0o777 for folder in folders for path in folder.iterdir()} == {0o600}
    first, second = ((folder / "password").read_text() for folder in folders)
    assert first != second


def test_make_keys__again__changes_nothing(tmp_path: Path) -> None:
    make_keys(tmp_path, ("dso",))
    before = load_key(tmp_path, "dso")

    make_keys(tmp_path, ("dso", "auditor"))

    found = load_keys(tmp_path, ("dso", "auditor"))
    assert found["dso"].address == before.address != found["auditor"].address
    assert read_addresses(tmp_path, found) == {name: key.address for name, key in found.items()}


def test_keep_keys__made_elsewhere__are_found_and_never_written_over(tmp_path: Path) -> None:
    key, other = SigningKey.generate(), SigningKey.generate()

    keep_keys(tmp_path, {"prosumer": key})
    keep_keys(tmp_path, {"prosumer": other})

    assert load_key(tmp_path, "prosumer").address == key.address


def test_load_key__missing_or_exposed__says_which(tmp_path: Path) -> None:
    make_keys(tmp_path, ("dso",))
    (tmp_path / "dso" / "password").chmod(0o644)

    with pytest.raises(KeyMissing, match=r"operator.*there are: dso; name one of these"):
        load_key(tmp_path, "operator")
    with pytest.raises(KeystoreExposed, match="password"):
        load_key(tmp_path, "dso")


def test_doctor__tool_of_the_build__is_missing_in_a_checkout_alone(tmp_path: Path) -> None:
    assert _tool("installed", tmp_path) == "installed"
    assert _tool(None, tmp_path).startswith("not needed")
    (tmp_path / "pyproject.toml").touch()
    assert _tool(None, tmp_path) == "missing: run `make setup`"


def test_doctor__keys_of_a_run__says_whose_they_are_and_which_are_exposed(tmp_path: Path) -> None:
    make_keys(tmp_path, ("dso",))
    before = _keys(tmp_path).said
    (tmp_path / "dso" / "key.json").chmod(0o644)

    assert "all parties' keys" in before
    after = _keys(tmp_path)
    assert after.wrong and "key.json: readable by everybody" in after.said
