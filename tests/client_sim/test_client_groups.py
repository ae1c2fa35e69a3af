"""The SDK's methods for groups, passes and seeds, against a fake server."""

from __future__ import annotations

import pytest

from client_sim.sdk import errors
from protocol import codes, messages
from tests.client_sim.test_client import (
    GROUP,
    PACKET,
    SENT,
    Server,
    Session,
    breaks,
    closes,
    connected,
    ignores,
    in_turn,
    next_numbers,
    page,
    post,
    refuses,
    replies,
    until,
    wait_for_replies,
)
from tests.client_sim.test_client import server as server  # the fixture
from tests.conftest import PATIENCE_S

SIGNED = "5.7.2000000000.k1.00"
SHOWN = messages.PassShown(0, GROUP, 2_000_000_000)


# --- seeds --------------------------------------------------------------------------------------------------


async def test_send_by_default_has_a_fresh_client_seed(server: Server) -> None:
    server.answers[messages.SendPacket] = replies(SENT)
    async with connected(server) as client:
        for _ in range(2):
            await client.send_packet("lucky", GROUP, 888, 8)
    seeds = [request.client_seed for request in server.asked]
    assert list(map(len, seeds)) == [32, 32]
    assert seeds[0] != seeds[1]


@pytest.mark.parametrize("given", [b"", bytes(32)], ids=["none", "own"])
async def test_send_with_a_client_seed_of_the_app_sends_that_one(server: Server, given: bytes) -> None:
    server.answers[messages.SendPacket] = replies(SENT)
    async with connected(server) as client:
        await client.send_packet("lucky", GROUP, 888, 8, client_seed=given)
    assert server.asked[0].client_seed == given


async def test_send_called_again_with_another_seed_after_an_unknown_outcome_has_the_same_key(
    server: Server,
) -> None:
    server.answers[messages.SendPacket] = in_turn(ignores, replies(SENT))
    async with connected(server) as client:
        wait_for_replies(client, 0.05)
        with pytest.raises(errors.TimedOut):
            await client.send_packet("lucky", GROUP, 888, 8, client_seed=b"1" * 16)
        wait_for_replies(client, PATIENCE_S)
        await client.send_packet("lucky", GROUP, 888, 8, client_seed=b"2" * 16)
    assert len({request.key for request in server.asked}) == 1


async def test_seed_trees_are_those_of_the_server(server: Server) -> None:
    trees = [messages.SeedTree(3, bytes(32)), messages.SeedTree(4, b"1" * 32)]
    server.answers[messages.GetSeedTrees] = replies(messages.SeedTrees(0, 200, trees))
    async with connected(server) as client:
        shown = await client.seed_trees()
    assert (shown.next_index, shown.trees) == (200, trees)


# --- groups -------------------------------------------------------------------------------------------------


async def test_join_by_invite_alone_follows_the_group_that_the_server_names(server: Server) -> None:
    server.answers[messages.JoinGroup] = replies(messages.GroupJoined(0, GROUP, "us", 1, 4))
    async with connected(server) as client:
        assert (await client.join_group(invite="ABCDEFGHIJKLMNOP")).name == "us"
        assert client.positions[GROUP] == 4
    assert (server.asked[0].group_id, server.asked[0].invite) == (0, "ABCDEFGHIJKLMNOP")


async def test_open_chat_follows_its_stream(server: Server) -> None:
    server.answers[messages.OpenChat] = replies(messages.ChatOpened(0, GROUP, 9, 4))
    async with connected(server) as client:
        assert (await client.open_chat(9)).stream_id == GROUP
        assert client.positions[GROUP] == 4


async def test_members_of_a_large_group_are_gathered_from_all_pages(server: Server) -> None:
    def members(session: Session, request: messages.ListMembers) -> None:
        rest = [user_id for user_id in range(1, 6) if user_id > request.after_user_id]
        session.connection.send(messages.Members(request.seq, GROUP, 1, rest[:2], ["", ""], len(rest) > 2))

    server.answers[messages.ListMembers] = members
    async with connected(server) as client:
        assert await client.members(GROUP) == [1, 2, 3, 4, 5]
    assert [request.after_user_id for request in server.asked] == [0, 2, 4]


async def test_backend_methods_send_what_they_are_given(server: Server) -> None:
    server.answers = {
        messages.PutGroup: replies(messages.GroupPut(0, GROUP)),
        messages.SyncMembers: replies(messages.MembersSynced(0, GROUP, 2, 0, 2)),
        messages.ChangeMembers: replies(messages.MembersChanged(0, GROUP, 1, 1, 2)),
        messages.PutChat: replies(messages.ChatPut(0, GROUP + 1)),
        messages.DeleteGroup: replies(messages.GroupDeleted(0, GROUP)),
    }
    async with connected(server) as client:
        assert await client.put_group("room-5", "us", 7) == GROUP
        assert (await client.sync_members(GROUP, 10, {1, 2})).joined == 2
        assert (await client.change_members(GROUP, 11, [3], [1])).left == 1
        assert await client.put_chat(1, 2) == GROUP + 1
        assert await client.delete_group("room-5") == GROUP
    put, synced, changed, chat, deleted = server.asked
    assert (put.external_id, put.name, put.owner_id, put.audience) == ("room-5", "us", 7, "members")
    assert (synced.group_id, synced.version, synced.user_ids) == (GROUP, 10, [1, 2])
    assert (changed.version, changed.joined, changed.left) == (11, [3], [1])
    assert (chat.user_id, chat.other_id) == (1, 2)
    assert deleted.external_id == "room-5"


