"""Requests on packets: send, send again, reveal."""

from __future__ import annotations

from functools import partial

from protocol import messages
from protocol.messages import Message
from server.core.packet_request import PacketRequest, Payer, Terms, request_of
from server.core.refusals import Reason, RequestRefused
from server.net.handlers.campaigns import CampaignHandlers
from server.net.handlers.cards import check_password_of
from server.net.handlers.row import Ended
from server.net.session import Session
from server.services.assembly import Services


class PacketHandlers:
    """Send, send again, reveal."""

    def __init__(self, services: Services, campaigns: CampaignHandlers) -> None:
        self._campaigns = campaigns
        self._sends, self._resends, self._reveals = services.payments.sender, services.resends, services.reveals
        self._seeds, self._hidden_words = services.seeds, services.everyday.hidden_words

    async def send(self, session: Session, request: messages.SendPacket) -> Message:
        check_password_of(session, request.password)
        payer = Payer(request.card_id, request.password)
        about = session.user_id, request.key, request.words
        words = await self._hidden_words.of_send(self._sends, *about)
        return _sent(await self._sends.send(_asked(session, request, words), payer))

    def begin_send(self, session: Session, request: messages.SendPacket, ended: Ended) -> bool:
        """Put a send into the next batch, unless something must be read before that, or it is to be refused."""
        if request.card_id or request.password or request.words:
            return False
        try:
            return self._sends.begin(_asked(session, request), partial(_told, ended))
        except Exception:  # also a defect of ours: the task meets it again, and tells of it
            return False

    async def seed_trees(self, session: Session, request: messages.GetSeedTrees) -> Message:
        told = await self._seeds.told(session.user_id)
        return messages.SeedTrees(0, told.next_index, [messages.SeedTree(*tree) for tree in told.roots.items()])

    async def send_again(self, session: Session, request: messages.SendAgain) -> Message:
        posted = await self._resends.send(session.user_id, request.packet_id, request.group_id)
        return messages.SentAgain(0, request.packet_id, *posted)

    async def reveal(self, session: Session, request: messages.Reveal) -> Message:
        try:
            proof = await self._reveals.reveal(session.user_id, request.packet_id)
        except RequestRefused as refused:
            if refused.reason is not Reason.NOT_ALLOWED:
                raise
            return await self._campaigns.reveal(session, request.packet_id)
        terms, use = proof.terms, proof.terms.seed_use
        origin = () if use is None or proof.seed_proof is None else (use.index, use.client_seed, *proof.seed_proof)
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
            *origin,
        )


def _sent(terms: Terms) -> messages.PacketSent:
    index = -1 if terms.seed_use is None else terms.seed_use.index
    return messages.PacketSent(0, terms.packet_id, terms.total_fen, terms.commitment, terms.expires_at_ms, index)


def _told(ended: Ended, outcome: Terms | Exception) -> None:
    ended(outcome if isinstance(outcome, Exception) else _sent(outcome))


def _asked(session: Session, request: messages.SendPacket, words: str = "") -> PacketRequest:
    """`words`: hidden."""
    return request_of(
        session.user_id,
        request.key,
        request.packet_kind,
        request.target_id,
        request.amount_fen,
        request.shares,
        request.greeting,
        request.client_seed,
        request.for_user_ids,
        words,
        request.send_at_ms,
    )
