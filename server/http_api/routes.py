"""The table of the API: one row per request says its method, path, shapes, and what serves it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec

from server.http_api.handlers.campaigns import CampaignRequests
from server.http_api.handlers.cards import CardRequests
from server.http_api.handlers.groups import GroupRequests
from server.http_api.handlers.packets import PacketRequests
from server.http_api.handlers.pages import PageRequests
from server.http_api.handlers.records import RecordRequests
from server.http_api.handlers.sponsors import SponsorRequests
from server.http_api.handlers.users import UserRequests
from server.http_api.handlers.wallets import WalletRequests
from server.http_api.handlers.webhooks import WebhookRequests
from server.http_api.numbers import Id, UserId
from server.http_api.shapes import campaigns, cards, groups, money, packets, pages, sponsors, users, webhooks
from server.http_api.shapes.base import PageQuery

BODY_BYTES_MAX: Final = 64 << 10
LIST_BYTES_MAX: Final = 2 << 20  # a list of 100,000 members

# What stands in braces in a path.
PARAMETERS: Final[dict[str, type]] = {
    "user_id": UserId,
    "other_id": UserId,
    "packet_id": Id,
    "sponsor_id": UserId,
    "bill_number": str,
    "event_kind": str,
    "card_id": Id,
    "payment_id": Id,
    "campaign_id": Id,
    "group": str,
    "endpoint": str,
}


class Route(NamedTuple):
    """One request. `needs_key`: it has an Idempotency-Key, which is the key of its packet or transfer.

    `by_link`: the page of a packet makes it, with its link; all others are requests of the chat backend.
    """

    method: str
    path: str
    handler: Callable[[Any, Any], Awaitable[msgspec.Struct]]  # the method of a class in `handlers`
    reply: type[msgspec.Struct]
    body: type[msgspec.Struct] | None = None
    query: type[msgspec.Struct] | None = None
    needs_key: bool = False
    body_bytes_max: int = BODY_BYTES_MAX
    by_link: bool = False

    @property
    def name(self) -> str:
        """For metrics and logs."""
        return f"{self.method} {self.path}"


def _users() -> Iterator[Route]:
    on, user = UserRequests, "/v1/users/{user_id}"
    yield Route("PUT", user, on.put, users.UserPutReply, users.UserPutBody)
    yield Route("GET", user, on.get, users.UserReply)
    yield Route("POST", f"{user}/ban", on.ban, users.UserBanReply)
    yield Route("POST", f"{user}/unban", on.unban, users.UserBanReply)
    yield Route("POST", f"{user}/revoke-tokens", on.revoke_tokens, users.TokensRevokedReply)
    yield Route("POST", f"{user}/token", on.token, users.TokenReply, users.TokenBody)
    yield Route("POST", f"{user}/forget", on.forget, users.UserForgottenReply)
    yield Route("POST", f"{user}/sightings", on.see, users.SightingReply, users.SightingBody)
    yield Route("GET", f"{user}/records", RecordRequests.show, money.RecordPageReply, query=money.RecordsQuery)


def _groups() -> Iterator[Route]:
    on, group, changed = GroupRequests, "/v1/groups/{group}", groups.MembersReply
    members, member = f"{group}/members", f"{group}/members/{{user_id}}"
    yield Route("PUT", group, on.put, groups.GroupPutReply, groups.GroupBody)
    yield Route("GET", group, on.get, groups.GroupReply)
    yield Route("DELETE", group, on.delete, groups.GroupDeletedReply)
    yield Route("PUT", f"{group}/relay", on.put_relay, groups.RelayReply, groups.RelayBody)
    yield Route("GET", f"{group}/relay", on.get_relay, groups.RelayReply)
    yield Route("GET", members, on.members, groups.MemberPageReply, query=PageQuery)
    yield Route("PUT", members, on.sync, changed, groups.MembersSyncBody, body_bytes_max=LIST_BYTES_MAX)
    yield Route("POST", members, on.change, changed, groups.MembersChangeBody)
    yield Route("PUT", member, on.put_member, changed, groups.MemberBody)
    yield Route("DELETE", member, on.delete_member, changed, query=groups.MemberDeleteQuery)
    yield Route("PUT", "/v1/chats/{user_id}/{other_id}", on.put_chat, groups.ChatReply)


def _packets() -> Iterator[Route]:
    on, packet = PacketRequests, "/v1/packets/{packet_id}"
    sent, again = packets.PacketSendReply, packets.SendAgainReply
    yield Route("POST", "/v1/packets", on.send, sent, packets.PacketSendBody, needs_key=True)
    yield Route("GET", packet, on.get, packets.PacketReply)
    yield Route("GET", f"{packet}/claims", on.claims, packets.ClaimPageReply, query=PageQuery)
    yield Route("POST", f"{packet}/open", on.open, packets.PacketOpenReply, packets.PacketOpenBody)
    yield Route("POST", f"{packet}/pass-on", on.pass_on, packets.PassOnReply, packets.PassOnBody)
    yield Route("POST", f"{packet}/send-again", on.send_again, again, packets.SendAgainBody, needs_key=True)
    yield Route("POST", f"{packet}/cancel", on.cancel, packets.CancelReply, packets.CancelBody)
    yield Route("GET", "/v1/users/{user_id}/scheduled", on.scheduled, packets.ScheduledReply)


def _pages() -> Iterator[Route]:
    on, shown, query = PageRequests, pages.PageReply, pages.PageLanguageQuery
    made, wanted = pages.PageLinkReply, pages.PageLinkBody
    yield Route("POST", "/v1/packets/{packet_id}/page-link", on.make_link, made, wanted)
    yield Route("POST", "/c/open", on.open, shown, query=query, by_link=True)
    yield Route("POST", "/c/say", on.say, shown, pages.PageWordsBody, query=query, by_link=True)
    yield Route("GET", "/c/result", on.result, shown, query=query, by_link=True)


def _wallets() -> Iterator[Route]:
    on, wallet, moved = WalletRequests, "/v1/wallets/{user_id}", money.TransferReply
    yield Route("POST", f"{wallet}/top-up", on.top_up, moved, money.TopUpBody, needs_key=True)
    yield Route("POST", f"{wallet}/withdraw", on.withdraw, moved, money.WithdrawBody, needs_key=True)
    yield Route("POST", f"{wallet}/transfer", on.transfer, moved, money.TransferBody, needs_key=True)
    yield Route("POST", f"{wallet}/pay", on.pay, moved, money.PayBody, needs_key=True)
    yield Route("GET", f"{wallet}/entries", on.entries, money.EntryPageReply, query=PageQuery)
    yield Route("GET", f"{wallet}/statement", on.statement, money.StatementReply, query=PageQuery)


def _cards() -> Iterator[Route]:
    on, listed, unbound, wallet = CardRequests, cards.CardListReply, cards.CardUnboundReply, "/v1/wallets/{user_id}"
    paid = cards.PaymentReply
    yield Route("GET", "/v1/users/{user_id}/cards", on.all, listed)
    yield Route("DELETE", "/v1/users/{user_id}/cards/{card_id}", on.unbind, unbound)
    yield Route("POST", f"{wallet}/withdraw-to-card", on.withdraw, paid, cards.WithdrawToCardBody, needs_key=True)
    yield Route("GET", "/v1/payments/{payment_id}", on.payment, paid)
    yield Route("POST", "/v1/payments/{payment_id}/refund", on.refund, paid, cards.RefundToCardBody, needs_key=True)


def _sponsors() -> Iterator[Route]:
    on, sponsor, bill = SponsorRequests, "/v1/sponsors/{sponsor_id}", sponsors.SponsorBillReply
    given, wanted = sponsors.EventRangeReply, sponsors.EventRangeBody
    yield Route("POST", f"{sponsor}/packets", on.send_bill, bill, sponsors.BillBody)
    yield Route("GET", f"{sponsor}/packets", on.bills, sponsors.BillPageReply, query=PageQuery)
    yield Route("GET", f"{sponsor}/packets/{{bill_number}}", on.get_bill, bill)
    yield Route("POST", f"{sponsor}/events", on.report_event, sponsors.EventReply, sponsors.EventBody)
    yield Route("PUT", f"{sponsor}/events/{{event_kind}}", on.set_event_range, given, wanted)


def _campaigns() -> Iterator[Route]:
    on, campaign, shown = CampaignRequests, "/v1/campaigns/{campaign_id}", campaigns.CampaignReply
    yield Route("PUT", "/v1/sponsors/{sponsor_id}", on.put_sponsor, campaigns.SponsorReply, campaigns.SponsorBody)
    yield Route("POST", "/v1/campaigns", on.create, shown, campaigns.CampaignBody, needs_key=True)
    yield Route("GET", "/v1/campaigns", on.all, campaigns.CampaignPageReply, query=PageQuery)
    yield Route("GET", campaign, on.get, shown)
    yield Route("POST", f"{campaign}/pause", on.pause, shown)
    yield Route("POST", f"{campaign}/resume", on.resume, shown)
    yield Route("POST", f"{campaign}/end", on.end, shown)
    yield Route("GET", f"{campaign}/report", on.report, campaigns.CampaignReportReply)


def _webhooks() -> Iterator[Route]:
    on, endpoint, shown = WebhookRequests, "/v1/webhooks/{endpoint}", webhooks.EndpointReply
    page, query = webhooks.DeliveryPageReply, webhooks.DeliveriesQuery
    yield Route("GET", "/v1/webhooks", on.all, webhooks.EndpointListReply)
    yield Route("PUT", endpoint, on.put, shown, webhooks.EndpointPutBody)
    yield Route("GET", endpoint, on.get, shown)
    yield Route("DELETE", endpoint, on.delete, webhooks.EndpointDeletedReply)
    yield Route("GET", f"{endpoint}/deliveries", on.deliveries, page, query=query)
    yield Route("POST", f"{endpoint}/replay", on.replay, webhooks.ReplayReply, webhooks.ReplayBody)
    yield Route("POST", f"{endpoint}/test", on.test, webhooks.TestReply)


ROUTES: Final = (
    *_users(),
    *_groups(),
    *_packets(),
    *_pages(),
    *_wallets(),
    *_cards(),
    *_sponsors(),
    *_campaigns(),
    *_webhooks(),
)


@dataclass(slots=True)
class Node:
    """A place in the tree of paths: the routes that end here, by method, and what may follow."""

    routes: dict[str, Route]
    names: dict[str, Node]  # by the text of the next segment
    parameter: Node | None = None
    parameter_name: str = ""


class Found(NamedTuple):
    """The routes of a path by method, and the texts of its parameters."""

    routes: Mapping[str, Route]
    texts: Mapping[str, str]


class BadPath(Exception):
    """A segment of the path is not percent-encoded UTF-8."""


def tree(routes: tuple[Route, ...] = ROUTES) -> Node:
    """The paths of these routes, to be searched."""
    root = Node({}, {})
    for route in routes:
        node = root
        for segment in route.path.strip("/").split("/"):
            if segment.startswith("{"):
                if node.parameter is None:
                    node.parameter, node.parameter_name = Node({}, {}), segment.strip("{}")
                assert node.parameter_name == segment.strip("{}"), route.path
                node = node.parameter
            else:
                node = node.names.setdefault(segment, Node({}, {}))
        node.routes[route.method] = route
    return root


def find(root: Node, path: str) -> Found | None:
    """The routes of a path as it was sent; None: no such path. Raises BadPath."""
    node, texts = root, {}
    for segment in path[1:].split("/"):
        following = node.names.get(segment)
        if following is None:
            if node.parameter is None or not segment:
                return None
            texts[node.parameter_name] = _unquoted(segment)
            following = node.parameter
        node = following
    return Found(node.routes, texts) if node.routes else None


def _unquoted(segment: str) -> str:
    try:
        return unquote_to_bytes(segment).decode()
    except UnicodeError:
        raise BadPath from None
