"""What the screens are made of: the line above, the groups, the conversation with bubbles and red cards, fields."""

from __future__ import annotations

from typing import Any

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from client_sim.chat import drawing
from client_sim.chat.drawing import DIM, GOLD, RED
from client_sim.chat.model import OPEN, Card, Conversation, Entry, Notice, Said
from client_sim.chat.session import Session
from client_sim.chat.texts import text
from client_sim.sdk.money import yuan

VIEWS_MOST = 100  # entries that are drawn; the model keeps more
GROUPS_WIDTH = 20


class Drawn(Static):
    """Text that is drawn again only if it has changed."""

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

    Textual's own act when the key has bubbled up to the app. What was typed ahead has gone in by then: a second
    Enter would find the line of the first.
    """

    async def on_key(self, key: events.Key) -> None:
        """Do at once what the key stands for here; letters and what means nothing here go their way."""
        for binding in self._bindings.key_to_bindings.get(key.key, ()):
            if await self.app.run_action(binding.action, self):
                key.stop()
                key.prevent_default()
                return


class Line(Field):
    """What one says or wants, line by line."""

    class Typed(Message):
        """A line was typed, which is empty again."""

        def __init__(self, line: str) -> None:
            super().__init__()
            self.line = line

    async def action_submit(self) -> None:
        """Take the line, once."""
        line, self.value = self.value, ""
        self.post_message(self.Typed(line))


class Top(Horizontal):
    """Where I am, whether I am online, and what is in my wallet."""

    def __init__(self) -> None:
        self._here, self._state = Drawn(id="here"), Drawn(id="state")
        super().__init__(self._here, self._state, id="top")

    def show(self, session: Session) -> None:
        """Draw what the session knows."""
        language, model = session.language, session.model
        state = "connecting" if not session.is_ready.is_set() else "online" if session.is_online else "offline"
        here = model.current.name or text(language, "inbox")
        self._here.draw(Content.assemble((" 红包 ", f"bold {GOLD} on {RED}"), f" {here}"))
        money = f"{text(language, 'wallet')} ¥{yuan(model.balance_fen)} "
        colour = "#7bc96f" if state == "online" else "#e5c07b"
        self._state.draw(Content.assemble((f" ● {text(language, state)}  ", colour), (money, f"bold {GOLD}")))


class Groups(OptionList, can_focus=False):
    """The conversations, those with something new marked."""

    def __init__(self) -> None:
        super().__init__(id="groups", markup=False, compact=True)
        self._shown: list[tuple[int, str]] = []
        self.stream_ids: list[int] = []

    def show(self, session: Session) -> None:
        """Draw what the session knows."""
        model = session.model
        lines = []
        for one in model.conversations.values():
            name = one.name or text(session.language, "inbox")
            unread = f" {min(one.unread, 99)}" if one.unread else ""
            lines.append((one.stream_id, drawing.fit(f" {name}", GROUPS_WIDTH - 3 - len(unread)) + unread))
        if lines != self._shown:
            self._shown, self.stream_ids = lines, [stream_id for stream_id, _ in lines]
            self.clear_options()
            self.add_options([Option(line) for _, line in lines])
        self.highlighted = self.stream_ids.index(model.current_id)


class EntryView(Vertical):
    """One entry of the conversation: who and when, and what."""

    def __init__(self, entry: Entry, session: Session) -> None:
        self.entry = entry
        self._session = session
        is_mine = not isinstance(entry, Notice) and entry.sender_id == session.model.user_id
        super().__init__(classes=f"entry {type(entry).__name__.lower()} {'mine' if is_mine else ''}")

    def compose(self) -> ComposeResult:
        if not isinstance(self.entry, Notice):
            yield Drawn(self._head(), classes="head")
        yield Drawn(classes="body")

    def on_mount(self) -> None:
        self.draw()

    def draw(self) -> None:
        """Show how it is now."""
        self.query_one(".body", Drawn).draw(self._body())

    def _head(self) -> Content:
        assert not isinstance(self.entry, Notice)
        name = self._session.model.names[self.entry.sender_id]
        return Content.assemble(
            (name, drawing.name_colour(self.entry.sender_id)), (f"  {drawing.clock(self.entry.at_ms)}", DIM)
        )

    def _body(self) -> Content:
        language = self._session.language
        if isinstance(self.entry, Card):
            return drawing.card(self.entry, self._session.model.user_id, language)
        if isinstance(self.entry, Said):
            return Content(self.entry.text)
        return Content(text(language, self.entry.key, **self.entry.fields))

    def on_click(self, click: events.Click) -> None:
        """A card was tapped."""
        if isinstance(self.entry, Card):
            click.stop()
            self.post_message(Talk.Tapped(self.entry.packet.packet_id))


class Talk(VerticalScroll, can_focus=False):
    """The conversation on the screen, with one chosen packet."""

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

    def show(self, session: Session, anew: bool = False) -> None:
        """Draw what the session knows; `anew`: from the first entry, since more than the end may have changed."""
        conversation = session.model.current
        fresh = self._fresh(conversation)
        is_at_end = anew or fresh is None or self.max_scroll_y - self.scroll_offset.y <= 1
        if anew or fresh is None:
            self.remove_children()
            self._chosen = None
            fresh = conversation.entries[-VIEWS_MOST:]
        self._stream_id = conversation.stream_id
        if fresh:
            self._last = fresh[-1]
            self.mount_all(EntryView(entry, session) for entry in fresh)
            if is_at_end:  # who reads further up is left there
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
        """The entries behind the last that is drawn; None if that cannot be said."""
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
        """The packet before or after the chosen one."""
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
        """The chosen packet; without one the newest that is open, otherwise the newest; 0 if there is none."""
        if self._chosen is not None and isinstance(self._chosen.entry, Card):
            return self._chosen.entry.packet.packet_id
        packets = [view.entry.packet for view in self._cards() if isinstance(view.entry, Card)]
        still_open = [one for one in packets if one.state == OPEN]
        return (still_open or packets)[-1].packet_id if packets else 0


class Keys(Drawn):
    """The line below: which key does what."""

    def show(self, keys: list[tuple[str, str]]) -> None:
        """Draw pairs of a key and what it does."""
        words: list[tuple[str, str]] = []
        for key, does in keys:
            words += [(f" {key} ", f"bold {GOLD}"), (f"{does} ", DIM)]
        self.draw(Content.assemble(*words))
