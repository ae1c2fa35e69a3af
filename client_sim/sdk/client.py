"""The SDK: one user's connection to the server, as methods for requests and one iterator for pushes.

Amounts are whole fen, times milliseconds since 1970. Methods raise only `ClientError`s (see errors): a `Refusal`
from the server, `TimedOut`, `ConnectionLost`, or `ConnectionRefusedForGood` if the client must not reconnect.
A lost connection is made again in the background; requests that may be repeated are sent again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from client_sim.sdk.backoff import patiently
from client_sim.sdk.connection import Connection, Endpoint
from client_sim.sdk.errors import MalformedToken
from client_sim.sdk.feed import PushFeed
from client_sim.sdk.methods.backend import BackendMethods
from client_sim.sdk.methods.campaigns import CampaignMethods
from client_sim.sdk.methods.cards import CardMethods
from client_sim.sdk.methods.enterprise import EnterpriseMethods
from client_sim.sdk.methods.everyday import EverydayMethods
from client_sim.sdk.methods.links import LinkMethods
from client_sim.sdk.methods.packets import PacketMethods
from client_sim.sdk.packet_proofs import PacketProofs
from client_sim.sdk.pushes import Post, PushQueue, Reloaded
from client_sim.sdk.renames import renamed
from client_sim.sdk.transport import SCHEMES, parse_url, tls_of
from protocol import messages, tokens
from protocol.money_unit import YUAN, MoneyUnit

CONNECT_PATIENCE_S = 10.0


class Client(
    PacketProofs,
    PacketMethods,
    EverydayMethods,
    LinkMethods,
    CardMethods,
    CampaignMethods,
    BackendMethods,
    EnterpriseMethods,
):
    """One user. Many tasks of one event loop may use it at the same time."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        positions: Mapping[int, int] | None = None,
        timeout_s: float = 10.0,
        pushes_max: int = 1000,
        backoff_most_s: float = 5.0,
        ca_file: str | None = None,
        balance_version: int | None = None,
    ) -> None:
        """`url`: tcp://host:port or with tls, ws, wss. `positions`: the number of the last post that the app has of
        each stream, from an earlier `Client.positions`; the pushes then start with what was missed. `pushes_max`:
        how many pushes wait for an app that reads none, before the oldest are dropped. `backoff_most_s`: the
        longest wait between two attempts to reconnect. `ca_file`: with TLS, a PEM file of CAs to trust.
        `balance_version`: of the last change of the wallet that the app has; missed changes then come first.
        Raises MalformedUrl, MalformedToken, and OSError for a `ca_file` that cannot be used.
        """
        super().__init__()
        parse_url(url, *SCHEMES)
        endpoint = Endpoint(url, tls_of(url, ca_file), _parsed(token))
        self.user_id = endpoint.token.user_id
        self._feed = PushFeed(positions or {}, pushes_max, balance_version)
        self._connection = Connection(endpoint, self._feed, timeout_s, backoff_most_s)
        self._ask, self._ask_with_key = self._connection.ask, self._connection.ask_with_key

    # --- the connection ---------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def connect(self, patience_s: float = CONNECT_PATIENCE_S) -> None:
        """Connect and log in, with retries for `patience_s`. Raises ConnectionLost, ConnectionRefusedForGood."""
        await patiently(self._connection.connect, patience_s)

    async def close(self) -> None:
        """Close for good. Requests in flight raise ClientClosed, the iterator of pushes ends."""
        await self._connection.close()

    def drop(self) -> None:
        """Abort the connection without a goodbye, as a phone that loses its network. The client reconnects."""
        self._connection.drop()

    @property
    def is_connected(self) -> bool:
        """The client is connected and logged in."""
        return self._connection.is_open

    @property
    def hello(self) -> messages.Hello | None:
        """The server's first message on the latest connection; None before the first."""
        return self._connection.hello

    @property
    def welcome(self) -> messages.Welcome | None:
        """The reply to the latest login; None before the first."""
        return self._connection.welcome

    @property
    def money(self) -> MoneyUnit:
        """The unit in which this server's amounts are shown and typed; yuan before the first login."""
        return self.welcome.money_unit if self.welcome is not None else YUAN

    @property
    def limits(self) -> dict[str, int]:
        """The server's limits by name, from its hello."""
        return self.hello.limits if self.hello is not None else {}

    @property
    def requests(self) -> int:
        """How many requests were made."""
        return self._connection.pending.asked

    @property
    def repeats(self) -> int:
        """How often a request was sent again on a new connection."""
        return self._connection.repeats

    @property
    def timeouts(self) -> int:
        """How many requests got no reply in time."""
        return self._connection.pending.timeouts

    @property
    def reconnects(self) -> int:
        """How often the client has reconnected."""
        return self._connection.reconnects

    # --- money ------------------------------------------------------------------------------------------------

    async def wallet(self) -> messages.Balance:
        """My balance, and what is arriving: shares that I opened and that are not in the wallet yet."""
        return await self._ask(messages.GetBalance(0), messages.Balance)

    async def balance(self) -> int:
        """The balance of my wallet, in fen."""
        return (await self.wallet()).balance_fen

    async def entries(self, after_version: int = 0) -> messages.Entries:
        """The changes of the wallet behind a version of it, oldest first, a page at a time."""
        return await self._ask(messages.GetEntries(0, after_version), messages.Entries)

    async def statement(self, before_version: int = 0) -> messages.StatementPage:
        """The changes of the wallet (before a version of it) with counterparties, newest first, in pages."""
        return await self._ask(messages.GetStatement(0, before_version), messages.StatementPage)

    # --- groups and chat --------------------------------------------------------------------------------------

    async def create_group(self, name: str) -> int:
        """Make a group that I own; its id. Not repeated automatically: raises ConnectionLost if in flight."""
        group_id = (await self._ask(messages.CreateGroup(0, name), messages.GroupCreated)).group_id
        self._feed.gaps.follow(group_id, 0)
        return group_id

    async def invite(self, group_id: int, renew: bool = False) -> str:
        """The invite code of a group that I am in. `renew`, for its owner: a new one, the old one ends.

        Raises NotAMember, NotOwner, BackendDecides.
        """
        return (await self._ask(messages.GetInvite(0, group_id, renew), messages.Invite)).code

    async def join_group(self, group_id: int = 0, invite: str = "") -> messages.GroupJoined:
        """Become a member by the invite code of a group; its id need not be known. Again is harmless, and a member
        needs no code. Raises BadInvite, GroupFull, KickedOut, BackendDecides.
        """
        joined = await self._ask(messages.JoinGroup(0, group_id, invite), messages.GroupJoined)
        self._feed.gaps.follow(joined.group_id, joined.last_message)
        return joined

    async def open_chat(self, user_id: int) -> messages.ChatOpened:
        """The one-to-one chat with a user, made if there is none; again is harmless. Its stream takes texts and
        personal packets. Raises NoSuchUser, BackendDecides.
        """
        opened = await self._ask(messages.OpenChat(0, user_id), messages.ChatOpened)
        self._feed.gaps.follow(opened.stream_id, opened.last_message)
        return opened

    async def show_pass(self, signed: str) -> messages.PassShown:
        """Show a pass that the chat backend signed: I am in its group until it expires. The client shows it again
        after each reconnect. Raises BadPass.
        """
        shown = await self._ask(messages.ShowPass(0, signed), messages.PassShown)
        self._connection.passes.keep(shown.group_id, signed)
        return shown

    async def leave_group(self, group_id: int) -> None:
        """Stop being a member; again is harmless. Raises Refusal (owner_stays) for the owner."""
        await self._ask(messages.LeaveGroup(0, group_id), messages.GroupLeft)
        self._feed.gaps.forget(group_id)

    async def remove_member(self, group_id: int, user_id: int) -> None:
        """Remove a member from my group for good; again is harmless. Raises NotOwner, NotAMember."""
        await self._ask(messages.Kick(0, group_id, user_id), messages.Kicked)

    async def members(self, group_id: int) -> list[int]:
        """The ids of all members of a group that I am in, in their order. Raises NotAMember."""
        page = await self.members_page(group_id)
        user_ids = page.user_ids
        while page.more and page.user_ids:
            page = await self.members_page(group_id, page.user_ids[-1])
            user_ids += page.user_ids
        return user_ids

    async def members_page(self, group_id: int, after_user_id: int = 0) -> messages.Members:
        """Members, their names and avatar urls, the owner: at most messages.MEMBERS_MAX, those behind a user id."""
        return await self._ask(messages.ListMembers(0, group_id, after_user_id), messages.Members)

    async def grab_stats(self, group_id: int) -> messages.GrabStatsShown:
        """How fast the members of my group grab, and what they send. Raises NotOwner, NotAMember."""
        return await self._ask(messages.GrabStats(0, group_id), messages.GrabStatsShown)

    # old names, for one version more
    kick = renamed("kick", remove_member)
    reactions = renamed("reactions", grab_stats)

    async def set_name(self, name: str) -> None:
        """Set the name that others see; "" removes it. Raises NameTaken, BackendDecides, Refusal (bad_name)."""
        await self._ask(messages.SetName(0, name), messages.NameSet)

    async def names(self, user_ids: list[int]) -> messages.Names:
        """The names and avatar urls of users, in their order, "" for a user without one; at most messages.NAMES_MAX
        at once. An older server tells no `avatar_urls`.
        """
        return await self._ask(messages.GetNames(0, user_ids), messages.Names)

    async def say(self, group_id: int, text: str) -> int:
        """Post a text to a group or one-to-one chat; its number. Not repeated automatically: raises ConnectionLost
        if in flight.
        """
        return (await self._ask(messages.Say(0, group_id, text), messages.Said)).message

    @property
    def positions(self) -> dict[int, int]:
        """The number of the last post handed on, by stream: for a later Client that continues there."""
        return self._feed.gaps.positions

    async def catch_up(self, stream_id: int, after: int) -> list[Post] | Reloaded:
        """All posts behind number `after`, for an app that has just started; Reloaded if they are too many."""
        return await self._feed.posts_after(self._ask, stream_id, after)

    def pushes(self) -> PushQueue:
        """What the server pushes, as an async iterator for one reader.

        Posts of a stream come in order and without a gap, also across reconnects; if too many were missed there is
        one `Reloaded` instead. The iterator ends when the client is closed, and raises ConnectionRefusedForGood.
        """
        return self._feed.queue

    @property
    def balance_version(self) -> int | None:
        """The version of the last change of the wallet that the app was told; None before the first login."""
        return self._feed.balance.version

    @property
    def pushes_dropped(self) -> int:
        """How many pushes were dropped because the app did not read them."""
        return self._feed.queue.dropped


def _parsed(token: str) -> tokens.Token:
    """Raises MalformedToken."""
    try:
        return tokens.parse(token)
    except tokens.BadToken as error:
        raise MalformedToken(str(error)) from error
