"""The settings of every process, one object: file (TOML), then environment `DOMINOES_<GROUP>__<NAME>`, then flags.

Each default is a constant here with a sentence. A process reads the groups it needs; `scripts.serving.needs` says
which, and `dominoes config check` tells what is missing or wrong.
"""

from __future__ import annotations

import json
import re
from datetime import date
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from domain.mtu import is_zone

ENVIRONMENT_PREFIX = "DOMINOES_"
"""What the names of our environment variables begin with."""

NESTED = "__"
"""Between group and name in the environment: DOMINOES_API__PORT."""

DEFAULT_STATE = Path("state")
"""Folder of what a process keeps beside its database: bundles in the making, the key of access tokens."""

DEFAULT_API_HOST = "127.0.0.1"
"""Loopback, so that nothing is open to the world before somebody says so."""

DEFAULT_API_PORT = 8443
"""Where the API answers in production; unprivileged, so that no process needs to be root."""

DEFAULT_AUDIENCE = "dominoes-wallet-api"
"""`aud` of access tokens and the name shown in login texts."""

DEFAULT_MQTT_PORT = 8883
"""The registered port of MQTT over TLS."""

DEFAULT_SPEED = 1
"""Market seconds per second of block time; anything else is for tests and demos."""

DEFAULT_THRESHOLD = 2
"""Attesters that must agree: with three organisations one may be away or lie."""

DEFAULT_DELAY_SECONDS = 172_800
"""Two days between a proposed change of roles and its effect, for others to see it and object."""

DEFAULT_PAUSE_SECONDS = 604_800
"""Longest pause, a week: no emergency measure lasts without end."""

DEFAULT_COOL_DOWN_SECONDS = 1_209_600
"""Two weeks between two pauses, so that pauses can't be chained."""

DEFAULT_CHALLENGE_SECONDS = 259_200
"""Three days to object before credited money may leave: longer than a change of roles and a correction take."""

DEFAULT_CHANGE_SECONDS = 345_600
"""Four days before an account's area changes, longer than the challenge window, for its holder to object."""

DEFAULT_PAGE_SECONDS = 21_600
"""Six hours to bring the pages of a large settlement on chain: with a change of roles, less than the challenge."""

DEFAULT_CUT_OFF_SECONDS = 300
"""Market seconds after an MTU's end until its readings are proposed: meters report within minutes."""

DEFAULT_PROPOSER_TIMEOUT_SECONDS = 20.0
"""Wall seconds before the next attester takes a proposal over."""

DEFAULT_POLL_SECONDS = 0.25
"""Wall seconds between an attester's questions for market time."""

DEFAULT_REGISTRY_SECONDS = 5.0
"""Wall seconds between an attester's questions for the registry and for terms."""

DEFAULT_SETTLEMENT_SECONDS = 1.0
"""Wall seconds between an attester's questions for settlements to sign."""

DEFAULT_FOLLOW_SECONDS = 1.0
"""Wall seconds between a signer's questions for calls of its role."""

DEFAULT_GRID = "1-LV-semiurb4--2-sw"
"""The demo's grid: the smallest simbench one whose own PV systems meet its limits."""

DEFAULT_DEMO_DAY = date(2016, 6, 15)
"""The demo's first day: a summer day of the one year that simbench has profiles of."""

DEFAULT_PV = 1.0
"""Factor on the generation that a demo grid comes with: as it is."""

DEFAULT_DEMO_PORT = 8080
"""Where the API of `make run` answers, on loopback and in plain HTTP."""

DEFAULT_SECONDS_PER_MTU = 1.0
"""Wall seconds per quarter hour of `make run`: a day in a minute and a half."""

DEFAULT_ZONE = "Europe/Berlin"
"""Zone of gates and local days: that of simbench's areas."""

DEFAULT_LOT_WH = 10
"""Wh of one lot: what a household draws in an MTU is some tens of them."""

DEFAULT_TICK_NEUR_PER_WH = 100
"""Steps of prices: 0.01 ct/kWh."""

DEFAULT_GATE_LOCAL = "12:00"
"""Local time of the day-ahead gate, as in European market coupling."""

DEFAULT_GRACE_SECONDS = 1_800
"""Half an hour from the gate until the books must be on chain."""

DEFAULT_SIGN_SECONDS = 7_200
"""Two hours from the gate for the DSO to look at the program and sign it."""

DEFAULT_CLEAR_SECONDS = 14_400
"""Four hours from the gate until what is not cleared is void: well before the first delivery."""

DEFAULT_ATTEST_SECONDS = 7_200
"""Two hours from an MTU's end until it may be marked Unread."""

DEFAULT_HORIZON_SECONDS = 7 * 86_400
"""A week in which late readings still correct a settlement."""

DEFAULT_DEMO_CHALLENGE_SECONDS = 3_600
"""An hour to object in the demo, so that money can leave on the same day."""


def _address(text: str) -> str:
    if re.fullmatch(r"0x[0-9a-fA-F]{40}", text) is None:
        raise ValueError("no address: 0x and 40 hex digits")
    return text.lower()


