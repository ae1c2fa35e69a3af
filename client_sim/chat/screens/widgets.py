"""The parts of the screens: the top line, the groups, the conversation with bubbles and red cards, fields."""

from __future__ import annotations

import re
from typing import Any

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Digits, Input, OptionList, Static
from textual.widgets.option_list import Option

from client_sim.chat.model import OPEN, Card, Conversation, Entry, Said, Turn
from client_sim.chat.screens import drawing
from client_sim.chat.screens.drawing import DIM, GOLD, RED
from client_sim.chat.session import Session
from client_sim.chat.texts import text

VIEWS_MOST = 100  # entries that are drawn; the model keeps more
_FIGURES = re.compile(r"[¥$€£]?[0-9][0-9.,]*")  # what Digits can draw of an amount
GROUPS_WIDTH = 20


class Drawn(Static):
    """Text that is drawn only if it has changed."""

    def __init__(self, *words: Any, **options: Any) -> None:
        super().__init__(*words, markup=False, **options)
        self._drawn: Content | None = None

    def draw(self, content: Content) -> None:
        """Show this."""
        if self._drawn is None or not self._drawn.is_same(content):
            self._drawn = content
            self.update(content)


class Field(Input):
    """An input whose keys act in the order in which they were pressed.

    Keys of Textual's own input act when they have bubbled up to the app. Text that was typed ahead is in the field
    by then: a second Enter would find the line of the first.
    """

    async def on_key(self, key: events.Key) -> None:
        """Run the action of the key at once. Letters and keys without an action here are handled as usual."""
        for binding in self._bindings.key_to_bindings.get(key.key, ()):
            if await self.app.run_action(binding.action, self):
                key.stop()
                key.prevent_default()
                return


class Line(Field):
    """The line for texts and commands."""

    class Typed(Message):
        """A line was typed. The field is empty again."""

        def __init__(self, line: str) -> None:
            super().__init__()
            self.line = line

    async def action_submit(self) -> None:
        """Take the line once."""
        line, self.value = self.value, ""
        self.post_message(self.Typed(line))


class Top(Horizontal):
    """The conversation, online or offline, and the balance."""

    def __init__(self) -> None:
        self._here, self._state = Drawn(id="here"), Drawn(id="state")
        super().__init__(self._here, self._state, id="top")

    def show(self, session: Session) -> None:
        """Draw what the session knows."""
        language, model, money = session.language, session.model, session.money
        state = "connecting" if not session.is_ready.is_set() else "online" if session.is_online else "offline"
        here = model.current.name or text(language, "inbox")
        self._here.draw(Content.assemble((" 红包 ", f"bold {GOLD} on {RED}"), f" {here}"))
        wallet = f"{text(language, 'wallet')} {money.short(language, model.balance_fen)} "
        if model.arriving_fen:
            wallet += f"{text(language, 'arriving')} {money.short(language, model.arriving_fen)} "
        colour = "#7bc96f" if state == "online" else "#e5c07b"
        self._state.draw(Content.assemble((f" ● {text(language, state)}  ", colour), (wallet, f"bold {GOLD}")))


class Groups(OptionList, can_focus=False):
    """The conversations, with their numbers of unread posts."""

    def __init__(self) -> None:
        super().__init__(id="groups", markup=False, compact=True)
        self._shown: list[tuple[int, str]] = []
        self._session: Session | None = None
        self.stream_ids: list[int] = []

    def on_resize(self) -> None:
        if self._session is not None:
            self.show(self._session)

    def show(self, session: Session) -> None:
        """Draw what the session knows."""
        self._session, model = session, session.model
        width = self.size.width or GROUPS_WIDTH
        lines = []
        for one in model.conversations.values():
            name = one.name or text(session.language, "inbox")
            unread = f" {min(one.unread, 99)}" if one.unread else ""
            lines.append((one.stream_id, drawing.fit(f" {name}", width - 3 - len(unread)) + unread))
        if lines != self._shown:
            self._shown, self.stream_ids = lines, [stream_id for stream_id, _ in lines]
            self.clear_options()
            self.add_options([Option(line) for _, line in lines])
        self.highlighted = self.stream_ids.index(model.current_id)


class EntryView(Vertical):
    """One entry of the conversation: name and time, then the content."""

    def __init__(self, entry: Entry, session: Session) -> None:
        self.entry = entry
        self._session = session
        is_mine = isinstance(entry, Said | Card) and entry.sender_id == session.model.user_id
        super().__init__(classes=f"entry {type(entry).__name__.lower()} {'mine' if is_mine else ''}")

    def compose(self) -> ComposeResult:
        if isinstance(self.entry, Said | Card):
            yield Drawn(self._head(self.entry), classes="head")
        yield Drawn(classes="body")

    def on_mount(self) -> None:
        self.draw()

    def draw(self) -> None:
        """Draw the present state."""
        self.query_one(".body", Drawn).draw(self._body())

    def _head(self, entry: Said | Card) -> Content:
        name, colour = self._session.model.names[entry.sender_id], drawing.name_colour(entry.sender_id)
        return Content.assemble((name, colour), (f"  {drawing.clock(entry.at_ms)}", DIM))

    def _body(self) -> Content:
        language, money = self._session.language, self._session.money
        if isinstance(self.entry, Card):
            model = self._session.model
            named = [model.names[user_id] for user_id in self.entry.packet.for_user_ids]
            turn = self.entry.packet.turn
            next_name = "" if turn is None else model.names[turn.user_id]
            return drawing.card(self.entry, model.user_id, language, money, named, next_name)
        if isinstance(self.entry, Said):
            return Content(self.entry.text)
        amount = money.short(language, self.entry.amount_fen)
        if isinstance(self.entry, Turn):
            is_mine = self.entry.user_id == self._session.model.user_id
            name = self._session.model.names[self.entry.user_id]
            return Content(text(language, "turn_mine" if is_mine else "turn", name=name, amount=amount))
        return Content(text(language, self.entry.key, name=self.entry.name, amount=amount))

    def on_click(self, click: events.Click) -> None:
        """A click on a card is a tap."""
        if isinstance(self.entry, Card):
            click.stop()
            self.post_message(Talk.Tapped(self.entry.packet.packet_id))


