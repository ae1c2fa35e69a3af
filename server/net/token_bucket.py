"""The bucket of tokens by which users and addresses are held to so many a second, and so many at once."""

from __future__ import annotations


class TokenBucket:
    """Starts full. `per_s` tokens a second flow in, up to `burst`; both are told each time, for they may change."""

    __slots__ = ("_at_s", "_level")

    def __init__(self, burst: float, now_s: float) -> None:
        self._level = burst
        self._at_s = now_s

    def take(self, now_s: float, per_s: float, burst: float) -> float:
        """Take a token: 0.0, or the seconds until there is one."""
        level = self._filled(now_s, per_s, burst)
        if level < 1.0:
            return (1.0 - level) / per_s
        self._level = level - 1.0
        return 0.0

    def take_up_to(self, tokens: int, now_s: float, per_s: float, burst: float) -> int:
        """Take so many tokens, or as many as there are; how many were taken."""
        level = self._level + (now_s - self._at_s) * per_s  # as in `_filled`: each read pays for a call here
        if level > burst:
            level = burst
        if tokens > level:
            tokens = int(level)
        self._level, self._at_s = level - tokens, now_s
        return tokens

    def charge(self, now_s: float, per_s: float, burst: float, tokens: int = 1) -> None:
        """Take tokens for what has happened already, or as many as there are."""
        self._level = max(0.0, self._filled(now_s, per_s, burst) - tokens)

    def owe(self, now_s: float, per_s: float, burst: float, tokens: float) -> None:
        """Take tokens for what is known only afterwards: the level may fall below zero."""
        self._level = self._filled(now_s, per_s, burst) - tokens

    def debt_s(self, now_s: float, per_s: float, burst: float) -> float:
        """How long until nothing is owed; 0.0: nothing is."""
        return max(0.0, -self._filled(now_s, per_s, burst)) / per_s

    def is_empty(self, now_s: float, per_s: float, burst: float) -> bool:
        """There is not one token."""
        return self._filled(now_s, per_s, burst) < 1.0

    def is_full(self, now_s: float, per_s: float, burst: float) -> bool:
        """As if it had never been used."""
        return self._filled(now_s, per_s, burst) >= burst

    def _filled(self, now_s: float, per_s: float, burst: float) -> float:
        self._level = min(burst, self._level + (now_s - self._at_s) * per_s)
        self._at_s = now_s
        return self._level
