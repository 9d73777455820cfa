"""The market as it is read: programs, prices, trades, statements, deposits …, kept at every commit."""

from ledger_service.overview.views import OVERVIEW

__all__ = ["OVERVIEW"]
