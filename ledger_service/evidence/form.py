"""How a bundle is written: canonical files in a directory, then the manifest, then the directory under its name."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from domain.errors import DominoesError
from domain.hashing import Hasher, canonical_json, new_keccak
from domain.members import noun_json

FORMAT = "dominoes-evidence/1"
MANIFEST = "manifest.json"


class NotABundle(DominoesError):
    """The place for a bundle holds something else."""

    status = 409
    code = "not-a-bundle"

    def __init__(self, *, path: Path) -> None:
        self.path = path
        super().__init__(f"{path} exists and is no evidence bundle; give an empty or a new folder")


def manifest_json(files: Mapping[str, Mapping[str, Any]], *, kind: str) -> bytes:
    """The manifest of a bundle of these files."""
    return canonical_json({"files": files, "format": FORMAT, "kind": kind})


def manifest_line(size: int, hasher: Hasher) -> dict[str, Any]:
    """What a manifest says of a file of these bytes."""
    return {"bytes": size, "keccak": "0x" + hasher.hexdigest()}


class BundleWriter:
    """Writes one bundle; it appears under its name only once complete, replacing an older bundle there."""

    def __init__(self, directory: Path, *, kind: str) -> None:
        if directory.exists() and any(directory.iterdir()) and not (directory / MANIFEST).exists():
            raise NotABundle(path=directory)
        self._directory, self._kind = directory, kind
        self._partial = directory.with_name(directory.name + ".partial")
        self._files: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> BundleWriter:
        shutil.rmtree(self._partial, ignore_errors=True)
        self._partial.mkdir(parents=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if kind is not None:
            shutil.rmtree(self._partial, ignore_errors=True)
            return
        (self._partial / MANIFEST).write_bytes(manifest_json(self._files, kind=self._kind))
        shutil.rmtree(self._directory, ignore_errors=True)
        self._partial.rename(self._directory)

    def value(self, name: str, noun: object) -> None:
        """A file of one noun as canonical JSON."""
        self._write(name, [canonical_json(noun_json(noun))])

    def lines(self, name: str, nouns: Iterable[object]) -> None:
        """A file of one noun per line as canonical JSON, written as they come."""
        self._write(name, (canonical_json(noun_json(noun)) + b"\n" for noun in nouns))

    def raw_lines(self, name: str, lines: Iterable[bytes]) -> None:
        """A file of lines that are canonical JSON already."""
        self._write(name, (line + b"\n" for line in lines))

    def _write(self, name: str, parts: Iterable[bytes]) -> None:
        hasher, size = new_keccak(b""), 0
        with (self._partial / name).open("wb") as file:
            sink: BinaryIO = file
            for part in parts:
                sink.write(part)
                hasher.update(part)
                size += len(part)
        self._files[name] = manifest_line(size, hasher)
