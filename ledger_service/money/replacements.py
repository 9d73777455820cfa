"""An account gives way to another: asked for with its own signature, or proposed where its key was lost.

The chain decides; the registry follows its event alone (`stage`), whoever sent the transaction. Times are market time.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, or_, select

from contracts.bindings import Call, Successions
from domain.eip712 import ACCOUNT_REPLACEMENT, Domain
from domain.errors import DominoesError
from domain.facts import Subject
from domain.hashing import from_hex, to_hex
from domain.roles import ChainRole
from domain.signing import recover
from ledger_service.money.queries import guarantor_of
from ledger_service.money.tables import money_replacement, money_successor
from ledger_service.outbox import request
from ledger_service.record import Entry, Record, Transaction
from ledger_service.record.paging import WHOLE, Slice, sliced
from ledger_service.registry import queries as registry
from ledger_service.registry.errors import DeadlinePassed, NotRegistered, WrongSigner
from ledger_service.registry.operations import check_unclaimed

TAKEOVER_SECONDS = 30 * 86_400
"""How long after its delay a proposed successor may take over, as the contract has it."""

ASKED_EVERY_SECONDS = 86_400
"""Market seconds before a take-over that failed, while pages were open say, is asked for once more."""


class NoSuccessorProposed(DominoesError):
    """Nobody is proposed for the account, or its take-over is done."""

    status = 404
    code = "no-successor-proposed"
    remedy = "Look at the list of successors that are proposed; there is nothing to withdraw for this account."

    def __init__(self, *, account: str) -> None:
        self.account = account
        super().__init__(f"no successor is proposed for {account}; there is nothing to withdraw")


@dataclass(frozen=True, slots=True)
class Proposed:
    """A successor that waits: `by` agreed beside the registrar, `ready_at` is when it may take over, for 30 days."""

    account: bytes
    successor: bytes
    by: bytes
    ready_at: int

    @property
    def expires_at(self) -> int:
        """Until when it may take over."""
        return self.ready_at + TAKEOVER_SECONDS


@dataclass(frozen=True, slots=True)
class Asked:
    """What account and successor sign together, each with its own key, until a deadline."""

    account: str
    successor: str
    deadline: int

    def signer(self, signature: bytes, *, domain: Domain) -> str:
        """Who signed it (domain: the Successions contract). Raises BadSignature."""
        values = {"account": self.account, "successor": self.successor, "deadline": self.deadline}
        return to_hex(recover(domain.digest(ACCOUNT_REPLACEMENT, values), signature))


def proposed(connection: Connection, *, to: bytes | None = None, part: Slice = WHOLE) -> list[Proposed]:
    """Successors that wait for their delay, or to take over, by account: all, or those `to` an account itself and those
    that it agreed to."""
    table, later, gone = money_successor, money_successor.alias("later"), money_replacement
    newer = select(later.c.account).where(later.c.account == table.c.account, later.c.sequence > table.c.sequence)
    done = select(gone.c.account).where(gone.c.account == table.c.account)
    query = select(table).where(table.c.successor.is_not(None), ~newer.exists(), ~done.exists())
    if to is not None:
        query = query.where(or_(table.c.account == to, table.c.by == to))
    return [
        Proposed(row.account, row.successor, row.by, row.ready_at)
        for row in connection.execute(sliced(query, table.c.account, part=part))
    ]


def due(connection: Connection, *, now: int) -> Iterator[tuple[str, Call, Subject]]:
    """Take-overs that are possible now: key, call and subject of what to ask the chain for."""
    for item in proposed(connection):
        if item.ready_at <= now <= item.expires_at:
            account, turn = to_hex(item.account), (now - item.ready_at) // ASKED_EVERY_SECONDS
            key = f"succeed:{account}:{item.ready_at}:{turn}"
            yield key, Successions.succeed(account=item.account), Subject(account=account)


def ask_replacement(
    record: Record,
    *,
    asked: Asked,
    account_signature: bytes,
    successor_signature: bytes,
    organisations: Container[str],
    domain: Domain,
    now: int,
) -> Entry:
    """Ask the chain to let an account give way to a successor, with both signatures; a repeat changes nothing.

    `organisations` as in `check_unclaimed`. Raises BadSignature, WrongSigner, NotRegistered, AlreadyRegistered,
    DeadlinePassed.
    """
    _require(asked.account, asked.signer(account_signature, domain=domain))
    _require(asked.successor, asked.signer(successor_signature, domain=domain))
    call = Successions.replace_account(
        account=from_hex(asked.account),
        successor=from_hex(asked.successor),
        deadline=asked.deadline,
        account_signature=account_signature,
        successor_signature=successor_signature,
    )
    key = f"replaceAccount:{asked.account}:{asked.successor}:{asked.deadline}"
    with record.begin() as tx:
        _check_new(tx, asked, organisations=organisations, now=now)
        return request(tx, call, key=key, role=ChainRole.OPERATOR, about=Subject(account=asked.account))


def propose_successor(
    record: Record,
    *,
    asked: Asked,
    guarantor_signature: bytes,
    successor_signature: bytes,
    operators: Container[str],
    organisations: Container[str],
    domain: Domain,
    now: int,
) -> Entry:
    """Ask the chain to note a successor for an account whose key was lost: the registrar's word, with the signatures of
    its guarantor (where nobody but itself guarantees for it, one of `operators`) and of the successor.

    Raises as `ask_replacement` does.
    """
    agreeing = asked.signer(guarantor_signature, domain=domain)
    _require(asked.successor, asked.signer(successor_signature, domain=domain))
    call = Successions.propose_successor(
        account=from_hex(asked.account),
        successor=from_hex(asked.successor),
        deadline=asked.deadline,
        guarantor_signature=guarantor_signature,
        successor_signature=successor_signature,
    )
    key = f"proposeSuccessor:{asked.account}:{asked.successor}:{asked.deadline}"
    with record.begin() as tx:
        _check_new(tx, asked, organisations=organisations, now=now)
        guarantor = guarantor_of(tx.connection, account=from_hex(asked.account))
        if guarantor is not None and to_hex(guarantor) != asked.account:
            _require(to_hex(guarantor), agreeing)
        elif agreeing not in operators:
            raise WrongSigner(expected="an operator of the area, as nobody else guarantees,", signer=agreeing)
        return request(tx, call, key=key, role=ChainRole.REGISTRAR, about=Subject(account=asked.account))


def cancel_successor(tx: Transaction, *, account: str, ready_at: int) -> Entry:
    """Ask the chain to withdraw the successor that may take over from `ready_at` on, as the registrar may.

    Raises NoSuccessorProposed.

    The old key does so by a transaction of its own: the contract takes nobody's word for it.
    """
    if all((to_hex(item.account), item.ready_at) != (account, ready_at) for item in proposed(tx.connection)):
        raise NoSuccessorProposed(account=account)
    key = f"cancelSuccessor:{account}:{ready_at}"
    call = Successions.cancel_successor(account=from_hex(account))
    return request(tx, call, key=key, role=ChainRole.REGISTRAR, about=Subject(account=account))


def _check_new(tx: Transaction, asked: Asked, *, organisations: Container[str], now: int) -> None:
    if registry.participant_of(tx.connection, asked.account) is None:
        raise NotRegistered(what="account", name=asked.account)
    check_unclaimed(tx, address=asked.successor, organisations=organisations)
    if asked.deadline <= now:
        raise DeadlinePassed(deadline=asked.deadline, now=now)


def _require(expected: str, signer: str) -> None:
    if signer != expected:
        raise WrongSigner(expected=expected, signer=signer)
