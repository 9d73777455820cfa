"""Evidence: the public, the personal and the auditor bundle (docs/evidence.md), each up to the last anchor, as tar."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from edge.policy import allow, anyone
from edge.problems import Busy, NoSuchThing
from edge.turns import weigh
from ledger_service.access.directory import Principal
from ledger_service.access.roles import Role
from ledger_service.evidence.personal import OpeningsErased
from ledger_service.evidence.recorded import NothingAnchored
from ledger_service.overview.queries import last_anchor
from wallet_api.bundles import SEALED_MEDIA_TYPE, TAR_MEDIA_TYPE, Bundles, tar_parts, tar_size
from wallet_api.declaring import downloads
from wallet_api.disclosure import Disclosure, everywhere
from wallet_api.roles import TRADERS
from wallet_api.services import API_PREFIX, services_of

EVERYTHING = Disclosure("evidence.auditor", everywhere)

SENT_BYTES_PER_CPU_SECOND = 100 * 2**20
"""What sending a bundle weighs: it is read and sent after its turn, by threads and a loop that all share."""

BINARY = {"schema": {"type": "string", "format": "binary"}}
"""How the document shows bytes."""

router = APIRouter(prefix=f"{API_PREFIX}/evidence", tags=["evidence"])


def _bundles(request: Request) -> Bundles:
    bundles: Bundles = request.app.state.bundles
    return bundles


def _anchored(request: Request) -> int:
    with services_of(request).record.read() as connection:
        anchor = last_anchor(connection)
    if anchor is None:
        raise NothingAnchored
    return anchor.sequence


@router.get(
    "/public", **downloads({TAR_MEDIA_TYPE: BINARY}, description="The bundle as tar", failing=(NothingAnchored, Busy))
)
def public_bundle(request: Request, _: Annotated[None, anyone()]) -> Response:
    """The public bundle: journal headers, words, roots, signatures, reports. Supports the market's honesty."""
    anchored = _anchored(request)
    bundle = _bundles(request).public(anchored=anchored)
    weigh(tar_size(bundle) / SENT_BYTES_PER_CPU_SECOND)
    headers = {
        "Content-Disposition": f'attachment; filename="dominoes-public-{bundle.anchor.sequence}.tar"',
        "Content-Length": str(tar_size(bundle)),
    }
    return StreamingResponse(tar_parts(bundle), media_type=TAR_MEDIA_TYPE, headers=headers)


@router.get(
    "/personal",
    **downloads(
        {TAR_MEDIA_TYPE: BINARY},
        description="The bundle as tar",
        failing=(NothingAnchored, NoSuchThing, OpeningsErased, Busy),
    ),
)
def personal_bundle(request: Request, who: Annotated[Principal, allow(*TRADERS)]) -> Response:
    """One's own bundle: own orders, readings, terms and statements with their proofs. Supports one's own bill."""
    packed = _bundles(request).personal(account=who.account, anchored=_anchored(request))
    headers = {"Content-Disposition": 'attachment; filename="dominoes-personal.tar"'}
    return Response(packed, media_type=TAR_MEDIA_TYPE, headers=headers)


@router.get(
    "/auditor",
    **downloads(
        {SEALED_MEDIA_TYPE: BINARY, TAR_MEDIA_TYPE: BINARY},
        description="The bundle as tar, sealed to the auditor's key; plain tar in demos",
        failing=(NothingAnchored, Busy),
    ),
)
def auditor_bundle(request: Request, _: Annotated[Principal, allow(Role.AUDITOR, before=EVERYTHING)]) -> Response:
    """Everything, sealed to the auditor's key (NaCl sealed box over the tar); plain in demos. Each access is a fact."""
    packed, media_type = _bundles(request).auditor()
    name = "dominoes-auditor.tar.sealed" if media_type == SEALED_MEDIA_TYPE else "dominoes-auditor.tar"
    return Response(packed, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})
