"""A running server reloads every limit: for existing connections, or for new ones."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec
import pytest

from server import config
from server.core.limits import Limits
from server.credentials import Credentials
from server.reload import Reading
from tests.cases import each
from tests.conftest import KEYS, SEED_KEYS, Server, StartServer
from tests.wire import raw as wire
from tests.wire.conftest import Dial
from tests.wire.raw import Raw

ALICE, BOB, CAROL = 101, 102, 103
MUCH = Limits(requests_per_s=1e6, requests_burst=1e6)


class Room(NamedTuple):
    """The setting of a case: Alice has money and a group with Bob, with three texts in it."""

    server: Server
    dial: Dial
    alice: Raw
    bob: Raw
    backend: Raw
    group: int

    def lucky(self, amount_fen: int, shares: int, greeting: str = "") -> tuple[Any, ...]:
        """The fields of a send."""
        return (wire.SEND_PACKET, "key", "lucky", self.group, amount_fen, shares, greeting)

    def with_words(self, words: str) -> tuple[Any, ...]:
        """The fields of a send of a password packet."""
        return (wire.SEND_PACKET, "words", "password", self.group, 100, 2, "", b"", 0, "", [], words)


@pytest.fixture
async def room(start_server: StartServer, dial: Dial) -> Room:
    """With default limits, and no limit of requests."""
    server = await start_server()
    alice, bob, backend = await dial(server, ALICE), await dial(server, BOB), await dial(server, 0)
    await backend.ask(wire.TOP_UP, "k", ALICE, 100_000)
    (group,) = await alice.ask(wire.CREATE_GROUP, "room")
    await bob.join(group, alice)
    for text in ("a", "b", "c"):
        await alice.ask(wire.SAY, group, text)
    return Room(server, dial, alice, bob, backend, group)


def reload(server: Server, **changed: Any) -> None:
    """Reload the limits of the room with these changes."""
    limits = msgspec.structs.replace(MUCH, **changed)
    settings = msgspec.structs.replace(config.load(None, {}, environment={}), limits=limits)
    server.app.apply(Reading(settings, Credentials(KEYS, SEED_KEYS, None, {}, {})))


Case = Callable[[Room], Awaitable[object]]


def _refused(fields_of: Callable[[Room], tuple[Any, ...]], who: str = "alice") -> Case:
    async def case(room: Room) -> object:
        client: Raw = getattr(room, who)
        return await client.refused(*fields_of(room))

    return case


async def _wrong_words_twice(room: Room) -> object:
    packet_id = (await room.alice.ask(*room.with_words("sesame")))[0]
    await room.bob.refused(wire.SAY_WORDS, packet_id, "open")
    return await room.bob.refused(wire.SAY_WORDS, packet_id, "open")


async def _new_connection(room: Room) -> object:
    client = await room.dial(room.server)
    await client.send(*client.login_message(ALICE))
    try:
        return (await client.goodbye()).name
    except TimeoutError:
        return "admitted"


async def _third_member(room: Room) -> object:
    carol = await room.dial(room.server, CAROL)
    _, code = await room.alice.ask(wire.GET_INVITE, room.group)
    return await carol.refused(wire.JOIN_GROUP, room.group, code)


async def _synced(room: Room, *user_ids: int) -> object:
    return await room.backend.refused(wire.SYNC_MEMBERS, room.group, 1, list(user_ids))


async def _large_frame_of_the_backend(room: Room) -> object:
    client = await room.dial(room.server, 0)
    await client.send(wire.TOP_UP, 1, "x" * 5_000, ALICE, 1)
    return (await client.goodbye()).name


async def _second_request(room: Room) -> object:
    await room.alice.tell(wire.GET_BALANCE)
    return await room.alice.refused(wire.GET_BALANCE)


async def _after_a_failed_login(room: Room) -> object:
    client = await room.dial(room.server)
    await client.send(*client.login_message(ALICE, proof=bytes(32)))
    assert await client.goodbye() == wire.LOGIN_REFUSED
    return await _new_connection(room)


async def _second_grab(room: Room) -> object:
    packet = await room.alice.send_packet("lucky", room.group, 100, 1)
    await room.alice.ticket(packet)
    return (await room.bob.ask(wire.GRAB, packet))[1]


async def _taken_ticket(room: Room) -> object:
    """The answer to a user whose ticket was taken after a tenth of a second."""
    packet = await room.alice.send_packet("lucky", room.group, 100, 1)
    ticket = await room.alice.ticket(packet)
    await room.bob.ask_until(lambda reply: reply[1] != "busy", wire.GRAB, packet)
    return await room.alice.refused(wire.OPEN, packet, ticket)


async def _ticket_lasts_ms(room: Room) -> object:
    packet = await room.alice.send_packet("lucky", room.group, 100, 1)
    lapses_at_ms = (await room.alice.ask(wire.GRAB, packet))[3]
    return 6_000 < lapses_at_ms - room.server.app.services.messages._now_ms() <= 7_000


async def _packet_lasts_ms(room: Room) -> object:
    _, _, _, expires_at_ms, *_ = await room.alice.ask(*room.lucky(100, 1))
    return 6_000 < expires_at_ms - room.server.app.services.messages._now_ms() <= 7_000


async def _passed_on(room: Room) -> tuple[int, list[Any]]:
    """A packet that its receiver has opened, and the reply with their link."""
    packet = (await room.alice.ask(wire.SEND_PACKET, "fission", "fission", BOB, 300, 3))[0]
    await room.bob.ask(wire.OPEN, packet, await room.bob.ticket(packet))
    return packet, await room.bob.ask(wire.PASS_ON, packet)


async def _passed_on_by_a_friend(room: Room) -> object:
    packet, (_, link, *_) = await _passed_on(room)
    carol = await room.dial(room.server, CAROL)
    ticket = (await carol.ask(wire.TAP_LINK, link))[9]
    await carol.ask(wire.OPEN, packet, ticket)
    return await carol.refused(wire.PASS_ON, packet)


async def _link_lasts_ms(room: Room) -> object:
    _, (_, _, _, expires_at_ms, *_) = await _passed_on(room)
    return 5_000 < expires_at_ms - room.server.app.services.messages._now_ms() <= 8_000


async def _sent_to_a_second_group(room: Room) -> object:
    packet = await room.alice.send_packet("lucky", room.group, 100, 2)
    (elsewhere,) = await room.alice.ask(wire.CREATE_GROUP, "b")
    return await room.alice.refused(wire.SEND_AGAIN, packet, elsewhere)


async def _subscriptions(room: Room) -> object:
    """The number of subscriptions after requests for two result pages."""
    packets = [await room.alice.send_packet("lucky", room.group, 100, 2) for _ in range(2)]
    for packet in packets:
        await room.alice.ask(wire.RESULT_PAGE, packet, "en", 0, True)
    return sum(len(sessions) for sessions in room.server.app.subscriptions._packets_of.values())


async def _catch_up(room: Room) -> object:
    _, last, must_reload, found = await room.bob.ask(wire.CATCH_UP, room.group, 0)
    return (last, must_reload, len(found))


async def _second_read(room: Room) -> object:
    await room.bob.ask(wire.CATCH_UP, room.group, 0)
    return await room.bob.refused(wire.CATCH_UP, room.group, 0)


async def _pieces_of_history(room: Room) -> object:
    await room.bob.ask(wire.CATCH_UP, room.group, 0)
    return len(room.server.app.services.messages._history._pieces)


async def _hello(room: Room) -> object:
    _, _, _, _, _, ping_ms, pong_ms, _, limits = (await room.dial(room.server)).hello
    return (ping_ms, pong_ms, limits["frame_bytes_max"])


async def _silent(room: Room) -> object:
    return (await (await room.dial(room.server)).goodbye()).name


async def _frame_after_login(room: Room) -> object:
    client = await room.dial(room.server, BOB)
    await client.send(wire.SAY, 1, room.group, "x" * 300)
    return (await client.goodbye()).name


async def _outgoing(room: Room) -> object:
    return room.server.app.listener.outgoing_bytes_max  # tests of slow readers show that it is applied


async def _waits(room: Room) -> object:
    services = room.server.app.services
    queues = [one._load_shedding for one in (services.commit, services.recovery, *services.batchers.values())]
    for queue in queues:
        queue.begin()  # as if the store did not answer
    await asyncio.sleep(0.01)
    return len(queues) > len(services.batchers) and all(queue.is_too_high(100) for queue in queues)


CASES: dict[str, tuple[dict[str, Any], Case, object]] = {
    "share_fen_min": ({"share_fen_min": 60}, _refused(lambda room: room.lucky(100, 2)), "bad_amount"),
    "share_fen_max": ({"share_fen_max": 40}, _refused(lambda room: room.lucky(100, 2)), "bad_amount"),
    "total_fen_max": (
        {"total_fen_max": 99, "share_fen_max": 99},
        _refused(lambda room: room.lucky(100, 2)),
        "bad_amount",
    ),
    "shares_max": ({"shares_max": 1}, _refused(lambda room: room.lucky(100, 2)), "bad_shares"),
    "group_members_max": ({"group_members_max": 2}, _third_member, "group_full"),
    "synced_members_max": ({"synced_members_max": 2}, lambda room: _synced(room, ALICE, BOB, CAROL), "group_full"),
    "groups_of_user_max": (
        {"groups_of_user_max": 1},
        _refused(lambda room: (wire.CREATE_GROUP, "b")),
        "too_many_groups",
    ),
    "groups_of_packet_max": ({"groups_of_packet_max": 1}, _sent_to_a_second_group, "too_many_groups"),
    "greeting_bytes_max": (
        {"greeting_bytes_max": 3},
        _refused(lambda room: room.lucky(100, 2, "four")),
        "bad_greeting",
    ),
    "text_bytes_max": ({"text_bytes_max": 3}, _refused(lambda room: (wire.SAY, room.group, "four")), "bad_text"),
    "name_bytes_max": ({"name_bytes_max": 3}, _refused(lambda room: (wire.CREATE_GROUP, "four")), "bad_name"),
    "key_bytes_max": (
        {"key_bytes_max": 3},
        _refused(lambda room: (wire.TOP_UP, "four", ALICE, 1), "backend"),
        "bad_key",
    ),
    "words_bytes_max": (
        {"words_bytes_max": 3},
        _refused(lambda room: room.with_words("four")),
        "bad_words",
    ),
    "words_attempts_max": ({"words_attempts_max": 1}, _wrong_words_twice, "words_spent"),
    "schedule_ahead_s": (
        {"schedule_ahead_s": 7.0},
        _refused(lambda room: (*room.lucky(100, 2), b"", 0, "", [], "", time.time_ns() // 1_000_000 + 60_000)),
        "bad_time",
    ),
    "packet_lifetime_s": ({"packet_lifetime_s": 7.0}, _packet_lasts_ms, True),
    "pass_on_depth_max": ({"pass_on_depth_max": 1}, _passed_on_by_a_friend, "too_deep"),
    "pass_on_lifetime_s": ({"pass_on_lifetime_s": 7.0}, _link_lasts_ms, True),
    "ticket_lifetime_s": ({"ticket_lifetime_s": 7.0}, _ticket_lasts_ms, True),
    "ticket_grace_s": ({"ticket_grace_s": 0.1, "tickets_per_share": 1}, _taken_ticket, "no_ticket"),
    "tickets_per_share": ({"tickets_per_share": 1}, _second_grab, "busy"),
    "frame_bytes_before_login_max": ({"frame_bytes_before_login_max": 20}, _new_connection, "frame_too_large"),
    "frame_bytes_max": ({"frame_bytes_max": 256}, _frame_after_login, "frame_too_large"),
    "backend_frame_bytes_max": (
        {"backend_frame_bytes_max": 4_096},
        _large_frame_of_the_backend,
        "frame_too_large",
    ),
    "login_timeout_s": ({"login_timeout_s": 0.05}, _silent, "login_timeout"),
    "ping_interval_s": ({"ping_interval_s": 9.0}, _hello, (9_000, 8_000, 4096)),
    "pong_timeout_s": ({"pong_timeout_s": 2.0, "frame_bytes_max": 3000}, _hello, (25_000, 2_000, 3000)),
    "requests_per_s": ({"requests_per_s": 0.001, "requests_burst": 1.0}, _second_request, "rate_limited"),
    "requests_burst": ({"requests_per_s": 0.001, "requests_burst": 1.0}, _second_request, "rate_limited"),
    "read_bytes_per_s": ({"read_bytes_per_s": 1.0, "read_bytes_burst": 1.0}, _second_read, "rate_limited"),
    "read_bytes_burst": ({"read_bytes_per_s": 1.0, "read_bytes_burst": 1.0}, _second_read, "rate_limited"),
    "read_rows_per_s": ({"read_rows_per_s": 1.0, "read_rows_burst": 1.0}, _second_read, "rate_limited"),
    "read_rows_burst": ({"read_rows_per_s": 1.0, "read_rows_burst": 1.0}, _second_read, "rate_limited"),
    "history_bytes_max": ({"history_bytes_max": 1}, _pieces_of_history, 0),
    "connections_max": ({"connections_max": 3}, _new_connection, "too_many_connections"),
    "connections_of_user_max": ({"connections_of_user_max": 1}, _new_connection, "too_many_connections"),
    "watched_packets_max": ({"watched_packets_max": 1}, _subscriptions, 1),
    "connections_of_address_max": ({"connections_of_address_max": 3}, _new_connection, "too_many_connections"),
    "failed_logins_of_address_per_s": (
        {"failed_logins_of_address_per_s": 0.001, "failed_logins_of_address_burst": 1.0},
        _after_a_failed_login,
        "too_many_failed_logins",
    ),
    "failed_logins_of_address_burst": (
        {"failed_logins_of_address_per_s": 0.001, "failed_logins_of_address_burst": 1.0},
        _after_a_failed_login,
        "too_many_failed_logins",
    ),
    "outgoing_bytes_max": ({"outgoing_bytes_max": 1234}, _outgoing, 1234),
    "wait_ms_max": ({"wait_ms_max": 1.0}, _waits, True),
    "catch_up_messages": ({"catch_up_messages": 1}, _catch_up, (3, False, 1)),
    "reload_after_messages": ({"reload_after_messages": 2}, _catch_up, (3, True, 0)),
}


# Their cases leave the room as it was, so one room serves them all.
OF_ONE_ROOM = (
    *("share_fen_min", "share_fen_max", "total_fen_max", "shares_max", "groups_of_user_max", "greeting_bytes_max"),
    *("text_bytes_max", "name_bytes_max", "key_bytes_max", "words_bytes_max", "schedule_ahead_s"),
    *("catch_up_messages", "reload_after_messages", "ping_interval_s", "pong_timeout_s", "outgoing_bytes_max"),
)
OF_THEIR_OWN = [name for name in Limits.__struct_fields__ if name not in OF_ONE_ROOM]


@each("name", OF_ONE_ROOM)
async def test_limit_applies_after_the_reload_of_this_room(room: Room, name: str) -> None:
    await check(room, name)


@pytest.mark.parametrize("name", OF_THEIR_OWN)
async def test_limit_applies_after_the_reload(room: Room, name: str) -> None:
    await check(room, name)


async def check(room: Room, name: str) -> None:
    """The limit has its effect after the reload; the other limits have their defaults then."""
    changed, case, found = CASES[name]
    reload(room.server, **changed)
    assert await case(room) == found


async def test_connections_keep_the_limits_of_their_hello(room: Room) -> None:
    reload(room.server, frame_bytes_max=64)
    assert (await room.alice.ask(wire.SAY, room.group, "x" * 300))[0] == room.group


def test_become_changes_no_copy_of_the_limits() -> None:
    mine, other = Limits(), Limits(shares_max=3)
    kept = msgspec.structs.replace(mine)
    mine.become(other)
    assert (mine, kept) == (other, Limits())
