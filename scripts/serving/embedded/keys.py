"""Organisation keys of an embedded run: keystore v3 files made on first use, unlocked by a passphrase file beside them.

Production replaces this module by an HSM or KMS behind the same `SigningKey.sign` shape.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from pathlib import Path

from eth_account import Account

from domain.errors import DominoesError
from domain.signing import SigningKey

SCRYPT_ROUNDS = 2**12
"""Key-stretching rounds of embedded keystores: the passphrase is 256 random bits, so stretching adds nothing."""

PASSPHRASE_FILE = "passphrase"  # noqa: S105 - a file name


class KeyMissing(DominoesError):
    """A key that a run needs is not in its keystore."""

    code = "key-missing"

    def __init__(self, *, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        super().__init__(f"no key {name!r} in {folder}; restore a backup or begin afresh with `make reset`")


def _passphrase(folder: Path) -> str:
    path = folder / PASSPHRASE_FILE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32))
    return path.read_text().strip()


def make_keys(folder: Path, names: Iterable[str]) -> None:
    """Make the keystore files that are not there yet, readable by their owner alone."""
    passphrase = _passphrase(folder)
    for name in names:
        path = folder / f"{name}.json"
        if path.exists():
            continue
        keystore = Account.encrypt(secrets.token_bytes(32), passphrase, kdf="scrypt", iterations=SCRYPT_ROUNDS)
        partial = path.with_suffix(".partial")
        partial.touch(mode=0o600)
        partial.write_text(json.dumps(keystore))
        partial.rename(path)


def load_key(folder: Path, name: str) -> SigningKey:
    """The unlocked key of that name. Raises KeyMissing."""
    path = folder / f"{name}.json"
    if not path.exists():
        raise KeyMissing(name=name, folder=folder)
    return SigningKey(bytes(Account.decrypt(json.loads(path.read_text()), _passphrase(folder))))


def load_keys(folder: Path, names: Iterable[str]) -> dict[str, SigningKey]:
    """The unlocked keys by name. Raises KeyMissing for the first that is not there."""
    return {name: load_key(folder, name) for name in names}
