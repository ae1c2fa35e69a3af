"""Gateways that have statements, and the keys that sign these: the one place that knows their config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from server.config import Config


class StatementSource(NamedTuple):
    """A gateway with statements: our name as a merchant there, and the bank's public keys (ed25519) by serial."""

    merchant: str
    keys: Mapping[str, bytes]


Sources: TypeAlias = Mapping[str, StatementSource]


def sources_of(config: Config) -> dict[str, StatementSource]:
    """The gateways of the config that have statements, by name; none without a section `[bank]`."""
    bank = getattr(config, "bank", None)
    if bank is None or not bank.url:
        return {}
    return {
        "bank": StatementSource(bank.merchant, {name: bytes.fromhex(key) for name, key in bank.bank_keys.items()})
    }
