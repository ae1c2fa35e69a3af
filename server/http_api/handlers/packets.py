"""Requests on packets, on behalf of users."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Final

from msgspec import UNSET

from protocol.codes import Refusal
from server.core.decisions import Answer, Decision
from server.core.packet_request import Terms, request_of
from server.core.pages import state_of
from server.core.refusals import RequestRefused
from server.core.texts import Text, plain
from server.http_api.handlers.call import Call, Gate, cursor_number, target_of, with_balance
from server.http_api.problems import Problem
from server.http_api.shapes import packets as shapes
from server.services.assembly import Services
from server.services.packets.live_packet import Snapshot
from server.services.packets.resend import WHERE_IT_WAS

CLAIMS_PAGE: Final = 1_000
REFUSED_ANSWERS: Final = {
    Answer.NOT_ALLOWED: Refusal.NOT_ALLOWED,
    Answer.NO_TICKET: Refusal.NO_TICKET,
    Answer.WORDS_NEEDED: Refusal.WORDS_NEEDED,
}


class PacketRequests:
    """Send, open, send again, and what is recorded of a packet."""

    def __init__(self, services: Services, gate: Gate, now_ms: Callable[[], int]) -> None:
        self._sends, self._resends, self._on_behalf = services.payments.sender, services.resends, services.on_behalf
        self._groups, self._standing = services.backend_groups, services.standing
        self._wallets, self._pass_on = services.wallets, services.pass_on
        self._scheduled = services.everyday.scheduled
        self._words, self._hidden_words = services.everyday.words, services.everyday.hidden_words
        self._now_ms = now_ms
        self._gate = gate

    async def send(self, call: Call) -> shapes.PacketSendReply:
        """Send a packet on behalf of a user, once per key"""
        body = call.body
        self._gate.enter(body.sender_id)
        target_id = await target_of(self._groups, body.group, body.target_id, "target_id")
        seed = bytes.fromhex(body.client_seed)
        shares = (len(body.for_user_ids) or 1) if body.shares is UNSET else body.shares
        content = body.kind, target_id, body.amount_fen, shares, body.greeting, seed, body.for_user_ids
        words = await self._hidden_words.of_send(self._sends, body.sender_id, call.key, body.words)
        asked = request_of(body.sender_id, call.key, *content, words, body.send_at_ms)
        try:
            terms = await self._sends.send(asked)
        except RequestRefused as refused:
            raise await with_balance(refused, self._wallets, asked.sender_id, asked.total_fen) from None
        index = UNSET if terms.seed_use is None else terms.seed_use.index
        commitment = terms.commitment.hex()
        return shapes.PacketSendReply(str(terms.packet_id), terms.total_fen, commitment, terms.expires_at_ms, index)

    async def get(self, call: Call) -> shapes.PacketReply:
        """A packet, and how far it is"""
        seen = await self._look(call)
        known, terms = seen.known, seen.packet.terms
        opened = len(known.claims)
        return shapes.PacketReply(
            packet_id=str(terms.packet_id),
            kind=terms.kind,
            state=state_of(terms, opened, known.closed, self._now_ms()),
            sender_id=str(terms.sender_id),
            target_id=str(terms.target_id),
            total_fen=terms.total_fen,
            shares=terms.shares,
            opened=opened,
            left_fen=terms.total_fen - sum(claim.amount_fen for claim in known.claims.values()),
            greeting=terms.greeting,
            created_at_ms=terms.created_at_ms,
            expires_at_ms=terms.expires_at_ms,
            for_user_ids=[str(one) for one in sorted(terms.only_for)] or UNSET,
        )

    async def claims(self, call: Call) -> shapes.ClaimPageReply:
        """The claims of a packet, in pages"""
        first = cursor_number(call.query.cursor)
        seen = await self._look(call)
        last = min(seen.durable, first + CLAIMS_PAGE)
        lines = [
            shapes.ClaimShown(claim.index, str(claim.user_id), claim.amount_fen, claim.at_ms)
            for claim in islice(seen.packet.claims.values(), first, last)
        ]
        next_cursor = str(last) if last < seen.durable else UNSET
        return shapes.ClaimPageReply(str(call.path["packet_id"]), lines, next_cursor)

    async def open(self, call: Call) -> shapes.PacketOpenReply:
        """Grab and open a packet on behalf of a user; again, it answers the same share"""
        user_id, packet_id = call.body.user_id, call.path["packet_id"]
        self._gate.enter(user_id)
        await self._standing.check(user_id)
        if call.body.link and (over := (await self._pass_on.show(user_id, call.body.link, packet_id)).over):
            return shapes.PacketOpenReply(str(packet_id), "gone" if over.packet.finished else "expired")
        if call.body.words:
            await self._words.say(user_id, packet_id, call.body.words)
            return _opened(packet_id, await self._on_behalf.open_here(user_id, packet_id))
        return _opened(packet_id, await self._on_behalf.open(user_id, packet_id))

    async def pass_on(self, call: Call) -> shapes.PassOnReply:
        """Make a link to a fission packet on behalf of a user who has opened it, for friends"""
        maker_id = call.body.user_id
        self._gate.enter(maker_id)
        await self._standing.check(maker_id)
        made = await self._pass_on.make(maker_id, call.path["packet_id"])
        link, text = made.link, f"{plain(call.body.language, Text.PASSED_ON, {})} {made.text}"
        return shapes.PassOnReply(str(link.packet_id), made.text, link.depth, link.expires_at_s * 1000, text)

    async def send_again(self, call: Call) -> shapes.SendAgainReply:
        """Announce an unfinished packet again on behalf of its sender, once per key"""
        body, packet_id = call.body, call.path["packet_id"]
        self._gate.enter(body.sender_id)
        group_id = await target_of(self._groups, body.group, body.group_id, "group_id", optional=True)
        posted = await self._resends.send(body.sender_id, packet_id, group_id or WHERE_IT_WAS, call.key)
        return shapes.SendAgainReply(str(packet_id), str(posted.stream_id), posted.message)

    async def scheduled(self, call: Call) -> shapes.ScheduledReply:
        """The packets of a user that wait for their time"""
        user_id = call.path["user_id"]
        self._gate.check_current()
        shown = [_scheduled(terms) for terms in await self._scheduled.waiting(user_id)]
        return shapes.ScheduledReply(str(user_id), shown)

    async def cancel(self, call: Call) -> shapes.CancelReply:
        """Cancel a scheduled packet before its time on behalf of its sender; again is harmless"""
        sender_id, packet_id = call.body.sender_id, call.path["packet_id"]
        self._gate.enter(sender_id)
        return shapes.CancelReply(str(packet_id), await self._scheduled.cancel(sender_id, packet_id))

    async def _look(self, call: Call) -> Snapshot:
        """A packet that is there. That there is none is said as HTTP says it."""
        self._gate.check_current()
        seen = await self._on_behalf.look(call.path["packet_id"])
        if seen is None:
            raise Problem(Refusal.NOT_ALLOWED, "there is no such packet", status=404)
        return seen


def _scheduled(terms: Terms) -> shapes.ScheduledShown:
    about = terms.kind, str(terms.target_id), terms.total_fen, terms.shares, terms.greeting
    return shapes.ScheduledShown(str(terms.packet_id), *about, terms.created_at_ms, terms.expires_at_ms)


def _opened(packet_id: int, decision: Decision) -> shapes.PacketOpenReply:
    answer, claim = decision.answer, decision.claim
    if answer in REFUSED_ANSWERS:
        raise Problem(REFUSED_ANSWERS[answer])
    opened = shapes.PacketOpenReply(str(packet_id), answer.value)  # type: ignore[arg-type]
    if claim is not None:
        opened.amount_fen, opened.index, opened.left_shares = claim.amount_fen, claim.index, decision.left_shares
    if answer is Answer.BUSY:
        opened.retry_after_ms = decision.retry_after_ms
    return opened
