"""Orders on the command line: bid or ask, change, withdraw, see what became of them; and one's trades."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

import typer

from domain.eip712 import CANCEL, ORDER
from domain.errors import DominoesError
from domain.hashing import from_hex, text_id, to_hex
from domain.orders import ORDER_ID_BYTES, SALT_BYTES, Order, cancel_digest
from domain.words import Side
from scripts.cli.amounts import CT_PER_KWH_NEUR, WH_PER_KWH, kwh_text, mtu_in_words, mtu_typed, price_text, scaled
from scripts.cli.caller import Acting, acting
from scripts.cli.clients import market_or_first
from scripts.cli.common import JsonOption, console, errors, hex_of, show, show_rows
from scripts.cli.sign import require_agreed, show_words
from scripts.serving.api_client import ApiClient

orders_app = typer.Typer(help="Your orders: bid, ask, change, withdraw, see what became of them.", no_args_is_help=True)

MarketOption = Annotated[str | None, typer.Option(help="Market code; else the first one.")]
OrderArgument = Annotated[str, typer.Argument(help="The order's id, as `dominoes orders list` shows it.")]
FromOption = Annotated[str | None, typer.Option("--from", help="From this MTU or time on.")]
ToOption = Annotated[str | None, typer.Option("--to", help="Before this MTU or time.")]
LimitOption = Annotated[str, typer.Option(help="Limit price in ct/kWh: the most a bid pays, the least an ask takes.")]
EnergyOption = Annotated[str, typer.Option("--kwh", help="Energy in kWh.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

COLUMNS = ("order_id", "starts", "side", "kwh", "limit_ct_per_kwh", "revision", "state", "traded_kwh", "ct_per_kwh")


class NoGateOpen(DominoesError):
    """No session of a market takes orders for an MTU now."""

    code = "no-gate-open"

    def __init__(self, *, market: str, mtu: int, opens: str | None) -> None:
        self.market, self.mtu, self.opens = market, mtu, opens
        later = "the first ones are still to be opened" if opens is None else f"the next ones open at {opens}"
        super().__init__(
            f"no session of {market} takes orders for {mtu_in_words(mtu)} now; {later}, "
            "and `dominoes market programs` lists gates"
        )


@orders_app.command("list")
@acting
def orders_list(who: Acting, from_: FromOption = None, to: ToOption = None, as_json: JsonOption = False) -> None:
    """Your orders in their last revision, and what became of each."""
    with who.open() as http:
        client = who.client(http)
        items = client.items("/v1/orders", **_span(from_, to))
        lots = {market: _lot_wh(client, market) for market in {item["market"] for item in items}}
    rows = items if as_json else [_row(item, lot_wh=lots[item["market"]]) for item in items]
    show_rows(rows, as_json=as_json, title="orders")


@orders_app.command("bid")
@acting
def orders_bid(
    who: Acting,
    at: Annotated[str, typer.Argument(help="The MTU, or the time at which it begins, with its zone.")],
    kwh: EnergyOption,
    limit: LimitOption,
    market: MarketOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Bid for energy of an MTU: buy at the clearing price if that is at most the limit. Keep the receipt."""
    _place(who, Side.BID, at, kwh=kwh, limit=limit, market=market, yes=yes, as_json=as_json)


