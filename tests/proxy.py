"""The proxy between a server and one of its stores; `hongbao chaos` uses it, too."""

from __future__ import annotations

from bench.chaos.proxy import Proxy

__all__ = ["Proxy"]
