"""Deliberate defects of packets of other kinds and of bills: worlds that have them must find each."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from storage.postgres.packets.scheduled import Cancelled
from tests.sim.defect import Defect

if TYPE_CHECKING:
    from tests.sim.world import World


class KindsDefect(Defect):
    """Worlds without these packets are as they are."""

    def break_stores(self, world: World) -> None:
        if world.kinds_side is not None:
            self.break_tables(world.tables)

    def break_tables(self, tables: Any) -> None:
        """Called in a world with these packets."""

    def break_server(self, server: Any) -> None:
        if server.world.kinds_side is not None:
            self.break_services(server.services)

    def break_services(self, services: Any) -> None:
        """Called in a world with these packets."""


# --- packets that wait --------------------------------------------------------------------------------------------


class CancelIgnoresThePost(KindsDefect):
    """A packet that was posted meanwhile is cancelled, and paid back whole."""

    def break_tables(self, tables: Any) -> None:
        def cancel(packet_id: int, sender_id: int, now_ms: int) -> Cancelled | None:
            row = tables.scheduled.get(packet_id)
            if row is None or row.sender_id != sender_id:
                return None
            if tables.packets[packet_id].closed_at_ms is not None:
                return Cancelled(tables.packets[packet_id].refunded_fen, None)
            tables.end_waiting(packet_id, "cancelled")
            (refund,) = tables.refund([packet_id], now_ms)
            return Cancelled(refund.refunded_fen, refund)

        tables.cancel_scheduled = cancel


class CancelPaysNothingBack(KindsDefect):
    """A cancelled packet is never posted, and its money stays where it is."""

    def break_tables(self, tables: Any) -> None:
        def cancel(packet_id: int, sender_id: int, now_ms: int) -> Cancelled | None:
            row = tables.scheduled.get(packet_id)
            if row is None or row.sender_id != sender_id or row.state == "posted":
                return None
            if row.state == "waiting":
                tables.end_waiting(packet_id, "cancelled")
            return Cancelled(tables.packets[packet_id].total_fen, None)

        tables.cancel_scheduled = cancel


class CancelledPacketIsPosted(KindsDefect):
    """What is due is read before the transaction that posts it."""

    def break_services(self, services: Any) -> None:
        store = services.everyday.scheduled._store
        real, tables = store.post, store._tables

        async def post(now_ms: int, most: int, streams_of: Any, held: Any = None) -> Any:
            due = tables.due_scheduled(now_ms + 1_000, most)
            present, tables.due_scheduled = tables.due_scheduled, lambda now_ms, most: due
            try:
                return await real(now_ms, most, streams_of, held)
            finally:
                tables.due_scheduled = present

        store.post = post


class PostedBeforeItsTime(KindsDefect):
    """The time of a packet is not waited for."""

    def break_tables(self, tables: Any) -> None:
        real = tables.due_scheduled
        tables.due_scheduled = lambda now_ms, most: real(now_ms + 2_000, most)


class WaitingPacketIsOpened(KindsDefect):
    """Who knows the id of a packet that waits opens it."""

    def break_tables(self, tables: Any) -> None:
        tables.row = lambda packet_id: tables.packets[packet_id]


class BarredSendersPost(KindsDefect):
    """A packet is posted in the name of a user who was banned, or has left the group."""

    def break_tables(self, tables: Any) -> None:
        tables.may_not_send = lambda row: False


# --- who may open -------------------------------------------------------------------------------------------------


class NamesAreIgnored(KindsDefect):
    """Every member of the group opens a packet that names others."""

    def break_services(self, services: Any) -> None:
        opens = services.opens
        real = opens._decide

        def decide(live: Any, packet: Any, request: Any) -> None:
            if packet.terms.only_for:
                packet.terms = packet.terms._replace(only_for=frozenset(live.audience))
            real(live, packet, request)

        opens._decide = decide


class NamesAreForgotten(KindsDefect):
    """A packet that is read again names no user."""

    def break_tables(self, tables: Any) -> None:
        real = tables.load

        def load(packet_ids: Sequence[int]) -> Any:
            rows, claims = real(packet_ids)
            return {one: row._replace(only_for=None) for one, row in rows.items()}, claims

        tables.load = load


class WordsAreNotNeeded(KindsDefect):
    """A packet with words gives tickets to all."""

    def break_services(self, services: Any) -> None:
        opens = services.opens
        real = opens._decide

        def decide(live: Any, packet: Any, request: Any) -> None:
            packet.said = None
            real(live, packet, request)

        opens._decide = decide


class WordsAreForgotten(KindsDefect):
    """Who has said the words is not read with the packet."""

    def break_services(self, services: Any) -> None:
        async def no_user(packet_ids: Sequence[int]) -> dict[int, set[int]]:
            return {}

        services.reload._words.said = no_user
        services.live_packets.said = lambda packet_id, user_id: None


class AttemptsAreNotCounted(KindsDefect):
    """Words can be guessed without end."""

    def break_tables(self, tables: Any) -> None:
        real = tables.count_attempt
        tables.count_attempt = lambda packet_id, user_id, attempts_max: real(packet_id, user_id, 1_000)


class WordsAreSaidTwice(KindsDefect):
    """Right words become a text each time."""

    def break_tables(self, tables: Any) -> None:
        real = tables.say_one

        def say(one: Any, *words: Any) -> Any:
            spoken = real(one, *words)
            if spoken.outcome == "right" and not spoken.message:
                return spoken._replace(message=tables.append_text(one))
            return spoken

        tables.say_one = say


# --- passing on ---------------------------------------------------------------------------------------------------


class AdmissionsAreNotFollowed(KindsDefect):
    """Who was admitted at one server is not allowed at the other."""

    def break_services(self, services: Any) -> None:
        services.changes._follows["admission"].clear()


class FriendsWhoAreInAreNotTold(KindsDefect):
    """Who shows a link again is answered before the other servers know of the admission."""

    def break_services(self, services: Any) -> None:
        services.pass_on._told = AllTold()


class AllTold(OrderedDict[tuple[int, int], None]):
    """It has every admission."""

    def __contains__(self, admission: object) -> bool:
        return True


class FriendsOpenFirst(KindsDefect):
    """Friends are admitted to a packet without a link."""

    def break_services(self, services: Any) -> None:
        opens = services.opens
        real = opens._decide

        def decide(live: Any, packet: Any, request: Any) -> None:
            if packet.claims and packet.terms.kind == "fission":
                live.admitted.setdefault(request.user_id, 1)
            real(live, packet, request)

        opens._decide = decide


# --- bills --------------------------------------------------------------------------------------------------------


class BillDayIsCountedBefore(KindsDefect):
    """The bills of a day are counted before the transaction that records the next one."""

    def break_services(self, services: Any) -> None:
        store = services.enterprise.bills._store
        tables, real = store._tables, store.begin

        async def begin(bill: Any, day: Any) -> Any:
            tables.check_bill_day(bill, day)
            return await real(bill, day._replace(packets=0, fen=0))

        store.begin = begin


class BillsForgetTheirKey(KindsDefect):
    """Each attempt at a bill has a key of its own."""

    def break_services(self, services: Any) -> None:
        bills = services.enterprise.bills
        send = bills._send
        attempts = 0

        async def send_again(asked: Any) -> Any:
            nonlocal attempts
            attempts += 1
            return await send(asked._replace(key=f"{asked.key} {attempts}") if attempts % 2 == 0 else asked)

        bills._send = send_again


class FailedBillsAreSent(KindsDefect):
    """The packet of an attempt that another one has overtaken is sent, and no day counts it."""

    def break_tables(self, tables: Any) -> None:
        tables.has_failed_bill = lambda row: False


KINDS_DEFECTS: tuple[type[Defect], ...] = (
    CancelIgnoresThePost,
    CancelPaysNothingBack,
    CancelledPacketIsPosted,
    PostedBeforeItsTime,
    WaitingPacketIsOpened,
    BarredSendersPost,
    NamesAreIgnored,
    NamesAreForgotten,
    WordsAreNotNeeded,
    WordsAreForgotten,
    AttemptsAreNotCounted,
    WordsAreSaidTwice,
    AdmissionsAreNotFollowed,
    FriendsWhoAreInAreNotTold,
    FriendsOpenFirst,
    BillDayIsCountedBefore,
    BillsForgetTheirKey,
    FailedBillsAreSent,
)
