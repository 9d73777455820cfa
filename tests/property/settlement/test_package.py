"""A package reads back as it was written, and whatever is altered in its form is refused."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from domain.hashing import canonical_json
from settling.package import Package, PackageMalformed, RegisteredTerms
from tests.effort import examples
from tests.property.domain.fact_strategies import members_of
from tests.property.settlement.package_strategies import ALTERATIONS, altered, packages, places

pytestmark = pytest.mark.property

CHANGES_PER_PACKAGE = 60
"""Alterations tried of each package: making one costs more than reading it."""

few = settings(
    max_examples=examples(10),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
)
"""Nothing is made smaller: with packages that takes longer than a test may, and the fault is lost in a timeout."""


@few
@given(packages())
def test_package__written_and_read__is_the_same_in_values_and_bytes(package: Package) -> None:
    text = package.write()

    read = Package.read(text)

    assert read == package
    assert read.write() == text
    assert canonical_json(json.loads(text)) == text


@few
@given(members_of(RegisteredTerms))
def test_terms__written_and_read__are_the_same_in_values_and_bytes(terms: RegisteredTerms) -> None:
    text = terms.write()

    assert RegisteredTerms.read(text) == terms
    assert RegisteredTerms.read(text).write() == text


@pytest.mark.parametrize("kind", ALTERATIONS)
@settings(few, max_examples=examples(4))
@given(package=packages(), random=st.randoms())
def test_read__package_altered_anywhere__is_refused(kind: str, package: Package, random: Random) -> None:
    tree: Any = json.loads(package.write())
    changes = [change for path, value in places(tree) for change in ALTERATIONS[kind](path, value)]

    for change in random.sample(changes, min(len(changes), CHANGES_PER_PACKAGE)):
        with pytest.raises(PackageMalformed) as refusal:
            Package.read(json.dumps(altered(tree, change)).encode())
        assert refusal.value.member.split(".")[0] in {"its whole", *map(str, change[0][:1]), "surplus"}
