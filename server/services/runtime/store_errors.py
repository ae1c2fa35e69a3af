"""The errors of stores, for the modules above the services, which do not import `storage`."""

from __future__ import annotations

from storage.errors import StoreRefused, StoreUnavailable

__all__ = ["StoreRefused", "StoreUnavailable"]