Address = Annotated[str, AfterValidator(_address)]
"""A 20-byte address as 0x hex."""


def _zone(text: str) -> str:
    if not is_zone(text):
        raise ValueError(f"no time zone of the IANA database: {text!r}")
    return text


Zone = Annotated[str, AfterValidator(_zone)]
"""A zone of the IANA database."""

RoleName = Literal["operator", "dso", "attester", "treasurer", "registrar", "security_admin", "auditor"]
"""Roles of organisations; households and retailers are participants, registered over the API."""

LocalTime = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
"""HH:MM in the area's zone."""


def _texts(value: object) -> object:
    """A list as flags and the environment write one: a JSON array, or texts between commas."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except ValueError as error:
            raise ValueError(f"no JSON array: {error}") from error
    return [part.strip() for part in value.split(",") if part.strip()]


Texts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_texts)]
"""Several texts: an array in the file; in flags and the environment also `a,b`."""

Port = Annotated[int, Field(ge=1, le=65_535)]
Seconds = Annotated[int, Field(ge=1)]
WallSeconds = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """A table of the file: unknown names are errors, nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_flag(cls, value: object) -> object:
        """None of our settings is a yes or no, and `true` would pass for the number 1."""
        if isinstance(value, bool):
            raise ValueError("no setting is true or false")
        return value


class DatabaseSection(Section):
    """Where the record lies."""

    url: str | None = None
    """`postgresql://…` in production, `sqlite:///path` on one machine; keep the password in a PGPASSFILE."""


class ChainSection(Section):
    """The chain and the node of one's own choice."""

    rpc_url: str | None = None
    """JSON-RPC of the node: one's own, on the same host or over a private network."""
    profile: Literal["qbft", "clique", "ganache"] = "qbft"
    """What kind of chain it is: when a block is final and what gas costs."""
    deployment_file: Path | None = None
    """The contracts to work with: written by `dominoes deploy`, handed to everybody."""


class ClockSection(Section):
    """How market time runs; fixed at deployment and read from the chain afterwards."""

    speed: Annotated[int, Field(ge=1, le=86_400)] = DEFAULT_SPEED
    origin_seconds: int | None = None
    """Market time of the deployment's block, unix seconds; None: block time itself, as in production."""


class DeploymentSection(Section):
    """What the constructors of the contracts fix."""

    key: Path | None = None
    """Keystore of the deployer; it has no right once the contracts stand."""
    password_file: Path | None = None
    attester_threshold: Annotated[int, Field(ge=1)] = DEFAULT_THRESHOLD
    delay_seconds: Seconds = DEFAULT_DELAY_SECONDS
    pause_seconds: Seconds = DEFAULT_PAUSE_SECONDS
    cool_down_seconds: Seconds = DEFAULT_COOL_DOWN_SECONDS
    challenge_seconds: Seconds = DEFAULT_CHALLENGE_SECONDS
    page_seconds: Seconds = DEFAULT_PAGE_SECONDS
    change_seconds: Seconds = DEFAULT_CHANGE_SECONDS
    predecessor: Path | None = None
    """Deployment file of the contracts that this deployment takes over from."""


class MqttSection(Section):
    """The broker, and how one shows there who one is."""

    host: str | None = None
    port: Port = DEFAULT_MQTT_PORT
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


class ApiSection(Section):
    """Where the API listens, and how it is known."""

    host: str = DEFAULT_API_HOST
    port: Port = DEFAULT_API_PORT
    certificate: Path | None = None
    """PEM with the certificate chain; with `key`, the service ends TLS itself (1.2 or later)."""
    key: Path | None = None
    trusted_proxies: Texts = ()
    """Addresses or networks of proxies that end TLS; forwarded headers count from them only."""
    origins: Texts = ()
    """Origins (`https://…`) whose pages may read answers in a browser (CORS)."""
    audience: str = DEFAULT_AUDIENCE

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            ip_network(text)
        return value


class KeySection(Section):
    """The operator's own keys. No key of another party belongs here."""

    operator: Path | None = None
    """Keystore v3 of the key that signs receipts and sends the operator's transactions."""
    operator_password_file: Path | None = None
    tokens: Path | None = None
    """PEM of the key that signs access tokens; made on first use."""
    auditor_seal: str | None = None
    """X25519 public key (hex) of the auditor, to which auditor bundles are sealed."""


class CalendarSection(Section):
    """Which local days are traded."""

    first_day: date | None = None
    """None: the next day whose gates are still open when an area is defined."""
    last_day: date | None = None
    """None: the market goes on."""


class OrganisationSection(Section):
    """A key that names an organisation: public, the same in everybody's file."""

    name: str
    role: RoleName
    address: Address
    area: str | None = None
    """The area a DSO's or an attester's key is for."""


class AreaSection(Section):
    """What all parties agreed on of an area beside its grid: public, the same in everybody's file."""

    area: str
    zone: Zone = DEFAULT_ZONE
    dso_account: Address
    """The account that grid fees go to, as the DSO registers it."""
    tax_account: Address
    """The account that levies and taxes go to."""


