"""Login, and typed data for everything that is signed."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from domain.eip712 import SHAPES
from domain.hashing import from_hex
from domain.signing import BadSignature
from edge.answers import model_answer
from edge.policy import allow, anyone
from edge.problems import NoSuchThing
from edge.strict_json import parse, read_body, validate
from edge.writes import adapter_of
from ledger_service.access.challenges import ChallengeRefused
from ledger_service.access.directory import Principal, UnknownAccount
from ledger_service.access.tokens import TOKEN_SECONDS
from wallet_api.declaring import body_of, makes, reads
from wallet_api.fields import Code
from wallet_api.roles import EVERYBODY
from wallet_api.schemas import session as schemas
from wallet_api.services import API_PREFIX, services_of
from wallet_api.typed_data import shape_named, signing_view, values_from_json

SMALL_BODY_BYTES_MAX = 16_384
"""Logins and single structs are small."""

ShapeName = Annotated[Code, Path(description="Name of a signed shape, as `GET /v1/typed-data` lists it")]

router = APIRouter(prefix=API_PREFIX, tags=["session"])


@router.post("/session/challenge", **makes(schemas.ChallengeBody, schemas.Challenge))
async def ask_for_challenge(request: Request, _: Annotated[None, anyone()]) -> Response:
    """Ask for a login text. It is given for any address, is good for one use, and expires after five minutes."""
    body = validate(
        adapter_of(schemas.ChallengeBody), parse(await read_body(request, limit_bytes=SMALL_BODY_BYTES_MAX))
    )
    services = services_of(request)
    challenge = services.challenges.issue(address=from_hex(body.account), now=services.wall_clock())
    shown = schemas.Challenge(nonce=challenge.nonce, text=challenge.text, expires_at=challenge.expires_at)
    return model_answer(shown, status=201)


@router.post(
    "/session",
    **makes(schemas.SessionBody, schemas.AccessToken, failing=(ChallengeRefused, UnknownAccount, BadSignature)),
)
async def log_in(request: Request, _: Annotated[None, anyone()]) -> Response:
    """Exchange a signed login text for an access token (15 minutes)."""
    body = validate(adapter_of(schemas.SessionBody), parse(await read_body(request, limit_bytes=SMALL_BODY_BYTES_MAX)))
    services = services_of(request)
    now = services.wall_clock()
    address = services.challenges.signer(nonce=body.nonce, signature=from_hex(body.signature), now=now)
    principal = await run_in_threadpool(services.directory.find, address)
    services.challenges.use_up(nonce=body.nonce, now=now)
    token, claims = services.tokens.issue(address=address, role=principal.role, now=now)
    shown = schemas.AccessToken(
        access_token=token,
        token_type="Bearer",  # noqa: S106 - the kind of token, no secret
        expires_in=TOKEN_SECONDS,
        expires_at=claims.expires_at,
        account=principal.account,
        role=principal.role,
        name=principal.name,
    )
    return model_answer(shown, status=201)


@router.get("/session", **reads(schemas.Principal))
async def who_am_i(who: Annotated[Principal, allow(*EVERYBODY)]) -> Response:
    """The principal of the token: account, role, name, area."""
    shown = schemas.Principal(account=who.account, role=who.role, name=who.name, area=who.area, point=who.point)
    return model_answer(shown)


@router.get("/jwks", **reads(schemas.JsonWebKeySet))
async def jwks(request: Request, _: Annotated[None, anyone()]) -> Response:
    """The public key that access tokens are signed with (RFC 7517)."""
    shown = schemas.JsonWebKeySet.model_validate(services_of(request).tokens.jwks())
    return model_answer(shown, headers={"Cache-Control": "public, max-age=300"})


_VALUES_BODY = body_of(
    dict[str, Any],
    description="The members of the struct (docs/protocol.md, section 2); integers as numbers or decimal text.",
    example=schemas.CANCEL_MESSAGE,
)


@router.get("/typed-data", **reads(schemas.SignedShapes))
async def list_shapes(request: Request, _: Annotated[None, anyone()]) -> Response:
    """Every shape that is signed: its type string and verifying contract."""
    deployment = services_of(request).deployment
    items = [
        schemas.SignedShape(
            shape=shape.name,
            type=shape.type_string,
            domain=schemas.SigningDomain(**deployment.domain_of(shape).as_json()),
        )
        for shape in SHAPES.values()
    ]
    return model_answer(schemas.SignedShapes(items=items))


@router.post("/typed-data/{shape}", **reads(schemas.SigningView, failing=(NoSuchThing,), body=_VALUES_BODY))
async def typed_data(request: Request, shape: ShapeName, _: Annotated[None, anyone()]) -> Response:
    """Exactly what is to be signed: EIP-712 JSON for `eth_signTypedData_v4`, and its digest. Stores nothing."""
    signed = shape_named(shape)
    given = parse(await read_body(request, limit_bytes=SMALL_BODY_BYTES_MAX))
    values = values_from_json(signed, given if isinstance(given, dict) else {"": given})
    domain = services_of(request).deployment.domain_of(signed)
    return model_answer(signing_view(shape=signed, domain=domain, values=values))
