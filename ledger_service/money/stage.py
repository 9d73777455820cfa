"""The money stage: keeps balances as the chain has them and completes redemptions when they are ready."""

from __future__ import annotations

from domain.facts import HAPPENED, ParticipantRegistered
from domain.roles import ChainRole
from ledger_service.chain.stored_transactions import is_provisional
from ledger_service.money import upkeep
from ledger_service.money.operations import request_completion, retry_completion
from ledger_service.money.queries import failed_completions, redemptions
from ledger_service.money.views import KINDS, fold
from ledger_service.outbox import RETRY_SECONDS, request
from ledger_service.record import Cursor, Record, follow
from ledger_service.record.journal import last_of

CURSOR = "money"


class MoneyStage:
    """Follows the settlement stage: what the chain settled must have been folded there as a proposal before."""

    name = "money"

    def __init__(self, record: Record) -> None:
        self._record = record
        self._cursor = Cursor(CURSOR)
        self._looked = 0  # sequence of the last fact after which nothing more was possible
        self._asked: set[tuple[bytes, bytes]] = set()

    def run(self, now: int) -> bool:
        """Fold new facts; then ask for every redemption that is ready at market time `now`, failed ones again, and
        for what else has become possible.

        Money leaves only on what can't be undone: a request in a block that is not final yet waits.
        """
        return self._fold(now) or self._ask(now) or self._retry(now) or self._keep_up()

    def _keep_up(self) -> bool:
        """Ask for what anyone may ask for (see upkeep); looked at again once there are new facts."""
        with self._record.read() as connection:
            seen = last_of(connection, *HAPPENED, ParticipantRegistered, after=self._looked)
            if seen == self._looked:
                return False
            due = upkeep.due(connection)
        if due:
            with self._record.begin() as tx:
                for item in due:
                    request(tx, item.call, key=item.key, role=ChainRole.OPERATOR, about=item.about)
        self._looked = seen
        return bool(due)

    def _ask(self, now: int) -> bool:
        with self._record.read() as connection:
            ready = [
                item
                for item in redemptions(connection)
                if item.left_neur and item.ready_at <= now and (item.account, item.ref) not in self._asked
            ]
            ready = [item for item in ready if not is_provisional(connection, item.key)]
        if not ready:
            return False
        with self._record.begin() as tx:
            fresh = [not request_completion(tx, account=item.account, ref=item.ref).repeated for item in ready]
        self._asked.update((item.account, item.ref) for item in ready)
        return any(fresh)

    def _retry(self, now: int) -> bool:
        """Ask again for completions that failed."""
        with self._record.read() as connection:
            failed = failed_completions(connection, failed_before=now - RETRY_SECONDS)
        if not failed:
            return False
        with self._record.begin() as tx:
            for key in failed:
                retry_completion(tx, failed_key=key)
        return True

    def _fold(self, now: int) -> bool:
        folded = False
        for batch in follow(self._record, self._cursor, KINDS):
            with batch.begin() as tx:
                for entry in batch.entries:
                    fold(tx.connection, entry, now=now)
            folded = True
        return folded