class Talk(VerticalScroll, can_focus=False):
    """The conversation on the screen, with at most one chosen packet."""

    class Tapped(Message):
        """A packet was tapped."""

        def __init__(self, packet_id: int) -> None:
            super().__init__()
            self.packet_id = packet_id

    def __init__(self) -> None:
        super().__init__(id="talk")
        self._stream_id = 0
        self._last: Entry | None = None
        self._chosen: EntryView | None = None

    def show(self, session: Session, redraw: bool = False) -> None:
        """Draw what the session knows; `redraw`: from the first entry, because more than the end has changed."""
        conversation = session.model.current
        fresh = self._fresh(conversation)
        is_at_end = redraw or fresh is None or self.max_scroll_y - self.scroll_offset.y <= 1
        if redraw or fresh is None:
            self.remove_children()
            self._chosen = None
            fresh = conversation.entries[-VIEWS_MOST:]
        self._stream_id = conversation.stream_id
        if fresh:
            self._last = fresh[-1]
            self.mount_all(EntryView(entry, session) for entry in fresh)
            if is_at_end:  # otherwise the user reads older entries and stays there
                self.call_after_refresh(self.scroll_end, animate=False)
        elif not conversation.entries:
            self._last = None
        views = self._views()
        for old in views[:-VIEWS_MOST]:
            old.remove()
        for view in views[-VIEWS_MOST:]:
            if view.is_mounted:
                view.draw()

    def _fresh(self, conversation: Conversation) -> list[Entry] | None:
        """The entries after the last one that is drawn; None if that one is not among the entries."""
        if conversation.stream_id != self._stream_id or self._last is None:
            return None
        entries = conversation.entries
        for place in range(len(entries) - 1, -1, -1):
            if entries[place] is self._last:
                return entries[place + 1 :]
        return None

    def _views(self) -> list[EntryView]:
        return list(self.query(EntryView))

    def _cards(self) -> list[EntryView]:
        return [view for view in self._views() if isinstance(view.entry, Card)]

    def choose(self, step: int) -> None:
        """Choose the packet before (-1) or after (1) the chosen one."""
        cards = self._cards()
        if not cards:
            return
        place = cards.index(self._chosen) + step if self._chosen in cards else len(cards) - 1
        if self._chosen is not None:
            self._chosen.remove_class("chosen")
        self._chosen = None if place >= len(cards) else cards[max(0, place)]
        if self._chosen is not None:
            self._chosen.add_class("chosen").scroll_visible(animate=False)
        else:
            self.scroll_end(animate=False)

    def chosen_packet(self) -> int:
        """The chosen packet, otherwise the newest open one, otherwise the newest one; 0 without packets."""
        if self._chosen is not None and isinstance(self._chosen.entry, Card):
            return self._chosen.entry.packet.packet_id
        packets = [view.entry.packet for view in self._cards() if isinstance(view.entry, Card)]
        still_open = [one for one in packets if one.state == OPEN]
        return (still_open or packets)[-1].packet_id if packets else 0


class BigAmount(Horizontal):
    """An amount in large digits, with its unit beside them."""

    def __init__(self, amount: str) -> None:
        self._digits, self._unit = Digits(classes="digits"), Drawn(classes="unit")
        super().__init__(self._digits, self._unit, id="amount")
        self._amount = amount

    def on_mount(self) -> None:
        self.show(self._amount)

    def show(self, amount: str) -> None:
        """Draw an amount, as 8.88元, 8.88 yuan or ¥8.88; a symbol without a large form stands beside the digits."""
        found = _FIGURES.search(amount)
        before, figures, after = (
            (amount[: found.start()], found[0], amount[found.end() :]) if found else ("", "", "")
        )
        self._digits.update(figures)
        self._unit.draw(Content.styled(f"{before}{after}".strip(), f"bold {GOLD}"))


class Keys(Drawn):
    """The bottom line: which key does what; on a narrow screen several lines, broken between two keys."""

    _keys: tuple[tuple[str, str], ...] = ()

    def show(self, keys: list[tuple[str, str]]) -> None:
        """Draw pairs of a key and its meaning."""
        self._keys = tuple(keys)
        self.on_resize()

    def on_resize(self) -> None:
        """Break the lines again."""
        words: list[tuple[str, str]] = []
        left = width = self.container_size.width
        for key, does in self._keys:
            needed = cell_len(f" {key} {does} ")
            if words and width and needed > left:
                words.append(("\n", ""))
                left = width
            left -= needed
            words += [(f" {key} ", f"bold {GOLD}"), (f"{does} ", DIM)]
        self.draw(Content.assemble(*words))
