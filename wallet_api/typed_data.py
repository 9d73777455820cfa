"""Typed data from JSON values: what a holder is shown before signing, and the digest that is signed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from domain.eip712 import SHAPES, Domain, Shape
from domain.errors import OutOfRange
from domain.hashing import from_hex, to_hex
from edge.problems import InvalidFields, NoSuchThing
from wallet_api.fields import plain_address
from wallet_api.schemas.session import SigningView, TypedData

_DECIMAL = re.compile(r"0|-?[1-9][0-9]{0,77}")
_BYTES = re.compile(r"0x[0-9a-f]*")
_TEXT_MAX, _ITEMS_MAX = 500, 500


def shape_named(name: str) -> Shape:
    """The signed shape of this name. Raises NoSuchThing."""
    shape = SHAPES.get(name)
    if shape is None:
        raise NoSuchThing(what=f"shape; the shapes are {', '.join(sorted(SHAPES))}; this one")
    return shape


def values_from_json(shape: Shape, given: Mapping[str, Any]) -> dict[str, Any]:
    """The struct's members with their exact types: bytes from hex, integers from numbers or decimal text.

    Raises InvalidFields with every member that is missing, unknown or bad.
    """
    findings = [{"pointer": f"/{name}", "detail": "unknown field"} for name in given if name not in _names(shape)]
    values: dict[str, Any] = {}
    for kind, name in shape.fields:
        if name not in given:
            findings.append({"pointer": f"/{name}", "detail": "field required"})
            continue
        try:
            values[name] = _value(kind, given[name])
        except ValueError as error:
            findings.append({"pointer": f"/{name}", "detail": str(error)})
    if findings:
        raise InvalidFields(findings=findings)
    return values


def signing_view(*, shape: Shape, domain: Domain, values: Mapping[str, Any]) -> SigningView:
    """The typed data as wallets show and sign it, its digest, and the hashes it is made of."""
    try:
        digest = domain.digest(shape, values)
    except (OutOfRange, ValueError) as error:
        raise InvalidFields(findings=[{"pointer": "", "detail": str(error)}]) from error
    return SigningView(
        typed_data=TypedData.model_validate(shape.typed_data(domain=domain, values=values)),
        digest=to_hex(digest),
        domain_separator=to_hex(domain.separator),
        struct_hash=to_hex(shape.struct_hash(values)),
    )


def _names(shape: Shape) -> set[str]:
    return {name for _, name in shape.fields}


def _value(kind: str, given: Any) -> Any:
    if kind.endswith("[]"):
        if not isinstance(given, list) or len(given) > _ITEMS_MAX:
            raise ValueError(f"must be a list of at most {_ITEMS_MAX}")
        return [_value(kind.removesuffix("[]"), item) for item in given]
    if kind == "string":
        if not isinstance(given, str) or not 1 <= len(given) <= _TEXT_MAX:
            raise ValueError(f"must be text of 1 to {_TEXT_MAX} characters")
        return given
    if kind == "address" and isinstance(given, str) and not given.islower():
        given = plain_address(given)
    if kind == "address" or kind.startswith("bytes"):
        size = 20 if kind == "address" else int(kind.removeprefix("bytes"))
        if not isinstance(given, str) or not _BYTES.fullmatch(given) or len(given) != 2 + 2 * size:
            raise ValueError(f"must be 0x and {2 * size} lower-case hex digits")
        return from_hex(given)
    if isinstance(given, str) and _DECIMAL.fullmatch(given):
        return _in_range(kind, int(given))
    if isinstance(given, int) and not isinstance(given, bool):
        return _in_range(kind, given)
    raise ValueError("must be a whole number, or one as decimal text")


def _in_range(kind: str, value: int) -> int:
    signed = kind.startswith("int")
    bits = int(kind.removeprefix("u").removeprefix("int"))
    lowest, highest = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    if not lowest <= value <= highest:
        raise ValueError(f"must be from {lowest} to {highest}")
    return value
