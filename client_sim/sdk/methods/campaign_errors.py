"""The refusals of requests on campaigns."""

from __future__ import annotations

from client_sim.sdk.errors import Refusal
from protocol import codes


class NoSuchCampaign(Refusal):
    """There is no such campaign, or not for this user."""

    CODE = codes.Refusal.NO_SUCH_CAMPAIGN


class NotASponsor(Refusal):
    """The user is not a sponsor: see `Client.put_sponsor`."""

    CODE = codes.Refusal.NOT_A_SPONSOR


class BadCampaign(Refusal):
    """Times, shares or amounts of a campaign that cannot be; `detail` names what is wrong."""

    CODE = codes.Refusal.BAD_CAMPAIGN


class BadBudget(Refusal):
    """The budget does not fit the amounts; `detail` ends with the one that fits, in fen."""

    CODE = codes.Refusal.BAD_BUDGET


class CampaignOver(Refusal):
    """The campaign has ended: it cannot be paused or resumed."""

    CODE = codes.Refusal.CAMPAIGN_OVER
