"""Mandates on the command line: read from a file, shown in words, signed by the device, handed in by the account."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from contracts.keystore import read_key
from domain.eip712 import Domain
from domain.errors import DominoesError
from domain.hashing import to_hex
from domain.mandates import revocation_digest
from ledger_service.trading import SignedMandate
from scripts.cli.amounts import CT_PER_KWH_NEUR, mtu_in_words
from scripts.cli.common import JsonOption, console, errors, guarded, show, show_rows
from scripts.cli.sign import require_agreed, show_words
from scripts.serving.api_client import ApiClient, open_http
from scripts.serving.desk import anchored_domain

FileArgument = Annotated[Path, typer.Argument(help='A mandate as JSON: {"mandate": {…}}, as the API takes it.')]
KeystoreOption = Annotated[Path, typer.Option(help="The keystore of the device that signs the account's orders.")]
AccountOption = Annotated[Path, typer.Option("--keystore", help="The keystore of the account, which logs in.")]
PasswordOption = Annotated[Path, typer.Option(help="The file with its password.")]
AnchorsOption = Annotated[Path, typer.Option(help="Your trust anchors (anchors.json): where the signature counts.")]
ServiceOption = Annotated[str, typer.Option("--url", help="Base URL of the API.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

mandate_app = typer.Typer(
    help="Agents that trade for an account: let one, end it, see them. `dominoes sign mandate` shows and signs.",
    no_args_is_help=True,
)


class MandateUnreadable(DominoesError):
    """A file holds no mandate."""

    code = "mandate-unreadable"

    def __init__(self, *, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path} holds no mandate: {reason}; write it as POST /v1/mandates takes it")


def _read(file: Path) -> tuple[dict[str, Any], SignedMandate]:
    """The message in a file, and the mandate that it is; a signature that is still to be made may be missing."""
    try:
        message = json.loads(file.read_text(encoding="utf-8"))["mandate"]
        return message, SignedMandate.parse(message, signature="0x" + "00" * 65)
    except (OSError, ValueError, TypeError, KeyError, DominoesError) as error:
        raise MandateUnreadable(path=file, reason=str(error)) from error


def in_words(message: dict[str, Any]) -> dict[str, str]:
    """What a mandate allows, as people read it: prices in ct/kWh, energies in kWh, times in UTC."""

    def price(name: str) -> str:
        return f"{message[name] / CT_PER_KWH_NEUR:.4f} ct/kWh"

    def energy(of_mtu: str, of_day: str) -> str:
        return f"{message[of_mtu] / 1_000:.3f} kWh in 15 minutes, {message[of_day] / 1_000:.3f} kWh in a day"

    return {
        "agent": message["agent"],
        "may trade for": message["account"],
        "at": ", ".join(message["points"]) or "the transformer",
        "in": ", ".join(message["markets"]),
        "buys at most": f"{energy('mtuBuyWh', 'dayBuyWh')}, for {price('highestBuyNeurPerWh')} or less",
        "sells at most": f"{energy('mtuSellWh', 'daySellWh')}, for {price('lowestSellNeurPerWh')} or more",
        "a day is one in": message["zone"],
        "from": mtu_in_words(message["fromMtu"]),
        "until": f"{mtu_in_words(message['toMtu'])} excluded",
        "number": str(message["nonce"]),
    }


def _sign(
    file: Path,
    digest_of: Callable[[SignedMandate], bytes],
    *,
    keys: tuple[Path, Path],
    question: str,
    yes: bool,
    as_json: bool,
) -> str:
    """Show the mandate of a file, ask, and sign what `digest_of` makes of it."""
    message, signed = _read(file)
    out = errors if as_json else console
    show_words(out, question, in_words(message))
    keystore, password_file = keys
    key = read_key(keystore=keystore, password_file=password_file)
    require_agreed(out, "sign this?", yes=yes)
    return to_hex(key.sign(digest_of(signed)))


@guarded
def sign_mandate(
    file: FileArgument,
    keystore: KeystoreOption,
    password_file: PasswordOption,
    anchors: AnchorsOption,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show a mandate in plain words, sign it with the account's device key, and write the signature into the file."""
    domain = anchored_domain(anchors, "Market")
    signature = _sign(
        file,
        lambda signed: signed.mandate.digest(domain),
        keys=(keystore, password_file),
        question="a mandate, which lets this agent trade",
        yes=yes,
        as_json=as_json,
    )
    message, signed = _read(file)
    file.write_text(json.dumps({"mandate": message, "signature": signature}, indent=1) + "\n", encoding="utf-8")
    told = {"file": str(file), "mandate": to_hex(signed.mandate.tag(domain)), "signature": signature}
    show(told, as_json=as_json, title="signed")


@mandate_app.command("grant")
@guarded
def mandate_grant(
    file: FileArgument,
    keystore: AccountOption,
    password_file: PasswordOption,
    url: ServiceOption,
    as_json: JsonOption = False,
) -> None:
    """Hand a signed mandate in; keep the receipt: `--json` prints it as `dominoes receipt` reads it."""
    _read(file)
    body = json.loads(file.read_text(encoding="utf-8"))
    _hand_in("/v1/mandates", body, keys=(keystore, password_file), url=url, as_json=as_json, title="granted")


@mandate_app.command("revoke")
@guarded
def mandate_revoke(
    file: FileArgument,
    device: Annotated[Path, typer.Option("--device-keystore", help="The keystore of the device that signs.")],
    device_password_file: Annotated[Path, typer.Option(help="The file with the device's password.")],
    keystore: AccountOption,
    password_file: PasswordOption,
    anchors: AnchorsOption,
    url: ServiceOption,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show the mandate in a file, sign its end and hand it in; keep the receipt: nothing of the agent counts after."""
    domain = anchored_domain(anchors, "Market")
    signature = _sign(
        file,
        lambda signed: _end_of(signed, domain),
        keys=(device, device_password_file),
        question="the end of a mandate, by which this agent traded",
        yes=yes,
        as_json=as_json,
    )
    given = _read(file)[1].mandate
    named = {"account": given.account, "agent": given.agent, "mandate": to_hex(given.tag(domain))}
    body = {"revocation": named, "signature": signature}
    path = "/v1/mandates/revocations"
    _hand_in(path, body, keys=(keystore, password_file), url=url, as_json=as_json, title="revoked")


def _end_of(signed: SignedMandate, domain: Domain) -> bytes:
    given = signed.mandate
    return revocation_digest(domain=domain, account=given.account, agent=given.agent, mandate=given.tag(domain))


@mandate_app.command("list")
@guarded
def mandate_list(
    keystore: AccountOption, password_file: PasswordOption, url: ServiceOption, as_json: JsonOption = False
) -> None:
    """The mandates that an account gave, or, with an agent's keystore, those that it was given."""
    columns = ("tag", "account", "agent", "from_utc", "to_utc", "state", "revoked_at_utc")
    key = read_key(keystore=keystore, password_file=password_file)
    with open_http(url) as http:
        items = ApiClient(http=http, key=key).items("/v1/mandates")
    show_rows([{name: item[name] for name in columns} for item in items], as_json=as_json, title="mandates")


def _hand_in(path: str, body: Any, *, keys: tuple[Path, Path], url: str, as_json: bool, title: str) -> None:
    keystore, password_file = keys
    key = read_key(keystore=keystore, password_file=password_file)
    with open_http(url) as http:
        done = ApiClient(http=http, key=key).hand_in(path, body)
    show({**done.answer, "repeated": done.repeated}, as_json=as_json, title=title)
