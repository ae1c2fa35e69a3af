"""Groups over HTTP, under the ids of the chat backend, whatever characters they have."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from client_sim.sdk.errors import BadPass, NotAMember
from protocol.messages import RemovedFromGroup
from tests.cases import each
from tests.conftest import Connect, Server
from tests.http_api.client import Api
from tests.services.test_membership import first_push
from tests.services.test_passes import show, signed

IDS = ["family", "群/1", "a b?c#d", "%2F", "..", "x" * 64]


@each("external_id", IDS)
async def test_group_is_put_and_found_under_any_id(api: Api, external_id: str) -> None:
    path = f"/v1/groups/{quote(external_id, safe='')}"
    made = await api.ok("PUT", path, {"name": "Family", "owner_id": "7"})
    assert made["group"] == external_id
    assert await api.ok("PUT", path, {"name": "Family", "owner_id": "7"}) == made
    assert await api.ok("GET", path) == {
        "group": external_id,
        "group_id": made["group_id"],
        "name": "Family",
        "audience": "members",
        "members": 0,
        "owner_id": "7",
    }


async def test_group_id_of_63_bits_is_a_string_and_leads_to_the_group_on_the_wire(
    api: Api, server: Server, connect: Connect
) -> None:
    made = await api.ok("PUT", "/v1/groups/g", {"name": "G"})
    assert int(made["group_id"]) > 2**53
    await api.ok("PUT", "/v1/groups/g/members/7", {"version": 1})
    assert await (await connect(server, 7)).members(int(made["group_id"])) == [7]


async def test_members_are_put_deleted_changed_and_synced_by_version(api: Api) -> None:
    await api.ok("PUT", "/v1/groups/g", {"name": "G"})

    async def members() -> list[str]:
        found: list[str] = (await api.ok("GET", "/v1/groups/g/members"))["user_ids"]
        return found

    await api.ok("PUT", "/v1/groups/g/members", {"version": 10, "user_ids": ["1", "2", "3"]})
    assert await members() == ["1", "2", "3"]
    late = await api.ok("PUT", "/v1/groups/g/members", {"version": 9, "user_ids": ["9"]})
    assert (late["joined"], late["left"]) == (0, 0)
    await api.ok("DELETE", "/v1/groups/g/members/2?version=11")
    await api.ok("PUT", "/v1/groups/g/members/4", {"version": 11})
    await api.ok("PUT", "/v1/groups/g/members/2", {"version": 11})  # as old as the deletion
    assert await members() == ["1", "3", "4"]
    changed = await api.ok("POST", "/v1/groups/g/members", {"version": 12, "joined": ["2"], "left": ["1", "4"]})
    assert (changed["joined"], changed["left"], changed["members"]) == (1, 2, 2)
    assert await members() == ["2", "3"]


async def test_deleted_group_is_not_found_and_late_calls_about_its_members_have_no_effect(
    api: Api, server: Server, connect: Connect
) -> None:
    made = await api.ok("PUT", "/v1/groups/g", {"name": "G"})
    await api.ok("PUT", "/v1/groups/g/members", {"version": 1, "user_ids": ["7", "8"]})
    guest, group_id = await connect(server, 7), int(made["group_id"])
    for _ in range(2):
        assert await api.ok("DELETE", "/v1/groups/g") == made
    assert (await first_push(guest, RemovedFromGroup)).group_id == group_id
    with pytest.raises(NotAMember):
        await guest.members(group_id)
    for method, target, body in (
        ("GET", "/v1/groups/g", None),
        ("GET", "/v1/groups/g/members", None),
        ("PUT", "/v1/groups/g/members/7", {"version": 9}),
        ("PUT", "/v1/groups/g/members", {"version": 9, "user_ids": ["7"]}),
    ):
        answer = await api(method, target, body)
        assert (answer.status, answer.code) == (404, "no_such_group")
    assert (await api("PUT", "/v1/groups/g", {"name": "G"})).status == 400


async def test_deletion_of_a_group_by_signature_ends_the_passes_to_it(
    api: Api, server: Server, connect: Connect
) -> None:
    made = await api.ok("PUT", "/v1/groups/g", {"name": "G", "audience": "signature"})
    guest, group_id = await connect(server, 7), int(made["group_id"])
    shown = signed(server, group_id, 7)
    await show(guest, shown)
    assert await guest.members(group_id) == [7]
    await api.ok("DELETE", "/v1/groups/g")
    with pytest.raises(NotAMember):
        await guest.members(group_id)
    with pytest.raises(BadPass):
        await show(guest, shown)


async def test_members_come_in_pages(api: Api) -> None:
    await api.ok("PUT", "/v1/groups/g", {"name": "G"})
    user_ids = [str(one) for one in range(1, 2_101)]
    await api.ok("PUT", "/v1/groups/g/members", {"version": 1, "user_ids": user_ids})
    found, cursor, pages = [], "", 0
    while True:
        page = await api.ok("GET", f"/v1/groups/g/members?cursor={cursor}")
        found += page["user_ids"]
        pages += 1
        if "next_cursor" not in page:
            break
        cursor = page["next_cursor"]
    assert (found, pages) == (user_ids, 3)


@pytest.mark.long
async def test_list_of_100_000_members_is_synced_in_one_call(api: Api) -> None:
    await api.ok("PUT", "/v1/groups/g", {"name": "G"})
    user_ids = [str(2**53 - 1 - one) for one in range(100_000)]
    synced = await api.ok("PUT", "/v1/groups/g/members", {"version": 1, "user_ids": user_ids})
    assert (synced["joined"], synced["members"]) == (100_000, 100_000)


async def test_unknown_group_is_not_found(api: Api) -> None:
    for method, target, body in (
        ("GET", "/v1/groups/g", None),
        ("PUT", "/v1/groups/g/members/1", {"version": 1}),
        ("PUT", "/v1/groups/g/members", {"version": 1, "user_ids": []}),
        ("GET", "/v1/groups/g/members", None),
    ):
        answer = await api(method, target, body)
        assert (answer.status, answer.code) == (404, "no_such_group")


async def test_chat_of_two_users_is_one_chat(api: Api) -> None:
    one, other = await api.ok("PUT", "/v1/chats/1/2"), await api.ok("PUT", "/v1/chats/2/1")
    assert one == other
    same = await api("PUT", "/v1/chats/1/1")
    assert (same.status, same.code) == (422, "bad_target")


async def test_relay_of_a_group_is_put_and_shown(api: Api, server: Server, connect: Connect) -> None:
    made = await api.ok("PUT", "/v1/groups/g", {"name": "G", "owner_id": "7"})
    await api.ok("PUT", "/v1/groups/g/members/7", {"version": 1})
    shown = {"group": "g", "group_id": made["group_id"]}
    assert await api.ok("GET", "/v1/groups/g/relay") == {**shown, "times": 0}
    assert await api.ok("PUT", "/v1/groups/g/relay", {"times": 3}) == {**shown, "times": 3}
    assert await api.ok("GET", "/v1/groups/g/relay") == {**shown, "times": 3}
    assert await (await connect(server, 7)).relay(int(made["group_id"])) == 3
    assert (await api("PUT", "/v1/groups/g/relay", {"times": 4})).code == "bad_request"
    assert (await api("PUT", "/v1/groups/none/relay", {"times": 1})).code == "no_such_group"
    await api.ok("DELETE", "/v1/groups/g")
    assert (await api("GET", "/v1/groups/g/relay")).code == "no_such_group"
