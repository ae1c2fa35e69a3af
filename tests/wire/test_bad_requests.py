"""Well-formed requests that must not succeed: without permission, above a limit, or too late."""

from __future__ import annotations

import secrets
from typing import Any, NamedTuple

import pytest

from tests.cases import each
from tests.conftest import DAY_MS, Server, StartServer, Turn
from tests.wire import raw as wire
from tests.wire.conftest import Dial
from tests.wire.raw import Raw, Refused, framed

ALICE, BOB, MALLORY, BACKEND = 1, 2, 3, 0
MISSING = 2**62  # an id that the server could have made, but has not
RICH_FEN = 10**9

NO_TICKET = Refused(400, "no_ticket", True, 0)
FORBIDDEN = Refused(103, "forbidden", False, 0)
CODE = "ABCDEFGH234567AA"  # a well-formed invite code
NOT_A_MEMBER = Refused(201, "not_a_member", False, 0)
BAD_INVITE = Refused(210, "bad_invite", False, 0)
NOT_ENOUGH_MONEY = Refused(306, "not_enough_money", False, 0)


class World(NamedTuple):
    """Alice has much money and a group with Bob; Mallory is in no group."""

    server: Server
    alice: Raw
    bob: Raw
    mallory: Raw
    group: int


async def top_up(server: Server, dial: Dial, *user_ids: int) -> None:
    """Money for everything that a test may send."""
    backend = await dial(server, BACKEND)
    for user_id in user_ids:
        await backend.ask(wire.TOP_UP, f"for {user_id}", user_id, RICH_FEN)


async def make_world(server: Server, dial: Dial) -> World:
    await top_up(server, dial, ALICE, MALLORY)
    alice, bob, mallory = [await dial(server, user_id) for user_id in (ALICE, BOB, MALLORY)]
    (group,) = await alice.ask(wire.CREATE_GROUP, "family")
    await bob.join(group, alice)
    return World(server, alice, bob, mallory, group)


@pytest.fixture
async def world(attacked: Server, dial: Dial) -> World:
    """On a server with default limits."""
    return await make_world(attacked, dial)


async def payload_of(client: Raw, kind: int, packet_id: int, *fields: object) -> bytes:
    """The bytes of the answer about a packet, without its id."""
    await client.send(kind, 7, packet_id, *fields)
    while wire.unpacked(payload := await client.read_payload())[1] != 7:
        pass
    return payload.replace(packet_id.to_bytes(8, "big"), b"packetid")


async def answer_of(client: Raw, kind: int, packet_id: int, *fields: object) -> str:
    """The answer of a grab or an open, or the name of the refusal."""
    reply = await client.tell(kind, packet_id, *fields)
    return str(reply[3])


# --- packets of other users -----------------------------------------------------------------------------------


async def test_packets_of_other_users_are_answered_like_missing_ones(world: World) -> None:
    lucky = await world.alice.send_packet("lucky", world.group, 100, 2)
    equal = await world.alice.send_packet("equal", world.group, 100, 2)
    personal = await world.alice.send_packet("personal", BOB, 100)
    ticket = await world.bob.ticket(lucky)
    strangers = [(world.mallory, packet) for packet in (lucky, equal, personal)]
    for client, packet in [*strangers, (world.alice, personal)]:
        for kind, fields in ((wire.GRAB, ()), (wire.OPEN, (ticket,)), (wire.OPEN, (0,))):
            about_missing = await payload_of(client, kind, MISSING, *fields)
            assert b"not_allowed" in about_missing
            assert await payload_of(client, kind, packet, *fields) == about_missing
    for client, packet in [*strangers, (world.bob, equal), (world.bob, personal)]:
        about_missing = await payload_of(client, wire.REVEAL, MISSING)
        assert b"not_allowed" in about_missing
        assert await payload_of(client, wire.REVEAL, packet) == about_missing
    assert await world.bob.grab_and_open(personal) == ["won", 100, 0, 0]


async def test_ids_that_are_not_packet_ids_are_not_allowed(world: World) -> None:
    for number in (world.group, ALICE, BOB, 1, 2**53 - 1, 2**53, 2**63 - 1):
        for kind, fields in ((wire.GRAB, ()), (wire.OPEN, (1,)), (wire.REVEAL, ())):
            assert await answer_of(world.alice, kind, number, *fields) == "not_allowed", (number, kind)


