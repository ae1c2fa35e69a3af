"""The state of a chat: history, repeats, states of packets, and bounds."""

from __future__ import annotations

import pytest

from client_sim.chat.model import (
    CLAIMED,
    ENTRIES_MOST,
    EXPIRED,
    GONE,
    NAMES_MOST,
    OPEN,
    Card,
    Model,
    Names,
    Said,
    Turn,
)
from protocol import messages

ME, OTHER, GROUP, NOW_MS = 1, 2, 2**60, 1_000_000


def _said(number: int, text: str = "hi") -> messages.TextPosted:
    return messages.TextPosted(0, GROUP, number, OTHER, NOW_MS, text)


def _packet(number: int, packet_id: int = 7, expires_at_ms: int = NOW_MS + 1000) -> messages.PacketPosted:
    return messages.PacketPosted(
        0, GROUP, number, OTHER, NOW_MS, packet_id, "lucky", 5, "恭喜\x1b发财", b"", expires_at_ms
    )


@pytest.fixture
def model() -> Model:
    made = Model(ME)
    made.add(messages.StreamPosition(GROUP, "a group", OTHER, 4))
    return made


def test_history_is_inserted_before_pushed_entries_without_repeats(model: Model) -> None:
    model.posted(_said(4, "live"), NOW_MS)
    group = model.conversations[GROUP]
    group.add_history([Said(number, OTHER, NOW_MS, "old") for number in (2, 3, 4, 5)])
    assert [(entry.message, entry.text) for entry in group.entries if isinstance(entry, Said)] == [
        (2, "old"),
        (3, "old"),
        (4, "live"),
    ]
    assert model.posted(_said(4), NOW_MS) is None
    assert model.posted(_said(5), NOW_MS) is not None


def test_history_of_an_empty_conversation_sets_the_newest_number(model: Model) -> None:
    group = model.conversations[GROUP]
    group.add_history([Said(number, OTHER, NOW_MS, "old") for number in (3, 4)])
    assert model.posted(_said(4), NOW_MS) is None
    assert len(group.entries) == 2


def test_unread_counts_posts_while_another_conversation_is_shown(model: Model) -> None:
    model.posted(_said(5), NOW_MS)
    assert model.conversations[GROUP].unread == 1
    model.go(GROUP)
    model.posted(_said(6), NOW_MS)
    assert model.conversations[GROUP].unread == 0


def test_packet_that_is_sent_again_has_two_cards_and_one_state(model: Model) -> None:
    first, second = model.posted(_packet(5), NOW_MS), model.posted(_packet(6), NOW_MS)
    assert isinstance(first, Card)
    assert isinstance(second, Card)
    assert first.packet is second.packet
    assert first.packet.greeting == "恭喜·发财"


@pytest.mark.parametrize(
    ("moves", "stands", "news"),
    [
        ([(GONE, 0)], (GONE, 0), [True]),
        ([(CLAIMED, 88), (GONE, 0), (EXPIRED, 0)], (CLAIMED, 88), [True, False, False]),
        ([(OPEN, 0)], (OPEN, 0), [False]),
        ([(EXPIRED, 0), (CLAIMED, 88)], (CLAIMED, 88), [True, True]),
    ],
)
def test_packet_that_is_claimed_stays_claimed(
    model: Model, moves: list[tuple[str, int]], stands: tuple[str, int], news: list[bool]
) -> None:
    card = model.posted(_packet(5), NOW_MS)
    assert isinstance(card, Card)
    assert [card.packet.move(*move) for move in moves] == news
    assert (card.packet.state, card.packet.amount_fen) == stands


def test_packet_expires_once_at_its_time(model: Model) -> None:
    model.posted(_packet(5), NOW_MS)
    late = model.posted(_packet(6, packet_id=8, expires_at_ms=NOW_MS), NOW_MS)
    assert isinstance(late, Card)
    assert late.packet.state == EXPIRED
    assert model.expire(NOW_MS + 999) == []
    assert [packet.packet_id for packet in model.expire(NOW_MS + 1000)] == [7]
    assert model.expire(NOW_MS + 1000) == []


def test_remove_keeps_the_inbox_and_shows_another_conversation(model: Model) -> None:
    model.go(GROUP)
    assert model.remove(ME) is None
    removed = model.remove(GROUP)
    assert removed is not None
    assert model.current_id == ME
    assert model.remove(GROUP) is None


def test_model_with_thousands_of_posts_and_names_is_bounded(model: Model) -> None:
    for number in range(5, 4000):
        model.posted(_packet(number, packet_id=number), NOW_MS)
    assert len(model.conversations[GROUP].entries) == ENTRIES_MOST
    assert model.packet(5) is None
    assert model.packet(3999) is not None
    names = Names()
    for user_id in range(NAMES_MOST + 5):
        names.learn(user_id, f"n{user_id}")
    assert (names[4], names[NAMES_MOST + 4]) == ("4", f"n{NAMES_MOST + 4}")


def test_add_after_a_push_sets_name_and_owner(model: Model) -> None:
    model.add(messages.StreamPosition(GROUP + 1, str(GROUP + 1), 0, 0))
    assert not model.add(messages.StreamPosition(GROUP + 1, "family", OTHER, 3))
    assert (model.conversations[GROUP + 1].name, model.conversations[GROUP + 1].owner_id) == ("family", OTHER)


def test_restart_drops_entries_so_that_history_is_loaded_again(model: Model) -> None:
    model.posted(_said(5), NOW_MS)
    group = model.conversations[GROUP]
    group.restart(3000)
    assert (group.entries, group.last_message, group.is_loaded) == ([], 3000, False)
    group.add_history([Said(number, OTHER, NOW_MS, "new") for number in (2999, 3000)])
    assert model.posted(_said(3000), NOW_MS) is None
    assert len(group.entries) == 2


def _turn(number: int, user_id: int) -> messages.RelayPosted:
    return messages.RelayPosted(0, GROUP, number, NOW_MS, 7, user_id, 2, 688, 5)


def test_turn_of_a_user_lasts_until_they_send_a_packet_there(model: Model) -> None:
    model.posted(_packet(5), NOW_MS)
    assert model.conversations[GROUP].turn_of(OTHER) is None
    turn = model.posted(_turn(6, OTHER), NOW_MS)
    assert turn == Turn(6, NOW_MS, 7, OTHER, 688, 5)
    assert model.conversations[GROUP].turn_of(OTHER) == turn
    assert model.conversations[GROUP].turn_of(ME) is None
    assert model.posted(_turn(6, OTHER), NOW_MS) is None
    model.posted(_packet(7, packet_id=8), NOW_MS)
    assert model.conversations[GROUP].turn_of(OTHER) is None


def test_turn_stands_on_the_card_of_the_packet_that_is_over(model: Model) -> None:
    card = model.posted(_packet(5), NOW_MS)
    assert isinstance(card, Card)
    turn = model.posted(_turn(6, ME), NOW_MS)
    assert card.packet.turn == turn


def test_turn_after_a_packet_that_is_not_known_is_an_entry_of_its_own(model: Model) -> None:
    model.posted(_turn(5, ME), NOW_MS)
    assert [type(entry) for entry in model.conversations[GROUP].entries] == [Turn]
