"""Bills and events: limits are decided in the database, under a lock of sponsor and user."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

from storage import statements

if TYPE_CHECKING:
    from storage.postgres.database import Connection, Database

_SQL = statements.load(__file__)


class NewBill(NamedTuple):
    """A bill that is asked for. `target_id`: a user or a group; `kind`: that of its packet."""

    sponsor_id: int
    number: str
    target_id: int
    amount_fen: int
    greeting: str
    scene: str
    kind: str
    shares: int
    asked_at_ms: int


class BillRow(NamedTuple):
    """A bill as it is recorded, and what is recorded of its packet; None while there is no packet.

    `opened_shares`, `opened_fen`: of the claims; `received_at_ms`: of the last one, once all shares are opened.
    """

    sponsor_id: int
    number: str
    target_id: int
    amount_fen: int
    greeting: str
    scene: str
    kind: str
    shares: int
    asked_at_ms: int
    failed: str
    packet_id: int | None
    sent_at_ms: int | None
    expires_at_ms: int | None
    closed_at_ms: int | None
    refunded_fen: int | None
    opened_shares: int | None
    opened_fen: int | None
    received_at_ms: int | None


class BillDay(NamedTuple):
    """What a sponsor may give a user, or a group, in the day that begins then; 0: any number, any amount."""

    begin_ms: int
    packets: int
    fen: int


class OverBillDay(Exception):
    """The bill would be too much for its day; nothing was recorded."""

    def __init__(self, packets: int, fen: int) -> None:
        super().__init__(f"{packets} packets of {fen} in all")
        self.packets = packets
        self.fen = fen


class RangeRow(NamedTuple):
    """What a sponsor gives for an event, with the sealed seed of its amounts."""

    sponsor_id: int
    kind: str
    low_fen: int
    high_fen: int
    greeting: str
    sealed: bytes
    key_id: str
    set_at_ms: int


class ReportedRow(NamedTuple):
    """A user of whom an event of a kind was reported to a sponsor."""

    sponsor_id: int
    kind: str
    user_id: int


class BillStore:
    """Statements on bills, ranges and events. All methods raise StoreUnavailable: then ask again."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def is_sponsor(self, user_id: int) -> bool:
        """Whether packets may be sent in the name of this user."""
        async with self._database.reading() as connection:
            return bool(await connection.fetchval(_SQL["is_sponsor"], user_id))

    async def begin(self, bill: NewBill, day: BillDay) -> BillRow:
        """The bill, recorded now or before, perhaps with other content. Raises OverBillDay.

        One that has failed is tried again, judged by its new day; so is one of an earlier day without a packet.
        """
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["lock"], bill.sponsor_id, bill.target_id)
            found = await _find(connection, bill.sponsor_id, bill.number)
            if found is not None and not found.failed and _may_be_sent(found, bill, day):
                # an attempt of then that is about to commit is seen now; a later one finds a bill that has failed
                await connection.execute(_SQL["lock_one"], bill.sponsor_id, bill.number)
                found = await _find(connection, bill.sponsor_id, bill.number)
            if found is not None and not _may_be_sent(found, bill, day):
                return found
            over = await _over(connection, bill, day)
            if over is None:
                name = "insert" if found is None else "try_again"
                await connection.execute(_SQL[name], *(bill if found is None else (*bill[:2], bill.asked_at_ms)))
                found = await _find(connection, bill.sponsor_id, bill.number)
            elif found is not None and not found.failed:
                await connection.execute(_SQL["fail"], *bill[:2], "limit", bill.asked_at_ms)
        if over is not None:
            raise over
        assert found is not None
        return found

    async def fail(self, sponsor_id: int, number: str, reason: str, now_ms: int) -> None:
        """No packet was sent for a bill, unless another attempt has sent it. None is sent until it is tried again.

        The bill is locked before its packet is looked for: an attempt that is about to commit is seen.
        """
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["lock_one"], sponsor_id, number)
            await connection.execute(_SQL["fail"], sponsor_id, number, reason, now_ms)

    async def find(self, sponsor_id: int, number: str) -> BillRow | None:
        """The bill with this number; None: there is none."""
        async with self._database.reading() as connection:
            return await _find(connection, sponsor_id, number)

    async def page(self, sponsor_id: int, before_ms: int, before: str, most: int) -> list[BillRow]:
        """The newest bills of a sponsor that were asked for before this time, or then with a smaller number."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["page"], sponsor_id, before_ms, before, most)
        return [BillRow(*row) for row in rows]

    async def range(self, sponsor_id: int, kind: str) -> RangeRow | None:
        """What a sponsor gives for such an event; None: nothing."""
        async with self._database.transaction() as connection:
            return await _range(connection, sponsor_id, kind)

    async def set_range(self, row: RangeRow) -> RangeRow | None:
        """What a sponsor gives from now on; what it was before, if anything."""
        async with self._database.transaction() as connection:
            before = await _range(connection, row.sponsor_id, row.kind)
            await connection.execute(_SQL["set_range"], *row)
        return before

    async def drop_range(self, sponsor_id: int, kind: str) -> RangeRow | None:
        """A sponsor gives nothing more for such an event; what it was, if anything."""
        async with self._database.transaction() as connection:
            before = await _range(connection, sponsor_id, kind)
            await connection.execute(_SQL["drop_range"], sponsor_id, kind)
        return before

    async def report(self, sponsor_id: int, event_id: str, kind: str, user_id: int, at_ms: int) -> int | None:
        """Record an event, once, and its user; the number of the user's record.

        None: its id was reported before with another kind or user.
        """
        whom = sponsor_id, kind, user_id
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["report"], sponsor_id, event_id, kind, user_id, at_ms)
            row = await connection.fetchrow(_SQL["event"], sponsor_id, event_id)
            assert row is not None
            if tuple(row) != (kind, user_id):
                return None
            number: int | None = await connection.fetchval(_SQL["reported_number"], *whom)
            if number is None:
                await connection.execute(_SQL["lock_reported"], user_id)
                await connection.execute(_SQL["add_reported"], *whom, at_ms)
                number = await connection.fetchval(_SQL["reported_number"], *whom)
            return number

    async def reported(self, asked: Collection[ReportedRow]) -> set[ReportedRow]:
        """Those of whom such an event was reported."""
        columns = [list(column) for column in zip(*asked, strict=True)]
        async with self._database.reading() as connection:
            return {ReportedRow(*row) for row in await connection.fetch(_SQL["reported"], *columns)}


def _may_be_sent(found: BillRow, bill: NewBill, day: BillDay) -> bool:
    """Whether a recorded bill is to be judged by this day: no packet was sent for it, as far as it is known."""
    is_open = bool(found.failed) or found.asked_at_ms < day.begin_ms
    return found[:8] == bill[:8] and found.packet_id is None and is_open


async def _over(connection: Connection, bill: NewBill, day: BillDay) -> OverBillDay | None:
    """Whether a bill would be too much for its day."""
    counted = await connection.fetchrow(_SQL["of_day"], bill.sponsor_id, bill.target_id, day.begin_ms, bill.number)
    assert counted is not None
    packets, fen = counted
    is_over = (day.packets and packets >= day.packets) or (day.fen and fen + bill.amount_fen > day.fen)
    return OverBillDay(packets, fen) if is_over else None


async def _find(connection: Connection, sponsor_id: int, number: str) -> BillRow | None:
    row = await connection.fetchrow(_SQL["find"], sponsor_id, number)
    return None if row is None else BillRow(*row)


async def _range(connection: Connection, sponsor_id: int, kind: str) -> RangeRow | None:
    row = await connection.fetchrow(_SQL["range"], sponsor_id, kind)
    return None if row is None else RangeRow(*row)
