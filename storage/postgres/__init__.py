"""The truth: one module per noun, its statements in a .sql file of the same name."""

from storage.postgres.chat import grab_stats, groups, messages, names, outbox
from storage.postgres.money import records, settlement, wallets
from storage.postgres.packets import packets, resends, sends

__all__ = [
    "grab_stats",
    "groups",
    "messages",
    "names",
    "outbox",
    "packets",
    "records",
    "resends",
    "sends",
    "settlement",
    "wallets",
]
