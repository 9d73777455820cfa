"""Registry: which deployments there are.

Made from src/interfaces/IRegistry.sol by `python -m scripts.tools.make_bindings`; do not edit.
"""

from __future__ import annotations

from dataclasses import dataclass

from contracts.bindings.base import LATEST, Binding, Block, Call, Event, Struct


@dataclass(frozen=True, slots=True)
class Entry(Struct):
    """`Entry` of the interface."""

    name: str
    version: int
    location: bytes
    code_hash: bytes


@dataclass(frozen=True, slots=True)
class ContractRegistered(Event):
    """A deployment was listed."""

    CONTRACT = "Registry"
    NAME = "ContractRegistered"

    name: str
    version: int
    location: bytes
    code_hash: bytes


class Registry(Binding):
    """Contracts are immutable; a new version is a new deployment and a new entry. Nothing is ever removed."""

    contract = "Registry"

    def max_name_bytes(self, *, block: Block = LATEST) -> int:
        """Longest name, bytes."""
        return int(self._read("MAX_NAME_BYTES", [], block=block))

    def entry_at(self, *, index: int, block: Block = LATEST) -> Entry:
        """An entry by its index in order of registration; reverts if there is none."""
        return Entry.read(self._read("entryAt", [index], block=block))

    def entry_count(self, *, block: Block = LATEST) -> int:
        """Number of entries over all names."""
        return int(self._read("entryCount", [], block=block))

    def entry_of(self, *, name: str, version: int, block: Block = LATEST) -> Entry:
        """An entry by name and version; reverts if there is none."""
        return Entry.read(self._read("entryOf", [name, version], block=block))

    def latest_of(self, *, name: str, block: Block = LATEST) -> Entry:
        """The newest entry of a name; reverts if there is none."""
        return Entry.read(self._read("latestOf", [name], block=block))

    @classmethod
    def register(cls, *, name: str, location: bytes, code_hash: bytes) -> Call:
        """Lists a deployment as the next version of its name. Registrar only. Returns version: 1, 2, … per name."""
        return cls._call("register", [name, location, code_hash])
