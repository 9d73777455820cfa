"""Commands that ask a running service over its API, each with the key its role needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import httpx
import typer

from domain.eip712 import RECEIPT, Domain
from domain.hashing import from_hex, to_hex
from domain.signing import BadSignature, recover
from scripts.cli.common import (
    DEFAULT_STATE,
    JsonOption,
    StateOption,
    address_of,
    errors,
    guarded,
    plain,
    show,
    show_rows,
)
from scripts.cli.receipts import ReceiptUnreadable, hold_against, read_receipt
from scripts.serving.api_client import ApiClient, open_http
from scripts.serving.embedded.keys import load_key
from scripts.serving.embedded.run_folder import KEYS_FOLDER, read_config
from scripts.serving.verifier_process import WRONG

UrlOption = Annotated[str | None, typer.Option("--url", help="Base URL of the API; else that of the run in --state.")]

market_app = typer.Typer(help="The market: gates, prices, a login.", no_args_is_help=True)
meter_app = typer.Typer(help="Readings: where MTUs stand with the attesters.", no_args_is_help=True)
chain_app = typer.Typer(help="The chain: contracts, anchors, what waits to be sent.", no_args_is_help=True)


def client_of(state: Path, url: str | None, key: str | None = None) -> tuple[httpx.Client, ApiClient]:
    """Connections to the API, and a client that holds this key of the run, or none."""
    http = open_http(url or read_config(state).service_url)
    signing = None if key is None else load_key(state / KEYS_FOLDER, key)
    return http, ApiClient(http=http, key=signing)


def market_or_first(client: ApiClient, wanted: str | None) -> str:
    """The market asked for, else the first one there is."""
    return wanted or str(client.items("/v1/markets")[0]["market"])


@market_app.command("programs")
@guarded
def programs(
    market: Annotated[str | None, typer.Option(help="Market code; else the first one.")] = None,
    state: StateOption = DEFAULT_STATE,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Programs with their gates, deadlines and states."""
    http, client = client_of(state, url)
    with http:
        rows = client.items(f"/v1/markets/{market_or_first(client, market)}/programs")
    names = ("session", "period", "first_mtu", "count", "state")
    show_rows([{name: row[name] for name in names} for row in rows], as_json=as_json, title="programs")


@market_app.command("prices")
@guarded
def prices(
    first_mtu: Annotated[int, typer.Option(help="First MTU (unix seconds // 900).")],
    count: Annotated[int, typer.Option(help="Number of MTUs.")] = 96,
    market: Annotated[str | None, typer.Option(help="Market code; else the first one.")] = None,
    state: StateOption = DEFAULT_STATE,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Clearing price and traded volume per MTU."""
    http, client = client_of(state, url)
    with http:
        span = {"from": first_mtu, "to": first_mtu + count}
        rows = client.items(f"/v1/markets/{market_or_first(client, market)}/prices", **span)
    show_rows(rows, as_json=as_json, title="prices")


@market_app.command("token")
@guarded
def token(
    role: Annotated[str, typer.Option(help="Name of a key in the keystore folder: operator, dso, auditor, …")],
    state: StateOption = DEFAULT_STATE,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Log in with an organisation's key and print an access token (15 minutes)."""
    http, client = client_of(state, url, role)
    with http:
        found = client.log_in()
    if as_json:
        show({"access_token": found}, as_json=True)
    else:
        print(found)


@meter_app.command("status")
@guarded
def meter_status(
    first_mtu: Annotated[int, typer.Option(help="First MTU.")],
    count: Annotated[int, typer.Option(help="Number of MTUs.")] = 8,
    state: StateOption = DEFAULT_STATE,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Where the attestation of each MTU stands: revisions so far, sums of energy in Wh."""
    http, client = client_of(state, url, "attester-1")
    area = read_config(state).area
    with http:
        states = client.items("/v1/attestations", area=area, **{"from": first_mtu, "to": first_mtu + count})
    rows = [
        {
            "mtu": item["mtu"],
            "revisions": item["next_revision"],
            "readings": (item["attestation"] or {}).get("count"),
            "import_wh": (item["attestation"] or {}).get("import_wh"),
            "export_wh": (item["attestation"] or {}).get("export_wh"),
        }
        for item in states
    ]
    show_rows(rows, as_json=as_json, title="attestations")


@chain_app.command("status")
@guarded
def chain_status(state: StateOption = DEFAULT_STATE, url: UrlOption = None, as_json: JsonOption = False) -> None:
    """The deployment, the journal's head and its last anchor, cursors of stages, transactions on their way."""
    http, client = client_of(state, url, "operator")
    with http:
        found = client.get("/v1/ledger")
        found = {name: found[name] for name in ("chain_id", "contracts", "journal", "last_anchor", "market_time")}
        found["status"] = client.get("/v1/status")
    show(found, as_json=as_json, title="chain")


@guarded
def receipt(
    file: Annotated[Path, typer.Argument(help="JSON file with a receipt, or with the whole answer that holds it.")],
    operator: Annotated[str, typer.Option(help="The operator's address, from the trust anchors.")],
    contract: Annotated[str, typer.Option(help="Address of the Market contract.")],
    chain_id: Annotated[int, typer.Option(help="Chain id.")],
    bundle: Annotated[Path | None, typer.Option(help="Public or auditor bundle to hold the receipt against.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check, offline, that a receipt is signed by the operator, and with --bundle that it was kept. Exit 3 if not."""
    found = read_receipt(file)
    held = None if bundle is None else hold_against(found, bundle)
    try:
        values = {name: from_hex(item) if isinstance(item, str) else item for name, item in found.items()}
    except ValueError as error:
        raise ReceiptUnreadable(path=file, reason=str(error)) from error
    domain = Domain(chain_id=chain_id, verifying_contract=address_of(contract))
    try:
        signer = to_hex(recover(domain.digest(RECEIPT, values), values.pop("signature")))
    except BadSignature as error:
        signer = str(error)
    good = signer == operator.lower()
    answer = {"signed_by": signer, "operator": operator.lower(), "good": good}
    if held is not None:
        answer |= {"bundle": str(bundle), "omission": held.omission}
    show(answer, as_json=as_json, title="receipt")
    if not good:
        errors.print("keep this receipt and give it to the auditor: the operator does not stand by it")
    if held is not None and held.omission is not None:
        errors.print(f"omitted: {plain(held.omission)}; receipt and bundle together prove it", soft_wrap=True)
    if not good or (held is not None and held.omission is not None):
        raise typer.Exit(WRONG)
