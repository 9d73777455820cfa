"""Access tokens: JWT signed with ES256 (RFC 9068 profile), verified against one algorithm, issuer and audience."""

from __future__ import annotations

import os
import re
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from domain.errors import DominoesError
from domain.hashing import MAX_SAFE_INTEGER, from_hex, to_hex
from ledger_service.access.roles import Role

ALGORITHM = "ES256"
"""The one algorithm; anything else in a header is refused before a key is looked at (RFC 8725, 3.1)."""

TOKEN_TYPE = "at+jwt"  # noqa: S105 - a media type, no secret
"""`typ` of an access token (RFC 9068, 2.1), so that no other JWT of this key passes for one."""

TOKEN_SECONDS = 900
"""Life of a token; a role that is taken away ends at once all the same, because it is looked up per request."""

CLOCK_SKEW_SECONDS = 5
"""How far the clocks of two machines may differ before `nbf` and `exp` bite."""

VERIFIED_TOKENS_MAX = 4_096
"""Tokens whose signature check is remembered, so that a client's next request costs no P-256 verification."""

TOKEN_LENGTH_MAX = 2_048
"""Longest token that is looked at, in characters; ours have about 500."""

_ADDRESS = re.compile(r"0x[0-9a-f]{40}")
_FORBIDDEN_HEADERS = frozenset({"jku", "jwk", "x5u", "x5c", "crit"})
_REQUIRED_CLAIMS = ["iss", "aud", "sub", "exp", "nbf", "iat", "jti"]


class TokenRefused(DominoesError):
    """No token, or one that is not ours, not valid now, or altered."""

    status = 401
    code = "token-refused"
    remedy = "Log in, and send the new token as `Authorization: Bearer …`."

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"access token refused: {reason}; log in again at POST /v1/session")


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says: whose it is, the role at issue, and when it ends (unix seconds)."""

    address: bytes
    role: Role
    token_id: str
    not_before: int
    expires_at: int


def load_or_create_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The P-256 key in a PEM file, made at the first run with mode 0600."""
    if path.exists():
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
            raise ValueError(f"{path.name} holds no P-256 key; move it away and a new one is made")
        return key
    made = ec.generate_private_key(ec.SECP256R1())
    pem = made.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    return made


def _thumbprint(key: ec.EllipticCurvePublicKey) -> str:
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return sha256(der).hexdigest()[:16]


def _claims_of(payload: dict[str, Any]) -> Claims:
    """The claims in exactly the form `issue` gives them. Raises KeyError, ValueError."""
    times = [payload[name] for name in ("iat", "nbf", "exp")]
    if any(type(value) is not int or not 0 <= value <= MAX_SAFE_INTEGER for value in times):
        raise ValueError("times are not whole seconds")
    texts = [payload[name] for name in ("sub", "role", "jti")]
    if not all(isinstance(value, str) for value in texts) or not _ADDRESS.fullmatch(payload["sub"]):
        raise ValueError("the subject is no address, or a text is none")
    return Claims(
        address=from_hex(payload["sub"]),
        role=Role(payload["role"]),
        token_id=payload["jti"],
        not_before=payload["nbf"],
        expires_at=payload["exp"],
    )


class TokenIssuer:
    """Issues and verifies the tokens of one service: one key, one issuer, one audience."""

    def __init__(self, *, key: ec.EllipticCurvePrivateKey, issuer: str, audience: str) -> None:
        self._key, self._public = key, key.public_key()
        self.issuer, self.audience = issuer, audience
        self.key_id = _thumbprint(self._public)
        self._verified: OrderedDict[str, Claims] = OrderedDict()

    def jwks(self) -> dict[str, Any]:
        """The public key as a JWK set (RFC 7517)."""
        jwk = dict(ECAlgorithm.to_jwk(self._public, as_dict=True))
        return {"keys": [{**jwk, "kid": self.key_id, "use": "sig", "alg": ALGORITHM}]}

    def issue(self, *, address: bytes, role: Role, now: int) -> tuple[str, Claims]:
        """A token for an address that has just proved its key; `now` in unix seconds."""
        claims = Claims(
            address=address,
            role=role,
            token_id=secrets.token_hex(16),
            not_before=now,
            expires_at=now + TOKEN_SECONDS,
        )
        payload = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": to_hex(address),
            "role": role.value,
            "iat": now,
            "nbf": now,
            "exp": claims.expires_at,
            "jti": claims.token_id,
        }
        token = jwt.encode(payload, self._key, ALGORITHM, headers={"typ": TOKEN_TYPE, "kid": self.key_id})
        return token, claims

    def verify(self, token: str, *, now: int) -> Claims:
        """The claims of a token of ours that is valid now. Raises TokenRefused."""
        claims = self._verified.get(token)
        if claims is None:
            claims = self._check(token)
            self._verified[token] = claims
            while len(self._verified) > VERIFIED_TOKENS_MAX:
                self._verified.popitem(last=False)
        if now >= claims.expires_at + CLOCK_SKEW_SECONDS:
            self._verified.pop(token, None)
            raise TokenRefused(reason="it has expired")
        if now < claims.not_before - CLOCK_SKEW_SECONDS:
            raise TokenRefused(reason="it is not valid yet")
        return claims

    def _check(self, token: str) -> Claims:
        if len(token) > TOKEN_LENGTH_MAX:
            raise TokenRefused(reason="it is too long")
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError as error:
            raise TokenRefused(reason="it is not a JWT") from error
        if header.get("alg") != ALGORITHM:
            raise TokenRefused(reason="its algorithm is not ES256")
        if header.get("typ") != TOKEN_TYPE or header.get("kid") != self.key_id:
            raise TokenRefused(reason="its type or key is not ours")
        if _FORBIDDEN_HEADERS & header.keys():
            raise TokenRefused(reason="its header names a key of its own")
        try:
            payload = jwt.decode(
                token,
                self._public,
                algorithms=[ALGORITHM],
                issuer=self.issuer,
                audience=self.audience,
                options={
                    "require": _REQUIRED_CLAIMS,
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "strict_aud": True,
                },
            )
            return _claims_of(payload)
        except jwt.PyJWTError as error:
            raise TokenRefused(reason="its signature, issuer or audience is not ours") from error
        except (KeyError, ValueError, TypeError) as error:
            raise TokenRefused(reason="its claims are malformed") from error
