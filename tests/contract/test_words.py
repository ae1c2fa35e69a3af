"""Words of packets: counted, compared, noted, and a text once."""

from __future__ import annotations

from storage.postgres.chat.messages import Post
from storage.postgres.packets.words import Saying, Spoken, WordsOutcome
from storage.stores import Stores
from tests.contract.given import ANNA, BEN, GROUP, OTHER_GROUP, packet, packet_id, send

MOST = 2


def with_words(number: int) -> object:
    """A packet whose words are `open` and its number."""
    return packet(number, kind="password")._replace(words=f"open {number}")


def saying(number: int, user_id: int, words: str, group: int = GROUP) -> Saying:
    """A user says words."""
    return Saying(packet_id(number), user_id, Post(group, user_id, 2_000, words, None), words)


async def say(stores: Stores, *sayings: Saying) -> list[Spoken]:
    """One batch."""
    return await stores.words.say(sayings, lambda hidden, words: hidden == words, MOST, 2_000)


async def test_right_words_become_a_text_once(both: Stores) -> None:
    await send(both, with_words(1))  # type: ignore[arg-type]
    assert await say(both, saying(1, ANNA, "open 1")) == [Spoken(WordsOutcome.RIGHT, message=2)]
    assert await say(both, saying(1, ANNA, "open 1")) == [Spoken(WordsOutcome.RIGHT)]
    assert await say(both, saying(1, ANNA, "wrong")) == [Spoken(WordsOutcome.RIGHT)]
    assert await both.words.said([packet_id(1), packet_id(2)]) == {packet_id(1): {ANNA}}


async def test_wrong_words_are_counted_by_user_and_packet_until_none_are_compared(both: Stores) -> None:
    await send(both, with_words(1), with_words(2))  # type: ignore[arg-type]
    assert await say(both, saying(1, ANNA, "x")) == [Spoken(WordsOutcome.WRONG, 1)]
    assert await say(both, saying(1, ANNA, "x")) == [Spoken(WordsOutcome.WRONG, 2)]
    assert await say(both, saying(1, ANNA, "open 1")) == [Spoken(WordsOutcome.SPENT)]
    assert await say(both, saying(1, BEN, "x"), saying(2, ANNA, "x")) == [Spoken(WordsOutcome.WRONG, 1)] * 2
    assert await both.words.said([packet_id(1), packet_id(2)]) == {}


async def test_sayings_of_one_user_in_a_batch_are_judged_one_after_the_other(both: Stores) -> None:
    await send(both, with_words(1))  # type: ignore[arg-type]
    batch = [saying(1, ANNA, "x"), saying(1, ANNA, "open 1"), saying(1, ANNA, "x"), saying(1, BEN, "open 1")]
    assert await say(both, *batch) == [
        Spoken(WordsOutcome.WRONG, 1),
        Spoken(WordsOutcome.RIGHT, message=3),
        Spoken(WordsOutcome.RIGHT),
        Spoken(WordsOutcome.RIGHT, message=2),
    ]


async def test_text_is_numbered_in_its_own_stream(both: Stores) -> None:
    await send(both, with_words(1))  # type: ignore[arg-type]
    spoken = await say(both, saying(1, ANNA, "open 1", OTHER_GROUP), saying(1, BEN, "open 1"))
    assert [one.message for one in spoken] == [1, 2]


async def test_words_of_a_packet_without_any_are_wrong(both: Stores) -> None:
    await send(both, packet(1))
    assert await say(both, saying(1, ANNA, "")) == [Spoken(WordsOutcome.WRONG, 1)]
