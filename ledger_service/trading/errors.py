"""Why an order, cancel or schedule is refused: one class per cause. A refusal changes nothing."""

from __future__ import annotations

from domain.errors import DominoesError


class MalformedSubmission(DominoesError):
    """A field is missing, unknown, or not of its type."""

    code = "malformed"
    remedy = "Write the field that `detail` names in the form it asks for."

    def __init__(self, *, field: str, reason: str) -> None:
        self.field, self.reason = field, reason
        super().__init__(f"{field}: {reason}; see the typed data of this shape in the API documentation")


class UnknownMarket(DominoesError):
    """There is no market with this id."""

    status = 404
    code = "unknown-market"
    remedy = "Take the market's id from the list of markets."

    def __init__(self, *, market: str) -> None:
        self.market = market
        super().__init__(f"market {market} does not exist here; take its id from the list of markets")


class OrderKeyNotValid(DominoesError):
    """The signature is by a key that may not sign for this account (or any) at this MTU."""

    status = 403
    code = "key-not-valid"
    remedy = "Sign with an order key that is registered for the account, its point and this MTU."

    def __init__(self, *, signer: str, account: str | None, mtu: int) -> None:
        self.signer, self.account, self.mtu = signer, account, mtu
        whom = "any account" if account is None else account
        super().__init__(
            f"{signer} is not the order key of {whom} at MTU {mtu}; check chain id and contract of the typed data, "
            "sign with the registered key or register this one"
        )


class AccountGaveWay(DominoesError):
    """The account was replaced: what is new comes from its successor."""

    status = 409
    code = "account-replaced"
    remedy = "Log in with the successor's key, register an order key for it, and sign with that one."

    def __init__(self, *, account: str, successor: str) -> None:
        self.account, self.successor = account, successor
        super().__init__(
            f"account {account} was replaced by {successor}; register an order key of the successor and sign with it "
            "(what the old key has in open books can still be withdrawn)"
        )


class SessionNotOpen(DominoesError):
    """No session of this gate that has opened contains the MTU."""

    status = 409
    code = "session-not-open"
    remedy = "Wait until the session of that MTU opens, or trade in one that is open."
    retryable = True

    def __init__(self, *, market: str, session: int, mtu: int) -> None:
        self.market, self.session, self.mtu = market, session, mtu
        super().__init__(f"market {market} has no open session {session} that trades MTU {mtu}; wait until it opens")


class GateClosed(DominoesError):
    """The gate of the session has closed."""

    status = 409
    code = "gate-closed"
    remedy = "Trade in a session whose gate is still open; what stood in the book at the gate stays."

    def __init__(self, *, market: str, mtu: int, gate: int) -> None:
        self.market, self.mtu, self.gate = market, mtu, gate
        super().__init__(f"the gate of market {market} for MTU {mtu} closed at market time {gate}; trade a later one")


class OffTick(DominoesError):
    """The limit is not a multiple of the market's tick."""

    code = "off-tick"
    remedy = "Round the limit to a multiple of the market's tick."

    def __init__(self, *, limit_neur_per_wh: int, tick_neur_per_wh: int) -> None:
        self.limit_neur_per_wh, self.tick_neur_per_wh = limit_neur_per_wh, tick_neur_per_wh
        super().__init__(
            f"limit {limit_neur_per_wh} nEUR/Wh is no multiple of the tick; round it to {tick_neur_per_wh}"
        )


class OutOfBand(DominoesError):
    """The limit lies outside the market's price band."""

    code = "out-of-band"
    remedy = "Keep the limit within the price band of the market."

    def __init__(self, *, limit_neur_per_wh: int, lowest: int, highest: int) -> None:
        self.limit_neur_per_wh, self.lowest, self.highest = limit_neur_per_wh, lowest, highest
        super().__init__(f"limit {limit_neur_per_wh} nEUR/Wh is out of band; choose one from {lowest} to {highest}")


class OrderConflict(DominoesError):
    """The order id and revision were used for something else."""

    status = 409
    code = "order-conflict"
    remedy = "Give the next revision to a change, or a new order id to a new order."

    def __init__(self, *, order_id: str, revision: int) -> None:
        self.order_id, self.revision = order_id, revision
        super().__init__(
            f"order {order_id} has another body at revision {revision}; use a new id, or the next revision to change it"
        )


class RevisionOutOfOrder(DominoesError):
    """A change or cancel must carry the last revision plus one."""

    status = 409
    code = "revision-out-of-order"
    remedy = "Read the order's last revision and count on from it by one."

    def __init__(self, *, name: str, expected: int, given: int) -> None:
        self.name, self.expected, self.given = name, expected, given
        super().__init__(f"{name} expects revision {expected}, not {given}; fetch its state and sign again")


class OrderMoved(DominoesError):
    """A change must stay in its market, session and MTU."""

    status = 409
    code = "order-moved"
    remedy = "Cancel the order, and place a new one in the other market or MTU."

    def __init__(self, *, order_id: str, mtu: int) -> None:
        self.order_id, self.mtu = order_id, mtu
        super().__init__(f"order {order_id} belongs to MTU {mtu}; cancel it and send a new one for another MTU")


