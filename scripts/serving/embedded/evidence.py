"""Fetching a day's evidence through the API, and the trust anchors an outsider keeps apart from it."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from contracts.rpc import Rpc
from domain.hashing import from_hex
from domain.signing import SigningKey
from ledger_service.evidence.anchors import AreaAnchors, TrustAnchors, export_anchors
from ledger_service.evidence.personal import export_all_personal
from ledger_service.evidence.recorded import Anchor, ChainInfo
from ledger_service.record import Record
from ledger_service.trading import ReceiptSigner
from scripts.community.run_config import ATTESTER_NAMES, ATTESTER_THRESHOLD
from scripts.community.town import Town
from scripts.serving.api_client import ApiClient

PUBLIC, AUDITOR, PERSONAL = "public", "auditor", "personal"

ANCHORS_FILE = "anchors.json"
"""Trust anchors: in the folder of a demo day, and in the state folder of a run."""


class NoAnchor(LookupError):
    """The service says that no head is anchored, or the node does not hold its block."""


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


def write_anchors(town: Town, *, node: str, path: Path) -> None:
    """Write the trust anchors: what an outsider learns from the organisations themselves and from its own node."""
    ledger = town.public.get("/v1/ledger")
    area = next(item for item in town.public.items("/v1/areas") if item["area"] == town.config.area)
    last = ledger["last_anchor"]
    if last is None:
        raise NoAnchor
    rpc = Rpc(node)
    try:
        header, genesis = rpc.header(last["block"]), rpc.header(0)
    finally:
        rpc.close()
    if header is None or genesis is None:
        raise NoAnchor
    keys: Mapping[str, SigningKey] = town.organisations
    trust = TrustAnchors(
        chain_id=ledger["chain_id"],
        genesis_hash=genesis.hash,
        speed=ledger["market_time"]["speed"],
        origin_seconds=ledger["market_time"]["origin_seconds"],
        start_seconds=ledger["market_time"]["start_seconds"],
        contracts={
            name: (from_hex(address), from_hex(ledger["deployment"]["code_hashes"][name]))
            for name, address in ledger["contracts"].items()
        },
        roles={
            "operator": [keys["operator"].address],
            "treasurer": [keys["treasurer"].address],
            "registrar": [keys["registrar"].address],
            "security_admin": [keys["security-admin"].address],
        },
        areas={
            town.config.area: AreaAnchors(
                grid_model_hash=from_hex(area["grid_model_hash"]),
                dso=[keys["dso"].address],
                attesters=[keys[name].address for name in ATTESTER_NAMES],
                threshold=ATTESTER_THRESHOLD,
            )
        },
        block=header.number,
        block_hash=header.hash,
    )
    partial = path.with_suffix(".partial")
    export_anchors(partial, trust=trust, anchor=Anchor(last["sequence"], from_hex(last["head"]), last["block"]))
    partial.rename(path)