async def test_personal_packet_is_visible_to_sender_and_receiver_only(world: World) -> None:
    personal = await world.alice.send_packet("personal", BOB, 100)
    assert await world.alice.refused(wire.REVEAL, personal) == "not_finished"
    await world.bob.grab_and_open(personal)
    assert await answer_of(world.alice, wire.GRAB, personal) == "not_allowed"
    assert await answer_of(world.mallory, wire.GRAB, personal) == "not_allowed"
    assert await world.mallory.refused(wire.REVEAL, personal) == "not_allowed"
    for client in (world.alice, world.bob):
        assert (await client.ask(wire.REVEAL, personal))[:3] == [personal, "personal", "finished"]
    assert [one for one in world.mallory.pushes if one[0] != wire.BALANCE_CHANGED] == []


async def test_former_member_opens_nothing_even_with_a_ticket(world: World) -> None:
    packet = await world.alice.send_packet("lucky", world.group, 100, 2)
    ticket = await world.bob.ticket(packet)
    await world.bob.ask(wire.LEAVE_GROUP, world.group)
    assert await answer_of(world.bob, wire.OPEN, packet, ticket) == "not_allowed"
    assert await answer_of(world.bob, wire.GRAB, packet) == "not_allowed"
    assert await world.bob.refused(wire.REVEAL, packet) == "not_allowed"


async def test_the_seed_stays_secret_until_the_packet_is_over(world: World) -> None:
    packet = await world.alice.send_packet("lucky", world.group, 100, 2)
    for client in (world.alice, world.bob):
        assert await client.refusal(wire.REVEAL, packet) == Refused(401, "not_finished", True, 1000)
        await client.grab_and_open(packet)
    assert (await world.bob.ask(wire.REVEAL, packet))[:3] == [packet, "lucky", "finished"]
    assert await world.mallory.refused(wire.REVEAL, packet) == "not_allowed"


# --- tickets --------------------------------------------------------------------------------------------------


async def test_forged_and_foreign_tickets_open_nothing(world: World) -> None:
    packet = await world.alice.send_packet("lucky", world.group, 100, 2)
    other = await world.alice.send_packet("lucky", world.group, 100, 2)
    for ticket in (0, 1, -1, 2**63 - 1, -(2**63)):
        assert await world.bob.refusal(wire.OPEN, packet, ticket) == NO_TICKET  # Bob has no ticket yet
    own, foreign, elsewhere = await world.bob.ticket(packet), await world.alice.ticket(packet), 0
    elsewhere = await world.bob.ticket(other)
    for ticket in (0, own + 1, own - 1, -own, foreign, elsewhere):
        assert await world.bob.refusal(wire.OPEN, packet, ticket) == NO_TICKET
    assert await world.bob.ticket(packet) == own
    assert (await world.bob.ask(wire.OPEN, packet, own))[1] == "won"


async def test_lapsed_tickets_make_room_for_new_ones(
    start_attacked: StartServer, dial: Dial, turn_clock: Turn
) -> None:
    server = await start_attacked(limits__tickets_per_share=1)
    alice, bob, _, group = (await make_world(server, dial))[1:]
    quiet, packet = [await alice.send_packet("lucky", group, 100, 1) for _ in range(2)]
    first = await bob.ticket(quiet)  # lapses too, although no later grab removes it
    lapsed = await bob.ticket(packet)
    _, answer, ticket, lapses_at_ms, amount_fen, index, retry_after_ms = await alice.ask(wire.GRAB, packet)
    assert (answer, ticket, lapses_at_ms, amount_fen, index) == ("busy", 0, 0, 0, 0)
    assert 0 < retry_after_ms <= 500
    turn_clock(30_000)
    grabbed = await alice.ask(wire.GRAB, packet)
    assert grabbed[1] == "ticket"
    assert await bob.refusal(wire.OPEN, packet, lapsed) == NO_TICKET
    assert await bob.refusal(wire.OPEN, quiet, first) == NO_TICKET
    assert (await alice.ask(wire.OPEN, packet, grabbed[2]))[1] == "won"


