"""Reading settings: file, environment and flags merged, every value traced to its source, every fault named at once."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_settings import EnvSettingsSource, TomlConfigSettingsSource
from pydantic_settings.exceptions import SettingsError

from domain.errors import DominoesError
from scripts.serving.settings import ENVIRONMENT_PREFIX, NESTED, Settings

DEFAULT, FILE, ENVIRONMENT, FLAG = "default", "file", "environment", "flag"
"""Where a value can come from; each later one outweighs those before it."""

Tree = dict[str, Any]
"""Settings of one source before they are read: groups by name, values by name within."""


class SettingsInvalid(DominoesError):
    """The settings can't be used; `findings` has one line for each fault."""

    code = "settings-invalid"

    def __init__(self, *, findings: Sequence[str]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(self.findings))


@dataclass(frozen=True)
class Shown:
    """One setting: its name as a flag takes it, its value with secrets masked, where it came from."""

    name: str
    value: str
    source: str


@dataclass(frozen=True)
class Loaded:
    """The settings, and the source of every value that is not a default."""

    settings: Settings
    origins: Mapping[str, str]

    def shown(self) -> list[Shown]:
        """All settings, in the order of their groups."""
        return [
            Shown(name=name, value=masked(value), source=self.origins.get(name, DEFAULT))
            for name, value in _leaves(self.settings)
        ]


def load(file: Path | None, *, flags: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> Loaded:
    """Read the settings; `flags` are `group.name=value`. Paths in the file are relative to it.

    Raises SettingsInvalid.
    """
    sources = {
        FILE: {} if file is None else _rooted(Settings, _read_file(file), file.resolve().parent),
        ENVIRONMENT: _read_environment(os.environ if environment is None else environment),
        FLAG: _read_flags(flags),
    }
    merged: Tree = {}
    origins: dict[str, str] = {}
    for source, tree in sources.items():
        _merge(merged, tree)
        origins |= dict.fromkeys(_paths(tree), source)
    try:
        settings = Settings(**merged)
    except ValidationError as error:
        raise SettingsInvalid(findings=_findings(error, origins)) from error
    return Loaded(settings=settings, origins=origins)


_SECRETS = (
    (re.compile(r"(?<=://)([^/@:]*):[^/\s]*@"), r"\1:***@"),
    (re.compile(r"(?<=://)[^/@:*]{24,}(?=@)"), "***"),
    (re.compile(r"(?<=/)[A-Za-z0-9_-]{24,}(?=$|[/?#])(?=[^.]*$)"), "***"),
    (re.compile(r"(?i)(password|token|secret|key)=[^&\s]+"), r"\1=***"),
)
"""Passwords in an address, tokens in the place of a user or a folder of it (as node providers give them out), and
parameters that are named after a secret; each with what is shown instead."""


def masked(value: object) -> str:
    """A value as it may be shown: passwords, tokens and keys within an address are not."""
    if value is None:
        return "not set"
    if isinstance(value, (list, tuple)):
        return ", ".join(masked(item) for item in value) or "none"
    if isinstance(value, BaseModel):
        return " ".join(f"{name}={masked(item)}" for name, item in value if item is not None)
    text = str(value)
    for secret, shown in _SECRETS:
        text = secret.sub(shown, text)
    return text


def _read_file(file: Path) -> Tree:
    try:
        return dict(TomlConfigSettingsSource(Settings, toml_file=file).toml_data) if file.is_file() else _absent(file)
    except tomllib.TOMLDecodeError as error:
        raise SettingsInvalid(findings=[f"{file}: {error}"]) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid(findings=[f"{file}: can't be read: {error}"]) from error


def _absent(file: Path) -> Tree:
    raise SettingsInvalid(findings=[f"{file}: there is no such file"])


def _read_environment(environment: Mapping[str, str]) -> Tree:
    ours = {name: value for name, value in environment.items() if name.startswith(ENVIRONMENT_PREFIX)}
    groups = {f"{ENVIRONMENT_PREFIX}{name.upper()}" for name in Settings.model_fields}
    unknown = [name for name in sorted(ours) if name.split(NESTED)[0].upper() not in groups]
    if unknown:
        raise SettingsInvalid(findings=[f"{name}: there is no setting of that name (environment)" for name in unknown])
    source = EnvSettingsSource(Settings, env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter=NESTED)
    source.env_vars = {name.lower(): value for name, value in ours.items()}
    try:
        return dict(source())
    except SettingsError as error:
        raise SettingsInvalid(findings=[f"{error} (environment)"]) from error


def _read_flags(flags: Sequence[str]) -> Tree:
    tree: Tree = {}
    for flag in flags:
        name, equals, value = flag.partition("=")
        if not equals or not name:
            raise SettingsInvalid(findings=[f"--set {flag}: write group.name=value"])
        *groups, last = name.split(".")
        place = tree
        for group in groups:
            place = place.setdefault(group, {})
        place[last] = value
    return tree


def _rooted(shape: type[BaseModel], tree: Tree, base: Path) -> Tree:
    """The same tree with the paths of a file made absolute, from the folder the file lies in."""
    found: Tree = {}
    for name, value in tree.items():
        field = shape.model_fields.get(name)
        annotation = None if field is None else field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel) and isinstance(value, dict):
            found[name] = _rooted(annotation, value, base)
        elif annotation in (Path, Path | None) and isinstance(value, str):
            found[name] = str(base / value)
        elif annotation == tuple[Path, ...] and isinstance(value, list):
            found[name] = [str(base / item) if isinstance(item, str) else item for item in value]
        else:
            found[name] = value
    return found


def _merge(into: Tree, tree: Tree) -> None:
    for name, value in tree.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = _copied(value)


def _copied(value: Any) -> Any:
    return {name: _copied(item) for name, item in value.items()} if isinstance(value, dict) else value


def _paths(tree: Tree, before: str = "") -> Iterator[str]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _paths(value, f"{before}{name}.")
        else:
            yield f"{before}{name}"


def _leaves(group: BaseModel, before: str = "") -> Iterator[tuple[str, object]]:
    for name, value in group:
        if isinstance(value, BaseModel):
            yield from _leaves(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


_FAULTS = {
    "extra_forbidden": "there is no setting of that name",
    "model_type": "is a group: name the setting within it",
    "tuple_type": "is a list of tables: write it in a file",
}
"""What is said instead of the library's words, which are about Python."""


def _about(path: str, name: str) -> bool:
    """Whether what is wrong with `name` came with what a source says of `path`: either may lie within the other."""
    return name == path or name.startswith(f"{path}.") or path.startswith(f"{name}.")


def _findings(error: ValidationError, origins: Mapping[str, str]) -> list[str]:
    """One line per fault: the setting, what is wrong with it, where it came from."""
    lines = []
    for fault in error.errors(include_url=False, include_input=False):
        name = ".".join(str(part) for part in fault["loc"])
        text = _FAULTS.get(fault["type"], fault["msg"])
        came = next((source for path, source in origins.items() if _about(path, name)), None)
        lines.append(f"{name}: {text}" + ("" if came is None else f" ({came})"))
    return lines
