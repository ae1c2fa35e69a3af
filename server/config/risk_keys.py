"""The keys of the config for risk control."""

from __future__ import annotations

from typing import Final

from server.config.config_key import HUP, ConfigKey
from server.config.rules import PATH, number, one_of, whole

RISK_KEYS: Final = {
    "risk.mode": ConfigKey(
        "risk control: off; shadow (decides, records, changes nothing); on (also holds back sends and withdrawals)",
        one_of("off", "shadow", "on"),
    ),
    "risk.rules": ConfigKey(
        "file of the rules (TOML); empty: those that come with hongbao", PATH, "HUP reads it again"
    ),
    "risk.interval_s": ConfigKey("time between two rounds of risk control, seconds", number(0.05, 3_600), HUP),
    # Not less than what the record refuses to delete (migration 0040).
    "risk.keep_days": ConfigKey("days for which decisions of risk control are kept", whole(31, 3_660), HUP),
}
