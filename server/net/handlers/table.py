"""The table of requests: one row for each kind says who may ask it, what serves it, and who owns what it names."""

from __future__ import annotations

from protocol import messages
from protocol.messages import Message
from protocol.money_unit import MoneyUnit
from server.net.handlers.backend import BackendHandlers
from server.net.handlers.campaigns import CampaignHandlers
from server.net.handlers.cards import CardHandlers
from server.net.handlers.chat import ChatHandlers
from server.net.handlers.enterprise import EnterpriseHandlers
from server.net.handlers.everyday import EverydayHandlers
from server.net.handlers.groups import GroupHandlers, PassTold
from server.net.handlers.money import MoneyHandlers
from server.net.handlers.packets import PacketHandlers
from server.net.handlers.pages import PageHandlers
from server.net.handlers.people import PeopleHandlers
from server.net.handlers.replying import ReplyingHandlers
from server.net.handlers.row import Row
from server.net.hub import Hub
from server.net.subscriptions import Subscriptions
from server.services.assembly import Services


def request_table(
    services: Services,
    hub: Hub,
    subscriptions: Subscriptions,
    replying: ReplyingHandlers,
    campaigns: CampaignHandlers,
    pass_told: PassTold,
    unit: MoneyUnit,
) -> dict[type[Message], Row]:
    """What serves each request but the login. `unit` speaks amounts; `pass_told`: see GroupHandlers."""
    packets, pages = PacketHandlers(services, campaigns), PageHandlers(services, subscriptions, replying.answers)
    chat, money = ChatHandlers(services, unit), MoneyHandlers(services, hub)
    cards, groups, everyday = CardHandlers(services), GroupHandlers(services, pass_told), EverydayHandlers(services)
    by_users = groups.served() | cards.served() | everyday.served()
    others = BackendHandlers(services).served() | PeopleHandlers(services).served() | campaigns.served()
    others |= EnterpriseHandlers(services).served()
    return {
        messages.PassOn: Row("user", later=pages.pass_on),
        messages.TapLink: Row("user", later=pages.tap_link),
        messages.SendPacket: Row("user", later=packets.send, begin=packets.begin_send),
        messages.SendAgain: Row("user", later=packets.send_again),
        messages.GetSeedTrees: Row("user", later=packets.seed_trees),
        messages.Records: Row("user", later=pages.records, read="lane"),
        messages.Reveal: Row("user", later=packets.reveal, read="lane"),
        messages.CampaignInfo: Row("anyone", later=campaigns.info),
        messages.ListCampaigns: Row("anyone", later=campaigns.page),
        **{kind: Row("anyone", later=serves) for kind, serves in everyday.for_anyone().items()},
        messages.ListMembers: Row("user", later=groups.members, read="lane"),
        messages.GrabStats: Row("user", later=chat.grab_stats, read="lane"),
        messages.SetName: Row("user", later=chat.set_name),
        messages.GetNames: Row("user", later=chat.get_names, read="batch"),
        messages.Say: Row("user", later=chat.say),
        messages.CatchUp: Row("user", later=chat.catch_up, read="batch"),
        messages.GetBalance: Row("user", later=money.balance, read="lane"),
        messages.GetEntries: Row("user", later=money.entries, read="lane"),
        messages.GetStatement: Row("user", later=money.statement, read="lane"),
        messages.GetCards: Row("user", later=cards.cards, read="lane"),
        **{kind: Row("user", later=serves) for kind, serves in by_users.items()},
        messages.Pay: Row("backend", later=money.pay),
        messages.RefundToCard: Row("backend", later=money.refund_to_card),
        messages.TopUp: Row("backend", later=money.top_up),
        messages.Withdraw: Row("backend", later=money.withdraw),
        **{kind: Row("backend", later=serves) for kind, serves in others.items()},
        **_owned(replying, pages, campaigns, everyday),
    }


def _owned(
    replying: ReplyingHandlers, pages: PageHandlers, campaigns: CampaignHandlers, everyday: EverydayHandlers
) -> dict[type[Message], Row]:
    """What the owner of a packet serves, and a shake, which the owner of its user serves."""
    return {
        messages.Grab: Row("user", now=replying.grab, owned="packet"),
        messages.Open: Row("user", now=replying.open, owned="packet"),
        messages.Shake: Row("user", now=campaigns.shake, owned="user"),
        messages.OpenPage: Row("user", later=pages.open_page, owned="packet"),
        messages.ResultPage: Row("user", later=pages.result_page, read="lane", owned="packet"),
        messages.StopWatching: Row("user", later=pages.stop_watching, owned="packet"),
        messages.SayWords: Row("user", later=everyday.say_words, owned="packet"),
    }
