"""Amounts in yuan as text: 888 fen are 8.88 yuan. For any server `Client.money` has the unit."""

from __future__ import annotations

from typing import Final

from protocol.money_unit import YUAN, MoneyUnit

__all__ = ["YUAN", "MoneyUnit", "fen", "yuan"]

yuan: Final = YUAN.number
fen: Final = YUAN.parse
