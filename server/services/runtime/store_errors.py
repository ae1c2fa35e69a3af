"""The errors of stores, for the modules above the services, which do not import `storage`."""

from __future__ import annotations

from typing import Final

from storage.errors import NeedsOneSet, StoreRefused, StoreUnavailable

__all__ = ["ONE_SET", "NeedsOneSet", "StoreRefused", "StoreUnavailable"]

ONE_SET: Final = "not offered by a server with several sets of PostgreSQL"
