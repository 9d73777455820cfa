"""Settings: which source wins, what is said of bad ones, what is never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.serving.needs import require
from scripts.serving.settings import DEFAULT_API_PORT, Settings
from scripts.serving.sources import DEFAULT, ENVIRONMENT, FILE, FLAG, SettingsInvalid, load

pytestmark = pytest.mark.unit

ADDRESSES = {name: f"0x{number:040x}" for number, name in enumerate(("op", "tr", "re", "s1", "s2", "dso", "a1", "a2"))}


def write(folder: Path, text: str) -> Path:
    path = folder / "settings.toml"
    path.write_text(text)
    return path


def findings(file: Path | None, **sources: object) -> list[str]:
    with pytest.raises(SettingsInvalid) as caught:
        load(file, **sources)  # type: ignore[arg-type]
    return list(caught.value.findings)


def organisations() -> str:
    rows = [
        ("op", "operator", ""),
        ("tr", "treasurer", ""),
        ("re", "registrar", ""),
        ("s1", "security_admin", ""),
        ("s2", "security_admin", ""),
        ("dso", "dso", 'area = "A"\n'),
        ("a1", "attester", 'area = "A"\n'),
        ("a2", "attester", 'area = "A"\n'),
    ]
    return "".join(
        f'[[organisations]]\nname = "{name}"\nrole = "{role}"\naddress = "{ADDRESSES[name]}"\n{area}'
        for name, role, area in rows
    )


def test_load__nothing_given__defaults() -> None:
    loaded = load(None, environment={})

    assert loaded.settings == Settings()
    assert {item.source for item in loaded.shown()} == {DEFAULT}


def test_load__same_setting_in_all_sources__flag_before_environment_before_file(tmp_path: Path) -> None:
    file = write(tmp_path, '[api]\nport = 1\nhost = "h"\naudience = "a"\n')
    environment = {"DOMINOES_API__PORT": "2", "DOMINOES_API__HOST": "127.0.0.2", "OTHER": "x"}

    loaded = load(file, environment=environment, flags=["api.port=3"])

    assert (loaded.settings.api.port, loaded.settings.api.host, loaded.settings.api.audience) == (3, "127.0.0.2", "a")
    sources = {item.name: item.source for item in loaded.shown()}
    assert sources["api.port"] == FLAG
    assert sources["api.host"] == ENVIRONMENT
    assert sources["api.audience"] == FILE
    assert sources["api.certificate"] == DEFAULT


def test_load__path_in_the_file__is_relative_to_the_file_and_a_flag_is_not(tmp_path: Path) -> None:
    file = write(tmp_path, '[keys]\noperator = "keys/op.json"\ntokens = "/abs/tokens.pem"\n')

    loaded = load(file, environment={}, flags=["keys.operator_password_file=here"]).settings.keys

    assert loaded.operator == tmp_path / "keys/op.json"
    assert loaded.tokens == Path("/abs/tokens.pem")
    assert loaded.operator_password_file == Path("here")


def test_load__paths_in_a_list__are_relative_to_the_file_too(tmp_path: Path) -> None:
    file = write(tmp_path, '[desk]\npolicies = ["one.json", "/abs/two.json"]\n')

    assert load(file, environment={}).settings.desk.policies == (tmp_path / "one.json", Path("/abs/two.json"))


@pytest.mark.parametrize("written", ["10.0.0.1, ::1", '["10.0.0.1", "::1"]'])
def test_load__list_in_a_flag_or_the_environment__as_array_or_between_commas(written: str) -> None:
    by_flag = load(None, environment={}, flags=[f"api.trusted_proxies={written}"])
    by_environment = load(None, environment={"DOMINOES_API__TRUSTED_PROXIES": written})

    assert by_flag.settings.api.trusted_proxies == by_environment.settings.api.trusted_proxies == ("10.0.0.1", "::1")


def test_load__several_faults__one_line_each_with_its_source(tmp_path: Path) -> None:
    file = write(tmp_path, '[api]\nport = 99999\ncolour = "red"\n[chain]\nprofile = "proof-of-hope"\n')

    found = findings(file, environment={"DOMINOES_CLOCK__SPEED": "fast"})

    assert len(found) == 4
    assert [line for line in found if line.startswith("api.port: ") and line.endswith("(file)")]
    assert "api.colour: there is no setting of that name (file)" in found
    assert [line for line in found if line.startswith("clock.speed: ") and line.endswith("(environment)")]
    assert [line for line in found if line.startswith("chain.profile: ")]


@pytest.mark.parametrize(
    ("text", "flags", "environment", "expected"),
    [
        ("[api\n", [], {}, "settings.toml: "),
        ("", ["api.port"], {}, "--set api.port: write group.name=value"),
        ("", ["api=1"], {}, "api: is a group: name the setting within it (flag)"),
        ("", ["api.port.x=1"], {}, "api.port: Input should be a valid integer (flag)"),
        ("", ["organisations=x"], {}, "organisations: is a list of tables: write it in a file (flag)"),
        (
            "",
            [],
            {"DOMINOES_ORGANISATIONS": "1"},
            "is a list of tables: write it in a file (environment)",
        ),
        ("", [], {"DOMINOES_API__ORIGINS": "[1"}, "api.origins: Value error, no JSON array: "),
        ("[api]\nport = true\n", [], {}, "api.port: Value error, no setting is true or false (file)"),
        ("", ["apis.port=1"], {}, "apis: there is no setting of that name"),
        ("", [], {"DOMINOES_APIS__PORT": "1"}, "DOMINOES_APIS__PORT: there is no setting of that name"),
        ("", [], {"DOMINOES_API__COLOUR": "1"}, "api.colour: there is no setting of that name"),
        ('[api]\ntrusted_proxies = ["proxy"]\n', [], {}, "api.trusted_proxies: "),
        ('[desk]\nzone = "Europe/Atlantis"\n', [], {}, "desk.zone: "),
        ('[desk]\n[[desk.markets]]\nmarket = "M"\ngates_local = ["25:00"]\n', [], {}, "desk.markets.0.gates_local.0: "),
        ('[[organisations]]\nname = "x"\nrole = "dso"\naddress = "0x1"\n', [], {}, "organisations.0.address: "),
    ],
)
def test_load__bad_source__says_where(
    tmp_path: Path, text: str, flags: list[str], environment: dict[str, str], expected: str
) -> None:
    found = findings(write(tmp_path, text), flags=flags, environment=environment)

    assert len(found) == 1 and expected in found[0]


def test_load__no_file__says_so(tmp_path: Path) -> None:
    assert findings(tmp_path / "none.toml", environment={}) == [f"{tmp_path / 'none.toml'}: there is no such file"]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://dominoes:secret@db/dominoes", "postgresql://dominoes:***@db/dominoes"),
        ("postgresql://dominoes@db/dominoes?password=secret", "postgresql://dominoes@db/dominoes?password=***"),
        ("postgresql://dominoes@/dominoes?host=/run", "postgresql://dominoes@/dominoes?host=/run"),
        ("postgresql://dominoes:p@ss:w@db/dominoes", "postgresql://dominoes:***@db/dominoes"),
        ("https://node.example/v3/0123456789abcdef0123456789abcdef", "https://node.example/v3/***"),
        ("https://0123456789abcdef0123456789abcdef@node.example/", "https://***@node.example/"),
        ("sqlite:////var/lib/dominoes/a-name-of-more-than-24-characters.sqlite",) * 2,
    ],
)
def test_shown__password_in_an_address__masked(url: str, shown: str) -> None:
    loaded = load(None, environment={"DOMINOES_DATABASE__URL": url})

    assert {item.name: item.value for item in loaded.shown()}["database.url"] == shown


def service(tmp_path: Path, extra: str = "") -> Settings:
    for name in ("op.json", "op.txt", "cert.pem", "key.pem", "deployment.json"):
        (tmp_path / name).write_text("x")
        (tmp_path / name).chmod(0o600)
    text = (
        '[database]\nurl = "postgresql:///d"\n[chain]\nrpc_url = "http://n"\ndeployment_file = "deployment.json"\n'
        '[keys]\noperator = "op.json"\noperator_password_file = "op.txt"\ntokens = "tokens.pem"\n'
        f'auditor_seal = "{"5a" * 32}"\n'
    )
    return load(write(tmp_path, text + extra + organisations()), environment={}).settings


def test_require__complete_service__passes(tmp_path: Path) -> None:
    settings = service(tmp_path)

    require(settings, "service")

    assert settings.api.port == DEFAULT_API_PORT


@pytest.mark.parametrize(
    ("api", "refused"),
    [
        ('host = "0.0.0.0"\n', "plain HTTP beyond this machine"),
        ('host = "10.0.0.5"\ncertificate = "cert.pem"\n', "needs both"),
        ('certificate = "none.pem"\nkey = "key.pem"\n', "no file that can be read"),
        ('host = "0.0.0.0"\ncertificate = "cert.pem"\nkey = "key.pem"\n', None),
        ('host = "10.0.0.5"\ntrusted_proxies = ["10.0.0.1"]\n', None),
        ('host = "::1"\n', None),
        ('host = "localhost"\n', None),
    ],
)
def test_require__where_the_api_listens__plain_http_on_loopback_or_behind_a_named_proxy_only(
    tmp_path: Path, api: str, refused: str | None
) -> None:
    settings = service(tmp_path, f"[api]\n{api}")

    if refused is None:
        require(settings, "service")
        return
    with pytest.raises(SettingsInvalid) as caught:
        require(settings, "service")
    assert len(caught.value.findings) == 1 and refused in caught.value.findings[0]


def test_require__empty_settings__names_everything_that_is_missing() -> None:
    with pytest.raises(SettingsInvalid) as caught:
        require(Settings(), "attester")

    assert [line.split(":")[0] for line in caught.value.findings] == [
        "attester.name",
        "attester.area",
        "attester.store",
        "attester.keystore",
        "attester.password_file",
        "attester.service_url",
        "chain.rpc_url",
        "chain.deployment_file",
        "mqtt.host",
    ]


@pytest.mark.parametrize(
    "key", ["attester.keystore", "signer.keystore", "desk.keystore", "deployment.key", "signer.password_file"]
)
def test_require__service_told_of_another_partys_key__refused(tmp_path: Path, key: str) -> None:
    service(tmp_path)
    loaded = load(tmp_path / "settings.toml", environment={}, flags=[f"{key}=of-another.json"])

    for process in ("service", "broker"):
        with pytest.raises(SettingsInvalid) as caught:
            require(loaded.settings, process, files=False)  # type: ignore[arg-type]
        assert [line for line in caught.value.findings if line.startswith(f"{key}: another party's key")]


@pytest.mark.parametrize("process", ["attester", "signer", "desk", "deploy"])
def test_require__party_told_of_the_operators_key__refused(process: str) -> None:
    settings = load(None, environment={}, flags=["keys.operator=operator.json"]).settings

    with pytest.raises(SettingsInvalid) as caught:
        require(settings, process, files=False)  # type: ignore[arg-type]

    assert [line for line in caught.value.findings if line.startswith("keys.operator: another party's key")]


def test_require__key_that_everybody_may_read__refused(tmp_path: Path) -> None:
    settings = service(tmp_path)
    (tmp_path / "op.json").chmod(0o644)

    with pytest.raises(SettingsInvalid, match="chmod 600"):
        require(settings, "service")


def test_require__desk_without_a_market__says_so() -> None:
    with pytest.raises(SettingsInvalid) as caught:
        require(load(None, environment={}, flags=["desk.area=A"]).settings, "desk", files=False)

    assert [line.split(":")[0] for line in caught.value.findings] == [
        "desk.keystore",
        "desk.password_file",
        "desk.service_url",
        "desk.anchors",
        "desk.grid_model",
        "desk.markets",
    ]


def test_require__organisations_that_share_a_key_or_lack_an_area__each_named(tmp_path: Path) -> None:
    text = organisations().replace(ADDRESSES["a2"], ADDRESSES["a1"]).replace('role = "dso"', 'role = "auditor"')

    with pytest.raises(SettingsInvalid) as caught:
        require(load(write(tmp_path, text), environment={}).settings, "deploy", files=False)

    faults = [line for line in caught.value.findings if line.startswith("organisations: ")]
    assert faults == [
        "organisations: 0 of role dso, at least 1 needed",
        "organisations: dso: a auditor has no area",
        "organisations: a2 and a1 have the same address",
    ]
