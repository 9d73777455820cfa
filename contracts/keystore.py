"""Keys from keystore v3 files, as every organisation keeps its own; a file with the passphrase stands apart."""

from __future__ import annotations

import json
import secrets
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


def make_key(*, keystore: Path, password_file: Path) -> bytes:
    """Make a key that nobody has seen, readable by its owner alone; its address.

    The passphrase is the password file's, made anew (256 random bits) where there is none. Raises KeystoreTaken.
    """
    if keystore.exists():
        raise KeystoreTaken(path=keystore)
    if not password_file.exists():
        _write_private(password_file, secrets.token_hex(32))
    key = SigningKey.generate()
    content = Account.encrypt(key.secret, password_file.read_text(encoding="utf-8").strip())
    _write_private(keystore, json.dumps(content))
    return key.address


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text + "\n", encoding="utf-8")


def read_key(*, keystore: Path, password_file: Path) -> SigningKey:
    """The key of a keystore v3 file, unlocked with the first line of the password file. Raises KeystoreUnusable."""
    try:
        content = json.loads(keystore.read_text(encoding="utf-8"))
        password = password_file.read_text(encoding="utf-8").strip()
        return SigningKey(bytes(Account.decrypt(content, password)))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KeystoreUnusable(keystore=keystore, reason=str(error) or type(error).__name__) from error
