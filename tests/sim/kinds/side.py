"""Users who send packets of other kinds: they schedule, say words, pass packets on. The backend sends bills."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from server.core.decisions import Answer
from server.core.enterprise.bills import BillRequest, BillStatus
from server.core.kinds import PacketKind
from server.core.packet_request import WALLET
from tests.sim.bank.plan import AGAIN
from tests.sim.kinds import check
from tests.sim.kinds.plan import ATTEMPTS_MAX, BILL_FEN
from tests.sim.plan import GROUP, OWNER, SPONSOR

if TYPE_CHECKING:
    from tests.sim.server import SimServer
    from tests.sim.world import World

RETRIES = 12
AT_ONCE_KINDS = (PacketKind.EXCLUSIVE, PacketKind.PASSWORD, PacketKind.FISSION)
LATER_KINDS = (PacketKind.LUCKY, PacketKind.EQUAL, PacketKind.PERSONAL)  # are in every world, sent at once


class KindsSide:
    """Made after the world's own parts."""

    def __init__(self, world: World) -> None:
        assert world.plan.kinds is not None
        self._world, self.plan = world, world.plan.kinds
        self.rng = random.Random(f"kinds {world.seed}")
        self.words: dict[int, str] = {}  # of password packets
        self.cancels: dict[int, list[tuple[str, Any]]] = {}  # by packet: the outcomes
        self.heard_s: dict[tuple[int, int, int], float] = {}  # when a process has told a user: the words are right
        self.wrong_words: Counter[tuple[int, int]] = Counter()  # by packet and user, as told
        self.admitted_s: dict[tuple[int, int], float] = {}  # when a user was told to be admitted to a packet
        self.bills: dict[str, list[tuple[str, Any]]] = {}  # by number: the outcomes
        self.seen: Counter[str] = Counter()  # what happened, for the test of what worlds cover

    def begin(self) -> None:
        """Users act from now on."""
        for number in range(self.plan.packets):
            self._world.spawn(self._send(number))
        for number in range(self.plan.bills):
            self._world.spawn(self._bill(f"b{number}"))

    def is_settled(self) -> bool:
        """Nothing is open besides packets."""
        return True

    def rules(self) -> Sequence[Callable[[World], list[str]]]:
        """What must hold at the end."""
        return check.RULES

    async def _soon(self, part: float = 0.5) -> None:
        await asyncio.sleep(self.rng.uniform(0.0, self._world.plan.length_s * part))

    def _others(self, *user_ids: int) -> list[int]:
        return [one for one in range(1, self._world.plan.users + 1) if one not in user_ids]

    # --- sends ------------------------------------------------------------------------------------------------

    async def _send(self, number: int) -> None:
        world, rng, key = self._world, self.rng, f"kind {number}"
        await self._soon()
        sender_id = rng.choice(self._others())
        is_later = rng.random() < self.plan.later_rate
        kind = rng.choice((*AT_ONCE_KINDS, *LATER_KINDS) if is_later else AT_ONCE_KINDS)
        target_id, fen, shares, more = self._content(kind, sender_id, number)
        if is_later:
            more["send_at_ms"] = int(world.true_ms()) + rng.randint(100, self.plan.later_ms)
        packet_request = (sender_id, key, kind, target_id, fen, shares, "")
        world.sent[sender_id, key] = []
        payer = WALLET if world.bank_side is None else world.bank_side.by_wallet(sender_id)
        copies = rng.choice((1, 1, 2))
        await asyncio.gather(*(world.send_packet(packet_request, payer, more) for _ in range(copies)))
        for said, terms in world.sent[sender_id, key]:
            if said == "ok":
                await self._sent(sender_id, terms.packet_id, more)
                return

    def _content(self, kind: PacketKind, sender_id: int, number: int) -> tuple[int, int, int, dict[str, Any]]:
        """Target, amount, shares, and what the kind has besides."""
        rng, others = self.rng, self._others(sender_id)
        if kind is PacketKind.EXCLUSIVE:
            named = rng.sample(others, rng.randint(1, min(3, len(others))))
            return GROUP, rng.choice((1, 100)), len(named), {"for_user_ids": named}
        if kind is PacketKind.PASSWORD:
            shares = rng.randint(1, 3)
            return GROUP, shares * rng.choice((3, 200)), shares, {"words": f"words {number}"}
        if kind is PacketKind.FISSION:
            shares = rng.randint(3, 5)
            return rng.choice(others), shares * rng.choice((3, 150)), shares, {}
        if kind is PacketKind.PERSONAL:
            return rng.choice(others), 250, 1, {}
        shares = rng.randint(1, 3)
        return GROUP, rng.choice((shares * 3, 400)), shares, {}

    async def _sent(self, sender_id: int, packet_id: int, more: dict[str, Any]) -> None:
        self.words |= {packet_id: more["words"]} if "words" in more else {}
        if "send_at_ms" not in more:
            return
        self.cancels[packet_id] = []
        if self.rng.random() < 0.3:  # before its time there is no such packet, for the sender neither
            self._world.spawn(self._world.open_packet(sender_id, packet_id))
        if self.rng.random() < 0.3:
            self._world.spawn(self._list(sender_id))
        if sender_id != OWNER and self.rng.random() < 0.2:
            self._world.spawn(self._ban(sender_id))
        if self.rng.random() < self.plan.cancel_rate:
            await asyncio.sleep(self.rng.uniform(0.0, self.plan.later_ms * 1.5 / 1000))
            copies = self.rng.choice((1, 1, 2))
            await asyncio.gather(*(self._cancel(sender_id, packet_id) for _ in range(copies)))

    async def _ban(self, sender_id: int) -> None:
        """A sender who is banned when the time of the packet comes, and let in again later."""
        world = self._world
        await world.churn.set_ban(self.rng.choice(world.servers), sender_id, banned=True)
        await asyncio.sleep(self.plan.later_ms / 1000 + 1.0)
        await world.churn.set_ban(self.rng.choice(world.servers), sender_id, banned=False)

    async def _cancel(self, sender_id: int, packet_id: int) -> None:
        world = self._world
        for _ in range(RETRIES):
            server = self.rng.choice(world.servers)
            if await server.admits(sender_id):
                work = server.running.everyday.scheduled.cancel(sender_id, packet_id)
                outcome = await world.call(server, work, "cancel", packet_id)
                self.cancels[packet_id].append(outcome)
                self.seen[f"cancel {outcome[0]}"] += 1
                state, row = world.tables.scheduled[packet_id].state, world.tables.packets[packet_id]
                if outcome[0] == "ok" and (state, row.refunded_fen) != ("cancelled", row.total_fen):
                    world.report(f"the cancel of {packet_id} was confirmed, it is {state}: {row}")
                if outcome[0] not in AGAIN:
                    return
            await asyncio.sleep(self.rng.uniform(0.05, 0.5))

    async def _list(self, sender_id: int) -> None:
        """The packets of the sender that wait, all through the request, are listed; and no others."""
        world = self._world
        server = self.rng.choice(world.servers)
        if not await server.admits(sender_id):
            return
        scheduled = world.tables.scheduled
        mine = {one for one, row in scheduled.items() if row.sender_id == sender_id and row.state == "waiting"}
        said, listed = await world.call(server, server.running.everyday.scheduled.waiting(sender_id), "waiting")
        if said == "ok":
            ids = {terms.packet_id for terms in listed}
            stayed = {one for one in mine if scheduled[one].state == "waiting"}
            if stayed - ids or any(scheduled[one].sender_id != sender_id for one in ids):
                world.report(f"user {sender_id} was told that {sorted(ids)} wait, these do: {sorted(stayed)}")

    # --- words ------------------------------------------------------------------------------------------------

    async def say(self, user_id: int, packet_id: int) -> None:
        """Say the words of a packet, perhaps wrong ones."""
        world = self._world
        server = self.rng.choice(world.servers)
        if packet_id not in self.words or not await server.admits(user_id):
            return
        is_wrong = self.rng.random() < self.plan.wrong_rate
        words = "wrong" if is_wrong else f" {self.words[packet_id]} "
        process, watch = server.process, server.tickets
        watch.may_hold(user_id, packet_id, server.now_ms())
        said_before = world.tables.has_said(packet_id, user_id)
        work = server.running.everyday.words.say(user_id, packet_id, words)
        said, answer = await world.call(server, work, "say", user_id, packet_id, words)
        watch.may_hold(user_id, packet_id, server.now_ms())
        self.seen[f"say {said}"] += 1
        if said == "words_wrong":
            self.wrong_words[packet_id, user_id] += 1
            if not is_wrong or said_before:
                world.report(f"user {user_id} was told that the words of {packet_id} are wrong: {words}")
        elif said == "words_spent":
            row = world.tables.words_said[packet_id, user_id]
            if row.attempts < ATTEMPTS_MAX or row.said_at_ms is not None:
                world.report(f"user {user_id} was told that no words of {packet_id} are left: {row}")
        elif said == "ok" and answer is Answer.TICKET:
            self.heard_s.setdefault((process, packet_id, user_id), world.loop.time())
            if not world.tables.has_said(packet_id, user_id):
                world.report(f"user {user_id} was told that the words of {packet_id} are right: {words}")

    # --- passing on -------------------------------------------------------------------------------------------

    def opened(self, user_id: int, packet_id: int) -> None:
        """A user has opened a packet, and perhaps passes it on."""
        if self._world.tables.packets[packet_id].kind == PacketKind.FISSION:
            self._world.spawn(self._pass_on(user_id, packet_id))

    async def _pass_on(self, user_id: int, packet_id: int) -> None:
        world = self._world
        server = self.rng.choice(world.servers)
        if not await server.admits(user_id):
            return
        said, made = await world.call(server, server.running.pass_on.make(user_id, packet_id), "link", user_id)
        self.seen[f"link {said}"] += 1
        if said == "ok":
            friends = [one for one in world.plan.members if one != user_id]
            for friend in self.rng.sample(friends, min(len(friends), self.rng.randint(1, self.plan.friends))):
                world.spawn(self._show_link(friend, made.text, packet_id))

    async def _show_link(self, user_id: int, text: str, packet_id: int) -> None:
        """Be admitted, and open."""
        world = self._world
        for _ in range(RETRIES):
            server = self.rng.choice(world.servers)
            if await server.admits(user_id):
                work = server.running.pass_on.show(user_id, text, packet_id)
                said, arrival = await world.call(server, work, "show", user_id, packet_id)
                self.seen[f"show {said}"] += 1
                if said == "ok" and arrival.over is None:
                    if world.tables.packets[packet_id].target_id != user_id:
                        self.admitted_s.setdefault((packet_id, user_id), world.loop.time())
                    await world.open_packet(user_id, packet_id)
                if said not in AGAIN:
                    return
            await asyncio.sleep(self.rng.uniform(0.05, 0.5))

    # --- bills ------------------------------------------------------------------------------------------------

    async def _bill(self, number: str) -> None:
        """The backend sends a bill until the outcome is final, sometimes twice at once."""
        await self._soon()
        one = BillRequest(SPONSOR, number, self.rng.choice(self._others()[:2]), self.rng.choice(BILL_FEN), "")
        self.bills[number] = []
        copies = self.rng.choice((1, 1, 2))
        await asyncio.gather(*(self._ask_for_bill(one) for _ in range(copies)))

    async def _ask_for_bill(self, one: BillRequest) -> None:
        world = self._world
        for _ in range(RETRIES):
            server = self.rng.choice(world.servers)
            if server.services is not None:
                outcome = await world.call(server, server.running.enterprise.bills.send(one), "bill", one.number)
                self.bills[one.number].append(outcome)
                self.seen[f"bill {outcome[0]}"] += 1
                self._check_bill(one, *outcome)
                if outcome[0] not in AGAIN:
                    return
            await asyncio.sleep(self.rng.uniform(0.05, 1.0))

    def _check_bill(self, one: BillRequest, said: str, bill: Any) -> None:
        tables = self._world.tables
        packet = tables.sent_before(SPONSOR, one.key)
        if said != "ok":
            return
        self.seen[f"bill is {bill.status}"] += 1
        told = {BillStatus.SENT, BillStatus.RECEIVED, BillStatus.REFUNDING, BillStatus.REFUNDED}
        if (bill.status in told) != (bill.packet_id != 0) or (bill.packet_id and packet is None):
            self._world.report(f"{bill} was told, recorded is {packet}")
        if bill.status is BillStatus.RECEIVED and not tables.claims[bill.packet_id]:
            self._world.report(f"{bill} was told, and its packet has no claim")


def server_part(server: SimServer, sender_id: int, key: str, more: dict[str, Any]) -> dict[str, Any]:
    """What a server makes of the part of a request that its kind has besides: words are hidden at once."""
    if "words" not in more:
        return more
    hidden = server.running.everyday.hidden_words.hide(sender_id, key, more["words"])
    return {**more, "words": hidden}
