"""Keystores: made once, readable by their owner, unlocked by their own passphrase alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.keystore import KeystoreExposed, KeystoreTaken, KeystoreUnusable, make_key, read_address, read_key

pytestmark = pytest.mark.unit


def test_make_key__fresh_files__unlock_to_the_address_and_are_private(tmp_path: Path) -> None:
    keystore, password = tmp_path / "keys" / "one.json", tmp_path / "keys" / "one.password"

    address = make_key(keystore=keystore, password_file=password)

    assert read_key(keystore=keystore, password_file=password).address == address
    assert read_address(keystore) == address
    assert {path.stat().st_mode & 0o777 for path in (keystore, password)} == {0o600}
    assert keystore.parent.stat().st_mode & 0o777 == 0o700
    with pytest.raises(KeystoreTaken):
        make_key(keystore=keystore, password_file=password)


def test_read_key__wrong_passphrase_no_file_or_no_keystore__says_which(tmp_path: Path) -> None:
    keystore, password = tmp_path / "one.json", tmp_path / "password"
    make_key(keystore=keystore, password_file=password)
    (tmp_path / "other").write_text("another")
    (tmp_path / "empty.json").write_text("{}")
    for name in ("other", "empty.json"):
        (tmp_path / name).chmod(0o600)

    for store, secret in (
        (keystore, "other"),
        (tmp_path / "none.json", "password"),
        (tmp_path / "empty.json", "other"),
    ):
        with pytest.raises(KeystoreUnusable) as caught:
            read_key(keystore=store, password_file=tmp_path / secret)
        assert str(store) in str(caught.value)


@pytest.mark.parametrize("exposed", ["one.json", "password"])
def test_read_key__file_that_everybody_may_read__refused(tmp_path: Path, exposed: str) -> None:
    make_key(keystore=tmp_path / "one.json", password_file=tmp_path / "password", rounds=2**12)
    (tmp_path / exposed).chmod(0o604)

    with pytest.raises(KeystoreExposed, match=exposed):
        read_key(keystore=tmp_path / "one.json", password_file=tmp_path / "password")


def test_read_address__no_keystore__says_which(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text("[]")

    for name in ("list.json", "none.json"):
        with pytest.raises(KeystoreUnusable, match=name):
            read_address(tmp_path / name)
