"""Gaps of streams: every post is handed on once and in order, in whatever order pushes and pages come."""

from __future__ import annotations

import random

from client_sim.sdk.pushes import Post
from client_sim.sdk.stream_gaps import StreamGaps
from protocol.messages import CaughtUp, StreamPosition, TextPosted, Welcome

ME, GROUP, OTHER = 7, 2**60, 2**61


def post(number: int, stream_id: int = GROUP) -> TextPosted:
    return TextPosted(0, stream_id, number, 1, 0, "")


def page(first: int, last: int, last_message: int) -> CaughtUp:
    return CaughtUp(1, GROUP, last_message, False, [post(number) for number in range(first, last + 1)])


def welcome(**positions: int) -> Welcome:
    places = {"inbox": ME, "group": GROUP, "other": OTHER}
    return Welcome(0, ME, 0, [StreamPosition(places[name], name, 1, last) for name, last in positions.items()])


def numbers(posts: list[Post]) -> list[int]:
    return [one.message for one in posts]


def test_pushes_in_order_are_handed_on_and_repeats_are_not() -> None:
    gaps = StreamGaps({GROUP: 4})
    assert gaps.pushed(post(5))
    assert gaps.pushed(post(6))
    assert not gaps.pushed(post(6))
    assert not gaps.pushed(post(1))
    assert gaps.lagging() == {}


def test_push_of_a_known_number_is_not_handed_on() -> None:
    gaps = StreamGaps({GROUP: 4})
    assert [number for number in (5, 5, 4, 6, 6, 5, 7) if gaps.pushed(post(number))] == [5, 6, 7]
    assert gaps.lagging() == {}, "a repeat is no gap"


def test_push_of_a_post_from_a_page_is_not_handed_on() -> None:
    gaps = StreamGaps({GROUP: 4})
    assert not gaps.pushed(post(6))
    assert not gaps.pushed(post(6))
    assert numbers(gaps.caught_up(page(5, 6, last_message=6))) == [5, 6]
    assert not gaps.pushed(post(6))
    assert numbers(gaps.caught_up(page(5, 6, last_message=6))) == []
    assert gaps.lagging() == {}


def test_push_in_a_new_stream_is_handed_on_once() -> None:
    gaps = StreamGaps({})
    assert [gaps.pushed(post(12)) for _ in range(2)] == [True, False]


def test_stream_with_a_gap_lags_until_pages_fill_it() -> None:
    gaps = StreamGaps({GROUP: 4})
    assert not gaps.pushed(post(7))
    assert gaps.lagging() == {GROUP: 4}
    assert numbers(gaps.caught_up(page(5, 6, last_message=8))) == [5, 6]
    assert gaps.lagging() == {GROUP: 6}
    assert numbers(gaps.caught_up(page(7, 8, last_message=8))) == [7, 8]
    assert gaps.lagging() == {}
    assert gaps.pushed(post(9))


def test_push_during_a_page_request_keeps_the_stream_lagging() -> None:
    gaps = StreamGaps({GROUP: 4})
    gaps.pushed(post(6))
    assert not gaps.pushed(post(7))
    assert numbers(gaps.caught_up(page(5, 6, last_message=6))) == [5, 6]
    assert gaps.lagging() == {GROUP: 6}, "number 7 is known to exist and was not handed on"


def test_stream_after_a_reload_continues_at_its_last_message() -> None:
    gaps = StreamGaps({GROUP: 4})
    gaps.pushed(post(6000))
    assert gaps.caught_up(CaughtUp(1, GROUP, 6001, True, [])) == []
    assert gaps.positions == {GROUP: 6001}
    assert gaps.pushed(post(6002))


def test_welcome_shows_missed_posts_and_ends_other_streams() -> None:
    gaps = StreamGaps({GROUP: 4, OTHER: 9})
    gaps.welcomed(welcome(group=6))
    assert gaps.lagging() == {GROUP: 4}
    assert OTHER not in gaps.positions


def test_position_beyond_the_end_of_a_stream_reloads_and_the_stream_continues_at_its_end() -> None:
    gaps = StreamGaps({GROUP: 9})
    gaps.welcomed(welcome(group=5))
    assert gaps.lagging() == {GROUP: 9}
    assert gaps.caught_up(page(1, 0, last_message=5)) == []
    assert (gaps.lagging(), gaps.positions[GROUP]) == ({}, 5)
    assert gaps.pushed(post(6))


def test_stream_without_a_position_starts_at_its_last_message() -> None:
    gaps = StreamGaps({})
    gaps.welcomed(welcome(group=6))
    assert gaps.lagging() == {}
    assert gaps.pushed(post(7))


def test_inbox_that_was_empty_at_the_first_login_lags_after_its_first_post() -> None:
    gaps = StreamGaps({})
    gaps.welcomed(welcome())
    gaps.welcomed(welcome(inbox=1))
    assert gaps.lagging() == {ME: 0}


def test_push_before_the_reply_to_a_join_is_kept() -> None:
    gaps = StreamGaps({})
    assert gaps.pushed(post(12))
    gaps.follow(GROUP, 11)
    assert gaps.positions == {GROUP: 12}
    assert gaps.pushed(post(13))


def test_page_of_a_stream_that_was_left_is_ignored() -> None:
    gaps = StreamGaps({GROUP: 4})
    gaps.forget(GROUP)
    assert gaps.caught_up(page(5, 6, last_message=6)) == []
    assert gaps.positions == {}


def test_pushes_with_random_losses_are_all_handed_on_once_in_order() -> None:
    for seed in range(200):
        rng = random.Random(seed)
        gaps, handed_on = StreamGaps({GROUP: 0}), []
        for number in range(1, 60):
            if rng.random() < 0.7 and gaps.pushed(post(number)):
                handed_on.append(number)
            if rng.random() < 0.3 and (last := gaps.lagging().get(GROUP)) is not None:
                handed_on += numbers(gaps.caught_up(page(last + 1, min(last + 3, number), last_message=number)))
        gaps.welcomed(welcome(group=59))
        while (last := gaps.lagging().get(GROUP)) is not None:
            handed_on += numbers(gaps.caught_up(page(last + 1, min(last + 3, 59), last_message=59)))
        assert handed_on == list(range(1, 60))
