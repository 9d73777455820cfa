"""The files of a bundle, read from a directory that somebody else made."""

from __future__ import annotations

import os
from pathlib import Path

from verifier.verdict import Unusable

MOST_BYTES = 2**31
"""Bytes that the files of a bundle have together at most: all of them are held in memory."""


def read_bundle(directory: Path, *, most_bytes: int = MOST_BYTES) -> dict[str, bytes]:
    """Files by name. What is no plain file (a folder, a link, a pipe) stands as an empty one, which no manifest lists.

    Links are not followed: a bundle must not bring in what is not its own. Raises Unusable for a directory that holds
    no bundle or more bytes than that.
    """
    advice = "give the directory that holds manifest.json"
    files, left = dict[str, bytes](), most_bytes
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                files[entry.name] = _content(Path(entry.path), left) if entry.is_file(follow_symlinks=False) else b""
                left -= len(files[entry.name])
    except OSError as error:
        raise Unusable(f"{directory} is no bundle ({error}); {advice}, of a tar archive what it unpacks to") from error
    if left < 0:
        raise Unusable(f"{directory} holds more than {most_bytes} bytes; give --most-bytes if you have the memory")
    if "manifest.json" not in files:
        raise Unusable(f"{directory} is no bundle: it holds no manifest.json; {advice}")
    return files


def _content(path: Path, most_bytes: int) -> bytes:
    """The bytes of a file; of one with more than `most_bytes`, one more than that."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as file:
        return file.read(max(most_bytes, 0) + 1)
