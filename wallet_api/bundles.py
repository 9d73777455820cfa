"""Evidence bundles as one file to download: exported to a folder, packed as tar, sealed where they are confidential."""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from nacl.public import PublicKey, SealedBox

from ledger_service.audit.auditor import export_auditor
from ledger_service.audit.facts import Anchor, ChainInfo
from ledger_service.audit.personal import export_personal
from ledger_service.audit.public import export_public
from ledger_service.record import Entry
from wallet_api.problems import NoSuchThing
from wallet_api.services import Services

TAR_MEDIA_TYPE = "application/x-tar"
SEALED_MEDIA_TYPE = "application/octet-stream"

_PUBLIC_NAME = "public-{sequence}.tar"


class Bundles:
    """Makes bundles up to the last anchor. One at a time: an export reads the whole journal."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._one_at_a_time = Lock()
        deployment = services.deployment
        self._chain = ChainInfo(chain_id=deployment.chain_id, contracts=deployment.addresses)

    def public(self, *, anchored: int) -> Path:
        """The public bundle as a tar file, exported once per anchor (`anchored`: its sequence)."""
        folder = self._services.evidence_folder
        with self._one_at_a_time:
            ready = folder / _PUBLIC_NAME.format(sequence=anchored)
            if not ready.exists():
                folder.mkdir(parents=True, exist_ok=True)
                for outdated in folder.glob(_PUBLIC_NAME.format(sequence="*")):
                    outdated.unlink()
                packed = self._packed(lambda place: export_public(self._services.record, place, chain=self._chain))
                partial = ready.with_suffix(".partial")
                partial.write_bytes(packed)
                partial.rename(ready)
            return ready

    def personal(self, *, account: str) -> bytes:
        """One account's bundle as tar bytes. Raises NothingAnchored, NoSuchThing."""

        def export(place: Path) -> Anchor:
            return export_personal(
                self._services.record, place, account=account, chain=self._chain, receipts=self._receipt
            )

        with self._one_at_a_time:
            try:
                return self._packed(export)
            except KeyError as error:
                raise NoSuchThing(what="account in the anchored journal") from error

    def auditor(self) -> tuple[bytes, str]:
        """The auditor bundle and its media type: sealed to the auditor's key unless this is a demo."""

        def export(place: Path) -> Anchor:
            return export_auditor(self._services.record, place, chain=self._chain, receipts=self._receipt)

        with self._one_at_a_time:
            packed = self._packed(export)
        seal = self._services.auditor_seal
        if seal is None:
            return packed, TAR_MEDIA_TYPE
        return bytes(SealedBox(PublicKey(seal)).encrypt(packed)), SEALED_MEDIA_TYPE

    def _receipt(self, entry: Entry) -> bytes:
        return self._services.intake.receipt_of(entry).signature

    def _packed(self, export: Callable[[Path], Anchor]) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "bundle"
            export(place)
            return tar_of(place)


def tar_of(folder: Path) -> bytes:
    """The files of a folder as tar: names in order, no owner and no time, so the same bundle gives the same bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(folder.iterdir()):
            info = tarfile.TarInfo(path.name)
            info.size = path.stat().st_size
            with path.open("rb") as file:
                archive.addfile(info, file)
    return buffer.getvalue()
