"""What a node means when it refuses a transaction: each client says the same in its own words."""

from __future__ import annotations

from enum import StrEnum

from contracts.rpc import RpcError


class Refusal(StrEnum):
    """Why a transaction was not taken."""

    KNOWN = "known"
    """The node has this very transaction: nothing is to be done."""
    WRONG_NONCE = "wrong nonce"
    """Its nonce is not one that the chain waits for: used already or, in the words of some, still ahead."""
    UNDERPRICED = "underpriced"
    """It pays less than the node takes, or than what it would replace."""
    OTHER = "other"
    """Anything else: the node's own words say what."""


_WORDS: tuple[tuple[Refusal, tuple[str, ...]], ...] = (
    (
        Refusal.KNOWN,
        ("already known", "alreadyknown", "known transaction", "already imported", "already exists"),
    ),
    (
        Refusal.UNDERPRICED,
        (
            "underpriced",
            "less than block base fee",
            "gas price below",
            "fee too low",
            "feetoolow",
            "gas price too low",
            "insufficient gas price to replace",
            "replacementnotallowed",
        ),
    ),
    (
        Refusal.WRONG_NONCE,
        (
            "nonce too low",
            "nonce is too low",
            "oldnonce",
            "nonce already used",
            "ownnoncealreadyused",
            "invalid nonce",
            "incorrect nonce",
            "the correct nonce",
        ),
    ),
)
"""Parts of messages in small letters. `unknown` holds `known`, so only whole phrases count; "the tx doesn't have the
correct nonce" is Ganache's, run-together words are Nethermind's of before 2026."""


def refusal_of(error: RpcError) -> Refusal:
    """What the node's refusal of a transaction means."""
    message = error.message.lower()
    for refusal, words in _WORDS:
        if any(_says(message, part) for part in words):
            return refusal
    return Refusal.OTHER


def _says(message: str, part: str) -> bool:
    """Whether the message has these words, and not as the end of another one."""
    at = message.find(part)
    return at == 0 or (at > 0 and not message[at - 1].isalpha())
