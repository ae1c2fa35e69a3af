"""The truth: one module per noun, its statements in a .sql file of the same name."""

from storage.postgres import (
    groups,
    messages,
    names,
    packets,
    reactions,
    records,
    resends,
    sends,
    settlement,
    wallets,
)

__all__ = [
    "groups",
    "messages",
    "names",
    "packets",
    "reactions",
    "records",
    "resends",
    "sends",
    "settlement",
    "wallets",
]
