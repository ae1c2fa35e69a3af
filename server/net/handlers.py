"""What serves a request: one method each, from the request to a use case and from its result to the reply."""

from __future__ import annotations

from typing import NamedTuple

from protocol import messages
from protocol.messages import Message
from server.net.hub import Hub
from server.net.page_encoding import records_of, result_of
from server.net.reminder_encoding import caught_up
from server.net.session import Session
from server.net.subscriptions import Subscriptions
from server.services.chat import grab_stats, groups, login, names
from server.services.chat import messages as chat_messages
from server.services.money import records, wallets
from server.services.packets import grab_open, pages, resend, send
from server.services.packets.pages import language_of


class UseCases(NamedTuple):
    """All that a client can ask for."""

    auth: login.LoginService
    groups: groups.GroupService
    chat: chat_messages.MessageService
    names: names.NameService
    packets: grab_open.PacketService
    pages: pages.PageService
    sends: send.SendService
    resends: resend.ResendService
    records: records.RecordService
    grab_stats: grab_stats.GrabStatService
    wallets: wallets.WalletService


class Handlers:
    """The requests that take their time. Each method raises Refused, Broken or StoreUnavailable."""

    def __init__(self, use: UseCases, watching: Subscriptions, hub: Hub) -> None:
        self._use = use
        self._watching = watching
        self._hub = hub

    # --- packets ----------------------------------------------------------------------------------------------

    async def send(self, session: Session, request: messages.SendPacket) -> Message:
        terms = await self._use.sends.send(
            session.user_id,
            request.key,
            request.packet_kind,
            request.target_id,
            request.amount_fen,
            request.shares,
            request.greeting,
        )
        return messages.PacketSent(0, terms.packet_id, terms.total_fen, terms.commitment, terms.expires_at_ms)

    async def send_again(self, session: Session, request: messages.SendAgain) -> Message:
        posted = await self._use.resends.send(session.user_id, request.packet_id, request.group_id)
        return messages.SentAgain(0, request.packet_id, *posted)

    async def result_page(self, session: Session, request: messages.ResultPage) -> Message:
        language = language_of(request.language)
        packet_id, is_newest = request.packet_id, request.before_index <= 0
        found = await self._use.pages.result(session.user_id, packet_id, language, request.before_index)
        if request.watch and found.may_watch and (is_newest or not self._watching.follows(session, packet_id)):
            self._watching.watch(session, packet_id, language, found.opened)
        return messages.ResultPageShown(0, packet_id, result_of(found, self._watching.follows(session, packet_id)))

    async def stop_watching(self, session: Session, request: messages.StopWatching) -> Message:
        self._watching.stop(session, request.packet_id)
        return messages.WatchingStopped(0, request.packet_id)

    async def records(self, session: Session, request: messages.Records) -> Message:
        before = request.before_at_ms, request.before_packet_id
        return records_of(await self._use.records.show(session.user_id, request.direction, request.year, *before))

    async def reveal(self, session: Session, request: messages.Reveal) -> Message:
        proof = await self._use.packets.reveal(session.user_id, request.packet_id)
        terms = proof.terms
        return messages.Revealed(
            0,
            terms.packet_id,
            terms.kind,
            proof.state,
            terms.sender_id,
            terms.total_fen,
            terms.shares,
            terms.caps.max_fen,
            terms.commitment,
            terms.seed,
            -1 if proof.best is None else proof.best.index,
            [messages.ClaimLine(one.index, one.user_id, one.amount_fen, one.at_ms) for one in proof.claims],
            terms.caps.min_fen,
        )

    # --- groups, names and chat -------------------------------------------------------------------------------

    async def create_group(self, session: Session, request: messages.CreateGroup) -> Message:
        return messages.GroupCreated(0, await self._use.groups.create(session.user_id, request.name))

    async def join_group(self, session: Session, request: messages.JoinGroup) -> Message:
        group = await self._use.groups.join(session.user_id, request.group_id)
        last = await self._use.chat.last_message(group.group_id)
        return messages.GroupJoined(0, group.group_id, group.name, group.owner_id, last)

    async def leave_group(self, session: Session, request: messages.LeaveGroup) -> Message:
        await self._use.groups.leave(session.user_id, request.group_id)
        return messages.GroupLeft(0, request.group_id)

    async def kick(self, session: Session, request: messages.Kick) -> Message:
        await self._use.groups.kick(session.user_id, request.group_id, request.user_id)
        return messages.Kicked(0, request.group_id, request.user_id)

    async def members(self, session: Session, request: messages.ListMembers) -> Message:
        group = await self._use.groups.seen_by(session.user_id, request.group_id)
        user_ids = sorted(group.members)
        names_of = await self._use.names.of(user_ids)
        return messages.Members(0, group.group_id, group.owner_id, user_ids, names_of)

    async def grab_stats(self, session: Session, request: messages.GrabStats) -> Message:
        lines = await self._use.grab_stats.of_group(session.user_id, request.group_id)
        names_of = await self._use.names.of([line.user_id for line in lines])
        shown = [
            messages.GrabStatLine(line.user_id, name, *line[1:]) for line, name in zip(lines, names_of, strict=True)
        ]
        return messages.GrabStatsShown(0, request.group_id, shown)

    async def set_name(self, session: Session, request: messages.SetName) -> Message:
        await self._use.names.call(session.user_id, request.name)
        return messages.NameSet(0, request.name)

    async def get_names(self, session: Session, request: messages.GetNames) -> Message:
        return messages.Names(0, await self._use.names.of(request.user_ids))

    async def say(self, session: Session, request: messages.Say) -> Message:
        number = await self._use.chat.say(session.user_id, request.group_id, request.text)
        return messages.Said(0, request.group_id, number)

    async def catch_up(self, session: Session, request: messages.CatchUp) -> Message:
        found = await self._use.chat.catch_up(session.user_id, request.stream_id, request.after)
        posts = [caught_up(post, session.features) for post in found.posts]
        return messages.CaughtUp(0, request.stream_id, found.last_message, found.reload, posts)

    # --- money ------------------------------------------------------------------------------------------------

    async def balance(self, session: Session, request: messages.GetBalance) -> Message:
        balance = await self._use.wallets.balance(session.user_id)
        return messages.Balance(0, self._hub.newest(session.user_id, balance).fen)

    async def entries(self, session: Session, request: messages.GetEntries) -> Message:
        page = await self._use.wallets.entries(session.user_id, request.after_version)
        return messages.Entries(0, [messages.EntryLine(*line) for line in page.lines], page.more)

    async def top_up(self, session: Session, request: messages.TopUp) -> Message:
        balance = await self._use.wallets.top_up(request.user_id, request.amount_fen, request.key)
        return messages.ToppedUp(0, request.user_id, balance)

    async def withdraw(self, session: Session, request: messages.Withdraw) -> Message:
        balance = await self._use.wallets.withdraw(request.user_id, request.amount_fen, request.key)
        return messages.Withdrawn(0, request.user_id, balance)
