"""The keys of the config for NATS."""

from __future__ import annotations

from typing import Final

from server.config.config_key import ConfigKey
from server.config.masking import hide_password
from server.config.rules import BOOLEAN, matching, url

NATS_KEYS: Final = {
    "nats.url": ConfigKey(
        "nats://… or tls://…, several hosts with commas between: events and pushes may go there; empty: none",
        url("nats", "tls"),
        mask=hide_password,
    ),
    "nats.subject": ConfigKey(
        "what subjects of pushes begin with: one for each database",
        matching(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", "up to 64 letters, digits, - and _"),
    ),
    "nats.pushes": ConfigKey(
        "pushes go to other servers over NATS, one message for all of them, instead of the links between servers",
        BOOLEAN,
    ),
}
