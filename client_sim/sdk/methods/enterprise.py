"""The methods of `Client` for the chat backend in the name of sponsors. For other users they raise Forbidden."""

from __future__ import annotations

from client_sim.sdk.ask import Requests
from client_sim.sdk.errors import Refusal
from protocol import codes, messages


class BadScene(Refusal):
    """The scene of a bill is none of those in the config of the server."""

    CODE = codes.Refusal.BAD_SCENE


class EnterpriseMethods(Requests):
    """Packets to a user or a group by bill number, or to a user because of an event."""

    async def send_bill(
        self,
        sponsor_id: int,
        bill_number: str,
        user_id: int,
        amount_fen: int,
        greeting: str = "",
        scene_id: str = "",
        client_seed: bytes = b"",
    ) -> messages.BillSent:
        """Send a packet to a user in a sponsor's name, once per `bill_number` (1 to 32 letters, digits, - and _).

        The same number with the same content finds the packet, or tries again if it has failed. `status` of the
        reply is SENT, or FAILED with a `reason` such as not_enough_money. Raises BadAmount, BadScene, KeyReused
        (other content), LimitReached (of the day), NotASponsor, StoreUnavailable.
        """
        content = amount_fen, greeting, scene_id, client_seed
        request = messages.SendBill(0, sponsor_id, bill_number, user_id, *content)
        return await self._ask(request, messages.BillSent)

    async def send_group_bill(
        self,
        sponsor_id: int,
        bill_number: str,
        group_id: int,
        packet_kind: str,
        amount_fen: int,
        shares: int,
        greeting: str = "",
        scene_id: str = "",
        client_seed: bytes = b"",
    ) -> messages.GroupBillSent:
        """Send a packet to a group in a sponsor's name, once per `bill_number`: `amount_fen` in all.

        `packet_kind`: `enterprise_lucky` (drawn) or `enterprise_equal` (even). The rest as in `send_bill`.
        """
        content = packet_kind, amount_fen, shares, greeting, scene_id, client_seed
        request = messages.SendGroupBill(0, sponsor_id, bill_number, group_id, *content)
        return await self._ask(request, messages.GroupBillSent)

    async def bill(self, sponsor_id: int, bill_number: str) -> messages.BillFound:
        """How far a bill is, see `messages.BillSent`. Raises NotAllowed: there is none."""
        return await self._ask(messages.GetBill(0, sponsor_id, bill_number), messages.BillFound)

    async def bills(self, sponsor_id: int, cursor: str = "") -> messages.Bills:
        """The bills of a sponsor, the newest first; go on with `next_cursor`, which is "" at the end."""
        return await self._ask(messages.ListBills(0, sponsor_id, cursor), messages.Bills)

    async def report_event(
        self, sponsor_id: int, event_id: str, event_kind: str, user_id: int
    ) -> messages.EventReported:
        """A user has followed a sponsor (`follow`) or signed up (`sign_up`): the bill of the packet that they get.

        One packet for a user and kind; again with the same `event_id` is harmless. Without a range of the sponsor
        for such an event `bill_number` is "". Raises KeyReused, LimitReached, NotASponsor, Refusal (bad_request).
        """
        request = messages.ReportEvent(0, sponsor_id, event_id, event_kind, user_id)
        return await self._ask(request, messages.EventReported)

    async def set_event_range(
        self, sponsor_id: int, event_kind: str, low_fen: int, high_fen: int, greeting: str = ""
    ) -> messages.EventRangeSet:
        """What a sponsor gives for an event, drawn from a seed that the reply commits to; 0, 0: nothing.

        Raises BadAmount, NotASponsor.
        """
        request = messages.SetEventRange(0, sponsor_id, event_kind, low_fen, high_fen, greeting)
        return await self._ask(request, messages.EventRangeSet)