class OrderUnknown(DominoesError):
    """There is no such order of this account in an open session."""

    status = 404
    code = "order-unknown"
    remedy = "List your orders; an order of a past gate can't be changed."

    def __init__(self, *, order_id: str) -> None:
        self.order_id = order_id
        super().__init__(f"no open order {order_id} of this account; send it with revision 0 first")


class OrderWithdrawn(DominoesError):
    """The order was cancelled and does not come back."""

    status = 409
    code = "order-withdrawn"
    remedy = "Place a new order under a new id."

    def __init__(self, *, order_id: str) -> None:
        self.order_id = order_id
        super().__init__(f"order {order_id} was cancelled; send a new one with a new id")


class BeyondConnection(DominoesError):
    """The account's live orders of one side and MTU, or its schedule, exceed what the connection can carry."""

    code = "beyond-connection"
    remedy = "Lower the quantity, or cancel other orders of the same side and MTU."

    def __init__(self, *, mtu: int, energy_wh: int, limit_wh: int) -> None:
        self.mtu, self.energy_wh, self.limit_wh = mtu, energy_wh, limit_wh
        super().__init__(f"{energy_wh} Wh at MTU {mtu} exceed the connection's {limit_wh} Wh; reduce or cancel orders")


class BeyondSchedule(DominoesError):
    """The account's live asks of one MTU exceed the export it nominated (none nominated counts as 0)."""

    code = "beyond-schedule"
    remedy = "Nominate more export for the MTU first, or offer less."

    def __init__(self, *, mtu: int, energy_wh: int, export_wh: int) -> None:
        self.mtu, self.energy_wh, self.export_wh = mtu, energy_wh, export_wh
        super().__init__(
            f"sales of {energy_wh} Wh at MTU {mtu} are covered by a scheduled export of {export_wh} Wh only; "
            "nominate a schedule that covers them first"
        )


class SelfTrade(DominoesError):
    """The order would trade with a live order of its own account."""

    status = 409
    code = "self-trade"
    remedy = "Cancel the order on the other side first, or set a limit that does not meet it."

    def __init__(self, *, mtu: int, limit_neur_per_wh: int, own_limit_neur_per_wh: int) -> None:
        self.mtu, self.limit_neur_per_wh, self.own_limit_neur_per_wh = mtu, limit_neur_per_wh, own_limit_neur_per_wh
        super().__init__(
            f"limit {limit_neur_per_wh} nEUR/Wh would trade with this account's own order at {own_limit_neur_per_wh} "
            f"nEUR/Wh in MTU {mtu}; cancel that one first, or choose limits at which a bid stays below every own ask"
        )


class NoGuarantor(DominoesError):
    """Nobody guarantees for the account, nor it for itself: none ever did, or the line was ended (0)."""

    status = 403
    code = "no-guarantor"
    remedy = "Ask your retailer for a guarantee; trading begins once it is recorded."

    def __init__(self, *, account: str) -> None:
        self.account = account
        super().__init__(f"no retailer guarantees for {account}; ask your retailer for a guarantee")


class GuarantorCalled(DominoesError):
    """Whoever guarantees for the account has less than it gives: no new bid counts on it."""

    status = 409
    code = "guarantor-called"
    remedy = "Wait until your guarantor has paid in, or find another one; bids that stand already are not touched."
    retryable = True

    def __init__(self, *, guarantor: str, missing_neur: int) -> None:
        self.guarantor, self.missing_neur = guarantor, missing_neur
        super().__init__(
            f"guarantor {guarantor} lacks {missing_neur} nEUR of what it gives; new bids wait until it has paid in"
        )


class BeyondCredit(DominoesError):
    """What the account's live orders may cost at worst exceeds its balance and credit line."""

    code = "beyond-credit"
    remedy = "Lower quantity or limit, cancel other orders, pay money in, or ask the retailer for a higher line."

    def __init__(self, *, exposure_neur: int, available_neur: int) -> None:
        self.exposure_neur, self.available_neur = exposure_neur, available_neur
        super().__init__(
            f"orders could cost {exposure_neur} nEUR, but balance and credit line are {available_neur} nEUR; "
            "deposit money or cancel orders"
        )


class TagTaken(DominoesError):
    """Another order of the MTU has the same tag; words of a book must differ in their tags."""

    status = 409
    code = "tag-taken"
    remedy = "Draw a new salt, sign again and send that."

    def __init__(self, *, tag: str) -> None:
        self.tag = tag
        super().__init__(f"another order has the tag {tag}; draw a new salt and sign again")


class WrongPoint(DominoesError):
    """The schedule is for a point that is not the account's."""

    status = 403
    code = "wrong-point"
    remedy = "Nominate for your own point."

    def __init__(self, *, point: str) -> None:
        self.point = point
        super().__init__(f"point {point} is not this account's connection point; nominate for your own")


