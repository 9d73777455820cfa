"""What the facts of a package give: the values that `settle` computes from, and the chain's running roots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from domain.errors import DominoesError
from domain.hashing import ZERO_HASH, from_hex, to_hex
from domain.mtu import MTU_END
from domain.orders import TAG_BYTES
from domain.parties import Participant, successors_in_period
from domain.readings import Reading, chain_readings_root
from domain.sessions import chain_clearing_root
from domain.terms import EndedTerm, Ends, ends_of
from domain.words import OrderWord, unpack_settlement_word
from settling.inputs import CapsInForce, Inputs, Metered, Party, Trade
from settling.package import Basis


class WrongInput(DominoesError):
    """The facts a settlement is computed from contradict each other or their signatures."""

    code = "wrong-settlement-input"
    remedy = "Recompute from the facts of the package; if they contradict each other, tell the operator which."

    def __init__(self, *, record: str, reason: str) -> None:
        self.record, self.reason = record, reason
        super().__init__(f"{record}: {reason}; refuse to sign and compare with the record")


@dataclass(frozen=True, slots=True)
class Roots:
    """What a settlement takes from the chain: the running roots of its area and period."""

    clearing_root: bytes
    readings_root: bytes


def roots_of(basis: Basis) -> Roots:
    """The running roots over sessions and attestations, in their order."""
    clearing = readings = ZERO_HASH
    for session in basis.sessions:
        clearing = chain_clearing_root(clearing, session.done)
    for attested in basis.attestations:
        readings = chain_readings_root(readings, attested.of_area(basis.area))
    return Roots(clearing_root=clearing, readings_root=readings)


def inputs_of(basis: Basis) -> Inputs:
    """The values `settle` computes from. Raises WrongInput where no order opens a word."""
    successors = successors_of(basis)
    ends = ends_of(basis.ends)
    return Inputs(
        period=basis.span,
        revision=basis.revision,
        parties=tuple(_party(item, successors, ends) for item in basis.parties),
        tariffs=basis.tariffs,
        agreements=basis.agreements,
        trades=tuple(_trades(basis, successors)),
        metered=tuple(_metered(basis)),
        limits=tuple(_limits(basis)),
        ends=ends,
        settled_before_neur=_settled_before(basis),
        successors=successors,
    )


def _party(item: Participant, successors: Mapping[bytes, bytes], ends: Ends) -> Party:
    account, end_mtu = from_hex(item.account), ends.get((EndedTerm.PARTICIPATION, item.participant), MTU_END)
    return Party(successors.get(account, account), item.kind, item.point, item.valid_from_mtu, end_mtu)


def successors_of(basis: Basis) -> dict[bytes, bytes]:
    """Who has the place of each replaced account in this settlement."""
    found = successors_in_period(basis.replacements, end_mtu=basis.span.end_mtu)
    return {from_hex(account): from_hex(successor) for account, successor in found.items()}


def _settled_before(basis: Basis) -> dict[bytes, int]:
    """Sum of each account's words in the revisions before, in nEUR."""
    totals: dict[bytes, int] = {}
    for revision in basis.earlier:
        for account, amount in map(unpack_settlement_word, revision.words):
            totals[account] = totals.get(account, 0) + amount
    return totals


def tag_bytes(word: OrderWord) -> bytes:
    """The tag of a word as orders carry it."""
    return word.tag.to_bytes(TAG_BYTES, "big")


def _trades(basis: Basis, successors: Mapping[bytes, bytes]) -> Iterator[Trade]:
    lot_wh = {market.market: market.lot_wh for market in basis.markets}
    account_of = {item.tag: item.order.account for item in basis.orders}
    for session in basis.sessions:
        for clearing in session.clearings:
            for word in map(OrderWord.unpack, clearing.words):
                tag = tag_bytes(word)
                if tag not in account_of:
                    raise WrongInput(record=f"word {to_hex(tag)} of MTU {clearing.mtu}", reason="no order opens it")
                if not word.accepted_lots:
                    continue
                if clearing.price_neur_per_wh is None or session.market not in lot_wh:
                    reason = f"it trades, but MTU {clearing.mtu} of {session.market} has no price or no rules"
                    raise WrongInput(record=f"word {to_hex(tag)}", reason=reason)
                yield Trade(
                    account=successors.get(account_of[tag], account_of[tag]),
                    market=session.market,
                    session=session.session,
                    mtu=clearing.mtu,
                    side=word.side,
                    energy_wh=word.accepted_lots * lot_wh[session.market],
                    price_neur_per_wh=clearing.price_neur_per_wh,
                    tag=tag,
                )


def _metered(basis: Basis) -> Iterator[Metered]:
    """Energy per point and MTU: the sum over the meters registered at the point, in leaf order.

    A balancing entry counts where its meter hung at the same point before.
    """
    registered = sorted(basis.meters, key=lambda meter: meter.valid_from_mtu)
    points: dict[str, list[tuple[int, str]]] = {}
    for meter in registered:
        points.setdefault(meter.meter, []).append((meter.valid_from_mtu, meter.point))

    def point_of(meter: str, mtu: int) -> str | None:
        valid = [point for begins, point in points.get(meter, ()) if begins <= mtu]
        return valid[-1] if valid else None

    found: dict[tuple[str, int], list[Reading]] = {}
    for item in basis.attestations:
        for reading in item.readings or ():
            point = point_of(reading.meter_code, reading.mtu)
            if point is not None:
                found.setdefault((point, reading.mtu), []).append(reading)
    for (point, mtu), readings in found.items():
        yield Metered(
            point=point,
            mtu=mtu,
            import_wh=sum(reading.import_wh for reading in readings),
            export_wh=sum(reading.export_wh for reading in readings),
            readings=tuple(reading.hash() for reading in readings),
            balancing_wh=sum(
                reading.balancing_import_wh - reading.balancing_export_wh
                for reading in readings
                if any(reading.balancing_wh) and point_of(reading.meter_code, mtu - 1) == point
            ),
        )


def _limits(basis: Basis) -> Iterator[CapsInForce]:
    for program in basis.programs:
        net_wh_of = {schedule.point: schedule.net_wh for schedule in program.schedules}
        for item in program.envelopes:
            schedule = net_wh_of.get(item.point, ())
            at = item.mtu - program.first_mtu
            yield CapsInForce(
                point=item.point,
                mtu=item.mtu,
                import_cap_wh=item.import_cap_wh,
                export_cap_wh=item.export_cap_wh,
                scheduled_export_wh=max(-schedule[at], 0) if at < len(schedule) else 0,
            )
