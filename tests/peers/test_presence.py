"""Who is at other servers."""

from __future__ import annotations

from server.peers.presence import Presence

NEAR, FAR = 11, 12


def test_places_of_an_audience_are_by_server() -> None:
    presence = Presence()
    presence.came(NEAR, [1, 2])
    presence.came(FAR, [2, 3])
    assert presence.places((1, 2, 3, 4)) == {NEAR: [1, 2], FAR: [2, 3]}
    assert presence.places({2}) == {NEAR: [2], FAR: [2]}
    assert presence.places((4,)) == {}


def test_user_who_left_one_server_is_still_at_another() -> None:
    presence = Presence()
    for server in (NEAR, FAR, FAR):
        presence.came(server, [1])
    assert presence.servers_of(1) == 2
    presence.left(FAR, [1, 9])
    assert presence.places((1,)) == {NEAR: [1]}
    presence.left(NEAR, [1])
    assert (presence.servers_of(1), presence.has_any((1,))) == (0, False)


def test_user_at_several_servers_is_counted_where_the_id_is_smallest() -> None:
    presence = Presence()  # of a server with the id 12
    presence.came(11, [1, 2, 9])
    presence.came(13, [2, 3])
    assert presence.counted_elsewhere([1, 2, 3, 4], 12) == 2
    assert presence.counted_elsewhere([1, 2, 3, 4], 10) == 0


def test_server_that_is_gone_has_no_users() -> None:
    presence = Presence()
    presence.came(NEAR, [1, 2])
    presence.came(FAR, [2])
    presence.forget(NEAR)
    assert presence.places(range(1_000)) == {FAR: [2]}
    assert presence.has_any(range(1_000))
    assert not presence.has_any([1])
