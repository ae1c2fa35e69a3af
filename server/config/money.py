"""The unit of money that the config names."""

from __future__ import annotations

from protocol.money_unit import MoneyUnit
from server.config.values import Config


def money_unit(config: Config) -> MoneyUnit:
    """Its unit. One name is for both languages."""
    chinese, _, english = config.money.unit.partition("/")
    return MoneyUnit(chinese, english or chinese, config.money.symbol, config.money.decimals)
