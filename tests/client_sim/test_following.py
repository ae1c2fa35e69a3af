"""Following streams: every post once and in order, whatever order pushes, pages and logins come in."""

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


def test_posts_in_order_are_handed_on_and_old_ones_are_not() -> None:
    following = StreamGaps({GROUP: 4})
    assert following.pushed(post(5))
    assert following.pushed(post(6))
    assert not following.pushed(post(6))
    assert not following.pushed(post(1))
    assert following.lagging() == {}


def test_a_repeat_is_not_handed_on_whatever_came_before() -> None:
    following = StreamGaps({GROUP: 4})
    assert [number for number in (5, 5, 4, 6, 6, 5, 7) if following.pushed(post(number))] == [5, 6, 7]
    assert following.lagging() == {}, "a repeat is no gap"


def test_a_repeat_of_what_a_page_brought_is_not_handed_on() -> None:
    following = StreamGaps({GROUP: 4})
    assert not following.pushed(post(6))
    assert not following.pushed(post(6))
    assert numbers(following.caught_up(page(5, 6, last_message=6))) == [5, 6]
    assert not following.pushed(post(6))
    assert numbers(following.caught_up(page(5, 6, last_message=6))) == []
    assert following.lagging() == {}


def test_a_repeat_in_a_stream_that_was_not_followed_yet() -> None:
    following = StreamGaps({})
    assert [following.pushed(post(12)) for _ in range(2)] == [True, False]


def test_a_gap_makes_the_stream_lag_until_the_pages_have_filled_it() -> None:
    following = StreamGaps({GROUP: 4})
    assert not following.pushed(post(7))
    assert following.lagging() == {GROUP: 4}
    assert numbers(following.caught_up(page(5, 6, last_message=8))) == [5, 6]
    assert following.lagging() == {GROUP: 6}
    assert numbers(following.caught_up(page(7, 8, last_message=8))) == [7, 8]
    assert following.lagging() == {}
    assert following.pushed(post(9))


def test_a_push_while_pages_are_on_their_way_is_not_lost() -> None:
    following = StreamGaps({GROUP: 4})
    following.pushed(post(6))
    assert not following.pushed(post(7))
    assert numbers(following.caught_up(page(5, 6, last_message=6))) == [5, 6]
    assert following.lagging() == {GROUP: 6}, "number 7 was heard of, and not handed on"


def test_a_reload_goes_on_where_it_says() -> None:
    following = StreamGaps({GROUP: 4})
    following.pushed(post(6000))
    assert following.caught_up(CaughtUp(1, GROUP, 6001, True, [])) == []
    assert following.positions == {GROUP: 6001}
    assert following.pushed(post(6002))


def test_a_login_tells_what_was_missed_and_what_is_no_longer_followed() -> None:
    following = StreamGaps({GROUP: 4, OTHER: 9})
    following.welcomed(welcome(group=6))
    assert following.lagging() == {GROUP: 4}
    assert OTHER not in following.positions


def test_without_a_position_a_stream_begins_where_it_stands() -> None:
    following = StreamGaps({})
    following.welcomed(welcome(group=6))
    assert following.lagging() == {}
    assert following.pushed(post(7))


def test_the_first_post_of_an_inbox_is_caught_up_even_if_the_inbox_was_not_there_before() -> None:
    following = StreamGaps({})
    following.welcomed(welcome())
    following.welcomed(welcome(inbox=1))
    assert following.lagging() == {ME: 0}


def test_a_push_that_comes_before_the_reply_to_the_join() -> None:
    following = StreamGaps({})
    assert following.pushed(post(12))
    following.follow(GROUP, 11)
    assert following.positions == {GROUP: 12}
    assert following.pushed(post(13))


def test_a_page_of_a_stream_that_was_left_is_ignored() -> None:
    following = StreamGaps({GROUP: 4})
    following.forget(GROUP)
    assert following.caught_up(page(5, 6, last_message=6)) == []
    assert following.positions == {}


def test_any_losses_in_any_order_every_post_is_handed_on_once() -> None:
    for seed in range(200):
        rng = random.Random(seed)
        following, heard = StreamGaps({GROUP: 0}), []
        for number in range(1, 60):
            if rng.random() < 0.7 and following.pushed(post(number)):
                heard.append(number)
            if rng.random() < 0.3 and (last := following.lagging().get(GROUP)) is not None:
                heard += numbers(following.caught_up(page(last + 1, min(last + 3, number), last_message=number)))
        following.welcomed(welcome(group=59))
        while (last := following.lagging().get(GROUP)) is not None:
            heard += numbers(following.caught_up(page(last + 1, min(last + 3, 59), last_message=59)))
        assert heard == list(range(1, 60))
