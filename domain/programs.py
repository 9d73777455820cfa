"""What the DSO signs about a program of one gate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.hashing import from_hex, text_id


def program_values(program: Mapping[str, Any]) -> dict[str, Any]:
    """Members of the `Program` shape, from a program's JSON (`program.validated`, or a settlement package's)."""
    return {
        "market": text_id(program["market"]),
        "firstMtu": program["first_mtu"],
        "count": program["count"],
        "resultsRoot": from_hex(program["results_root"]),
        "gridModelHash": from_hex(program["grid_model_hash"]),
        "reportHash": from_hex(program["report_hash"]),
        "deadline": program["deadline"],
    }
