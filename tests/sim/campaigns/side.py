"""Users who shake, and the backend that makes campaigns, pauses, resumes and ends them."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from server.core.amounts import Caps
from server.core.campaigns.deck import Band, BandDeck, Deck, DrawDeck
from server.core.campaigns.shakes import Result, Shook
from server.core.campaigns.terms import CampaignRequest
from server.core.refusals import Reason, RequestRefused
from server.services.campaigns import leases
from tests.sim.bank.plan import AGAIN
from tests.sim.campaigns import check
from tests.sim.clock import EPOCH_MS
from tests.sim.plan import GROUP, SPONSOR

if TYPE_CHECKING:
    from tests.sim.server import SimServer
    from tests.sim.standing import Known
    from tests.sim.world import World

RETRIES = 12
PATIENCE_S = 3.0
BANDS = [Band(100, 199, 900_000), Band(200, 300, 100_000)]
PLANTED = [Band(618, 618, 200_000)]
CAPS = Caps(10, 200)
SHAKEN_AFTER_S = 3.0  # users go on to shake so long after the faults have ended


@contextmanager
def soon_idle() -> Iterator[None]:
    """Leases of killed and of idle servers are leased again sooner than in reality: worlds are short."""
    before = leases.DEAD_S, leases.IDLE_MS
    leases.DEAD_S, leases.IDLE_MS = 2.5, 1_000  # type: ignore[misc]
    try:
        yield
    finally:
        leases.DEAD_S, leases.IDLE_MS = before  # type: ignore[misc]


class Shake(NamedTuple):
    """A shake that was answered: a result of the protocol, or a refusal."""

    user_id: int
    campaign_id: int
    result: str
    win: Any  # packet, index, amount
    known: Known
    version: int  # the newest of the campaign that was replied to when it arrived
    server: int
    process: int


class CampaignSide:
    """Made after the world's own parts."""

    def __init__(self, world: World) -> None:
        assert world.plan.campaigns is not None
        self._world, self.plan = world, world.plan.campaigns
        self.rng = random.Random(f"campaigns {world.seed}")
        self.created: dict[str, list[tuple[str, Any]]] = {}  # by key: the outcomes
        self.versions: defaultdict[int, int] = defaultdict(int)  # of campaigns, as replied
        self.opened: list[int] = []  # campaigns that users know
        self.told: defaultdict[tuple[int, int], set[tuple[int, int, int]]] = defaultdict(set)  # wins, by user
        self.open_shakes: Counter[tuple[int, int, int]] = Counter()  # not answered, by process, campaign and user
        self.seen: Counter[str] = Counter()

    def begin(self) -> None:
        """The backend makes campaigns, and users shake."""
        world = self._world
        for number in range(self.plan.campaigns):
            world.spawn(self._create(number))
        for user_id in range(1, world.plan.users + 1):
            world.spawn(self._shaker(user_id))
        if self.plan.changes_s < world.plan.length_s:
            world.spawn(self._change())

    def is_settled(self) -> bool:
        """The books of all campaigns are closed."""
        return all(row.closed_at_ms is not None for row in self._world.tables.campaigns.values())

    def rules(self) -> Sequence[Callable[[World], list[str]]]:
        """What must hold at the end."""
        return check.RULES

    # --- the backend ------------------------------------------------------------------------------------------

    async def _create(self, number: int) -> None:
        """Ask until the outcome is final, sometimes twice at once."""
        world, rng, key = self._world, self.rng, f"campaign {number}"
        await asyncio.sleep(rng.uniform(0.0, 0.5))
        starts_at_ms = int(world.true_ms()) + rng.choice((-2_000, 0, 800))
        ends_at_ms = EPOCH_MS + int((world.plan.length_s - self.plan.ends_early_s) * 1000)
        deck = self._deck()
        asked = CampaignRequest(
            key=key,
            sponsor_id=SPONSOR,
            name="spring",
            starts_at_ms=starts_at_ms,
            ends_at_ms=ends_at_ms,
            shares=self.plan.shares,
            budget_fen=deck.total_fen,
            scheme=self.plan.scheme,
            bands=BANDS if self.plan.scheme == "bands" else PLANTED,
            share_fen_min=CAPS.min_fen,
            share_fen_max=CAPS.max_fen,
            per_user_limit=self.plan.per_user_limit,
            greeting="",
            cover="",
            group_id=GROUP if self.plan.is_for_group else 0,
            highlighted=False,
            client_seed=rng.randbytes(rng.choice((0, 16))),
        )
        self.created[key] = []
        await asyncio.gather(*(self._ask_for(asked) for _ in range(rng.choice((1, 1, 2)))))

    def _deck(self) -> Deck:
        shares = self.plan.shares
        if self.plan.scheme == "bands":
            return BandDeck(shares, BANDS)
        planted = shares * PLANTED[0].ppm // 1_000_000
        return DrawDeck(shares, planted * 618 + (shares - planted) * 90, CAPS, PLANTED)

    async def _ask_for(self, asked: CampaignRequest) -> None:
        world = self._world
        for _ in range(RETRIES):
            server = self.rng.choice(world.servers)
            if server.services is not None:
                work = server.running.campaigns.service.create(asked)
                outcome = await world.call(server, work, "create", asked.key)
                self.created[asked.key].append(outcome)
                if outcome[0] == "ok":
                    self._learn(outcome[1])
                if outcome[0] not in AGAIN:
                    return
            await asyncio.sleep(self.rng.uniform(0.05, 0.5))

    def _learn(self, row: Any) -> None:
        """A campaign of at least this version was replied to."""
        if row.campaign_id not in self._world.tables.campaigns:
            self._world.report(f"campaign {row.campaign_id} was confirmed, and is not in the books")
        self.versions[row.campaign_id] = max(self.versions[row.campaign_id], row.version)
        if row.campaign_id not in self.opened:
            self.opened.append(row.campaign_id)

    async def _change(self) -> None:
        world = self._world
        while world.loop.time() < world.plan.length_s:
            await asyncio.sleep(self.rng.expovariate(1 / self.plan.changes_s))
            server = self.rng.choice(world.servers)
            if self.opened and server.services is not None:
                campaign_id, action = (
                    self.rng.choice(self.opened),
                    self.rng.choice(("pause", "resume", "resume", "end")),
                )
                work = server.running.campaigns.service.change(campaign_id, action)
                said, view = await world.call(server, work, action, campaign_id)
                self.seen[f"{action} {said}"] += 1
                if said == "ok":
                    self._learn(view.row)

    # --- users ------------------------------------------------------------------------------------------------

    def _server_of(self, user_id: int) -> SimServer:
        servers = self._world.servers
        return servers[user_id % len(servers)] if self.plan.stays else self.rng.choice(servers)

    async def _shaker(self, user_id: int) -> None:
        """Shake until the campaign has ended, sometimes twice at once."""
        world, over = self._world, set[int]()
        while world.loop.time() < world.plan.length_s + SHAKEN_AFTER_S:
            await asyncio.sleep(self.rng.expovariate(1 / self.plan.shake_s))
            if open_ones := [
                one for one in world.tables.campaigns if one not in over
            ]:  # as another server told them
                campaign_id = self.rng.choice(open_ones)
                copies = self.rng.choice((1, 1, 1, 2))
                results = await asyncio.gather(*(self._shake(user_id, campaign_id) for _ in range(copies)))
                if Result.ENDED in results or (Result.LIMIT in results and self.rng.random() < 0.7):
                    over.add(campaign_id)
                if self.rng.random() < 0.02:
                    world.spawn(self._look(user_id, campaign_id))

    async def _shake(self, user_id: int, campaign_id: int) -> str | None:
        """One shake; None: no answer in time, or the server is gone."""
        world, server = self._world, self._server_of(user_id)
        if not await server.admits(user_id):
            return None
        services, call = server.running, world.next_call()
        known, version = world.standing.known(user_id), self.versions[campaign_id]
        answer: asyncio.Future[str] = world.loop.create_future()
        server.open_calls[call] = (world.loop.time(), user_id, "shake", campaign_id)
        place = server.process, campaign_id, user_id
        self.open_shakes[place] += 1

        def reply(outcome: Shook | Reason) -> None:
            if services is not server.services:
                return  # this process is dead
            self.open_shakes[place] -= 1  # not before, although the user may have given up
            if server.open_calls.pop(call, None) is None:
                world.report(f"shake {call} of user {user_id} was answered twice")
            is_shook = isinstance(outcome, Shook)
            win = (
                (outcome.win.packet_id, outcome.win.index, outcome.win.amount_fen)
                if is_shook and outcome.win
                else None
            )
            result = str(outcome.result if is_shook else outcome)
            self._answered(Shake(user_id, campaign_id, result, win, known, version, server.number, place[0]))
            if not answer.done():
                answer.set_result(result)

        server.expected[call] = reply
        try:
            shook: Shook | Reason | None = services.campaigns.shakes.shake(
                campaign_id, user_id, server.number + 1, call, server.now_ms()
            )
        except RequestRefused as refused:
            shook = refused.reason
        if shook is not None:
            server.expected.pop(call)(shook)
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await answer
        except TimeoutError:
            return None

    def _answered(self, one: Shake) -> None:
        self.seen[one.result] += 1
        self._world.trace("shaken", *one[:4], one.server)
        check.shake_is_answered_truly(self._world, one)
        if one.result == Result.WON:
            wins = self.told[one.campaign_id, one.user_id]
            if one.win in wins:
                self._world.report(f"a win was told twice: {one}")
            wins.add(one.win)

    async def _look(self, user_id: int, campaign_id: int) -> None:
        """How many shares are left at most."""
        world, server = self._world, self._server_of(user_id)
        if await server.admits(user_id):
            work = server.running.campaigns.service.view(user_id, campaign_id)
            said, view = await world.call(server, work, "view", campaign_id)
            if said == "ok":
                check.left_is_true(world, campaign_id, view.at_most_left)