async def test_push_that_this_user_was_added_follows_the_group_from_there(server: Server) -> None:
    async with connected(server) as client:
        server.sessions[0].push(messages.AddedToGroup(0, GROUP, "us", 1, 4))
        added = await anext(client.pushes())
        assert isinstance(added, messages.AddedToGroup)
        server.sessions[0].push(post(5))
        assert await next_numbers(client, 1) == [5]
    assert server.asked_for(messages.CatchUp) == []


async def test_push_that_this_user_was_added_while_posts_are_missing_fetches_them(server: Server) -> None:
    server.places = [messages.StreamPosition(GROUP, "us", 1, 4)]
    server.answers[messages.CatchUp] = replies(page(6, 5, 6))
    async with connected(server) as client:
        server.sessions[0].push(messages.AddedToGroup(0, GROUP, "us", 1, 6))
        assert isinstance(await anext(client.pushes()), messages.AddedToGroup)
        assert await next_numbers(client, 2) == [5, 6]


async def test_stream_whose_missed_posts_are_not_for_this_user_goes_on_behind_them(server: Server) -> None:
    server.places = [messages.StreamPosition(GROUP, "us", 1, 6)]  # removed and added again while offline
    server.answers[messages.CatchUp] = replies(page(6))
    async with connected(server, positions={GROUP: 4}) as client:
        await until(lambda: client.positions[GROUP] == 6)
        server.sessions[0].push(post(7))
        assert await next_numbers(client, 1) == [7]
    assert len(server.asked_for(messages.CatchUp)) == 1


# --- passes -------------------------------------------------------------------------------------------------


async def test_pass_is_shown_again_after_a_reconnect_before_repeated_requests(server: Server) -> None:
    server.answers[messages.ShowPass] = replies(SHOWN)
    server.answers[messages.Grab] = in_turn(breaks, replies(messages.Grabbed(0, PACKET, "gone")))
    async with connected(server) as client:
        assert (await client.show_pass(SIGNED)).group_id == GROUP
        assert (await client.grab(PACKET)).answer == "gone"
    kinds = [messages.ShowPass, messages.Grab]
    assert [type(request) for request in server.asked] == kinds + kinds
    assert {request.signed for request in server.asked_for(messages.ShowPass)} == {SIGNED}


async def test_pass_that_has_expired_is_shown_once_and_then_dropped(server: Server) -> None:
    server.answers[messages.ShowPass] = in_turn(replies(SHOWN), refuses(codes.Refusal.BAD_PASS))
    server.answers[messages.GetBalance] = replies(messages.Balance(0, 0))
    async with connected(server) as client:
        await client.show_pass(SIGNED)
        for reconnects in (1, 2):
            client.drop()
            await until(lambda wanted=reconnects: client.reconnects == wanted)  # type: ignore[misc]
            await client.balance()
    assert len(server.asked_for(messages.ShowPass)) == 2


# --- refusals and closes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refusal", "raised"),
    [
        (codes.Refusal.BAD_INVITE, errors.BadInvite),
        (codes.Refusal.BACKEND_DECIDES, errors.BackendDecides),
        (codes.Refusal.NO_SUCH_USER, errors.NoSuchUser),
        (codes.Refusal.NAME_TAKEN, errors.NameTaken),
        (codes.Refusal.BAD_PASS, errors.BadPass),
        (codes.Refusal.BANNED, errors.Banned),
        (codes.Refusal.BAD_SEED, errors.BadSeed),
    ],
)
async def test_refusal_of_version_2_raises_its_own_class(
    server: Server, refusal: codes.Refusal, raised: type[errors.Refusal]
) -> None:
    server.answers[messages.JoinGroup] = refuses(refusal)
    async with connected(server) as client:
        with pytest.raises(raised) as caught:
            await client.join_group(invite="A")
    assert caught.value.name == refusal.name.lower()
    assert not caught.value.temporary


@pytest.mark.parametrize("close", [codes.Close.BANNED, codes.Close.TOKEN_REVOKED])
async def test_close_of_a_banned_user_or_a_revoked_token_ends_the_client(
    server: Server, close: codes.Close
) -> None:
    server.answers[messages.GetBalance] = closes(close)
    async with connected(server) as client:
        with pytest.raises(errors.ConnectionRefusedForGood) as caught:
            await client.balance()
    assert caught.value.name == close.name.lower()
    assert len(server.sessions) == 1
