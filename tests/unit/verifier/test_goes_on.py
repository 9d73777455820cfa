"""Evidence is a picture of a moment: what the chain has since is for a later bundle."""

from __future__ import annotations

import pytest

from tests.unit.verifier.small_day import Day
from tests.unit.verifier.test_small_day import messages
from verifier.verify import verify

pytestmark = pytest.mark.unit


class GoesOn(Day):
    """Its evidence is made before late readings change what is owed, and looked at once the chain has those."""

    def settle(self, revision: int) -> None:
        """Settle; between the two settlements, a verdict on what was there after the first."""
        if revision == 0:
            super().settle(0)
            self.anchor_last()
            self.shown, self.trusted = self.auditor(), self.anchors()
        else:
            self.verdict = verify(self.shown, self.trusted, self.chain.rpc)
            super().settle(1)


def test_verify__readings_came_since_the_bundle__their_correction_is_for_a_later_one() -> None:
    report = GoesOn().run().verdict

    assert "completeness" not in messages(report)  # balances this stub tells at the end alone
    assert "readings attested after the last settlement of their period" in report.gaps
