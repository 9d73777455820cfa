"""Property-based life of sessions: opened over the same MTUs, closed, signed, cleared and ended in any order, at the right time or not, each
stands where the model says, what is pending is counted, and what is refused is refused for its own reason."""

from collections import Counter

from brownie import chain, web3
from brownie.test import strategy
from conftest import refuse
from eth_abi import encode
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

AREA = b"\x1a" * 32
MARKET = b"\x1c" * 32
ZERO = b"\x00" * 32
MTU_SECONDS = 900
MTUS = 96
LOT_WH, TICK, LOWEST, HIGHEST = 100, 100, -500_000, 4_000_000
GRACE_SECONDS, SIGN_SECONDS, CLEAR_SECONDS = 600, 3_600, 7_200
NO_PRICE = -(2**31)
NO_CAP = 2**24 - 1
PRICE = 200

NONE, OPEN, CLOSED, SIGNED, DONE = range(5)
WINDOWS = {OPEN: GRACE_SECONDS, CLOSED: SIGN_SECONDS, SIGNED: CLEAR_SECONDS}

EXAMPLES = 30
STEPS = 40

# Seconds around a moment in which a block may lie on either side of it.
MARGIN_SECONDS = 60

AT = strategy("uint8", max_value=11)
FLAG = strategy("bool")
STEPS_AT_ONCE = strategy("uint8", min_value=1, max_value=4)
SECONDS = strategy("uint16", min_value=1, max_value=3_000)

# What the examples together must have reached, at least: a machine that never gets there shows nothing.
FLOOR = {"opened": 20, "closed": 10, "signed": 5, "signed without a trade": 2, "cleared": 3, "ended": 2, "refused": 20}


def keccak(*parts):
    return bytes(web3.keccak(b"".join(parts)))


def word(tag, limit, lots, accepted, side):
    return tag << 128 | (limit % 2**32) << 96 | lots << 72 | NO_CAP << 48 | accepted << 24 | side


WORDS = [word(1, 300, 5, 5, 0), word(2, 100, 5, 5, 1)]
MASKED = [each & ~((2**48 - 1) << 24) for each in WORDS]


def page_hash(words):
    return keccak(*(each.to_bytes(32, "big") for each in words))


def chain_of(words):
    return keccak(ZERO, page_hash(words)) if words else ZERO


class Session:
    """One session of two MTUs, of which the first one may trade. `reached` is the furthest state before Done."""

    def __init__(self, gate, first_mtu):
        self.gate, self.first_mtu = gate, first_mtu
        self.state = self.reached = OPEN
        self.traded = self.cleared = False

    @property
    def until(self):
        return self.gate + WINDOWS[self.state]

    def books(self):
        kinds = ["bytes32", "uint64", "uint32", "bytes32", "uint32"]
        both = ((self.first_mtu, chain_of(MASKED), 2), (self.first_mtu + 1, ZERO, 0))
        return [keccak(encode(kinds, [MARKET, self.gate, *rest])) for rest in both]

    def results(self):
        kinds = ["bytes32", "uint64", "uint32", "int32", "bytes32", "uint32"]
        both = ((self.first_mtu, PRICE, chain_of(WORDS), 2), (self.first_mtu + 1, NO_PRICE, ZERO, 0))
        return [keccak(encode(kinds, [MARKET, self.gate, *rest])) for rest in both]


def root_of(values):
    return keccak(*(keccak(value) for value in values))


