"""Login: a text with a nonce, signed with the account's own key (EIP-191), good for one use and a short time."""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

from domain.errors import DominoesError
from domain.hashing import keccak, to_hex
from domain.mtu import isoformat_utc
from domain.signing import recover

CHALLENGE_SECONDS = 300
"""How long a login text may be signed: enough for a hardware wallet, short for a thief."""

OPEN_CHALLENGES_MAX = 10_000
"""Challenges kept at once; beyond, the oldest is forgotten, so that asking for many costs nobody memory."""


class ChallengeRefused(DominoesError):
    """The login text is unknown, used, expired, or signed by another key: one answer for all."""

    status = 401
    code = "login-refused"

    def __init__(self) -> None:
        super().__init__("login refused; ask for a new challenge and sign its text with the account's own key")


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the holder signs: `text` shows account, audience, nonce and end of validity (`expires_at`, unix seconds)."""

    nonce: str
    address: bytes
    expires_at: int
    text: str


def personal_message_digest(text: str) -> bytes:
    """The 32 bytes that `personal_sign` signs (EIP-191 version 0x45)."""
    data = text.encode("utf-8")
    return keccak(b"\x19Ethereum Signed Message:\n" + str(len(data)).encode("ascii") + data)


def challenge_text(*, address: bytes, audience: str, nonce: str, expires_at: int) -> str:
    """The login text; its first line is what tells it apart from anything else a person signs."""
    return (
        f"DOMINOES login\naccount: {to_hex(address)}\naudience: {audience}\nnonce: {nonce}\n"
        f"valid until: {isoformat_utc(expires_at)}"
    )


class ChallengeBook:
    """Open challenges of one process. A restart forgets them: whoever was logging in asks again."""

    def __init__(self, *, audience: str) -> None:
        self._audience = audience
        self._open: OrderedDict[str, Challenge] = OrderedDict()
        self._lock = Lock()

    def issue(self, *, address: bytes, now: int) -> Challenge:
        """A new challenge for an address. It's given to any address, so that who has an account can't be probed."""
        nonce = secrets.token_hex(16)
        expires_at = now + CHALLENGE_SECONDS
        text = challenge_text(address=address, audience=self._audience, nonce=nonce, expires_at=expires_at)
        challenge = Challenge(nonce=nonce, address=address, expires_at=expires_at, text=text)
        with self._lock:
            self._open[nonce] = challenge
            while len(self._open) > OPEN_CHALLENGES_MAX:
                self._open.popitem(last=False)
        return challenge

    def redeem(self, *, nonce: str, signature: bytes, now: int) -> bytes:
        """The address that signed the challenge, which is thereby used up. Raises ChallengeRefused, BadSignature."""
        with self._lock:
            challenge = self._open.pop(nonce, None)
        if challenge is None or now >= challenge.expires_at:
            raise ChallengeRefused
        signer = recover(personal_message_digest(challenge.text), signature)
        if not hmac.compare_digest(signer, challenge.address):
            raise ChallengeRefused
        return signer
