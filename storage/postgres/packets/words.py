"""The words of password packets: attempts to say them, counted before they are compared, and who has said them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from storage import statements
from storage.errors import StoreUnavailable
from storage.postgres.chat.messages import Post
from storage.postgres.packets.beside import HERE, ChatBeside

if TYPE_CHECKING:
    from storage.postgres.database import Connection, Database

_SQL = statements.load(__file__)


class Saying(NamedTuple):
    """A user says words. `text`: the post that they become if they are right. `words`: as they are compared."""

    packet_id: int
    user_id: int
    text: Post
    words: str

    def __repr__(self) -> str:
        """Without the words, whatever prints it."""
        return f"Saying(packet_id={self.packet_id}, user_id={self.user_id})"


class WordsOutcome(StrEnum):
    """What came of it."""

    RIGHT = "right"
    WRONG = "wrong"
    SPENT = "spent"  # too many were wrong: these were not compared


class Spoken(NamedTuple):
    """What came of it. `message`: the number of the text; 0: the user had said the words before, or not yet."""

    outcome: WordsOutcome
    attempts: int = 0  # so far, with wrong words
    message: int = 0


Matches = Callable[[str, str], bool]  # hidden words of a packet, words that a user says


class WordsStore:
    """Statements on the words of packets."""

    def __init__(self, database: Database, chat: ChatBeside = HERE) -> None:
        """`chat`: the streams in which right words are posted."""
        self._database = database
        self._writer = database.writer()
        self._chat = chat

    async def say(
        self, sayings: Sequence[Saying], matches: Matches, attempts_max: int, now_ms: int
    ) -> Sequence[Spoken | StoreUnavailable]:
        """Count, compare and note what users say, in one transaction: right words become a text, once a user.

        Raises StoreUnavailable, or answers it for some: then nothing may be told, and they may be said again.
        """
        spoken: dict[int, Spoken] = {}
        async with self._writer.transaction() as connection:
            rows = await connection.fetch(_SQL["hidden"], [one.packet_id for one in sayings])
            hidden = {row["packet_id"]: row["words"] for row in rows}
            waiting = list(enumerate(sayings))
            while waiting:  # of one user at one packet one at a time
                firsts = {(one.packet_id, one.user_id): place for place, one in reversed(waiting)}
                now = {place: sayings[place] for place in firsts.values()}
                spoken |= await _say(connection, now, hidden, matches, attempts_max, now_ms, self._chat)
                waiting = [(place, one) for place, one in waiting if place not in now]
        return [spoken[place] for place in range(len(sayings))]

    async def said(self, packet_ids: Sequence[int]) -> dict[int, set[int]]:
        """Who has said the words of these packets."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["said"], packet_ids)
        found: dict[int, set[int]] = {}
        for packet_id, user_id in rows:
            found.setdefault(packet_id, set()).add(user_id)
        return found


async def _say(
    connection: Connection,
    sayings: Mapping[int, Saying],
    hidden: Mapping[int, str],
    matches: Matches,
    attempts_max: int,
    now_ms: int,
    chat: ChatBeside,
) -> dict[int, Spoken]:
    """The outcome of each, by its place; no user stands twice at one packet here."""
    pairs = _columns(sayings.values())
    counted = {
        (packet_id, user_id): attempts
        for packet_id, user_id, attempts in await connection.fetch(_SQL["count"], *pairs, attempts_max)
    }
    said_before = {tuple(row) for row in await connection.fetch(_SQL["said_among"], *pairs)}
    outcomes: dict[int, Spoken] = {}
    right: list[int] = []
    for place, one in sayings.items():
        pair = one.packet_id, one.user_id
        if pair in said_before:
            outcomes[place] = Spoken(WordsOutcome.RIGHT)
        elif pair not in counted:
            outcomes[place] = Spoken(WordsOutcome.SPENT)
        elif one.packet_id in hidden and matches(hidden[one.packet_id], one.words):
            right.append(place)
        else:
            outcomes[place] = Spoken(WordsOutcome.WRONG, counted[pair])
    if right:
        await connection.execute(_SQL["note_said"], *_columns(sayings[place] for place in right), now_ms)
        texts = [(sayings[place].packet_id, sayings[place].text) for place in right]
        numbers = await chat.append_words(connection, texts)
        outcomes |= {
            place: Spoken(WordsOutcome.RIGHT, message=number) for place, number in zip(right, numbers, strict=True)
        }
    return outcomes


def _columns(sayings: Iterable[Saying]) -> tuple[list[int], list[int]]:
    found = list(sayings)
    return [one.packet_id for one in found], [one.user_id for one in found]
