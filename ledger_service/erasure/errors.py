"""Why an audit is not taken, and why something can't be erased yet or any more be shown."""

from __future__ import annotations

from domain.errors import DominoesError
from domain.mtu import isoformat_utc


class NoSuchHead(DominoesError):
    """An audit is of an entry that the journal holds, with another hash or not at all."""

    status = 409
    code = "no-such-head"
    remedy = "Verify the newest auditor bundle, and sign its last entry's sequence and hash."

    def __init__(self, *, sequence: int) -> None:
        self.sequence = sequence
        super().__init__(f"the journal holds no entry {sequence} with this hash; sign what your own bundle ends with")


class NotTheAuditor(DominoesError):
    """The signature over an audit is not by the auditor who sends it."""

    status = 403
    code = "not-the-auditor"
    remedy = "Let the auditor's own key sign."

    def __init__(self, *, signer: str) -> None:
        self.signer = signer
        super().__init__(f"the audit is signed by {signer}; sign it with the key you are logged in with")


class ErasureNotSigned(DominoesError):
    """The request is not signed by the account whose data it is."""

    status = 403
    code = "erasure-not-signed"
    remedy = "Let the account's own key sign the Erasure as it is sent."

    def __init__(self, *, account: str, signer: str) -> None:
        self.account, self.signer = account, signer
        super().__init__(f"the request is signed by {signer}, not by {account}; sign it with the account's own key")


class ErasureTooLate(DominoesError):
    """A signed request was not sent in time."""

    status = 409
    code = "erasure-too-late"
    remedy = "Sign the request again, with a later deadline."

    def __init__(self, *, deadline: int, now: int) -> None:
        self.deadline, self.now = deadline, now
        super().__init__(
            f"the request counted until {isoformat_utc(deadline)}, and it is {isoformat_utc(now)}; sign it again"
        )


class PeriodNotFinal(DominoesError):
    """A period still needs the data: it may be corrected until its horizon has passed."""

    status = 409
    code = "period-not-final"
    remedy = "Erase what is older now (`before_mtu`), and the rest once the period is Final and audited."
    retryable = True

    def __init__(self, *, area: str, period: int, first_mtu: int, final_by: int) -> None:
        self.area, self.period, self.first_mtu, self.final_by = area, period, first_mtu, final_by
        super().__init__(
            f"period {period} of {area}, from MTU {first_mtu} on, is not Final; that is by {isoformat_utc(final_by)} at"
            " the latest, then an auditor signs: erase what lies before it, or wait"
        )


class NotAudited(DominoesError):
    """No auditor has signed yet that all up to the end of a period is clean."""

    status = 409
    code = "not-audited"
    remedy = "Erase what is older now (`before_mtu`), and the rest after the next audit."
    retryable = True

    def __init__(self, *, area: str, period: int, first_mtu: int) -> None:
        self.area, self.period, self.first_mtu = area, period, first_mtu
        super().__init__(
            f"period {period} of {area}, from MTU {first_mtu} on, is Final, but no auditor has signed that all of it"
            " is clean; erase what lies before it, or wait for the next audit"
        )