async def test_grabs_above_the_admission_limit_are_busy(world: World, dial: Dial) -> None:
    crowd = [await dial(world.server, user_id) for user_id in range(10, 20)]
    for client in crowd:
        await client.join(world.group, world.alice)
    packet = await world.alice.send_packet("lucky", world.group, 100, 2)
    answers = [await client.ask(wire.GRAB, packet) for client in crowd]
    assert [answer[1] for answer in answers] == ["ticket"] * 8 + ["busy"] * 2
    assert all(0 < answer[6] <= 500 for answer in answers[8:])
    assert [await client.ask(wire.GRAB, packet) for client in crowd[:8]] == answers[:8]
    assert (await crowd[0].ask(wire.OPEN, packet, answers[0][2]))[1] == "won"
    assert await answer_of(crowd[8], wire.GRAB, packet) == "busy"  # seven tickets for one share


# --- second opens and late opens ------------------------------------------------------------------------------


async def test_second_open_returns_the_same_claim(world: World, dial: Dial) -> None:
    packet = await world.alice.send_packet("lucky", world.group, 100, 2)
    ticket = await world.bob.ticket(packet)
    _, answer, amount_fen, index, left = await world.bob.ask(wire.OPEN, packet, ticket)
    assert (answer, index, left) == ("won", 0, 1)
    elsewhere = await dial(world.server, BOB)
    for client in (world.bob, elsewhere):
        for shown in (ticket, 0, ticket + 1):
            assert await client.ask(wire.OPEN, packet, shown) == [packet, "claimed", amount_fen, 0, 1]
        assert await client.ask(wire.GRAB, packet) == [packet, "claimed", 0, 0, amount_fen, 0, 0]


async def test_many_opens_at_once_make_one_claim(world: World) -> None:
    packet = await world.alice.send_packet("lucky", world.group, 1000, 2)
    ticket = await world.bob.ticket(packet)
    seqs = range(1001, 1101)
    await world.bob.send_bytes(b"".join(framed(wire.OPEN, seq, packet, ticket) for seq in seqs))
    answers = [reply[3:5] for reply in await world.bob.replies(seqs)]
    amount_fen = answers[0][1]
    assert answers == [["won", amount_fen]] + [["claimed", amount_fen]] * 99
    assert await world.bob.push(wire.BALANCE_CHANGED) == [amount_fen, amount_fen, "claim", 1]
    assert (await world.alice.grab_and_open(packet))[:2] == ["won", 1000 - amount_fen]


async def test_a_finished_packet_is_gone(world: World, dial: Dial) -> None:
    carol = await dial(world.server, 4)
    await carol.join(world.group, world.alice)
    packet = await world.alice.send_packet("lucky", world.group, 100, 2)
    ticket = await carol.ticket(packet)
    for client in (world.alice, world.bob):
        await client.grab_and_open(packet)
    for shown in (ticket, 0):
        assert await carol.ask(wire.OPEN, packet, shown) == [packet, "gone", 0, 0, 0]
    assert await carol.ask(wire.GRAB, packet) == [packet, "gone", 0, 0, 0, 0, 0]


async def test_expired_packet_is_expired_for_users_without_a_claim(
    start_attacked: StartServer, dial: Dial, turn_clock: Turn
) -> None:
    server = await start_attacked()
    alice, bob, _, group = (await make_world(server, dial))[1:]
    packet = await alice.send_packet("equal", group, 100, 2)
    ticket = await alice.ticket(packet)
    await bob.grab_and_open(packet)
    turn_clock(DAY_MS)
    assert await alice.ask(wire.GRAB, packet) == [packet, "expired", 0, 0, 0, 0, 0]
    assert await alice.ask(wire.OPEN, packet, ticket) == [packet, "expired", 0, 0, 0]
    assert await bob.ask(wire.GRAB, packet) == [packet, "claimed", 0, 0, 100, 0, 0]
    assert await alice.push(wire.PACKET_REFUNDED) == [packet, 100]
    assert (await alice.ask(wire.REVEAL, packet))[2] == "refunded"
    assert await answer_of(alice, wire.GRAB, packet) == "expired"
    assert await alice.ask(wire.GET_BALANCE) == [RICH_FEN - 100, 0]


# --- limits ---------------------------------------------------------------------------------------------------

HAN = "红"  # three bytes


