"""The contracts hold what is asked of them without being run: symbolic checks, and static analysis."""

from __future__ import annotations

import pytest

from scripts.tools.analysis import SYMBOLIC_CHECKS, stale, static, symbolic, triaged, untriaged

pytestmark = [pytest.mark.integration, pytest.mark.host, pytest.mark.timeout(3_600)]


def test_symbolic__scan_of_a_book__holds_for_every_word() -> None:
    ran = symbolic()

    assert ran.returncode == 0, ran.stdout[-4_000:] + ran.stderr[-2_000:]
    assert f"{SYMBOLIC_CHECKS} passed; 0 failed" in ran.stdout


def test_static__findings__are_those_triaged() -> None:
    found, known = static(), set(triaged())

    assert untriaged(found, known) == set()
    assert stale(found, known) == set()
