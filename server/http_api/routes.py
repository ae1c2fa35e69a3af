"""The table of the API: one row per request says its method, path, shapes, and what serves it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec

from server.http_api import shapes
from server.http_api.handlers.groups import GroupHandlers
from server.http_api.handlers.packets import PacketHandlers
from server.http_api.handlers.records import RecordHandlers
from server.http_api.handlers.users import UserHandlers
from server.http_api.handlers.wallets import WalletHandlers
from server.http_api.numbers import Id, UserId

BODY_BYTES_MAX: Final = 64 << 10
LIST_BYTES_MAX: Final = 2 << 20  # a list of 100,000 members

# What stands in braces in a path.
PARAMETERS: Final[dict[str, type]] = {"user_id": UserId, "other_id": UserId, "packet_id": Id, "group": str}


class Route(NamedTuple):
    """One request. `needs_key`: it has an Idempotency-Key, which is the key of its packet or transfer."""

    method: str
    path: str
    handler: Callable[[Any, Any], Awaitable[msgspec.Struct]]  # the method of a class in `handlers`
    reply: type[msgspec.Struct]
    body: type[msgspec.Struct] | None = None
    query: type[msgspec.Struct] | None = None
    needs_key: bool = False
    body_bytes_max: int = BODY_BYTES_MAX

    @property
    def name(self) -> str:
        """For metrics and logs."""
        return f"{self.method} {self.path}"


def _rows() -> Iterator[Route]:
    users, groups, packets = UserHandlers, GroupHandlers, PacketHandlers
    user, group, packet, wallet = (
        "/v1/users/{user_id}",
        "/v1/groups/{group}",
        "/v1/packets",
        "/v1/wallets/{user_id}",
    )
    yield Route("PUT", user, users.put, shapes.UserName, shapes.UserPut)
    yield Route("GET", user, users.get, shapes.UserState)
    yield Route("POST", f"{user}/ban", users.ban, shapes.UserBan)
    yield Route("POST", f"{user}/unban", users.unban, shapes.UserBan)
    yield Route("POST", f"{user}/revoke-tokens", users.revoke_tokens, shapes.TokensRevoked)
    yield Route("POST", f"{user}/token", users.token, shapes.UserToken, shapes.TokenRequest)
    records = RecordHandlers.show
    yield Route("GET", f"{user}/records", records, shapes.RecordPage, query=shapes.RecordsQuery)

    yield Route("PUT", group, groups.put, shapes.GroupPutReply, shapes.GroupPut)
    yield Route("GET", group, groups.get, shapes.GroupState)
    members, changed = f"{group}/members", shapes.MembersChanged
    yield Route("GET", members, groups.members, shapes.MemberPage, query=shapes.PageQuery)
    yield Route("PUT", members, groups.sync, changed, shapes.MembersSync, body_bytes_max=LIST_BYTES_MAX)
    yield Route("POST", members, groups.change, changed, shapes.MembersChange)
    yield Route("PUT", f"{members}/{{user_id}}", groups.put_member, changed, shapes.MemberPut)
    yield Route("DELETE", f"{members}/{{user_id}}", groups.delete_member, changed, query=shapes.MemberDeleteQuery)
    yield Route("PUT", "/v1/chats/{user_id}/{other_id}", groups.put_chat, shapes.ChatReply)

    yield Route("POST", packet, packets.send, shapes.PacketSent, shapes.PacketSend, needs_key=True)
    one = f"{packet}/{{packet_id}}"
    yield Route("GET", one, packets.get, shapes.PacketState)
    yield Route("GET", f"{one}/claims", packets.claims, shapes.ClaimPage, query=shapes.PageQuery)
    yield Route("POST", f"{one}/open", packets.open, shapes.PacketOpened, shapes.PacketOpen)
    again = shapes.PacketSendAgain
    yield Route("POST", f"{one}/send-again", packets.send_again, shapes.PacketSentAgain, again, needs_key=True)

    wallets = WalletHandlers
    yield Route("POST", f"{wallet}/top-up", wallets.top_up, shapes.Moved, shapes.TopUp, needs_key=True)
    yield Route("POST", f"{wallet}/withdraw", wallets.withdraw, shapes.Moved, shapes.Withdraw, needs_key=True)
    yield Route("GET", f"{wallet}/entries", wallets.entries, shapes.EntryPage, query=shapes.PageQuery)


ROUTES: Final = tuple(_rows())


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
