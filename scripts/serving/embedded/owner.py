"""One owner per state folder: two runs on one record, one chain and one set of ports would undo each other."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import TextIO

from domain.errors import DominoesError

RUN, SERVICE = "run", "service"
"""What can own a folder: `dominoes up` or a demo day with all its processes, and the service process within it."""

LOCK_SUFFIX = ".lock"

PRIVATE = 0o700
"""Mode of a state folder: its owner's alone, whatever the modes of the files within."""


class StateTaken(DominoesError):
    """Another process works on this state folder."""

    code = "state-taken"

    def __init__(self, *, folder: Path, owner: str) -> None:
        self.folder, self.owner = folder, owner
        super().__init__(f"{folder} is in use by a running {owner}; stop that one first, or name another folder")


def hold(state: Path, owner: str) -> TextIO:
    """Own the folder until the returned file is closed or this process ends, however it ends. Raises StateTaken."""
    state.mkdir(parents=True, exist_ok=True)
    state.chmod(PRIVATE)  # one that an earlier version, or somebody else, made
    file = (state / f"{owner}{LOCK_SUFFIX}").open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise StateTaken(folder=state, owner=owner) from error
    return file
