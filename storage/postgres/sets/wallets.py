"""Wallets over sets: each is in the set of its user. What is arriving waits in the sets of the packets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from storage.errors import StoreUnavailable
from storage.postgres.chat import users
from storage.postgres.money.statement import StatementRow, StatementStore
from storage.postgres.money.wallets import (
    EMPTY_ROW,
    Booked,
    EntryRow,
    HoldingRow,
    TransferRow,
    UnknownUser,
    WalletStore,
)
from storage.postgres.sets import chat, payments
from storage.postgres.sets.places import HOME, USER_ID_MAX, in_order, settled

if TYPE_CHECKING:
    from storage.postgres.packets.packets import PacketStore
    from storage.postgres.sets.places import Sets


class SetWalletStore(WalletStore):
    """The wallets of all sets."""

    def __init__(self, sets: Sets, stores: Sequence[WalletStore]) -> None:
        self._sets = sets
        self._stores = stores

    async def holdings(self, user_ids: Sequence[int]) -> dict[int, HoldingRow]:
        """Of the users whose set answers; raises StoreUnavailable if none of these sets does.

        What waits for them in a set that gives no answer is not counted.
        """
        return await holdings_of(self._sets, self._stores, user_ids)

    async def move(
        self, transfer: TransferRow, user_id: int, change_fen: int, *, known_only: bool = False
    ) -> Booked:
        """In the set of the user; a new user is placed, and known in set 0, before."""
        if known_only:
            async with self._sets.home.reading() as connection:
                if await users.are_unknown(connection, [user_id]):
                    raise UnknownUser
        elif change_fen > 0:
            async with self._sets.home.reading() as connection:
                await users.know(connection, [user_id])
        number = (await self._sets.place([user_id]))[user_id]
        return await self._stores[number].move(transfer, user_id, change_fen)

    async def entries(self, user_id: int, after_version: int) -> list[EntryRow]:
        """In the set of the user."""
        number = (await self._sets.of_users([user_id]))[user_id]
        return await self._stores[number].entries(user_id, after_version)

    async def find_outcome(self, made: Sequence[Booked]) -> list[Booked | None]:
        """In the sets of the users. Raises StoreUnavailable if one of them gives no answer."""
        places = await self._sets.of_users({_owner(one.transfer) for one in made})
        return await in_order(
            made,
            lambda one: places[_owner(one.transfer)],
            lambda number, some: self._stores[number].find_outcome(some),
        )


def _owner(transfer: TransferRow) -> int:
    """The user whose wallet it moves."""
    return transfer.debit_account or transfer.credit_account


async def holdings_of(sets: Sets, stores: Sequence[WalletStore], user_ids: Sequence[int]) -> dict[int, HoldingRow]:
    """What users have, of those whose set answers; with what waits for them in the sets that answer."""
    places = await sets.of_users(user_ids)
    done, failed = await settled({number: one.holdings(user_ids) for number, one in enumerate(stores)})
    if user_ids and all(places[one] in failed for one in user_ids):
        raise StoreUnavailable(str(failed[places[user_ids[0]]]))
    return {
        one: HoldingRow(
            done[places[one]][one].balance if one in done[places[one]] else EMPTY_ROW,
            sum(found[one].arriving_fen for found in done.values() if one in found),
        )
        for one in user_ids
        if places[one] in done
    }


class SetStatementStore(StatementStore):
    """Statements of wallets, whose lines name packets and groups of any set, and cards of set 0."""

    def __init__(self, sets: Sets, stores: Sequence[StatementStore], packets: PacketStore) -> None:
        self._sets = sets
        self._stores = stores
        self._packets = packets

    async def page(self, user_id: int, before_version: int) -> list[StatementRow]:
        """From the set of the user. Raises StoreUnavailable if a set of one of the packets gives no answer."""
        number = (await self._sets.of_users([user_id]))[user_id]
        rows = await self._stores[number].page(user_id, before_version)
        if number != HOME:
            rows = await self._with_cards(rows)
        packet_ids = {row.account for row in rows if row.packet_id is None and row.account > USER_ID_MAX}
        packets = await self._packets.rows(list(packet_ids)) if packet_ids else {}
        rows = [
            row._replace(packet_id=p.packet_id, packet_kind=p.kind, sender_id=p.sender_id, target_id=p.target_id)
            if (p := packets.get(row.account)) is not None
            else row
            for row in rows
        ]
        group_ids = {row.target_id for row in rows if row.target_id is not None and row.target_id > USER_ID_MAX}
        if number == HOME and not packets:
            return rows
        names = await chat.group_names(self._sets.home, list(group_ids)) if group_ids else {}
        return [row._replace(group_name=names.get(row.target_id or 0)) for row in rows]

    async def _with_cards(self, rows: Sequence[StatementRow]) -> list[StatementRow]:
        """What payments by card say of their cards."""
        card_ids = {row.card_id for row in rows if row.card_id is not None}
        if not card_ids:
            return list(rows)
        async with self._sets.home.reading() as connection:
            found = await connection.fetch(payments.SQL["cards"], list(card_ids))
        texts = {row["card_id"]: row["text"] for row in found}
        return [row._replace(text=texts.get(row.card_id or 0, row.text)) for row in rows]
