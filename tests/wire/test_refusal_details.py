"""What the detail of a refused request says: first the field, as docs/protocol.md names it, then what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.cases import each
from tests.conftest import Server
from tests.wire import raw as wire
from tests.wire.conftest import Dial
from tests.wire.test_bad_requests import ALICE, BACKEND, BOB, World, make_world

OPEN_CHAT = 45


@pytest.fixture
async def world(attacked: Server, dial: Dial) -> World:
    """On a server with default limits."""
    return await make_world(attacked, dial)


def lucky(world: World, *rest: object) -> tuple[Any, ...]:
    """A send to Alice's group of two, from its amount on."""
    return (wire.SEND_PACKET, "k", "lucky", world.group, *rest)


OF_USERS: dict[str, tuple[Callable[[World], tuple[Any, ...]], str, str]] = {  # request of Alice, refusal, detail
    "long greeting": (
        lambda world: lucky(world, 100, 1, "x" * 129),
        "bad_greeting",
        "greeting: 129 bytes, allowed are 0 to 128",
    ),
    "greeting with a control": (
        lambda world: lucky(world, 100, 1, "a\x1bb"),
        "bad_greeting",
        "greeting: the character U+001B is not allowed",
    ),
    "greeting with a zero byte": (
        lambda world: lucky(world, 100, 1, "a\0b"),
        "bad_greeting",
        "greeting: a zero byte is not allowed",
    ),
    "long key": (
        lambda world: (wire.SEND_PACKET, "k" * 65, "lucky", world.group, 100, 1),
        "bad_key",
        "key: 65 bytes, allowed are 1 to 64",
    ),
    "short seed": (
        lambda world: lucky(world, 100, 1, "", b"x"),
        "bad_seed",
        "client_seed: 16 to 32 bytes, over HTTP in hex, got 1",
    ),
    "no share": (
        lambda world: lucky(world, 100, 0),
        "bad_shares",
        "shares: 0, allowed are 1 to 2 (the group has 2 members)",
    ),
    "large amount": (
        lambda world: lucky(world, 20_001, 1),
        "bad_amount",
        "amount_fen: 20001 fen, allowed are 1 to 20000",
    ),
    "unknown kind": (
        lambda world: (wire.SEND_PACKET, "k", "LUCKY", world.group, 100, 1),
        "bad_target",
        "packet_kind: no kind of packet is called 'LUCKY'",
    ),
    "lucky to a user": (
        lambda _: (wire.SEND_PACKET, "k", "lucky", BOB, 100, 1),
        "bad_target",
        "target_id: lucky goes to a group",
    ),
    "personal to a group": (
        lambda world: (wire.SEND_PACKET, "k", "personal", world.group, 100, 1),
        "bad_target",
        "target_id: personal goes to a user or a one-to-one chat",
    ),
    "personal to myself": (
        lambda _: (wire.SEND_PACKET, "k", "personal", ALICE, 100, 1),
        "bad_target",
        "target_id: a packet cannot be sent to its sender",
    ),
    "group without a name": (lambda _: (wire.CREATE_GROUP, ""), "bad_name", "name: 0 bytes, allowed are 1 to 64"),
    "long name": (lambda _: (wire.SET_NAME, "x" * 65), "bad_name", "name: 65 bytes, allowed are 0 to 64"),
    "invisible name": (lambda _: (wire.SET_NAME, "\u2003"), "bad_name", "name: no character of it is visible"),
    "long text": (
        lambda world: (wire.SAY, world.group, "x" * 2_001),
        "bad_text",
        "text: 2001 bytes, allowed are 1 to 2000",
    ),
    "direction": (lambda _: (wire.RECORDS, "up"), "bad_request", "direction: sent or received, not 'up'"),
    "chat with myself": (lambda _: (OPEN_CHAT, ALICE), "bad_target", "user_id: a chat has two users"),
    "field of another type": (
        lambda world: (wire.SAY, world.group, 7),
        "bad_request",
        "text: expected `str`, got `int`",
    ),
}


