"""The money stage: keeps balances as the chain has them and completes redemptions when they are ready."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from domain.facts import HAPPENED, AccountReplaced, ParticipantRegistered, requested_key
from domain.hashing import to_hex
from domain.mtu import mtu_of
from domain.parties import Replacement
from domain.roles import ChainRole
from ledger_service.chain.stored_transactions import is_provisional
from ledger_service.money import replacements, upkeep
from ledger_service.money.operations import request_completion, retry_completion
from ledger_service.money.queries import failed_completions, redemptions, replaced_accounts
from ledger_service.money.views import KINDS, fold
from ledger_service.outbox import RETRY_SECONDS, request
from ledger_service.record import Cursor, Record, follow
from ledger_service.record.journal import last_of
from ledger_service.record.keys import find_entries
from ledger_service.registry.operations import replace_account

CURSOR = "money"

_log = structlog.get_logger(__name__)


class MoneyStage:
    """Follows the settlement stage: what the chain settled must have been folded there as a proposal before."""

    name = "money"

    def __init__(self, record: Record, *, market_time: Callable[[int], int]) -> None:
        """`market_time` gives market time at a block time, as the contracts have it."""
        self._record, self._market_time = record, market_time
        self._cursor = Cursor(CURSOR)
        self._looked = 0  # sequence of the last fact after which nothing more was possible
        self._asked: set[tuple[bytes, bytes]] = set()
        self._others: set[bytes] = set()  # replaced accounts that are nobody's here, or went to somebody else's

    def run(self, now: int) -> bool:
        """Fold new facts; then ask for every redemption that is ready at market time `now`, failed ones again, and
        for what else has become possible.

        Money leaves only on what can't be undone: a request in a block that is not final yet waits.
        """
        return (
            self._fold(now)
            or self._replace()
            or self._succeed(now)
            or self._ask(now)
            or self._retry(now)
            or self._keep_up()
        )

    def _replace(self) -> bool:
        """Let the registry follow the accounts that final blocks replaced, whoever sent the transaction."""
        with self._record.read() as connection:
            found = [
                item
                for item in replaced_accounts(connection)
                if item.account not in self._others and not is_provisional(connection, item.key)
            ]
        done = False
        for item in found:
            first_mtu = mtu_of(self._market_time(item.block_time)) + 1
            replacement = Replacement(to_hex(item.account), to_hex(item.successor), first_mtu)
            with self._record.begin() as tx:
                recorded = replace_account(tx, replacement=replacement)
            if not recorded:
                self._others.add(item.account)
                _log.warning("account.replaced_elsewhere", account=replacement.account, successor=replacement.successor)
            done |= recorded
        return done

    def _succeed(self, now: int) -> bool:
        """Let proposed successors take over once their delay has passed."""
        with self._record.read() as connection:
            found = list(replacements.due(connection, now=now))
            asked = find_entries(connection, [requested_key(key) for key, _, _ in found])
        fresh = [item for item in found if requested_key(item[0]) not in asked]
        if fresh:
            with self._record.begin() as tx:
                for key, call, about in fresh:
                    request(tx, call, key=key, role=ChainRole.OPERATOR, about=about)
        return bool(fresh)

    def _keep_up(self) -> bool:
        """Ask for what anyone may ask for (see upkeep); looked at again once there are new facts."""
        with self._record.read() as connection:
            seen = last_of(connection, *HAPPENED, ParticipantRegistered, AccountReplaced, after=self._looked)
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
