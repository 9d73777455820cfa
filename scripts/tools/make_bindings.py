"""Write `contracts/bindings/`: one Python class per contract, one documented method per function of its ABI,
and one dataclass per struct and event.

`python -m scripts.tools.make_bindings` rewrites the folder from the compiler's output, so that names, types and
comments are those of the Solidity interfaces; a test shows that the sources still give it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contracts.artifacts import CONTRACT_NAMES
from contracts.compile import compile_sources
from contracts.naming import snake

BINDINGS_FOLDER = Path(__file__).parents[2] / "contracts" / "bindings"
"""Where the bindings lie, beside the hand-written `base.py`."""

WIDTH = 118
"""Longest comment line."""

HEADER = '"""{title}.\n\nMade from {source} by `python -m scripts.tools.make_bindings`; do not edit.\n"""'


def python_type(parameter: Mapping[str, Any]) -> str:
    """The Python type of an ABI parameter."""
    kind = str(parameter["type"])
    if kind.endswith("]"):
        inner = {**parameter, "type": kind.rsplit("[", 1)[0], "internalType": _inner(parameter)}
        return f"Sequence[{python_type(inner)}]"
    if kind == "tuple":
        return struct_name(parameter)
    if kind in ("string", "bool"):
        return {"string": "str", "bool": "bool"}[kind]
    return "int" if kind.startswith(("uint", "int")) else "bytes"


def _inner(parameter: Mapping[str, Any]) -> str:
    return str(parameter.get("internalType", "")).rsplit("[", 1)[0]


def struct_name(parameter: Mapping[str, Any]) -> str:
    """Name of the dataclass of a struct."""
    return str(parameter["internalType"]).removeprefix("struct ").rsplit(".", 1)[-1].split("[")[0]


def structs_of(entries: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Every struct that functions take or give and events hold, inner ones first."""
    found: dict[str, Mapping[str, Any]] = {}

    def visit(parameter: Mapping[str, Any]) -> None:
        for component in parameter.get("components", ()):
            visit(component)
        if str(parameter["type"]).startswith("tuple"):
            found.setdefault(struct_name(parameter), parameter)

    for entry in entries:
        if entry["type"] == "function":
            for parameter in (*entry["inputs"], *entry["outputs"]):
                visit(parameter)
        if entry["type"] == "event":
            for parameter in entry["inputs"]:
                visit(parameter)
    return found


def _comment(text: str, *, indent: str) -> list[str]:
    body = re.sub(r"\.(?=[A-Z])", ". ", text.replace("\\", "\\\\").strip())
    lines = textwrap.wrap(body, WIDTH - len(indent) - 6, break_long_words=False) or ["(no comment)"]
    if len(lines) == 1:
        return [f'{indent}"""{lines[0]}"""']
    return [f'{indent}"""{lines[0]}', *(f"{indent}{line}" for line in lines[1:]), f'{indent}"""']


def _documentation(output: Mapping[str, Any], signature: str) -> str:
    user = output.get("userdoc", {}).get("methods", {}).get(signature, {}).get("notice", "")
    developer = output.get("devdoc", {}).get("methods", {}).get(signature, {})
    known = [f"`{snake(name)}`: {text}." for name, text in developer.get("params", {}).items()]
    given = [
        f"Returns {text if name == '_0' else f'{snake(name)}: {text}'}."
        for name, text in developer.get("returns", {}).items()
    ]
    return " ".join(part.replace("..", ".") for part in (user, *known, *given) if part)


def _struct(name: str, parameter: Mapping[str, Any]) -> list[str]:
    lines = [
        "@dataclass(frozen=True, slots=True)",
        f"class {name}(Struct):",
        f'    """`{name}` of the interface."""',
        "",
    ]
    return [*lines, *(f"    {snake(part['name'])}: {python_type(part)}" for part in parameter["components"]), "", ""]


def _event(contract: str, entry: Mapping[str, Any], *, comment: str) -> list[str]:
    lines = ["@dataclass(frozen=True, slots=True)", f"class {entry['name']}(Event):"]
    lines += [
        *_comment(comment, indent="    "),
        "",
        f'    CONTRACT = "{contract}"',
        f'    NAME = "{entry["name"]}"',
        "",
    ]
    return [*lines, *(f"    {snake(part['name'])}: {python_type(part)}" for part in entry["inputs"]), "", ""]


