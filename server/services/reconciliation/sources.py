"""Gateways that have statements, and the keys that sign these: the one place that knows their config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from server.config import Config


class StatementSource(NamedTuple):
    """A gateway with statements: our name as a merchant there, and the bank's public keys by serial (key_pairs)."""

    merchant: str
    keys: Mapping[str, str]


Sources: TypeAlias = Mapping[str, StatementSource]


def sources_of(config: Config) -> dict[str, StatementSource]:
    """The gateways of the config that have statements, by name; none without a section `[bank]`."""
    return {"bank": StatementSource(config.bank.merchant, config.bank.bank_keys)} if config.bank.url else {}
