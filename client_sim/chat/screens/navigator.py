"""Which page opens for what: for a tap, for a command, for a link of another page."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from client_sim.chat import packet_actions, packet_requests
from client_sim.chat.commands import BadCommand
from client_sim.chat.money import card_requests
from client_sim.chat.money.checkout import TRANSFER
from client_sim.chat.screens import listing
from client_sim.chat.screens.bind_sheet import BindSheet, OnBound
from client_sim.chat.screens.cards_page import CardsPage
from client_sim.chat.screens.dialog import Dialog
from client_sim.chat.screens.money_form import MoneyForm
from client_sim.chat.screens.open_page import OpenPage, WordsPage
from client_sim.chat.screens.pay_sheet import PaySheet
from client_sim.chat.screens.records import Records
from client_sim.chat.screens.result_page import ResultPage
from client_sim.chat.screens.send_form import SendForm
from client_sim.chat.screens.statement import Statement
from client_sim.chat.screens.wallet import WalletScreen
from client_sim.chat.session import Session
from client_sim.chat.texts import text
from client_sim.chat.toasts import Toast

Work = Coroutine[Any, Any, None]


class PageNavigator:
    """The navigator of all dialogs. `push` shows a page, `toast` a text, `do` runs work in the background."""

    def __init__(
        self,
        session: Session,
        push: Callable[[Dialog], object],
        toast: Callable[[Toast], None],
        do: Callable[[Work], None],
    ) -> None:
        self._session = session
        self._push = push
        self._toast = toast
        self._do = do
        self._is_tapping = False

    def do(self, work: Work) -> None:
        """Run in the background; an error becomes a toast."""
        self._do(work)

    async def tap(self, packet_id: int = 0) -> None:
        """The page that the server shows for a tap. While one tap waits for its page, others are ignored."""
        if self._is_tapping:
            return
        self._is_tapping = True
        try:
            page = await packet_requests.tap(self._session, packet_actions.find_packet(self._session, packet_id))
        finally:
            self._is_tapping = False
        if page.result is not None:
            await self.show_result(page.packet_id)
        elif page.view == "words":
            self._push(WordsPage(self._session, self, page))
        elif page.view:
            self._push(OpenPage(self._session, self, page))
        else:
            self._toast(Toast(text(self._session.language, page.answer), is_error=True))

    async def show_result(self, packet_id: int = 0) -> None:
        """The claims of a packet; later claims are added while the page is open."""
        packet_id = packet_actions.find_packet(self._session, packet_id)
        page = await packet_requests.result(self._session, packet_id, subscribe=True)
        self._push(ResultPage(self._session, self, packet_id, page))

    async def show_records(self, direction: str = "received", year: int = 0) -> None:
        """What the user received or sent."""
        shown = await packet_requests.records(self._session, direction, year)
        self._push(Records(self._session, self, shown))

    async def show_statement(self) -> None:
        """The changes of the wallet."""
        self._push(Statement(self._session, self, await packet_requests.statement(self._session)))

    async def show_form(self, *, asks_receiver: bool = False) -> None:
        """The form to send a packet: here, or to a receiver that it asks for."""
        await card_requests.learn(self._session)
        self._push(SendForm(self._session, self, asks_receiver=asks_receiver))

    async def show_wallet(self) -> None:
        """The wallet, and what can be done with it."""
        await card_requests.learn(self._session)
        wallet = await self._session.client.wallet()
        self._session.take_wallet(wallet.balance_fen, wallet.arriving_fen, 0, "wallet")
        self._push(WalletScreen(self._session, self))

    async def show_money_form(self, what: str) -> None:
        """The form to top up, to withdraw or to transfer."""
        if what != TRANSFER:
            await self._check_cards(what)
        self._push(MoneyForm(self._session, self, what))

    async def show_cards(self) -> None:
        """The cards of the user."""
        await self._check_cards("cards")
        self._push(CardsPage(self._session, self))

    async def show_bind(self, on_bound: OnBound | None = None, pays: str = "") -> None:
        """The sheet that binds a card."""
        await self._check_cards("bind")
        self._push(BindSheet(self._session, self, on_bound, pays))

    async def _check_cards(self, verb: str) -> None:
        payer = await card_requests.learn(self._session)
        if not (payer.takes_cards or payer.cards):
            raise BadCommand("no_cards_here", verb)

    def show_checkout(self) -> None:
        """The sheet for a payment that asks for a way to pay."""
        if (payment := self._session.desk.payment) is not None:
            self._push(PaySheet(self._session, self, payment))

    async def show_members(self) -> None:
        """The members of the group on the screen."""
        self._push(await listing.members(self._session, self))

    async def show_invite(self, renew: str = "") -> None:
        """The invite code of the group on the screen."""
        self._push(await listing.invite(self._session, self, bool(renew)))

    async def show_grab_stats(self) -> None:
        """How fast the members of the group on the screen grab."""
        self._push(await listing.grab_stats(self._session, self))

    async def show_help(self) -> None:
        """All commands."""
        self._push(listing.commands(self._session, self))


async def _bind(pages: PageNavigator, number: str, phone: str, holder: str) -> None:
    """What was typed behind the command is typed again where it stays hidden."""
    await pages.show_bind()


PAGES: dict[str, Callable[..., Work]] = {  # by command; other commands have no page
    "tap": PageNavigator.tap,
    "result": PageNavigator.show_result,
    "records": PageNavigator.show_records,
    "statement": PageNavigator.show_statement,
    "form": PageNavigator.show_form,
    "wallet": PageNavigator.show_wallet,
    "money_form": PageNavigator.show_money_form,
    "cards": PageNavigator.show_cards,
    "bind": _bind,
    "members": PageNavigator.show_members,
    "invite": PageNavigator.show_invite,
    "who": PageNavigator.show_grab_stats,
    "help": PageNavigator.show_help,
}
