"""Numbers of what a server publishes over NATS: by them another server finds out that something was lost. Pure.

What was published last is told over the link, so that a loss is found which no later message shows.
"""

from __future__ import annotations


class PushNumbers:
    """What one server has heard of one other, from the moment on at which it said that it listens."""

    def __init__(self) -> None:
        self._heard: int | None = None  # the highest number
        self._first: int | None = None  # if it came before it was told where they begin
        self._is_told = False
        self.missed = 0  # messages that were lost

    def takes(self, number: int) -> bool:
        """A message has come; False: it came before, and is not to be used again."""
        if self._heard is None:
            self._heard = self._first = number
            return True
        if number <= self._heard:
            return False
        self.missed += number - self._heard - 1
        self._heard = number
        return True

    def told(self, number: int) -> bool:
        """The other server has published up to this number; True: some of it has not come (yet).

        The first time: what it publishes from now on has higher numbers.
        """
        if not self._is_told:
            self._is_told = True
            if self._heard is None or self._first is None:
                self._heard = number
            self.missed += max(0, (self._first or 0) - number - 1)
        assert self._heard is not None
        return number > self._heard

    def give_up(self, number: int) -> None:
        """What has not come up to this number is lost."""
        assert self._heard is not None
        self.missed += max(0, number - self._heard)
        self._heard = max(self._heard, number)