class AttesterSection(Section):
    """One attester: an organisation of its own, with its own key, store and node."""

    name: str | None = None
    area: str | None = None
    store: Path | None = None
    keystore: Path | None = None
    password_file: Path | None = None
    service_url: str | None = None
    service_ca: Path | None = None
    """Certificate authority of the service's API, where it is no public one."""
    cut_off_seconds: Annotated[int, Field(ge=0)] = DEFAULT_CUT_OFF_SECONDS
    proposer_timeout_seconds: WallSeconds = DEFAULT_PROPOSER_TIMEOUT_SECONDS
    poll_seconds: WallSeconds = DEFAULT_POLL_SECONDS
    registry_seconds: WallSeconds = DEFAULT_REGISTRY_SECONDS
    settlement_seconds: WallSeconds = DEFAULT_SETTLEMENT_SECONDS


class SignerSection(Section):
    """An organisation that signs the transactions of its role itself."""

    role: Literal["registrar", "treasurer"] | None = None
    keystore: Path | None = None
    password_file: Path | None = None
    service_url: str | None = None
    service_ca: Path | None = None
    approve: Texts = ()
    """Functions signed without asking, as `Calendar.createArea`; all others wait for `dominoes signer sign`."""
    follow_seconds: WallSeconds = DEFAULT_FOLLOW_SECONDS


class DeskMarketSection(Section):
    """A market's rules as the DSO knows them: from the registrar's publication, not from who asks it to sign."""

    market: str
    lot_wh: Annotated[int, Field(ge=1)] = DEFAULT_LOT_WH
    gates_local: tuple[LocalTime, ...] = (DEFAULT_GATE_LOCAL,)
    sign_seconds: Seconds = DEFAULT_SIGN_SECONDS


class DeskSection(Section):
    """The DSO's desk (`dominoes sign`): its key, its grid model, and what it holds a program against."""

    keystore: Path | None = None
    password_file: Path | None = None
    service_url: str | None = None
    service_ca: Path | None = None
    area: str | None = None
    zone: Zone = DEFAULT_ZONE
    anchors: Path | None = None
    """Trust anchors (`anchors.json`): the contracts that the signature is for, and the grid model of the area."""
    grid_model: Path | None = None
    """The DSO's own grid model (JSON)."""
    policies: tuple[Path, ...] = ()
    """The versions of the signing policy that the DSO published (JSON, as `dominoes sign term` wrote them)."""
    markets: tuple[DeskMarketSection, ...] = ()


class DemoSection(Section):
    """The embedded demo: whose grid, which day, how fast, and the design of its market."""

    grid: str = DEFAULT_GRID
    first_day: date = DEFAULT_DEMO_DAY
    pv: Annotated[float, Field(ge=0, allow_inf_nan=False)] = DEFAULT_PV
    port: Port = DEFAULT_DEMO_PORT
    seconds_per_mtu: Annotated[float, Field(ge=0, allow_inf_nan=False)] = DEFAULT_SECONDS_PER_MTU
    lot_wh: Annotated[int, Field(ge=1)] = DEFAULT_LOT_WH
    tick_neur_per_wh: Annotated[int, Field(ge=1)] = DEFAULT_TICK_NEUR_PER_WH
    gate_local: LocalTime = DEFAULT_GATE_LOCAL
    second_auction_gate_local: LocalTime | None = None
    """Gate of a second auction, in which people correct what the first one left them with; None: there is none."""
    second_session_gate_local: LocalTime | None = None
    """Gate of a second session of the auction, over the same MTUs; None: there is none."""
    grace_seconds: Seconds = DEFAULT_GRACE_SECONDS
    sign_seconds: Seconds = DEFAULT_SIGN_SECONDS
    clear_seconds: Seconds = DEFAULT_CLEAR_SECONDS
    attest_seconds: Seconds = DEFAULT_ATTEST_SECONDS
    horizon_seconds: Seconds = DEFAULT_HORIZON_SECONDS
    challenge_seconds: Seconds = DEFAULT_DEMO_CHALLENGE_SECONDS


class Settings(BaseSettings):
    """All settings. Make one with `scripts.serving.sources.load`; read it, never the environment."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_prefix=ENVIRONMENT_PREFIX)

    state: Path = DEFAULT_STATE
    database: DatabaseSection = DatabaseSection()
    chain: ChainSection = ChainSection()
    clock: ClockSection = ClockSection()
    deployment: DeploymentSection = DeploymentSection()
    mqtt: MqttSection = MqttSection()
    api: ApiSection = ApiSection()
    keys: KeySection = KeySection()
    calendar: CalendarSection = CalendarSection()
    organisations: tuple[OrganisationSection, ...] = ()
    areas: tuple[AreaSection, ...] = ()
    attester: AttesterSection = AttesterSection()
    signer: SignerSection = SignerSection()
    desk: DeskSection = DeskSection()
    demo: DemoSection = DemoSection()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load` merged: it also has to say where each value came from."""
        return (init_settings,)
