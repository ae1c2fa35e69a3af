"""The report of a campaign for people who run it: what it has spent and what is left, by hour, and what it cost."""

from __future__ import annotations

from itertools import accumulate
from typing import Any, Final

from protocol import messages
from server.cli.campaigns.answers import fields

ABOUT: Final = ("campaign_id", "name", "sponsor_name", "state", "starts_at_ms", "ends_at_ms", "shares")


def report_of(shown: messages.CampaignReportShown) -> dict[str, Any]:
    """All fields of a report, with what follows from them; the hours come last, as a table.

    `spent_percent`: of the budget. `cost_per_winner_fen` and `cost_per_share_fen` are rounded down, and there once
    a user has won. Each hour has the cost of its shares, and what was left of the budget after it.
    """
    found = fields(shown)
    line, hours = found.pop("campaign"), found.pop("hours")
    lefts = accumulate((one["won_fen"] for one in hours), lambda left, won: left - won, initial=shown.budget_fen)
    next(lefts)  # before the first hour
    return {
        **{name: line[name] for name in ABOUT},
        **found,
        "spent_percent": round(100 * shown.won_fen / shown.budget_fen, 2),
        **_cost("cost_per_winner_fen", shown.won_fen, shown.winners),
        **_cost("cost_per_share_fen", shown.won_fen, shown.won_shares),
        "hours": [_hour(one, left_fen) for one, left_fen in zip(hours, lefts, strict=True)],
    }


def _hour(hour: dict[str, Any], left_fen: int) -> dict[str, Any]:
    per_share_fen = hour["won_fen"] // hour["won_shares"] if hour["won_shares"] else None
    return hour | {"cost_per_share_fen": per_share_fen, "left_fen": left_fen}


def _cost(name: str, won_fen: int, count: int) -> dict[str, int]:
    return {name: won_fen // count} if count else {}
