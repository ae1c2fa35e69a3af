"""The course of a run in which all users shake: make the campaign, shake, end it, check all proofs."""

from __future__ import annotations

import asyncio
from functools import partial
from random import Random
from typing import Final

from client_sim.sdk.backoff import patiently
from client_sim.sdk.errors import RateLimited
from client_sim.sdk.kept_seeds import KeptSeeds
from client_sim.sdk.methods.campaign_proofs import fitting_budget
from client_sim.sim import steps
from client_sim.sim.crowd import PATIENCE_S, Crowd
from client_sim.sim.sim_context import USERS_MOST, now_ms, user_id_at
from client_sim.sim.user import User

WINS_MOST: Final = 5  # of a user
SHARES_PER_USER: Final = 3
BANDS: Final = [(200, 500, 800_000), (501, 2_000, 150_000), (2_001, 5_000, 50_000)]
USERS_PER_BOT: Final = 20
PERSON_S: Final = (0.25, 0.7)  # between two shakes of a person
BOT_S: Final = 0.02
BOT_SHAKES: Final = 20  # at once: a bot tries a thousand a second, and the server reads as many as a user may send
REST_S_MOST: Final = 2.0
POLL_S: Final = 0.1


async def shake(crowd: Crowd) -> None:
    """The whole course."""
    await _make(crowd)
    crowd.begin("shaking")
    await asyncio.gather(*(user.tasks.guard(_shake_on(crowd, user)) for user in crowd.users))
    await steps.wind_down(crowd)
    await _close(crowd)
    await asyncio.gather(*(user.tasks.guard(_check(crowd, user)) for user in crowd.users))


async def _make(crowd: Crowd) -> None:
    """The chat backend makes a sponsor and a campaign for the length of the run."""
    book, backend = crowd.context.shakes, crowd.backend
    book.bots = frozenset(user.user_id for user in crowd.users[: len(crowd.users) // USERS_PER_BOT])
    book.bands, book.shares = BANDS, SHARES_PER_USER * len(crowd.users)
    book.budget_fen = fitting_budget(book.shares, BANDS)
    sponsor_id = user_id_at(crowd.seed, USERS_MOST - 1)
    await patiently(partial(backend.put_sponsor, sponsor_id, crowd.context.words("sponsor")), PATIENCE_S)
    await crowd.give(sponsor_id, book.budget_fen)
    begins_at_ms = now_ms()
    times = begins_at_ms, begins_at_ms + round(1000 * crowd.seconds)
    made = await backend.create_campaign(
        sponsor_id,
        crowd.context.words("festival"),
        *times,
        book.shares,
        book.budget_fen,
        BANDS,
        per_user_limit=WINS_MOST,
        client_seed=Random(f"{crowd.seed}/pool").randbytes(32),
    )
    book.campaign_id = made.campaign_id


async def _shake_on(crowd: Crowd, user: User) -> None:
    """One user shakes until the campaign is over."""
    if user.user_id in crowd.context.shakes.bots:
        while crowd.left_s:
            await asyncio.gather(*(user.tasks.guard(_shake_blindly(crowd, user)) for _ in range(BOT_SHAKES)))
            await asyncio.sleep(BOT_S)
        return
    rng, shakes, ask_every = Random(f"{crowd.seed}/{user.user_id}/shakes"), 0, 1
    while crowd.left_s:
        await asyncio.sleep(rng.uniform(*PERSON_S))
        rest_ms = await _shake_once(crowd, user)
        await asyncio.sleep(min(rest_ms / 1000, REST_S_MOST))
        shakes += 1
        if shakes % ask_every == 0:
            ask_every = await _look(crowd, user)


async def _shake_blindly(crowd: Crowd, user: User) -> None:
    """A shake of a bot, which takes no rest."""
    await _shake_once(crowd, user)


async def _shake_once(crowd: Crowd, user: User) -> int:
    """A shake; how long to rest, in milliseconds."""
    context = crowd.context
    try:
        shaken = await user.client.shake(context.shakes.campaign_id)
    except RateLimited:
        context.shakes.results["rate_limited"] += 1
        context.shakes.shakes[user.user_id in context.shakes.bots] += 1
        return 0
    if context.shakes.take(user.user_id, shaken) and shaken.win is not None:
        context.show("shook", name=user.name, amount=context.amount(shaken.win.amount_fen))
    return shaken.retry_after_ms


async def _look(crowd: Crowd, user: User) -> int:
    """How many shares are left; after how many shakes to ask again."""
    shown = await user.client.campaign(crowd.context.shakes.campaign_id, crowd.context.language)
    if crowd.context.shakes.take_left(shown.campaign):
        crowd.context.show("at_most_left", left=shown.campaign.at_most_left)
    return shown.campaign.ask_every


async def _close(crowd: Crowd) -> None:
    """End the campaign and wait until its books are closed."""
    crowd.phase = "checking"
    book = crowd.context.shakes
    await patiently(partial(crowd.backend.end_campaign, book.campaign_id), PATIENCE_S)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            report = await patiently(partial(crowd.backend.campaign_report, book.campaign_id), PATIENCE_S)
            if report.seed:
                break
            await asyncio.sleep(POLL_S)
    book.report, book.returned_fen = report, report.returned_fen
    book.take_left(report.campaign)


async def _check(crowd: Crowd, user: User) -> None:
    """A user checks the proof of what they have won."""
    revealed = await patiently(partial(user.client.reveal, crowd.context.shakes.campaign_id), PATIENCE_S)
    crowd.context.shakes.take_proof(user.user_id, revealed, KeptSeeds().check(revealed).faults)
