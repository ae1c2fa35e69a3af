"""The course of a run in which all users shake: make a campaign, shake, end it, check all proofs."""

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
from client_sim.sim.shakes.book import ShakeBook
from client_sim.sim.sim_context import USERS_MOST, now_ms, user_id_at
from client_sim.sim.user import User

WINS_LEAST: Final = 3  # of a user, on average, in the shortest round
WINS_PER_S: Final = 0.15  # of a user, on average
LIMIT_MOST: Final = 100  # wins that a campaign may allow a user
ROUND_S: Final = 60.0  # with guests a round is no shorter
BANDS: Final = [(200, 500, 800_000), (501, 2_000, 150_000), (2_001, 5_000, 50_000)]
USERS_PER_BOT: Final = 20
PERSON_S: Final = (0.25, 0.7)  # between two shakes of a person
BOT_S: Final = 0.02
BOT_SHAKES: Final = 20  # at once: a bot tries a thousand a second, and the server reads as many as a user may send
REST_S_MOST: Final = 2.0
POLL_S: Final = 0.1


async def shake(crowd: Crowd) -> None:
    """A round; while guests are there, one more after each. A round is a campaign.

    When guests come or leave, the round ends. The next one is made before: there is always one to shake in.
    """
    book: ShakeBook | None = await _make(crowd)
    while book is not None:
        following = await _shake_in(crowd, book)
        if following is None:
            await steps.wind_down(crowd)
        await _close(crowd, book)
        await asyncio.gather(*(user.tasks.guard(_check(book, user)) for user in crowd.users))
        book = following


async def _make(crowd: Crowd) -> ShakeBook:
    """The chat backend makes a sponsor and a campaign for the length of the round."""
    context, backend, book = crowd.context, crowd.backend, ShakeBook(with_company=crowd.context.has_company)
    number = len(context.rounds) + 1
    if book.with_company:
        crowd.seconds = max(crowd.seconds, ROUND_S)
    wins = max(WINS_LEAST, round(WINS_PER_S * crowd.seconds))  # of a user, on average
    book.bots = frozenset(user.user_id for user in crowd.users[: len(crowd.users) // USERS_PER_BOT])
    book.bands, book.shares = BANDS, wins * len(crowd.users)
    book.budget_fen = fitting_budget(book.shares, BANDS)
    sponsor_id = user_id_at(crowd.seed, USERS_MOST - 1)
    await patiently(partial(backend.put_sponsor, sponsor_id, context.words("sponsor")), PATIENCE_S)
    await crowd.give(sponsor_id, book.budget_fen)
    begins_at_ms = now_ms()
    times = begins_at_ms, begins_at_ms + round(1000 * crowd.seconds)
    book.ends_at = asyncio.get_running_loop().time() + crowd.seconds
    made = await backend.create_campaign(
        sponsor_id,
        context.words("festival") if number == 1 else context.words("festival_round", number=number),
        *times,
        book.shares,
        book.budget_fen,
        BANDS,
        per_user_limit=min(LIMIT_MOST, wins * 5 // 3),
        highlighted=True,
        client_seed=Random(f"{crowd.seed}/pool" if number == 1 else f"{crowd.seed}/pool/{number}").randbytes(32),
    )
    book.campaign_id, context.shakes = made.campaign_id, book
    context.rounds.append(book)
    return book


async def _shake_in(crowd: Crowd, book: ShakeBook) -> ShakeBook | None:
    """All users shake until the round is over. The next round, if there is one."""
    crowd.begin("shaking")
    crowd.ends_at = book.ends_at
    watching = asyncio.create_task(_watch(crowd, book))
    await asyncio.gather(*(user.tasks.guard(_shake_on(crowd, book, user)) for user in crowd.users))
    following = await watching
    book.is_cut = crowd.ends_at < book.ends_at
    return following


async def _watch(crowd: Crowd, book: ShakeBook) -> ShakeBook | None:
    """Wait until the time of a round is over, or guests come or leave; then make the next one, and end this one."""
    while crowd.left_s:
        if crowd.context.has_company != book.with_company:
            break
        await asyncio.sleep(POLL_S)
    following = await _make(crowd) if crowd.context.has_company else None
    crowd.ends_at = min(crowd.ends_at, asyncio.get_running_loop().time())
    return following


async def _shake_on(crowd: Crowd, book: ShakeBook, user: User) -> None:
    """One user shakes until the round is over."""
    if user.user_id in book.bots:
        while crowd.left_s:
            await asyncio.gather(*(user.tasks.guard(_shake_blindly(crowd, book, user)) for _ in range(BOT_SHAKES)))
            await asyncio.sleep(BOT_S)
        return
    rng, shakes, ask_every = Random(f"{crowd.seed}/{user.user_id}/shakes"), 0, 1
    while crowd.left_s:
        await asyncio.sleep(rng.uniform(*PERSON_S))
        rest_ms = await _shake_once(crowd, book, user)
        await asyncio.sleep(min(rest_ms / 1000, REST_S_MOST))
        shakes += 1
        if shakes % ask_every == 0:
            ask_every = await _look(crowd, book, user)


async def _shake_blindly(crowd: Crowd, book: ShakeBook, user: User) -> None:
    """A shake of a bot, which takes no rest."""
    await _shake_once(crowd, book, user)


async def _shake_once(crowd: Crowd, book: ShakeBook, user: User) -> int:
    """A shake; how long to rest, in milliseconds."""
    context = crowd.context
    try:
        shaken = await user.client.shake(book.campaign_id)
    except RateLimited:
        book.results["rate_limited"] += 1
        book.shakes[user.user_id in book.bots] += 1
        return 0
    if book.take(user.user_id, shaken) and shaken.win is not None:
        context.show("shook", name=user.name, amount=context.amount(shaken.win.amount_fen))
    return shaken.retry_after_ms


async def _look(crowd: Crowd, book: ShakeBook, user: User) -> int:
    """How many shares are left; after how many shakes to ask again."""
    shown = await user.client.campaign(book.campaign_id, crowd.context.language)
    if book.take_left(shown.campaign):
        crowd.context.show("at_most_left", left=shown.campaign.at_most_left)
    return shown.campaign.ask_every


async def _close(crowd: Crowd, book: ShakeBook) -> None:
    """End the campaign and wait until its books are closed; then see what guests have won."""
    crowd.phase = "checking"
    await patiently(partial(crowd.backend.end_campaign, book.campaign_id), PATIENCE_S)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            report = await patiently(partial(crowd.backend.campaign_report, book.campaign_id), PATIENCE_S)
            if report.seed:
                break
            await asyncio.sleep(POLL_S)
    for user_id in list(crowd.context.guests):
        async with crowd.context.client(user_id) as client:
            revealed = await patiently(partial(client.reveal, book.campaign_id), PATIENCE_S)
        book.take_guest(user_id, revealed, KeptSeeds().check(revealed).faults)
    book.report, book.returned_fen = report, report.returned_fen
    book.take_left(report.campaign)


async def _check(book: ShakeBook, user: User) -> None:
    """A user checks the proof of what they have won."""
    revealed = await patiently(partial(user.client.reveal, book.campaign_id), PATIENCE_S)
    book.take_proof(user.user_id, revealed, KeptSeeds().check(revealed).faults)
