"""The chains a production service can work on, by their name in the settings."""

from __future__ import annotations

from collections.abc import Mapping

from ledger_service.chain.profile import CLIQUE, GANACHE, QBFT, ChainProfile

PROFILES: Mapping[str, ChainProfile] = {"qbft": QBFT, "clique": CLIQUE, "ganache": GANACHE}
