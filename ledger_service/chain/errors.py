"""What can go wrong between the journal and the chain, one class per cause."""

from __future__ import annotations

from contracts.rpc import NodeAnswerInvalid
from domain.errors import DominoesError
from domain.hashing import to_hex


class SignerMissing(DominoesError):
    """A request names a role of which this gateway holds no key."""

    status = 500
    code = "signer-missing"

    def __init__(self, *, role: str) -> None:
        self.role = role
        super().__init__(f"no key of role {role} is loaded; add its keystore to the service's keys")


class FinalityBroken(DominoesError):
    """Another block stands in the place of a final one: too many sealers lie, or the node follows another chain."""

    status = 500
    code = "finality-broken"

    def __init__(self, *, number: int, expected: bytes, found: bytes) -> None:
        self.number, self.expected, self.found = number, expected, found
        super().__init__(
            f"final block {number} was {to_hex(expected)} and is now {to_hex(found)}; settlement is halted: "
            "compare several nodes, keep their evidence, and call the sealers' operators"
        )


class NodeBehind(DominoesError):
    """The node does not have a block that was final: it is still catching up, or was reset."""

    status = 503
    code = "node-behind"
    retryable = True

    def __init__(self, *, url: str, number: int) -> None:
        self.url, self.number = url, number
        super().__init__(f"the node at {url} has no block {number} yet; work waits until it has caught up")


class NodeLies(DominoesError):
    """A node's answer contradicts what it is bound to: a hash, a seal or a root does not fit."""

    status = 502
    code = "node-lies"

    def __init__(self, *, url: str, block: int, reason: str) -> None:
        self.url, self.block, self.reason = url, block, reason
        super().__init__(
            f"block {block} of the node at {url} is not genuine: {reason}; nothing it says is taken, use another node"
        )


class NodeNotStarted(DominoesError):
    """The embedded node ended or did not answer after its start."""

    status = 503
    code = "node-not-started"
    retryable = True

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"the embedded chain node did not start: {reason}; `npm ci` installs it, `dominoes doctor` checks it"
        )


class NodeBinaryMissing(DominoesError):
    """The program of a chain node is not installed."""

    status = 500
    code = "node-binary-missing"

    def __init__(self, *, name: str, package: str) -> None:
        self.name, self.package = name, package
        super().__init__(
            f"{name} is not installed; run `make setup` in the checkout, `npm install {package}` in this folder, "
            "or put it on the PATH"
        )


class BlockTimeNotRising(DominoesError):
    """A block must be later than the one before."""

    status = 500
    code = "block-time-not-rising"

    def __init__(self, *, last: int, given: int) -> None:
        self.last, self.given = last, given
        super().__init__(f"block time {given} is not after {last}; give a later time")


class CameEarly(NodeAnswerInvalid):
    """A transaction came into a block unlisted or before its turn, because it was sent while the block was made.

    :param waiting: signed bytes of all that the node had beside what was listed
    """

    def __init__(self, *, url: str, waiting: tuple[bytes, ...]) -> None:
        self.waiting = waiting
        super().__init__(url=url, reason="a transaction came into its block unlisted or before its turn")


class DumpNotWritten(DominoesError):
    """The disk refused the dump of the chain; the last one stands."""

    status = 503
    code = "dump-not-written"
    retryable = True

    def __init__(self, *, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path} can't be written: {reason}; nothing is lost, free some space and it is tried again")


class ReplayDiverged(DominoesError):
    """Replaying the journal's blocks gave another chain than the one recorded."""

    status = 500
    code = "replay-diverged"

    def __init__(self, *, number: int, expected: bytes, found: bytes) -> None:
        self.number, self.expected, self.found = number, expected, found
        super().__init__(
            f"replay gave block {number} hash {to_hex(found)} instead of {to_hex(expected)}; "
            "the node's version or options have changed, or the record was altered: restore a backup"
        )
