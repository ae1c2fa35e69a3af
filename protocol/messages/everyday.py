"""Packets for everyday chats: the features of clients that know their kinds."""

from __future__ import annotations

from typing import Final

__all__ = ["EXCLUSIVE"]

EXCLUSIVE: Final = "exclusive"  # a feature: the client knows packets of this kind, which others get as texts
