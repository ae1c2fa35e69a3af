"""From the connection to the app: posts in order, without a gap and once each; what was missed is fetched."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

from client_sim.sdk.ask import Ask
from client_sim.sdk.backoff import Backoff
from client_sim.sdk.balance_feed import BalanceFeed
from client_sim.sdk.errors import ClientError, Refusal
from client_sim.sdk.pushes import Numbered, Post, PushQueue, Reloaded
from client_sim.sdk.reminders import Notice, Reminder, Told
from client_sim.sdk.stream_gaps import StreamGaps, is_reload
from protocol import messages

BACKOFF_FIRST_S = 0.05
BACKOFF_MOST_S = 5.0


class PushFeed:
    """Puts pushes into `queue`, where the app reads them. `gaps` knows which posts are missing."""

    def __init__(self, positions: Mapping[int, int], pushes_max: int, balance_version: int | None) -> None:
        self.gaps = StreamGaps(positions)
        self.queue = PushQueue(pushes_max)
        self.balance = BalanceFeed(self.queue, balance_version)
        self._told = Told()
        self._is_catching_up = False

    def take(self, push: messages.Message) -> bool:
        """Queue a push; False if it is a repeat or there is a gap before it, which `catch_up` fills."""
        if isinstance(push, messages.RemovedFromGroup):
            self.gaps.forget(push.group_id)
        elif isinstance(push, messages.AddedToGroup):
            self.gaps.follow(push.group_id, push.last_message)
        self.balance.pushed(push)
        if isinstance(push, Numbered) and not self.gaps.pushed(push):
            return False
        self._hand_on(push)
        return not isinstance(push, messages.AddedToGroup) or push.group_id not in self.gaps.lagging()

    def _hand_on(self, push: messages.Message) -> None:
        """The app gets each claim, finish and refund once, live or by its reminder."""
        if isinstance(push, Reminder):
            for notice in self._told.fresh(push):
                self.queue.put(notice)
        if not isinstance(push, Notice) or self._told.is_new(push):
            self.queue.put(push)

    def catch_up(self, ask: Ask) -> Coroutine[Any, Any, None] | None:
        """The work of fetching what is missing. None if nothing is missing, or if that work runs already."""
        if self._is_catching_up or not self.gaps.lagging():
            return None
        self._is_catching_up = True
        return self._fetch_all(ask)

    async def _fetch_all(self, ask: Ask) -> None:
        """Page after page until nothing is missing: a client that was away asks one thing at a time."""
        backoff = Backoff(BACKOFF_FIRST_S, BACKOFF_MOST_S)
        try:
            while lagging := self.gaps.lagging():
                for stream_id, last in lagging.items():
                    wait_s = await self._fetch_page(ask, stream_id, last)
                    if wait_s is None:
                        backoff.reset()
                    else:
                        await asyncio.sleep(wait_s + backoff.delay_s())
        finally:
            self._is_catching_up = False

    async def posts_after(self, ask: Ask, stream_id: int, after: int) -> list[Post] | Reloaded:
        """All posts of a stream after number `after`, for the app itself: neither queue nor gaps change."""
        posts: list[Post] = []
        while True:
            page = await ask(messages.CatchUp(0, stream_id, after), messages.CaughtUp)
            if is_reload(page, after):
                return Reloaded(stream_id, page.last_message)
            posts += [post for post in page.messages if isinstance(post, Post)]
            if not page.messages or page.messages[-1].message >= page.last_message:
                return posts
            after = page.messages[-1].message

    async def _fetch_page(self, ask: Ask, stream_id: int, last: int) -> float | None:
        """Fetch one page. None if it helped, otherwise the least number of seconds to wait before the next."""
        try:
            page = await ask(messages.CatchUp(0, stream_id, last), messages.CaughtUp)
        except ClientError as error:
            if isinstance(error, Refusal) and not error.temporary:
                self.gaps.forget(stream_id)  # this user is no longer a member
            return error.retry_after_ms / 1000
        fresh = self.gaps.caught_up(page)
        if reloaded := is_reload(page, last):
            self.queue.put(Reloaded(stream_id, page.last_message))
        for post in fresh:
            self._hand_on(post)
        return None if fresh or reloaded else 0.0
