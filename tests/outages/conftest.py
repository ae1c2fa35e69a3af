"""The fixtures of the tests of the services: outages happen to a party."""

from __future__ import annotations

import pytest

from tests.services.conftest import books_balance, party, record

__all__ = ["books_balance", "party", "record"]


@pytest.fixture(autouse=True)
def patient_probes() -> None:
    """Here the limits are those of the program."""


@pytest.fixture
def kept_sessions() -> None:
    """Here a server meets a store that is away with sessions of its own, which it has opened itself."""
