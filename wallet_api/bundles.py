"""Evidence bundles as one file to download: exported to a folder, packed as tar, sealed where they are confidential."""

from __future__ import annotations

import io
import math
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
from ledger_service.evidence.growing import GrowingPublic, HeldBundle
from ledger_service.evidence.personal import export_personal
from ledger_service.evidence.recorded import Anchor, ChainInfo
from ledger_service.record import Entry
from wallet_api.services import Services

TAR_MEDIA_TYPE = "application/x-tar"
SEALED_MEDIA_TYPE = "application/octet-stream"

EXPORT_SECONDS = 5
"""What a client is told to wait while another export is under way: about what a day of a hundred accounts takes."""

PERSONAL_BYTES_MAX = 67_108_864
"""Personal bundles kept in memory at once; beyond, those asked for longest ago are made again."""

SENT_BYTES = 2**18
"""How much of a bundle is read at once while it is sent."""


class Bundles:
    """Makes bundles up to the last anchor. Personal ones and the auditor's one at a time: an export reads the whole
    journal. The public one only grows, and keeps nobody from the others.

    Nobody waits for another's export: that would take the threads which answer everyone else. `anchored` is the
    sequence of the last anchor; a bundle that was made for it is given again.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._one_at_a_time, self._one_extends = Lock(), Lock()
        self._personal: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        deployment = services.deployment
        self._chain = ChainInfo(chain_id=deployment.chain_id, contracts=deployment.addresses)
        self._growing = GrowingPublic(services.evidence_folder, chain=self._chain)
        self._public: HeldBundle | None = None

    def public(self, *, anchored: int) -> HeldBundle:
        """The public bundle. Raises NothingAnchored, Busy."""
        ready = self._public
        if ready is None or ready.anchor.sequence != anchored:
            with _alone(self._one_extends):
                ready = self._public = self._growing.up_to_anchor(self._services.record)
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
        with _alone(self._one_at_a_time):
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

        with _alone(self._one_at_a_time):
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


@contextmanager
def _alone(lock: Lock) -> Iterator[None]:
    if not lock.acquire(blocking=False):
        raise Busy(what="another bundle is being exported", seconds=EXPORT_SECONDS)
    try:
        yield
    finally:
        lock.release()


def tar_size(bundle: HeldBundle) -> int:
    """The bytes of `tar_parts`."""
    blocks = sum(1 + math.ceil(file.size / tarfile.BLOCKSIZE) for file in bundle.files.values()) + 2
    return math.ceil(blocks * tarfile.BLOCKSIZE / tarfile.RECORDSIZE) * tarfile.RECORDSIZE


def tar_parts(bundle: HeldBundle) -> Iterator[bytes]:
    """The same as `tar_of` a folder of these files, read as it is sent."""
    sent = 0
    for name, file in sorted(bundle.files.items()):
        info = tarfile.TarInfo(name)
        info.size = file.size
        yield info.tobuf(tarfile.USTAR_FORMAT)
        for offset in range(0, file.size, SENT_BYTES):
            yield file.read(offset, min(SENT_BYTES, file.size - offset))
        padding = -file.size % tarfile.BLOCKSIZE
        yield bytes(padding)
        sent += tarfile.BLOCKSIZE + file.size + padding
    yield bytes(tar_size(bundle) - sent)


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