async def big_group(sql: Any, members: int) -> int:
    """A group in the records, owned by Alice, that the server has not read yet; users 1, 2, 3, … are in it."""
    group = 2**53 + members
    await sql.execute("INSERT INTO groups VALUES ($1, 'big', 1, 0)", group)
    await sql.execute("INSERT INTO streams VALUES ($1, 0)", group)
    await sql.execute("INSERT INTO memberships SELECT $1, n, 0 FROM generate_series(1, $2) n", group, members)
    return group


async def test_hello_has_the_version_and_the_limits(attacked: Server, dial: Dial) -> None:
    hello = (await dial(attacked)).hello
    assert hello[2] == 2
    assert hello[8] == {
        "share_fen_min": 1,
        "share_fen_max": 20_000,
        "total_fen_max": 2_000_000,
        "shares_max": 500,
        "group_members_max": 500,
        "greeting_bytes_max": 128,
        "text_bytes_max": 2_000,
        "frame_bytes_max": 4_096,
        "watched_packets_max": 8,
        "packet_lifetime_ms": 86_400_000,
        "ticket_lifetime_ms": 30_000,
    }


SENDS = {  # kind, amount, shares: the outcome
    ("lucky", 0, 1): "bad_amount",
    ("lucky", 1, 1): "sent",
    ("lucky", 20_000, 1): "sent",
    ("lucky", 20_001, 1): "bad_amount",
    ("lucky", 500, 500): "sent",
    ("lucky", 499, 500): "bad_amount",
    ("lucky", 501, 501): "bad_shares",
    ("lucky", 100, 0): "bad_shares",
    ("lucky", 40_000, 2): "sent",
    ("lucky", 40_001, 2): "bad_amount",
    ("lucky", 2_000_000, 100): "sent",
    ("lucky", 2_000_001, 101): "bad_amount",
    ("lucky", 2_000_000, 500): "sent",
    ("lucky", 2_000_001, 500): "bad_amount",
    ("equal", 0, 1): "bad_amount",
    ("equal", 1, 500): "sent",
    ("equal", 1, 501): "bad_shares",
    ("equal", 20_000, 100): "sent",
    ("equal", 20_000, 101): "bad_amount",
    ("equal", 20_001, 1): "bad_amount",
    ("equal", 4_000, 500): "sent",
    ("equal", 4_001, 500): "bad_amount",
    ("personal", 0, 1): "bad_amount",
    ("personal", 1, 1): "sent",
    ("personal", 20_000, 1): "sent",
    ("personal", 20_001, 1): "bad_amount",
    ("personal", 100, 0): "bad_shares",
    ("personal", 100, 2): "bad_shares",
    ("LUCKY", 100, 1): "bad_target",
    ("", 100, 1): "bad_target",
    ("k" * 3000, 100, 1): "bad_target",
}


def outcome(reply: list[Any]) -> str:
    """`sent`, or the name of the refusal."""
    return "sent" if reply[0] == wire.reply_to(wire.SEND_PACKET) else str(reply[3])


async def test_amounts_and_shares_outside_their_limits_are_refused(attacked: Server, dial: Dial, sql: Any) -> None:
    group = await big_group(sql, 500)
    await top_up(attacked, dial, ALICE)
    alice, _ = await dial(attacked, ALICE), await dial(attacked, BOB)  # a receiver must be known
    answers = {}
    for kind, amount_fen, shares in SENDS:
        target = BOB if kind == "personal" else group
        reply = await alice.tell(wire.SEND_PACKET, secrets.token_hex(8), kind, target, amount_fen, shares)
        answers[kind, amount_fen, shares] = outcome(reply)
    assert answers == SENDS


async def test_more_shares_than_members_are_refused(world: World) -> None:
    assert await world.alice.refused(wire.SEND_PACKET, "k1", "lucky", world.group, 100, 3) == "bad_shares"
    assert await world.alice.refused(wire.SEND_PACKET, "k2", "equal", world.group, 100, 3) == "bad_shares"
    assert await world.alice.send_packet("lucky", world.group, 100, 2)


