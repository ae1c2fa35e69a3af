"""The version of the installed package, for `hongbao --version`, the dashboard and the metrics."""

from __future__ import annotations

from functools import cache
from importlib import metadata


@cache
def version() -> str:
    """The version that setup.cfg states."""
    return metadata.version("hongbao")
