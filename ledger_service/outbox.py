"""What stages ask of the chain: `chain.requested` facts, which the chain gateway turns into transactions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from contracts.bindings import Call
from contracts.naming import snake
from domain.facts import (
    HAPPENED,
    ChainFailed,
    ChainIncluded,
    ChainRequested,
    ChainRewound,
    Happened,
    Subject,
    requested_key,
)
from domain.roles import ChainRole
from ledger_service.record import Entry, Transaction

ATTEMPT_MARK = "#"
"""Stands before the number of the attempt in a request's key from the second on; no code holds this sign."""

RETRY_SECONDS = 900
"""Market seconds after a failure until the same is asked for again: one MTU, so that no failure repeats in a loop."""


class NeverAsked(LookupError):
    """No such request was ever made, so it can't have failed: keys were mixed up."""

    def __init__(self, *, key: str) -> None:
        self.key = key
        super().__init__(f"nothing was asked of the chain under {key}; look for the `chain.failed` that names it")


def request(tx: Transaction, call: Call, *, key: str, role: ChainRole, about: Subject) -> Entry:
    """Ask for one transaction; `key` names it for good, so asking again changes nothing.

    `role` is that of the organisation whose key sends it, `about` what it is about: what follows it says the same.
    What failed (`chain.failed`) stays failed under its key: see `ask_again`.
    """
    fact = ChainRequested(
        key=key, role=role, contract=call.contract, function=call.function, args=call.args, about=about
    )
    return tx.append(fact)


def asks(fact: ChainRequested | ChainIncluded | ChainFailed | ChainRewound, method: Callable[..., Call]) -> bool:
    """Whether a request, or what became of one, is about the call that this method of a binding makes."""
    binding = getattr(method, "__self__", None)
    return fact.contract == getattr(binding, "contract", None) and snake(fact.function) == method.__name__


def happened(entries: Iterable[Entry]) -> Iterator[Happened]:
    """What these entries tell of events of the contracts, whoever sent the transaction; others are passed over."""
    return (entry.fact for entry in entries if isinstance(entry.fact, HAPPENED))


def call_of(asked: ChainRequested) -> Call:
    """The call that a request asks for."""
    return Call(contract=asked.contract, function=asked.function, args=asked.args)


def ask_again(tx: Transaction, *, failed_key: str) -> Entry:
    """Ask once more for what failed, exactly as it was asked for, under the key of its next attempt.

    Asking again for the same failure changes nothing. Raises NeverAsked.
    """
    asked = tx.find(requested_key(failed_key))
    if asked is None:
        raise NeverAsked(key=failed_key)
    return tx.append(replace(asked.as_a(ChainRequested), key=next_attempt(failed_key)))


def next_attempt(key: str) -> str:
    """The key of the attempt after this one."""
    return f"{key.partition(ATTEMPT_MARK)[0]}{ATTEMPT_MARK}{attempt_of(key) + 1}"


def attempt_of(key: str) -> int:
    """Which attempt a key stands for, from 1."""
    return int(key.partition(ATTEMPT_MARK)[2] or 1)