class NotASession(DominoesError):
    """A schedule must cover exactly the MTUs of one open session."""

    code = "not-a-session"
    remedy = "Nominate all MTUs of one open session, no more and no less; the market lists its sessions."

    def __init__(self, *, market: str, first_mtu: int, count: int) -> None:
        self.market, self.first_mtu, self.count = market, first_mtu, count
        super().__init__(
            f"no open session of {market} has {count} MTUs from {first_mtu}; nominate all MTUs of one session"
        )


class IntakeBusy(DominoesError):
    """More submissions wait than are accepted."""

    status = 503
    code = "intake-busy"
    remedy = "Nothing was taken; send the same submission again after Retry-After, many as one list."
    retryable = True

    def __init__(self, *, waiting: int) -> None:
        self.waiting = waiting
        super().__init__(f"{waiting} submissions are waiting; try the same request again in a moment")


class IntakeClosed(DominoesError):
    """The service is stopping."""

    status = 503
    code = "intake-closed"
    remedy = "Nothing was taken; send the same submission again once the service is back."
    retryable = True

    def __init__(self) -> None:
        super().__init__("the service is stopping and takes no orders; try the same request again when it is back")


class MandateUnknown(DominoesError):
    """There is no mandate with this tag of the account that signed."""

    status = 404
    code = "mandate-unknown"
    remedy = "List your mandates, and take the tag from there."

    def __init__(self, *, mandate: str) -> None:
        self.mandate = mandate
        super().__init__(f"no mandate {mandate} of this account; list your mandates and take the tag from there")


class MandateZoneWrong(DominoesError):
    """A mandate counts its days in another time zone than the area."""

    code = "mandate-zone"
    remedy = "Sign the mandate with the time zone of your area."

    def __init__(self, *, zone: str, expected: str) -> None:
        self.zone, self.expected = zone, expected
        super().__init__(f"zone {zone} is not that of the area, {expected}; sign the mandate with that one")


class MandateOver(DominoesError):
    """A mandate holds no MTU that is still to come, or reaches further than a year ahead."""

    code = "mandate-span"
    remedy = "Sign a mandate whose last MTU is still to come, and no more than a year ahead."

    def __init__(self, *, from_mtu: int, to_mtu: int, lowest: int, highest: int) -> None:
        self.from_mtu, self.to_mtu, self.lowest, self.highest = from_mtu, to_mtu, lowest, highest
        super().__init__(
            f"a mandate from MTU {from_mtu} to MTU {to_mtu} (excluded) must end after it begins, "
            f"and from MTU {lowest} to {highest}; sign another one"
        )


class MandateEnded(DominoesError):
    """The agent's mandate was revoked, or the key that signed it is not the account's any more."""

    status = 403
    code = "mandate-ended"
    remedy = "Have the account's order key sign a new mandate."

    def __init__(self, *, mandate: str, reason: str) -> None:
        self.mandate, self.reason = mandate, reason
        super().__init__(f"mandate {mandate} has ended: {reason}; have the account's order key sign a new one")


class OutsideMandate(DominoesError):
    """The agent has a mandate, but not for this."""

    status = 403

    def __init__(self, *, mandate: str, name: str, given: object, allowed: str) -> None:
        self.mandate, self.name, self.given, self.allowed = mandate, name, given, allowed
        super().__init__(f"{name} {given} is not in mandate {mandate}, which allows {allowed}; stay within it")


class MandateMarket(OutsideMandate):
    """The agent's mandate does not name this market."""

    code = "mandate-market"
    remedy = "Trade in a market that the mandate names, or have the account sign another mandate."


class MandatePoint(OutsideMandate):
    """The agent's mandate does not name the account's point."""

    code = "mandate-point"
    remedy = "Have the account sign a mandate that names its point."


class MandateMtu(OutsideMandate):
    """The MTU is before the agent's mandate begins, or after it ends."""

    code = "mandate-mtu"
    remedy = "Trade an MTU within the mandate, or have the account sign another one."


class MandatePrice(OutsideMandate):
    """The limit is above the highest price at which the agent may buy, or below the lowest at which it may sell."""

    code = "mandate-price"
    remedy = "Keep the limit within the mandate's price."


class MandateEnergy(DominoesError):
    """What the agent traded and has open under its mandate would exceed its energy in the MTU or local day."""

    status = 403
    code = "mandate-energy"
    remedy = "Lower the quantity to what is left, or cancel other orders of the mandate."

    def __init__(self, *, mandate: str, span: str, energy_wh: int, limit_wh: int, left_wh: int) -> None:
        self.mandate, self.span, self.energy_wh = mandate, span, energy_wh
        self.limit_wh, self.left_wh = limit_wh, left_wh
        super().__init__(
            f"{energy_wh} Wh more in {span} exceed the {limit_wh} Wh of mandate {mandate}, of which {left_wh} Wh are "
            "left; lower the quantity or cancel other orders of it"
        )


OUTSIDE_MANDATE: dict[str, type[OutsideMandate]] = {
    "market": MandateMarket,
    "point": MandatePoint,
    "mtu": MandateMtu,
}
"""What a place may lack of a mandate, by the name that `domain.mandates.Mandate.outside` gives it."""
