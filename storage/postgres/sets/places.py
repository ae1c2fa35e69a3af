"""Sets: the databases of a server, and which of them has what.

Set 0 has what is asked for without a user or a packet: users and their names, groups and their streams, the
servers, the change feed. A user has a wallet, packets and an inbox in one set, which `user_sets` in set 0 says. The
set of a packet is in its id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from storage import statements
from storage.errors import StoreUnavailable

if TYPE_CHECKING:
    from storage.postgres.database import Connection, Database

SQL: Final = statements.load(__file__)
HOME: Final = 0  # the set that has all that belongs to no user
USER_ID_MAX: Final = 2**53 - 1  # as in the migrations
NUMBERS_OF_SET: Final = 10**9  # breaks and corrections of set n are numbered from n times so many on
KNOWN_MAX: Final = 500_000  # users whose set is in memory
_GOLDEN: Final = 0x9E3779B97F4A7C15  # 2^64 divided by the golden ratio
Item = TypeVar("Item")
Result = TypeVar("Result")
SetOf = Callable[[int, int], int]  # an id, and the first id that has a set in it


def _always_home(number: int, first_id: int) -> int:
    return HOME


class Sets:
    """All databases of a server; one of them, unless the config names more."""

    def __init__(
        self, databases: Sequence[Database], set_of: SetOf = _always_home, new_users_in: Sequence[int] = ()
    ) -> None:
        """`new_users_in`: the sets that get new users; empty: all but set 0, if there are others."""
        self.databases = tuple(databases)
        self._set_of = set_of
        self._new_users_in = tuple(new_users_in) or tuple(range(len(databases)))[1:] or (HOME,)
        self._known: dict[int, int] = {}
        self.first_id = 0
        self.late: set[int] = set()  # sets that were away when the server started, and were not opened since

    @property
    def several(self) -> bool:
        """There is more than one."""
        return len(self.databases) > 1

    @property
    def home(self) -> Database:
        """Set 0."""
        return self.databases[HOME]

    def commits_wait(self) -> bool:
        """In one of them."""
        return any(one.commits_wait for one in self.databases)

    def of_packet(self, packet_id: int) -> int:
        """The set that has a packet. An id that no server of these sets has made is looked for in set 0."""
        number = self._set_of(packet_id, self.first_id)
        return number if number < len(self.databases) else HOME

    def of_break(self, number: int) -> int:
        """The set that has the break, or the correction, of a number."""
        found = number // NUMBERS_OF_SET
        return found if 0 <= found < len(self.databases) else HOME

    async def of_users(self, user_ids: Collection[int]) -> dict[int, int]:
        """The sets of users; set 0 for a user who is in none yet. Raises StoreUnavailable."""
        if not self.several:
            return dict.fromkeys(user_ids, HOME)
        found = self._in_memory(user_ids)
        if unknown := [one for one in user_ids if one not in found]:
            async with self.home.reading() as connection:
                found |= self._learn(await _find(connection, unknown))
        return {one: found.get(one, HOME) for one in user_ids}

    async def place(self, user_ids: Collection[int]) -> dict[int, int]:
        """The sets of users; a new user is in one from now on, for good. Raises StoreUnavailable."""
        if not self.several:
            return dict.fromkeys(user_ids, HOME)
        found = self._in_memory(user_ids)
        if unknown := sorted({*user_ids} - found.keys()):
            wanted = [self._wanted(one) for one in unknown]
            async with self.home.reading() as connection:
                await connection.execute(SQL["place"], unknown, wanted)
                found |= self._learn(await _find(connection, unknown))
        return found

    def _in_memory(self, user_ids: Collection[int]) -> dict[int, int]:
        return {one: self._known[one] for one in user_ids if one in self._known}

    def _wanted(self, user_id: int) -> int:
        """Users are spread evenly, however the chat backend makes their ids."""
        return self._new_users_in[(user_id * _GOLDEN >> 40) % len(self._new_users_in)]

    def _learn(self, found: dict[int, int]) -> dict[int, int]:
        if len(self._known) > KNOWN_MAX:
            self._known.clear()
        self._known |= found
        return found

    async def of_streams(self, stream_ids: Collection[int], *, written: bool = False) -> dict[int, int]:
        """The sets of streams: that of its user for an inbox, set 0 for a group. `written`: users are placed."""
        users = {one for one in stream_ids if one <= USER_ID_MAX}
        found = await (self.place(users) if written else self.of_users(users)) if users else {}
        return dict.fromkeys(stream_ids, HOME) | found

    def packets_by_set(self, packet_ids: Iterable[int]) -> dict[int, list[int]]:
        """Packets by the sets that have them."""
        return grouped(packet_ids, self.of_packet)


def grouped(items: Iterable[Item], key: Callable[[Item], int]) -> dict[int, list[Item]]:
    """Items by a number of each, in their order."""
    found: dict[int, list[Item]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return found


async def settled(
    calls: Mapping[int, Awaitable[Result]],
) -> tuple[dict[int, Result], dict[int, StoreUnavailable]]:
    """Call sets at the same time: the results, and why some gave none. Other errors are raised."""
    outcomes = await asyncio.gather(*calls.values(), return_exceptions=True)
    done: dict[int, Result] = {}
    failed: dict[int, StoreUnavailable] = {}
    for number, outcome in zip(calls, outcomes, strict=True):
        if isinstance(outcome, StoreUnavailable):
            failed[number] = outcome
        elif isinstance(outcome, BaseException):
            raise outcome
        else:
            done[number] = outcome
    return done, failed


async def in_order(
    items: Sequence[Item],
    set_of: Callable[[Item], int],
    ask: Callable[[int, list[Item]], Awaitable[Sequence[Result]]],
) -> list[Result]:
    """Ask each set about its items at the same time, one answer for each; the answers in the order of the items.

    Raises StoreUnavailable if one of the sets gives no answer.
    """
    by_set = grouped(range(len(items)), lambda place: set_of(items[place]))
    found = await all_of({number: ask(number, [items[one] for one in places]) for number, places in by_set.items()})
    answers = {
        place: answer for number, some in found.items() for place, answer in zip(by_set[number], some, strict=True)
    }
    return [answers[place] for place in range(len(items))]


async def _find(connection: Connection, user_ids: Sequence[int]) -> dict[int, int]:
    return {row["user_id"]: row["set_number"] for row in await connection.fetch(SQL["find"], user_ids)}


def first_of(failed: Mapping[int, StoreUnavailable]) -> StoreUnavailable:
    """One of the reasons why sets gave no answer: they are alike."""
    return next(iter(failed.values()))


async def all_of(calls: Mapping[int, Awaitable[Result]]) -> dict[int, Result]:
    """Call sets at the same time; raises StoreUnavailable if one gives no answer."""
    done, failed = await settled(calls)
    if failed:
        raise first_of(failed)
    return done


async def any_of(calls: Mapping[int, Awaitable[Result]]) -> dict[int, Result]:
    """Call sets at the same time: the results of those that answer; raises StoreUnavailable if none does."""
    done, failed = await settled(calls)
    if failed and not done:
        raise first_of(failed)
    return done
