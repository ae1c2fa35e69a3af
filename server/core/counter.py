"""The counter word of a packet: all that a grab or an open changes together, in one word with compare-and-swap."""

from __future__ import annotations

from typing import Final


class Counter:
    """One word: version (= claims made) in bits 0-15, tickets out in bits 16-39, closed in bit 40."""

    __slots__ = ("word",)

    TICKET: Final = 1 << 16
    CLOSED: Final = 1 << 40

    def __init__(self, version: int = 0, closed: bool = False) -> None:
        self.word = version | (self.CLOSED if closed else 0)

    @property
    def version(self) -> int:
        """How many claims were made."""
        return self.word & 0xFFFF

    @property
    def tickets(self) -> int:
        """How many tickets are out."""
        return (self.word >> 16) & 0xFFFFFF

    @property
    def closed(self) -> bool:
        """No claim is made any more."""
        return self.word >= self.CLOSED

    def compare_and_swap(self, seen: int, wanted: int) -> bool:
        """Become `wanted` if the word is still `seen`; otherwise change nothing and say so."""
        if self.word != seen:
            return False
        self.word = wanted
        return True
