"""How much work something does, counted and not timed: the instructions that Python executes in some of our files."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import Any


def instructions(run: Callable[[], Any], *modules: ModuleType) -> int:
    """The bytecode instructions executed in these modules while `run` does its work."""
    files, counted = {module.__file__ for module in modules}, 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal counted
        if frame.f_code.co_filename not in files:
            return None
        frame.f_trace_opcodes = True
        counted += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(before)
    return counted