@orders_app.command("ask")
@acting
def orders_ask(
    who: Acting,
    at: Annotated[str, typer.Argument(help="The MTU, or the time at which it begins, with its zone.")],
    kwh: EnergyOption,
    limit: LimitOption,
    market: MarketOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Ask a price for energy of an MTU: sell at the clearing price if that is at least the limit. Keep the receipt."""
    _place(who, Side.ASK, at, kwh=kwh, limit=limit, market=market, yes=yes, as_json=as_json)


@orders_app.command("change")
@acting
def orders_change(
    who: Acting,
    order_id: OrderArgument,
    kwh: EnergyOption,
    limit: LimitOption,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Give an order another energy and limit before its gate: its next revision takes the place of the last one."""
    with who.open() as http:
        client = who.client(http)
        found = _own(client, order_id)
        order = _order(
            market=found["market"],
            session=found["session"],
            mtu=found["mtu"],
            side=Side.BID if found["side"] == "bid" else Side.ASK,
            lots=_lots(kwh, lot_wh=_lot_wh(client, found["market"])),
            limit=limit,
            account=client.get("/v1/session")["account"],
            order_id=from_hex(order_id),
            revision=found["revision"] + 1,
        )
        _send(who, client, order, market=found["market"], yes=yes, as_json=as_json)


@orders_app.command("withdraw")
@acting
def orders_withdraw(who: Acting, order_id: OrderArgument, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Withdraw an order before its gate. Keep the receipt."""
    with who.open() as http:
        client = who.client(http)
        found = _own(client, order_id)
        shown = {"order": order_id, "market": found["market"], "of": mtu_in_words(found["mtu"])}
        show_words(errors if as_json else console, "an order is withdrawn", shown)
        require_agreed(errors if as_json else console, "sign this?", yes=yes)
        named = {"session": found["session"], "mtu": found["mtu"], "revision": found["revision"] + 1}
        market = text_id(found["market"])
        digest = cancel_digest(domain=who.domain(CANCEL), market=market, order_id=from_hex(order_id), **named)
        message = named | {"market": to_hex(market), "orderId": order_id}
        body = {"cancel": message, "signature": to_hex(who.device().sign(digest))}
        done = client.hand_in("/v1/orders/cancellations", body)
    show({**done.answer, "repeated": done.repeated}, as_json=as_json, title="withdrawn")


@acting
def trades(who: Acting, from_: FromOption = None, to: ToOption = None, as_json: JsonOption = False) -> None:
    """Your trades by MTU, with the clearing price; + money is received."""
    with who.open() as http:
        items = who.client(http).items("/v1/trades", **_span(from_, to))
    rows = items if as_json else [_trade(item) for item in items]
    show_rows(rows, as_json=as_json, title="trades")


def _place(
    who: Acting, side: Side, at: str, *, kwh: str, limit: str, market: str | None, yes: bool, as_json: bool
) -> None:
    mtu = mtu_typed(at)
    with who.open() as http:
        client = who.client(http)
        code = market_or_first(client, market)
        order = _order(
            market=code,
            session=_open_session(client, code, mtu),
            mtu=mtu,
            side=side,
            lots=_lots(kwh, lot_wh=_lot_wh(client, code)),
            limit=limit,
            account=client.get("/v1/session")["account"],
            order_id=secrets.token_bytes(ORDER_ID_BYTES),
            revision=0,
        )
        _send(who, client, order, market=code, yes=yes, as_json=as_json)


def _order(
    *,
    market: str,
    session: int,
    mtu: int,
    side: Side,
    lots: int,
    limit: str,
    account: str,
    order_id: bytes,
    revision: int,
) -> Order:
    return Order(
        market=text_id(market),
        session=session,
        mtu=mtu,
        side=side,
        limit_neur_per_wh=scaled(limit, unit=CT_PER_KWH_NEUR, what="price in ct/kWh"),
        quantity_lots=lots,
        account=from_hex(account),
        order_id=order_id,
        revision=revision,
        salt=secrets.token_bytes(SALT_BYTES),
    )


def _send(who: Acting, client: ApiClient, order: Order, *, market: str, yes: bool, as_json: bool) -> None:
    """Show an order in words, ask, sign it with the device's key and hand it in."""
    out = errors if as_json else console
    show_words(out, "an order is sent", _in_words(order, market=market, lot_wh=_lot_wh(client, market)))
    require_agreed(out, "sign this?", yes=yes)
    signature = who.device().sign(order.digest(who.domain(ORDER)))
    done = client.hand_in("/v1/orders", {"order": order.as_json(), "signature": to_hex(signature)})
    told = {"order_id": to_hex(order.order_id), **done.answer, "repeated": done.repeated}
    show(told, as_json=as_json, title="sent")


def _in_words(order: Order, *, market: str, lot_wh: int) -> dict[str, str]:
    limit = f"{price_text(order.limit_neur_per_wh)} ct/kWh"
    return {
        "market": market,
        "of": mtu_in_words(order.mtu),
        "buys" if order.side is Side.BID else "sells": f"{kwh_text(order.quantity_lots * lot_wh)} kWh",
        "for": f"{limit} or less" if order.side is Side.BID else f"{limit} or more",
        "revision": str(order.revision),
    }


def _lots(kwh: str, *, lot_wh: int) -> int:
    energy_wh = scaled(kwh, unit=WH_PER_KWH, what="energy in kWh")
    if energy_wh <= 0 or energy_wh % lot_wh:
        raise typer.BadParameter(f"{kwh!r} kWh is not a number of lots of {lot_wh} Wh above zero")
    return energy_wh // lot_wh


def _lot_wh(client: ApiClient, market: str) -> int:
    return int(client.get(f"/v1/markets/{market}")["lot_wh"])


def _open_session(client: ApiClient, market: str, mtu: int) -> int:
    """The session with the next gate that takes orders for an MTU. Raises NoGateOpen."""
    programs = client.items(f"/v1/markets/{market}/programs", state="open")
    sessions = [one["session"] for one in programs if one["first_mtu"] <= mtu < one["first_mtu"] + one["count"]]
    if not sessions:
        raise NoGateOpen(market=market, mtu=mtu, opens=client.get(f"/v1/markets/{market}")["next_opening_utc"])
    return int(min(sessions))


def _own(client: ApiClient, order_id: str) -> dict[str, Any]:
    hex_of(order_id, size=ORDER_ID_BYTES, what="order's id")
    found: dict[str, Any] = client.get(f"/v1/orders/{order_id}")
    return found


def _span(from_: str | None, to: str | None) -> dict[str, int]:
    given = {"from": from_, "to": to}
    return {name: mtu_typed(text) for name, text in given.items() if text is not None}


def _row(item: dict[str, Any], *, lot_wh: int) -> dict[str, Any]:
    accepted, price = item["accepted_lots"], item["price_neur_per_wh"]
    values = (
        item["order_id"],
        item["starts"],
        item["side"],
        kwh_text(item["quantity_lots"] * lot_wh),
        price_text(item["limit_neur_per_wh"]),
        item["revision"],
        item["state"],
        None if accepted is None else kwh_text(accepted * lot_wh),
        None if price is None else price_text(price),
    )
    return dict(zip(COLUMNS, values, strict=True))


def _trade(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "starts": item["starts"],
        "market": item["market"],
        "order_id": item["order_id"],
        "side": item["side"],
        "kwh": kwh_text(item["energy_wh"]),
        "ct_per_kwh": price_text(item["price_neur_per_wh"]),
        "eur": item["amount_eur"],
    }