def events_of(output: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The events of an interface, by name."""
    return sorted((entry for entry in output["abi"] if entry["type"] == "event"), key=lambda entry: entry["name"])


def _event_documentation(interface: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    signature = f"{entry['name']}({','.join(_abi_type(part) for part in entry['inputs'])})"
    user = interface.get("userdoc", {}).get("events", {}).get(signature, {}).get("notice", "")
    known = interface.get("devdoc", {}).get("events", {}).get(signature, {}).get("params", {})
    parts = (user, *(f"`{snake(name)}`: {text}." for name, text in known.items()))
    return " ".join(part.replace("..", ".") for part in parts if part) or f"`{entry['name']}` of the interface."


def _method(entry: Mapping[str, Any], *, comment: str) -> list[str]:
    name = entry["name"]
    arguments = [
        (snake(part["name"]) or f"argument_{at}", python_type(part)) for at, part in enumerate(entry["inputs"])
    ]
    reads = entry["stateMutability"] in ("view", "pure")
    signature = ", ".join(f"{argument}: {kind}" for argument, kind in arguments)
    values = ", ".join(argument for argument, _ in arguments)
    if not reads:
        star = f", *, {signature}" if arguments else ""
        body = [f'        return cls._call("{name}", [{values}])']
        head = ["    @classmethod", f"    def {snake(name)}(cls{star}) -> Call:"]
        return [*head, *_comment(comment, indent=" " * 8), *body, ""]
    star = f", *, {signature}, block: Block = LATEST" if arguments else ", *, block: Block = LATEST"
    answer, reader = _answer(entry)
    body = [f'        return {reader.format(f"""self._read("{name}", [{values}], block=block)""")}']
    return [f"    def {snake(name)}(self{star}) -> {answer}:", *_comment(comment, indent=" " * 8), *body, ""]


def _answer(entry: Mapping[str, Any]) -> tuple[str, str]:
    outputs = entry["outputs"]
    if not outputs:
        return "None", "none({})"
    if len(outputs) > 1:
        kinds = ", ".join(python_type(part) for part in outputs)
        return f"tuple[{kinds}]", f"cast('tuple[{kinds}]', members({{}}, {[part['type'] for part in outputs]!r}))"
    kind = python_type(outputs[0])
    if outputs[0]["type"] == "tuple":
        return kind, f"{kind}.read({{}})"
    return kind, {"int": "int({})", "bytes": "as_bytes({})", "bool": "bool({})", "str": "str({})"}[kind]


def module_text(name: str, outputs: Mapping[str, Mapping[str, Any]]) -> str:
    """The module of one contract."""
    output, interface = outputs[name], outputs[f"I{name}"]
    entries = sorted((entry for entry in output["abi"] if entry["type"] == "function"), key=lambda entry: entry["name"])
    events = events_of(interface)
    structs = structs_of([*entries, *events])
    notice = interface.get("userdoc", {}).get("notice", "")
    title = interface.get("devdoc", {}).get("title", name)
    lines = [HEADER.format(title=title, source=interface["source"]), ""]
    lines += ["from __future__ import annotations", "", "from collections.abc import Sequence"]
    lines += ["from dataclasses import dataclass", "from typing import cast", ""]
    lines += ["from contracts.bindings.base import LATEST, Binding, Block, Call, Event, Struct, members, none"]
    lines += ["from contracts.rpc import as_bytes", "", ""]
    for struct, parameter in structs.items():
        lines += _struct(struct, parameter)
    for event in events:
        lines += _event(name, event, comment=_event_documentation(interface, event))
    lines += [f"class {name}(Binding):", *_comment(notice, indent="    "), "", f'    contract = "{name}"', ""]
    for entry in entries:
        kinds = ",".join(_abi_type(part) for part in entry["inputs"])
        signature = f"{entry['name']}({kinds})"
        lines += _method(entry, comment=_documentation(interface, signature) or _documentation(output, signature))
    return "\n".join(lines).rstrip() + "\n"


def _abi_type(parameter: Mapping[str, Any]) -> str:
    kind = str(parameter["type"])
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(_abi_type(part) for part in parameter['components'])}){kind.removeprefix('tuple')}"


def modules(outputs: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """File name and formatted text of each binding, from the compiler's output by contract name."""
    texts = {f"{snake(name)}.py": formatted(module_text(name, outputs)) for name in CONTRACT_NAMES}
    texts["__init__.py"] = formatted(_package_text(outputs))
    return texts


PACKAGE = '''"""One Python class per contract of the ledger; made by `python -m scripts.tools.make_bindings`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from contracts.bindings.base import Call, Event
{imports}
from domain.facts import ChainEvent

__all__ = [
{names}
]

T = TypeVar("T", bound=Event)


def read_events(recorded: Iterable[ChainEvent], *kinds: type[T]) -> Iterator[T]:
    """The events of these classes that a `chain.included` fact holds, in their order."""
    wanted = {{(kind.CONTRACT, kind.NAME): kind for kind in kinds}}
    for item in recorded:
        kind = wanted.get((item.contract, item.event))
        if kind is not None:
            yield kind.read(item.args.value)
'''


def _package_text(outputs: Mapping[str, Mapping[str, Any]]) -> str:
    """The package's own module: the contracts, and how recorded events are read."""
    names = sorted(CONTRACT_NAMES)
    imports = [f"from contracts.bindings.{snake(name)} import {name}" for name in names]
    exported = sorted([*names, "Call", "Event", "read_events"])
    return PACKAGE.format(
        imports="\n".join(imports),
        names="\n".join(f'    "{name}",' for name in exported),
    )


def formatted(text: str) -> str:
    """The text in the project's format, without unused imports."""
    ruff = Path(sys.executable).with_name("ruff")
    fixed = subprocess.run(
        [ruff, "check", "--quiet", "--fix", "--select", "F401,I", "-"],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return subprocess.run(
        [ruff, "format", "--quiet", "-"], input=fixed, capture_output=True, text=True, check=True
    ).stdout


def main() -> int:
    """Rewrite the folder."""
    for name, text in modules(compile_sources()).items():
        (BINDINGS_FOLDER / name).write_text(text, "utf-8")
        sys.stdout.write(f"{name}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
