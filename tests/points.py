"""Units of money that are not yuan, and what must not be said in them."""

from __future__ import annotations

import re
from typing import Final

from protocol.money_unit import MoneyUnit

POINTS: Final = MoneyUnit("积分", "points", "", 0)
COINS: Final = MoneyUnit("金币", "gold coins", "🪙", 3)
POINTS_CONFIG: Final = {"money__unit": "积分/points", "money__symbol": "", "money__decimals": 0}
# 分 is also part of 分钟 (minutes), 部分 and 分享; in 积分 it is the unit of the deployment
_YUAN: Final = re.compile(r"元|¥|yuan|\bfen\b|(?<![积部])分(?![钟享])", re.IGNORECASE)


def yuan_in(text: str) -> list[str]:
    """Every word in a text that only a deployment with yuan may say."""
    return _YUAN.findall(text)
