"""What open campaigns have spent, for the dashboard: read in the background, and only while a dashboard is open.

A report reads all wins of a campaign, so it is not part of the samples, which are taken every second.
"""

from __future__ import annotations

from typing import Final

from server.ops.samples.sample import CampaignReportLine, SpentHour
from server.services.campaigns.assembly import CampaignServices
from server.services.campaigns.service import CampaignSpending

CAMPAIGNS_MAX: Final = 5  # the newest of those that are open
HOURS_MAX: Final = 24  # the latest hours of each


async def open_campaigns(campaigns: CampaignServices) -> tuple[CampaignReportLine, ...]:
    """The newest campaigns whose books are open, the newest first. Raises StoreUnavailable.

    One after the other on one connection, and not in the lane of reads, where a slow one would make users wait.
    """
    newest = sorted((one.campaign_id for one in campaigns.board.all()), reverse=True)[:CAMPAIGNS_MAX]
    return tuple([_line(await campaigns.service.report(campaign_id)) for campaign_id in newest])


def _line(found: CampaignSpending) -> CampaignReportLine:
    row, totals = found.view.row, found.totals
    return CampaignReportLine(
        campaign=str(row.campaign_id),
        name=row.name,
        sponsor=row.sponsor_name,
        state=found.view.stage.value,
        budget_fen=row.budget_fen,
        won_fen=totals.won_fen,
        left_fen=row.budget_fen - totals.won_fen,
        won_shares=totals.won_shares,
        left_shares=row.shares - totals.won_shares,
        winners=totals.winners,
        cost_per_winner_fen=totals.won_fen // totals.winners if totals.winners else None,
        shakes=sum(one.shakes for one in found.hours),
        hours=[SpentHour(one.at_ms, one.won_shares, one.won_fen) for one in found.hours[-HOURS_MAX:]],
    )
