"""The public bundle while the journal grows: one more anchor costs what came since the one before, and nothing else.

Its files only grow, so that a bundle is told by how long each was. An erasure or a chain that tells otherwise makes the
files that it touches begin again.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from domain.facts import ErasureDone
from domain.hashing import canonical_json, new_keccak
from domain.members import noun_json
from ledger_service.evidence.form import MANIFEST, manifest_json, manifest_line
from ledger_service.evidence.public import ERASURES_TOUCH, READERS, Reader
from ledger_service.evidence.recorded import Anchor, ChainInfo, ToldOtherwise, last_anchor
from ledger_service.record import Record
from ledger_service.record.journal import last_of

WRITE_BYTES = 2**20
"""Lines are written together until they are as long."""


@dataclass(frozen=True, slots=True)
class HeldFile:
    """A file of a bundle: its size, and `read(offset, count)`."""

    size: int
    read: Callable[[int, int], bytes]

    @classmethod
    def of(cls, content: bytes) -> HeldFile:
        """One that is in memory."""
        return cls(len(content), lambda offset, count: content[offset : offset + count])


@dataclass(frozen=True, slots=True)
class HeldBundle:
    """A bundle up to an anchor: its files by name. It stays as it is while later ones are made."""

    anchor: Anchor
    files: Mapping[str, HeldFile]


class _Growing:
    """One file without a name, which goes when nobody reads it any more."""

    def __init__(self, folder: Path, reader: Reader) -> None:
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115  # open as long as this
        self._reader, self._hasher = reader, new_keccak(b"")
        self.through = self.size = 0

    def extend(self, connection: Connection, through: int) -> int:
        """Write what came up to an entry; how many bytes that were. Raises ToldOtherwise."""
        waiting, before = bytearray(), self.size
        for line in self._reader.read(connection, after=self.through, through=through):
            waiting += line + b"\n"
            if len(waiting) >= WRITE_BYTES:
                self._write(waiting)
                waiting.clear()
        self._write(waiting)
        self.through = through
        return self.size - before

    def _write(self, part: bytearray) -> None:
        content = bytes(part)
        left = memoryview(content)
        while left:
            left = left[self._file.write(left) :]
        self._hasher.update(content)
        self.size += len(content)

    def held(self) -> HeldFile:
        """The file as it is now."""
        return HeldFile(self.size, lambda offset, count: os.pread(self._file.fileno(), count, offset))

    def line(self) -> Mapping[str, object]:
        """What the manifest says of it."""
        return manifest_line(self.size, self._hasher)


class GrowingPublic:
    """The public bundle of one journal, anchor after anchor. Only one thread at a time may use it.

    `written` are the bytes that all of its files took so far, those given up included.
    """

    def __init__(self, folder: Path, *, chain: ChainInfo) -> None:
        self._folder, self._chain = folder, canonical_json(noun_json(chain))
        self._files: dict[str, _Growing] = {}
        self._erased = self.written = 0

    def up_to_anchor(self, record: Record) -> HeldBundle:
        """The bundle up to the last anchor. Raises NothingAnchored."""
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            with record.read() as connection:
                return self._grown(connection)
        except BaseException:
            self._files.clear()  # one may have lines that its reader does not know of
            raise

    def _grown(self, connection: Connection) -> HeldBundle:
        anchor = last_anchor(connection)
        self._begin_again(connection, anchor)
        for name in READERS:
            self._extend(name, connection, anchor.sequence)
        lines = {name: file.line() for name, file in self._files.items()}
        lines["chain.json"] = manifest_line(len(self._chain), new_keccak(self._chain))
        files = {name: file.held() for name, file in self._files.items()}
        files["chain.json"] = HeldFile.of(self._chain)
        files[MANIFEST] = HeldFile.of(manifest_json(lines, kind="public"))
        return HeldBundle(anchor, files)

    def _begin_again(self, connection: Connection, anchor: Anchor) -> None:
        """Give up files that hold what was erased since, or what stands behind an anchor that is the last again."""
        erased = last_of(connection, ErasureDone, after=self._erased)
        for name, file in list(self._files.items()):
            if file.through > anchor.sequence or (erased > self._erased and name in ERASURES_TOUCH):
                del self._files[name]
        self._erased = erased

    def _extend(self, name: str, connection: Connection, through: int) -> None:
        if name not in self._files:
            self._files[name] = _Growing(self._folder, READERS[name]())
        try:
            self.written += self._files[name].extend(connection, through)
        except ToldOtherwise:
            self._files[name] = _Growing(self._folder, READERS[name]())
            self.written += self._files[name].extend(connection, through)
