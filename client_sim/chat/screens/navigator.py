"""Which page opens for what: for a tap, for a command, for a link of another page."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from client_sim.chat import packet_actions, packet_requests, targets
from client_sim.chat.campaigns import shake_requests
from client_sim.chat.commands import BadCommand
from client_sim.chat.everyday import later, relay
from client_sim.chat.money import card_requests
from client_sim.chat.money.checkout import TRANSFER
from client_sim.chat.screens import listing
from client_sim.chat.screens.bind_sheet import BindSheet, OnBound
from client_sim.chat.screens.campaigns.shake_page import ShakePage
from client_sim.chat.screens.cards_page import CardsPage
from client_sim.chat.screens.dialog import Dialog
from client_sim.chat.screens.everyday.scheduled_page import ScheduledPage
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
from protocol.messages import OpenPageShown

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
        self.session = session
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
        packet_id = packet_actions.find_packet(self.session, packet_id)
        await self._show_tapped(packet_requests.tap(self.session, packet_id))

    async def tap_link(self, link: str = "") -> None:
        """The same for the packet of a friend's link: one that was typed, or the newest on the screen."""
        if not self._is_tapping:
            await self._show_tapped(packet_requests.tap_link(self.session, targets.find_link(self.session, link)))

    async def _show_tapped(self, tapped: Coroutine[Any, Any, OpenPageShown]) -> None:
        self._is_tapping = True
        try:
            page = await tapped
        finally:
            self._is_tapping = False
        if page.result is not None:
            await self.show_result(page.packet_id)
        elif page.view == "words":
            self._push(WordsPage(self.session, self, page))
        elif page.view:
            self._push(OpenPage(self.session, self, page))
        else:
            self._toast(Toast(text(self.session.language, page.answer), is_error=True))

    async def show_result(self, packet_id: int = 0) -> None:
        """The claims of a packet; later claims are added while the page is open."""
        packet_id = packet_actions.find_packet(self.session, packet_id)
        page = await packet_requests.result(self.session, packet_id, subscribe=True)
        self._push(ResultPage(self.session, self, packet_id, page))

    async def show_records(self, direction: str = "received", year: int = 0) -> None:
        """What the user received or sent."""
        shown = await packet_requests.records(self.session, direction, year)
        self._push(Records(self.session, self, shown))

    async def show_statement(self) -> None:
        """The changes of the wallet."""
        self._push(Statement(self.session, self, await packet_requests.statement(self.session)))

    async def show_form(self, *, asks_receiver: bool = False) -> None:
        """The form to send a packet: here, or to a receiver that it asks for."""
        await card_requests.learn(self.session)
        self._push(SendForm(self.session, self, asks_receiver=asks_receiver))

    async def show_scheduled(self) -> None:
        """The user's packets that wait for their time."""
        self._push(ScheduledPage(self.session, self, await later.waiting(self.session)))

    async def show_wallet(self) -> None:
        """The wallet, and what can be done with it."""
        await card_requests.learn(self.session)
        wallet = await self.session.client.wallet()
        self.session.take_wallet(wallet.balance_fen, wallet.arriving_fen, 0, "wallet")
        self._push(WalletScreen(self.session, self))

    async def show_money_form(self, what: str) -> None:
        """The form to top up, to withdraw or to transfer."""
        if what != TRANSFER:
            await self._check_cards(what)
        self._push(MoneyForm(self.session, self, what))

    async def show_cards(self) -> None:
        """The cards of the user."""
        await self._check_cards("cards")
        self._push(CardsPage(self.session, self))

    async def show_bind(self, on_bound: OnBound | None = None, pays: str = "") -> None:
        """The sheet that binds a card."""
        await self._check_cards("bind")
        self._push(BindSheet(self.session, self, on_bound, pays))

    async def _check_cards(self, verb: str) -> None:
        payer = await card_requests.learn(self.session)
        if not (payer.takes_cards or payer.cards):
            raise BadCommand("no_cards_here", verb)

    def show_checkout(self) -> None:
        """The sheet for a payment that asks for a way to pay."""
        if (payment := self.session.desk.payment) is not None:
            self._push(PaySheet(self.session, self, payment))

    def show(self, page: Dialog) -> None:
        """Open a page."""
        self._push(page)

    async def show_next(self) -> None:
        """The form with the packet that it is the user's turn to send here. Nothing is sent before Enter."""
        turn = relay.my_turn(self.session)
        await card_requests.learn(self.session)
        self._push(SendForm(self.session, self, turn=turn))

    async def show_invite(self, renew: str = "") -> None:
        """The invite code of the group on the screen."""
        self._push(await listing.invite(self.session, self, bool(renew)))

    async def show_help(self) -> None:
        """All commands."""
        self._push(listing.commands(self.session, self))


async def _shake(pages: PageNavigator, campaign_id: int) -> None:
    pages.show(ShakePage(pages.session, pages, await shake_requests.find(pages.session, campaign_id)))


async def _members(pages: PageNavigator) -> None:
    pages.show(await listing.members(pages.session, pages))


async def _who(pages: PageNavigator) -> None:
    pages.show(await listing.grab_stats(pages.session, pages))


async def _campaigns(pages: PageNavigator) -> None:
    pages.show(await listing.campaigns(pages.session, pages))


async def _bind(pages: PageNavigator, number: str, phone: str, holder: str) -> None:
    """What was typed behind the command is typed again where it stays hidden."""
    await pages.show_bind()


PAGES: dict[str, Callable[..., Work]] = {  # by command; other commands have no page
    "tap": PageNavigator.tap,
    "open-link": PageNavigator.tap_link,
    "result": PageNavigator.show_result,
    "records": PageNavigator.show_records,
    "statement": PageNavigator.show_statement,
    "form": PageNavigator.show_form,
    "next": PageNavigator.show_next,
    "scheduled": PageNavigator.show_scheduled,
    "wallet": PageNavigator.show_wallet,
    "money_form": PageNavigator.show_money_form,
    "cards": PageNavigator.show_cards,
    "bind": _bind,
    "shake": _shake,
    "campaigns": _campaigns,
    "members": _members,
    "invite": PageNavigator.show_invite,
    "who": _who,
    "help": PageNavigator.show_help,
}
