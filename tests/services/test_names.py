"""Names: read once, kept in memory within bounds, up to date, and never a reason for an error."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from client_sim.sdk.errors import BackendDecides, Refusal
from protocol.messages import NAMES_MAX, ListMembers, Members
from server.core.limits import Limits
from server.services.chat.names import BATCH_MAX, NAMELESS_PART, NameService
from storage.errors import StoreUnavailable
from storage.postgres.chat.users import UserStore
from storage.postgres.database import Database
from tests.conftest import Connect, Server, StartServer
from tests.services.conftest import MakeParty


class CountingStore(UserStore):
    """Records every read; unavailable while `away` is set, slow while `gate` is not set."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.reads: list[list[int]] = []
        self.away = False
        self.has_read = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def names(self, user_ids: Sequence[int]) -> dict[int, str]:
        self.reads.append(sorted(user_ids))
        if self.away:
            raise StoreUnavailable("away")
        found = await super().names(user_ids)
        self.has_read.set()
        await self.gate.wait()
        return found


async def make_service(
    database: Database, kept_max: int = 100
) -> tuple[NameService, CountingStore, asyncio.Task[None]]:
    counting = CountingStore(database)
    names = NameService(counting, Limits(), kept_max)
    return names, counting, asyncio.create_task(names.batcher.run())


async def test_names_are_seen_by_others_and_survive_a_restart(
    start_server: StartServer, party: MakeParty, connect: Connect
) -> None:
    room = await party(await start_server(), 2)
    ann, ben = room.guests
    await ann.set_name("阿安")
    asked = [ben.user_id, ann.user_id, 10**9, ann.user_id, 0]
    assert (await ben.names(asked)).names == ["", "阿安", "", "阿安", ""]
    members = await ben._ask(ListMembers(0, room.group), Members)
    assert (members.user_ids, members.names) == ([1, ann.user_id, ben.user_id], ["", "阿安", ""])
    await room.server.stop()
    there = await connect(await start_server(), ben.user_id)
    assert (await there.names(asked)).names == ["", "阿安", "", "阿安", ""]


async def test_without_self_service_only_the_backend_gives_names(
    start_server: StartServer, connect: Connect
) -> None:
    server = await start_server(chat__self_service=False)
    backend, ann = await connect(server, 0), await connect(server, 5)
    for name in ("安", ""):
        with pytest.raises(BackendDecides):
            await ann.set_name(name)
    await backend.put_users({5: "阿安"})
    assert (await ann.names([5])).names == ["阿安"]


async def test_name_can_be_changed_and_removed(server: Server, connect: Connect) -> None:
    ann = await connect(server, 5)
    for name in ("a", "安", "n" * 64, ""):
        await ann.set_name(name)
        assert (await ann.names([5])).names == [name]
    for name in ("n" * 65, "安" * 22, "a\0", "\u200d", " \ufe0f", "\u2800 \u2800", "\u0301"):
        with pytest.raises(Refusal, match="bad_name"):
            await ann.set_name(name)
    assert (await ann.names([])).names == []
    assert len((await ann.names([2**53 - 1] * NAMES_MAX)).names) == NAMES_MAX
    with pytest.raises(Refusal, match="bad_request"):
        await ann.names([1] * (NAMES_MAX + 1))


async def test_known_names_are_not_read_again_and_many_are_read_in_one_batch(database: Database) -> None:
    names, counting, task = await make_service(database)
    await names.call(3, "cai")
    assert await names.of([1, 2, 3, 2]) == ["", "", "cai", ""]
    assert await names.of([2, 3, 1]) == ["", "cai", ""]
    assert counting.reads == [[1, 2, 3]]
    await asyncio.gather(*(names.of([4, 5]) for _ in range(50)))  # concurrent requests for the same names
    assert len(counting.reads) <= 1 + 50 / BATCH_MAX + 1
    assert await names.by_id([3, 1, 3]) == {3: "cai", 1: ""}
    task.cancel()


