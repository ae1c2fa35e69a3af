"""Numbers of messages over NATS: each loss is found, by the next message or by what the link tells. Pure."""

from __future__ import annotations

import random

import pytest

from server.peers.push_numbers import PushNumbers


def test_messages_in_order_are_taken_and_none_is_missed() -> None:
    numbers = PushNumbers()
    assert not numbers.told(7)
    assert [numbers.takes(number) for number in (8, 9, 10)] == [True] * 3
    assert not numbers.told(10)
    assert numbers.missed == 0


def test_gap_is_found_by_the_next_message() -> None:
    numbers = PushNumbers()
    numbers.told(7)
    assert numbers.takes(10)
    assert numbers.missed == 2


def test_last_message_is_found_by_what_the_link_tells() -> None:
    numbers = PushNumbers()
    numbers.told(7)
    numbers.takes(8)
    assert numbers.told(9)
    assert numbers.missed == 0  # it may be late
    numbers.give_up(9)
    assert numbers.missed == 1
    numbers.give_up(9)
    assert numbers.missed == 1


def test_message_that_was_only_late_is_not_missed() -> None:
    numbers = PushNumbers()
    numbers.told(7)
    assert numbers.told(8)
    assert numbers.takes(8)
    numbers.give_up(8)
    assert numbers.missed == 0


def test_message_is_taken_once() -> None:
    numbers = PushNumbers()
    numbers.told(7)
    assert numbers.takes(8)
    assert not numbers.takes(8)
    assert not numbers.takes(3)


@pytest.mark.parametrize(("first", "begins", "missed"), [(8, 7, 0), (9, 7, 1), (5, 7, 0)])
def test_message_before_it_is_known_where_they_begin_is_taken(first: int, begins: int, missed: int) -> None:
    numbers = PushNumbers()
    assert numbers.takes(first)
    assert numbers.told(begins) == (first < begins)
    assert numbers.missed == missed


@pytest.mark.parametrize("seed", range(50))
def test_each_message_is_taken_or_missed(seed: int) -> None:
    chance, numbers, taken = random.Random(seed), PushNumbers(), 0
    published = begins = chance.randrange(100)
    numbers.told(begins)
    for _ in range(chance.randrange(200)):
        published += 1
        if chance.random() < 0.8:
            assert numbers.takes(published)
            taken += 1
        elif chance.random() < 0.5 and numbers.told(published):
            numbers.give_up(published)
    numbers.told(published)
    numbers.give_up(published)
    assert taken + numbers.missed == published - begins
