"""Known faults of the contracts: each has its mend in today's source and its test among today's tests."""

from __future__ import annotations

import pytest

from contracts.compile import CONTRACTS_FOLDER, sources
from scripts.tools.faults import Fault, known

pytestmark = pytest.mark.unit

FAULT = Fault(
    fault="a till is open", source="Till.sol", before="shut();", after="", file="Till.t.sol", test="test_shut"
)


@pytest.mark.parametrize("fault", known(), ids=lambda fault: fault.fault)
def test_known__each__standsInTheSourceAndHasItsTest(fault: Fault) -> None:
    text = sources()[fault.source]
    assert fault.unmended(text) != text
    tests = (CONTRACTS_FOLDER / fault.file).read_text("utf-8")
    assert tests.count(f"function {fault.test}(") == 1


@pytest.mark.parametrize("text", ["open();", "shut(); shut();"], ids=["gone", "twice"])
def test_unmended__mendNotThereOnce__isAFault(text: str) -> None:
    with pytest.raises(ValueError, match=r"Till\.sol"):
        FAULT.unmended(text)