async def test_join_of_a_full_group_is_refused(attacked: Server, dial: Dial, sql: Any) -> None:
    group = await big_group(sql, 499)
    last, late = await dial(attacked, 500), await dial(attacked, 501)
    await sql.execute("UPDATE groups SET invite = $1", CODE)
    await last.ask(wire.JOIN_GROUP, group, CODE)
    assert await late.refusal(wire.JOIN_GROUP, group, CODE) == Refused(203, "group_full", False, 0)
    await last.ask(wire.JOIN_GROUP, group)  # a second join changes nothing, also in a full group
    await last.ask(wire.LEAVE_GROUP, group)
    await late.ask(wire.JOIN_GROUP, group, CODE)
    assert len((await late.ask(wire.LIST_MEMBERS, group))[2]) == 500


TEXTS = {  # field: its maximum of bytes, whether it may be empty, the refusal
    "name": (64, False, "bad_name"),
    "text": (2000, False, "bad_text"),
    "key": (64, False, "bad_key"),
    "greeting": (128, True, "bad_greeting"),
}


def with_text(world: World, field: str, text: str) -> tuple[Any, ...]:
    """A request that holds this text."""
    key = secrets.token_hex(8)
    return {
        "name": (wire.CREATE_GROUP, text),
        "text": (wire.SAY, world.group, text),
        "key": (wire.SEND_PACKET, text, "personal", BOB, 100, 1),
        "greeting": (wire.SEND_PACKET, key, "personal", BOB, 100, 1, text),
    }[field]


