"""The version of the installed package, for `hongbao --version`, the dashboard and the metrics."""

from __future__ import annotations

from importlib import metadata


def version() -> str:
    """The version that setup.cfg states."""
    return metadata.version("hongbao")
