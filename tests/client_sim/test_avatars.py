"""The pictures that the chat backend gives, as clients get them: with the feature, and without it."""

from __future__ import annotations

from client_sim.sdk import Client
from tests.conftest import Connect, Server
from tests.wire import raw as wire
from tests.wire.raw import Raw

ANNA, BEN, CARLA = 101, 102, 103
PICTURE, OTHER_PICTURE = "https://chat.example/anna.png", "https://chat.example/other.png"


async def group_of_three(server: Server, backend: Client) -> int:
    await server.app.services.people.put({ANNA: "Anna", BEN: "Ben"}, {ANNA: PICTURE})
    group_id = await backend.put_group("trio", "Trio", ANNA)
    await backend.sync_members(group_id, 1, [ANNA, BEN, CARLA])
    return group_id


async def test_names_and_member_lists_tell_the_pictures_of_users(
    server: Server, backend: Client, connect: Connect
) -> None:
    group_id = await group_of_three(server, backend)
    ben = await connect(server, BEN)
    assert (await ben.names([CARLA, ANNA, BEN])).avatar_urls == ["", PICTURE, ""]
    page = await ben.members_page(group_id)
    assert (page.user_ids, page.names, page.avatar_urls) == (
        [ANNA, BEN, CARLA],
        ["Anna", "Ben", ""],
        [PICTURE, "", ""],
    )
    await server.app.services.people.put({ANNA: "Anna"}, {ANNA: OTHER_PICTURE})
    assert (await ben.names([ANNA])).avatar_urls == [OTHER_PICTURE]


async def test_client_without_the_feature_gets_no_pictures(server: Server, backend: Client) -> None:
    group_id = await group_of_three(server, backend)
    client = await Raw.connect(server)
    try:
        await client.login(BEN)
        await client.send(wire.GET_NAMES, 1, [ANNA])
        assert (await client.reply(1))[2:] == [["Anna"], []]
        await client.send(wire.LIST_MEMBERS, 2, group_id)
        assert (await client.reply(2))[-2:] == [False, []]
    finally:
        client.close()
