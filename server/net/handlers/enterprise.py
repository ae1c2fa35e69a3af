"""Requests of the chat backend in the name of sponsors: bills and events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from protocol import messages
from protocol.messages import Message
from server.core.enterprise.bills import BillRequest, group_kind
from server.core.packet_request import DEFAULT_GREETING
from server.net.session import Session
from server.services.assembly import Services
from server.services.enterprise.bills import Bill

AnyBill = TypeVar("AnyBill", bound=messages.BillSent)


class EnterpriseHandlers:
    """Bills, events, and what is given for them."""

    def __init__(self, services: Services) -> None:
        self._bills, self._events = services.enterprise.bills, services.enterprise.events

    def served(self) -> dict[type[Message], Callable[[Session, Any], Awaitable[Message]]]:
        """What serves each request."""
        return {
            messages.SendBill: self.send_bill,
            messages.GetBill: self.get_bill,
            messages.ReportEvent: self.report_event,
            messages.SetEventRange: self.set_event_range,
            messages.SendGroupBill: self.send_group_bill,
            messages.ListBills: self.list_bills,
        }

    async def send_bill(self, session: Session, request: messages.SendBill) -> Message:
        content = request.amount_fen, request.greeting or DEFAULT_GREETING, request.scene_id, request.client_seed
        asked = BillRequest(request.sponsor_id, request.bill_number, request.user_id, *content)
        return _told(await self._bills.send(asked), messages.BillSent)

    async def send_group_bill(self, session: Session, request: messages.SendGroupBill) -> Message:
        whom = request.sponsor_id, request.bill_number, request.group_id, request.amount_fen
        about = request.greeting or DEFAULT_GREETING, request.scene_id, request.client_seed
        asked = BillRequest(*whom, *about, group_kind(request.packet_kind), request.shares)
        return _told(await self._bills.send(asked), messages.GroupBillSent)

    async def get_bill(self, session: Session, request: messages.GetBill) -> Message:
        return _told(await self._bills.find(request.sponsor_id, request.bill_number), messages.BillFound)

    async def list_bills(self, session: Session, request: messages.ListBills) -> Message:
        page = await self._bills.page(request.sponsor_id, request.cursor)
        return messages.Bills(0, [messages.BillLine(*one) for one in page.bills], page.next_cursor)

    async def report_event(self, session: Session, request: messages.ReportEvent) -> Message:
        about = request.sponsor_id, request.event_id, request.event_kind, request.user_id
        bill = await self._events.report(*about)
        if bill is None:
            return messages.EventReported(0, request.sponsor_id, "", request.user_id, 0, "")
        return _told(bill, messages.EventReported)

    async def set_event_range(self, session: Session, request: messages.SetEventRange) -> Message:
        bounds = request.low_fen, request.high_fen, request.greeting
        made = await self._events.set_range(request.sponsor_id, request.event_kind, *bounds)
        return messages.EventRangeSet(0, request.sponsor_id, request.event_kind, *made)


def _told(bill: Bill, reply: type[AnyBill]) -> AnyBill:
    return reply(0, *bill)
