"""A crowd of simulated users: who they are, which groups they form, and the course of their evening.

    gather -> live -> wind_down -> farewell -> check -> leave

A scenario calls these steps. Everything is chosen from one seed, so the same seed gives the same people with the
same habits; what happens between them depends on the network as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from functools import partial
from random import Random
from typing import Any, TypeVar

from client_sim.sdk.backoff import patiently
from client_sim.sim.books import Order, PacketBook
from client_sim.sim.sim_context import USERS_MOST, Group, SimContext, place_of, user_id_of
from client_sim.sim.summary import Expectation, Summary
from client_sim.sim.user import User

BACKEND_USER_ID = 0
AT_ONCE = 100  # connections being made at the same time
PATIENCE_S = 10.0
GLANCE_EVERY_S = 0.1
GUEST_CHANCE = 0.2  # that a user is in a second group, too
GROUP_PEOPLE_MAX = 500
LIVELY_GROUP = 20  # in larger groups everybody acts less often, so that nobody sees more packets than in this one
FAREWELL_FEN = 888
FAREWELL_SHARES = 5

Thing = TypeVar("Thing")
Habits = Mapping[str, float]  # how common each character is
EVERYDAY: Habits = {
    "normal": 6,
    "fast": 2,
    "talker": 2,
    "giver": 1,
    "chain": 1,
    "greedy": 2,
    "sleeper": 2,
    "wanderer": 2,
}


class Crowd:
    """Users and groups made from a seed, and what they do together."""

    def __init__(
        self,
        url: str,
        mint: Callable[[int], str],
        *,
        users: int,
        groups: int,
        seconds: float,
        seed: int,
        habits: Habits = EVERYDAY,
        owners: str = "",
        pace: float = 1.0,
    ) -> None:
        """`mint`: the token of a user id; 0 is the chat backend. `owners`: the character of who owns a group, ""
        for any. `pace` stretches the time between two acts. Raises ValueError if the groups would not do.
        """
        if not 0 < groups <= users <= USERS_MOST:
            raise ValueError(f"{users} users in {groups} groups: give 1 ≤ groups ≤ users ≤ {USERS_MOST:,}")
        self.town = SimContext(url, mint)
        self.witness = self.town.witness
        self.seed = seed
        self.seconds = seconds
        self.phase = "waiting"
        self.ends_at = 0.0
        self.begun = asyncio.Event()
        self.shapes: list[Expectation] = []
        self._dice = Random(seed)
        self._backend = self.town.client(BACKEND_USER_ID)
        names, weights = list(habits), list(habits.values())
        drawn = self._dice.choices(names, weights, k=users)
        cast = [owners] * groups + drawn[groups:] if owners else drawn
        self.users = [User(user_id_of(seed, place), cast[place], self.town, seed) for place in range(users)]
        self.groups = self._groups(groups)
        for user in self.users:
            user.pace = pace * sum(len(group.member_ids) for group in user.groups) / LIVELY_GROUP

    def _groups(self, groups: int) -> list[Group]:
        made = [Group(f"群{number + 1}", []) for number in range(groups)]
        for place, user in enumerate(self.users):
            user.groups.append(made[place % groups])
            if groups > 1 and self._dice.random() < GUEST_CHANCE:
                user.groups.append(made[(place + self._dice.randrange(1, groups)) % groups])
            for group in user.groups:
                group.member_ids.append(user.user_id)
        largest = max(len(group.member_ids) for group in made)
        if largest > GROUP_PEOPLE_MAX:
            raise ValueError(
                f"{largest} users in one group, at most {GROUP_PEOPLE_MAX} fit: more groups are needed"
            )
        return made

    # --- what a screen looks at -------------------------------------------------------------------------------

    @property
    def connected(self) -> int:
        """How many users are online."""
        return sum(user.client.is_connected for user in self.users)

    @property
    def left_s(self) -> float:
        """How many seconds of chatting are left; before and after that, none."""
        return max(0.0, self.ends_at - asyncio.get_running_loop().time())

    def user(self, user_id: int) -> User:
        """One of the users."""
        return self.users[place_of(user_id)]

    # --- the course of the evening ----------------------------------------------------------------------------

    async def gather(self) -> None:
        """Everybody connects, gets pocket money and joins their groups. Raises ClientError if that fails."""
        self.phase = "gathering"
        await self._backend.connect(PATIENCE_S)
        await self._each(self.users, self._welcome)
        await self._each(self.groups, self._found)
        await self._each(self.users, self._join)

    async def _each(self, things: Iterable[Thing], do: Callable[[Thing], Awaitable[None]]) -> None:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(thing: Thing) -> None:
            async with gate:
                await do(thing)

        await asyncio.gather(*map(one, things))

    async def _welcome(self, user: User) -> None:
        await user.come()
        await patiently(partial(user.client.set_name, user.name), PATIENCE_S)
        await self.give(user.user_id, user.character.pocket_fen)

    async def give(self, user_id: int, amount_fen: int) -> None:
        """Money from outside, as the chat backend gives it."""
        await patiently(partial(self._backend.top_up, user_id, amount_fen), PATIENCE_S)

    async def _found(self, group: Group) -> None:
        owner = self.user(group.member_ids[0])
        group.group_id = await owner.client.create_group(group.name)
        self.witness.may_see(owner.user_id, group.group_id)

    async def _join(self, user: User) -> None:
        for group in user.groups:
            if group.member_ids[0] != user.user_id:
                self.witness.may_see(user.user_id, group.group_id)
                await patiently(partial(user.client.join_group, group.group_id), PATIENCE_S)

    def begin(self, phase: str) -> None:
        """The time runs from now on."""
        self.phase = phase
        self.ends_at = asyncio.get_running_loop().time() + self.seconds
        self.begun.set()

    async def live(self) -> None:
        """Everybody follows their habits for as long as the evening lasts."""
        self.begin("chatting")
        await asyncio.gather(*(user.carefully(user.live(self.seconds)) for user in self.users))

    def end(self) -> None:
        """The evening is over before its time."""
        self.ends_at = asyncio.get_running_loop().time()
        for user in self.users:
            user.have_enough()

    async def wind_down(self) -> None:
        """Nobody sends any more. What is being opened is opened."""
        self.phase = "winding down"
        self.end()
        await self._within_patience(user.rest() for user in self.users)

    async def farewell(self) -> None:
        """One lucky packet is finished in any case."""
        if self.best_packet() is None:
            await self.rain(self.largest_group(), FAREWELL_FEN, FAREWELL_SHARES)
            await self._until(lambda: self.best_packet() is not None)

    async def rain(self, group: Group, amount_fen: int, shares: int) -> PacketBook:
        """The owner of a group sends a lucky packet, and all members open it in the same moment."""
        owner = self.user(group.member_ids[0])
        await self.give(owner.user_id, amount_fen)
        shares = min(shares, len(group.member_ids))
        order = Order(owner.user_id, "lucky", group.group_id, amount_fen, shares)
        packet_id = await owner.send_order(order, self._dice)
        members = map(self.user, group.member_ids)
        await asyncio.gather(*(user.carefully(user.open(packet_id)) for user in members))
        return self.witness.packets[packet_id]

    async def check(self) -> None:
        """Everybody has heard everything; senders ask for the proof of every packet that is over."""
        self.phase = "checking"
        everybody_heard = await self._until(lambda: not any(map(self._left_behind, self.groups)))
        self.witness.expect(everybody_heard, "every member has heard every post of their groups")
        over: dict[int, list[int]] = {}
        for book in self.witness.finished():
            if book.order is not None:
                over.setdefault(book.order.sender_id, []).append(book.packet_id)
        await self._within_patience(self._reveal(self.user(sender), ids) for sender, ids in over.items())

    async def _reveal(self, user: User, packet_ids: list[int]) -> None:
        for packet_id in packet_ids:
            await user.carefully(self._reveal_one(user, packet_id))

    async def _reveal_one(self, user: User, packet_id: int) -> None:
        self.witness.was_revealed(await patiently(partial(user.client.reveal, packet_id), PATIENCE_S))

    def _left_behind(self, group: Group) -> bool:
        return len({self.user(user_id).client.positions.get(group.group_id) for user_id in group.member_ids}) > 1

    async def leave(self) -> None:
        """Everybody disconnects."""
        self.phase = "over"
        await self._each(self.users, User.go)
        await self._backend.close()

    async def _within_patience(self, works: Iterable[Coroutine[Any, Any, None]]) -> None:
        """Let all of these run, but not for ever."""
        tasks = [asyncio.create_task(work) for work in works]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=PATIENCE_S)
            for task in late:
                task.cancel()
            self.witness.expect(not late, f"{self.phase} is over within {PATIENCE_S:.0f} s")

    async def _until(self, holds: Callable[[], bool]) -> bool:
        """Wait until it holds; whether it did before patience ran out."""
        for _ in range(int(PATIENCE_S / GLANCE_EVERY_S)):
            if holds():
                return True
            await asyncio.sleep(GLANCE_EVERY_S)
        return holds()

    # --- afterwards -------------------------------------------------------------------------------------------

    def largest_group(self) -> Group:
        """The group with the most members, the first of several."""
        return max(self.groups, key=lambda group: len(group.member_ids))

    def best_packet(self) -> PacketBook | None:
        """The finished lucky packet that is nicest to look at: the one with the most shares."""
        lucky = [book for book in self.witness.finished() if book.order is not None and book.order.kind == "lucky"]
        return max(lucky, key=lambda book: len(book.shares), default=None)

    def returns(self) -> int:
        """How often somebody lost the connection and came back."""
        return sum(user.restarts + user.reconnects + user.client.reconnects for user in self.users)

    def summary(self) -> Summary:
        """What came of it."""
        witness = self.witness
        contradictions = witness.contradictions()
        return Summary(
            ok=not contradictions and not witness.failed and all(shape.holds for shape in self.shapes),
            seed=self.seed,
            users=len(self.users),
            groups=len(self.groups),
            packets=sum(row.sent for row in witness.by_kind()),
            finished=len(witness.finished()),
            revealed=sum(book.revealed is not None for book in witness.packets.values()),
            won=witness.answers["won"],
            denied=witness.answers["not_allowed"],
            pushes=witness.pushes.total(),
            returns=self.returns(),
            pushes_dropped=sum(user.pushes_dropped for user in self.users),
            open_p50_ms=witness.open_ms.percentile(50),
            open_p99_ms=witness.open_ms.percentile(99),
            shapes=self.shapes,
            contradictions=contradictions,
            failures=witness.failures,
        )
