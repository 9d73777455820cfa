"""Fetching a day's evidence through the API, and the trust anchors an outsider keeps apart from it."""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path

from contracts.rpc import Rpc
from domain.hashing import from_hex
from ledger_service.evidence.anchors import export_anchors
from ledger_service.evidence.personal import export_all_personal
from ledger_service.evidence.recorded import ChainInfo
from ledger_service.record import Record
from ledger_service.trading import ReceiptSigner
from scripts.community.town import Town
from scripts.serving.api_client import ApiClient
from scripts.serving.deployment_file import checked_deployment
from scripts.serving.embedded.organisations import area_of, organisations_of
from scripts.serving.embedded.run_folder import DEPLOYMENT_FILE
from scripts.serving.trust import trust_anchors

PUBLIC, AUDITOR, PERSONAL = "public", "auditor", "personal"

ANCHORS_FILE = "anchors.json"
"""Trust anchors: in the folder of a demo day, and in the state folder of a run."""


def fetch_bundle(client: ApiClient, kind: str, folder: Path) -> None:
    """Download one bundle and unpack it into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile() as file:
        client.download(f"/v1/evidence/{kind}", file)
        with tarfile.open(fileobj=file) as archive:
            archive.extractall(folder, filter="data")


def fetch_all(town: Town, folder: Path) -> None:
    """The public and the auditor's bundle, as anybody and as the auditor get them over the API."""
    fetch_bundle(town.public, PUBLIC, folder / PUBLIC)
    fetch_bundle(town.clients["auditor"], AUDITOR, folder / AUDITOR)


def chain_info(town: Town) -> ChainInfo:
    """The chain and its contracts, as the service tells them."""
    contracts = {name: from_hex(text) for name, text in town.public.get("/v1/ledger")["contracts"].items()}
    return ChainInfo(chain_id=town.domain("Market").chain_id, contracts=contracts)


def write_personal(record: Record, town: Town, chain: ChainInfo, folder: Path) -> None:
    """One personal bundle per settlement account, `folder/<n>`, the record being read once for all of them."""
    signer = ReceiptSigner(key=town.organisations["operator"], domain=town.domain("Market"))
    export_all_personal(
        record,
        folder / PERSONAL,
        chain=chain,
        receipts=lambda entry: signer.receipt(entry).signature,
    )


def write_anchors(town: Town, *, state: Path, node: str, path: Path) -> None:
    """Write the trust anchors: what the organisations of the run agreed on, as an outsider's own node bears it out.

    Raises NothingAnchored, DeploymentFileUnusable, or what the node's answers raise.
    """
    addresses = {name: key.address for name, key in town.organisations.items()}
    before = town.config.predecessor
    rpc = Rpc(node)
    try:
        trust, anchor = trust_anchors(
            rpc,
            checked_deployment(state / DEPLOYMENT_FILE, rpc=rpc),
            organisations_of(town.config, addresses),
            {town.config.area: town.community.grid.grid_model_hash},
            [area_of(town.config, addresses)],
            None if before is None else checked_deployment(Path(before) / DEPLOYMENT_FILE, rpc=rpc),
        )
    finally:
        rpc.close()
    export_anchors(path, trust=trust, anchor=anchor)
