"""Login: a text with a nonce, signed with the account's own key (EIP-191), good for one use and a short time.

The nonce carries what the service must know of it, under a code of its own (HMAC): open challenges cost no memory, so
whoever asks for many drives out nobody's. Only those that a known account has used are remembered, until they expire.
"""

from __future__ import annotations

import heapq
import hmac
import secrets
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock

from domain.errors import DominoesError
from domain.hashing import to_hex
from domain.mtu import isoformat_utc
from domain.signing import personal_message_digest, recover

CHALLENGE_SECONDS = 300
"""How long a login text may be signed: enough for a hardware wallet, short for a thief."""

SECRET_BYTES = 32
"""The key of the code over nonces; one per process, never written down."""

ADDRESS_BYTES, TIME_BYTES, RANDOM_BYTES, CODE_BYTES = 20, 8, 16, 16
"""What a nonce is made of: the account, its end (unix seconds), random bytes, and the code over these."""

NONCE_BYTES = ADDRESS_BYTES + TIME_BYTES + RANDOM_BYTES + CODE_BYTES


class ChallengeRefused(DominoesError):
    """The login text is unknown, used, expired, or signed by another key: one answer for all."""

    status = 401
    code = "login-refused"
    remedy = "Ask for a new challenge and sign its text, unchanged, with the account's own key."

    def __init__(self) -> None:
        super().__init__("login refused; ask for a new challenge and sign its text with the account's own key")


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the holder signs: `text` shows account, audience, nonce and end of validity (`expires_at`, unix seconds)."""

    nonce: str
    address: bytes
    expires_at: int
    text: str


def challenge_text(*, address: bytes, audience: str, nonce: str, expires_at: int) -> str:
    """The login text; its first line is what tells it apart from anything else a person signs."""
    return (
        f"DOMINOES login\naccount: {to_hex(address)}\naudience: {audience}\nnonce: {nonce}\n"
        f"valid until: {isoformat_utc(expires_at)}"
    )


class ChallengeBook:
    """Challenges of one process. A restart makes the open ones void: whoever was logging in asks again."""

    def __init__(self, *, audience: str) -> None:
        self._audience = audience
        self._secret = secrets.token_bytes(SECRET_BYTES)
        self._used: set[str] = set()
        self._ends: list[tuple[int, str]] = []  # the used ones by the end of their validity (heap)
        self._lock = Lock()

    def issue(self, *, address: bytes, now: int) -> Challenge:
        """A new challenge for an address. It's given to any address, so that who has an account can't be probed."""
        expires_at = now + CHALLENGE_SECONDS
        content = address + expires_at.to_bytes(TIME_BYTES, "big") + secrets.token_bytes(RANDOM_BYTES)
        return self._challenge(content + self._code(content))

    def signer(self, *, nonce: str, signature: bytes, now: int) -> bytes:
        """The address that signed a challenge of ours; it is not used up yet. Raises ChallengeRefused, BadSignature."""
        challenge = self._read(nonce, now=now)
        signer = recover(personal_message_digest(challenge.text), signature)
        if signer != challenge.address:
            raise ChallengeRefused
        return signer

    def use_up(self, *, nonce: str, now: int) -> None:
        """Let a challenge count, once. Raises ChallengeRefused where it did before.

        Call it for known accounts only: what is remembered then is bounded by what they themselves log in.
        """
        challenge = self._read(nonce, now=now)
        with self._lock:
            while self._ends and self._ends[0][0] <= now:
                self._used.discard(heapq.heappop(self._ends)[1])
            if challenge.nonce in self._used:
                raise ChallengeRefused
            self._used.add(challenge.nonce)
            heapq.heappush(self._ends, (challenge.expires_at, challenge.nonce))

    def _read(self, nonce: str, *, now: int) -> Challenge:
        """The challenge that a nonce stands for, if this process made it and it is still valid."""
        try:
            data = bytes.fromhex(nonce)
        except ValueError as error:
            raise ChallengeRefused from error
        content, code = data[:-CODE_BYTES], data[-CODE_BYTES:]
        if len(data) != NONCE_BYTES or not hmac.compare_digest(code, self._code(content)):
            raise ChallengeRefused
        challenge = self._challenge(data)
        if now >= challenge.expires_at:
            raise ChallengeRefused
        return challenge

    def _code(self, content: bytes) -> bytes:
        return hmac.digest(self._secret, content, sha256)[:CODE_BYTES]

    def _challenge(self, data: bytes) -> Challenge:
        address, nonce = data[:ADDRESS_BYTES], data.hex()
        expires_at = int.from_bytes(data[ADDRESS_BYTES : ADDRESS_BYTES + TIME_BYTES], "big")
        text = challenge_text(address=address, audience=self._audience, nonce=nonce, expires_at=expires_at)
        return Challenge(nonce=nonce, address=address, expires_at=expires_at, text=text)