@each("case", OF_USERS)
async def test_detail_of_a_refused_request_begins_with_its_field(world: World, case: str) -> None:
    request, name, detail = OF_USERS[case]
    reply = await world.alice.tell(*request(world))
    assert (reply[0], reply[3], reply[6]) == (wire.REFUSED, name, detail)


async def test_detail_about_a_chat_names_the_field_with_its_id(world: World) -> None:
    (chat, *_) = await world.alice.ask(OPEN_CHAT, BOB)
    for request, detail in (
        ((wire.LEAVE_GROUP, chat), "group_id: both users of a one-to-one chat stay in it"),
        ((wire.GET_INVITE, chat), "group_id: this chat has no invite code"),
        (
            (wire.SEND_AGAIN, await world.alice.send_packet("personal", BOB, 100), world.group),
            "group_id: a personal packet goes to its receiver",
        ),
    ):
        assert (await world.alice.tell(*request))[6] == detail


OF_BACKEND = (
    ((wire.TOP_UP, "k", ALICE, 0), "amount_fen: 0 fen, allowed are 1 to 1000000000000"),
    ((wire.TOP_UP, "", ALICE, 1), "key: 0 bytes, allowed are 1 to 64"),
    ((wire.PUT_GROUP, "x" * 65, "Name"), "external_id: 65 bytes, allowed are 1 to 64"),
    ((wire.PUT_GROUP, "room", "x" * 65), "name: 65 bytes, allowed are 1 to 64"),
    ((wire.PUT_GROUP, "room", "Name", 0, "all"), "audience: one of members, signature"),
    ((wire.PUT_USERS, [[7, "x" * 65]]), "name: 65 bytes, allowed are 0 to 64 (user 7)"),
)


async def test_detail_of_a_refused_request_of_the_backend_begins_with_its_field(world: World, dial: Dial) -> None:
    backend = await dial(world.server, BACKEND)
    for request, detail in OF_BACKEND:
        assert (await backend.tell(*request))[6] == detail
    await backend.ask(wire.PUT_GROUP, "room", "Name")
    (group,) = await backend.ask(wire.PUT_GROUP, "room", "Other name")
    for request, detail in (
        ((wire.PUT_GROUP, "room", "Name", 0, "signature"), "audience: that of a group cannot be changed"),
        ((wire.CHANGE_MEMBERS, group, 1, [7], [7]), "left: a user in it is also in `joined`"),
        ((wire.CHANGE_MEMBERS, world.group, 1, [7], [7]), "left: a user in it is also in `joined`"),
    ):
        assert (await backend.tell(*request))[6] == detail


PAY, TRANSFER = 73, 72
HOSTILE = {"a control": ("\x1b", "U+001B"), "an override": ("\u202e", "U+202E"), "an isolate": ("\u2066", "U+2066")}


@each("character", HOSTILE)
async def test_hostile_character_is_refused_in_every_field_with_a_text(
    world: World, dial: Dial, character: str
) -> None:
    """Clients neutralise nothing, because nothing hostile comes in."""
    hostile, called = HOSTILE[character]
    bad = f"a{hostile}b"
    backend = await dial(world.server, BACKEND)
    for raw, field, request in (
        (world.alice, "text", (wire.SAY, world.group, bad)),
        (world.alice, "name", (wire.SET_NAME, bad)),
        (world.alice, "name", (wire.CREATE_GROUP, bad)),
        (world.alice, "greeting", lucky(world, 100, 1, bad)),
        (world.alice, "text", (TRANSFER, "k", BOB, 1, bad)),
        (backend, "text", (PAY, "k", ALICE, 1, bad)),
        (backend, "name", (wire.PUT_GROUP, "room", bad)),
        (backend, "name", (wire.PUT_USERS, [[7, bad]])),
    ):
        reply = await raw.tell(*request)
        assert reply[0] == wire.REFUSED, request
        assert reply[6].startswith(f"{field}: the character {called} is not allowed"), (request, reply[6])
