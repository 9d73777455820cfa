"""Connections of an organisation's process to the service's API."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx

TIMEOUT_SECONDS = 30.0
"""Longest wait for one answer."""


def open_service(url: str, *, ca: Path | None) -> httpx.Client:
    """Connections to the API; `ca` is trusted instead of the system's authorities where given."""
    context = ssl.create_default_context(cafile=None if ca is None else str(ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return httpx.Client(base_url=url, verify=context, timeout=TIMEOUT_SECONDS)
