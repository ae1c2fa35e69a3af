"""Requests in the name of sponsors: bills, events, and what is given for them."""

from __future__ import annotations

from typing import cast

from msgspec import UNSET, UnsetType

from protocol.codes import Refusal
from server.core.enterprise.bills import BillRequest
from server.core.kinds import PacketKind
from server.core.packet_request import DEFAULT_GREETING
from server.core.refusals import Reason, RequestRefused
from server.http_api.handlers.call import Call, Gate, target_of
from server.http_api.problems import Problem
from server.http_api.shapes import sponsors as shapes
from server.services.assembly import Services
from server.services.enterprise.bills import Bill


class SponsorRequests:
    """Packets to a user or a group in a sponsor's name."""

    def __init__(self, services: Services, gate: Gate) -> None:
        self._bills, self._events = services.enterprise.bills, services.enterprise.events
        self._groups, self._reads = services.backend_groups, services.reads
        self._gate = gate

    async def send_bill(self, call: Call) -> shapes.SponsorBillReply:
        """Send a packet to a user or a group in a sponsor's name, once per bill number"""
        self._gate.check_current()
        body = call.body
        whom = call.path["sponsor_id"], body.bill_number, await self._target(body), body.amount_fen
        about = body.greeting or DEFAULT_GREETING, body.scene_id, bytes.fromhex(body.client_seed)
        asked = BillRequest(*whom, *about, PacketKind(body.packet_kind), body.shares)
        return _told(await self._bills.send(asked))

    async def _target(self, body: shapes.BillBody) -> int:
        named = [one for one in (body.user_id, body.group, body.group_id) if one is not UNSET]
        if len(named) != 1:
            raise Problem(Refusal.BAD_REQUEST, "give one of user_id, group and group_id", pointer="")
        if not isinstance(body.user_id, UnsetType):
            return body.user_id
        return await target_of(self._groups, body.group, body.group_id, "group_id")

    async def bills(self, call: Call) -> shapes.BillPageReply:
        """The bills of a sponsor, the newest first, in pages"""
        async with self._reads.turn():
            page = await self._bills.page(call.path["sponsor_id"], call.query.cursor)
        return shapes.BillPageReply([_told(one) for one in page.bills], page.next_cursor or UNSET)

    async def get_bill(self, call: Call) -> shapes.SponsorBillReply:
        """A bill, and how far it is"""
        try:
            return _told(await self._bills.find(call.path["sponsor_id"], call.path["bill_number"]))
        except RequestRefused as refused:
            if refused.reason is not Reason.NOT_ALLOWED:
                raise
            raise Problem(Refusal.NOT_ALLOWED, "there is no such bill", status=404) from None

    async def report_event(self, call: Call) -> shapes.EventReply:
        """Report that a user has followed a sponsor or signed up, once per event id; the user gets a packet"""
        self._gate.check_current()
        body = call.body
        bill = await self._events.report(call.path["sponsor_id"], body.event_id, body.event_kind, body.user_id)
        reply = shapes.EventReply(body.event_id, str(body.user_id))
        if bill is not None:
            told = _told(bill)
            reply.bill_number, reply.amount_fen, reply.status = told.bill_number, told.amount_fen, told.status
            reply.packet_id, reply.reason = told.packet_id, told.reason
        return reply

    async def set_event_range(self, call: Call) -> shapes.EventRangeReply:
        """Say what a sponsor gives to users who follow it or sign up"""
        body, kind = call.body, call.path["event_kind"]
        made = await self._events.set_range(
            call.path["sponsor_id"], kind, body.low_fen, body.high_fen, body.greeting
        )
        return shapes.EventRangeReply(kind, made.commitment.hex(), made.revealed_seed.hex() or UNSET)


def _told(bill: Bill) -> shapes.SponsorBillReply:
    told = shapes.SponsorBillReply(
        str(bill.sponsor_id),
        bill.number,
        cast(shapes.BillKind, bill.kind),
        bill.amount_fen,
        bill.status,
        user_id=str(bill.user_id) if bill.user_id else UNSET,
        group_id=str(bill.group_id) if bill.group_id else UNSET,
        shares=bill.shares,
        opened_shares=bill.opened_shares,
        opened_fen=bill.opened_fen,
        reason=bill.reason or UNSET,
    )
    if bill.packet_id:
        told.packet_id, told.sent_at_ms = str(bill.packet_id), bill.sent_at_ms
    if bill.received_at_ms:
        told.received_at_ms = bill.received_at_ms
    if bill.refunded_fen:
        told.refunded_fen = bill.refunded_fen
    return told
