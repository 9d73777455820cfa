"""Commands that ask a running service over its API, each with the key its role needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from domain.eip712 import RECEIPT, Domain
from domain.errors import DominoesError
from domain.hashing import from_hex, to_hex
from domain.signing import BadSignature, SigningKey, recover
from scripts.commands.common import DEFAULT_STATE, JsonOption, StateOption, errors, guarded, show, show_rows
from scripts.community.api import ApiClient, open_http
from scripts.keys import load_key
from scripts.receipts import hold_against
from scripts.run_config import KEYS_FOLDER, read_config
from scripts.verify import WRONG

UrlOption = Annotated[str | None, typer.Option("--url", help="Base URL of the API; else that of the run in --state.")]

market_app = typer.Typer(help="The market: gates, prices, a login.", no_args_is_help=True)
meter_app = typer.Typer(help="Readings: where MTUs stand with the attesters.", no_args_is_help=True)
chain_app = typer.Typer(help="The chain: contracts, anchors, what waits to be sent.", no_args_is_help=True)
sign_app = typer.Typer(help="The DSO's desk: see what is to be signed, sign or refuse.", no_args_is_help=True)


class Disagreed(DominoesError):
    """Somebody was asked to confirm and did not."""

    code = "not-confirmed"

    def __init__(self) -> None:
        super().__init__("nothing was signed; call again with --yes to sign without being asked")


def _client(state: Path, url: str | None, key: str | None = None) -> tuple[httpx.Client, ApiClient]:
    http = open_http(url or read_config(state).service_url)
    signing = None if key is None else load_key(state / KEYS_FOLDER, key)
    return http, ApiClient(http=http, key=signing)


def _market(client: ApiClient, wanted: str | None) -> str:
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
    http, client = _client(state, url)
    with http:
        rows = client.items(f"/v1/markets/{_market(client, market)}/programs")
    names = ("program", "period", "first_mtu", "count", "gate", "state")
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
    http, client = _client(state, url)
    with http:
        rows = client.get(f"/v1/markets/{_market(client, market)}/prices", first_mtu=first_mtu, count=count)["items"]
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
    http, client = _client(state, url, role)
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
    http, client = _client(state, url, "attester-1")
    area = read_config(state).area
    with http:
        states = client.get("/v1/attestations", area=area, first_mtu=first_mtu, count=count)["items"]
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
    http, client = _client(state, url, "operator")
    with http:
        found = client.get("/v1/ledger")
        found = {name: found[name] for name in ("chain_id", "contracts", "journal", "last_anchor", "market_time")}
        found["status"] = client.get("/v1/status")
    show(found, as_json=as_json, title="chain")


def _program_shown(shown: dict[str, Any]) -> dict[str, Any]:
    """What a DSO's engineer looks at before signing."""
    busiest = max(shown["report"]["mtus"], key=lambda item: item["loading_permille"])
    binding = sorted({f"{item['kind']} {item['code']}" for mtu in shown["report"]["mtus"] for item in mtu["binding"]})
    return {
        "market": shown["market"],
        "program": shown["program"],
        "MTUs": f"{shown['first_mtu']} + {shown['count']}",
        "sign until": shown["deadline_utc"],
        "highest loading (1/1000)": busiest["loading_permille"],
        "loaded most": f"{busiest['loading_element']} in MTU {busiest['mtu']}",
        "lowest voltage (1e-6 pu)": min(mtu["voltage_lowest_micro_pu"] for mtu in shown["report"]["mtus"]),
        "highest voltage (1e-6 pu)": max(mtu["voltage_highest_micro_pu"] for mtu in shown["report"]["mtus"]),
        "envelopes": len(shown["envelopes"]),
        "binding": binding,
        "given up": sum(1 for mtu in shown["report"]["mtus"] if mtu["given_up"]),
        "typed data": shown["to_sign"]["typed_data"]["message"]
        if "typed_data" in shown["to_sign"]
        else shown["to_sign"],
    }


@sign_app.command("list")
@guarded
def sign_list(state: StateOption = DEFAULT_STATE, url: UrlOption = None, as_json: JsonOption = False) -> None:
    """Programs that wait for the DSO's verdict, with what it would sign."""
    http, client = _client(state, url, "dso")
    with http:
        rows = [
            _program_shown(client.get(f"/v1/dso/programs/{item['market']}/{item['program']}"))
            for item in client.items("/v1/dso/programs")
        ]
    show({"waiting": rows}, as_json=as_json, title="programs awaiting a verdict")


@sign_app.command("program")
@guarded
def sign_program(
    program: Annotated[int, typer.Argument(help="Number of the program.")],
    market: Annotated[str | None, typer.Option(help="Market code; else the first one.")] = None,
    refuse: Annotated[str | None, typer.Option(help="Refuse it, with this reason.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    state: StateOption = DEFAULT_STATE,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a program, then sign it with the DSO's key, or refuse it."""
    http, client = _client(state, url, "dso")
    key = load_key(state / KEYS_FOLDER, "dso")
    with http:
        path = f"/v1/dso/programs/{_market(client, market)}/{program}"
        shown = client.get(path) if refuse is None else client.get(path, reason=refuse)
        if not as_json:
            show(_program_shown(shown), as_json=False, title=f"program {program}")
        if not yes and not typer.confirm("sign this?" if refuse is None else "refuse this?"):
            raise Disagreed
        answer = _give_verdict(client, key, path, shown, refuse)
    show(answer, as_json=as_json, title="recorded")


def _give_verdict(
    client: ApiClient, key: SigningKey, path: str, shown: dict[str, Any], refuse: str | None
) -> dict[str, Any]:
    view = shown["to_sign"] if refuse is None else shown["to_refuse"]
    signature = to_hex(key.sign(from_hex(view["digest"])))
    if refuse is None:
        found: dict[str, Any] = client.post(f"{path}/signature", {"signature": signature})
    else:
        found = client.post(f"{path}/refusal", {"reason": refuse, "signature": signature})
    return found


@guarded
def receipt(
    file: Annotated[Path, typer.Argument(help="JSON file with a receipt as the API gave it.")],
    operator: Annotated[str, typer.Option(help="The operator's address, from the trust anchors.")],
    contract: Annotated[str, typer.Option(help="Address of the Market contract.")],
    chain_id: Annotated[int, typer.Option(help="Chain id.")],
    bundle: Annotated[Path | None, typer.Option(help="Public or auditor bundle to hold the receipt against.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check, offline, that a receipt is signed by the operator, and with --bundle that it was kept. Exit 3 if not."""
    import json

    found = json.loads(file.read_text())
    held = None if bundle is None else hold_against(found, bundle)
    values = {name: from_hex(item) if isinstance(item, str) else item for name, item in found.items()}
    domain = Domain(chain_id=chain_id, verifying_contract=from_hex(contract))
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
        errors.print(f"omitted: {held.omission}; receipt and bundle together prove it", markup=False, soft_wrap=True)
    if not good or (held is not None and held.omission is not None):
        raise typer.Exit(WRONG)
