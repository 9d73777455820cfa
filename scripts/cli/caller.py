"""Who a command acts for: a key of one's own at a service's address, or a key of the run in a state folder.

`acting` gives a command the options by which one says so; they are the same for all commands of all roles.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec, get_type_hints

import httpx
import typer

from contracts.keystore import read_key
from domain.eip712 import CONTRACT_OF, RECEIPT, Domain, Shape
from domain.errors import DominoesError
from domain.hashing import to_hex
from domain.signing import SigningKey
from scripts.cli.common import DEFAULT_STATE, errors, guarded, plain, show
from scripts.cli.receipts import ReceiptWrong, check_recorded
from scripts.serving.api_client import ApiClient, open_http
from scripts.serving.deployment_file import read_deployment_file
from scripts.serving.desk import anchored_domain, anchored_operators
from scripts.serving.embedded.keys import load_key
from scripts.serving.embedded.run_folder import DEPLOYMENT_FILE, KEYS_FOLDER, read_config
from scripts.serving.production.http import open_service
from scripts.serving.verifier_process import WRONG

OPERATOR = "operator"
"""Under which name a run keeps the operator's key."""

DEVICE_SUFFIX = "-orders"
"""A run keeps the key that signs a party's orders under the party's name and this."""

_P = ParamSpec("_P")


class NobodyNamed(DominoesError):
    """A command does not know for whom it acts, or was told twice."""

    code = "nobody-named"

    def __init__(self, *, wanted: str) -> None:
        self.wanted = wanted
        super().__init__(f"{wanted}; or name a key of the run in --state with --as")


@dataclass(frozen=True)
class Acting:
    """The options of whoever acts, one way or the other; nothing was read yet."""

    name: str | None
    state: Path
    keystore: Path | None
    password_file: Path | None
    device_keystore: Path | None
    device_password_file: Path | None
    url: str | None
    ca: Path | None
    anchors: Path | None

    def key(self) -> SigningKey:
        """The account's or organisation's own key, which logs in. Raises NobodyNamed, or what reading a key raises."""
        if self.name is not None:
            return load_key(self.state / KEYS_FOLDER, self.name)
        return _own_key(self.keystore, self.password_file, "--keystore and --password-file")

    def device(self) -> SigningKey:
        """The key that signs the party's orders. Raises as `key` does."""
        if self.name is not None:
            return load_key(self.state / KEYS_FOLDER, f"{self.name}{DEVICE_SUFFIX}")
        return _own_key(self.device_keystore, self.device_password_file, "--device-keystore and --device-password-file")

    def open(self) -> httpx.Client:
        """Connections to the service's API."""
        if self.url is None and self.name is None:
            raise NobodyNamed(wanted="give the address of the service's API with --url")
        url = self.url or read_config(self.state).service_url
        return open_http(url) if self.ca is None else open_service(url, ca=self.ca)

    def client(self, http: httpx.Client) -> ApiClient:
        """A client that logs in with the account's or organisation's key."""
        return ApiClient(http=http, key=self.key())

    def domain(self, shape: Shape) -> Domain:
        """Where a signature of this shape counts: by one's own trust anchors, or by the run's deployment file."""
        contract = CONTRACT_OF[shape.name]
        if self.anchors is not None:
            return anchored_domain(self.anchors, contract)
        if self.name is None:
            raise NobodyNamed(wanted="give your trust anchors (anchors.json) with --anchors")
        return read_deployment_file(self.state / DEPLOYMENT_FILE).domain(contract)

    def operators(self) -> frozenset[str]:
        """Whose signature makes a receipt: by one's own trust anchors, or the key of the run."""
        if self.anchors is not None:
            return anchored_operators(self.anchors)
        return frozenset({to_hex(load_key(self.state / KEYS_FOLDER, OPERATOR).address)})


def hand_in_receipted(who: Acting, client: ApiClient, path: str, body: Any, *, as_json: bool, title: str) -> None:
    """Hand in what is receipted, show the answer, and check its receipt. Exits with WRONG where that proves nothing.

    Without trust anchors nobody can say whose signature it is; the receipt can be held against them later.
    """
    known = who.anchors is not None or who.name is not None
    domain, operators = (who.domain(RECEIPT), who.operators()) if known else (None, frozenset[str]())
    done = client.hand_in(path, body)
    answer = {**done.answer, "repeated": done.repeated}
    try:
        checked = check_recorded(answer, body, domain=domain, operators=operators)
    except ReceiptWrong as error:
        show(answer, as_json=as_json, title=title)
        errors.print(plain(error), soft_wrap=True)
        raise typer.Exit(WRONG) from error
    show({**answer, "receipt_signature": checked}, as_json=as_json, title=title)


def _own_key(keystore: Path | None, password_file: Path | None, options: str) -> SigningKey:
    if keystore is None or password_file is None:
        raise NobodyNamed(wanted=f"give your own key with {options}")
    return read_key(keystore=keystore, password_file=password_file)


def _option(help_: str, *names: str, kind: type = Path, variable: str | None = None) -> Any:
    """The annotation of an option that may be missing; `variable` of the environment says it for all commands."""
    return Annotated[kind | None, typer.Option(*names, help=help_, envvar=variable)]


OPTIONS: dict[str, tuple[Any, Any]] = {
    "name": (_option("A key of the run in --state: prosumer, retailer, registrar …", "--as", kind=str), None),
    "state": (Annotated[Path, typer.Option("--state", help="State folder of the run that --as is of.")], DEFAULT_STATE),
    "keystore": (_option("Your own keystore, which logs in.", variable="DOMINOES_KEYSTORE"), None),
    "password_file": (_option("The file with its password.", variable="DOMINOES_PASSWORD_FILE"), None),
    "device_keystore": (_option("The keystore that signs your orders.", variable="DOMINOES_DEVICE_KEYSTORE"), None),
    "device_password_file": (
        _option("The file with that one's password.", variable="DOMINOES_DEVICE_PASSWORD_FILE"),
        None,
    ),
    "url": (_option("Base URL of the API.", kind=str, variable="DOMINOES_URL"), None),
    "ca": (_option("Certificates to trust instead of this system's.", variable="DOMINOES_CA"), None),
    "anchors": (_option("Your trust anchors: where signatures count.", variable="DOMINOES_ANCHORS"), None),
}
"""Annotation and default of each option, by the member of Acting that it fills."""


def acting(command: Callable[Concatenate[Acting, _P], None]) -> Callable[..., None]:
    """A command whose first parameter is who acts, made one with an option for each of its members, and guarded."""

    @functools.wraps(command)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> None:
        given: dict[str, Any] = {member: kwargs.pop(member) for member in OPTIONS}
        guarded(command)(Acting(**given), *args, **kwargs)

    hints = get_type_hints(command, include_extras=True)
    own = list(inspect.signature(command).parameters.values())[1:]
    named = [parameter.replace(annotation=hints[parameter.name]) for parameter in own]
    asked = [
        inspect.Parameter(member, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
        for member, (annotation, default) in OPTIONS.items()
    ]
    run.__signature__ = inspect.Signature([*named, *asked])  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in (*named, *asked)}
    return run
