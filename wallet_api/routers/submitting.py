"""What holders of keys signed, on its way from a request to the writer and back: one or up to 500 at a time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import Request
from prometheus_client import Counter
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from domain.errors import DominoesError, OutOfRange
from domain.hashing import to_hex
from edge.problems import InvalidFields, problem_of
from edge.strict_json import parse, read_body
from edge.writes import answer_once
from ledger_service.access.directory import Principal
from ledger_service.access.idempotency import KeptAnswer
from ledger_service.access.roles import NotAllowed, Role
from ledger_service.registry.mandates import last_mandate
from ledger_service.trading import Accepted, SignedOrder, Submission, queries
from ledger_service.trading.errors import MalformedSubmission
from wallet_api.fields import plain_address
from wallet_api.routers.keys import require_own
from wallet_api.services import Services, services_of

SUBMISSIONS_MAX = 500
"""Most submissions of one request: a household's day with several revisions, and about 300 KiB."""

PARSED_AT_ONCE_BYTES_MAX = 16_384
"""Largest body parsed without going to a thread; one order is about 700 bytes."""


@dataclass(frozen=True, slots=True)
class _Sender:
    """Who sends, as its session says."""

    who: Principal
    services: Services

    @property
    def point(self) -> str | None:
        """Its connection point."""
        return self.who.point

    def require_account(self, account: str) -> None:
        """Raises NotAllowed unless the account is the sender's, or gave it a mandate; of an agent from a thread."""
        if self.who.role is not Role.AGENT:
            require_own(self.who, account)
            return
        with self.services.record.read() as connection:
            if last_mandate(connection, account=account, agent=self.who.account) is None:
                raise NotAllowed(role="agent of others", allowed=("an agent of the account",))

    def require_own(self, account: str) -> None:
        """Raises NotAllowed unless the account is the sender's."""
        require_own(self.who, account)

    def has_order(self, order_id: bytes) -> bool:
        """Whether the order is the sender's; asked from a thread."""
        with self.services.record.read() as connection:
            return own_order(connection, self.who, order_id) is not None

    def read(self, kind: type[Submission], item: Any) -> Submission:
        """One submission of a body. Raises InvalidFields, or that it is another's."""
        if not isinstance(item, dict) or item.keys() != {kind.MEMBER, "signature"}:
            detail = f"must be an object with exactly {kind.MEMBER} and signature"
            raise InvalidFields(findings=[{"pointer": "", "detail": detail}])
        try:
            # Read by hand, not by its model: `python -m benchmarks intake` measures what an order's way costs.
            submission = kind.parse(_plain(item[kind.MEMBER]), signature=item["signature"])
        except (MalformedSubmission, OutOfRange) as error:
            raise InvalidFields(findings=[_finding(kind, error)]) from error
        submission.check_sender(self)
        return submission


def _plain(message: Any) -> Any:
    """A message whose addresses are in lower case, as they are signed, also where they were sent in EIP-55's."""
    if not isinstance(message, dict):
        return message
    for name in ("account", "agent"):
        if isinstance(given := message.get(name), str) and not given.islower():
            try:
                message = message | {name: plain_address(given)}
            except ValueError as error:
                raise MalformedSubmission(field=name, reason=str(error)) from error
    return message


def own_order(connection: Connection, who: Principal, order_id: bytes) -> queries.BookOrder | None:
    """An order of a trader's account, or one that an agent signed itself."""
    if who.role is Role.AGENT:
        return queries.order_signed_by(connection, order_key=who.account, order_id=order_id)
    return queries.order_of(connection, account=who.account, order_id=order_id)


def _finding(kind: type[Submission], error: MalformedSubmission | OutOfRange) -> dict[str, str]:
    """The member as it was sent, and what is wrong with it."""
    place = {"body": f"/{kind.MEMBER}", "signature": "/signature"}.get(error.field, f"/{kind.MEMBER}/{error.field}")
    return {"pointer": place, "detail": str(error)}


def refusals(kind: type[Submission]) -> tuple[type[DominoesError], ...]:
    """Why a submission may be refused; what is wrong with its members is told like that of every other body."""
    return tuple(cause for cause in kind.FAILURES if cause not in (MalformedSubmission, OutOfRange))


async def submit(request: Request, *, who: Principal, kind: type[Submission]) -> Response:
    raw = await read_body(request)

    async def do() -> KeptAnswer:
        # A batch would hold up every other request while it is parsed.
        value = parse(raw) if len(raw) <= PARSED_AT_ONCE_BYTES_MAX else await run_in_threadpool(parse, raw)
        status, shown = await _decided(request, value, who=who, kind=kind)
        return KeptAnswer(status=status, body=orjson.dumps(shown))

    return await answer_once(request, who=who, raw=raw, do=do)


async def _decided(
    request: Request, value: Any, *, who: Principal, kind: type[Submission]
) -> tuple[int, dict[str, Any]]:
    """Status and answer of one submission (its refusal is raised) or of a list of them."""
    if not isinstance(value, list):
        outcome = (await _decide(request, [value], who=who, kind=kind))[0]
        if isinstance(outcome, DominoesError):
            raise outcome
        return 200 if outcome.repeated else 201, _accepted_json(outcome)
    if not 1 <= len(value) <= SUBMISSIONS_MAX:
        detail = f"must hold 1 to {SUBMISSIONS_MAX} submissions"
        raise InvalidFields(findings=[{"pointer": "", "detail": detail}])
    outcomes = await _decide(request, value, who=who, kind=kind)
    return 200, {"items": [_outcome_json(outcome) for outcome in outcomes]}


async def _decide(
    request: Request, items: list[Any], *, who: Principal, kind: type[Submission]
) -> list[Accepted | DominoesError]:
    """One outcome per item: those of the right form go to the writer together, in their order."""
    services = services_of(request)
    if len(items) == 1 and kind is SignedOrder and who.role is not Role.AGENT:
        read = _read(items, _Sender(who, services), kind)
    else:
        read = await run_in_threadpool(_read, items, _Sender(who, services), kind)
    submissions = [item for item in read if not isinstance(item, DominoesError)]
    outcomes: list[Accepted | DominoesError | None] = [
        item if isinstance(item, DominoesError) else None for item in read
    ]
    if submissions:
        future = services.intake.submit(submissions)
        answers: list[Accepted | DominoesError] = await asyncio.wrap_future(future)
        decided = iter(answers)
        outcomes = [next(decided) if outcome is None else outcome for outcome in outcomes]
    counter: Counter = request.app.state.orders
    found = [outcome for outcome in outcomes if outcome is not None]
    for outcome in found:
        counter.labels(outcome.code if isinstance(outcome, DominoesError) else "accepted").inc()
    return found


def _read(items: list[Any], sender: _Sender, kind: type[Submission]) -> list[Submission | DominoesError]:
    read: list[Submission | DominoesError] = []
    for item in items:
        try:
            read.append(sender.read(kind, item))
        except DominoesError as error:
            read.append(error)
    return read


def _accepted_json(accepted: Accepted) -> dict[str, Any]:
    # Written by hand: of an order's intake the answer is on the way that its benchmark measures.
    return {
        "status": "exists" if accepted.repeated else "accepted",
        "sequence": accepted.entry.sequence,
        "journal_head": to_hex(accepted.entry.hash),
        "receipt": None if accepted.receipt is None else accepted.receipt.as_json(),
    }


def _outcome_json(outcome: Accepted | DominoesError) -> dict[str, Any]:
    if isinstance(outcome, DominoesError):
        return {"status": "refused", "problem": problem_of(outcome)}
    return _accepted_json(outcome)
