"""Admissions: who may open a packet that friends pass on, by whose link, and how far from the first opener."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from storage import statements

if TYPE_CHECKING:
    from storage.postgres.database import Database

_SQL = statements.load(__file__)
NEWEST = 1_000  # admissions of one user that are read again after a change


class AskedAdmission(NamedTuple):
    """A user who has shown a link: whose it is, and how deep the user would be."""

    packet_id: int
    user_id: int
    from_user: int
    depth: int
    at_ms: int


class AdmissionRow(NamedTuple):
    """An admission as it is recorded. `number` grows with the admissions of a user."""

    packet_id: int
    user_id: int
    from_user: int
    depth: int
    number: int


class AdmittedRow(NamedTuple):
    """A user who was admitted to a packet, and how deep they are."""

    packet_id: int
    user_id: int
    depth: int


class AdmissionStore:
    """Statements on admissions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def admit(
        self, asked: Sequence[AskedAdmission], kinds: Sequence[str], depth_max: int
    ) -> list[AdmissionRow | None]:
        """Record admissions, each once for a packet and user: the first link counts. `kinds`: that are passed on.

        None: the claim of the maker of the link is not recorded yet, or the link contradicts the books.
        Raises StoreUnavailable: then ask again.
        """
        columns = [list(column) for column in zip(*asked, strict=True)]
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["admit"], *columns, kinds, depth_max)
            rows = [AdmissionRow(*row) for row in await connection.fetch(_SQL["find"], *columns[:2])]
        found = {(row.packet_id, row.user_id): row for row in rows}
        return [found.get((one.packet_id, one.user_id)) for one in asked]

    def change_of(self, row: AdmissionRow) -> int:
        """The number under which servers tell each other of this admission: see the change feed."""
        return row.user_id

    async def of_change(self, change: int) -> list[AdmittedRow]:
        """The newest admissions of which one was told under this number."""
        return await self.of_user(change)

    async def of_packets(self, packet_ids: Sequence[int]) -> list[AdmittedRow]:
        """Everybody who was admitted to these packets."""
        async with self._database.reading() as connection:
            return [AdmittedRow(*row) for row in await connection.fetch(_SQL["of_packets"], packet_ids)]

    async def of_user(self, user_id: int) -> list[AdmittedRow]:
        """The newest admissions of a user."""
        async with self._database.reading() as connection:
            return [AdmittedRow(*row) for row in await connection.fetch(_SQL["of_user"], user_id, NEWEST)]
