"""Outages happen to a party, as in the tests of the services."""

from __future__ import annotations

from tests.services.conftest import books_balance, party, record

__all__ = ["books_balance", "party", "record"]
