"""The refusals of requests on packets for everyday chats."""

from __future__ import annotations

from client_sim.sdk.errors import Refusal
from client_sim.sdk.methods.card_errors import number_in
from protocol import codes


class BadReceivers(Refusal):
    """An exclusive packet names 1 to 500 members of its group, each once, not its sender."""

    CODE = codes.Refusal.BAD_RECEIVERS


class BadWords(Refusal):
    """The words of a packet have 1 to 60 bytes, on one line; other kinds than `password` have none."""

    CODE = codes.Refusal.BAD_WORDS


class WordsNeeded(Refusal):
    """The packet is opened by saying its words: give them to `open`, or say them with `say_words`."""

    CODE = codes.Refusal.WORDS_NEEDED


class WordsWrong(Refusal):
    """The words do not fit."""

    CODE = codes.Refusal.WORDS_WRONG

    @property
    def attempts_left(self) -> int:
        """How many words this user may still try at this packet."""
        return number_in(self.detail)


class WordsSpent(Refusal):
    """This user has tried other words too often: none are accepted any more."""

    CODE = codes.Refusal.WORDS_SPENT


class AlreadyPosted(Refusal):
    """The packet was posted at its time: it cannot be cancelled."""

    CODE = codes.Refusal.ALREADY_POSTED


class BadTime(Refusal):
    """A packet is scheduled for a later time, at most 30 days ahead."""

    CODE = codes.Refusal.BAD_TIME
