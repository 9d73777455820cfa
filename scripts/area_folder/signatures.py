"""The signatures of a folder's terms: each party signs its parts in one go, into a file of its own below `signatures/`.

A line holds the digest of what was signed and the signature, so that files of many parties can be put together, and a
term that changed since has none.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from domain.eip712 import Domain
from domain.errors import DominoesError
from domain.hashing import from_hex, to_hex
from domain.signed_terms import TermPart, parts_of
from domain.signing import SIGNATURE_BYTES, BadSignature, SigningKey, recover
from scripts.area_folder.reading import AreaTerm, Row

SIGNATURES_FOLDER = "signatures"
COLUMNS = ("digest", "signature")


class NothingToSign(DominoesError):
    """Nothing in a folder binds a key."""

    code = "nothing-to-sign"

    def __init__(self, *, folder: Path, party: str, address: str) -> None:
        self.folder, self.party, self.address = folder, party, address
        super().__init__(f"nothing in {folder} binds {address} as {party}; sign with another key, or as another party")


Signatures = Mapping[bytes, tuple[bytes, ...]]
"""Signatures by the digest of what was signed: of an agreement, its account's and its retailer's."""


class SignaturesUnusable(DominoesError):
    """A file of signatures can't be read."""

    code = "signatures-unusable"

    def __init__(self, *, path: Path, line: int, reason: str) -> None:
        self.path, self.line, self.reason = path, line, reason
        super().__init__(f"{path}:{line}: {reason}; have its party sign again (`dominoes area sign`)")


def read_signatures(folder: Path) -> Signatures:
    """All signatures that lie in a folder. Raises SignaturesUnusable."""
    found: dict[bytes, tuple[bytes, ...]] = {}
    for path in sorted((folder / SIGNATURES_FOLDER).glob("*.csv")):
        for digest, signature in _read(path):
            found[digest] = (*found.get(digest, ()), signature)
    return found


def _read(path: Path) -> Iterator[tuple[bytes, bytes]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file)
        try:
            if tuple(next(lines, ())) != COLUMNS:
                raise ValueError(f"the columns are not {', '.join(COLUMNS)}")
            for digest, signature in lines:
                made = from_hex(signature)
                if len(made) != SIGNATURE_BYTES:
                    raise ValueError(f"a signature has {SIGNATURE_BYTES} bytes")
                yield from_hex(digest), made
        except (ValueError, csv.Error) as error:
            raise SignaturesUnusable(path=path, line=lines.line_num, reason=str(error)) from error


@dataclass(frozen=True)
class Gathered:
    """Terms with the signatures there are, and how many each party still has to give."""

    rows: Sequence[Row[AreaTerm]]
    missing: Mapping[str, int]


def gathered(rows: Sequence[Row[AreaTerm]], signatures: Signatures, *, domain: Domain) -> Gathered:
    """Put to each term the signatures that are its parties' (domain: the Settlement contract).

    Whether a key has the role of a DSO or registrar the registry alone knows: its signature is taken as it is.
    """
    missing: Counter[str] = Counter()
    signed = []
    for row in rows:
        made: dict[str, Any] = {}
        for part in parts_of(row.term):
            signature = _signature_of(part, signatures.get(part.digest(domain), ()), domain)
            if signature is None:
                missing[part.party if part.address is None else f"{part.party} {part.address}"] += 1
            else:
                made[f"{part.party}_signature"] = signature
        signed.append(replace(row, term=replace(row.term, **made)))
    return Gathered(signed, missing)


def _signature_of(part: TermPart, given: Sequence[bytes], domain: Domain) -> bytes | None:
    """The one among these that is the part's party's: by its address, or by not being that of another party."""
    signers = dict(_signers(part.digest(domain), given))
    if part.address is not None:
        return signers.get(part.address)
    bound = part.values.get("account")
    return next((signature for signer, signature in signers.items() if signer != bound), None)


def _signers(digest: bytes, given: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    """Whose each signature is; what is no signature is nobody's."""
    for signature in given:
        try:
            yield to_hex(recover(digest, signature)), signature
        except BadSignature:
            continue


def sign(
    folder: Path, rows: Sequence[Row[AreaTerm]], *, party: str, key: SigningKey, domain: Domain
) -> tuple[Path, int]:
    """Sign every part that binds this party, and the holder of this key; the file written, and how many.

    Raises NothingToSign.
    """
    own = to_hex(key.address)
    parts = [part for row in rows for part in parts_of(row.term) if part.party == party and part.address in (None, own)]
    if not parts:
        raise NothingToSign(folder=folder, party=party, address=own)
    path = folder / SIGNATURES_FOLDER / f"{party}-{own}.csv"
    path.parent.mkdir(exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(COLUMNS)
        for part in parts:
            digest = part.digest(domain)
            lines.writerow((to_hex(digest), to_hex(key.sign(digest))))
    partial.rename(path)
    return path, len(parts)
