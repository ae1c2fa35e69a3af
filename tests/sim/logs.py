"""Simulated logs: the state that Redis keeps, with the rules of the Lua scripts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from storage.redis import mirror
from storage.redis.mirror import CLOSING, HEAD, Extension, Log

CLAIM_BYTES = mirror.length(1) - mirror.length(0)


class Logs:
    """The state of Redis: logs as bytes, and when they lapse."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._bytes: dict[int, bytes] = {}
        self._lapses_s: dict[int, float] = {}

    def get(self, packet_id: int) -> bytes:
        if self._lapses_s.get(packet_id, self._now_s() + 1) <= self._now_s():
            self.drop(packet_id)
        return self._bytes.get(packet_id, b"")

    def drop(self, packet_id: int) -> None:
        self._bytes.pop(packet_id, None)
        self._lapses_s.pop(packet_id, None)

    def set(self, packet_id: int, log: bytes) -> None:
        self._bytes[packet_id] = log

    def ids(self) -> list[int]:
        return sorted(packet_id for packet_id in list(self._bytes) if self.get(packet_id))

    def flush(self) -> None:
        self._bytes.clear()
        self._lapses_s.clear()

    def fits(self, one: Extension) -> bool:
        return len(self.get(one.packet_id)) == one.seen

    def append(self, extensions: Sequence[Extension]) -> set[int]:
        refused = set()
        for one in extensions:
            if not self.fits(one):
                refused.add(one.packet_id)
                continue
            if one.image:
                self._lapses_s.pop(one.packet_id, None)  # SET takes the lifetime away, APPEND does not
            self.set(one.packet_id, (one.image or self.get(one.packet_id)) + one.claims)
        return refused

    def close(self, packet_ids: Sequence[int]) -> dict[int, Log]:
        found = {packet_id: self.get(packet_id) for packet_id in packet_ids}
        for packet_id, log in found.items():
            if not log:
                self.set(packet_id, HEAD + CLOSING)
            elif (len(log) - len(HEAD)) % CLAIM_BYTES == 0:
                self.set(packet_id, log + CLOSING)
        return {packet_id: mirror.parse(log) for packet_id, log in found.items()}

    def read(self, packet_ids: Sequence[int]) -> dict[int, Log]:
        return {packet_id: mirror.parse(self.get(packet_id)) for packet_id in packet_ids}

    def forget(self, packet_ids: Sequence[int]) -> None:
        for packet_id in packet_ids:
            if self.get(packet_id):
                self._lapses_s[packet_id] = self._now_s() + mirror._FORGET_MS / 1000

    def lasting(self) -> list[int]:
        return [packet_id for packet_id in self.ids() if packet_id not in self._lapses_s]
