"""The commands that list money, for plain mode: records and the statement. Each raises ClientError."""

from __future__ import annotations

from client_sim.chat import packet_requests
from client_sim.chat.session import Fields, Session


async def records(session: Session, direction: str, year: int) -> None:
    """One event for the sums of a year, then one for each packet."""
    shown = await packet_requests.records(session, direction, year)
    years = ",".join(map(str, shown.years))
    sums: Fields = {"count": shown.count, "total_fen": shown.total_fen, "best_lucks": shown.best_lucks}
    session.emit("records", direction=direction, year=shown.year, years=years, **sums, more=shown.more)
    for one in shown.lines:
        other: Fields = {"user": one.user_id, "name": one.name, "amount_fen": one.amount_fen}
        count: Fields = {"shares": one.shares, "opened": one.opened, "state": one.state}
        about: Fields = {"kind": one.packet_kind, "at_ms": one.at_ms, **other, **count}
        session.emit("record", packet=one.packet_id, **about, best=one.is_best)


async def statement(session: Session) -> None:
    """One event for each of the newest changes of the wallet."""
    for one in (await packet_requests.statement(session)).lines:
        fen: Fields = {"change_fen": one.change_fen, "balance_fen": one.balance_fen}
        other: Fields = {"user": one.other_id, "name": one.other_name, "packet": one.packet_id}
        session.emit("entry", reason=one.reason, at_ms=one.at_ms, **fen, **other)
