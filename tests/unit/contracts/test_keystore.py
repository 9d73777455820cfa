"""Keystores: made once, readable by their owner, unlocked by their own passphrase alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.keystore import KeystoreTaken, KeystoreUnusable, make_key, read_key

pytestmark = pytest.mark.unit


def test_make_key__fresh_files__unlock_to_the_address_and_are_private(tmp_path: Path) -> None:
    keystore, password = tmp_path / "keys" / "one.json", tmp_path / "keys" / "one.password"

    address = make_key(keystore=keystore, password_file=password)

    assert read_key(keystore=keystore, password_file=password).address == address
    assert {path.stat().st_mode & 0o777 for path in (keystore, password)} == {0o600}
    with pytest.raises(KeystoreTaken):
        make_key(keystore=keystore, password_file=password)


def test_read_key__wrong_passphrase_no_file_or_no_keystore__says_which(tmp_path: Path) -> None:
    keystore, password = tmp_path / "one.json", tmp_path / "password"
    make_key(keystore=keystore, password_file=password)
    (tmp_path / "other").write_text("another")
    (tmp_path / "empty.json").write_text("{}")

    for store, secret in (
        (keystore, "other"),
        (tmp_path / "none.json", "password"),
        (tmp_path / "empty.json", "other"),
    ):
        with pytest.raises(KeystoreUnusable) as caught:
            read_key(keystore=store, password_file=tmp_path / secret)
        assert str(store) in str(caught.value)