@each("field", TEXTS)
async def test_texts_above_their_limit_in_bytes_are_refused(world: World, field: str) -> None:
    most, may_be_empty, refusal = TEXTS[field]
    rest = "x" * (most % 3)
    for good in ("x", "x" * most, HAN * (most // 3) + rest, *([""] if may_be_empty else [])):
        assert (await world.alice.refused(*with_text(world, field, good))).startswith("reply"), len(good)
    for bad in ("x" * (most + 1), HAN * (most // 3) + rest + "x", *([] if may_be_empty else [""])):
        assert await world.alice.refused(*with_text(world, field, bad)) == refusal, len(bad)


async def test_keys_and_amounts_of_the_backend_outside_their_limits_are_refused(
    attacked: Server, dial: Dial
) -> None:
    backend = await dial(attacked, BACKEND)
    most_fen = 10**12
    for kind in (wire.TOP_UP, wire.WITHDRAW):
        for key, amount_fen, refusal in (
            ("", 1, "bad_key"),
            ("x" * 65, 1, "bad_key"),
            ("k", 0, "bad_amount"),
            ("k", -1, "bad_amount"),
            ("k", most_fen + 1, "bad_amount"),
            ("k", 2**63 - 1, "bad_amount"),
        ):
            assert await backend.refused(kind, key, ALICE, amount_fen) == refusal, (kind, key, amount_fen)
    assert await backend.ask(wire.TOP_UP, "x" * 64, ALICE, most_fen) == [ALICE, most_fen]
    assert await backend.refusal(wire.WITHDRAW, "k1", BOB, 1) == NOT_ENOUGH_MONEY
    assert await backend.ask(wire.WITHDRAW, "k1", ALICE, most_fen) == [ALICE, 0]
    assert await backend.refusal(wire.WITHDRAW, "k2", ALICE, 1) == NOT_ENOUGH_MONEY


# --- money ----------------------------------------------------------------------------------------------------


async def test_send_without_enough_money_moves_nothing(world: World, dial: Dial, sql: Any) -> None:
    backend = await dial(world.server, BACKEND)
    await backend.ask(wire.TOP_UP, "bob", BOB, 99)
    refused = ("lucky", world.group, 100, 1), ("equal", world.group, 50, 2), ("personal", ALICE, 100, 1)
    for number, send in enumerate(refused):
        assert await world.bob.refusal(wire.SEND_PACKET, f"k{number}", *send) == NOT_ENOUGH_MONEY
    assert await world.bob.ask(wire.GET_BALANCE) == [99, 0]
    assert await sql.fetchval("SELECT count(*) FROM packets") == 0
    assert await world.bob.send_packet("lucky", world.group, 99, 2, key="k0")  # a refused key is not used up


async def test_target_that_does_not_fit_the_kind_is_refused(world: World) -> None:
    for kind, target in (
        ("personal", ALICE),
        ("personal", world.group),
        ("lucky", BOB),
        ("equal", BOB),
        ("lucky", ALICE),
    ):
        answer = await world.alice.refused(wire.SEND_PACKET, "k", kind, target, 100, 1)
        assert (kind, target, answer) == (kind, target, "bad_target")


async def test_repeated_send_after_a_member_left_returns_the_first_packet(world: World) -> None:
    """A sender without a reply must learn that the packet was sent, or it sends another one."""
    send = ("k", "lucky", world.group, 100, 2)
    sent = await world.alice.ask(wire.SEND_PACKET, *send)
    await world.bob.ask(wire.LEAVE_GROUP, world.group)  # now there are more shares than members
    assert await world.alice.tell(wire.SEND_PACKET, *send) == [120, world.alice.last_seq, *sent]


async def test_repeated_send_of_a_former_member_returns_the_first_packet(world: World, dial: Dial) -> None:
    await top_up(world.server, dial, BOB)
    send = ("k", "lucky", world.group, 100, 1)
    sent = await world.bob.ask(wire.SEND_PACKET, *send)
    await world.bob.ask(wire.LEAVE_GROUP, world.group)
    assert await world.bob.tell(wire.SEND_PACKET, *send) == [120, world.bob.last_seq, *sent]


async def test_key_of_the_backend_identifies_one_transfer_of_one_wallet(attacked: Server, dial: Dial) -> None:
    backend = await dial(attacked, BACKEND)
    assert await backend.ask(wire.TOP_UP, "k", ALICE, 100) == [ALICE, 100]
    assert await backend.ask(wire.TOP_UP, "k", ALICE, 100) == [ALICE, 100]
    assert await backend.refused(wire.TOP_UP, "k", ALICE, 101) == "key_reused"
    assert await backend.ask(wire.TOP_UP, "k", BOB, 100) == [BOB, 100]  # another wallet: another key
    assert await backend.ask(wire.WITHDRAW, "k", ALICE, 30) == [ALICE, 70]
    assert await backend.ask(wire.WITHDRAW, "k", ALICE, 30) == [ALICE, 70]


# --- permissions ----------------------------------------------------------------------------------------------

FOR_USERS = {
    wire.CREATE_GROUP: ("name",),
    wire.JOIN_GROUP: (MISSING,),
    wire.GET_INVITE: (MISSING,),
    wire.LEAVE_GROUP: (MISSING,),
    wire.LIST_MEMBERS: (MISSING,),
    wire.SAY: (MISSING, "text"),
    wire.CATCH_UP: (MISSING, 0),
    wire.SEND_PACKET: ("k", "personal", BOB, 100, 1),
    wire.GRAB: (MISSING,),
    wire.OPEN: (MISSING, 1),
    wire.REVEAL: (MISSING,),
    wire.GET_BALANCE: (),
    wire.OPEN_PAGE: (MISSING,),
    wire.RESULT_PAGE: (MISSING,),
    wire.STOP_WATCHING: (MISSING,),
    wire.PASS_ON: (MISSING,),
    wire.TAP_LINK: ("hbl_",),
    wire.RECORDS: ("sent",),
    wire.SEND_AGAIN: (MISSING,),
    wire.KICK: (MISSING, BOB),
    wire.REACTIONS: (MISSING,),
    wire.SET_NAME: ("name",),
    wire.GET_NAMES: ([BOB],),
}
FOR_BACKEND = {
    wire.TOP_UP: ("k", ALICE, 100),
    wire.WITHDRAW: ("k", ALICE, 100),
    wire.PUT_USERS: ([[ALICE, "name"]],),
    wire.BAN_USER: (ALICE,),
    wire.REVOKE_TOKENS: (ALICE,),
    wire.PUT_GROUP: ("id", "name"),
    wire.SEND_BILL: (ALICE, "bill", BOB, 100),
    wire.GET_BILL: (ALICE, "bill"),
    wire.REPORT_EVENT: (ALICE, "event", "follow", BOB),
    wire.SET_EVENT_RANGE: (ALICE, "follow", 200, 300),
    wire.SYNC_MEMBERS: (MISSING, 1, [ALICE]),
    wire.CHANGE_MEMBERS: (MISSING, 1, [ALICE]),
}


async def test_users_and_backend_are_refused_the_requests_of_the_other(world: World, dial: Dial) -> None:
    backend = await dial(world.server, BACKEND)
    for kind, fields in FOR_USERS.items():
        assert await backend.refusal(kind, *fields) == FORBIDDEN, kind
    for kind, fields in FOR_BACKEND.items():
        assert await world.mallory.refusal(kind, *fields) == FORBIDDEN, kind
    assert await backend.ask(wire.PING) == []
    assert await world.alice.ask(wire.GET_BALANCE) == [RICH_FEN, 0]


async def test_requests_about_groups_of_others_are_refused(world: World) -> None:
    about = {
        wire.LIST_MEMBERS: (),
        wire.SAY: ("hello",),
        wire.CATCH_UP: (0,),
        wire.KICK: (BOB,),
        wire.REACTIONS: (),
        wire.GET_INVITE: (),
    }
    for target in (world.group, MISSING):  # the answer does not tell whether the group exists
        for kind, fields in about.items():
            assert await world.mallory.refusal(kind, target, *fields) == NOT_A_MEMBER, kind
        assert await world.mallory.refusal(wire.SEND_PACKET, "k", "lucky", target, 100, 1) == NOT_A_MEMBER
        for code in ((), ("",), (CODE,)):
            assert await world.mallory.refusal(wire.JOIN_GROUP, target, *code) == BAD_INVITE
        assert await world.mallory.ask(wire.LEAVE_GROUP, target) == [target]
    assert await world.alice.refused(wire.LEAVE_GROUP, world.group) == "owner_stays"
    assert (await world.alice.ask(wire.LIST_MEMBERS, world.group))[2] == [ALICE, BOB]
    assert world.mallory.pushes == []


async def test_catch_up_of_the_inbox_of_another_user_is_refused(world: World) -> None:
    await world.alice.send_packet("personal", BOB, 100)
    for user_id in (ALICE, BOB, 4):
        assert await world.mallory.refusal(wire.CATCH_UP, user_id, 0) == NOT_A_MEMBER
    stream_id, last, reload, messages = await world.bob.ask(wire.CATCH_UP, BOB, 0)
    assert (stream_id, last, reload, len(messages)) == (BOB, 1, False, 1)
    assert await world.mallory.ask(wire.CATCH_UP, MALLORY, 0) == [MALLORY, 0, False, []]


# --- too many requests ----------------------------------------------------------------------------------------


async def test_requests_above_the_burst_are_rate_limited(start_attacked: StartServer, dial: Dial, sql: Any) -> None:
    server = await start_attacked(limits__requests_per_s=4, limits__requests_burst=40)
    await top_up(server, dial, ALICE)
    alice, bob = await dial(server, ALICE), await dial(server, BOB)
    seqs = range(1001, 1042)
    sends = [framed(wire.SEND_PACKET, seq, f"k{seq}", "personal", BOB, 100, 1) for seq in seqs]
    await alice.send_bytes(b"".join(sends))
    replies = await alice.replies(seqs)
    assert [outcome(reply) for reply in replies] == ["sent"] * 40 + ["rate_limited"]
    code, _, temporary, retry_after_ms = replies[40][2:6]
    assert (code, temporary) == (102, True)
    assert 0 < retry_after_ms <= 251
    assert await sql.fetchval("SELECT count(*) FROM packets") == 40
    assert await sql.fetchval("SELECT balance_fen FROM wallets WHERE user_id = $1", ALICE) == RICH_FEN - 4000
    assert await bob.ask(wire.GET_BALANCE) == [0, 0]  # each user has a bucket of their own
    async with wire.bounded():
        while (reply := await alice.tell(wire.GET_BALANCE))[0] == wire.REFUSED:
            assert reply[3] == "rate_limited"
    assert reply[2:] == [RICH_FEN - 4000, 0]


async def test_connections_of_one_user_share_one_token_bucket(start_attacked: StartServer, dial: Dial) -> None:
    server = await start_attacked(limits__requests_per_s=0.01, limits__requests_burst=40)
    answers = []
    for _ in range(4):
        client = await dial(server, ALICE)
        for _ in range(11):
            answers.append(await client.refused(wire.GET_BALANCE))  # noqa: PERF401
        client.close()  # a closed connection does not refill the bucket
    assert answers == ["reply 124"] * 40 + ["rate_limited"] * 4
