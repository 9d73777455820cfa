"""From resolved facts to a signed settlement, its correction and the end of corrections."""

from __future__ import annotations
