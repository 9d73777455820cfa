"""Keys of an embedded run: each party has a folder of its own below one, with a keystore and its passphrase.

The demo is one person's machine, so all of them lie in its state folder; in production each is on its owner's machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from contracts.keystore import is_exposed, keep_key, make_key, read_address, read_key
from domain.errors import DominoesError
from domain.signing import SigningKey

SCRYPT_ROUNDS = 2**12
"""Key-stretching rounds of embedded keystores: the passphrase is 256 random bits, so stretching adds nothing."""

ALL_KEYS_HERE = "all parties' keys, a folder each; in production everyone keeps their own (docs/operations.md)"
"""What is said wherever one meets the keys of a demo."""

KEYSTORE_FILE = "key.json"
PASSWORD_FILE = "password"  # noqa: S105 - a file name


class KeyMissing(DominoesError):
    """A key that a run needs is not in its keystore."""

    code = "key-missing"

    def __init__(self, *, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        there = ", ".join(sorted(path.parent.name for path in folder.glob(f"*/{KEYSTORE_FILE}"))) or "none"
        super().__init__(f"no key {name!r} in {folder}, there are: {there}; name one of these, or restore a backup")


def keystore_of(folder: Path, name: str) -> Path:
    """Where a party's keystore lies."""
    return folder / name / KEYSTORE_FILE


def password_file_of(folder: Path, name: str) -> Path:
    """Where the passphrase of a party's keystore lies."""
    return folder / name / PASSWORD_FILE


def make_keys(folder: Path, names: Iterable[str]) -> None:
    """Make the keys that are not there yet, each in a folder that its owner alone can read."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in names:
        keystore = keystore_of(folder, name)
        if not keystore.exists():
            make_key(keystore=keystore, password_file=password_file_of(folder, name), rounds=SCRYPT_ROUNDS)


def keep_keys(folder: Path, keys: Mapping[str, SigningKey]) -> None:
    """Keep keys that were made elsewhere as `make_keys` keeps those it makes, where they are not there yet."""
    for name, key in keys.items():
        keystore = keystore_of(folder, name)
        if not keystore.exists():
            keep_key(key, keystore=keystore, password_file=password_file_of(folder, name), rounds=SCRYPT_ROUNDS)


def load_key(folder: Path, name: str) -> SigningKey:
    """The unlocked key of that name. Raises KeyMissing, KeystoreUnusable or KeystoreExposed."""
    return read_key(keystore=_there(folder, name), password_file=password_file_of(folder, name))


def load_keys(folder: Path, names: Iterable[str]) -> dict[str, SigningKey]:
    """The unlocked keys by name. Raises KeyMissing for the first that is not there."""
    return {name: load_key(folder, name) for name in names}


def read_addresses(folder: Path, names: Iterable[str]) -> dict[str, bytes]:
    """The addresses by name, without unlocking anything. Raises KeyMissing for the first that is not there."""
    return {name: read_address(_there(folder, name)) for name in names}


def exposed_keys(folder: Path) -> list[Path]:
    """What lies below the keys' folder and is readable by everybody on this machine, against how it was made."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and is_exposed(path)]


def _there(folder: Path, name: str) -> Path:
    keystore = keystore_of(folder, name)
    if not keystore.exists():
        raise KeyMissing(name=name, folder=folder)
    return keystore
