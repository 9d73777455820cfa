"""Evidence bundles as one file to download: exported to a folder, packed as tar, sealed where they are confidential."""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from nacl.public import PublicKey, SealedBox

from edge.problems import Busy, NoSuchThing
from ledger_service.evidence.auditor import export_auditor
from ledger_service.evidence.personal import export_personal
from ledger_service.evidence.public import export_public
from ledger_service.evidence.recorded import Anchor, ChainInfo
from ledger_service.record import Entry
from wallet_api.services import Services

TAR_MEDIA_TYPE = "application/x-tar"
SEALED_MEDIA_TYPE = "application/octet-stream"

EXPORT_SECONDS = 5
"""What a client is told to wait while another export is under way: about what a day of a hundred accounts takes."""

PERSONAL_BYTES_MAX = 67_108_864
"""Personal bundles kept in memory at once; beyond, those asked for longest ago are made again."""

PUBLIC_KEPT = 2
"""Public bundles kept on disk: the one before is still being sent to those who asked for it in time."""

_PUBLIC_NAME = "public-{sequence}.tar"


class Bundles:
    """Makes bundles up to the last anchor. One at a time: an export reads the whole journal.

    Nobody waits for another's export: that would take the threads which answer everyone else. `anchored` is the
    sequence of the last anchor; a bundle that was made for it is given again.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._one_at_a_time = Lock()
        self._personal: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        deployment = services.deployment
        self._chain = ChainInfo(chain_id=deployment.chain_id, contracts=deployment.addresses)

    def public(self, *, anchored: int) -> Path:
        """The public bundle as a tar file. Raises NothingAnchored, Busy."""
        folder = self._services.evidence_folder
        ready = folder / _PUBLIC_NAME.format(sequence=anchored)
        if ready.exists():
            return ready
        with self._alone():
            folder.mkdir(parents=True, exist_ok=True)
            packed = self._packed(lambda place: export_public(self._services.record, place, chain=self._chain))
            partial = ready.with_suffix(".partial")
            partial.write_bytes(packed)
            partial.rename(ready)
            by_age = sorted(folder.glob(_PUBLIC_NAME.format(sequence="*")), key=lambda file: file.stat().st_mtime_ns)
            for outdated in by_age[:-PUBLIC_KEPT]:
                outdated.unlink()
        return ready

    def personal(self, *, account: str, anchored: int) -> bytes:
        """One account's bundle as tar bytes. Raises NothingAnchored, NoSuchThing, Busy."""

        def export(place: Path) -> Anchor:
            return export_personal(
                self._services.record, place, account=account, chain=self._chain, receipts=self._receipt
            )

        kept = self._personal.get((account, anchored))
        if kept is not None:
            return kept
        with self._alone():
            try:
                packed = self._packed(export)
            except KeyError as error:
                raise NoSuchThing(what="account in the anchored journal") from error
            self._keep(account, anchored, packed)
        return packed

    def _keep(self, account: str, anchored: int, packed: bytes) -> None:
        """Only under the lock; older anchors' bundles go first."""
        for outdated in [key for key in self._personal if key[1] != anchored]:
            del self._personal[outdated]
        self._personal[account, anchored] = packed
        while sum(map(len, self._personal.values())) > PERSONAL_BYTES_MAX:
            self._personal.popitem(last=False)

    def forget(self, account: str) -> None:
        """Keep no bundle of an account whose openings are erased."""
        with self._one_at_a_time:
            for made in [key for key in self._personal if key[0] == account]:
                del self._personal[made]

    def auditor(self) -> tuple[bytes, str]:
        """The auditor bundle and its media type: sealed to the auditor's key unless this is a demo. Raises Busy."""

        def export(place: Path) -> Anchor:
            return export_auditor(self._services.record, place, chain=self._chain, receipts=self._receipt)

        with self._alone():
            packed = self._packed(export)
        seal = self._services.auditor_seal
        if seal is None:
            return packed, TAR_MEDIA_TYPE
        return bytes(SealedBox(PublicKey(seal)).encrypt(packed)), SEALED_MEDIA_TYPE

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._one_at_a_time.acquire(blocking=False):
            raise Busy(what="another bundle is being exported", seconds=EXPORT_SECONDS)
        try:
            yield
        finally:
            self._one_at_a_time.release()

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