async def test_missing_names_of_a_request_are_one_item_and_a_batch_reads_all_items(
    database: Database,
) -> None:
    names, counting, task = await make_service(database)
    submitted: list[tuple[int, ...]] = []
    submit = names.batcher.submit
    names.batcher.submit = lambda item: submitted.append(item) or submit(item)  # type: ignore[method-assign,func-returns-value]
    await names._store.put({12: "twelve"})
    tasks = len(asyncio.all_tasks())
    asking = [asyncio.create_task(names.of(range(first, first + 5))) for first in (10, 12, 14)]
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == tasks + len(asking)  # no task per id
    assert await asyncio.gather(*asking) == [["", "", "twelve", "", ""], ["twelve", *[""] * 4], [""] * 5]
    assert [sorted(item) for item in submitted] == [[*range(first, first + 5)] for first in (10, 12, 14)]
    assert counting.reads == [[*range(10, 19)]]
    task.cancel()


async def test_names_in_memory_are_bounded(database: Database) -> None:
    names, _, task = await make_service(database, kept_max=3)
    for user_id in range(1, 6):
        await names.call(user_id, f"n{user_id}")
        assert await names.of([user_id]) == [f"n{user_id}"]
    assert list(names._names) == [3, 4, 5]
    assert await names.of([3]) == ["n3"]  # used, so 4 is removed next
    assert await names.of([2]) == ["n2"]
    assert list(names._names) == [5, 3, 2]
    task.cancel()


async def test_ids_without_a_name_evict_no_name_and_are_few_in_memory(database: Database) -> None:
    names, counting, task = await make_service(database, kept_max=40)
    for user_id in range(1, 41):
        await names.call(user_id, f"n{user_id}")
    await names.of(range(1, 41))
    for first in range(1_000, 2_000, 100):
        assert await names.of(range(first, first + 100)) == [""] * 100
    assert len(names._nameless) == 40 * NAMELESS_PART
    counting.reads.clear()
    assert await names.of(range(1, 41)) == [f"n{user_id}" for user_id in range(1, 41)]
    assert await names.of([1_999, 1]) == ["", "n1"]  # the newest are in memory: not read again
    assert counting.reads == []
    await names.call(1, "")
    await names.call(1_999, "late")
    assert await names.of([1, 1_999]) == ["", "late"]  # a user with a changed name is in only one of the two maps
    assert 1 not in names._names
    assert 1_999 not in names._nameless
    assert counting.reads == [[1, 1_999]]
    task.cancel()


async def test_name_that_is_set_during_a_read_stays(database: Database) -> None:
    names, counting, task = await make_service(database)
    counting.gate.clear()
    reading = asyncio.create_task(names.of([7]))
    await counting.has_read.wait()  # it was read as empty
    await names.call(7, "new")
    counting.gate.set()
    assert await reading == [""]  # as it was when the request came
    assert await names.of([7]) == ["new"]
    task.cancel()


@pytest.mark.parametrize("everything", [False, True])
async def test_read_that_began_before_a_change_of_another_server_is_not_kept(
    database: Database, everything: bool
) -> None:
    names, counting, task = await make_service(database)
    await names._store.put({7: "old", 8: "eight"})
    counting.gate.clear()
    reading = asyncio.create_task(names.of([7, 8]))
    await counting.has_read.wait()
    await names._store.put({7: "new"})
    if everything:
        names.forget_all()
    else:
        names.forget([7])
    counting.gate.set()
    assert await reading == ["old", "eight"]
    counting.reads.clear()
    assert await names.of([7, 8]) == ["new", "eight"]
    assert counting.reads == [[7, 8] if everything else [7]]
    task.cancel()


@pytest.mark.parametrize("why", ["changed", "gap", "evicted"])
async def test_known_name_that_leaves_memory_during_a_read_of_others_is_returned(
    database: Database, why: str
) -> None:
    """As the change feed does it on this server, a moment after the name was set and read."""
    names, counting, task = await make_service(database, kept_max=2)
    await names._store.put({7: "seven", 8: "eight", 9: "nine"})
    assert await names.of([7]) == ["seven"]
    counting.has_read.clear()
    counting.gate.clear()
    reading = asyncio.create_task(names.of([7, 8, 9, 10]))
    await counting.has_read.wait()
    if why == "changed":
        names.forget([7])
    elif why == "gap":
        names.forget_all()
    counting.gate.set()
    assert await reading == ["seven", "eight", "nine", ""]
    task.cancel()


async def test_names_are_empty_while_the_store_is_away_and_read_again_later(database: Database) -> None:
    names, counting, task = await make_service(database)
    await names._store.put({8: "late"})
    counting.away = True
    assert await names.of([8]) == [""]
    counting.away = False
    assert await names.of([8]) == ["late"]
    task.cancel()