class SessionMachine(RuleBasedStateMachine):
    """Keeps a model of the sessions beside the market and compares them after every step."""

    ledger = keys = dso = relay = reached = None

    def __init__(self):
        chain.revert()
        super().__init__()
        self.market, self.clearing = self.ledger["market"], self.ledger["clearing"]
        self.sessions = []
        self.root = ZERO
        self.operator = {"from": self.keys["operator"]}
        self.first_mtu = int(chain[-1]["timestamp"]) // MTU_SECONDS + 20
        self.ledger["calendar"].declarePeriod(AREA, self.first_mtu, MTUS, self.operator)

    # Help

    def _do(self, what, error, method, *arguments):
        """Call the method; it must fail with `error`, or succeed where that is None. Returns whether it did."""
        self.reached["refused" if error else what] += 1
        if error is not None:
            refuse(error, method, *arguments)
            return False
        method(*arguments)
        return True

    def _sleep(self, seconds):
        chain.sleep(seconds)
        chain.mine()

    def _near(self, moment):
        """Whether a moment is so near that the next block may lie on either side of it."""
        return abs(chain.time() - moment) <= MARGIN_SECONDS

    def _pick(self, at, state):
        """A session, one in this state if there is one."""
        fitting = [session for session in self.sessions if session.state == state] or self.sessions
        return fitting[at % len(fitting)] if fitting else None

    def _pending(self):
        return [session for session in self.sessions if session.state != DONE]

    def _late(self, session):
        return "MarketTooLate" if chain.time() > session.until else None

    def _done(self, session):
        roots = [
            root_of(session.books()) if session.reached >= CLOSED else ZERO,
            root_of(session.results()) if session.reached >= SIGNED else ZERO,
        ]
        masks = [int(session.reached >= SIGNED and session.traded), 0, int(session.cleared)]
        kinds = ["bytes32", "bytes32", "uint64", "bytes32", "bytes32", "uint128", "uint128", "uint128"]
        self.root = keccak(encode(kinds, [self.root, MARKET, session.gate, *roots, *masks]))

    # Life

    @rule(at=AT, near=FLAG)
    def open(self, at, near):
        mtu = self.first_mtu + 20 + 4 * at
        gate = int(chain.time()) + 300 + at if near else mtu * MTU_SECONDS - CLEAR_SECONDS - at % 3
        error = None
        if any(session.gate == gate for session in self.sessions):
            error = "MarketSessionExists"
        elif self._near(gate) or self._near(mtu * MTU_SECONDS - CLEAR_SECONDS):
            return
        elif gate <= chain.time() or gate + CLEAR_SECONDS > mtu * MTU_SECONDS:
            error = "MarketGateInvalid"
        if self._do("opened", error, self.market.openSession, MARKET, gate, 1, mtu, 2, self.operator):
            self.sessions.append(Session(gate, mtu))

    @rule(at=AT, traded=FLAG, steps=STEPS_AT_ONCE)
    def proceed(self, at, traded, steps):
        """The next steps of a session that is not over, at their time; without one, a new session."""
        for _ in range(steps):
            self._next(at, traded)

    def _next(self, at, traded):
        pending = self._pending()
        if not pending:
            self.open(at, True)
            return
        session = pending[at % len(pending)]
        if session.state == OPEN:
            self._close(session, patient=True)
        elif session.state == CLOSED:
            self._sign(session, traded)
        else:
            self._clear(session)

    @rule(at=AT, patient=FLAG)
    def close(self, at, patient):
        session = self._pick(at, OPEN)
        if session is not None:
            self._close(session, patient=patient)

    def _close(self, session, patient):
        if patient and session.state == OPEN and chain.time() < session.gate:
            self._sleep(session.gate - chain.time() + MARGIN_SECONDS + 1)
        error = "MarketStateWrong" if session.state != OPEN else None
        if error is None and (self._near(session.gate) or self._near(session.until)):
            return
        if error is None:
            error = "MarketTooEarly" if chain.time() < session.gate else self._late(session)
        call = (MARKET, session.gate, root_of(session.books()), self.operator)
        if self._do("closed", error, self.market.closeSession, *call):
            session.state = session.reached = CLOSED

    @rule(at=AT, traded=FLAG)
    def sign(self, at, traded):
        session = self._pick(at, CLOSED)
        if session is not None:
            self._sign(session, traded)

    def _sign(self, session, traded):
        if session.state == CLOSED and self._near(session.until):
            return
        error = "MarketStateWrong" if session.state != CLOSED else self._late(session)
        program = (root_of(session.results()), int(traded), 0, ZERO, ZERO, 2**63)
        names = ("resultsRoot", "tradedMask", "emptiedMask", "gridModelHash", "reportHash", "deadline")
        message = {"market": MARKET, "session": session.gate, "firstMtu": session.first_mtu, "count": 2}
        message["booksRoot"] = root_of(session.books())
        signature = self.dso.sign(self.market, "Program", **message, **dict(zip(names, program)))
        if not self._do("signed", error, self.market.recordProgram, MARKET, session.gate, program, signature, self.relay):
            return
        session.state = session.reached = SIGNED
        session.traded = traded
        if not traded:
            self.reached["signed without a trade"] += 1
            session.state = DONE
            self._done(session)

    @rule(at=AT)
    def clear(self, at):
        session = self._pick(at, SIGNED)
        if session is not None:
            self._clear(session)

    def _clear(self, session):
        if session.state == SIGNED and self._near(session.until):
            return
        error = "MarketStateWrong" if session.state != SIGNED else self._late(session)
        target = (session.gate, session.first_mtu, PRICE, 2, 0)
        proofs = ([keccak(session.results()[1])], [keccak(session.books()[1])])
        call = (MARKET, target, [page_hash(WORDS)], WORDS, proofs, self.relay)
        if self._do("cleared", error, self.clearing.clear, *call):
            session.state, session.cleared = DONE, True
            self._done(session)

    @rule(at=AT, patient=FLAG)
    def end(self, at, patient):
        choice = self._pending() or self.sessions
        if not choice:
            return
        session = choice[at % len(choice)]
        if patient and session.state != DONE and chain.time() <= session.until:
            self._sleep(int(session.until - chain.time()) + MARGIN_SECONDS + 1)
        if session.state != DONE and self._near(session.until):
            return
        error = "MarketStateWrong" if session.state == DONE else None
        if error is None and chain.time() <= session.until:
            error = "MarketTooEarly"
        if self._do("ended", error, self.market.endSession, MARKET, session.gate, self.relay):
            session.state = DONE
            self._done(session)

    @rule(seconds=SECONDS)
    def sleep(self, seconds):
        self._sleep(seconds)

    # What must hold

    @invariant()
    def sessions_are_the_models_and_the_pending_ones_are_counted(self):
        for session in self.sessions:
            found = self.market.sessionOf(MARKET, session.gate)
            assert int(found[3]) == session.state
            assert int(found[4]) == int(session.cleared)
        assert int(self.market.pendingCount(AREA, 1)) == len(self._pending())
        assert bytes(self.market.clearingRoot(AREA, 1)) == self.root


def test_sessions__any_sequence_of_steps__stand_where_they_were_brought(ledger, keys, dso, relay):
    paid = {"from": keys["registrar"]}
    ledger["calendar"].createArea(AREA, (900, 30 * 86_400), paid)
    params = (AREA, 0, LOT_WH, TICK, LOWEST, HIGHEST, GRACE_SECONDS, SIGN_SECONDS, CLEAR_SECONDS)
    ledger["market"].createMarket(MARKET, params, paid)
    chain.snapshot()
    reached = Counter()
    shared = {"ledger": ledger, "keys": keys, "dso": dso, "relay": relay}

    run_state_machine_as_test(
        type("Machine", (SessionMachine,), {**shared, "reached": reached}),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            derandomize=True,  # else the floor would be a matter of luck
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )

    print(dict(reached))
    missed = {what: (reached[what], least) for what, least in FLOOR.items() if reached[what] < least}
    assert not missed, missed
