"""A crowd of simulated users: who they are, which groups they form, and how far the run is.

Everything is drawn from one seed: the same seed gives the same users with the same habits. The course of a run is
in `steps`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from random import Random

from client_sim.sdk.backoff import patiently
from client_sim.sim.books import PacketBook
from client_sim.sim.characters import Reaction
from client_sim.sim.sim_context import USERS_MOST, Group, SimContext, index_of, user_id_at
from client_sim.sim.summary import Expectation, Summary
from client_sim.sim.user import User

BACKEND_USER_ID = 0
PATIENCE_S = 10.0
GUEST_CHANCE = 0.2  # that a user is a member of a second group
GROUP_MEMBERS_MOST = 500
LIVELY_GROUP = 20  # in larger groups users act less often, so no user receives more packets than in a group of 20

Habits = Mapping[str, float]  # the weight of each character
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
    """Users and groups made from a seed."""

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
        notice: Reaction | None = None,
        language: str = "en",
    ) -> None:
        """`mint`: the token of a user id; 0 is the chat backend. `owners`: the character of every group's owner, ""
        for any. `pace` stretches the time between two acts; `notice` is added to each reaction. Raises ValueError
        for numbers that are not possible.
        """
        if not 0 < groups <= users <= USERS_MOST:
            raise ValueError(f"{users} users in {groups} groups: give 1 ≤ groups ≤ users ≤ {USERS_MOST:,}")
        self.context = SimContext(url, mint, language)
        self.witness = self.context.witness
        self.seed = seed
        self.seconds = seconds
        self.phase = "waiting"
        self.ends_at = 0.0
        self.begun = asyncio.Event()
        self.expectations: list[Expectation] = []
        self.backend = self.context.client(BACKEND_USER_ID)
        self.rng = Random(seed)
        names, weights = list(habits), list(habits.values())
        drawn = self.rng.choices(names, weights, k=users)
        cast = [owners] * groups + drawn[groups:] if owners else drawn
        self.users = [User(user_id_at(seed, index), cast[index], self.context, seed) for index in range(users)]
        self.groups = self._form_groups(groups)
        for user in self.users:
            user.notice = notice
            user.pace = pace * sum(len(group.member_ids) for group in user.groups) / LIVELY_GROUP

    def _form_groups(self, groups: int) -> list[Group]:
        formed = [Group(self.context.words("group", number=number + 1), []) for number in range(groups)]
        for index, user in enumerate(self.users):
            user.groups.append(formed[index % groups])
            if groups > 1 and self.rng.random() < GUEST_CHANCE:
                user.groups.append(formed[(index + self.rng.randrange(1, groups)) % groups])
            for group in user.groups:
                group.member_ids.append(user.user_id)
        largest = max(len(group.member_ids) for group in formed)
        if largest > GROUP_MEMBERS_MOST:
            raise ValueError(f"{largest} users in one group: at most {GROUP_MEMBERS_MOST} fit, so give more groups")
        return formed

    def user(self, user_id: int) -> User:
        """One of the users."""
        return self.users[index_of(user_id)]

    def largest_group(self) -> Group:
        """The group with the most members, the first of several."""
        return max(self.groups, key=lambda group: len(group.member_ids))

    async def give(self, user_id: int, amount_fen: int) -> None:
        """Top up a wallet, as the chat backend."""
        await patiently(partial(self.backend.top_up, user_id, amount_fen), PATIENCE_S)

    # --- how far the run is -----------------------------------------------------------------------------------

    def begin(self, phase: str) -> None:
        """The time of the run starts now."""
        self.phase = phase
        self.ends_at = asyncio.get_running_loop().time() + self.seconds
        self.begun.set()

    def end(self) -> None:
        """The time of the run is over now: users start nothing new."""
        self.ends_at = asyncio.get_running_loop().time()
        for user in self.users:
            user.stopped.set()

    @property
    def connected(self) -> int:
        """How many users are online."""
        return sum(user.client.is_connected for user in self.users)

    @property
    def left_s(self) -> float:
        """How many seconds of the run are left; 0 before and after it."""
        return max(0.0, self.ends_at - asyncio.get_running_loop().time())

    # --- the result -------------------------------------------------------------------------------------------

    def best_packet(self) -> PacketBook | None:
        """The finished lucky packet with the most shares: the best one to show."""
        lucky = [book for book in self.witness.finished() if book.order is not None and book.order.kind == "lucky"]
        return max(lucky, key=lambda book: len(book.shares), default=None)

    def returns(self) -> int:
        """How often users lost the connection and came back."""
        return sum(user.phone.returns for user in self.users)

    def summary(self) -> Summary:
        """The figures of the run."""
        witness = self.witness
        contradictions = witness.contradictions()
        return Summary(
            ok=not contradictions and not witness.failed and all(one.holds for one in self.expectations),
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
            pushes_dropped=sum(user.phone.pushes_dropped for user in self.users),
            open_p50_ms=witness.open_ms.percentile(50),
            open_p99_ms=witness.open_ms.percentile(99),
            expectations=self.expectations,
            contradictions=contradictions,
            failures=witness.failures,
        )
