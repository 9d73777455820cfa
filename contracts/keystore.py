"""Keys from keystore v3 files, as every organisation keeps its own; a file with the passphrase stands apart."""

from __future__ import annotations

import json
import secrets
import stat
from pathlib import Path

from eth_account import Account

from domain.errors import DominoesError
from domain.signing import SigningKey


class KeystoreUnusable(DominoesError):
    """A keystore can't be unlocked: one of its files is not there, is no keystore, or the passphrase is another's."""

    code = "keystore-unusable"

    def __init__(self, *, keystore: Path, reason: str) -> None:
        self.keystore, self.reason = keystore, reason
        super().__init__(f"{keystore} can't be unlocked: {reason}; correct the paths of keystore and password file")


class KeystoreTaken(DominoesError):
    """There is a file already, and it may hold the only copy of a key."""

    code = "keystore-taken"

    def __init__(self, *, path: Path) -> None:
        self.path = path
        super().__init__(f"{path} exists; name another file, a key is never written over")


class KeystoreExposed(DominoesError):
    """Everybody on this machine may read a keystore or its passphrase."""

    code = "keystore-exposed"

    def __init__(self, *, path: Path) -> None:
        self.path = path
        super().__init__(f"{path} can be read by everybody on this machine; make it its owner's alone (chmod 600)")


def make_key(*, keystore: Path, password_file: Path, rounds: int | None = None) -> bytes:
    """Make a key that nobody has seen, readable by its owner alone; its address.

    The passphrase is the password file's, made anew (256 random bits) where there is none. `rounds` of key stretching,
    None for as many as a passphrase that a person made up needs. Raises KeystoreTaken.
    """
    key = SigningKey.generate()
    keep_key(key, keystore=keystore, password_file=password_file, rounds=rounds)
    return key.address


def keep_key(key: SigningKey, *, keystore: Path, password_file: Path, rounds: int | None = None) -> None:
    """Write a key that is there already into a keystore, else as `make_key` does. Raises KeystoreTaken."""
    if keystore.exists():
        raise KeystoreTaken(path=keystore)
    if not password_file.exists():
        _write_private(password_file, secrets.token_hex(32))
    passphrase = password_file.read_text(encoding="utf-8").strip()
    content = Account.encrypt(key.secret, passphrase, kdf="scrypt", iterations=rounds)
    _write_private(keystore, json.dumps(content))


def _write_private(path: Path, text: str) -> None:
    """Whole or not at all, in a folder that is its owner's alone where it is a new one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    partial.write_text(text + "\n", encoding="utf-8")
    partial.rename(path)


def read_key(*, keystore: Path, password_file: Path) -> SigningKey:
    """The key of a keystore v3 file, unlocked with what the password file holds.

    Raises KeystoreUnusable, and KeystoreExposed where either file is for everybody to read.
    """
    for path in (keystore, password_file):
        if is_exposed(path):
            raise KeystoreExposed(path=path)
    try:
        content = json.loads(keystore.read_text(encoding="utf-8"))
        password = password_file.read_text(encoding="utf-8").strip()
        return SigningKey(bytes(Account.decrypt(content, password)))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KeystoreUnusable(keystore=keystore, reason=str(error) or type(error).__name__) from error


def is_exposed(path: Path) -> bool:
    """Whether everybody on this machine may read or change this file; False where there is none."""
    try:
        return bool(path.stat().st_mode & stat.S_IRWXO)
    except OSError:
        return False


def read_address(keystore: Path) -> bytes:
    """The address of a keystore v3 file, which stays locked. Raises KeystoreUnusable."""
    try:
        return bytes.fromhex(json.loads(keystore.read_text(encoding="utf-8"))["address"].removeprefix("0x"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise KeystoreUnusable(keystore=keystore, reason=str(error) or type(error).__name__) from error
