"""Requests on wallets."""

from __future__ import annotations

from msgspec import UNSET

from server.core.kinds import PacketKind
from server.core.refusals import RequestRefused
from server.http_api.handlers.call import Call, cursor_number, with_balance
from server.http_api.shapes import money as shapes
from server.services.assembly import Services
from server.services.money.statement import StatementItem
from server.services.money.wallets import EntryItem


class WalletRequests:
    """Money from and to the outside, and the changes of a wallet."""

    def __init__(self, services: Services) -> None:
        self._wallets, self._statements, self._reads = services.wallets, services.statements, services.reads
        self._orders = services.orders

    async def top_up(self, call: Call) -> shapes.TransferReply:
        """Move money from outside into a wallet, once per key of the user"""
        user_id, body = call.path["user_id"], call.body
        await self._wallets.top_up(user_id, body.amount_fen, call.key, known_only=body.known_only)
        return shapes.TransferReply(str(user_id), "top_up", body.amount_fen)

    async def withdraw(self, call: Call) -> shapes.TransferReply:
        """Move money out of a wallet, once per key of the user"""
        user_id, body = call.path["user_id"], call.body
        try:
            await self._wallets.withdraw(user_id, body.amount_fen, call.key)
        except RequestRefused as refused:
            raise await with_balance(refused, self._wallets, user_id, body.amount_fen) from None
        return shapes.TransferReply(str(user_id), "withdraw", body.amount_fen)

    async def transfer(self, call: Call) -> shapes.TransferReply:
        """Move money from a user to another one, once per key of the user"""
        user_id, body = call.path["user_id"], call.body
        try:
            await self._orders.transfer(user_id, body.to_user_id, body.amount_fen, call.key, body.text, None)
        except RequestRefused as refused:
            raise await with_balance(refused, self._wallets, user_id, body.amount_fen) from None
        return shapes.TransferReply(str(user_id), "transfer", body.amount_fen)

    async def pay(self, call: Call) -> shapes.TransferReply:
        """Let a user pay from the wallet for what the text says, once per key of the user"""
        user_id, body = call.path["user_id"], call.body
        try:
            await self._orders.pay(user_id, body.amount_fen, call.key, body.text)
        except RequestRefused as refused:
            raise await with_balance(refused, self._wallets, user_id, body.amount_fen) from None
        return shapes.TransferReply(str(user_id), "pay", body.amount_fen)

    async def entries(self, call: Call) -> shapes.EntryPageReply:
        """The changes of a wallet, oldest first, in pages"""
        user_id, after = call.path["user_id"], cursor_number(call.query.cursor)
        async with self._reads.turn():
            page = await self._wallets.entries(user_id, after)
        last = page.lines[-1].version if page.lines else after
        return shapes.EntryPageReply(str(user_id), [_line(one) for one in page.lines], page.more, str(last))

    async def statement(self, call: Call) -> shapes.StatementReply:
        """The statement of a wallet, with counterparties, newest first, in pages"""
        user_id, before = call.path["user_id"], cursor_number(call.query.cursor)
        async with self._reads.turn():
            page = await self._statements.page(user_id, before)
        more = str(page.lines[-1].version) if page.more and page.lines else UNSET
        return shapes.StatementReply(str(user_id), [_statement_line(one) for one in page.lines], more)


def _statement_line(one: StatementItem) -> shapes.StatementShown:
    return shapes.StatementShown(
        *one[:5],
        packet_id=str(one.packet_id) if one.packet_id else UNSET,
        packet_kind=PacketKind(one.packet_kind) if one.packet_kind else UNSET,
        other_id=str(one.other_id) if one.other_id else UNSET,
        other_name=one.other_name or UNSET,
        key=one.key or UNSET,
        text=one.text or UNSET,
    )


def _line(one: EntryItem) -> shapes.EntryShown:
    packet_id = str(one.packet_id) if one.packet_id else UNSET
    return shapes.EntryShown(one.version, one.at_ms, one.reason, one.change_fen, one.balance_fen, packet_id)
