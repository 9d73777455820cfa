"""What one attester of three may try with genuine readings: nothing that it wants signed goes through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from domain.attestations import AttestationSet, SignedAttestation
from domain.mtu import mtu_end
from oracle.attester.consensus.planning import desired
from oracle.attester.consensus.proposals import LeafProposal, ProposedMtu
from oracle.attester.dialogue import write_message
from settling.attestations import AttestationRefused, verify_set
from settling.balancing import Closed

pytestmark = pytest.mark.unit

FIRST = 1_900_000


def settled_area(make_area: Callable[..., Any], *mtus: int, last: int) -> Any:
    """All attesters hold these readings and have attested up to `last`."""
    area = make_area(meters=1)
    messages = [area.message("M0", area.reading("M0", mtu)) for mtu in mtus]
    for name in area.attester_keys:
        area.attester(name).hear(*messages)
    area.cut_off(last)
    area.settle_down()
    return area


def derived(area: Any, mtu: int, *, horizon: int) -> ProposedMtu:
    """The entry of an MTU as the liar derives it from registers up to a horizon."""
    liar = area.attesters["A1"]
    found = desired(
        area=area.metering,
        book=liar.intake.books["M0"],
        first_mtu=mtu,
        last_mtu=mtu,
        horizon_mtu=horizon,
        closed=Closed(FIRST, None),
    )
    return ProposedMtu(mtu=mtu, revision=area.next_revision(mtu), readings=(found[mtu],))


def answers_to(area: Any, *entries: ProposedMtu, horizon: int, period: int = 0) -> list[str]:
    """Kinds of message an honest attester answers a proposal with."""
    proposal = LeafProposal(period=period, horizon_mtu=horizon, mtus=entries)
    answers = area.attesters["A0"].hear_attester("A1", "proposal", write_message(proposal))
    return [answer.topic.rsplit("/", 1)[1] for answer in answers]


def test_proposal__old_horizon_that_undoes_a_correction__is_not_signed(
    make_area: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    area = settled_area(make_area, FIRST - 1, FIRST, FIRST + 2, last=FIRST + 2)
    linear = area.leaves(FIRST + 1)["M0"].import_wh
    late = area.reading("M0", FIRST + 1, import_register_wh=1_100 + 60)
    for one in area.attesters.values():
        one.hear(area.message("M0", late))
    area.settle_down()
    assert (linear, area.leaves(FIRST + 1)["M0"].import_wh) == (100, 60)

    repeated = derived(area, FIRST + 3, horizon=FIRST + 2)

    assert answers_to(area, repeated, horizon=FIRST + 2) == []
    assert "horizon" in caplog.messages[-1]


def test_proposal__horizon_before_what_is_due__is_not_signed(make_area: Callable[..., Any]) -> None:
    area = settled_area(make_area, FIRST - 1, FIRST, last=FIRST + 1)
    later = area.reading("M0", FIRST + 2, import_register_wh=1_100 + 50)
    area.cut_off(FIRST + 2)
    for one in area.attesters.values():
        one.hear(area.message("M0", later))
    area.settle_down()
    assert [item.readings[0].import_wh for item in area.recorded[FIRST + 1]] == [100, 25]

    back = derived(area, FIRST + 1, horizon=FIRST + 1)

    assert back.readings[0].import_wh == 100
    assert answers_to(area, back, horizon=FIRST + 1) == []


def test_proposal__of_an_mtu_whose_period_is_final__is_not_signed(
    make_area: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    area = settled_area(make_area, FIRST - 1, FIRST, last=FIRST)
    (period,) = area.metering.periods
    following = replace(period, number=1, first_mtu=period.end_mtu)
    final = replace(period, resolved_at=mtu_end(period.end_mtu - 1))
    area.metering = replace(area.metering, periods=(final, following))
    area.attesters["A0"].driver.use_area(area.metering)
    entry = derived(area, FIRST, horizon=FIRST)

    area.now = mtu_end(period.end_mtu) + area.metering.horizon_seconds

    assert answers_to(area, entry, horizon=FIRST) == []
    assert "any more" in caplog.messages[-1]


def test_proposal__unchanged_leaves_as_a_further_revision__is_not_signed(
    make_area: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    area = settled_area(make_area, FIRST - 1, FIRST, last=FIRST)

    assert answers_to(area, derived(area, FIRST, horizon=FIRST), horizon=FIRST) == []
    assert "changes nothing" in caplog.messages[-1]


def test_proposal__one_half_of_a_correction__is_not_signed(
    make_area: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    area = settled_area(make_area, FIRST - 1, FIRST, FIRST + 2, last=FIRST + 2)
    for one in area.attesters.values():
        one.hear(area.message("M0", area.reading("M0", FIRST + 1, import_register_wh=1_100 + 60)))
    both = [derived(area, mtu, horizon=FIRST + 2) for mtu in (FIRST + 1, FIRST + 2)]

    assert answers_to(area, both[0], horizon=FIRST + 2) == []
    assert "go on" in caplog.messages[-1]
    assert answers_to(area, *both, horizon=FIRST + 2) == ["signature"]


def test_proposals__several_for_one_revision__have_one_root_or_are_not_signed(make_area: Callable[..., Any]) -> None:
    area = settled_area(make_area, FIRST - 1, FIRST, last=FIRST)
    area.cut_off(FIRST + 1)
    honest = area.attesters["A0"]
    for nonce in (b"\x01", b"\x02", b"\x03"):
        entry = derived(area, FIRST + 1, horizon=FIRST + 1)
        other = replace(entry, readings=(replace(entry.readings[0], nonce=nonce * 32),))
        answers_to(area, other, horizon=FIRST + 1)
    answers_to(area, derived(area, FIRST + 1, horizon=FIRST + 1), horizon=FIRST + 1)

    assert len(honest.store.signed(kind="attestation", key=f"{FIRST + 1}:0")) == 1


@pytest.mark.parametrize("entries", [(), (FIRST + 2, FIRST + 1), (FIRST + 1, FIRST + 1), (FIRST + 900,)])
def test_proposal__mtus_out_of_order_or_place__is_refused(
    make_area: Callable[..., Any], caplog: pytest.LogCaptureFixture, entries: tuple[int, ...]
) -> None:
    area = settled_area(make_area, FIRST - 1, FIRST, last=FIRST)
    area.cut_off(FIRST + 3)
    found = tuple(ProposedMtu(mtu=mtu, revision=0, readings=()) for mtu in entries)

    assert answers_to(area, *found, horizon=FIRST + 3) == []
    assert "do not ascend" in caplog.messages[-1]


def test_proposal__two_mtus_far_apart__only_those_are_derived(make_area: Callable[..., Any]) -> None:
    area = make_area(meters=1, mtus=3_000)
    one = area.attester("A0")
    one.hear(*area.day(FIRST - 1, FIRST))
    area.now = mtu_end(FIRST + 3_000)
    calls: list[tuple[int, int]] = []
    book = one.intake.books["M0"]
    around = book.believed_around

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(book, name)

        def believed_around(self, *, first_mtu: int, last_mtu: int) -> Any:
            calls.append((first_mtu, last_mtu))
            return around(first_mtu=first_mtu, last_mtu=last_mtu)

    one.intake.books["M0"] = Counting()  # type: ignore[assignment]
    far = (ProposedMtu(mtu=FIRST, revision=0, readings=()), ProposedMtu(mtu=FIRST + 2_999, revision=0, readings=()))

    answers_to(area, *far, horizon=FIRST + 2_999)

    assert [first for first, _ in calls] == [FIRST, FIRST + 2_999]


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("fetch", b'{"to":"A0","want":[["M0",18446744073709551615]]}'),
        ("fetch", b'{"to":"A0","want":[["M0",-1]]}'),
        ("proposal", b'{"period":0,"horizon":1900000,"entries":[{"mtu":-1,"revision":0,"readings":[]}]}'),
        ("proposal", b'{"period":1e400,"horizon":1900000,"entries":[]}'),
        ("proposal", b'{"period":0,"horizon":18446744073709551615,"entries":[]}'),
        (
            "proposal",
            orjson.dumps(
                {
                    "period": 0,
                    "horizon": FIRST,
                    "entries": [
                        {
                            "mtu": FIRST,
                            "revision": 0,
                            "readings": [["M0", 0, 0, 0, 0, 2**64 - 1, 1, "0x" + "00" * 32]],
                        }
                    ],
                }
            ),
        ),
        ("attested", b'{"attestations":[{"mtu":-1,"revision":0,"root":"0x","readings":[],"signatures":[]}]}'),
        ("attested", b'{"attestations":[{"mtu":[],"revision":0,"readings":[],"signatures":[]}]}'),
        ("attested", b'{"attestations":[{"mtu":18446744073709551615,"revision":0,"readings":[],"signatures":[]}]}'),
    ],
)
def test_receive__numbers_out_of_range__change_nothing(
    make_area: Callable[..., Any], kind: str, payload: bytes
) -> None:
    area = settled_area(make_area, FIRST - 1, FIRST, last=FIRST)
    one = area.attesters["A0"]

    assert one.hear_attester("A1", kind, payload) == []


def set_of(area: Any, *entries: ProposedMtu) -> AttestationSet:
    """What two attesters who lie together would hand in."""
    keys = sorted((area.attester_keys[name] for name in ("A1", "A2")), key=lambda key: key.address)
    items = []
    for entry in entries:
        made = entry.attestation(area.metering.area_id)
        signatures = [key.sign(made.digest(area.metering.readings_domain)) for key in keys]
        items.append(SignedAttestation.of(made, readings=entry.readings, signatures=signatures))
    messages = [jws.decode() for jws in area.attesters["A1"].store.messages_of([("M0", at) for at in range(1, 9)])]
    return AttestationSet(area.metering.code, 0, tuple(items), tuple(messages))


def verify(area: Any, *entries: ProposedMtu) -> None:
    verify_set(
        set_of(area, *entries),
        area=area.metering,
        now=area.now,
        next_revision=area.next_revision,
        leaves_at=area.leaves,
    )


def test_verify_set__unchanged_leaves_or_half_a_correction__is_refused(make_area: Callable[..., Any]) -> None:
    area = settled_area(make_area, FIRST - 1, FIRST, FIRST + 2, last=FIRST + 2)
    with pytest.raises(AttestationRefused, match="attested already"):
        verify(area, derived(area, FIRST, horizon=FIRST + 2))

    for one in area.attesters.values():
        one.hear(area.message("M0", area.reading("M0", FIRST + 1, import_register_wh=1_100 + 60)))
    both = [derived(area, mtu, horizon=FIRST + 2) for mtu in (FIRST + 1, FIRST + 2)]

    with pytest.raises(AttestationRefused, match="go on"):
        verify(area, both[0])
    verify(area, *both)
